"""Which events a run has met already: exact, and bounded in memory whatever the input's size."""

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from posthog_llm_cli.model import Destination
from posthog_llm_cli.scratch import CACHE_KIB, Room, open_scratch

MEMORY_ENTRIES = 20_000
"""How many ids are held in memory (about 3 MiB) before all move to a file."""

_CACHE_KIB = CACHE_KIB
_TABLE = "CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID"
_ROOM = Room("the list of events met so far", "about 40 bytes for each call")


class SeenIds:
    """A set of (destination, uuid) that moves to a temporary SQLite file once it is large.

    The file lies in `directory` (None: the system's, which TMPDIR names) and is unlinked as soon as it is open, so that
    not even a kill leaves it behind. Use it as a context manager, on one thread.
    """

    def __init__(self, *, memory_entries: int = MEMORY_ENTRIES, directory: Path | None = None) -> None:
        self._memory_entries = memory_entries
        self._directory = directory
        self._indexes: dict[Destination, bytes] = {}
        self._keys: set[bytes] = set()
        self._file: sqlite3.Connection | None = None

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
        if self._file is not None:
            return self._insert(self._file, key)
        if key in self._keys:
            return False
        self._keys.add(key)
        if len(self._keys) > self._memory_entries:
            self._spill()
        return True

    def close(self) -> None:
        """Forget everything, and give the file's space back."""
        self._keys.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _spill(self) -> None:
        with _ROOM:
            self._file = open_scratch(_TABLE, directory=self._directory, cache_kib=_CACHE_KIB)
            # In order, because a b-tree that is filled in order is written once and not page by page again.
            self._file.executemany("INSERT INTO seen VALUES (?)", ((key,) for key in sorted(self._keys)))
        self._keys = set()

    def _insert(self, file: sqlite3.Connection, key: bytes) -> bool:
        with _ROOM:
            return file.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,)).rowcount == 1
