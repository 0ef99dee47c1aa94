from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.timeparse import from_us, parse_time, plausible, rfc3339, to_us

MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds


@pytest.mark.parametrize(
    ("value", "time"),
    [
        (1748772000, "2025-06-01T10:00:00.000000Z"),
        (1748772000123, "2025-06-01T10:00:00.123000Z"),
        (1748772000123456, "2025-06-01T10:00:00.123456Z"),
        (1748772000123456789, "2025-06-01T10:00:00.123456Z"),
        (1748772000.1234567, "2025-06-01T10:00:00.123457Z"),
        ("1748772000", "2025-06-01T10:00:00.000000Z"),
        ("1748772000.5", "2025-06-01T10:00:00.500000Z"),
        ("2025-06-01T10:00:00Z", "2025-06-01T10:00:00.000000Z"),
        ("2025-06-01 12:00:00.25+02:00", "2025-06-01T10:00:00.250000Z"),
        ("2025-06-01T10:00:00.123456789Z", "2025-06-01T10:00:00.123456Z"),
        ("2025-06-01T12:00:00+0200", "2025-06-01T10:00:00.000000Z"),
        ("2025-06-01T12:00:00+02", "2025-06-01T10:00:00.000000Z"),
        ("2025-06-01T10:00", "2025-06-01T10:00:00.000000Z"),
        ("2025-06-01", "2025-06-01T00:00:00.000000Z"),
        ("2025-06-30T23:59:60Z", "2025-06-30T23:59:59.999999Z"),
        ("20250601T100000Z", "2025-06-01T10:00:00.000000Z"),
        ("20250601_100000", "2025-06-01T10:00:00.000000Z"),
        ("20250601-100000", "2025-06-01T10:00:00.000000Z"),
        ("2025-06-01_10-00-00", "2025-06-01T10:00:00.000000Z"),
        ("2025-06-01-10-00-00", "2025-06-01T10:00:00.000000Z"),
        ("2025/06/01 10:00:00.25", "2025-06-01T10:00:00.250000Z"),
        ("2025/06/01 12:00:00 +0200", "2025-06-01T10:00:00.000000Z"),
        ("2025-06-01T12:00:00.25+02:00[Europe/Berlin]", "2025-06-01T10:00:00.250000Z"),
        ("2025-06-01T10:00:00Z[UTC]", "2025-06-01T10:00:00.000000Z"),
        ("Sun, 01 Jun 2025 10:00:00 GMT", "2025-06-01T10:00:00.000000Z"),
        ("Sun Jun  1 10:00:00 2025", "2025-06-01T10:00:00.000000Z"),
        ("Sun Jun 01 2025 12:00:00 GMT+0200 (Central European Summer Time)", "2025-06-01T10:00:00.000000Z"),
    ],
)
def test_times_are_read_in_every_form(value: Any, time: str) -> None:
    parsed = parse_time(value, UTC)
    assert parsed is not None
    assert rfc3339(parsed.time) == time


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        [],
        {},
        "",
        "soon",
        "2025-13-01",
        "2025-02-30",
        "25:00",
        "06/01/2025, 10:00:00 AM",
        "2025/06-01 10:00:00",
        "20250601_1000",
        "Sun Abc  1 10:00:00 2025",
        "2025-06-01 10:00:00[Europe/Berlin]",
        float("nan"),
        float("inf"),
        10**40,
        "9" * 60,
    ],
)
def test_what_is_no_time_is_none(value: Any) -> None:
    assert parse_time(value, UTC) is None


@pytest.mark.parametrize("value", ["20250601_100000", "Sun Jun  1 10:00:00 2025", "2025/06/01 10:00:00"])
def test_a_time_of_another_form_is_naive_too(value: str) -> None:
    parsed = parse_time(value, ZoneInfo("Europe/Berlin"))
    assert parsed is not None
    assert (rfc3339(parsed.time), parsed.naive) == ("2025-06-01T08:00:00.000000Z", True)


def test_a_naive_time_is_in_the_zone_that_is_given() -> None:
    parsed = parse_time("2025-06-01T10:00:00", ZoneInfo("Europe/Berlin"))
    assert parsed is not None
    assert parsed.naive
    assert rfc3339(parsed.time) == "2025-06-01T08:00:00.000000Z"


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_iso_texts_come_back_exactly(moment: datetime, offset_minutes: int) -> None:
    zoned = moment.astimezone(timezone(timedelta(minutes=offset_minutes)))
    for text in (zoned.isoformat(), zoned.isoformat(" ")):
        parsed = parse_time(text, UTC)
        assert parsed is not None
        assert parsed.time == moment


@given(MOMENTS)
def test_numbers_of_every_unit_come_back(moment: datetime) -> None:
    us = to_us(moment)
    assert from_us(us) == moment
    for value in (us, us * 1000, us / 1_000_000):
        parsed = parse_time(value, UTC)
        assert parsed is not None
        assert parsed.us == us


@given(st.one_of(st.integers(), st.floats(allow_nan=True), st.text(max_size=40)))
def test_anything_else_is_a_time_or_none(value: Any) -> None:
    parsed = parse_time(value, UTC)
    assert parsed is None or rfc3339(parsed.time).endswith("Z")


def test_plausible_is_from_2015_to_23_hours_after_the_run_began() -> None:
    started = datetime(2025, 6, 1, tzinfo=UTC)
    test = plausible(started)
    assert test(to_us(datetime(2015, 1, 1, tzinfo=UTC)))
    assert test(to_us(started + timedelta(hours=23)))
    assert not test(to_us(datetime(2014, 12, 31, tzinfo=UTC)))
    assert not test(to_us(started + timedelta(hours=23, microseconds=1)))
