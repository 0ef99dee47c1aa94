"""What each correction makes of a field, from the record alone. `compat.corrections` is the table of them.

A law takes the fields of LiteLLM's event (its properties, and beside them what the constants here name, in one
dictionary), changes the ones that it corrects, and leaves the rest.
"""

from collections.abc import Callable

from compat.record import Record, Setting
from compat.values import Json

EVENT, UUID, TIMESTAMP, DISTINCT_ID = "event:name", "event:uuid", "event:timestamp", "event:distinct_id"
API_KEY, HOST = "to:api_key", "to:host"

Fields = dict[str, Json]
Law = Callable[[Fields, Record, Setting], None]


def put(fields: Fields, name: str, value: Json) -> None:
    """Give a field this value; None takes it away."""
    if value is None:
        fields.pop(name, None)
    else:
        fields[name] = value
