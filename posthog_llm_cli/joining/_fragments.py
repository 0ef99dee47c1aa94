"""Streams that a source holds a part of: another source may hold the rest, as where a log was rotated meanwhile."""

from collections.abc import Iterator

from posthog_llm_cli.formats.stream_parts import Kind
from posthog_llm_cli.joining._stream import Key, Stream
from posthog_llm_cli.model import LogLine
from posthog_llm_cli.values import State, field

EARLY = 1_000
"""Of a stream that goes on from another source, the first part is among so many records at the beginning of its own."""


class _Waiting(State):
    """A fragment, and shorter copies of it in other sources, which stand for nothing once it is there."""

    stream: Stream
    since: int
    copies: list[Stream] = field(default_factory=list)

    def lines(self) -> Iterator[LogLine]:
        for stream in (self.stream, *self.copies):
            yield stream.line()


class Fragments:
    """Holds fragments by the id of their answer until the rest of them comes, in whichever order.

    At most `max_bytes` are held (then the oldest goes on as it is), each for as many records as a stream may be silent.
    """

    def __init__(self, *, max_bytes: int, patience: int) -> None:
        self._max_bytes = max_bytes
        self._patience = patience
        self._waiting: dict[Key, _Waiting] = {}
        self._held = 0

    def take(self, stream: Stream, *, now: int, may_wait: bool) -> Iterator[LogLine]:
        """Yield the lines that go on now that a stream has ended, or its source has; none while it waits."""
        found = _Waiting(stream, now)
        before = self._waiting.pop(stream.key, None)
        if before is not None:
            self._held -= before.stream.size
            joined = _joined(before.stream, stream)
            if joined is not None:
                found.stream, rest = joined
                found.copies = before.copies
                yield rest.as_merged()
            elif _is_copy(before.stream, stream):
                found.stream, *found.copies = sorted((before.stream, stream), key=_extent, reverse=True)
                found.copies += before.copies
            else:
                yield from before.lines()
        if not may_wait or stream.key[2] is None or _is_whole(found.stream) or stream.key[0] is Kind.OLLAMA:
            yield from found.lines()
            return
        self._waiting[stream.key] = found
        self._held += found.stream.size
        while self._held > self._max_bytes:
            yield from self._release(next(iter(self._waiting)))

    def expired(self, now: int) -> Iterator[LogLine]:
        """Yield the lines of what has waited for too many records."""
        while self._waiting and now - next(iter(self._waiting.values())).since > self._patience:
            yield from self._release(next(iter(self._waiting)))

    def finish(self) -> Iterator[LogLine]:
        """Yield all, in the order in which they began."""
        for key in sorted(self._waiting, key=lambda key: self._waiting[key].stream.order):
            yield from self._release(key)

    def close(self) -> None:
        """Let go of all."""
        self._waiting.clear()
        self._held = 0

    def _release(self, key: Key) -> Iterator[LogLine]:
        waiting = self._waiting.pop(key)
        self._held -= waiting.stream.size
        yield from waiting.lines()


def _is_whole(stream: Stream) -> bool:
    """Whether nothing is missing. A response's last event holds it whole; a chunk that begins an answer says a role."""
    has_beginning = stream.key[0] is Kind.EVENT or stream.progress.has_begun
    return has_beginning and (stream.has_ended or stream.is_done)


def _extent(stream: Stream) -> tuple[bool, int]:
    return _is_whole(stream), len(stream.parts)


def _is_copy(one: Stream, other: Stream) -> bool:
    return one.first.ref.uri != other.first.ref.uri and one.parts[0] == other.parts[0]


def _joined(before: Stream, stream: Stream) -> tuple[Stream, Stream] | None:
    """Return the stream of two fragments, and the one that is a part of it now; None where they are not of one call."""
    times = before.progress.created, stream.progress.created
    is_other = None not in times and times[0] != times[1]
    if is_other or before.first.ref.uri == stream.first.ref.uri or before.parts[0] == stream.parts[0]:
        return None
    says_nothing = before.opens_again or stream.opens_again
    for head, tail in ((before, stream), (stream, before)):
        if head.has_ended or head.is_done:
            continue
        if not tail.begins or (says_nothing and head is before):
            head.go_on_with(tail)
            return head, tail
    return None
