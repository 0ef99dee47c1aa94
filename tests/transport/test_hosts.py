import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.errors import DeliveryError, KeyRefused, Refused, Retryable, Unreachable
from posthog_llm_cli.model import Endpoint
from posthog_llm_cli.transport import LimitNotice
from posthog_llm_cli.transport.hosts import Asleep, Halted, Host, Hosts, TimedOut

NAME = "https://us.i.posthog.com"
ILL = Retryable("answered 503", status=503)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_host(
    endpoint: Endpoint = Endpoint.AUTO,
    *,
    clock: Clock | None = None,
    stop: threading.Event | None = None,
    ceiling: int = 4,
    max_retries: int = 8,
    on_limit: Callable[[LimitNotice], None] | None = None,
) -> Host:
    return Host(
        NAME,
        endpoint,
        ceiling=ceiling,
        max_retries=max_retries,
        monotonic=clock or Clock(),
        stop=stop or threading.Event(),
        on_limit=on_limit,
    )


def fail(host: Host, clock: Clock, *, requests: int, seconds_each: float, error: DeliveryError = ILL) -> None:
    for _ in range(requests):
        with suppress(type(error)), host.turn():
            clock.now += seconds_each
            raise error


def succeed(host: Host, times: int = 1) -> None:
    for _ in range(times):
        with host.turn():
            host.decide()


# --------------------------------------------------------------------------------------------------------------- routes


def test_a_host_moves_through_the_routes_and_stops_after_the_last() -> None:
    host = a_host()
    tried = [host.endpoint]
    for status in (404, 405):
        host.not_served(host.endpoint, status)
        tried.append(host.endpoint)
    assert tried == [Endpoint.V1, Endpoint.AI_BATCH, Endpoint.BATCH]
    with pytest.raises(Unreachable, match="404 on batch"), host.turn():
        host.not_served(Endpoint.BATCH, 404)
    with pytest.raises(Unreachable), host.turn():
        pytest.fail("a stopped host admits nobody")
    with pytest.raises(Unreachable):
        host.check()


def test_a_fixed_route_that_is_not_served_hints_at_auto() -> None:
    host = a_host(Endpoint.V1)
    with pytest.raises(Unreachable, match=r"v1 route \(404\)") as caught:
        host.not_served(Endpoint.V1, 404)
    assert caught.value.hint == "try --endpoint auto"


@pytest.mark.parametrize("endpoint", [Endpoint.AUTO, Endpoint.V1])
def test_a_404_after_a_success_is_retried(endpoint: Endpoint) -> None:
    host = a_host(endpoint)
    host.decide()
    with pytest.raises(Retryable, match="served before"):
        host.not_served(Endpoint.V1, 404)
    assert host.endpoint is Endpoint.V1


# ---------------------------------------------------------------------------------------------------------------- turns


def crowd(host: Host, visitors: int) -> int:
    """Let so many threads take a turn at once; return the most that were inside together."""
    inside: list[int] = []
    most: list[int] = []

    def visit(number: int) -> None:
        with host.turn():
            inside.append(number)
            most.append(len(inside))
            threading.Event().wait(0.02)
            inside.remove(number)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == visitors
    return max(most)


def test_while_a_route_is_undecided_one_request_at_a_time_may_try() -> None:
    assert crowd(a_host(), 6) == 1


@pytest.mark.parametrize("ceiling", [1, 2, 5])
def test_a_decided_host_gets_as_many_requests_at_once_as_the_ceiling_allows(ceiling: int) -> None:
    host = a_host(ceiling=ceiling)
    succeed(host, ceiling)
    assert host.concurrency == ceiling
    assert crowd(host, 3 * ceiling) == ceiling == host.peak_concurrency


def test_a_request_that_waits_to_retry_holds_up_nobody() -> None:
    host = a_host()
    with pytest.raises(Retryable), host.turn():
        raise ILL
    waiting = threading.Thread(target=host.wait, args=(5.0,), daemon=True)
    waiting.start()
    with host.turn():
        pass
    host.wake()
    assert waiting.is_alive(), "a wait goes on while the host is well"


