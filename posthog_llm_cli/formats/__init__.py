"""A record → a call: the formats, and the one table that tells them apart.

`DETECTION` is tried from top to bottom and the first match wins (litellm-logs.md 1, then openai-logs.md 2). Adding a
format: one module with its `FORMAT`, one line here, one sample.
"""

from collections.abc import Iterator, Mapping

from posthog_llm_cli.decoding import decode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats import (
    dead_letter,
    litellm,
    litellm_kwargs,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_error,
    openai_responses,
    posthog_event,
    refusals,
)
from posthog_llm_cli.formats._fields import mapping
from posthog_llm_cli.formats._openai_shapes import classify
from posthog_llm_cli.formats.base import LogFormat, Parsed, Refusal
from posthog_llm_cli.model import Json, ParseContext

__all__ = [
    "DETECTION",
    "FORMATS",
    "FORMAT_NAMES",
    "OTHER_RANK",
    "LogFormat",
    "detect",
    "expand",
    "head_rank",
    "parse",
    "read_rank",
]


def _unwrapped(_: Json, __: ParseContext) -> Parsed:
    raise RecordError("unknown-format", "a dead letter inside a dead letter")


_DEAD_LETTER = LogFormat(
    name=dead_letter.NAME,
    title=dead_letter.TITLE,
    recognised_by=dead_letter.RECOGNISED_BY,
    smallest=dead_letter.SMALLEST,
    matches=dead_letter.is_dead_letter,
    parse=_unwrapped,
)

DETECTION: tuple[LogFormat | Refusal, ...] = (
    posthog_event.FORMAT,
    _DEAD_LETTER,
    *refusals.BEFORE_LITELLM,
    litellm_kwargs.FORMAT,
    *refusals.LITELLM_ROWS,
    litellm.FORMAT,
    *refusals.AFTER_LITELLM,
    openai_chat.FORMAT,
    openai_responses.FORMAT,
    openai_completions.FORMAT,
    openai_embeddings.FORMAT,
    openai_error.FORMAT,
    *refusals.OPENAI_ROWS,
)
"""Every shape that is known, in the order in which it is looked for."""

FORMATS: tuple[LogFormat, ...] = tuple(row for row in DETECTION if isinstance(row, LogFormat))
"""The formats that can be sent, and what `--format` may name."""

FORMAT_NAMES: tuple[str, ...] = tuple(found.name for found in FORMATS)

_BY_NAME = {found.name: found for found in FORMATS}
_BEFORE_OPENAI = DETECTION[: DETECTION.index(openai_chat.FORMAT)]
_BY_SHAPE: dict[str, LogFormat | Refusal] = {
    **{row.name: row for row in DETECTION[DETECTION.index(openai_chat.FORMAT) :]},
    "pending": openai_responses.FORMAT,
    "error-body": openai_error.FORMAT,
}


def detect(record: Json) -> LogFormat | Refusal | None:
    """Return the first row that matches; None for a value that no row knows.

    The OpenAI rows all ask the same question, so it is asked once.
    """
    for row in _BEFORE_OPENAI:
        if row.matches(record):
            return row
    return _BY_SHAPE.get(classify(record))


def parse(record: Json, context: ParseContext, *, name: str | None = None) -> tuple[str | None, Parsed]:
    """Return the name of the record's format and what it says; the name is None where none was recognised.

    `name` fixes one format for all records; what does not fit it is `unknown-format`.

    Raises:
        RecordError: the record cannot become a call. Its `format` stays unknown then; ask `detect` for it.
    """
    found = detect(record) if name is None else _fixed(record, name)
    if found is None:
        raise refusals.unknown_format(record)
    if isinstance(found, LogFormat):
        return found.name, found.parse(record, context)
    return found.format, found.answer(record)


def _fixed(record: Json, name: str) -> LogFormat | Refusal:
    if record is None:
        return refusals.BEFORE_LITELLM[0]
    found = _BY_NAME[name]
    if not found.matches(record):
        raise RecordError("unknown-format", f"the record is not of the format {name}")
    return found


def expand(value: Json) -> Iterator[tuple[str, Json]]:
    """Yield the records in a parsed value, each with its JSON path.

    An array is its elements (but for lists that are a record themselves: rows 1 and 2 of openai-logs.md); a page of
    spend logs or of stored completions is its rows.
    """
    if isinstance(value, list) and value and classify(value) == "unknown":
        for index, item in enumerate(value):
            yield f"$[{index}]", item
    elif isinstance(value, dict) and _is_page(value):
        for index, item in enumerate(value["data"]):
            yield f"$.data[{index}]", item
    else:
        yield "$", value


def _is_page(value: Mapping[str, Json]) -> bool:
    data = value.get("data")
    if not isinstance(data, list) or not data:
        return False
    if value.get("object") == "list":
        return mapping(data[0]).get("object") == "chat.completion"
    return all("request_id" in mapping(item) for item in data)


# ------------------------------------------------------------------------------- which of several sources is read first

OTHER_RANK = 1
"""The rank of every row that `READ_RANKS` does not name."""

READ_RANKS: Mapping[str, int | None] = {
    "batch-input": 0,
    litellm_kwargs.FORMAT.name: OTHER_RANK,
    litellm.FORMAT.name: 2,
    "litellm-datadog": 3,
    "litellm-spend": 4,
    "litellm-legacy": 5,
    "empty-record": None,
    "console-log": None,
    "audit-log": None,
}
"""By the name of its row in `DETECTION`, when a record's source is read: the lowest rank first.

A call that lies in several views is sent from the first of them, so the richer ones come first (litellm-logs.md 8);
what only completes other records, as a batch's input does, comes before all that may need it. None: nothing is told.
"""

_HEADS: tuple[tuple[str, tuple[bytes, ...], tuple[bytes, ...]], ...] = (
    ("litellm-datadog", (b'"ddsource"', b'"message"'), (b'"litellm"',)),
    (litellm_kwargs.FORMAT.name, (), (b'"standard_logging_object"', b'"litellm_params"')),
    ("litellm-spend", (b'"request_id"', b'"call_type"', b'"startTime"'), (b'"spend"', b'"proxy_server_request"')),
    ("litellm-legacy", (b'"modelParameters"',), (b'"usage"', b'"messages"')),
    (litellm.FORMAT.name, (b'"call_type"',), (b'"model_parameters"', b'"hidden_params"', b'"response_cost"')),
    ("batch-input", (b'"custom_id"', b'"method"', b'"url"'), (b'"body"',)),
)
"""Names of keys, all of the first and one of the second, that show a row in a record too long to be looked at whole."""


def read_rank(value: Json) -> int | None:
    """Return the rank of the first record in a line's value that has one (`READ_RANKS`); None where none has."""
    for _, record in expand(value):
        rank = _rank_of_letter(record) if dead_letter.is_dead_letter(record) else _rank_of(record)
        if rank is not None:
            return rank
    return None


def head_rank(head: bytes) -> int | None:
    """Return the rank that the key names in the first bytes of a long record show, if they show one."""
    for name, every, some in _HEADS:
        if all(key in head for key in every) and any(key in head for key in some):
            return READ_RANKS[name]
    return None


def _rank_of(record: Json) -> int | None:
    row = detect(record)
    return None if row is None else READ_RANKS.get(row.name, OTHER_RANK)


def _rank_of_letter(letter: Mapping[str, Json]) -> int | None:
    """Of the record in a dead letter, which is taken up in its place."""
    try:
        inner = decode(dead_letter.letter_bytes(letter)).value
    except RecordError:
        return None
    return None if dead_letter.is_dead_letter(inner) else read_rank(inner)
