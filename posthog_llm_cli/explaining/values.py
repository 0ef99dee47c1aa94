"""An explanation as frozen values. Paths are JSON paths into the record; they lead through texts that hold JSON."""

from typing import Any, ClassVar

from posthog_llm_cli.model import Json, SourceRef
from posthog_llm_cli.values import Value, asdict


class Row(Value, frozen=True):
    """One property of the event, or a part of its envelope (`uuid`, `timestamp`, `distinct_id`, `event`).

    `paths` are the fields that its value follows; `needs` those without which it would not be there. `rule` says in
    words how the value was decided.
    """

    hidden: ClassVar = frozenset({"value"})

    property: str
    value: Json
    paths: tuple[str, ...]
    needs: tuple[str, ...]
    rule: str


class LeftOut(Value, frozen=True):
    """A part of the record that nothing in the event comes from; `of` says how many fields it has."""

    path: str
    of: int
    why: str


class Explanation(Value, frozen=True):
    """What became of one record. `outcome` is `event`, `rejected`, `skipped` or `filtered`.

    Of a rejected or skipped one there are `code`, `message`, `path` and `hint`, and no rows. `identity` is the text
    that the uuid is derived from (None where the record brought its own). `is_whole` is False where the record has so
    many fields that not each was tried.
    """

    hidden: ClassVar = frozenset({"identity"})

    ref: SourceRef
    format: str | None
    outcome: str
    code: str | None = None
    message: str | None = None
    path: str | None = None
    hint: str | None = None
    event: str | None = None
    identity: str | None = None
    uuid: str | None = None
    host: str | None = None
    masked_key: str | None = None
    destination_rule: str | None = None
    size: int = 0
    warnings: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    empty_fields: int = 0
    is_whole: bool = True


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON values: keys are the fields' names, the place `SOURCE:LINE`."""
    found = asdict(explanation)
    return {
        **found,
        "ref": str(explanation.ref),
        "warnings": list(explanation.warnings),
        "rows": [asdict(row) for row in explanation.rows],
        "left_out": [asdict(part) for part in explanation.left_out],
    }
