"""In which order several sources are read: those of the richer formats first, as typed among equals.

A call that lies in several views is sent from the one that is read first, so each source is looked at before any is
read. A file is opened, looked at and closed again; what cannot be opened twice (stdin, a pipe) is held open, with the
bytes that were looked at.
"""

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, suppress

from posthog_llm_cli.decoding import decode, split_documents
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.model import Json, LogLine, Mark
from posthog_llm_cli.sources import files
from posthog_llm_cli.sources.compression import Blocks, plain
from posthog_llm_cli.sources.framing import Framer
from posthog_llm_cli.sources.names import Names
from posthog_llm_cli.values import State, Value, field

LOOK_BYTES = 1024 * 1024
"""Bytes of a source, decompressed, in which it must show what it holds; of a pipe, as they come."""

_BLOCK = 64 * 1024
_JSON_STARTS = (b"{", b"[", b'"')
_FILE, _HELD = "f", "h"


class Ranking(Value, frozen=True):
    """How rich formats are, the lowest rank being read first.

    `of_value` takes what one line holds, and says None where that tells nothing; `of_head` takes the beginning of a
    record that is too long to look at whole. `otherwise` is the rank of a source that tells nothing.
    """

    of_value: Callable[[Json], int | None]
    of_head: Callable[[bytes], int | None]
    otherwise: int


