"""What the operator typed → records with their places.

`SourceReader` opens each source, undoes its compression (`compression.py`), and frames its records (`framing.py`).
What is wrong with a source is given in its place as a `SourceError`, and reading goes on with the next one.
"""

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import cached_property
from itertools import chain

from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.model import Idle, LogLine, Mark
from posthog_llm_cli.sources import files
from posthog_llm_cli.sources.compression import plain
from posthog_llm_cli.sources.framing import Framer
from posthog_llm_cli.sources.order import Held, Order, Ranking
from posthog_llm_cli.sources.resuming import Memory, Read, Resumed, Trail, is_being_written, rest_of_line

__all__ = ["Memory", "Ranking", "SourceReader"]

_IDLE = Idle()
_MOST_VAIN_WAITS = 3


class SourceReader:
    """Iterates records, problems of sources and ticks over all sources; from one thread, once.

    `specs` are paths, directories, globs, or `-` for `stdin_fd`, and can be iterated more than once. With a `ranking`,
    and more than one source, all are looked at first (`order.py`) and those of the richer formats are read first; else
    the order is that of `specs`. A record over `max_record` bytes comes as a LogLine with its problem. `should_stop` is
    asked between blocks and at least every 0.2 s: when it says yes the iteration ends, without the record that is half
    read. An `Idle` comes whenever a live source had nothing for `idle_s`, and as often during the look; a `Mark`
    where a stream says that it is done, at the end of each source, and, with a ranking, of each rank. With a `memory`,
    files are read from where an earlier run has committed them, after what lies before was verified, and a
    `SourceStart`, an `AlreadyRead` where there is such a part, and `Reached` places come between the records.
    Memory: the look-ahead of a source's head (4 MiB, `max_record` where that is more), one record, one block.
    """

    def __init__(
        self,
        specs: Iterable[str],
        *,
        ranking: Ranking | None = None,
        max_record: int = 32 * 1024 * 1024,
        should_stop: Callable[[], bool] = lambda: False,
        memory: Memory | None = None,
        stdin_fd: int = 0,
        idle_s: float = 1.0,
        _block_size: int = files.BLOCK,
    ) -> None:
        self._specs = specs
        self._ranking = ranking
        self._max_record = max_record
        self._should_stop = should_stop
        self._memory = memory
        self._stdin_fd = stdin_fd
        self._idle_s = idle_s
        self._block_size = _block_size
        self._vain_waits = 0
        self.bytes_read = 0
        """Bytes after decompression."""
        self.raw_bytes_read = 0
        """Bytes as they lie on disk or came through the pipe."""

    @cached_property
    def raw_bytes_total(self) -> int | None:
        """Bytes on disk of all sources together; None when one is a pipe. Walks directories when it is first asked."""
        total = 0
        for source in self._sources():
            size = 0 if isinstance(source, SourceError) else files.size_of(source, self._stdin_fd)
            if size is None:
                return None
            total += size
        return total

    def __iter__(self) -> Iterator[Read]:
        sources = self._sources()
        try:
            if self._ranking is None:
                yield from self._read_all(sources)
            else:
                yield from self._read_ranked(sources, self._ranking)
        except files.Stopped:
            return

    def _sources(self) -> Iterator[files.Source | SourceError]:
        return chain.from_iterable(map(files.expand, self._specs))

    def _read_all(self, sources: Iterable[files.Source | Held | SourceError | Mark]) -> Iterator[Read]:
        for source in sources:
            if self._should_stop():
                return
            if isinstance(source, SourceError | Mark):
                yield source
            else:
                yield from self._read(source)

    def _read_ranked(self, sources: Iterator[files.Source | SourceError], ranking: Ranking) -> Iterator[Read]:
        first: list[files.Source] = []
        for source in sources:
            if isinstance(source, SourceError):
                yield source
                continue
            first.append(source)
            if len(first) == 2:
                break
        if len(first) < 2:
            yield from self._read_all(first)  # nothing to choose, and no look to pay for
            return
        order = Order(
            ranking,
            is_known=self._is_known,
            max_record=self._max_record,
            should_stop=self._should_stop,
            idle_s=self._idle_s,
        )
        with closing(order):
            yield from self._look(chain(first, sources), order)
            yield from self._read_all(order)

    def _look(self, sources: Iterator[files.Source | SourceError], order: Order) -> Iterator[SourceError | Idle]:
        ticked_at = time.monotonic()
        for source in sources:
            if self._should_stop():
                return
            if isinstance(source, SourceError):
                yield source
                continue
            order.add(source, self._stdin_fd)
            if time.monotonic() - ticked_at >= self._idle_s:
                ticked_at = time.monotonic()
                yield _IDLE

    def _is_known(self, descriptor: int, path: str) -> bool:
        """Whether the file is as it was when an earlier run had settled all of it."""
        if self._memory is None or not self._memory.knows_any:
            return False
        state = files.state_of(descriptor, path)
        return state is not None and self._memory.unchanged(state) is not None

    def _read(self, source: files.Source | Held) -> Iterator[Read]:
        try:
            held = source if isinstance(source, Held) else Held(source, files.open_source(source, self._stdin_fd))
        except SourceError as error:
            yield error
            return
        with closing(held):
            if self._memory is not None and _can_be_read_again(held):
                yield from self._resume(held, self._memory)
                return
            framer = Framer(held.source.uri, max_record=self._max_record)
            problems: list[SourceError] = []
            try:
                yield from self._frame(framer, held)
            except SourceError as error:
                problems.append(error.with_traceback(None))  # which would hold the frame that holds this list
            try:
                yield from framer.finish()
            except SourceError as error:
                problems.append(error.with_traceback(None))  # which would hold the frame that holds this list
            yield from problems[:1]
            yield Mark.SOURCE_END

    def _resume(self, held: Held, memory: Memory) -> Iterator[Read]:
        """Read a file from where it is committed, and count only what lies behind that place."""
        raw = 0

        def blocks() -> Generator[bytes, None, None]:
            nonlocal raw
            for block in self._blocks(held, live=False):
                raw += len(block)
                yield block

        def rewound() -> Generator[bytes, None, None]:
            nonlocal raw
            if raw:
                os.lseek(held.descriptor, 0, os.SEEK_SET)
                self.raw_bytes_read -= raw
                raw = 0
            return plain(blocks(), held.source.uri)

        uri = held.source.uri
        read = Resumed(
            uri,
            memory,
            rewound=rewound,
            framer=lambda: Framer(uri, max_record=self._max_record),
            # What is not compressed is as long as what it says.
            more=lambda trail: self._rest_of_line(held, trail) if raw == trail.offset else iter(()),
            file_state=lambda: files.state_of(held.descriptor, held.source.path or ""),
            idle_s=self._idle_s,
        )
        before = self.bytes_read
        for item in read:
            self.bytes_read = before + read.bytes_read
            yield item
        self.bytes_read = before + read.bytes_read
        if not raw:
            self.raw_bytes_read += files.size_of(held.source, self._stdin_fd) or 0  # it is as it was, and done with

    def _rest_of_line(self, held: Held, trail: Trail) -> Iterator[bytes]:
        """Wait for the end of a line that is being written; not for ever, where many logs are cut off."""
        if self._vain_waits >= _MOST_VAIN_WAITS or not is_being_written(held.descriptor, trail):
            return
        self._vain_waits += 1
        for block in rest_of_line(held.descriptor, should_stop=self._should_stop):
            self._vain_waits = 0
            yield block

    def _frame(self, framer: Framer, held: Held) -> Iterator[LogLine | Idle | Mark]:
        uri = held.source.uri
        live = files.is_live(held.descriptor, uri)
        settle_at: float | None = None
        with closing(plain(self._blocks(held, live=live), uri)) as blocks:
            for block in blocks:
                self.bytes_read += len(block)
                if block:
                    yield from framer.feed(block)
                if live and block and settle_at is None:
                    settle_at = time.monotonic() + self._idle_s
                if not block or (settle_at is not None and time.monotonic() > settle_at):
                    # Whoever watches a live source should see its first records before 64 KiB have come.
                    yield from framer.settle()
                if not block:
                    yield _IDLE

    def _blocks(self, held: Held, *, live: bool) -> Generator[bytes, None, None]:
        for block in chain(held.pop_blocks(), self._rest(held, live=live)):
            self.raw_bytes_read += len(block)
            yield block

    def _rest(self, held: Held, *, live: bool) -> Generator[bytes, None, None]:
        if held.ended:
            return
        yield from files.read_blocks(
            held.descriptor,
            held.source.uri,
            live=live,
            should_stop=self._should_stop,
            idle_s=self._idle_s,
            block_size=self._block_size,
        )


def _can_be_read_again(held: Held) -> bool:
    """Whether it is a file under a name of its own; stdin relies on identities alone, whatever it is."""
    return held.source.path is not None and not files.is_live(held.descriptor, held.source.uri)
