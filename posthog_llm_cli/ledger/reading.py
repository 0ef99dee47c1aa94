"""What `plh ledger status`, `runs` and `show` tell: rows as values, read without the lock."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.ledger.files import name_of, open_for_reading, translated
from posthog_llm_cli.model import Settlement
from posthog_llm_cli.values import Value


class KnownDestination(Value, frozen=True):
    """A destination by its number in the ledger, with how many of its events are settled, and how."""

    number: int
    host: str
    masked_key: str
    key_fingerprint: str
    accepted: int
    accepted_by_edge: int
    rejected: int


class KnownRun(Value, frozen=True):
    """A run; `ended_at` and `exit_code` are None where it is under way or was killed, `report` where none is kept."""

    run_id: str
    started_at: str
    ended_at: str | None
    exit_code: int | None
    accepted: int
    accepted_by_edge: int
    rejected: int
    report: dict[str, Any] | None


class KnownSource(Value, frozen=True):
    """A source by its row in the ledger, and the part of it that is not read again: `offset` bytes, decompressed.

    `name` is where it lay when it was read last. `is_whole` is set where this is all of it.
    """

    number: int
    name: str
    offset: int
    records: int
    is_whole: bool
    run_id: str


class Status(Value, frozen=True):
    """What the ledger holds, and how many bytes it takes on disk."""

    path: str
    size: int
    destinations: tuple[KnownDestination, ...]
    sources: int
    runs: int
    last_run: KnownRun | None


_TALLIES = ", ".join(
    f"coalesce(sum(events) FILTER (WHERE outcome IN ({', '.join(str(outcome.value) for outcome in outcomes)})), 0)"
    for outcomes in (
        (Settlement.ACCEPTED, Settlement.TRUNCATED),
        (Settlement.EDGE, Settlement.EDGE_TRUNCATED),
        (Settlement.REJECTED,),
    )
)
_RUNS = (
    "SELECT run_id, started_at, ended_at, exit_code, report, "  # noqa: S608 - made of constants
    f"(SELECT json_array({_TALLIES}) FROM tallies WHERE run = runs.id) FROM runs"
)


def status(path: Path) -> Status:
    """Return what the ledger holds. Raises: LedgerError; ConfigError where there is none."""
    with translated(path), closing(_open(path)) as file:
        rows = file.execute(
            f"SELECT id, host, masked_key, hex(key_fingerprint), {_TALLIES} FROM destinations "  # noqa: S608
            "LEFT JOIN tallies ON tallies.destination = destinations.id GROUP BY id ORDER BY id"
        )
        destinations = tuple(
            KnownDestination(number, host, masked, key.lower(), *counts) for number, host, masked, key, *counts in rows
        )
        (runs,) = file.execute("SELECT count(*) FROM runs").fetchone()
        (sources,) = file.execute("SELECT count(*) FROM sources").fetchone()
        last = _runs(file, f"{_RUNS} ORDER BY id DESC LIMIT 1")
        return Status(name_of(path), path.stat().st_size, destinations, sources, runs, last[0] if last else None)


def sources(path: Path, *, most: int, name: str | None = None) -> list[KnownSource]:
    """Return the sources that were read last, of a path or all. Raises: LedgerError; ConfigError without a ledger."""
    with translated(path), closing(_open(path)) as file:
        rows = file.execute(
            "SELECT sources.id, name, offset, records, is_whole, run_id FROM sources JOIN runs ON runs.id = run "
            "WHERE coalesce(name = ?, 1) ORDER BY run DESC, sources.id DESC LIMIT ?",
            (name, most),
        )
        return [
            KnownSource(number, at, offset, records, bool(is_whole), run_id)
            for number, at, offset, records, is_whole, run_id in rows
        ]


def runs(path: Path, *, most: int) -> list[KnownRun]:
    """Return the last runs, the newest first. Raises: LedgerError; ConfigError where there is no ledger."""
    with translated(path), closing(_open(path)) as file:
        return _runs(file, f"{_RUNS} ORDER BY id DESC LIMIT ?", most)


def show(path: Path, run: str) -> list[KnownRun]:
    """Return at most two runs whose id begins with `run`. Raises: LedgerError; ConfigError where there is no ledger."""
    with translated(path), closing(_open(path)) as file:
        return _runs(file, f"{_RUNS} WHERE substr(run_id, 1, ?) = ? ORDER BY id DESC LIMIT 2", len(run), run)


def _open(path: Path) -> sqlite3.Connection:
    file = open_for_reading(path)
    if file is None:
        raise no_ledger(path)
    return file


def no_ledger(path: Path) -> ConfigError:
    """Return the error for a ledger that was asked for and is not there."""
    return ConfigError(
        f"{path}: expected a ledger and found none", hint="plh send makes it; name another with --ledger or PLH_LEDGER"
    )


def _runs(file: sqlite3.Connection, query: str, *values: object) -> list[KnownRun]:
    found = []
    for run_id, started_at, ended_at, exit_code, report, tallies in file.execute(query, values):
        accepted, edge, rejected = orjson.loads(tallies)
        found.append(KnownRun(run_id, started_at, ended_at, exit_code, accepted, edge, rejected, _kept(report)))
    return found


def _kept(report: object) -> dict[str, Any] | None:
    """Return a report as it was kept; None also where damage has left none of it, which hides no run."""
    try:
        kept = orjson.loads(report) if isinstance(report, str) else None
    except orjson.JSONDecodeError:
        return None
    return kept if isinstance(kept, dict) else None