class Held(State):
    """A source that can't be opened twice: what was read of it already, and whether that was all."""

    source: files.Source
    descriptor: int
    blocks: list[bytes] = field(default_factory=list)
    ended: bool = False

    def pop_blocks(self) -> Iterator[bytes]:
        """What was read of it, which is let go."""
        while self.blocks:
            yield self.blocks.pop(0)

    def close(self) -> None:
        """Close what was opened here; stdin was not."""
        if self.source.path is not None and self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Order:
    """Takes sources, then gives them by rank. Memory does not grow with their number, but for those held open.

    A file that `is_known` will not be read, so it is not looked at either; that is asked with its descriptor and path.
    """

    def __init__(
        self,
        ranking: Ranking,
        *,
        is_known: Callable[[int, str], bool],
        max_record: int,
        should_stop: Callable[[], bool],
        idle_s: float,
    ) -> None:
        self._ranking = ranking
        self._is_known = is_known
        self._max_record = max_record
        self._should_stop = should_stop
        self._idle_s = idle_s
        self._names: dict[int, Names] = {}
        self._held: list[Held] = []
        self._last: list[Held] = []

    def add(self, source: files.Source, stdin_fd: int) -> None:
        """Look at a source and put it into its place. Raises: files.Stopped; ConfigError.

        One that cannot be read is taken all the same: whoever reads it then says why.
        """
        if source.path is None and self._holds_stdin:
            self._last.append(Held(source, stdin_fd))  # for the second time: what the first reading leaves
            return
        try:
            held = Held(source, files.open_source(source, stdin_fd))
        except SourceError:
            self._put(self._ranking.otherwise, source)
            return
        with ExitStack() as stack:
            stack.callback(held.close)
            is_kept = source.path is None
            try:
                is_live = files.is_live(held.descriptor, source.uri)
                is_kept = is_kept or is_live
                if is_kept:
                    self._hold(held, is_live=is_live)
                elif source.path is not None and self._is_known(held.descriptor, source.path):
                    self._put(self._ranking.otherwise, source)
                else:
                    self._put(self._rank_of(self._blocks(held.descriptor, source.uri), source.uri), source)
            except SourceError:
                self._put(self._ranking.otherwise, held if is_kept else source)
            if is_kept:
                stack.pop_all()

    def __iter__(self) -> Iterator[files.Source | Held | Mark]:
        for rank in sorted(self._names):
            for name in self._names[rank]:
                yield self._held[int(name[1:])] if name.startswith(_HELD) else files.source_of(name[1:])
            yield Mark.RANK_END
        yield from self._last

    def close(self) -> None:
        """Close what is still open."""
        for names in self._names.values():
            names.close()
        for held in (*self._held, *self._last):
            held.close()

    @property
    def _holds_stdin(self) -> bool:
        return any(held.source.path is None for held in (*self._held, *self._last))

    def _put(self, rank: int, source: files.Source | Held) -> None:
        if rank not in self._names:
            self._names[rank] = Names()
        names = self._names[rank]
        if isinstance(source, Held):
            names.add(f"{_HELD}{len(self._held)}")
            self._held.append(source)
        elif source.path is not None:
            names.add(_FILE + source.path)

    # ------------------------------------------------------------------------------------------------------ the look

    def _hold(self, held: Held, *, is_live: bool) -> None:
        """Look at what comes within `idle_s`; what neither ends nor fills the look by then is read last."""
        until_s, size = time.monotonic() + self._idle_s, 0
        for block in self._blocks(held.descriptor, held.source.uri, live=is_live):
            held.blocks.append(block)
            size += len(block)
            if size >= LOOK_BYTES or (is_live and (not block or time.monotonic() > until_s)):
                break
        else:
            held.ended = True
        if is_live and not held.ended and size < LOOK_BYTES:
            self._last.append(held)
        else:
            self._put(self._rank_of((block for block in held.blocks), held.source.uri), held)

    def _blocks(self, descriptor: int, uri: str, *, live: bool = False) -> Generator[bytes, None, None]:
        return files.read_blocks(
            descriptor, uri, live=live, should_stop=self._should_stop, idle_s=self._idle_s, block_size=_BLOCK
        )

    def _rank_of(self, blocks: Blocks, uri: str) -> int:
        with closing(blocks):
            first = next(blocks, b"")
            rank = self._rank_of_object(first)
            return self._rank_of_lines(_chained(first, blocks), uri) if rank is None else rank

    def _rank_of_lines(self, blocks: Blocks, uri: str) -> int:
        head, any_line, rank = bytearray(), False, None
        with closing(self._lines(blocks, uri, head)) as lines:
            for line in lines:
                any_line = True
                rank = self._rank_of_line(line)
                if rank is not None:
                    return rank
        if not any_line:
            rank = self._ranking.of_head(bytes(head))
        return self._ranking.otherwise if rank is None else rank

    def _rank_of_object(self, first: bytes) -> int | None:
        """Return the rank of a source that is one object and no more, as millions in a bucket are: unframed.

        None is not the last word: of a pipe it may be the first line alone.
        """
        if len(first) >= _BLOCK or not first.startswith(b"{") or b"\n{" in first:
            return None
        try:
            return self._ranking.of_value(decode(first).value)
        except RecordError:
            return None

    def _lines(self, blocks: Blocks, uri: str, head: bytearray) -> Generator[LogLine, None, None]:
        """What the first bytes hold, which are left in `head`; damage ends the look."""
        framer = Framer(uri, max_record=self._max_record)
        with suppress(SourceError), closing(plain(blocks, uri)) as texts:
            for text in texts:
                head += text
                yield from _only_lines(framer.feed(text))
                if len(head) >= LOOK_BYTES:
                    yield from _only_lines(framer.settle())
                    return
            yield from _only_lines(framer.finish())

    def _rank_of_line(self, line: LogLine) -> int | None:
        raw = line.raw
        if line.problem is not None or not raw.startswith(_JSON_STARTS):
            return None  # noise of a console log, or damage
        try:
            return self._ranking.of_value(decode(raw).value)
        except RecordError:
            glued = split_documents(raw)
            return self._ranking.of_value(decode(glued[0][1]).value) if glued else None


def _chained(first: bytes, blocks: Blocks) -> Blocks:
    yield first
    yield from blocks


def _only_lines(items: Iterator[LogLine | Mark]) -> Iterator[LogLine]:
    return (item for item in items if isinstance(item, LogLine))
