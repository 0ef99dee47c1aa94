"""Parts of streams that lie line by line → one line for each stream (openai-logs.md, 4.6).

The line of a stream's first part stands for the call and goes on when the stream ends, with all parts in its `raw`;
the lines of the others go on at once, skipped as `merged`.
"""

from collections.abc import Callable, Iterator

import orjson

from posthog_llm_cli import formats
from posthog_llm_cli.decoding import encode
from posthog_llm_cli.formats._fields import mapping
from posthog_llm_cli.formats.dead_letter import is_of_event
from posthog_llm_cli.formats.stream_parts import Kind, Part, part_of
from posthog_llm_cli.joining._fragments import EARLY, Fragments
from posthog_llm_cli.joining._stream import FORMAT, Key, Stream, merged
from posthog_llm_cli.model import Json, LogLine, Mark
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value

PATIENCE = 10_000
"""Records that may be read without a part of a stream before it counts as ended."""

_TOTAL = 4
"""How many times the ceiling for a record all open streams together may hold."""
_MAX_ENDED = 50_000
_READERS = frozenset({
    FORMAT, "openai-chat", "openai-completions", "openai-error", "ollama", "openai-flat", "no-response",
    "fine-tuning-data",
})  # fmt: skip
_LOOK = lazily(
    rb'"(?:chat\.completion\.chunk|delta|text_completion|done|prompt_filter_results|content_filter_offsets)\\*"'
    rb'|"response\.'
    rb'|"error\\*"\s*(?::\s*\\*[{"]|[,}])'
    rb'|"finish_reason\\*"\s*:\s*null'
)
_LITELLM = b'"call_type"'


class _End(Value, frozen=True):
    """What is kept of a stream that ended in this source: whether it was whole, and when its answer was created."""

    is_whole: bool
    created: Json


