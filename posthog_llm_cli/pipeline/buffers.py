"""A stretch of memory that two processes share: what one has put there, the other takes.

The lines of a batch and the events made of them are half a megabyte: through a pipe they go in dozens of pieces, each
copied into the kernel and out again. Here they are written once and read once; a pipe says where they lie.
"""

import mmap
import os
import tempfile
from typing import Self

BUFFER_BYTES = 1024 * 1024
"""Twice what a batch weighs; what finds no room goes through the pipe."""


class SharedBuffer:
    """Used by one process at a time. It is nameless from the start: not even a kill leaves anything behind.

    The other process has it by its descriptor (`of`); once it has, `handed_over` closes that: the memory needs none.
    Raises: OSError where there is no memory, or no descriptor.
    """

    def __init__(self, size: int = BUFFER_BYTES) -> None:
        self._open(_nameless(size))

    @classmethod
    def of(cls, descriptor: int) -> Self:
        """Return the memory that has this descriptor, which is closed."""
        buffer = cls.__new__(cls)
        buffer._open(descriptor)
        buffer.handed_over()
        return buffer

    def _open(self, descriptor: int) -> None:
        try:
            self._map = mmap.mmap(descriptor, 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor: int | None = descriptor
        self._used = 0

    def fileno(self) -> int:
        """Return its descriptor, until it is handed over."""
        assert self._descriptor is not None  # noqa: S101 -- for the type checker
        return self._descriptor

    def handed_over(self) -> None:
        """Close the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def clear(self) -> None:
        """Give the buffer to what comes next; what was put there has been taken."""
        self._used = 0

    def put(self, data: bytes) -> int | None:
        """Put bytes; return their place, None where there is no room for them."""
        place = self._used
        end = place + len(data)
        if end > len(self._map):
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
        self.handed_over()


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
    with tempfile.TemporaryFile() as file:
        file.write(bytes(size))  # or a full disk would show when the memory is first written to, as a signal that kills
        file.flush()
        return os.dup(file.fileno())
