from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.transport.pacing import Pacer, parse_retry_after, retry_wait_s
from tests.transport.making import NOW


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        (" 3 ", 3.0),
        ("2.5", 2.5),
        ("0", 0.0),
        ("999999999999", 999999999999.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW + timedelta(seconds=90)).replace("+0000", "-0000"), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), None),
        ("-5", None),
        ("1e9", None),
        ("soon", None),
        ("٣", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        (None, None),
        ("Fri, 99 Foo 2026 10:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_and_else_is_absent(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, now=NOW) == seconds


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d [+-]\d{4}"))
def test_any_retry_after_is_a_number_from_0_on_or_absent(header: str) -> None:
    seconds = parse_retry_after(header, now=NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(1, 10_000), st.floats(0, 1), st.none() | st.floats(0, 1e18))
def test_a_wait_is_never_below_what_the_server_asks_nor_100_ms_nor_above_the_caps(
    attempts: int, jitter: float, retry_after_s: float | None
) -> None:
    wait = retry_wait_s(attempts, jitter=jitter, retry_after_s=retry_after_s)
    assert 0.1 <= wait <= 300
    if retry_after_s is None:
        assert wait <= 60
    else:
        assert wait >= min(retry_after_s, 300)


def test_the_backoff_doubles_from_half_a_second_to_a_minute() -> None:
    waits = [retry_wait_s(attempts, jitter=1.0, retry_after_s=None) for attempts in range(1, 10)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert retry_wait_s(1, jitter=0.0, retry_after_s=None) == 0.25


def test_a_pacer_spaces_requests_by_their_events() -> None:
    now = [100.0]
    pacer = Pacer(10.0, monotonic=lambda: now[0])
    assert pacer.reserve(20) == 0
    assert pacer.reserve(5) == 2.0
    assert pacer.reserve(5) == 2.5
    now[0] = 110.0
    assert pacer.reserve(1) == 0


def test_without_a_rate_limit_nobody_waits() -> None:
    pacer = Pacer(None, monotonic=lambda: 0.0)
    assert [pacer.reserve(1000) for _ in range(3)] == [0, 0, 0]


def test_dates_are_read_in_utc() -> None:
    assert parse_retry_after("Mon, 23 Nov 2026 10:00:05 GMT", now=datetime(2026, 11, 23, 10, tzinfo=UTC)) == 5
