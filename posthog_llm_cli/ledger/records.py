"""What a run asks of the ledger and notes in it: `Ledger` writes, `LedgerView` (dry run) reads, `NoLedger` is none."""

import contextlib
import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from posthog_llm_cli.committed import Commit, Committed
from posthog_llm_cli.ledger.files import damaged, open_for_reading, open_for_writing, translated, version_of
from posthog_llm_cli.ledger.lock import Lock
from posthog_llm_cli.ledger.schema import OUTCOME_BITS, OUTCOME_MASK, SCHEMA_VERSION
from posthog_llm_cli.ledger.sources import SourceRows, Terms
from posthog_llm_cli.model import Destination, Settled, Settlement
from posthog_llm_cli.values import Value

_FINGERPRINT_BYTES = 16
_REPORTS_KEPT = 10_000
"""Of so many runs the report is kept whole; of older ones when they ran, how they ended and what they settled."""

_LOOKUP = "SELECT outcome, run FROM settled WHERE destination = ? AND uuid = ?"
_ADD = "INSERT OR IGNORE INTO settled VALUES (?, ?, ?, ?)"
_AT_ONCE = 32
_ADD_SEVERAL = _ADD + ", (?, ?, ?, ?)" * (_AT_ONCE - 1)
_ADD_TALLY = (
    "INSERT INTO tallies VALUES (?, ?, ?, ?) "
    "ON CONFLICT (run, destination, outcome) DO UPDATE SET events = events + excluded.events"
)


class RunStart(Value, frozen=True):
    """A run as the ledger notes it at its start.

    `distinct_id` is the setting, of which only a digest is kept. `settings` is a digest of all that decides which
    records become events, and which, but for `since`: only under the same ones is a source not read again.
    """

    hidden: ClassVar = frozenset({"distinct_id"})

    run_id: str
    started_at: datetime
    distinct_id: str | None = None
    settings: bytes = b""
    since: datetime | None = None

    @property
    def terms(self) -> Terms:
        """Under which terms sources are looked up and noted down."""
        return Terms(self.settings, "" if self.since is None else stamp(self.since))


def fingerprint(key: str) -> bytes:
    """Return what stands for an API key in the ledger: project keys are long and random, so it leads back to none."""
    return hashlib.sha256(b"plh api key\0" + key.encode()).digest()[:_FINGERPRINT_BYTES]


def distinct_id_digest(setting: str | None) -> bytes:
    """Return what stands for the `--distinct-id` setting; empty where there is none."""
    if setting is None:
        return b""
    return hashlib.sha256(b"plh distinct id\0" + setting.encode()).digest()[:_FINGERPRINT_BYTES]


def stamp(time: datetime) -> str:
    """Return a UTC time as the ledger writes it."""
    return f"{time:%Y-%m-%dT%H:%M:%S.%fZ}"


