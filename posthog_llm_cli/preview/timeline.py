"""Calls over time: sums by hour, then by day where the hours become too many, and bars of a length that can be seen."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from posthog_llm_cli.model import Event, Glance
from posthog_llm_cli.preview.figures import Bar, Timeline, Unit
from posthog_llm_cli.preview.money import Money

MOST_HOURS = 4_000
"""Beyond so many hours with calls only days are kept: some five months of all hours."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_STEPS = {
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
    Unit.MONTH: timedelta(days=32),  # from a first into the next month
}
_MOST_BARS = ((Unit.HOUR, timedelta(hours=48)), (Unit.DAY, timedelta(days=62)), (Unit.WEEK, timedelta(weeks=60)))


class _Sums:
    __slots__ = ("calls", "cost", "errors", "tokens")

    def __init__(self) -> None:
        self.calls = 0
        self.errors = 0
        self.tokens = 0
        self.cost = Money()

    def add(self, other: "_Sums") -> None:
        self.calls += other.calls
        self.errors += other.errors
        self.tokens += other.tokens
        self.cost.add_money(other.cost)


class TimelineFold:
    """Sums the calls up; memory grows with the days between the first and the last call, by some 200 bytes each."""

    def __init__(self) -> None:
        self._sums: dict[int, _Sums] = {}
        self._unit = _HOUR
        self._first_at: datetime | None = None
        self._last_at: datetime | None = None

    def add(self, event: Event, glance: Glance) -> None:
        """Take one call."""
        at = event.timestamp
        if self._first_at is None or at < self._first_at:
            self._first_at = at
        if self._last_at is None or at > self._last_at:
            self._last_at = at
        place = (at - _EPOCH) // self._unit
        sums = self._sums.get(place)
        if sums is None:
            if self._unit is _HOUR and len(self._sums) == MOST_HOURS:
                self._coarsen()
                place = (at - _EPOCH) // self._unit
            sums = self._sums.setdefault(place, _Sums())
        sums.calls += 1
        sums.errors += glance.is_error
        sums.tokens += glance.tokens or 0
        if glance.cost_usd is not None:
            sums.cost.add(glance.cost_usd)

    def timeline(self) -> Timeline:
        """Return the bars, hours for up to two days, then days for two months, weeks for a year, and months."""
        if self._first_at is None or self._last_at is None:
            return Timeline(None, None, Unit.DAY, ())
        span = self._last_at - self._first_at
        unit = next((unit for unit, most in _MOST_BARS if span <= most), Unit.MONTH)
        bars: dict[datetime, _Sums] = {at: _Sums() for at in _starts(self._first_at, self._last_at, unit)}
        for place, sums in self._sums.items():
            bars[start_of(_EPOCH + place * self._unit, unit)].add(sums)
        return Timeline(
            self._first_at,
            self._last_at,
            unit,
            tuple(Bar(at, sums.calls, sums.errors, sums.tokens, sums.cost.usd) for at, sums in bars.items()),
        )

    def _coarsen(self) -> None:
        hours, self._sums, self._unit = self._sums, {}, _DAY
        for hour, sums in hours.items():
            self._sums.setdefault(hour * _HOUR // _DAY, _Sums()).add(sums)


def start_of(at: datetime, unit: Unit) -> datetime:
    """Return when the unit of time began that `at` lies in, in UTC."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case Unit.HOUR:
            return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        case Unit.DAY:
            return day
        case Unit.WEEK:
            return day - timedelta(days=day.weekday())
        case Unit.MONTH:
            return day.replace(day=1)


def _starts(first_at: datetime, last_at: datetime, unit: Unit) -> Iterator[datetime]:
    """Yield the starts of all units from the first call's to the last one's."""
    at: datetime | None = start_of(first_at, unit)
    while at is not None and at <= last_at:
        yield at
        at = _next_start(at, unit)


def _next_start(at: datetime, unit: Unit) -> datetime | None:
    try:
        return start_of(at + _STEPS[unit], unit)
    except OverflowError:  # the last month, day or hour of year 9999
        return None
