"""A record that holds a stream → its parts, and what stands around them (openai-logs.md, 3.2 and 4.6). Pure."""

from collections.abc import Mapping
from typing import ClassVar

from posthog_llm_cli.formats._fields import is_one_of
from posthog_llm_cli.formats._openai_shapes import CHUNK, PART_KEYS, PENDING, Candidate, classify_response
from posthog_llm_cli.formats.sse import stream_values
from posthog_llm_cli.model import Json
from posthog_llm_cli.values import Value, field


class Stream(Value, frozen=True):
    """A stream's parts in their order, and the record around them.

    `outer` are the fields of the record without the answer, `wrapped` those around each part (the last that was said)
    where a logger wraps them; the answer's key is `key`, None where the parts stand alone. `recording` is what an HTTP
    recording says beside the body. `stamps` are the objects in which each part's own times stand. `is_done`: `[DONE]`
    came.
    """

    hidden: ClassVar = frozenset({"parts", "stamps", "outer", "wrapped"})

    parts: list[Mapping[str, Json]]
    stamps: list[Mapping[str, Json]]
    outer: dict[str, Json]
    wrapped: dict[str, Json]
    key: str | None = None
    recording: dict[str, Json] = field(default_factory=dict)
    is_done: bool = False


def read_stream(record: Json) -> Stream:
    """Return the stream in a record of the shape `openai-stream`: a part, a list of parts, or a wrapper of either.

    Raises:
        RecordError: `invalid-json` where a payload in the midst of the stream is broken.
    """
    outermost = _opened(record) if is_wrapper(record) else _Opened(record)
    key = outermost.key
    parts: list[Mapping[str, Json]] = []
    stamps: list[Mapping[str, Json]] = []
    wrapped: dict[str, Json] = {}
    is_done = False
    for value in stream_values(outermost.held):
        if not isinstance(value, dict):
            is_done = True
            continue
        opened = _opened(value) if is_wrapper(value) else _Opened(value)
        key = opened.key or key  # of a list of wrapped parts, it is the key in each of them
        wrapped.update((name, said) for name, said in opened.around.items() if said is not None)
        for part in stream_values(opened.held):
            if isinstance(part, dict):
                parts.append(_as_event(part))
                stamps.append(opened.around or part)
    parts, stamps = _once(parts, stamps)
    key = "response" if key in PART_KEYS else key
    outer, recording = outermost.around, outermost.recording
    return Stream(parts, stamps, outer, wrapped, key if outer or wrapped or recording else None, recording, is_done)


def _once(
    parts: list[Mapping[str, Json]], stamps: list[Mapping[str, Json]]
) -> tuple[list[Mapping[str, Json]], list[Mapping[str, Json]]]:
    """Parts and stamps without what two loggers wrote twice: every part right after itself, or numbered events again.

    No server repeats every part of an answer, its first and its last.
    """
    # Azure's first part has no id, and of two that lie side by side each may be another stream's.
    before = next((place for place, part in enumerate(parts) if "prompt_filter_results" not in part), 0)
    if (
        len(parts) - before >= 4
        and parts[before] != parts[-1]
        and all(left == right for left, right in zip(parts[before::2], parts[before + 1 :: 2], strict=False))
    ):
        return [*parts[:before], *parts[before::2]], [*stamps[:before], *stamps[before::2]]
    seen: dict[int, Mapping[str, Json]] = {}
    kept = []
    for place, part in enumerate(parts):
        number = part.get("sequence_number")
        if isinstance(number, int):
            if seen.get(number) == part:
                continue
            seen[number] = part
        kept.append(place)
    return [parts[place] for place in kept], [stamps[place] for place in kept]


def is_wrapper(value: Json) -> bool:
    """Whether a value may hold an answer or a part of one, and is none itself."""
    if not isinstance(value, dict) or value.get("object") in (CHUNK, "text_completion"):
        return False
    return classify_response(value) is None


class _Opened(Value, frozen=True):
    """What a wrapper holds, under which key, and what stands around it."""

    hidden: ClassVar = frozenset({"held", "around"})

    held: Json
    key: str | None = None
    around: dict[str, Json] = field(default_factory=dict)
    recording: dict[str, Json] = field(default_factory=dict)


def _opened(record: Mapping[str, Json]) -> _Opened:
    """Open a wrapper; what is none stays as it is."""
    seen = Candidate(record)
    answer = seen.answer or seen.last_part
    if answer is None:
        return _Opened(record)
    key, nested = answer
    said = {"status_code": nested.status, "url": nested.url}
    return _Opened(
        nested.value,
        key,
        {name: value for name, value in record.items() if name != key},
        {name: value for name, value in said.items() if value is not None},
    )


def _as_event(part: Mapping[str, Json]) -> Mapping[str, Json]:
    """A whole response among the parts is what the stream's last event holds."""
    if part.get("object") != "response":
        return part
    kind = "response.in_progress" if is_one_of(part.get("status"), PENDING) else "response.completed"
    return {"type": kind, "response": part}