def test_turns_come_in_the_order_of_asking() -> None:
    host = a_host()
    order: list[int] = []

    def visit(number: int) -> None:
        with host.turn():
            order.append(number)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(8)]
    with host.turn():
        for number, thread in enumerate(threads, 1):
            thread.start()
            while len(host._line) < number:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_a_decision_lets_others_in_once_its_answer_has_raised_the_limit() -> None:
    host = a_host()
    succeed(host)
    entered = threading.Event()

    def visit() -> None:
        with host.turn():
            entered.set()

    with host.turn():
        thread = threading.Thread(target=visit)
        thread.start()
        assert entered.wait(5)
    thread.join()


def test_a_stop_ends_the_wait_for_a_turn() -> None:
    stop = threading.Event()
    hosts = Hosts(lambda name: a_host(stop=stop))
    host = hosts.of(NAME)
    assert hosts.of(NAME) is host
    ended: list[str] = []

    def visit() -> None:
        with pytest.raises(Halted) as caught, host.turn():
            pytest.fail("nobody enters after a stop")
        ended.append(caught.value.message)

    with host.turn():
        thread = threading.Thread(target=visit)
        thread.start()
        threading.Event().wait(0.05)
        assert not ended
        stop.set()
        hosts.wake()
        thread.join(5)
    assert ended == [f"stopped before anything was sent to {NAME}"]


def test_a_stop_ends_the_wait_for_a_retry() -> None:
    stop = threading.Event()
    host = a_host(stop=stop)
    waiting = threading.Thread(target=host.wait, args=(60.0,))
    waiting.start()
    stop.set()
    host.wake()
    waiting.join(5)
    assert not waiting.is_alive()


# ------------------------------------------------------------------------------------------------------ adaptive limit


@pytest.mark.parametrize(
    ("error", "limit"),
    [
        (Retryable("answered 429", status=429), 2),
        (Retryable("answered 503", status=503), 2),
        (Retryable("answered 504", status=504), 2),
        (TimedOut("did not answer in time"), 2),
        (Retryable("answered 500", status=500), 4),
        (Retryable("did not answer (refused)"), 4),
        (KeyRefused("refused", status=401), 4),
        (Refused("answered 413", status=413), 4),
    ],
)
def test_signs_of_overload_halve_the_limit_and_other_failures_do_not(error: DeliveryError, limit: int) -> None:
    host = a_host()
    succeed(host, 4)
    with pytest.raises(type(error)), host.turn():
        raise error
    assert host.concurrency == limit


def test_a_late_answer_halves_the_limit_by_the_time_it_took_on_the_wire() -> None:
    clock = Clock()
    host = a_host(clock=clock)

    def request(*, paced_s: float, takes_s: float) -> None:
        with host.turn() as turn:
            clock.now += paced_s
            turn.leave()
            clock.now += takes_s
            turn.arrive()
            host.decide()

    for _ in range(6):
        request(paced_s=60, takes_s=0.1)
    assert host.concurrency == 4, "waiting for the pace is no latency"
    request(paced_s=0, takes_s=5)
    assert host.concurrency == 2


def test_a_halving_is_told_and_so_is_the_way_back_to_the_ceiling() -> None:
    told: list[LimitNotice] = []
    host = a_host(on_limit=told.append)
    succeed(host, 6)
    assert told == []
    with pytest.raises(Retryable), host.turn():
        raise ILL
    succeed(host, 10)
    assert told == [
        LimitNotice(NAME, 2, 4, "answered 503"),
        LimitNotice(NAME, 4, 4, "answers are good again"),
    ]


# ----------------------------------------------------------------------------------------------------- circuit breaker


def is_asleep(host: Host) -> bool:
    try:
        host.check()
    except Asleep:
        return True
    return False


def test_a_host_falls_asleep_after_ten_bad_answers_in_a_row_over_two_minutes() -> None:
    clock = Clock()
    host = a_host(clock=clock)
    fail(host, clock, requests=10, seconds_each=13)
    assert host.is_asleep
    with pytest.raises(Asleep, match="not answered well for 130 s, 10 requests in a row") as caught, host.turn():
        pytest.fail("a sleeping host is spared the request")
    assert "nothing is lost" in str(caught.value.hint)


@pytest.mark.parametrize(("requests", "seconds_each"), [(9, 1000.0), (100, 1.0)])
def test_few_requests_or_a_short_silence_leave_a_host_awake(requests: int, seconds_each: float) -> None:
    clock = Clock()
    host = a_host(clock=clock)
    fail(host, clock, requests=requests, seconds_each=seconds_each)
    assert not is_asleep(host)