class NoLedger:
    """Knows of nothing: `--no-ledger`, `--mock`, `validate`."""

    other_distinct_id = 0
    warning: str | None = None
    knows_any = False

    def outcome_of(self, _destination: Destination, _uuid: str) -> Settlement | None:
        """Return None."""
        return None

    def note_on(self, _destination: Destination, _uuid: str) -> int:
        """Return 0."""
        return 0

    def is_settled(self, _destination: Destination, _uuid: str) -> bool:
        """Return False."""
        return False

    def committed(self, _head: bytes) -> Sequence[Committed]:
        """Return nothing."""
        return ()

    def unchanged(self, _file_state: bytes) -> Committed | None:
        """Return None."""
        return None

    def claim(self, _uri: str, _committed: Committed) -> None:
        """Do nothing."""

    def begin(self) -> None:
        """Do nothing."""

    def settle(self, _settled: Sequence[Settled], _commits: Sequence[Commit] = ()) -> None:
        """Do nothing."""

    def end(self, _report: str, *, exit_code: int, ended_at: datetime) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class _Lookup:
    """Answers whether an event is settled, in time that does not grow with the ledger; counts what is remarkable."""

    def __init__(self, file: sqlite3.Connection, path: Path, distinct_id: bytes) -> None:
        self._file = file
        self._path = path
        self._distinct_id = distinct_id
        self._numbers: dict[Destination, int | None] = {}
        self._digests: dict[int, bytes] = {}
        self.other_distinct_id = 0

    def number_of(self, destination: Destination) -> int | None:
        """Return the destination's number as it was when the run first asked; None: the ledger did not know it."""
        if destination not in self._numbers:
            found = self._file.execute(
                "SELECT id FROM destinations WHERE host = ? AND key_fingerprint = ?",
                (destination.host, fingerprint(destination.api_key)),
            ).fetchone()
            self._numbers[destination] = None if found is None else found[0]
        return self._numbers[destination]

    def outcome_of(self, destination: Destination, uuid: str) -> Settlement | None:
        """Return how an earlier run settled the event, None if none did."""
        if self._numbers.get(destination, 0) is None:
            return None
        with translated(self._path):
            number = self.number_of(destination)
            if number is None:
                return None
            found = self._file.execute(_LOOKUP, (number, _bytes_of(uuid))).fetchone()
            if found is None:
                return None
            try:
                outcome = Settlement(found[0] & OUTCOME_MASK)
            except (TypeError, ValueError) as error:
                raise damaged(self._path, "a settled event with an unknown outcome") from error
            if outcome is not Settlement.REJECTED and self._digest_of(found[1]) != self._distinct_id:
                self.other_distinct_id += 1
            return outcome

    def note_on(self, destination: Destination, uuid: str) -> int:
        """Return the note that was kept of what an earlier run sent of a truncated call; 0 where there is none."""
        with translated(self._path):
            number = self.number_of(destination)
            found = None if number is None else self._file.execute(_LOOKUP, (number, _bytes_of(uuid))).fetchone()
            return 0 if found is None else found[0] >> OUTCOME_BITS

    def is_settled(self, destination: Destination, uuid: str) -> bool:
        """Return whether the event is settled, by whichever run; counts nothing."""
        with translated(self._path):
            number = self.number_of(destination)
            return number is not None and self._file.execute(_LOOKUP, (number, _bytes_of(uuid))).fetchone() is not None

    def _digest_of(self, run: int) -> bytes:
        if run not in self._digests:
            found = self._file.execute("SELECT distinct_id_digest FROM runs WHERE id = ?", (run,)).fetchone()
            if found is None:
                raise damaged(self._path, f"run {run} is missing")
            self._digests[run] = found[0]
        return self._digests[run]


class LedgerView:
    """A ledger that is only read, without its lock: beside a run that writes, what that run settles may show or not."""

    warning: str | None = None

    def __init__(self, file: sqlite3.Connection, path: Path, run: RunStart) -> None:
        self._file = file
        self._path = path
        self._lookup = _Lookup(file, path, distinct_id_digest(run.distinct_id))
        self._sources = SourceRows(file, run.terms)
        self._knows_states = version_of(file) == SCHEMA_VERSION
        self.outcome_of = self._lookup.outcome_of
        self.note_on = self._lookup.note_on
        self.is_settled = self._lookup.is_settled
        self.claim = self._sources.claim

    @property
    def other_distinct_id(self) -> int:
        """How many settled events were sent by runs with another `--distinct-id`."""
        return self._lookup.other_distinct_id

    @property
    def knows_any(self) -> bool:
        """Whether anything is committed that a source may go on from."""
        with translated(self._path):
            return self._sources.knows_any

    def committed(self, head: bytes) -> Sequence[Committed]:
        """Return what may be the beginning of a source that begins with `head`."""
        with translated(self._path):
            return self._sources.find(head)

    def unchanged(self, file_state: bytes) -> Committed | None:
        """Return what is committed of a file in this state."""
        with translated(self._path):
            return self._sources.unchanged(file_state) if self._knows_states else None

    def begin(self) -> None:
        """Do nothing."""

    def settle(self, _settled: Sequence[Settled], _commits: Sequence[Commit] = ()) -> None:
        """Do nothing."""

    def end(self, _report: str, *, exit_code: int, ended_at: datetime) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def view(path: Path, run: RunStart) -> LedgerView | NoLedger:
    """Return the ledger to read in; none where there is no file yet. Raises: LedgerError."""
    file = open_for_reading(path)
    return NoLedger() if file is None else LedgerView(file, path, run)


