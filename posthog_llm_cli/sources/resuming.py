"""Where a source goes on that an earlier run has read in part: its bytes are verified first, every one of them.

But for a file that is in the very state in which it was read to its end: it is not opened to be read at all.
"""

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Protocol

import xxhash

from posthog_llm_cli.committed import HEAD_BYTES, AlreadyRead, Committed, Reached, SourceStart
from posthog_llm_cli.decoding import is_whole_object
from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.model import Idle, LogLine, Mark
from posthog_llm_cli.sources import files
from posthog_llm_cli.sources.framing import LOOK_AHEAD, Framer
from posthog_llm_cli.sources.track import PADDING
from posthog_llm_cli.values import Value, replace

Read = LogLine | SourceError | Idle | Mark | SourceStart | AlreadyRead | Reached

_IDLE = Idle()
_MOST_TAIL = 1024 * 1024
_SHORT_LINE = 100
_FRESH_S = 60.0
_PATIENCE_S = 1.0
_MOST_PATIENCE_S = 10.0
_POLL_S = 0.05


class Memory(Protocol):
    """What earlier runs have committed of sources: the ledger. All methods may raise LedgerError."""

    @property
    def knows_any(self) -> bool:
        """Whether anything is committed that a source may go on from: where not, none need be asked about."""

    def unchanged(self, file_state: bytes, /) -> Committed | None:
        """Return what is committed of a file that was in this state when it was read to its end: all of it."""

    def committed(self, head: bytes, /) -> Sequence[Committed]:
        """Return what may be the beginning of a source that begins with `head`."""

    def claim(self, uri: str, committed: Committed, /) -> None:
        """The source goes on behind that part, which was verified; no other source of this run does."""


class Trail:
    """What the bytes of one source hash to, while they are framed, and where its last line ended."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._hash = xxhash.xxh3_128()
        self._at_line = self._hash.copy()
        self._lines = 0
        self._head = b""
        self._told = 0
        self.offset = 0
        self.line_end = 0
        """Behind the last line break, 0 where there was none."""
        self._tail: bytes | None = b""
        self.has_room = False
        """Whether it ends in NUL: space that was made for what is still to be written, through memory maybe."""

    def add(self, block: bytes) -> None:
        """Take the next bytes of the source."""
        if len(self._head) < HEAD_BYTES:
            self._head += block[: HEAD_BYTES - len(self._head)]
        cut = block.rfind(b"\n") + 1
        view = memoryview(block)
        if cut:
            self._hash.update(view[:cut])
            self._at_line = self._hash.copy()
            self._lines += _line_ends(block)
            self.line_end = self.offset + cut
            self._tail = b""
        self._hash.update(view[cut:])
        if self._tail is not None:
            short = len(self._tail) + len(block) - cut <= _MOST_TAIL
            self._tail = self._tail + block[cut:] if short else None
        if block:
            self.has_room = block.endswith(b"\0")
        self.offset += len(block)

    def stand(self) -> None:
        """Everything so far was read by an earlier run: it need not be told."""
        self._told = self.line_end

    @property
    def has_moved(self) -> bool:
        """Whether a line has ended since the last place that was told."""
        return self.line_end > self._told

    @property
    def is_cut_short(self) -> bool:
        """Whether the last line began a JSON object and did not end it."""
        if self._tail is None:
            return True
        tail = self._tail.strip(PADDING)
        return tail.startswith(b"{") and not is_whole_object(tail)

    def lines_end(self, *, console: bool) -> Reached:
        """Return the place behind the last line break."""
        self._told = self.line_end
        return Reached(self._uri, self._head, self.line_end, self._at_line.digest(), self._lines, console)

    def end(self) -> Reached:
        """Return the place where the source ends."""
        return Reached(self._uri, self._head, self.offset, self._hash.digest(), self._lines, is_whole=True)

    def digest(self) -> bytes:
        """Return the digest of everything so far."""
        return self._hash.digest()


def _line_ends(block: bytes) -> int:
    """Count `\\n`: from one to the next where lines are long, byte by byte where they are not."""
    found, at = 0, -1
    for _ in range(len(block) // _SHORT_LINE):
        at = block.find(b"\n", at + 1)
        if at < 0:
            return found
        found += 1
    return found + block.count(b"\n", at + 1)


class Start(Value, frozen=True):
    """How a source begins: `committed` is not read again, None where all of it is.

    `head` holds the bytes that framing decides by, of what is not read again; `rest` is what comes behind that part, or
    the whole source.
    """

    trail: Trail
    committed: Committed | None
    head: bytes
    rest: Iterator[bytes]


def _start(
    uri: str, memory: Memory, rewound: Callable[[], Generator[bytes, None, None]], *, idle_s: float
) -> Generator[Idle, None, Start]:
    """Look for what is committed of a source, and verify it; yields a tick now and then, for it may take long.

    `rewound` gives the source's decompressed bytes from the first one, whenever it is called. Memory: 4 MiB.
    Raises: SourceError, where the source begins with it; LedgerError.
    """
    blocks = rewound()
    first: list[bytes] = []
    size = 0
    for block in blocks:
        first.append(block)
        size += len(block)
        if size >= HEAD_BYTES:
            break
    known = memory.committed(b"".join(first)[:HEAD_BYTES])
    if not known:
        return Start(Trail(uri), None, b"", _chained(first, blocks))
    found = yield from _verified(uri, known, _chained(first, blocks), idle_s)
    if found is None or found.committed is None:
        return Start(Trail(uri), None, b"", rewound())
    if found.committed is not max(known, key=_order):
        # What begins further on did not match, and was read over: once more, up to the part that did.
        found = yield from _verified(uri, [found.committed], rewound(), idle_s)
    return found if found is not None else Start(Trail(uri), None, b"", rewound())


def _order(committed: Committed) -> tuple[int, bool]:
    return committed.offset, committed.is_whole


class _Bytes:
    """A source's bytes, taken in pieces of any length."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = b""

    def take(self, most: int) -> bytes:
        """Return the next bytes, at most so many; none at the end alone."""
        self._fill()
        piece, self._block = self._block[:most], self._block[most:]
        return piece

    @property
    def has_ended(self) -> bool:
        """Whether nothing is left."""
        self._fill()
        return not self._block

    def rest(self) -> Iterator[bytes]:
        """Return what was not taken."""
        return _chained([self._block], self._blocks)

    def _fill(self) -> None:
        if not self._block:
            self._block = next((block for block in self._blocks if block), b"")


