"""A place on disk for what a run must remember and memory cannot hold: a temporary SQLite file."""

import contextlib
import sqlite3
import tempfile
from pathlib import Path
from types import TracebackType

from posthog_llm_cli.errors import ConfigError

CACHE_KIB = 4 * 1024
"""How much of a file is held in memory; what is less never touches the disk."""


def open_scratch(schema: str, *, directory: Path | None, cache_kib: int = CACHE_KIB) -> sqlite3.Connection:
    """Open a file with the tables of `schema` in `directory` (None: the system's, which TMPDIR names).

    It is unlinked as soon as it is open, so that not even a kill leaves it behind.

    Raises: OSError or sqlite3.Error, where it cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="plh-", dir=directory) as folder:
        file = sqlite3.connect(Path(folder) / "scratch.sqlite", isolation_level=None)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(file.close)
            # Nothing here outlives the run: no journal, no fsync, and one transaction that never ends, whose pages
            # SQLite writes out when the cache is full.
            for setting in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
                file.execute(f"PRAGMA {setting}")
            file.execute(f"PRAGMA cache_size=-{cache_kib}")
            file.executescript(schema)
            file.execute("BEGIN EXCLUSIVE")
            on_failure.pop_all()
    return file


class Room:
    """Says of a file that cannot be made or filled what it is for, and what to do: a context that raises ConfigError.

    `what` needs the file, `size` is how much room it takes.
    """

    def __init__(self, what: str, size: str) -> None:
        self._what = what
        self._size = size

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError | sqlite3.Error):
            raise ConfigError(
                f"{self._what} needs a temporary file, and it failed: {error}",
                hint=f"set TMPDIR to a writable folder on a disk with room ({self._size})",
            ) from error
