"""What the operator typed → records with their places.

`SourceReader` opens each source, undoes its compression (`compression.py`), and frames its records (`framing.py`).
What is wrong with a source is given in its place as a `SourceError`, and reading goes on with the next one.
"""

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import cached_property

from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.model import Idle, LogLine, Mark
from posthog_llm_cli.sources import files
from posthog_llm_cli.sources.compression import plain
from posthog_llm_cli.sources.framing import Framer

__all__ = ["SourceReader"]

_IDLE = Idle()


class SourceReader:
    """Iterates records, problems of sources and ticks over all sources, in order; from one thread, once.

    `specs` are paths, directories, globs, or `-` for `stdin_fd`. A record over `max_record` bytes comes as a LogLine
    with its problem. `should_stop` is asked between blocks and at least every 0.2 s: when it says yes the iteration
    ends, without the record that is half read. An `Idle` comes whenever a live source had nothing for `idle_s`, a
    `Mark` where a stream says that it is done, and at the end of each source.
    Memory: the look-ahead of a source's head (4 MiB, `max_record` where that is more), one record, one block.
    """

    def __init__(
        self,
        specs: Sequence[str],
        *,
        max_record: int = 32 * 1024 * 1024,
        should_stop: Callable[[], bool] = lambda: False,
        stdin_fd: int = 0,
        idle_s: float = 1.0,
        _block_size: int = files.BLOCK,
    ) -> None:
        self._specs = tuple(specs)
        self._max_record = max_record
        self._should_stop = should_stop
        self._stdin_fd = stdin_fd
        self._idle_s = idle_s
        self._block_size = _block_size
        self.bytes_read = 0
        """Bytes after decompression."""
        self.raw_bytes_read = 0
        """Bytes as they lie on disk or came through the pipe."""

    @cached_property
    def raw_bytes_total(self) -> int | None:
        """Bytes on disk of all sources together; None when one is a pipe. Walks directories when it is first asked."""
        total = 0
        for spec in self._specs:
            for source in files.expand(spec):
                size = 0 if isinstance(source, SourceError) else files.size_of(source, self._stdin_fd)
                if size is None:
                    return None
                total += size
        return total

    def __iter__(self) -> Iterator[LogLine | SourceError | Idle | Mark]:
        try:
            for spec in self._specs:
                for source in files.expand(spec):
                    if self._should_stop():
                        return
                    if isinstance(source, SourceError):
                        yield source
                    else:
                        yield from self._read(source)
        except files.Stopped:
            return

    def _read(self, source: files.Source) -> Iterator[LogLine | SourceError | Idle | Mark]:
        try:
            descriptor = files.open_source(source, self._stdin_fd)
        except SourceError as error:
            yield error
            return
        try:
            framer = Framer(source.uri, max_record=self._max_record)
            try:
                yield from self._frame(framer, descriptor, source.uri)
                problem = None
            except SourceError as error:
                problem = error
            yield from framer.finish()
            if problem is not None:
                yield problem
            yield Mark.SOURCE_END
        finally:
            if source.path is not None:
                os.close(descriptor)

    def _frame(self, framer: Framer, descriptor: int, uri: str) -> Iterator[LogLine | Idle | Mark]:
        live = files.is_live(descriptor, uri)
        settle_at = time.monotonic() + self._idle_s if live else None
        with closing(plain(self._blocks(descriptor, uri, live=live), uri)) as blocks:
            for block in blocks:
                self.bytes_read += len(block)
                if block:
                    yield from framer.feed(block)
                if settle_at is not None and (not block or time.monotonic() > settle_at):
                    # Whoever watches a live source should see its first records before 64 KiB have come.
                    yield from framer.settle()
                if not block:
                    yield _IDLE

    def _blocks(self, descriptor: int, uri: str, *, live: bool) -> Generator[bytes, None, None]:
        for block in files.read_blocks(
            descriptor,
            uri,
            live=live,
            should_stop=self._should_stop,
            idle_s=self._idle_s,
            block_size=self._block_size,
        ):
            self.raw_bytes_read += len(block)
            yield block
