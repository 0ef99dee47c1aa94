"""A line → its records → events. Pure, and so what worker processes run.

One line is usually one record; an array, a page or documents glued together are several. Nothing here raises for what
is in the data: a record that cannot become an event is a `RecordError` in its place.
"""

from collections.abc import Iterator
from typing import ClassVar

from posthog_llm_cli import formats
from posthog_llm_cli.decoding import Decoded, decode, encode, split_documents, to_size
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats.base import Parsed
from posthog_llm_cli.formats.dead_letter import MAX_LETTERS_DEEP, NAME, is_dead_letter, letter_bytes
from posthog_llm_cli.glance import glance_of
from posthog_llm_cli.identity import event_uuid
from posthog_llm_cli.model import (
    BuildOptions,
    Converted,
    ConvertOptions,
    Credentials,
    Endpoint,
    Event,
    Fact,
    Filtered,
    Json,
    LLMCall,
    LogLine,
    Operation,
    PassThrough,
    Skipped,
    SourceRef,
)
from posthog_llm_cli.payload import build_event, build_pass_through
from posthog_llm_cli.routing import route
from posthog_llm_cli.values import Value, replace

_PADDING = b" \t\r\n\0\xef\xbb\xbf"
_JSON_STARTS = frozenset((b"{", b"}", b'"', b"]"))
_NOT_JSON = frozenset({"invalid-json", "python-repr"})


class _Record(Value, frozen=True):
    """One record of a line: its value or why there is none; `raw` where it is not the whole line."""

    hidden: ClassVar = frozenset({"value", "raw"})

    ref: SourceRef
    value: Json = None
    error: RecordError | None = None
    path: str = "$"
    raw: bytes | None = None
    warnings: tuple[str, ...] = ()
    is_json_like: bool = False
    from_letter: bool = False


def convert(line: LogLine, options: ConvertOptions) -> list[Converted]:
    """Return what becomes of each record of a line, in order; at least one.

    The event of a line that is one record is made to be packed at once: whoever keeps it keeps it `to_hold`.
    """
    if line.problem is not None:
        return [Converted(line.ref, line.problem, warnings=line.warnings)]
    if line.skipped is not None:
        return [Converted(line.ref, line.skipped, line.format, line.warnings)]
    usual = formats.usual_call(line.raw, options.parse, name=options.format)
    if usual is not None:
        found = [_converted(_Record(line.ref), usual, formats.USUAL, options, line)]
    elif isinstance(records := _records(line.raw, line.ref, whole=True), tuple):
        found = [_convert(record, options, line) for record in records]
    else:
        found = [to_hold(_convert(record, options, line)) for record in records]
    if line.warnings:
        return [replace(converted, warnings=(*line.warnings, *converted.warnings)) for converted in found]
    return found


def to_hold(converted: Converted) -> Converted:
    """Return what became of a record with an event that takes no more memory than its bytes say."""
    event = converted.result
    if not isinstance(event, Event):
        return converted
    return replace(converted, result=replace(event, properties=to_size(event.properties)))


# ------------------------------------------------------------------------------------------------- a line's records


def _records(raw: bytes, ref: SourceRef, *, whole: bool, depth: int = 0) -> tuple[_Record] | Iterator[_Record]:
    own = None if whole else raw
    try:
        decoded = decode(raw)
    except RecordError as error:
        return _pieces(raw, ref, _as_data(error), own, depth)
    if formats.is_single(decoded.value):
        return (_Record(ref, decoded.value, raw=own, warnings=decoded.warnings),)
    return _opened(decoded, raw, ref, own, depth)


def _pieces(raw: bytes, ref: SourceRef, error: RecordError, own: bytes | None, depth: int) -> Iterator[_Record]:
    """The documents that are glued in a line which is no JSON value itself."""
    pieces = split_documents(raw)
    if not pieces:
        # In a console log, text is noise; what begins like JSON is a record that was cut or broken.
        yield _Record(ref, error=error, raw=own, is_json_like=raw.lstrip()[:1] in _JSON_STARTS)
    for offset, piece in pieces:
        line = ref.line + raw.count(b"\n", 0, offset)
        yield from _records(piece, SourceRef(ref.uri, line, ref.offset + offset), whole=False, depth=depth)


