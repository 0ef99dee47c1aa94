"""What `plh ledger repair` does: carry over what can be read into a new file, and keep the old one.

Around a page that cannot be read, rows are taken in slices of the uuid's first bits, forward until the error and then
backward from the slice's end. What is lost is told; it is sent again by the next run, under the same ids: how far
sources were read is not carried over, for what is lost lies in them.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import datetime
from pathlib import Path

from posthog_llm_cli.errors import LedgerError
from posthog_llm_cli.ledger.care import check_open
from posthog_llm_cli.ledger.files import beside, is_there, make_empty, open_for_writing, sync_folder, translated, uri_of
from posthog_llm_cli.ledger.lock import Lock
from posthog_llm_cli.ledger.reading import no_ledger
from posthog_llm_cli.ledger.schema import APPLICATION_ID, COUNT_SETTLED, OLDER, OUTCOME_MASK, SCHEMA_VERSION
from posthog_llm_cli.model import Settlement
from posthog_llm_cli.values import Value

_SLICES = 4096
_OUTCOMES = frozenset(Settlement)
_ROWS = "SELECT destination, uuid, outcome, run FROM settled WHERE destination = ? AND uuid >= ? AND uuid < ? ORDER BY "
_LOST_RUNS = (
    "INSERT INTO runs (id, run_id, started_at, distinct_id_digest) "
    "SELECT DISTINCT run, 'lost-' || run, '', x'' FROM tallies WHERE run NOT IN (SELECT id FROM runs)"
)
_Row = tuple[int, bytes, int, int]


class Repaired(Value, frozen=True):
    """What a repair has done: `kept` is where the old file is now, None where nothing was wrong with it.

    `expected` is how many settled events the tallies of the old file name, None where those cannot be read.
    """

    events: int
    runs: int
    destinations: int
    expected: int | None
    kept: Path | None


def repair(path: Path, *, now: datetime) -> Repaired:
    """Put a whole ledger in place of a damaged one; the old file stays beside it.

    Raises:
        LedgerError: another run holds it, a newer plh wrote it, it is something else, or nothing of it can be read.
            Nothing is changed then.
        ConfigError: there is none.
    """
    with translated(path):
        if not is_there(path):
            raise no_ledger(path)
    with Lock(path) as lock:
        lock.take(now)
        whole = _if_whole(path)
        if whole is not None:
            return whole
        new = beside(path, ".repaired")
        try:
            with translated(path):
                _remove(new)
                found = _carry_over(path, new)
                kept = _exchange(path, new, now)
        finally:
            _remove(new)
    return Repaired(*found, kept=kept)


def _remove(file: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        beside(file, suffix).unlink(missing_ok=True)


def _if_whole(path: Path) -> Repaired | None:
    try:
        with closing(open_for_writing(path)) as file, translated(path):
            checked = check_open(file)
            if checked.problems:
                return None
            (runs,) = file.execute("SELECT count(*) FROM runs").fetchone()
            (destinations,) = file.execute("SELECT count(*) FROM destinations").fetchone()
            return Repaired(checked.events, runs, destinations, checked.events, kept=None)
    except LedgerError:
        return None  # so it is damaged; whether it is ours at all is asked next


def _carry_over(path: Path, new: Path) -> tuple[int, int, int, int | None]:
    """Copy what can be read; return the numbers of events, runs, destinations, and of events that there should be."""
    with closing(_open_damaged(path)) as old, closing(_open_new(new)) as file:
        file.execute("BEGIN")
        destinations = _copy(old, file, "destinations", 4)
        runs = _copy(old, file, "runs", 7)
        numbers = [number for (number,) in file.execute("SELECT id FROM destinations")]
        if not numbers:
            raise LedgerError(
                f"{path}: expected something to save and found that its destinations cannot be read",
                hint="move the file away and run again: everything is sent once more, with the same ids",
            )
        rows = (row for number in numbers for row in _settled(old, number) if _is_sound(row))
        events = file.executemany("INSERT OR IGNORE INTO settled VALUES (?, ?, ?, ?)", rows).rowcount
        file.execute(f"INSERT INTO tallies {COUNT_SETTLED}")
        file.execute(_LOST_RUNS)
        file.execute("COMMIT")
        return events, runs, destinations, _expected(old)


def _open_new(new: Path) -> sqlite3.Connection:
    make_empty(new)
    with ExitStack() as on_failure:
        file = sqlite3.connect(new, isolation_level=None)
        on_failure.callback(file.close)
        file.execute("PRAGMA synchronous=FULL")
        on_failure.pop_all()
    return file


def _open_damaged(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(f"{uri_of(path)}?mode=rw", uri=True, isolation_level=None)
    try:
        file.execute("PRAGMA writable_schema=ON")  # so SQLite opens a file that ends before its head says
        (application,) = file.execute("PRAGMA application_id").fetchone()
        (version,) = file.execute("PRAGMA user_version").fetchone()
        if application == APPLICATION_ID and (version == SCHEMA_VERSION or version in OLDER):
            file.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return file
        problem = f"application id {application:#x} and schema {version}"
    except sqlite3.DatabaseError as error:
        problem = str(error)
    file.close()
    raise LedgerError(
        f"{path}: expected a ledger of schema {SCHEMA_VERSION} with a readable head and found: {problem}",
        hint="nothing was changed. If it is a ledger that lost its head, move it away and run again: everything is "
        "sent once more, with the same ids",
    )


def _copy(old: sqlite3.Connection, file: sqlite3.Connection, table: str, columns: int) -> int:
    """Copy a small table, from its beginning to the damage and from its end to the damage."""
    statement = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * columns)})"  # noqa: S608 - see the callers
    copied = 0
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.DatabaseError):
            for row in old.execute(f"SELECT * FROM {table} ORDER BY id {order}"):  # noqa: S608
                with suppress(sqlite3.DatabaseError):  # a row that is none
                    copied += file.execute(statement, row).rowcount
    return copied


def _settled(old: sqlite3.Connection, destination: int) -> Iterator[_Row]:
    for slice_ in range(_SLICES):
        low, high = _bound(slice_), _bound(slice_ + 1)
        rows: list[_Row] = []
        try:
            rows.extend(old.execute(f"{_ROWS} uuid ASC", (destination, low, high)))
        except sqlite3.DatabaseError:
            rows += _around(old, destination, low, high)
        yield from rows


def _around(old: sqlite3.Connection, destination: int, low: bytes, high: bytes) -> Iterator[_Row]:
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.DatabaseError):
            yield from old.execute(f"{_ROWS} uuid {order}", (destination, low, high))


def _bound(slice_: int) -> bytes:
    """Return the least uuid of a slice; behind the last one, something greater than every uuid."""
    return (slice_ << 4).to_bytes(2, "big") if slice_ < _SLICES else b"\xff" * 17


def _is_sound(row: tuple[object, ...]) -> bool:
    _, uuid, outcome, run = row
    is_known = isinstance(outcome, int) and outcome & OUTCOME_MASK in _OUTCOMES
    return isinstance(uuid, bytes) and len(uuid) == 16 and is_known and isinstance(run, int)


def _expected(old: sqlite3.Connection) -> int | None:
    try:
        (events,) = old.execute("SELECT coalesce(sum(events), 0) FROM tallies").fetchone()
    except sqlite3.DatabaseError:
        return None
    return int(events)


def _exchange(path: Path, new: Path, now: datetime) -> Path:
    """Put `new` in the place of `path`, at no moment of which there is no ledger: that would be begun anew."""
    kept = beside(path, f".damaged-{now:%Y-%m-%dT%H-%M-%SZ}")
    os.link(path, kept)
    for suffix in ("-wal", "-shm"):  # they belong to the old file; beside the new one they would be taken for its own
        if is_there(beside(path, suffix)):
            beside(path, suffix).rename(beside(kept, suffix))
    descriptor = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.replace(path)
    sync_folder(path.parent)
    return kept
