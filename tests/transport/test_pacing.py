import threading
import time
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
    assert pacer.leave(20) == 0
    assert pacer.leave(5) == 2.0
    now[0] = 102.0
    assert pacer.leave(5) == 0
    assert pacer.leave(5) == 0.5
    now[0] = 110.0
    assert pacer.leave(1) == 0


def test_without_a_rate_limit_nobody_waits() -> None:
    pacer = Pacer(None, monotonic=lambda: 0.0)
    assert [pacer.leave(1000) for _ in range(3)] == [0, 0, 0]


def within_the_limit(left: list[tuple[float, int]], rate: float) -> bool:
    """The law, over every window that begins and ends with a request: at most rate * T events, and one request's."""
    slack = 1e-6
    return all(
        sum(events for _, events in left[start : end + 1]) <= rate * (left[end][0] - left[start][0]) + largest + slack
        for start in range(len(left))
        for end in range(start, len(left))
        for largest in (max(events for _, events in left[start : end + 1]),)
    )


@given(
    st.floats(0.5, 1000),
    st.lists(st.tuples(st.integers(1, 500), st.floats(0, 5), st.floats(0, 2)), min_size=1, max_size=40),
)
def test_in_any_window_no_more_events_leave_than_the_rate_allows_and_one_request_more(
    rate: float, requests: list[tuple[int, float, float]]
) -> None:
    """Each comes after a pause, and oversleeps whatever it is told to wait."""
    now = [0.0]
    pacer = Pacer(rate, monotonic=lambda: now[0])
    left: list[tuple[float, int]] = []
    for events, pause_s, oversleeps_s in requests:
        now[0] += pause_s
        while (wait_s := pacer.leave(events)) > 0:
            now[0] += wait_s + oversleeps_s
        left.append((now[0], events))
    assert within_the_limit(left, rate)


def test_many_threads_together_keep_the_pace() -> None:
    pacer = Pacer(2000.0, monotonic=time.monotonic)
    lock = threading.Lock()
    left: list[tuple[float, int]] = []

    def work(seed: int) -> None:
        for turn in range(20):
            events = 1 + (seed * 7 + turn) % 5
            while (wait_s := pacer.leave(events)) > 0:
                time.sleep(wait_s)
            with lock:
                left.append((time.monotonic(), events))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    began_s = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = sum(events for _, events in left)
    assert total == sum(1 + (seed * 7 + turn) % 5 for seed in range(8) for turn in range(20))
    assert time.monotonic() - began_s >= (total - 5) / 2000


def test_dates_are_read_in_utc() -> None:
    assert parse_retry_after("Mon, 23 Nov 2026 10:00:05 GMT", now=datetime(2026, 11, 23, 10, tzinfo=UTC)) == 5


@pytest.mark.parametrize("off", [timedelta(days=-400), timedelta(hours=-1), timedelta(days=400)])
def test_a_date_counts_from_the_answers_own_date_whatever_this_machines_clock_says(off: timedelta) -> None:
    date, retry_after = (format_datetime(NOW + timedelta(seconds=more), usegmt=True) for more in (0, 2))
    assert parse_retry_after(retry_after, now=NOW + off, date=date) == 2
    assert parse_retry_after("3", now=NOW + off, date=date) == 3
    assert parse_retry_after(retry_after, now=NOW, date="now") == 2