def _opened(decoded: Decoded, raw: bytes, ref: SourceRef, own: bytes | None, depth: int) -> Iterator[_Record]:
    """The records in a value that may hold several, or one in a wrapper."""
    if decoded.value is None and raw.strip(_PADDING) != b"null":
        # NaN and its like are null inside of a record; alone they are no empty record.
        yield _Record(ref, error=RecordError("unknown-format", "expected an object, found a number"), raw=own)
        return
    if is_dead_letter(decoded.value):
        yield from _letter(decoded.value, ref, raw, depth)
        return
    try:
        for path, value in formats.expand(decoded.value):
            if is_dead_letter(value):
                yield from _letter(value, ref, encode(value), depth)
            elif path == "$":
                yield _Record(ref, value, raw=own, warnings=decoded.warnings)
            else:
                yield _Record(ref, value, path=path, raw=encode(value), warnings=decoded.warnings)
    except RecordError as error:  # a text in it is too deep to be looked into
        yield _Record(ref, error=_as_data(error), raw=own)


def _letter(letter: Json, ref: SourceRef, raw: bytes, depth: int) -> Iterator[_Record]:
    """Take up the record in a dead letter, as if it had been in the source; a letter without one is rejected again."""
    try:
        inner = letter_bytes(letter)
    except RecordError as error:
        yield _Record(ref, error=_as_data(error), raw=raw, from_letter=True)
        return
    if depth >= MAX_LETTERS_DEEP:
        nested = RecordError("unknown-format", "dead letters inside dead letters")
        yield _Record(ref, error=nested, raw=raw, from_letter=True)
        return
    for record in _records(inner, ref, whole=False, depth=depth + 1):
        yield replace(record, from_letter=True)


# --------------------------------------------------------------------------------------------------- a record's event


def _convert(record: _Record, options: ConvertOptions, line: LogLine) -> Converted:
    if record.error is not None:
        if line.console and record.error.code in _NOT_JSON and not record.is_json_like:
            skipped = Skipped("console-log", "a line of a console log")
            return Converted(record.ref, skipped, raw=record.raw, from_letter=record.from_letter)
        return Converted(record.ref, record.error, raw=record.raw, from_letter=record.from_letter)
    found = None
    # A letter is of the format that is asked for, and what lies in it is of its own.
    fixed = None if record.from_letter and options.format == NAME else options.format
    try:
        found, value = formats.reader_of(record.value, name=fixed)
        parsed = formats.read(found, value, options.parse)
    except RecordError as error:
        return Converted(
            record.ref,
            _as_data(error, record.path),
            formats.name_of(found) if fixed is None else None,
            raw=record.raw,
            from_letter=record.from_letter,
        )
    return _converted(record, parsed, formats.name_of(found), options, line)


def _converted(record: _Record, parsed: Parsed, name: str | None, options: ConvertOptions, line: LogLine) -> Converted:
    """What becomes of a record that was read."""
    result: Event | Skipped | Filtered | RecordError
    try:
        raw = line.raw if record.raw is None else record.raw
        result, more = _build(parsed, options, record.ref, raw)
    except RecordError as error:
        result, more = _as_data(error, record.path), parsed.warnings if not isinstance(parsed, Skipped) else ()
    coverage = facts_of(parsed) if options.coverage and isinstance(parsed, LLMCall) else ()
    if isinstance(result, Filtered):
        more, coverage = (), ()
    glance = glance_of(result, name, more) if options.glance and isinstance(result, Event) else None
    warnings = (*record.warnings, *more) if record.warnings else more
    return Converted(record.ref, result, name, warnings, record.raw, coverage, record.from_letter, glance)


