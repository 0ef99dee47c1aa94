"""Laws of the limit on requests in flight, against hosts that are healthy, overloaded and slow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.transport.concurrency import Concurrency, Sign, Ticket

CEILINGS = st.integers(1, 64)
STEPS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 63), st.sampled_from(Sign), st.floats(0, 300, allow_nan=False)),
    max_size=300,
)


def settled(concurrency: Concurrency, signs: list[Sign], *, latency_s: float = 0.1) -> None:
    """Requests one after the other, each in the window of the time."""
    for sign in signs:
        concurrency.end(concurrency.begin(), sign, latency_s=latency_s)


def climbed(ceiling: int) -> Concurrency:
    concurrency = Concurrency(ceiling)
    settled(concurrency, [Sign.GOOD] * ceiling)
    assert concurrency.limit == ceiling
    return concurrency


@given(CEILINGS, STEPS)
@settings(deadline=None)
def test_the_limit_stays_between_one_and_the_ceiling_and_so_do_the_requests_in_flight(
    ceiling: int, steps: list[tuple[bool, int, Sign, float]]
) -> None:
    concurrency = Concurrency(ceiling)
    flying: list[Ticket] = []
    for begins, which, sign, latency_s in steps:
        before = concurrency.limit
        if begins and concurrency.in_flight < concurrency.limit:
            flying.append(concurrency.begin())
        elif flying:
            concurrency.end(flying.pop(which % len(flying)), sign, latency_s=latency_s)
        assert 1 <= concurrency.limit <= ceiling
        assert concurrency.in_flight == len(flying) <= concurrency.peak <= ceiling
        assert max(1, before // 2) <= concurrency.limit <= before + 1, "one step at a time"


@given(CEILINGS, STEPS)
@settings(deadline=None)
def test_from_any_state_a_healthy_host_gets_back_to_the_ceiling(
    ceiling: int, steps: list[tuple[bool, int, Sign, float]]
) -> None:
    concurrency = Concurrency(ceiling)
    flying: list[Ticket] = []
    for begins, which, sign, latency_s in steps:
        if begins and concurrency.in_flight < concurrency.limit:
            flying.append(concurrency.begin())
        elif flying:
            concurrency.end(flying.pop(which % len(flying)), sign, latency_s=latency_s)
    for ticket in flying:
        concurrency.end(ticket, Sign.NOTHING)
    settled(concurrency, [Sign.GOOD] * (ceiling * (ceiling + 1) // 2), latency_s=0.0)
    assert concurrency.limit == ceiling


@pytest.mark.parametrize("ceiling", [1, 2, 4, 64])
def test_until_the_first_trouble_every_good_answer_raises_the_limit(ceiling: int) -> None:
    concurrency = Concurrency(ceiling)
    seen = []
    for _ in range(ceiling + 2):
        seen.append(concurrency.limit)
        settled(concurrency, [Sign.GOOD])
    assert seen == [*range(1, ceiling + 1), ceiling, ceiling]


@given(st.integers(2, 64), st.data())
def test_a_window_halves_once_however_many_of_its_requests_are_answered_429(ceiling: int, data: st.DataObject) -> None:
    concurrency = climbed(ceiling)
    window = [concurrency.begin() for _ in range(ceiling)]
    signs = data.draw(st.lists(st.sampled_from(Sign), min_size=ceiling, max_size=ceiling))
    first = data.draw(st.integers(0, ceiling - 1))
    signs[:first] = [Sign.GOOD] * first
    signs[first] = Sign.OVERLOAD
    for ticket, sign in zip(window, signs, strict=True):
        concurrency.end(ticket, sign, latency_s=0.1)
    assert concurrency.limit == ceiling // 2


def test_an_overload_in_the_next_window_halves_again_and_never_below_one() -> None:
    concurrency = climbed(64)
    seen = []
    for _ in range(8):
        settled(concurrency, [Sign.OVERLOAD])
        seen.append(concurrency.limit)
    assert seen == [32, 16, 8, 4, 2, 1, 1, 1]


def test_after_a_halving_a_full_round_of_good_answers_raises_the_limit_by_one() -> None:
    concurrency = climbed(8)
    settled(concurrency, [Sign.OVERLOAD])
    seen = []
    for _ in range(4 + 5 + 6 + 7):
        settled(concurrency, [Sign.GOOD])
        seen.append(concurrency.limit)
    assert [seen.index(limit) + 1 for limit in (5, 6, 7, 8)] == [4, 4 + 5, 4 + 5 + 6, 4 + 5 + 6 + 7]


def test_what_is_wrong_but_no_overload_changes_nothing() -> None:
    concurrency = climbed(4)
    settled(concurrency, [Sign.NOTHING] * 10)
    assert concurrency.limit == 4


def test_a_late_answer_is_a_sign_of_overload() -> None:
    concurrency = climbed(4)
    settled(concurrency, [Sign.GOOD], latency_s=2.2)
    assert concurrency.limit == 2


@pytest.mark.parametrize(("usual_s", "now_s"), [(0.1, 2.0), (0.01, 1.9), (2.0, 7.9), (30.0, 100.0)])
def test_an_answer_that_is_slower_but_not_four_times_and_two_seconds_is_not_late(usual_s: float, now_s: float) -> None:
    concurrency = Concurrency(4)
    settled(concurrency, [Sign.GOOD] * 4, latency_s=usual_s)
    settled(concurrency, [Sign.GOOD], latency_s=now_s)
    assert concurrency.limit == 4


@given(st.floats(0.001, 60), st.floats(0.001, 60))
def test_a_host_that_stays_slow_becomes_the_measure(before_s: float, since_s: float) -> None:
    concurrency = Concurrency(4)
    settled(concurrency, [Sign.GOOD] * 4, latency_s=before_s)
    settled(concurrency, [Sign.GOOD] * 100, latency_s=since_s)
    assert concurrency.limit == 4


def test_a_server_with_room_for_five_settles_around_five() -> None:
    """Rounds of requests: those over the server's capacity are answered 429."""
    concurrency = Concurrency(64)
    seen = []
    for _ in range(200):
        window = [concurrency.begin() for _ in range(concurrency.limit)]
        seen.append(len(window))
        for place, ticket in enumerate(window):
            concurrency.end(ticket, Sign.GOOD if place < 5 else Sign.OVERLOAD, latency_s=0.1)
    steady = seen[50:]
    assert max(steady) == 6
    assert min(steady) == 3
    assert 4 <= sum(steady) / len(steady) <= 5
