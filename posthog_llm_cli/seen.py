"""Which events a run has met already: exact, and bounded in memory whatever the input's size."""

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from posthog_llm_cli.model import Destination
from posthog_llm_cli.scratch import Room, open_scratch

MEMORY_ENTRIES = 20_000
"""How many ids are held in memory (about 3 MiB) before they move to a file."""

_FILTER_BITS = 24
_FILTER_MASK = (1 << _FILTER_BITS) - 1
"""2 MiB of bits: with a million ids in the file, two of them are set by chance for one new id of seventy."""

_CACHE_KIB = 1024
"""Ids are written in order, and the filter answers for most: pages are seldom asked for twice."""
_TABLE = "CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID"
_ROOM = Room("the list of events met so far", "about 40 bytes for each call")


class SeenIds:
    """A set of (destination, uuid) that moves to a temporary SQLite file once it is large, and again each time.

    A Bloom filter knows most new ids without a look into the file, which costs ten times as much. The file lies in
    `directory` (None: the system's, which TMPDIR names) and is unlinked as soon as it is open, so that not even a kill
    leaves it behind. Use it as a context manager, on one thread.
    """

    def __init__(self, *, memory_entries: int = MEMORY_ENTRIES, directory: Path | None = None) -> None:
        self._memory_entries = memory_entries
        self._directory = directory
        self._indexes: dict[Destination, bytes] = {}
        self._keys: set[bytes] = set()
        self._file: sqlite3.Connection | None = None
        self._filter = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, destination: Destination, uuid: str) -> bool:
        """Take an event's id (any spelling of the uuid); return True if it is the first of its kind.

        Raises:
            ConfigError: the temporary file cannot be made or has no room.
        """
        index = self._indexes.get(destination)
        if index is None:
            index = self._indexes[destination] = len(self._indexes).to_bytes(4, "big")
        key = index + bytes.fromhex(uuid.replace("-", ""))
        if key in self._keys or (self._file is not None and self._is_in(self._file, key)):
            return False
        self._keys.add(key)
        if len(self._keys) > self._memory_entries:
            self._spill()
        return True

    def close(self) -> None:
        """Forget everything, and give the file's space back."""
        self._keys.clear()
        self._filter = bytearray()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _spill(self) -> None:
        with _ROOM:
            if self._file is None:
                self._file = open_scratch(_TABLE, directory=self._directory, cache_kib=_CACHE_KIB)
                self._filter = bytearray(1 << _FILTER_BITS - 3)
            # In order, because each page of a b-tree is then written once and not for every id that lies on it.
            self._file.executemany("INSERT INTO seen VALUES (?)", ((key,) for key in sorted(self._keys)))
        bits = self._filter
        for key in self._keys:
            for bit in _bits_of(key):
                bits[bit >> 3] |= 1 << (bit & 7)
        self._keys = set()

    def _is_in(self, file: sqlite3.Connection, key: bytes) -> bool:
        one, other = _bits_of(key)
        bits = self._filter
        if not (bits[one >> 3] >> (one & 7) & 1 and bits[other >> 3] >> (other & 7) & 1):
            return False
        with _ROOM:
            return file.execute("SELECT 1 FROM seen WHERE key = ?", (key,)).fetchone() is not None


def _bits_of(key: bytes) -> tuple[int, int]:
    """The two bits of a key in the filter, taken from the end of its uuid, which is chance in every version of them."""
    end = int.from_bytes(key[-6:], "big")
    return end & _FILTER_MASK, end >> _FILTER_BITS