def _verified(
    uri: str, known: Sequence[Committed], blocks: Iterator[bytes], idle_s: float
) -> Generator[Idle, None, Start | None]:
    """Hash a source as far as any of `known` reaches; return the longest part that is what it was, None if none is."""
    waiting = sorted(known, key=_order, reverse=True)
    source, trail, head, found = _Bytes(blocks), Trail(uri), bytearray(), None
    ticked_at = time.monotonic()
    try:
        while waiting:
            found = _matching(waiting, trail, source) or found
            piece = source.take(waiting[-1].offset - trail.offset) if waiting else b""
            if not piece:
                break
            trail.add(piece)
            if len(head) < LOOK_AHEAD:
                head += piece
            if time.monotonic() - ticked_at >= idle_s:
                ticked_at = time.monotonic()
                yield _IDLE
    except SourceError:  # damage: whoever reads on meets it again, in its place
        pass
    if found is None:
        return None
    trail.stand()
    return Start(trail, found, bytes(head[: found.offset]), source.rest())


def _matching(waiting: list[Committed], trail: Trail, source: _Bytes) -> Committed | None:
    """Take out of `waiting` those that reach to here; return the last one that is what it was."""
    found = None
    while waiting and waiting[-1].offset == trail.offset:
        candidate = waiting.pop()
        if candidate.digest == trail.digest() and (not candidate.is_whole or source.has_ended):
            found = candidate
    return found


