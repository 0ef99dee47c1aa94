"""Ledgers, events and the like for these tests."""

import uuid
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from posthog_llm_cli.ledger import Ledger, RunStart
from posthog_llm_cli.model import Destination, Settled, Settlement

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
US = Destination("https://us.example", "phc_" + "a" * 40)
EU = Destination("https://eu.example", "phc_" + "b" * 40)
LOOK = RunStart("look", NOW)


def ids(count: int, *, of: str = "call") -> list[str]:
    return [str(uuid.uuid5(uuid.NAMESPACE_URL, f"{of} {number}")) for number in range(count)]


def accepted(found: list[str]) -> list[tuple[str, Settlement]]:
    return [(one, Settlement.ACCEPTED) for one in found]


def opened(path: Path, run_id: str = "run-1", *, distinct_id: str | None = None, wait_s: float = 0.0) -> Ledger:
    ledger = Ledger(path, RunStart(run_id, NOW, distinct_id), lock_wait_s=wait_s)
    with ExitStack() as on_failure:
        on_failure.callback(ledger.close)
        ledger.begin()
        on_failure.pop_all()
    return ledger


def ended(ledger: Ledger, *, exit_code: int = 0, report: str = '{"records": 1, "unconfirmed": 0}') -> None:
    ledger.end(report, exit_code=exit_code, ended_at=NOW)
    ledger.close()


def filled(path: Path, events: int, run_id: str = "run-1") -> list[str]:
    """Make a ledger with so many settled events, in deliveries of 500, of a run that ended."""
    settled = ids(events)
    ledger = opened(path, run_id)
    for start in range(0, events, 500):
        ledger.settle([Settled(US, accepted(settled[start : start + 500]))])
    ended(ledger)
    return settled
