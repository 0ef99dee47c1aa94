"""Parts of streams that lie line by line → one line for each stream (openai-logs.md, 4.6).

The line of a stream's first part stands for the call and goes on when the stream ends, with all parts in its `raw`;
the lines of the others go on at once, skipped as `merged`.
"""

import re
from collections.abc import Callable, Iterator

import orjson

from posthog_llm_cli import formats
from posthog_llm_cli.formats._fields import mapping
from posthog_llm_cli.formats.stream_parts import Kind, Part, Progress, part_of
from posthog_llm_cli.model import Json, LogLine, Mark, Skipped
from posthog_llm_cli.values import State, Value, field, replace

PATIENCE = 10_000
"""Records that may be read without a part of a stream before it counts as ended."""

_TOTAL = 4
"""How many times the ceiling for a record all open streams together may hold."""
_MAX_ENDED = 50_000
_FORMAT = "openai-stream"
_READERS = frozenset({_FORMAT, "openai-chat", "openai-completions", "openai-error", "ollama"})
_LOOK = re.compile(
    rb'"(?:chat\.completion\.chunk|delta|text_completion|done|prompt_filter_results|content_filter_offsets)\\*"'
    rb'|"response\.'
    rb'|"error\\*"\s*(?::\s*\\*[{"]|[,}])'
    rb'|"finish_reason\\*"\s*:\s*null'
)
_LITELLM = b'"call_type"'

Key = tuple[Kind, bool, str | None]


class _Stream(State):
    """A stream that is open: its parts as JSON, and what tells which further parts are its own."""

    key: Key
    first: LogLine
    order: int
    last: int
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    progress: Progress = field(default_factory=Progress)
    items: set[str] = field(default_factory=set)
    number: int | None = None
    is_done: bool = False
    has_failed: bool = False
    is_backwards: bool = False
    has_usage: bool = False
    model: Json = None

    @property
    def is_first_piece(self) -> bool:
        """Whether it may be the first part of a stream whose every part has an id of its own."""
        is_chunk = self.key[0] is Kind.CHUNK and len(self.parts) == 1
        return is_chunk and self.progress.has_begun and not self.has_ended

    def is_followed_by(self, other: "_Stream", pieces: "list[_Stream]", *, max_bytes: int) -> bool:
        """Whether another is the next part of such a stream, of which the pieces came before: one that begins nothing.

        What is behind the part that ends it can only be the usage; or that went to the last part already.
        """
        is_piece = len(other.parts) == 1 or (len(other.parts) == 2 and other.has_ended and other.has_usage)
        is_alike = other.key[:2] == self.key[:2] and other.model == self.model and not other.progress.has_begun
        is_over = bool(pieces) and (pieces[-1].has_ended or pieces[-1].has_usage)
        size = self.size + other.size + sum(piece.size for piece in pieces)
        if is_over and (other.has_ended or not other.has_usage):
            return False
        return is_piece and is_alike and size <= max_bytes

    @property
    def has_ended(self) -> bool:
        """Whether it came to an end by itself; further parts (its usage) may follow."""
        return bool(self.progress.closed) or self.has_failed

    def line(self) -> LogLine:
        """The line that stands for the call; a part that is alone is the record that it was."""
        # The last event of a response holds it whole, with or without what came before.
        beginning = b"" if self.key[0] is Kind.EVENT else self.parts[-1 if self.is_backwards else 0]
        if len(self.parts) == 1 and not self.is_done:
            return replace(self.first, beginning=beginning)
        done = [b'"[DONE]"'] if self.is_done else []
        parts = self.parts[::-1] if self.is_backwards else self.parts
        raw = b'{"chunks":[' + b",".join([*parts, *done]) + b"]}"
        return replace(self.first, raw=raw, beginning=beginning)


class _End(Value, frozen=True):
    """What is kept of a stream that ended in this source: whether it was whole, and when its answer was created."""

    is_whole: bool
    created: Json


