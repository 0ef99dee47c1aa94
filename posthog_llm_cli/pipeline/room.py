"""A stretch of memory that two processes share: what one has put there, the other takes.

The lines of a batch and the events made of them are half a megabyte: through a pipe they go in dozens of pieces, each
copied into the kernel and out again. Here they are written once and read once; a pipe says where they lie.
"""

import mmap
import os
import tempfile
from multiprocessing import reduction
from typing import Any

ROOM_BYTES = 1024 * 1024
"""Twice what a batch weighs; what finds no room goes through the pipe."""


class Room:
    """Used by one process at a time. It is nameless from the start: not even a kill leaves anything behind.

    As an argument of a process that is being started it is the same memory there.
    Raises: OSError where there is no memory, or no descriptor, to be had.
    """

    def __init__(self, size: int = ROOM_BYTES) -> None:
        descriptor = _nameless(size)
        try:
            self._open(descriptor, size)
        except BaseException:
            os.close(descriptor)
            raise

    def _open(self, descriptor: int, size: int) -> None:
        self._map = mmap.mmap(descriptor, size)
        self._descriptor = descriptor
        self._size = size
        self._used = 0

    def clear(self) -> None:
        """Give the room to what comes next; what was put there has been taken."""
        self._used = 0

    def put(self, data: bytes) -> int | None:
        """Put bytes; return their place, None where there is no room for them."""
        place = self._used
        end = place + len(data)
        if end > self._size:
            return None
        self._map[place:end] = data
        self._used = end
        return place

    def take(self, place: int, size: int) -> bytes:
        """Return the bytes at a place."""
        return self._map[place : place + size]

    def close(self) -> None:
        """Let go of it here; the other process keeps it until it does."""
        self._map.close()
        os.close(self._descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        """Hand the descriptor on to the process that is being started."""
        return _opened, (reduction.DupFd(self._descriptor), self._size)


def _opened(handed: Any, size: int) -> Room:
    room = Room.__new__(Room)
    room._open(handed.detach(), size)
    return room


def _nameless(size: int) -> int:
    """Return the descriptor of memory without a name: where the system has no such thing, of a deleted file."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("plh")
        try:
            os.ftruncate(descriptor, size)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor
    with tempfile.TemporaryFile(buffering=0) as file:
        file.truncate(size)
        return os.dup(file.fileno())
