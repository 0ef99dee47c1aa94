"""What `plh ledger check` and `forget` do: look through the whole ledger, and re-open a destination on purpose."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.ledger.files import is_there, open_for_reading, open_for_writing, translated
from posthog_llm_cli.ledger.lock import Lock
from posthog_llm_cli.ledger.reading import no_ledger
from posthog_llm_cli.ledger.schema import COUNT_SETTLED, OUTCOME_MASK
from posthog_llm_cli.model import Settlement
from posthog_llm_cli.values import Value

_MOST_PROBLEMS = 20
_OUTCOMES = ", ".join(str(outcome.value) for outcome in Settlement)


class Checked(Value, frozen=True):
    """What a check has found: how much there is, and what is wrong with it (nothing: the ledger is whole)."""

    events: int
    problems: tuple[str, ...]


def check(path: Path) -> Checked:
    """Look through every page and count everything. Reads only, beside a run that writes.

    Raises: LedgerError where what is there is no ledger of this version; ConfigError where there is nothing.
    """
    file = None
    try:
        with translated(path):
            file = open_for_reading(path)
            if file is None:
                raise no_ledger(path)
            return check_open(file)
    finally:
        if file is not None:
            file.close()


def check_open(file: sqlite3.Connection) -> Checked:
    """Look through an open ledger, in one snapshot of it."""
    file.execute("BEGIN")
    try:
        problems = list(_integrity(file))
        events = 0
        try:
            (events,) = file.execute("SELECT count(*) FROM settled").fetchone()
            problems += _references(file)
        except sqlite3.DatabaseError as error:
            problems.append(f"the settled events cannot be read to their end: {error}")
        return Checked(events, tuple(problems))
    finally:
        file.execute("ROLLBACK")


def forget_destination(path: Path, number: int, *, now: datetime) -> int:
    """Re-open a destination: forget what is settled for it; return how many events that were.

    Raises: LedgerError where another run holds it; ConfigError where there is no ledger, or not this destination.
    """
    with _changing(path, now) as file:
        if file.execute("SELECT 1 FROM destinations WHERE id = ?", (number,)).fetchone() is None:
            raise ConfigError(f"{path}: expected the number of a destination and found {number}")
        forgotten = file.execute("DELETE FROM settled WHERE destination = ?", (number,)).rowcount
        file.execute("DELETE FROM tallies WHERE destination = ?", (number,))
        file.execute("DELETE FROM destinations WHERE id = ?", (number,))
        file.execute("DELETE FROM sources")  # any of them may hold a record that went there
    return forgotten


def forget_sources(path: Path, rows: Sequence[int], *, now: datetime) -> int:
    """Re-open sources: forget how far they were read, by their rows; return how many there were.

    Raises: LedgerError where another run holds it; ConfigError where there is no ledger.
    """
    with _changing(path, now) as file:
        return file.executemany("DELETE FROM sources WHERE id = ?", [(row,) for row in rows]).rowcount


@contextmanager
def _changing(path: Path, now: datetime) -> Iterator[sqlite3.Connection]:
    """Open a ledger that is there, alone, for one transaction; what raises within it changes nothing."""
    with translated(path):
        if not is_there(path):
            raise no_ledger(path)
    with Lock(path) as lock:
        lock.take(now)
        with translated(path), closing(open_for_writing(path)) as file:
            file.execute("BEGIN IMMEDIATE")
            yield file  # closed without its commit, a transaction is undone
            file.execute("COMMIT")


def _integrity(file: sqlite3.Connection) -> Iterator[str]:
    try:
        for (line,) in file.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})"):
            if line != "ok":
                yield from line.splitlines()
    except sqlite3.DatabaseError as error:
        yield str(error)


def _references(file: sqlite3.Connection) -> Iterator[str]:
    """Yield what SQLite cannot know: that numbers lead somewhere, and that the tallies are the sums they say."""
    for what, query in (
        ("settled events of a destination that is missing", "destination NOT IN (SELECT id FROM destinations)"),
        ("settled events of a run that is missing", "run NOT IN (SELECT id FROM runs)"),
        ("settled events whose id is no uuid", "typeof(uuid) <> 'blob' OR length(uuid) <> 16"),
        ("settled events with an unknown outcome", f"outcome & {OUTCOME_MASK} NOT IN ({_OUTCOMES})"),
    ):
        (number,) = file.execute(f"SELECT count(*) FROM settled WHERE {query}").fetchone()  # noqa: S608 - see above
        if number:
            yield f"{number:,} {what}"
    (number,) = file.execute("SELECT count(*) FROM sources WHERE run NOT IN (SELECT id FROM runs)").fetchone()
    if number:
        yield f"{number:,} sources of a run that is missing"
    counted = set(file.execute(COUNT_SETTLED))
    told = set(file.execute("SELECT run, destination, outcome, events FROM tallies WHERE events <> 0"))
    if counted != told:
        yield f"the tallies of {len(counted ^ told):,} runs and outcomes are not what is settled"