class Streams:
    """Brings the parts of each stream together; see the module.

    A stream ends with `[DONE]`, with its source, after 10,000 further records without a part of it, or where it grows
    over `max_bytes`. Held are the parts of open streams, at most four times `max_bytes` (then the longest silent ends).
    `records_read` tells how many records the run has read so far.
    """

    formats = frozenset({_FORMAT, "openai-completions", "ollama"})

    def __init__(self, *, max_bytes: int, records_read: Callable[[], int]) -> None:
        self._max_bytes = max_bytes
        self._records_read = records_read
        self._open: dict[Key, _Stream] = {}  # the one that was written to last is last
        self._prologues: list[_Stream] = []
        self._by_item: dict[tuple[bool, str], _Stream] = {}
        self._ended: dict[Key, _End] = {}
        self._held = 0

    def may_take(self, raw: bytes) -> bool:
        """Whether a record may be a part of a stream: a cheap look before it is decoded."""
        return _LITELLM not in raw and _LOOK.search(raw) is not None

    def take(self, line: LogLine, record: Json) -> Iterator[LogLine] | None:
        """Return the lines that go on in place of this one; None where it is no part of a stream."""
        part = part_of(record)
        if part is None or (part.is_wrapped and not _is_ours(record)):
            return None
        lines = list(self._expired())
        taken = self._take(line, record, part)
        if taken is None:
            return iter([*lines, line]) if lines else None
        lines += taken
        while self._held > _TOTAL * self._max_bytes and len(self._open) > 1:
            lines.append(self._end(next(iter(self._open.values()))))
        return iter(lines)

    def mark(self, mark: Mark) -> Iterator[LogLine]:
        """End the stream that `[DONE]` belongs to, or all that are open when the source ends."""
        if mark is Mark.SOURCE_END:
            yield from self.finish()
        elif mark is Mark.STREAM_END:
            yield from self._bring_pieces_together()
            if (stream := self._done_stream()) is not None:
                stream.is_done = True
                yield self._end(stream)

    def pause(self) -> Iterator[LogLine]:
        """Nothing: a stream may pause."""
        return iter(())

    def finish(self) -> Iterator[LogLine]:
        """End all that are open, in the order in which they began; what comes next is of another source."""
        yield from self._bring_pieces_together()
        for stream in sorted((*self._open.values(), *self._prologues), key=lambda stream: stream.order):
            yield stream.line()
        self.close()

    def close(self) -> None:
        """Let go of all streams."""
        self._open.clear()
        self._prologues.clear()
        self._by_item.clear()
        self._ended.clear()
        self._held = 0

    # ------------------------------------------------------------------------------------------------------- a part

    def _take(self, line: LogLine, record: Json, part: Part) -> list[LogLine] | None:
        if part.kind is Kind.PROLOGUE:
            self._prologues.append(self._begun(line, record, part))
            return []
        stream = self._stream_of(part)
        restarts = stream is not None and stream.progress.restarts(part)
        if part.kind in {Kind.ERROR, Kind.ANNOTATION} or part.is_whole:
            return None if stream is None or restarts else self._added(stream, line, record, part)
        if stream is not None and restarts and orjson.dumps(record) == stream.parts[-1]:
            return self._added(stream, line, record, part)  # written twice
        if stream is not None and stream.progress.is_beginning(part):
            lines, stream.is_backwards = self._added(stream, line, record, part), True
            return [*lines, self._end(stream)] if self._open.get(stream.key) is stream else lines
        if stream is not None and restarts:
            return [self._end(stream), *self._begin(line, record, part)]
        if stream is not None:
            return self._added(stream, line, record, part)
        end = self._end_of(part)
        if end is not None and not _begins_again(part, end):
            return [_merged(line, "late-part")]
        return self._begin(line, record, part)

    def _added(self, stream: _Stream, line: LogLine, record: Json, part: Part) -> list[LogLine]:
        """Add a part to its stream; one that grows too large ends as far as it came."""
        encoded = orjson.dumps(record)
        if stream.size + len(encoded) > self._max_bytes:
            return [self._end(stream), _merged(line, "late-part")]
        self._write(stream, encoded, part)
        lines = [_merged(line)]
        if part.kind is Kind.OLLAMA and part.closes:
            lines.append(self._end(stream))  # the next part of this model is of another call
        return lines

    def _begin(self, line: LogLine, record: Json, part: Part) -> list[LogLine]:
        # Responses that no event has named yet have one key: the one before has failed, and is over.
        before = self._open.get(_key_of(part))
        lines = [] if before is None else [self._end(before)]
        prologue = self._next_prologue(part)
        stream = self._begun(line, record, part) if prologue is None else prologue
        stream.key = _key_of(part)
        if prologue is not None:
            self._write(stream, orjson.dumps(record), part)
            lines.append(_merged(line))
        self._open[stream.key] = stream
        return lines

    def _begun(self, line: LogLine, record: Json, part: Part) -> _Stream:
        now = self._records_read()
        stream = _Stream(_key_of(part), line, order=now, last=now)
        self._write(stream, orjson.dumps(record), part)
        return stream

    def _write(self, stream: _Stream, encoded: bytes, part: Part) -> None:
        stream.parts.append(encoded)
        stream.size += len(encoded) + 1
        self._held += len(encoded) + 1
        stream.last = self._records_read()
        stream.progress.add(part)
        stream.has_usage = stream.has_usage or bool(mapping(part.value.get("usage")))
        stream.model = stream.model or part.value.get("model")
        stream.has_failed = stream.has_failed or part.kind is Kind.ERROR
        stream.number = part.number if part.number is not None else stream.number
        if part.item is not None:
            stream.items.add(part.item)
            self._by_item[part.is_wrapped, part.item] = stream
        if self._open.get(stream.key) is stream:
            self._open[stream.key] = self._open.pop(stream.key)

    def _next_prologue(self, part: Part) -> _Stream | None:
        if part.kind is not Kind.CHUNK:
            return None
        found = next((stream for stream in self._prologues if stream.key[1] == part.is_wrapped), None)
        if found is not None:
            self._prologues.remove(found)
        return found

    # ------------------------------------------------------------------------------------------------ whose part it is

    def _stream_of(self, part: Part) -> _Stream | None:
        match part.kind:
            case Kind.CHUNK if part.is_usage:
                is_known = _key_of(part) in self._open or self._end_of(part) is not None
                return self._open.get(_key_of(part)) if is_known else self._uncounted(part)
            case Kind.CHUNK | Kind.OLLAMA:
                return self._open.get(_key_of(part))
            case Kind.EVENT if part.id is not None:
                return self._open.get(_key_of(part)) or (None if part.opens else self._named(part))
            case Kind.EVENT:
                return self._by_item.get((part.is_wrapped, part.item or "")) or self._begun_last(part)
            case Kind.ERROR:
                streams = [stream for stream in self._latest(part) if not stream.has_ended]
                return next((stream for stream in streams if part.id == stream.key[2]), next(iter(streams), None))
            case _:
                return next(self._latest(part, Kind.CHUNK), None)

    def _uncounted(self, part: Part) -> _Stream | None:
        """The stream that waits for its usage, of the model; one that ended as it should."""
        for stream in self._latest(part, Kind.CHUNK):
            if stream.progress.closed and not stream.has_usage and part.value.get("model") in (None, "", stream.model):
                return stream
        return None

    def _latest(self, part: Part, *kinds: Kind) -> Iterator[_Stream]:
        """Open streams that are logged as the part is, the one that was written to last first."""
        for stream in reversed(self._open.values()):
            if stream.key[1] == part.is_wrapped and (not kinds or stream.key[0] in kinds):
                yield stream

    def _named(self, part: Part) -> _Stream | None:
        """A response whose first event was not logged: what came before it has a name is its own."""
        found = self._open.pop((part.kind, part.is_wrapped, None), None)
        if found is not None:
            found.key = _key_of(part)
            self._open[found.key] = found
        return found

    def _begun_last(self, part: Part) -> _Stream | None:
        """The response that began last, unless events are numbered and only another one waits for this number."""
        going_on = [stream for stream in self._latest(part, Kind.EVENT) if not stream.has_ended]
        waiting = [stream for stream in going_on if part.number is not None and stream.number == part.number - 1]
        if len(waiting) == 1:
            return waiting[0]
        return max(going_on, key=lambda stream: stream.order, default=None)

    # -------------------------------------------------------------------------------------------------- its end

    def _done_stream(self) -> _Stream | None:
        """Whose `[DONE]` it is: the stream's that was written to last, but first one that waits for nothing else."""
        last = None
        for stream in reversed(self._open.values()):
            if stream.key[0] is not Kind.OLLAMA:
                if stream.has_ended:
                    return stream
                last = last or stream
        return last

    def _expired(self) -> Iterator[LogLine]:
        now = self._records_read()
        if self._open and now - next(iter(self._open.values())).last > PATIENCE:
            yield from self._bring_pieces_together()
        while self._open and now - (stream := next(iter(self._open.values()))).last > PATIENCE:
            yield self._end(stream)
        for prologue in [waiting for waiting in self._prologues if now - waiting.last > PATIENCE]:
            self._prologues.remove(prologue)
            self._held -= prologue.size
            yield prologue.line()

    def _bring_pieces_together(self) -> Iterator[LogLine]:
        """Make one stream of those that are one piece each, as where every part has an id of its own.

        The first says who speaks and is not ended, the others say nothing of the kind and are of the same model; behind
        the one that ends there is the usage at most.
        """
        head: _Stream | None = None
        pieces: list[_Stream] = []
        for stream in sorted(self._open.values(), key=lambda stream: stream.order):
            if head is not None and head.is_followed_by(stream, pieces, max_bytes=self._max_bytes):
                pieces.append(stream)
                continue
            yield from self._moved(head, pieces)
            head, pieces = (stream if stream.is_first_piece else None), []
        yield from self._moved(head, pieces)

    def _moved(self, head: _Stream | None, pieces: list[_Stream]) -> Iterator[LogLine]:
        if head is None or len(pieces) < 2:
            return  # a second one alone may be what is left of a stream whose beginning is not in the log
        for piece in pieces:
            del self._open[piece.key]
            head.parts += piece.parts
            head.size += piece.size
            head.last = max(head.last, piece.last)
            head.progress.closed |= piece.progress.closed
            head.has_usage = head.has_usage or piece.has_usage
            yield _merged(piece.first)

    def _end(self, stream: _Stream) -> LogLine:
        del self._open[stream.key]
        self._held -= stream.size
        end = _End(stream.has_ended, stream.progress.created)
        kind, is_wrapped, _ = stream.key
        for item in stream.items:
            if self._by_item.get((is_wrapped, item)) is stream:
                del self._by_item[is_wrapped, item]
        for key in (stream.key, *((kind, is_wrapped, f"item {item}") for item in stream.items)):
            self._ended.pop(key, None)
            self._ended[key] = end
        while len(self._ended) > _MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        return stream.line()

    def _end_of(self, part: Part) -> _End | None:
        if part.kind is Kind.OLLAMA:
            return None
        if part.id is None and part.item is not None:
            return self._ended.get((part.kind, part.is_wrapped, f"item {part.item}"))
        return self._ended.get(_key_of(part))


def _key_of(part: Part) -> Key:
    return part.kind, part.is_wrapped, part.id


def _begins_again(part: Part, end: _End) -> bool:
    """Whether a part of an ended stream's id begins another one: test servers and Ollama use ids again."""
    is_other = part.created is not None and part.created != end.created
    return (bool(part.opens) and (end.is_whole or is_other)) or (is_other and end.is_whole)


def _is_ours(record: Json) -> bool:
    """Whether a record that holds a part under a key is none of a format that is looked for first."""
    found = formats.detect(record)
    return found is not None and found.name in _READERS


def _merged(line: LogLine, *warnings: str) -> LogLine:
    skipped = Skipped("merged", "a further part of a stream")
    return LogLine(line.ref, b"", None, line.console, skipped, _FORMAT, warnings)