class Ledger:
    """The durable record of what is settled, open for one run; only its thread touches it.

    After `begin`, every `settle` is one transaction, on disk when it returns. A context manager, or `close` it.

    Raises:
        LedgerError: another run holds it, it is damaged or newer, or it cannot be written; from every method.
    """

    def __init__(
        self,
        path: Path,
        run: RunStart,
        *,
        lock_wait_s: float = 0.0,
        on_wait: Callable[[str], None] = lambda _holder: None,
    ) -> None:
        self.path = path
        self._lock = Lock(path)
        self._digest = distinct_id_digest(run.distinct_id)
        with contextlib.ExitStack() as on_failure:
            self._lock.take(run.started_at, wait_s=lock_wait_s, on_wait=on_wait)
            on_failure.callback(self._lock.release)
            self._file = open_for_writing(path)
            on_failure.callback(self._file.close)
            self._lookup = _Lookup(self._file, path, self._digest)
            self._sources = SourceRows(self._file, run.terms)
            self.outcome_of = self._lookup.outcome_of
            self.note_on = self._lookup.note_on
            self.claim = self._sources.claim
            self._numbers: dict[Destination, int] = {}
            with translated(path):
                self.warning = self._look_back()
            self._start = run
            self._run = 0
            on_failure.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def other_distinct_id(self) -> int:
        """How many settled events were sent by runs with another `--distinct-id`."""
        return self._lookup.other_distinct_id

    def begin(self) -> None:
        """Note down that the run begins: before it sends, and once nothing stands in its way any more."""
        with translated(self.path), self._transaction():
            self._run = _inserted(
                self._file,
                "INSERT INTO runs (run_id, started_at, distinct_id_digest) VALUES (?, ?, ?)",
                (self._start.run_id, stamp(self._start.started_at), self._digest),
            )

    def is_settled(self, destination: Destination, uuid: str) -> bool:
        """Return whether the event is settled, by an earlier run or by this one."""
        number = self._numbers.get(destination)
        if number is None:
            return self._lookup.is_settled(destination, uuid)
        with translated(self.path):
            return self._file.execute(_LOOKUP, (number, _bytes_of(uuid))).fetchone() is not None

    @property
    def knows_any(self) -> bool:
        """Whether anything is committed that a source may go on from."""
        with translated(self.path):
            return self._sources.knows_any

    def committed(self, head: bytes) -> Sequence[Committed]:
        """Return what may be the beginning of a source that begins with `head`; nothing that this run has claimed."""
        with translated(self.path):
            return self._sources.find(head)

    def unchanged(self, file_state: bytes) -> Committed | None:
        """Return what is committed of a file in this state; nothing that this run has claimed."""
        with translated(self.path):
            return self._sources.unchanged(file_state)

    def settle(self, settled: Sequence[Settled], commits: Sequence[Commit] = ()) -> None:
        """Note down what was settled, and how far sources are with it, in one transaction."""
        parts: dict[Destination, list[Settled]] = {}
        for part in settled:
            if part.outcomes:
                parts.setdefault(part.destination, []).append(part)
        if not parts and not commits:
            return
        with translated(self.path), self._transaction():
            numbers = {destination: self._add(destination, its_own) for destination, its_own in parts.items()}
            added = self._sources.write(commits, self._run)
        self._sources.add(added)
        self._numbers |= numbers  # known for good only once they are on disk

    def end(self, report: str, *, exit_code: int, ended_at: datetime) -> None:
        """Note down how the run ended, with its report as JSON."""
        with translated(self.path), self._transaction():
            self._file.execute(
                "UPDATE runs SET ended_at = ?, exit_code = ?, report = ? WHERE id = ?",
                (stamp(ended_at), exit_code, report, self._run),
            )
            self._file.execute("UPDATE runs SET report = NULL WHERE id = ?", (self._run - _REPORTS_KEPT,))
            self._sources.prune()

    def close(self) -> None:
        """Close the file and let the next run have it. Nothing is lost where this is never called."""
        with contextlib.suppress(sqlite3.Error):  # what is settled is on disk; only the tidying failed
            self._file.close()
        self._lock.release()

    def _look_back(self) -> str | None:
        """Look at the run before: one that was killed may have met a failing disk, one under another setting is told.

        Calls that it delivered without an answer go again now; under another distinct id they would be second events.
        """
        last = self._file.execute(
            "SELECT run_id, started_at, ended_at, distinct_id_digest, "
            "coalesce(json_extract(report, '$.unconfirmed'), 0) FROM runs ORDER BY id DESC LIMIT 1"
        ).fetchone()
        if last is None:
            return None
        run_id, started_at, ended_at, digest, unconfirmed = last
        if ended_at is None:
            verdict = self._file.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise damaged(self.path, verdict)
        if digest == self._digest or (ended_at is not None and not unconfirmed):
            return None
        how = "was killed" if ended_at is None else f"ended with {unconfirmed:,} calls unconfirmed"
        return (
            f"the last run ({run_id[:8]}, {started_at[:19]}Z) {how}, and had another --distinct-id: what arrived of it "
            "all the same and names no user comes again under the id of now; to complete it, give the id of then"
        )

    def _number(self, destination: Destination) -> int:
        if destination in self._numbers:
            return self._numbers[destination]
        number = self._lookup.number_of(destination)
        if number is not None:
            return number
        return _inserted(
            self._file,
            "INSERT INTO destinations (host, key_fingerprint, masked_key) VALUES (?, ?, ?)",
            (destination.host, fingerprint(destination.api_key), destination.masked_key),
        )

    def _add(self, destination: Destination, parts: Sequence[Settled]) -> int:
        """Add what was settled for a destination; return its number."""
        number = self._number(destination)
        rows = [
            (number, _bytes_of(uuid), outcome.value | part.notes.get(uuid, 0) << OUTCOME_BITS, self._run)
            for part in parts
            for uuid, outcome in part.outcomes
        ]
        if _add_settled(self._file, rows) < len(rows):  # rejected or truncated before, whose outcome is another now
            self._settle_again(rows)
        tallies = Counter(outcome for part in parts for _, outcome in part.outcomes)
        self._file.executemany(
            _ADD_TALLY, [(self._run, number, outcome.value, events) for outcome, events in tallies.items()]
        )
        return number

    def _settle_again(self, rows: Sequence[tuple[int, bytes, int, int]]) -> None:
        for number, uuid, outcome, run in rows:
            old_outcome, old_run = self._file.execute(_LOOKUP, (number, uuid)).fetchone()
            if old_run == run:
                continue
            self._file.execute(
                "UPDATE settled SET outcome = ?, run = ? WHERE destination = ? AND uuid = ?",
                (outcome, run, number, uuid),
            )
            self._file.execute(_ADD_TALLY, (old_run, number, old_outcome & OUTCOME_MASK, -1))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._file.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                self._file.execute("ROLLBACK")
            raise


def _bytes_of(uuid: str) -> bytes:
    return bytes.fromhex(uuid.replace("-", ""))


def _add_settled(file: sqlite3.Connection, rows: Sequence[tuple[int, bytes, int, int]]) -> int:
    """Insert those rows that are not there yet, and return how many.

    Several by one statement: with each, the main thread lets go of the interpreter lock and waits for it again.
    """
    whole = len(rows) - len(rows) % _AT_ONCE
    several = (chain.from_iterable(rows[at : at + _AT_ONCE]) for at in range(0, whole, _AT_ONCE))
    added = sum(file.execute(_ADD_SEVERAL, tuple(values)).rowcount for values in several)
    return added + file.executemany(_ADD, rows[whole:]).rowcount


def _inserted(file: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> int:
    """Insert one row and return its number."""
    return int(file.execute(statement, values).lastrowid or 0)
