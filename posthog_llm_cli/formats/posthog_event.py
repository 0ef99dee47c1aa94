"""`posthog-event`: a PostHog event as a record, passed through (cli.md). It is what `--mock` prints.

Smallest record: `{"event": "$ai_generation", "distinct_id": "u-1", "timestamp": "2025-06-01T10:00:00Z", "properties":
{}}`.
"""

import uuid
from collections.abc import Mapping

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import Warnings
from posthog_llm_cli.formats._times import Clock, time_of
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.identity import event_uuid, pass_through_identity
from posthog_llm_cli.model import Json, ParseContext, PassThrough

_MAX_NAME_BYTES = 200
_PARTS: tuple[tuple[str, type, str], ...] = (
    ("event", str, "an event name"),
    ("distinct_id", str, "a distinct id"),
    ("properties", dict, "an object of properties"),
)
"""What an event has, with the type and the words for it."""


def matches(record: Json) -> bool:
    """Whether `record` is an event: string `event`, string `distinct_id`, object `properties`."""
    return (
        isinstance(record, dict)
        and isinstance(record.get("event"), str)
        and isinstance(record.get("distinct_id"), str)
        and isinstance(record.get("properties"), dict)
    )


def misfit(record: Json) -> RecordError | None:
    """Return what an event that does not match lacks, where events were announced; None for what has nothing of one."""
    lacks = [(key, words) for key, kind, words in _PARTS if not isinstance(_of(record, key), kind)]
    if not lacks or len(lacks) == len(_PARTS):
        return None
    key, words = lacks[0]
    return RecordError("invalid-event", f"expected {words} and found none", path=f"$.{key}")


def _of(record: Json, key: str) -> Json:
    return record.get(key) if isinstance(record, dict) else None


def parse(record: Json, context: ParseContext) -> Parsed:
    """Check an event; what it has stays.

    Raises:
        RecordError: `invalid-event` without name or distinct id, or with a uuid that is none; `missing-field` without
        time.
    """
    name, distinct_id = record["event"].strip(), record["distinct_id"].strip()
    if not name or len(name.encode()) > _MAX_NAME_BYTES:
        raise RecordError("invalid-event", "expected an event name of 1 to 200 bytes", path="$.event")
    if not distinct_id:
        raise RecordError("invalid-event", "expected a distinct id and found an empty one", path="$.distinct_id")
    for key in ("$set", "$set_once"):
        if key in record["properties"] and not isinstance(record["properties"][key], dict):
            raise RecordError("invalid-event", f"expected an object under {key}", path=f"$.properties.{key}")
    warn = Warnings()
    timestamp = time_of(Clock(context, warn).us(record.get("timestamp"))) or context.default_time
    if timestamp is None:
        raise RecordError(
            "missing-field",
            "the event has no usable timestamp",
            path="$.timestamp",
            hint="--default-time gives such events a time",
        )
    return PassThrough(name, distinct_id, _uuid(record), timestamp, record["properties"], warn.codes())


def _uuid(record: Mapping[str, Json]) -> str:
    given = record.get("uuid")
    if given is None or given == "":
        return event_uuid(pass_through_identity(record))
    try:
        return str(uuid.UUID(given)) if isinstance(given, str) else _refuse_uuid()
    except ValueError:
        return _refuse_uuid()


def _refuse_uuid() -> str:
    raise RecordError("invalid-event", "expected a uuid and found another value", path="$.uuid")


FORMAT = LogFormat(
    name="posthog-event",
    title="PostHog event, passed through",
    recognised_by="string event, string distinct_id and object properties",
    smallest='{"event": "$ai_generation", "distinct_id": "u-1", "timestamp": "2025-06-01T10:00:00Z", "properties": '
    '{"$ai_model": "gpt-4o", "$ai_trace_id": "t-1"}}',
    matches=matches,
    parse=parse,
    needs=frozenset({"event"}),
)
