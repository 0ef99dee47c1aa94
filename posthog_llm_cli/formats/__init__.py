"""A record → a call: the formats, and the one table that tells them apart.

`DETECTION` is tried from top to bottom and the first match wins (litellm-logs.md 1, then openai-logs.md 2). Adding a
format: one module with its `FORMAT`, one line here, one sample.
"""

from collections.abc import Iterator, Mapping

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats import (
    _litellm_usual,
    dead_letter,
    litellm,
    litellm_kwargs,
    litellm_legacy,
    litellm_spend,
    ollama,
    openai_batch,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_error,
    openai_flat,
    openai_parallel,
    openai_responses,
    openai_stream,
    posthog_event,
    refusals,
)
from posthog_llm_cli.formats._fields import mapping
from posthog_llm_cli.formats._litellm_datadog import ENVELOPE_KEYS, is_envelope, open_envelope
from posthog_llm_cli.formats._openai_shapes import (
    MORE_PROMPT_KEYS,
    PROMPT_TEXT_KEYS,
    Candidate,
    Nested,
    classify,
    classify_response,
    is_asked_flat_alone,
)
from posthog_llm_cli.formats._wrappers import HOLDERS, exchanges, lines_of_page, members, wrapped
from posthog_llm_cli.formats.base import LogFormat, Parsed, Refusal
from posthog_llm_cli.model import Json, LLMCall, ParseContext

__all__ = [
    "DETECTION",
    "FORMATS",
    "FORMAT_NAMES",
    "USUAL",
    "LogFormat",
    "detect",
    "expand",
    "is_single",
    "parse",
    "rows",
    "usual_call",
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
    needs=frozenset({"plh_dead_letter"}),
)

DETECTION: tuple[LogFormat | Refusal, ...] = (
    posthog_event.FORMAT,
    _DEAD_LETTER,
    *refusals.BEFORE_LITELLM,
    litellm_kwargs.FORMAT,
    litellm_spend.FORMAT,
    litellm_legacy.FORMAT,
    litellm.FORMAT,
    *refusals.AFTER_LITELLM,
    openai_parallel.FORMAT,
    openai_batch.FORMAT,
    openai_chat.FORMAT,
    openai_responses.FORMAT,
    openai_completions.FORMAT,
    openai_embeddings.FORMAT,
    openai_stream.FORMAT,
    ollama.FORMAT,
    openai_error.FORMAT,
    openai_flat.FORMAT,
    *refusals.OPENAI_ROWS,
)
"""Every shape that is known, in the order in which it is looked for."""

FORMATS: tuple[LogFormat, ...] = tuple(row for row in DETECTION if isinstance(row, LogFormat))
"""The formats that can be sent, and what `--format` may name."""

FORMAT_NAMES: tuple[str, ...] = tuple(found.name for found in FORMATS)

_NOT_IN_LINES = frozenset({posthog_event.FORMAT.name, _DEAD_LETTER.name, openai_batch.FORMAT.name})
_OF_LITELLM = (litellm_kwargs.FORMAT, litellm_spend.FORMAT, litellm_legacy.FORMAT, litellm.FORMAT)
_LITELLM = DETECTION.index(litellm.FORMAT)
_EARLIER_KEYS = frozenset[str]().union(*(row.needs for row in DETECTION[:_LITELLM]))
"""An object without any of these keys is none of the rows before a bare payload, which most records are."""
_HOLDERS = frozenset({"plh_dead_letter", "data", "Items", *ENVELOPE_KEYS, *HOLDERS})
_HOLLOW = frozenset({"no-response", "fine-tuning-data"})
"""Rows of records in which something is missing that may lie under a name nobody knows."""
_ANSWERS = frozenset({
    openai_chat.FORMAT.name, openai_responses.FORMAT.name, openai_completions.FORMAT.name,
    openai_embeddings.FORMAT.name,
})  # fmt: skip
_QUOTING = frozenset({*PROMPT_TEXT_KEYS, *MORE_PROMPT_KEYS, "inputs", "system", "instructions", "content"})
"""Names of texts that were asked or said: one that is JSON of a call quotes it."""
_MOST_UNKNOWN = 1000
"""With so many rows that nobody knows at its beginning an array under a name is no table of calls."""
USUAL = litellm.FORMAT.name
_USUAL_CALLS = _litellm_usual.Reader(_EARLIER_KEYS | _HOLDERS)
_BY_NAME = {found.name: found for found in FORMATS}
_OPENAI_FROM = DETECTION.index(openai_parallel.FORMAT)
_BEFORE_OPENAI = DETECTION[:_OPENAI_FROM]
_FROM_LITELLM = DETECTION[_LITELLM:_OPENAI_FROM]
_BY_SHAPE: dict[str, LogFormat | Refusal] = {
    **{row.name: row for row in DETECTION[_OPENAI_FROM:]},
    "batch-input": openai_batch.FORMAT,
    "pending": openai_responses.FORMAT,
    "metadata-only": openai_flat.FORMAT,
    "error-body": openai_error.FORMAT,
}