def _as_data(error: RecordError, path: str = "$") -> RecordError:
    """Return a refusal with its path under the record's own, where that is an element, and without its traceback.

    Its frames hold the record, and what is made of the refusal: a cycle, which only the collector would let go of.
    """
    return RecordError(error.code, error.message, path=path + error.path.removeprefix("$"), hint=error.hint)


def _build(
    parsed: LLMCall | PassThrough | Skipped, options: ConvertOptions, ref: SourceRef, raw: bytes
) -> tuple[Event | Skipped | Filtered, tuple[str, ...]]:
    if isinstance(parsed, Skipped):
        return parsed, ()
    if _is_filtered(parsed, options):
        return Filtered(), ()
    if isinstance(parsed, PassThrough):
        _check_name(parsed.name, options.build)
        return build_pass_through(parsed, options.build, ref, route(Credentials(), options.build), raw=raw)
    return build_event(parsed, options.build, ref, raw=raw)


def _check_name(name: str, options: BuildOptions) -> None:
    if not name.startswith("$ai_") and options.endpoint is not Endpoint.BATCH:
        raise RecordError(
            "not-an-ai-event",
            "the AI routes take only events named $ai_…",
            path="$.event",
            hint="--endpoint batch sends events of any name",
        )


def _is_filtered(parsed: LLMCall | PassThrough, options: ConvertOptions) -> bool:
    if options.since is not None and parsed.timestamp < options.since:
        return True
    if options.until is not None and parsed.timestamp >= options.until:
        return True
    if options.shard is None:
        return False
    shard, shards = options.shard
    uuid = parsed.uuid if isinstance(parsed, PassThrough) else event_uuid(parsed.identity)
    return int(uuid.replace("-", ""), 16) % shards != shard - 1


# ----------------------------------------------------------------------------------------------------------- coverage


def facts_of(call: LLMCall) -> tuple[str, ...]:
    """Return what is true of a call, for the coverage and the advice of `plh validate`."""
    usage, own, succeeded = call.usage, call.properties, not call.is_error
    generates = call.operation is Operation.GENERATION
    has_tokens = usage.input is not None or usage.output is not None or usage.total is not None
    redacted = "litellm_redacted" in own
    answerable = succeeded and generates and not redacted and call.input is not None
    streamed = succeeded and (call.stream is True or call.ttft_s is not None)
    direct = "litellm_call_type" in own and not ("litellm_model_id" in own or "litellm_key_alias" in own)
    found = {
        Fact.CALLS: True,
        Fact.PROVIDER: call.provider is not None,
        Fact.INPUT: call.input is not None,
        Fact.OUTPUT: call.output is not None or not generates or call.is_error,
        Fact.TOKENS: has_tokens,
        Fact.COST: call.cost is not None,
        Fact.LATENCY: call.latency_s is not None,
        Fact.TTFT: call.ttft_s is not None,
        Fact.USER: call.user is not None,
        Fact.SESSION: call.session_id is not None,
        Fact.OWN_TRACE: call.trace_id not in {"", call.span_id},
        Fact.TOOLS: call.tools is not None,
        Fact.METADATA: bool(call.metadata),
        Fact.TAGS: "litellm_tags" in own,
        Fact.KEY_ALIAS: "litellm_key_alias" in own,
        Fact.ERROR: call.is_error,
        Fact.REDACTED: redacted,
        Fact.TRUNCATED: "truncated-content" in call.warnings,
        Fact.UNREDACTED: not redacted,
        Fact.UNREDACTED_INPUT: not redacted and call.input is not None,
        Fact.ANSWERABLE: answerable,
        Fact.ANSWERED: answerable and call.output is not None,
        Fact.STREAMS: streamed,
        Fact.STREAM_TOKENS: streamed and has_tokens,
        Fact.STREAM_TTFT: streamed and call.ttft_s is not None,
        Fact.PRICEABLE: succeeded and has_tokens,
        Fact.PRICED: succeeded and has_tokens and call.cost is not None,
        Fact.DIRECT: direct,
        Fact.DIRECT_METADATA: direct and bool(call.metadata),
    }
    return tuple(fact.value for fact, is_true in found.items() if is_true)
