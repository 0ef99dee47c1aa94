"""`openai-stream`: a streamed answer, whole in one record, or a part of one (openai-logs.md, rows 11 and 13, and 4.6).

Smallest record: `{"object": "chat.completion.chunk", "created": 1748772000, "model": "gpt-4o", "choices": []}`. A
record holds a whole stream as the text of server-sent events or as a list of its parts, bare or in a pair (`sse`,
`chunks`, `stream`, `events`, or any other response key). Parts that lie line by line are brought into such a list by
`joining.streams`. The answer is put together, and then read by the format that it would have without streaming.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import ClassVar

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats import (
    _ollama_parts,
    _openai_events,
    ollama,
    openai_chat,
    openai_completions,
    openai_error,
    openai_responses,
)
from posthog_llm_cli.formats._ollama_parts import merge_ollama
from posthog_llm_cli.formats._openai_chunks import finish_reason, has_piece, merge_chunks
from posthog_llm_cli.formats._openai_events import merge_events, stream_error
from posthog_llm_cli.formats._openai_shapes import classify
from posthog_llm_cli.formats._openai_stream import Stream, read_stream
from posthog_llm_cli.formats._openai_times import stream_fields, without_repeated_durations
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.formats.stream_parts import Kind, count_calls, read_part
from posthog_llm_cli.model import Json, LLMCall, ParseContext, Skipped
from posthog_llm_cli.values import Value, replace

NAME = "openai-stream"

Parse = Callable[[Json, ParseContext], Parsed]

_SIDE_NOTES = frozenset({Kind.PROLOGUE, Kind.ANNOTATION})


class _Whole(Value, frozen=True):
    """An answer put together: who reads it, and whether the stream came to its end."""

    hidden: ClassVar = frozenset({"answer"})

    answer: dict[str, Json]
    parse: Parse
    is_complete: bool


def matches(record: Json) -> bool:
    """Whether `record` is a part of a stream, or holds a whole one (rows 11, 13, 17)."""
    return classify(record) == NAME


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn a stream into a call; one that ends without saying why has the warning `stream-truncated`.

    Raises:
        RecordError: `missing-field` without a model or any usable time; `unknown-format` for several streams in one
            record; `invalid-json` for a broken payload within.
    """
    stream = read_stream(record)
    parts = [part for value in stream.parts if (part := read_part(value)) is not None]
    kinds = {part.kind for part in parts}
    if kinds and kinds <= _SIDE_NOTES and stream.key is None:
        return Skipped("not-a-model-call", "what Azure's content filter says beside a stream, without the stream")
    calls = count_calls(parts)
    if calls > 1:
        raise RecordError(
            "unknown-format",
            f"expected the parts of one call and found those of {calls} in one record",
            hint="log one stream a record, or one part a line",
        )
    whole = _put_together(stream, kinds)
    call = whole.parse(_record_of(stream, whole.answer, context), context)
    if not isinstance(call, LLMCall):
        return call
    warnings = call.warnings if whole.is_complete or stream.is_done else (*call.warnings, "stream-truncated")
    return replace(call, stream=True, warnings=warnings)


def _put_together(stream: Stream, kinds: AbstractSet[Kind]) -> _Whole:
    parts = stream.parts
    if Kind.EVENT in kinds:
        response, is_complete = merge_events(parts)
        return _Whole(response, openai_responses.parse, is_complete)
    errors = [error for part in parts if (error := stream_error(part)) is not None]
    failure = {"error": errors[-1]} if errors else {}
    if Kind.OLLAMA in kinds and Kind.CHUNK not in kinds:
        answer, is_complete = merge_ollama(parts)
        return _Whole({**answer, **failure}, ollama.parse, is_complete or bool(errors))
    if kinds == {Kind.ERROR}:
        return _Whole(failure, openai_error.parse, is_complete=True)
    answer = {**merge_chunks(parts), **failure}
    is_text = answer["object"] == "text_completion"
    is_complete = bool(errors) or any(finish_reason(choice) for choice in answer["choices"])
    return _Whole(answer, openai_completions.parse if is_text else openai_chat.parse, is_complete)


def _record_of(stream: Stream, answer: Mapping[str, Json], context: ParseContext) -> dict[str, Json]:
    """The record as it would be if the answer had not been streamed."""
    parts = [(stamp, _has_content(part)) for stamp, part in zip(stream.stamps, stream.parts, strict=True)]
    around = {**stream.wrapped, **stream.outer} if stream.key is not None else answer
    kept = without_repeated_durations(around, stream.stamps)
    fields = stream_fields(stream.outer, parts, context)
    if stream.key is None:
        return {**kept, **fields}
    return {**kept, **fields, stream.key: {**stream.recording, "body": answer} if stream.recording else answer}


def _has_content(part: Mapping[str, Json]) -> bool:
    if isinstance(part.get("choices"), list):
        return has_piece(part)
    return _openai_events.has_content(part) or _ollama_parts.has_content(part)


FORMAT = LogFormat(
    name=NAME,
    title="OpenAI stream, whole in a record or part by part",
    recognised_by='object "chat.completion.chunk", choices[0].delta, or a type that begins with "response."; in a pair '
    "under sse, chunks, stream, events, response and the like, as the text of server-sent events or as a list",
    smallest='{"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1748772000, "model": "gpt-4o", '
    '"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}',
    matches=matches,
    parse=parse,
)
