from dataclasses import replace

import pytest

from benchmarks.contestants import last_object, peer_problem, problem
from benchmarks.figures import Floor, Run, cpu_us_per_call, marginal_cpu_us, median_floor, of, ratio, spread
from benchmarks.measure import Measured
from benchmarks.results import TITLE, with_section
from benchmarks.sink import Arrived

RUN = Run(
    contestant="a",
    calls=1_000,
    log_bytes=8_000_000,
    seconds=2.0,
    cpu_s=0.5,
    pss_bytes=1,
    rss_bytes=1,
    requests=2,
    wire_bytes=3,
    distinct=1_000,
    sink_cpu_s=0.0,
)
MEASURED = Measured(seconds=1.0, cpu_s=1.0, pss_bytes=1, rss_bytes=1, exit_code=0, output="", errors="")
ARRIVED = Arrived(requests=2, events=10, distinct=10, wire_bytes=1, body_bytes=1, event_bytes=1, cpu_s=0.0)
REPORT = {"accepted": 10, "requests": 2}


def test_rates_are_of_what_arrived() -> None:
    assert (RUN.events_per_s, RUN.mb_per_s, RUN.cpu_s_per_100k) == (500, 4, 50)
    lossy = replace(RUN, distinct=250)
    assert (lossy.events_per_s, lossy.cpu_s_per_100k) == (125, 200)


def test_the_start_of_the_program_is_what_a_single_call_takes() -> None:
    start = replace(RUN, calls=1, cpu_s=0.1)
    assert cpu_us_per_call(RUN) == pytest.approx(500)
    assert marginal_cpu_us(RUN, start) == pytest.approx(0.4 / 999 * 1e6)


def test_a_spread_has_the_median_between_the_ends() -> None:
    assert f"{spread([3, 1, 2]):.1f}" == "2.0 (1.0–3.0)"
    assert f"{spread([2]):.1f}" == "2.0"


def test_a_ratio_is_that_of_the_medians_with_the_rounds_as_its_ends() -> None:
    runs = [replace(RUN, seconds=s) for s in (1, 2, 4)] + [
        replace(RUN, contestant="b", seconds=s) for s in (10, 10, 10)
    ]
    found = ratio(runs, lambda run: run.events_per_s, "a", "b")
    assert found is not None
    assert (found.median, found.low, found.high) == (5, 2.5, 10)
    assert ratio(runs, lambda run: run.events_per_s, "a", "nobody") is None


def test_the_floor_is_the_sum_of_the_medians_of_its_steps() -> None:
    floor = median_floor([Floor(1, 10, 100, 1000), Floor(2, 20, 200, 2000), Floor(3, 60, 0, 9000)])
    assert (floor.with_isal_us, floor.with_zlib_us) == (2 + 20 + 100, 2 + 20 + 2000)


def test_a_run_with_a_problem_gives_no_figure() -> None:
    assert of([RUN, replace(RUN, problem="lost one")], "a") == [RUN]


def test_a_run_is_sound_where_the_report_and_the_sink_agree() -> None:
    assert problem(MEASURED, REPORT, ARRIVED, 10) is None


@pytest.mark.parametrize(
    ("measured", "report", "arrived", "calls"),
    [
        (replace(MEASURED, exit_code=5), REPORT, ARRIVED, 10),
        (MEASURED, REPORT, replace(ARRIVED, distinct=9), 10),
        (MEASURED, REPORT, replace(ARRIVED, events=11), 10),
        (MEASURED, REPORT, replace(ARRIVED, requests=3), 10),
        (MEASURED, {**REPORT, "accepted": 9}, ARRIVED, 10),
        (MEASURED, {}, ARRIVED, 10),
        (MEASURED, REPORT, ARRIVED, 11),
    ],
)
def test_a_run_fails_where_they_differ(
    measured: Measured, report: dict[str, float], arrived: Arrived, calls: int
) -> None:
    assert problem(measured, report, arrived, calls) is not None


def test_a_peer_may_lose_events_but_not_all_of_them() -> None:
    assert peer_problem(MEASURED, replace(ARRIVED, distinct=3)) is None
    assert peer_problem(MEASURED, replace(ARRIVED, events=0, distinct=0)) is not None
    assert peer_problem(replace(MEASURED, exit_code=1), ARRIVED) is not None


def test_the_last_object_that_a_program_prints_is_what_it_tells() -> None:
    assert last_object('warning: {"a": 1}\n{"seconds": 2}\n') == {"seconds": 2}
    assert last_object('{\n  "accepted": 1,\n  "more": {"b": 2}\n}\n') == {"accepted": 1, "more": {"b": 2}}
    assert last_object("nothing") == {}


def test_a_section_is_replaced_and_the_others_stay() -> None:
    once = with_section(with_section("", "job", "one"), "parts", "two")
    assert once.startswith(TITLE)
    again = with_section(once, "job", r"three \1")
    assert "one" not in again
    assert r"three \1" in again
    assert "two" in again
    assert again.count("<!-- job -->") == 1
