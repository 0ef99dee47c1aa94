"""What a terabyte of logs costs, from the runs that were measured by plain proportion. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks import contestants as who
from benchmarks.figures import Run, of, spread
from benchmarks.results import table

TERABYTE = 1e12
ROWS = (
    ("LiteLLM payloads", who.PLH_MAIN),
    ("LiteLLM payloads with the price map's entry", who.PLH_PRICED),
    ("OpenAI requests with their answers", who.PLH_OPENAI),
)


@dataclass(frozen=True, slots=True)
class Backfill:
    """What a backfill takes: calls, hours of wall clock, hours of one core, bytes on the wire and in the ledger."""

    calls: float
    hours: float
    core_hours: float
    wire_bytes: float
    requests: float
    ledger_bytes: float

    @property
    def uplink_mbit_per_s(self) -> float:
        """What the network must carry, so that it is not what is waited for."""
        return self.wire_bytes * 8 / 1e6 / (self.hours * 3600)


def of_size(runs: Sequence[Run], log_bytes: float) -> Backfill:
    """Scale the medians of some runs over one log to a log of another size."""

    def scaled(values: Iterable[float]) -> float:
        return spread(values).median * log_bytes / runs[0].log_bytes

    return Backfill(
        calls=scaled(run.calls for run in runs),
        hours=scaled(run.seconds for run in runs) / 3600,
        core_hours=scaled(run.cpu_s for run in runs) / 3600,
        wire_bytes=scaled(run.wire_bytes for run in runs),
        requests=scaled(run.requests for run in runs),
        ledger_bytes=scaled(run.ledger_bytes for run in runs),
    )


def terabyte_table(runs: Sequence[Run]) -> str:
    """Return a row for each kind of log that was measured."""
    rows = [_row(title, of_size(found, TERABYTE)) for title, name in ROWS if (found := of(runs, name))]
    head = ("1 TB of", "calls", "hours", "core hours", "TB on the wire", "Mbit/s of uplink", "requests", "ledger")
    return table(head, rows)


def _row(title: str, cost: Backfill) -> Sequence[str]:
    return (
        title,
        f"{cost.calls / 1e6:,.0f} million",
        f"{cost.hours:,.1f}",
        f"{cost.core_hours:,.1f}",
        f"{cost.wire_bytes / TERABYTE:.2f}",
        f"{cost.uplink_mbit_per_s:,.0f}",
        f"{cost.requests / 1000:,.0f} thousand",
        f"{cost.ledger_bytes / 1e9:,.1f} GB",
    )