def detect(record: Json) -> LogFormat | Refusal | None:
    """Return the first row that matches; None for a value that no row knows.

    The OpenAI rows all ask the same question, so it is asked once.
    """
    is_none_earlier = isinstance(record, dict) and record.keys().isdisjoint(_EARLIER_KEYS)
    for row in _FROM_LITELLM if is_none_earlier else _BEFORE_OPENAI:
        if row.matches(record):
            return row
    return _BY_SHAPE.get(classify(record))


def usual_call(raw: bytes, context: ParseContext, *, name: str | None = None) -> LLMCall | None:
    """Return the call of a line that is a usual one of the format `USUAL`, as `read` does; None for any other.

    `name` is the format that all records are to be of, None where it is found out.
    """
    return None if name is not None and name != USUAL else _USUAL_CALLS.read(raw, context)


def parse(record: Json, context: ParseContext, *, name: str | None = None) -> tuple[str | None, Parsed]:
    """Return the name of the record's format and what it says; the name is None where none was recognised.

    `name` fixes one format for all records; what does not fit it is `unknown-format`.

    Raises:
        RecordError: the record cannot become a call.
    """
    found, record = reader_of(record, name=name)
    return name_of(found), read(found, record, context)


def reader_of(record: Json, *, name: str | None = None) -> tuple[LogFormat | Refusal | None, Json]:
    """Return the row that reads a record, the one of a format's `name` or what `detect` finds, and what it reads.

    That is the record, or the one call that lies in it.

    Raises:
        RecordError: the record is not of that format, or a text in it is too deep to be looked into.
    """
    if name is not None:
        return _fixed(record, name), record
    found = detect(record)
    if (found is None or found.name in _HOLLOW or _is_told_flat(found, record)) and (
        held := _held_call(record)
    ) is not None:
        record, found = held
    return found, record


def read(found: LogFormat | Refusal | None, record: Json, context: ParseContext) -> Parsed:
    """Return what a record says to its row. Raises: RecordError where it cannot become a call."""
    if found is None:
        raise refusals.unknown_format(record)
    return found.parse(record, context) if isinstance(found, LogFormat) else found.answer(record)


def name_of(found: LogFormat | Refusal | None) -> str | None:
    """Return the format that a row is of."""
    if found is None:
        return None
    return found.name if isinstance(found, LogFormat) else found.format


def _held_call(record: Json) -> tuple[Json, LogFormat | Refusal | None] | None:
    """The one call that lies under a name of the writer's own in a record, or in a logger's line, that is none itself.

    A bare answer there is the answer of the record around it, which may know what was asked. Two calls are none: which
    of them the record is about is not known. Nor is a call beside another one's request, or one that a prompt quotes.
    """
    if not isinstance(record, dict):
        return None
    found: list[tuple[Json, LogFormat | Refusal | None]] = []
    for holder in (record, *(inner for _, inner in wrapped(record))):
        if dead_letter.is_dead_letter(holder):
            return None  # which is taken up as one, or not at all
        held = list(members(holder))
        for key, inner, with_context in held:
            if key in _QUOTING and isinstance(holder[key], str):
                continue
            is_answer = Nested(inner).shape in _ANSWERS
            call: Json = _answered(holder, key, inner, held) if is_answer else with_context
            row = detect(call)
            if not isinstance(row, LogFormat) or not _is_whole_call(call) or classify(call) == "error-body":
                continue
            if is_answer or not _asks_itself(holder, key):
                found.append((call, row))
            if len(found) > 1:
                return None  # and each of the others would be asked about all the members again
        if found:
            break
    return found[0] if found else None


def _asks_itself(holder: Mapping[str, Json], key: str) -> bool:
    """Whether a record is a request, or messages, also without what it holds under a key."""
    found = detect({name: value for name, value in holder.items() if name != key})
    return found is not None and found.name in _HOLLOW


def _answered(
    holder: Mapping[str, Json], key: str, answer: Json, held: list[tuple[str, dict[str, Json], dict[str, Json]]]
) -> dict[str, Json]:
    """The record around an answer under a key of its own, and around the one request that lies under another."""
    call = {**{name: value for name, value in holder.items() if name != key}, "response": answer}
    if Candidate(call).has_request:
        return call
    asked = [inner for name, inner, _ in held if name != key and Candidate({"request": inner}).request]
    return {**call, "request": asked[0]} if len(asked) == 1 else call


def _fixed(record: Json, name: str) -> LogFormat | Refusal:
    if record is None:
        return refusals.BEFORE_LITELLM[0]
    found = _BY_NAME[name]
    if not found.matches(record):
        lacking = posthog_event.misfit(record) if found is posthog_event.FORMAT else None
        raise lacking or RecordError("unknown-format", f"the record is not of the format {name}")
    return found


