import threading

import pytest

from posthog_llm_cli.errors import Retryable, Unreachable
from posthog_llm_cli.model import Endpoint
from posthog_llm_cli.transport.hosts import Halted, Host, Hosts

NAME = "https://us.i.posthog.com"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_host(
    endpoint: Endpoint = Endpoint.AUTO, *, clock: Clock | None = None, stop: threading.Event | None = None
) -> Host:
    return Host(NAME, endpoint, monotonic=clock or Clock(), stop=stop or threading.Event())


def spend(host: Host, clock: Clock, *, chunks: int, seconds_each: float) -> None:
    for _ in range(chunks):
        with host.admitted():
            clock.now += seconds_each
            host.spent()


def test_a_host_moves_through_the_routes_and_stops_after_the_last() -> None:
    host = a_host()
    tried = [host.endpoint]
    for status in (404, 405):
        host.not_served(host.endpoint, status)
        tried.append(host.endpoint)
    assert tried == [Endpoint.V1, Endpoint.AI_BATCH, Endpoint.BATCH]
    with pytest.raises(Unreachable, match="404 on batch"), host.admitted():
        host.not_served(Endpoint.BATCH, 404)
    with pytest.raises(Unreachable), host.admitted():
        pytest.fail("a stopped host admits nobody")


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


def test_a_host_that_took_nothing_for_two_minutes_and_four_chunks_is_left_alone() -> None:
    clock = Clock()
    host = a_host(clock=clock)
    spend(host, clock, chunks=4, seconds_each=40)
    with pytest.raises(Unreachable, match="not answered well for 160 s"), host.admitted():
        pytest.fail("a dead host admits nobody")


@pytest.mark.parametrize(("chunks", "seconds_each"), [(3, 1000.0), (100, 1.0)])
def test_few_chunks_or_a_short_silence_leave_a_host_alive(chunks: int, seconds_each: float) -> None:
    clock = Clock()
    host = a_host(clock=clock)
    spend(host, clock, chunks=chunks, seconds_each=seconds_each)
    with host.admitted():
        pass


def test_a_success_begins_the_count_anew() -> None:
    clock = Clock()
    host = a_host(clock=clock)
    spend(host, clock, chunks=3, seconds_each=100)
    host.succeeded()
    spend(host, clock, chunks=3, seconds_each=100)
    with host.admitted():
        pass


def test_idle_time_after_a_success_is_no_silence() -> None:
    clock = Clock()
    host = a_host(clock=clock)
    with host.admitted():
        host.succeeded()
    clock.now += 3600
    spend(host, clock, chunks=4, seconds_each=1)
    with host.admitted():
        pass


def test_a_dead_host_is_tried_again_by_one_chunk_every_two_minutes() -> None:
    clock = Clock()
    host = a_host(clock=clock)
    spend(host, clock, chunks=4, seconds_each=40)
    clock.now += 121
    with host.admitted():
        with pytest.raises(Unreachable), host.admitted():
            pytest.fail("one chunk is enough")
        host.succeeded()
    with host.admitted():
        pass


def test_while_a_route_is_undecided_one_chunk_at_a_time_may_try() -> None:
    host = a_host()
    inside: list[int] = []
    most = []

    def visit(number: int) -> None:
        with host.admitted():
            inside.append(number)
            most.append(len(inside))
            threading.Event().wait(0.01)
            inside.remove(number)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6


def test_a_decision_lets_everyone_in_before_the_first_chunk_is_done() -> None:
    host = a_host()
    entered = threading.Event()

    def visit() -> None:
        with host.admitted():
            entered.set()

    with host.admitted():
        thread = threading.Thread(target=visit)
        thread.start()
        assert not entered.wait(0.05)
        host.decide()
        assert entered.wait(5)
    thread.join()


def test_a_stop_ends_the_wait_for_an_undecided_host() -> None:
    stop = threading.Event()
    hosts = Hosts(Endpoint.AUTO, monotonic=Clock(), stop=stop)
    host = hosts.of(NAME)
    assert hosts.of(NAME) is host
    ended: list[str] = []

    def visit() -> None:
        with pytest.raises(Halted) as caught, host.admitted():
            pytest.fail("nobody enters after a stop")
        ended.append(caught.value.message)

    with host.admitted():
        thread = threading.Thread(target=visit)
        thread.start()
        threading.Event().wait(0.05)
        assert not ended
        stop.set()
        hosts.wake()
        thread.join(5)
    assert ended == [f"stopped before anything was sent to {NAME}"]
