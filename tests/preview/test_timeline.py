"""Bars: every call in the bar of its time, none missing between the first and the last."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.preview import timeline
from posthog_llm_cli.preview.figures import Unit
from posthog_llm_cli.preview.timeline import TimelineFold, start_of
from tests.preview.making import NOW, event, seen

TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def folded(times: list[datetime]) -> TimelineFold:
    fold = TimelineFold()
    for number, at in enumerate(times):
        fold.add(*seen(event(number, {"$ai_input_tokens": 1, "$ai_total_cost_usd": 0.1}, timestamp=at)))
    return fold


@given(st.lists(TIMES, min_size=1, max_size=30))
def test_every_call_is_in_the_bar_of_its_time(times: list[datetime]) -> None:
    found = folded(times).timeline()
    assert (found.first_at, found.last_at) == (min(times), max(times))
    for one in found.bars:
        assert one.calls == sum(start_of(at, found.unit) == one.starts_at for at in times)
        assert one.tokens == one.calls
    starts = [one.starts_at for one in found.bars]
    assert starts == sorted(set(starts))
    assert sum(one.calls for one in found.bars) == len(times)


@given(TIMES, st.sampled_from(Unit))
def test_a_bar_begins_before_its_calls_and_at_its_own_start(at: datetime, unit: Unit) -> None:
    start = start_of(at, unit)
    assert start <= at
    assert start_of(start, unit) == start
    assert unit is not Unit.WEEK or start.weekday() == 0


@pytest.mark.parametrize(
    ("span", "unit"),
    [(timedelta(hours=3), Unit.HOUR), (timedelta(days=7), Unit.DAY), (timedelta(days=100), Unit.WEEK), (timedelta(days=900), Unit.MONTH)],
)  # fmt: skip
def test_the_bars_are_as_long_as_the_time_asks_for(span: timedelta, unit: Unit) -> None:
    assert folded([NOW - span, NOW]).timeline().unit is unit


def test_too_many_hours_become_days_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "MOST_HOURS", 10)
    times = [NOW - timedelta(hours=5 * number) for number in range(60)]
    found = folded(times).timeline()
    assert found.unit is Unit.DAY
    for one in found.bars:
        assert one.calls == sum(start_of(at, Unit.DAY) == one.starts_at for at in times)


def test_no_call_has_no_bar() -> None:
    assert TimelineFold().timeline().bars == ()


def test_the_end_of_time_is_a_bar_too() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    assert folded([last - timedelta(days=40), last]).timeline().bars[-1].starts_at.year == 9999
