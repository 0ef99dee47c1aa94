"""Chunks that wait on disk for a destination that does not keep up: neither memory nor the others pay for it."""

import os
import tempfile
from collections import deque
from collections.abc import Collection, Iterator
from typing import BinaryIO

from posthog_llm_cli.model import Chunk, Destination
from posthog_llm_cli.pipeline.wire import dumps, loads

SHELF_BYTES = 256 * 1024 * 1024
"""How much may lie on disk; beyond it the reader waits."""


class Shelf:
    """First in, first out for each destination, in one temporary file; used from the main thread.

    The file lies in the system's temporary folder (TMPDIR), readable by its owner alone, and has no name: not even a
    kill leaves it behind. It gives its room back whenever it is empty.
    """

    def __init__(self, *, max_bytes: int = SHELF_BYTES) -> None:
        self._max_bytes = max_bytes
        self._file: BinaryIO | None = None
        self._end = 0
        self._places: dict[Destination, deque[tuple[int, int]]] = {}
        self._is_broken = False

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def has(self, destination: Destination) -> bool:
        """Whether chunks of `destination` wait here."""
        return destination in self._places

    @property
    def destinations(self) -> Collection[Destination]:
        """Those that have chunks here."""
        return self._places.keys()

    @property
    def has_room(self) -> bool:
        """Whether a further chunk may be put here."""
        return self._end < self._max_bytes and not self._is_broken

    def put(self, chunk: Chunk) -> bool:
        """Lay a chunk down behind those of its destination; return False where the disk takes no more."""
        data = dumps(chunk)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="plh-", buffering=0)  # noqa: SIM115 - `close()` closes it
            _write(self._file.fileno(), data, self._end)
        except OSError:  # a full disk, a limit, no folder: the reader waits instead, as it would without a shelf
            self._is_broken = True
            return False
        self._places.setdefault(chunk.destination, deque()).append((self._end, len(data)))
        self._end += len(data)
        return True

    def take(self, destination: Destination) -> Chunk:
        """Take up the oldest chunk of `destination`, which must have one here. Raises: OSError on a failing disk."""
        places = self._places[destination]
        start, size = places.popleft()
        if not places:
            del self._places[destination]
        if self._file is None:
            raise ValueError("the shelf is closed")
        chunk: Chunk = loads(_read(self._file.fileno(), start, size))
        if not self._places:
            self._end = 0
            self._is_broken = False
            self._file.truncate(0)
        return chunk

    def take_all(self) -> Iterator[Chunk]:
        """Take up everything, one after the other."""
        while self._places:
            yield self.take(next(iter(self._places)))

    def close(self) -> None:
        """Forget everything, and give the room back."""
        self._places.clear()
        if self._file is not None:
            self._file.close()
            self._file = None


def _write(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def _read(descriptor: int, at: int, size: int) -> bytes:
    pieces = []
    while size:
        piece = os.pread(descriptor, size, at)
        if not piece:
            raise OSError("the temporary file ended early")
        pieces.append(piece)
        at, size = at + len(piece), size - len(piece)
    return b"".join(pieces)
