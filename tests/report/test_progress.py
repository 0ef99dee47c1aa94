"""How far a run is, as lines: legible at any width, and never more than is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.model import Destination, HostLoad
from posthog_llm_cli.report import Mode
from posthog_llm_cli.report.progress import (
    WINDOW_S,
    DestinedSoFar,
    Meter,
    Progress,
    RetrySoFar,
    Underway,
    panel,
    status,
)
from tests.report.making import EU, US, destined, report


def progress(**changes: object) -> Progress:
    values: dict[str, object] = {
        "mode": Mode.SEND, "records": 120_394, "accepted": 119_800, "already_sent": 0, "rejected": 12, "unconfirmed": 0,
        "open": 582, "bytes_read": 5_000_000_000, "raw_bytes": 1_240_000_000, "raw_total": 2_000_000_000,
        "records_per_s": 8_120.4, "bytes_per_s": 84_000_000.0, "left_s": 8.6, **changes,
    }  # fmt: skip
    return Progress(**values)  # type: ignore[arg-type]  # the tests name its own fields


def load(host: str = US.host, **changes: object) -> HostLoad:
    return HostLoad(**{"host": host, "in_flight": 3, "limit": 4, "ceiling": 4, **changes})  # type: ignore[arg-type]


def draw(share: float, columns: int) -> str:
    return "#" * round(share * columns) + "." * (columns - round(share * columns))


def rows(now: Progress, under_way: Underway, width: int) -> list[str]:
    return list(panel(now, under_way, width=width, bar=draw))


WAITING = RetrySoFar(US.host, 3, 8, 3.2, "https://us.i.posthog.com answered 503")


def test_a_terminal_of_80_columns() -> None:
    found = rows(progress(), Underway((load(failed_in_row=4),), 34, (WAITING,)), 80)
    assert found == [
        "######################.............  62 %  1.2 GB of 2.0 GB  84.0 MB/s  9 s left",
        "120,394 records (8,120/s), 119,800 accepted, 12 rejected, 34 retried,",
        "  0 unconfirmed, 582 under way, 3 of 4 requests at once",
        "  retry 3 of 8 in 4 s: https://us.i.posthog.com answered 503, 4 requests in a r…",
    ]


def test_a_terminal_of_160_columns_has_the_counts_in_one_row() -> None:
    first, second = rows(progress(), Underway((load(),), 34), 160)
    assert first.startswith("#" * 37 + "." * 23 + "  62 %")
    assert second == (
        "120,394 records (8,120/s), 119,800 accepted, 12 rejected, 34 retried, 0 unconfirmed, 582 under way, "
        "3 of 4 requests at once"
    )


def test_the_line_for_logs_has_all_of_it() -> None:
    (line,) = status(progress(already_sent=5), Underway((load(limit=1, in_flight=1),), 34))
    assert line == (
        "120,394 records (8,120/s), 119,800 accepted, 5 already sent, 12 rejected, 34 retried, 0 unconfirmed, "
        "582 under way, 62 %, 1.2 GB of 2.0 GB, 84.0 MB/s, 9 s left, 1 request at once (limit 1 of 4)"
    )


def test_several_destinations_have_a_line_each_with_what_their_hosts_do_and_many_are_counted() -> None:
    others = [Destination(f"https://h{number}.example", "phc_abcdefghijkl") for number in range(4)]
    destinations = tuple(DestinedSoFar(one, 7, 0, 0) for one in others)
    destinations += (DestinedSoFar(US, 100, 1, 0), DestinedSoFar(EU, 90, 0, 2))
    loads = (load(), load(EU.host, is_asleep=True))
    found = [*status(progress(destinations=destinations), Underway(loads))]
    assert "at once" not in found[0]
    assert found[1:] == [
        "  https://us.i.posthog.com phc_…wxyz: 100 accepted, 1 rejected",
        "  https://eu.i.posthog.com phc_…abcd: 90 accepted, 2 unconfirmed",
        "  https://h0.example phc_…ijkl: 7 accepted",
        "  https://h1.example phc_…ijkl: 7 accepted",
        "  … and 2 more destinations",
        "  https://us.i.posthog.com: 3 of 4 requests at once",
        "  https://eu.i.posthog.com: spared requests, tried now and then",
    ]


def test_a_retry_is_news_until_its_host_answers_well() -> None:
    left = RetrySoFar(US.host, 3, 8, 0.0, "no answer")
    assert [*status(progress(), Underway((load(failed_in_row=1),), 1, (left,)))][1:] == ["  retry 3 of 8: no answer"]
    assert [*status(progress(), Underway((load(),), 1, (left,)))][1:] == []


def test_what_a_server_says_moves_no_cursor_and_shows_no_key() -> None:
    said = RetrySoFar(US.host, 1, 8, 2.0, "no \x1b[2J phc_abcdefghijklmnopqrstuvwxyz")
    shown = rows(progress(), Underway((load(),), 1, (said,)), 80)[-1]
    assert "\x1b" not in shown
    assert "abcdefgh" not in shown


@pytest.mark.parametrize(
    ("mode", "word"), [(Mode.DRY_RUN, "to send"), (Mode.MOCK, "printed"), (Mode.VALIDATE, "convertible")]
)
def test_where_nothing_is_sent_there_is_no_word_of_delivery(mode: Mode, word: str) -> None:
    (line,) = status(progress(mode=mode), Underway())
    assert f"119,800 {word}" in line
    assert not any(part in line for part in ("retried", "unconfirmed", "under way", "accepted"))


def test_a_pipe_has_neither_a_bar_nor_an_end() -> None:
    first, *_ = rows(progress(raw_total=None, left_s=None), Underway(), 80)
    assert first == "1.2 GB read  84.0 MB/s"


def test_what_is_read_is_not_what_is_sent() -> None:
    first, *_ = rows(progress(raw_bytes=2_000_000_000, left_s=0.0), Underway(), 80)
    assert first.endswith("100 %  2.0 GB of 2.0 GB  84.0 MB/s  all read")


@given(
    st.integers(min_value=1, max_value=300),
    st.builds(
        progress,
        records=st.integers(0, 10**12), accepted=st.integers(0, 10**12), open=st.integers(0, 10**6),
        raw_bytes=st.integers(0, 10**15), raw_total=st.none() | st.integers(0, 10**15),
        left_s=st.none() | st.floats(0, 10**9), bytes_per_s=st.none() | st.floats(0, 10**12),
        records_per_s=st.none() | st.floats(0, 10**9),
        destinations=st.sampled_from([(), (DestinedSoFar(US, 1, 0, 0), DestinedSoFar(EU, 1, 1, 1))]),
    ),
    st.builds(Underway, st.sampled_from([(), (load(),), (load(), load(EU.host))]), st.integers(0, 10**6), st.sampled_from([(), (WAITING,)])),
)  # fmt: skip
def test_no_row_is_wider_than_the_terminal_but_for_words_that_are(
    width: int, now: Progress, under_way: Underway
) -> None:
    for row in rows(now, under_way, width):
        assert len(row) <= max(width, 60)


# -------------------------------------------------------------------------------------------------------- the meter


def test_rates_are_those_of_the_window_and_the_rest_follows_from_them() -> None:
    meter = Meter(1_000_000)
    found = report()
    for second in range(200):
        found.elapsed_s = float(second)
        found.records += 10 if second > 100 else 1000
        now = meter.read(found, raw_bytes=min(1_000_000, 1000 * second))
    assert now.records_per_s == pytest.approx(10)
    assert now.bytes_per_s == pytest.approx(1000)
    assert now.left_s == pytest.approx((1_000_000 - 199_000) / 1000)
    assert len(meter._samples) <= WINDOW_S + 2


def test_nothing_is_said_of_rates_before_they_are_known() -> None:
    now = Meter(100).read(report(), raw_bytes=0)
    assert (now.records_per_s, now.bytes_per_s, now.left_s) == (None, None, None)
    line = next(status(now, Underway()))
    assert "/s" not in line
    assert "left" not in line


def test_what_has_no_final_word_is_under_way() -> None:
    found = report(
        records=100, accepted=50, already_sent=1, duplicates=2, filtered=3, skips={"health-check": 4},
        rejections={"missing-field": 5}, unconfirmed=6, destinations={US: destined(accepted=50, unconfirmed=6)},
    )  # fmt: skip
    now = Meter(None).read(found, raw_bytes=7)
    assert now.open == 29
    assert now.destinations == (DestinedSoFar(US, 50, 0, 6),)
