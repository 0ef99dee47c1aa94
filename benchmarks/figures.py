"""Runs → figures: medians, spreads, ratios. Pure."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

MB = 1_000_000
MIB = 1024 * 1024
PER = 100_000
"""Processor time is given for so many calls."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one contestant. `problem` says why its figures must not be used, None where they may.

    `calls` and `log_bytes` are what its log holds, `distinct` the events that arrived, each once. `seconds` and `cpu_s`
    are of the work alone for the peers that tell it (without the start of Python and imports), else of all.
    """

    contestant: str
    calls: int
    log_bytes: int
    seconds: float
    cpu_s: float
    pss_bytes: int
    rss_bytes: int
    requests: int
    wire_bytes: int
    distinct: int
    sink_cpu_s: float
    ledger_bytes: int = 0
    problem: str | None = None

    @property
    def events_per_s(self) -> float:
        """Events that arrived, a second; what was dropped on the way earns nothing."""
        return self.distinct / self.seconds

    @property
    def mb_per_s(self) -> float:
        """Log as it lies on disk, in MB a second."""
        return self.log_bytes / MB / self.seconds

    @property
    def cpu_s_per_100k(self) -> float:
        """Processor seconds of all processes for 100,000 events that arrived."""
        return self.cpu_s / max(1, self.distinct) * PER


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, the lowest and the highest."""

    median: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        if self.low == self.high:
            return format(self.median, spec)
        return f"{self.median:{spec}} ({self.low:{spec}}–{self.high:{spec}})"


@dataclass(frozen=True, slots=True)
class Floor:
    """What one event cannot cost less than, in processor µs: parse the line, write the event, compress it."""

    loads_us: float
    dumps_us: float
    isal_us: float
    zlib_us: float

    @property
    def with_isal_us(self) -> float:
        """With gzip by ISA-L, level 2."""
        return self.loads_us + self.dumps_us + self.isal_us

    @property
    def with_zlib_us(self) -> float:
        """With gzip by zlib, level 1."""
        return self.loads_us + self.dumps_us + self.zlib_us


def spread(values: Iterable[float]) -> Spread:
    """Return median, lowest and highest. Raises: StatisticsError where there are no values."""
    found = list(values)
    return Spread(statistics.median(found), min(found, default=0.0), max(found, default=0.0))


def median_floor(floors: Sequence[Floor]) -> Floor:
    """Return the medians of each step."""
    return Floor(*(statistics.median(getattr(floor, name) for floor in floors) for name in Floor.__slots__))


def of(runs: Sequence[Run], contestant: str) -> list[Run]:
    """Return the sound runs of one contestant, in order."""
    return [run for run in runs if run.contestant == contestant and run.problem is None]


def over(runs: Sequence[Run], value: Callable[[Run], float], contestant: str) -> Spread | None:
    """Return the spread of a value over a contestant's sound runs, None where there is none."""
    found = [value(run) for run in of(runs, contestant)]
    return spread(found) if found else None


def ratio(runs: Sequence[Run], value: Callable[[Run], float], one: str, other: str) -> Spread | None:
    """Return the ratio of two contestants' medians, with the lowest and highest ratio of two runs in one round.

    None where one of them has no sound run.
    """
    ones, others = ([value(run) for run in of(runs, name)] for name in (one, other))
    if not ones or not others:
        return None
    pairs = [first / second for first, second in zip(ones, others, strict=False)]
    return Spread(statistics.median(ones) / statistics.median(others), min(pairs), max(pairs))


def cpu_us_per_call(run: Run) -> float:
    """Return the processor µs of one call, with the start of the program."""
    return run.cpu_s / run.calls * 1e6


def marginal_cpu_us(run: Run, start: Run) -> float:
    """Return the processor µs of one call without the start, which is that of a run over a single call."""
    return (run.cpu_s - start.cpu_s) / (run.calls - start.calls) * 1e6