class Streams:
    """Brings the parts of each stream together; see the module.

    A stream ends with `[DONE]`, with its source unless another one has the rest of it (`_fragments.py`), after 10,000
    further records without a part of it, or where it grows over `max_bytes`. Held are the parts of open streams, at
    most four times `max_bytes` (then the longest silent ends), and of fragments once. `records_read` tells how many
    records the run has read so far.
    """

    formats = frozenset({FORMAT, "openai-completions", "ollama"})

    def __init__(self, *, max_bytes: int, records_read: Callable[[], int]) -> None:
        self._max_bytes = max_bytes
        self._records_read = records_read
        self._open: dict[Key, Stream] = {}  # the one that was written to last is last
        self._prologues: list[Stream] = []
        self._by_item: dict[tuple[bool, str], Stream] = {}
        self._ended: dict[Key, _End] = {}
        self._fragments = Fragments(max_bytes=max_bytes, patience=PATIENCE)
        self._source_began = 0
        self._held = 0

    def may_take(self, raw: bytes) -> bool:
        """Whether a record may be a part of a stream: a cheap look before it is decoded."""
        return _LITELLM not in raw and _LOOK.search(raw) is not None

    def take(self, line: LogLine, record: Json) -> Iterator[LogLine] | None:
        """Return the lines that go on in place of this one; None where it is no part of a stream."""
        part = part_of(record)
        if part is None or (part.is_wrapped and not _is_ours(record)):
            return None
        if is_of_event(line.raw):
            return iter((Stream(_key_of(part), line, order=0, last=0, parts=[encode(record)]).line(),))
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
            yield from self._finish_source()
        elif mark is Mark.STREAM_END:
            yield from self._bring_pieces_together()
            if (stream := self._done_stream()) is not None:
                stream.is_done = True
                self._end(stream)
                yield from self._given(stream)

    def pause(self) -> Iterator[LogLine]:
        """What waits for another source, for this one may go on for long. A stream may pause."""
        return self._fragments.finish()

    def finish(self) -> Iterator[LogLine]:
        """End all that are open, in the order in which they began."""
        yield from self._finish_source()
        yield from self._fragments.finish()

    def _finish_source(self) -> Iterator[LogLine]:
        """End all that are open: what comes next is of another source, which may have the rest of them."""
        yield from self._bring_pieces_together()
        for stream in sorted((*self._open.values(), *self._prologues), key=lambda stream: stream.order):
            yield from self._given(stream)
        self._let_go()
        self._source_began = self._records_read()

    def _given(self, stream: Stream) -> Iterator[LogLine]:
        """The lines of a stream that has ended, unless it waits for what is in another source."""
        now = self._records_read()
        may_wait = stream.order - self._source_began <= EARLY or not (stream.has_ended or stream.is_done)
        return self._fragments.take(stream, now=now, may_wait=may_wait)

    def close(self) -> None:
        """Let go of all streams."""
        self._let_go()
        self._fragments.close()

    def _let_go(self) -> None:
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
            if stream is not None and restarts and orjson.dumps(record) == stream.parts[-1]:
                return [merged(line)]  # the last part once more, which is no answer by itself
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
            return [merged(line, "late-part")]
        return self._begin(line, record, part)

    def _added(self, stream: Stream, line: LogLine, record: Json, part: Part) -> list[LogLine]:
        """Add a part to its stream; one that grows too large ends as far as it came."""
        encoded = encode(record)
        if stream.size + len(encoded) > self._max_bytes:
            return [self._end(stream), merged(line, "late-part")]
        self._write(stream, encoded, part)
        lines = [merged(line)]
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
            self._write(stream, encode(record), part)
            lines.append(merged(line))
        self._open[stream.key] = stream
        return lines

    def _begun(self, line: LogLine, record: Json, part: Part) -> Stream:
        now = self._records_read()
        stream = Stream(_key_of(part), line, order=now, last=now)
        self._write(stream, encode(record), part)
        return stream

    def _write(self, stream: Stream, encoded: bytes, part: Part) -> None:
        stream.parts.append(encoded)
        stream.size += len(encoded) + 1
        self._held += len(encoded) + 1
        stream.last = self._records_read()
        stream.progress.add(part)
        stream.opens_again = stream.opens_again or not stream.opened.isdisjoint(part.opens)
        stream.opened |= part.opens
        stream.has_created = stream.has_created or (part.kind is Kind.EVENT and bool(part.opens))
        stream.has_usage = stream.has_usage or bool(mapping(part.value.get("usage")))
        stream.model = stream.model or part.value.get("model")
        stream.has_failed = stream.has_failed or part.kind is Kind.ERROR
        stream.number = part.number if part.number is not None else stream.number
        if part.item is not None:
            stream.items.add(part.item)
            self._by_item[part.is_wrapped, part.item] = stream
        if self._open.get(stream.key) is stream:
            self._open[stream.key] = self._open.pop(stream.key)

    def _next_prologue(self, part: Part) -> Stream | None:
        if part.kind is not Kind.CHUNK:
            return None
        found = next((stream for stream in self._prologues if stream.key[1] == part.is_wrapped), None)
        if found is not None:
            self._prologues.remove(found)
        return found

    # ------------------------------------------------------------------------------------------------ whose part it is

    def _stream_of(self, part: Part) -> Stream | None:
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

    def _uncounted(self, part: Part) -> Stream | None:
        """The stream that waits for its usage, of the model; one that ended as it should."""
        for stream in self._latest(part, Kind.CHUNK):
            if stream.progress.closed and not stream.has_usage and part.value.get("model") in (None, "", stream.model):
                return stream
        return None

    def _latest(self, part: Part, *kinds: Kind) -> Iterator[Stream]:
        """Open streams that are logged as the part is, the one that was written to last first."""
        for stream in reversed(self._open.values()):
            if stream.key[1] == part.is_wrapped and (not kinds or stream.key[0] in kinds):
                yield stream

    def _named(self, part: Part) -> Stream | None:
        """A response whose first event was not logged: what came before it has a name is its own."""
        found = self._open.pop((part.kind, part.is_wrapped, None), None)
        if found is not None:
            found.key = _key_of(part)
            self._open[found.key] = found
        return found

    def _begun_last(self, part: Part) -> Stream | None:
        """The response that began last, unless events are numbered and only another one waits for this number."""
        going_on = [stream for stream in self._latest(part, Kind.EVENT) if not stream.has_ended]
        waiting = [stream for stream in going_on if part.number is not None and stream.number == part.number - 1]
        if len(waiting) == 1:
            return waiting[0]
        return max(going_on, key=lambda stream: stream.order, default=None)

    # -------------------------------------------------------------------------------------------------- its end

    def _done_stream(self) -> Stream | None:
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
        yield from self._fragments.expired(now)
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
        head: Stream | None = None
        pieces: list[Stream] = []
        for stream in sorted(self._open.values(), key=lambda stream: stream.order):
            if head is not None and head.is_followed_by(stream, pieces, max_bytes=self._max_bytes):
                pieces.append(stream)
                continue
            yield from self._moved(head, pieces)
            head, pieces = (stream if stream.is_first_piece else None), []
        yield from self._moved(head, pieces)

    def _moved(self, head: Stream | None, pieces: list[Stream]) -> Iterator[LogLine]:
        if head is None or len(pieces) < 2:
            return  # a second one alone may be what is left of a stream whose beginning is not in the log
        for piece in pieces:
            del self._open[piece.key]
            head.go_on_with(piece)
            yield piece.as_merged()

    def _end(self, stream: Stream) -> LogLine:
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
    """Whether a record that holds a part under a key is none of a format that is looked for first.

    One that looks like a whole answer under a key for parts is no answer of the record's (`Candidate.last_part`).
    """
    found = formats.detect(record)
    return found is None or found.name in _READERS