@pytest.mark.parametrize(("max_retries", "patience_s"), [(0, 0), (1, 0.5), (2, 1.5), (4, 7.5), (8, 120), (100, 120)])
def test_the_silence_that_counts_is_as_long_as_one_requests_retries_and_two_minutes_at_most(
    max_retries: int, patience_s: float
) -> None:
    clock = Clock()
    host = a_host(clock=clock, max_retries=max_retries)
    many = max(10, max_retries + 2)
    fail(host, clock, requests=many - 1, seconds_each=0)
    clock.now += patience_s
    assert not is_asleep(host), "a chunk alone spends its retries first"
    fail(host, clock, requests=1, seconds_each=0)
    assert is_asleep(host)

    impatient = a_host(clock=clock, max_retries=max_retries)
    fail(impatient, clock, requests=many, seconds_each=0.99 * patience_s / many)
    assert is_asleep(impatient) is (patience_s == 0)


@pytest.mark.parametrize("sign", ["success", "refused", "key refused", "some settled"])
def test_any_word_on_the_events_begins_the_count_anew(sign: str) -> None:
    clock = Clock()
    host = a_host(clock=clock)
    fail(host, clock, requests=9, seconds_each=100)
    match sign:
        case "success":
            succeed(host)
        case "refused":
            fail(host, clock, requests=1, seconds_each=0, error=Refused("answered 400", status=400))
        case "key refused":
            fail(host, clock, requests=1, seconds_each=0, error=KeyRefused("answered 401", status=401))
        case _:
            with suppress(Retryable), host.turn() as turn:
                turn.answered()
                raise ILL
    fail(host, clock, requests=9, seconds_each=100)
    assert not is_asleep(host)


def test_idle_time_after_a_success_is_no_silence() -> None:
    clock = Clock()
    host = a_host(clock=clock)
    succeed(host)
    clock.now += 3600
    fail(host, clock, requests=20, seconds_each=1)
    assert not is_asleep(host)


def test_a_sleeping_host_is_tried_by_one_request_every_thirty_seconds_until_it_answers() -> None:
    clock = Clock()
    host = a_host(clock=clock)
    fail(host, clock, requests=10, seconds_each=13)
    for _ in range(3):
        clock.now += 29
        assert is_asleep(host)
        clock.now += 1
        with suppress(Retryable), host.turn():
            assert is_asleep(host), "one is enough"
            raise ILL
    clock.now += 30
    succeed(host)
    assert not host.is_asleep
    fail(host, clock, requests=9, seconds_each=13)
    assert not host.is_asleep, "the count began anew"


def test_who_waits_to_retry_is_woken_when_the_host_falls_asleep() -> None:
    clock = Clock()
    host = a_host(clock=clock)
    fail(host, clock, requests=9, seconds_each=20)
    waiting = threading.Thread(target=host.wait, args=(60.0,))
    waiting.start()
    fail(host, clock, requests=1, seconds_each=0)
    waiting.join(5)
    assert not waiting.is_alive()


def test_who_waits_for_a_turn_is_sent_away_when_the_host_falls_asleep() -> None:
    clock = Clock()
    host = a_host(clock=clock)
    fail(host, clock, requests=9, seconds_each=20)
    ended: list[bool] = []

    def visit() -> None:
        with pytest.raises(Asleep), host.turn():
            pytest.fail("a sleeping host is spared the request")
        ended.append(True)

    thread = threading.Thread(target=visit)
    with suppress(Retryable), host.turn():
        thread.start()
        while not host._line:
            threading.Event().wait(0.001)
        raise ILL
    thread.join(5)
    assert ended == [True]


@given(st.lists(st.tuples(st.sampled_from(["good", "bad", "pause"]), st.floats(0, 50)), max_size=120))
@settings(deadline=None)
def test_a_sleeping_host_never_gets_two_requests_within_thirty_seconds(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    host = a_host(clock=clock, max_retries=0)
    asleep_since: float | None = None
    last: float | None = None
    for what, seconds in steps:
        clock.now += seconds if what == "pause" else 0.0
        try:
            with host.turn():
                if asleep_since is not None:
                    assert clock.now - (asleep_since if last is None else last) >= 30
                    last = clock.now
                if what == "bad":
                    raise ILL
                host.decide()
        except (Retryable, Asleep):
            pass
        if not host.is_asleep:
            asleep_since = last = None
        elif asleep_since is None:
            asleep_since = clock.now