def _chained(first: Iterable[bytes], blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield from (block for block in first if block)
    yield from blocks


def _goes_on(framer: Framer, begun: Start) -> bool:
    """Bring the framer to where the source goes on; False where its head is framed in another way by now.

    Only physical lines go on: their ends do not depend on what comes behind them. What the framer yields on the way is
    of the part that is not read again.
    """
    committed = begun.committed
    if committed is None:
        return True
    for at in range(0, len(begun.head), files.BLOCK):
        for _ in framer.feed(begun.head[at : at + files.BLOCK]):
            pass
        if framer.reads_lines:
            break
    if not framer.reads_lines:
        # A small head is decided by when it is whole.
        return framer.is_undecided and len(begun.head) == committed.offset
    framer.go_on(offset=committed.offset, lines=committed.lines, console=committed.console)
    return True


class Resumed:
    """Iterates one file: what an earlier run has committed of it as `AlreadyRead`, and what lies behind as it reads.

    `rewound` gives its decompressed bytes from the first one, whenever it is called, and `framer` a new one; `more`
    waits for the rest of a last line; `file_state` is asked before and after (`files.state_of`). `bytes_read` counts
    what was read behind the committed part.
    """

    def __init__(
        self,
        uri: str,
        memory: Memory,
        *,
        rewound: Callable[[], Generator[bytes, None, None]],
        framer: Callable[[], Framer],
        more: Callable[[Trail], Iterator[bytes]],
        file_state: Callable[[], bytes | None],
        idle_s: float,
    ) -> None:
        self._uri = uri
        self._memory = memory
        self._rewound = rewound
        self._new_framer = framer
        self._more = more
        self._state_now = file_state
        self._state: bytes | None = None
        self._idle_s = idle_s
        self.bytes_read = 0

    def __iter__(self) -> Iterator[Read]:
        yield SourceStart(self._uri)
        self._state = self._state_now()
        unchanged = None if self._state is None else self._memory.unchanged(self._state)
        if unchanged is not None:
            yield self._claimed(unchanged)
            yield Mark.SOURCE_END
            return
        try:
            begun = yield from _start(self._uri, self._memory, self._rewound, idle_s=self._idle_s)
        except SourceError:  # at its very beginning: it is met again
            begun = self._anew()
        if begun.committed is not None and begun.committed.is_whole:
            yield self._claimed(begun.committed)
            yield from self._at_rest(begun.trail, begun.trail.end())
            yield Mark.SOURCE_END
            return
        framer = self._new_framer()
        is_done = _goes_on(framer, begun) and (yield from self._behind(framer, begun))
        if not is_done:
            yield from self._behind(self._new_framer(), self._anew())

    def _anew(self) -> Start:
        return Start(Trail(self._uri), None, b"", self._rewound())

    def _claimed(self, committed: Committed) -> AlreadyRead:
        self._memory.claim(self._uri, committed)
        return AlreadyRead(self._uri, committed)

    def _behind(self, framer: Framer, begun: Start) -> Generator[Read, None, bool]:
        """Yield what lies behind the committed part; return False, and nothing, where framing is another one by now."""
        committed = begun.committed
        is_sure = committed is None
        for item in self._framed(framer, begun):
            if not is_sure and committed is not None:
                if not framer.reads_lines:
                    return False
                is_sure = True
                yield self._claimed(committed)
            if committed is None or not isinstance(item, LogLine) or item.ref.offset >= committed.offset:
                yield item
        return True

    def _framed(self, framer: Framer, begun: Start) -> Iterator[LogLine | SourceError | Mark | Reached]:
        trail = begun.trail
        problems: list[SourceError] = []
        try:
            yield from self._fed(framer, trail, begun.rest)
            yield from self._fed(framer, trail, self._more(trail))
        except SourceError as error:
            problems.append(error.with_traceback(None))  # which would hold the frame that holds this list
        try:
            for item in framer.finish():
                if trail.has_moved and isinstance(item, LogLine) and item.ref.offset >= trail.line_end:
                    yield from _line_end(framer, trail)
                yield item
        except SourceError as error:
            problems.append(error.with_traceback(None))  # which would hold the frame that holds this list
        yield from _line_end(framer, trail)
        if not problems and framer.may_stop and trail.line_end == trail.offset:
            yield from self._at_rest(trail, trail.lines_end(console=framer.is_console))
        elif not problems:
            end = trail.end()
            yield next(self._at_rest(trail, end), end)
        yield from problems[:1]
        yield Mark.SOURCE_END

    def _at_rest(self, trail: Trail, end: Reached) -> Iterator[Reached]:
        """Yield the place where the source ends with the state of its file, if that was the same all the while.

        What is written into room through memory (mmap) tells no time: on a tmpfs never, elsewhere once in a while.
        """
        if self._state is not None and not trail.has_room and self._state == self._state_now():
            yield replace(end, file_state=self._state)

    def _fed(self, framer: Framer, trail: Trail, blocks: Iterator[bytes]) -> Iterator[LogLine | Mark | Reached]:
        for block in blocks:
            self.bytes_read += len(block)
            trail.add(block)
            yield from framer.feed(block)
            yield from _line_end(framer, trail)


def _line_end(framer: Framer, trail: Trail) -> Iterator[Reached]:
    if trail.has_moved and framer.may_stop:
        yield trail.lines_end(console=framer.is_console)


# ------------------------------------------------------------------------------------------------ the end of a log


def is_being_written(descriptor: int, trail: Trail) -> bool:
    """Whether a logger may be writing the last line just now: it is not whole, and some of it came within a minute."""
    return time.time() - os.fstat(descriptor).st_mtime <= _FRESH_S and trail.is_cut_short


def rest_of_line(descriptor: int, *, should_stop: Callable[[], bool]) -> Iterator[bytes]:
    """Wait for the end of a line: a second since its last byte, ten in all.

    Gives what comes up to the line's end, and no more. Raises: files.Stopped.
    """
    began_s = heard_s = time.monotonic()
    while True:
        if should_stop():
            raise files.Stopped
        block = os.read(descriptor, files.BLOCK)
        now_s = time.monotonic()
        if block:
            end = block.find(b"\n") + 1
            yield block[:end] if end else block
            if end:
                return
            heard_s = now_s
        elif now_s - heard_s >= _PATIENCE_S or now_s - began_s >= _MOST_PATIENCE_S:
            return
        else:
            time.sleep(_POLL_S)