def expand(value: Json) -> Iterator[tuple[str, Json]]:
    """Yield the records in a parsed value, each with its JSON path.

    An array is its elements (but for lists that are a record themselves: rows 1 and 2 of openai-logs.md); a page of
    spend logs, of stored completions, of DynamoDB items or of a log is its rows, a cassette its exchanges; Datadog's
    envelope is the payload in it, and a logger's line the record in it.
    """
    for path, item in rows(value):
        yield _opened(path, item)


def is_single(value: Json) -> bool:
    """Whether a parsed value is certainly one record as it stands, and no letter: nothing that `expand` opens."""
    return isinstance(value, dict) and len(value) > 1 and value.keys().isdisjoint(_HOLDERS)


def rows(value: Json) -> Iterator[tuple[str, Json]]:
    """Yield what `expand` yields, but Datadog's envelopes as they are."""
    if isinstance(value, list) and value and classify(value) == "unknown":
        items, path = value, "$"
    elif isinstance(value, dict) and (page := _page(value)) is not None:
        path, items = page
    elif isinstance(value, dict) and len(value) == 1 and (table := _table(value)) is not None:
        place, found = table
        for path, item in rows(found):
            yield place + path.removeprefix("$"), item
        return
    else:
        yield "$", value
        return
    for index, item in enumerate(items):
        yield f"{path}[{index}]", item


def _opened(path: str, value: Json) -> tuple[str, Json]:
    """Return the payload in Datadog's envelope, the record in a logger's line, anything else as it is."""
    found = _enveloped(value)
    if found is None and isinstance(value, dict):
        found = _wrapped_record(value)
    return (path, value) if found is None else _below(path, found)


def _enveloped(value: Json) -> tuple[str, Json] | None:
    try:
        return open_envelope(value) if is_envelope(value) else None
    except RecordError:  # too deep: parsing the envelope says so in its place
        return None


def _below(path: str, found: tuple[str, Json]) -> tuple[str, Json]:
    return path + found[0].removeprefix("$"), found[1]


def _wrapped_record(value: Mapping[str, Json]) -> tuple[str, Json] | None:
    """The call in a logger's line that is no known record itself; parts of streams are not put together from there."""
    inside = list(wrapped(value))
    if not inside:
        return None
    known = detect(value)
    if known is not None and not _is_told_flat(known, value):
        return None
    for path, inner in inside:
        found = _enveloped(inner)
        where, record = (path, inner) if found is None else _below(path, found)
        if _is_whole_call(record):
            return where, record
    return None


def _is_told_flat(found: LogFormat | Refusal, record: Json) -> bool:
    """Whether a record is a failure told by a text and a model alone: a call that lies in it says more."""
    return found is openai_error.FORMAT and isinstance(record, dict) and is_asked_flat_alone(record)


def _is_whole_call(record: Json) -> bool:
    row = detect(record)
    if row in _OF_LITELLM:  # whole, also where no text was stored: what is asked below is about OpenAI's formats
        return True
    if isinstance(row, Refusal):
        return row.name == "relative"
    is_call = row is not None and row.name not in _NOT_IN_LINES and classify(record) != "metadata-only"
    return is_call and classify_response(record) != "openai-stream" and record.get("done") is not False


def _page(value: Mapping[str, Json]) -> tuple[str, list[Json]] | None:
    """The records on a page or in a cassette, and their JSON path; None for any other value.

    A record that is known may note what happened meanwhile, or what its tools were asked, in the same shape: it stays
    the one that it is.
    """
    if (key := _rows_key(value)) is not None:
        return f"$.{key}", value[key]
    if (cassette := exchanges(value)) is not None:
        holds_calls = any(detect(item) is not None for item in cassette[1])
        return cassette if holds_calls or detect(value) is None else None
    page = lines_of_page(value)
    return page if page is not None and detect(value) is None else None


def _table(value: Mapping[str, Json]) -> tuple[str, list[Json]] | None:
    """The array under a table's name, or a query's text, as clients of databases export it; None for any record.

    It is read as an array that stands alone, which may be one stream, but only where it holds something that is known.
    """
    name, found = next(iter(value.items()))
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found) or detect(value) is not None:
        return None
    place = name if name.isidentifier() else "*"  # a query may say whom it was about
    first = found[:_MOST_UNKNOWN]  # a long line may hold a million rows of something else
    is_known = classify(found) != "unknown" or any(detect(_opened("$", item)[1]) is not None for item in first)
    return (f"$.{place}", found) if is_known else None


def _rows_key(value: Mapping[str, Json]) -> str | None:
    """The key of a page's rows; None where the value is no page."""
    data, dynamo = value.get("data"), value.get("Items")
    if isinstance(dynamo, list) and dynamo and all(litellm_legacy.matches(item) for item in dynamo):
        return "Items"
    if not isinstance(data, list) or not data:
        return None
    if value.get("object") == "list":
        return "data" if mapping(data[0]).get("object") == "chat.completion" else None
    return "data" if all("request_id" in mapping(item) for item in data) else None
