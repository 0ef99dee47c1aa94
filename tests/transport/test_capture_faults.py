"""What networks do, and what a stop does in the midst of it."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from posthog_llm_cli.errors import DeliveryError, KeyRefused, Retryable, Unreachable
from posthog_llm_cli.model import Delivery, Endpoint
from posthog_llm_cli.transport.capture import LAST_ANSWER_S
from posthog_llm_cli.transport.hosts import Asleep, Halted
from tests.transport.conftest import Bench
from tests.transport.making import a_chunk
from tests.transport.server import (
    AI_BATCH,
    BATCH,
    V1,
    Fault,
    Reply,
    Seen,
    Server,
    error,
    in_turn,
    only,
    results,
    take_all,
)

Serve = Callable[..., Server]
Make = Callable[..., Bench]


def verdicts(delivery: Delivery) -> list[str]:
    return [outcome.verdict.value for outcome in delivery.outcomes]


@pytest.mark.parametrize("endpoint", [Endpoint.V1, Endpoint.BATCH])
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.RESET_MID_ANSWER, Fault.GARBAGE])
def test_broken_answers_are_retried_with_the_same_bytes(
    serve: Serve, bench: Make, endpoint: Endpoint, fault: Fault
) -> None:
    server = serve(in_turn(Reply(fault=fault)))
    delivery = bench(endpoint).deliver(a_chunk(3, host=server.url))
    assert verdicts(delivery) == ["accepted"] * 3
    assert len(server.seen) == 2
    assert server.seen[0].raw == server.seen[1].raw
    assert (delivery.requests, delivery.retries) == (2, 1)


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.DRIP_HEADERS, Fault.DRIP_BODY])
def test_a_server_that_hangs_or_drips_is_given_up_after_the_timeout(serve: Serve, bench: Make, fault: Fault) -> None:
    server = serve(lambda _: Reply(fault=fault))
    began = time.monotonic()
    delivery = bench(Endpoint.V1, max_retries=1, timeout_s=0.2).deliver(a_chunk(1, host=server.url))
    took = time.monotonic() - began
    assert verdicts(delivery) == ["unconfirmed"]
    assert len(server.seen) == 2
    assert 0.4 <= took < 20
    assert isinstance(delivery.error, Retryable)
    assert "did not answer in time" in delivery.error.message
    assert "--timeout" in str(delivery.error.hint), "on a slow line the same command again is the same again"


@pytest.mark.parametrize("location", ["http://[::1", "https://elsewhere:port/", "http://", "\xe9"])
def test_a_redirect_to_no_place_is_a_redirect_and_not_asked_again(serve: Serve, bench: Make, location: str) -> None:
    server = serve(lambda _: Reply(302, headers={"Location": location}))
    delivery = bench(Endpoint.V1).deliver(a_chunk(1, host=server.url))
    assert verdicts(delivery) == ["unconfirmed"]
    assert len(server.seen) == 1
    assert isinstance(delivery.error, Unreachable)
    assert "found a redirect (302)" in delivery.error.message


def test_a_second_answer_to_one_request_is_not_the_answer_to_the_next(serve: Serve, bench: Make) -> None:
    ports: list[int] = []

    def answer(seen: Seen) -> Reply:
        ports.append(seen.client_port)
        if len(ports) == 1:
            return Reply(fault=Fault.TWICE)
        return Reply(503 if seen.client_port == ports[0] else 400)  # nobody waits for the first any more

    server = serve(answer)
    b = bench(Endpoint.BATCH)
    first, second = (b.deliver(a_chunk(1, start=number, host=server.url)) for number in (1, 2))
    assert (verdicts(first), verdicts(second)) == (["accepted"], ["rejected"])
    assert "before it was asked" in b.notices[0].reason, "the fault fired"
    assert second.requests == 2


def test_a_refused_connection_is_retried_and_then_unconfirmed(bench: Make) -> None:
    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{placeholder.getsockname()[1]}"
        b = bench(Endpoint.AUTO, max_retries=3)
        delivery = b.deliver(a_chunk(2, host=url))
    assert verdicts(delivery) == ["unconfirmed"] * 2
    assert (delivery.requests, delivery.retries, len(b.notices)) == (4, 3, 3)
    assert isinstance(delivery.error, Retryable)
    assert "refused" in delivery.error.message


def test_an_idle_connection_that_the_server_closed_costs_no_event(serve: Serve, bench: Make) -> None:
    server = serve()
    b = bench(Endpoint.V1)
    b.deliver(a_chunk(1, host=server.url))
    with server.lock:
        for connection in list(server.open):
            connection.shutdown(socket.SHUT_RDWR)
    assert verdicts(b.deliver(a_chunk(1, host=server.url, start=2))) == ["accepted"]
    assert len({seen.client_port for seen in server.seen}) == 2


def test_a_dead_host_is_left_alone_after_ten_requests_in_a_row(serve: Serve, bench: Make) -> None:
    server = serve(lambda _: Reply(503, headers={"Retry-After": "20"}))
    b = bench(Endpoint.V1, max_retries=2)
    spent = [b.deliver(a_chunk(1, host=server.url, start=number)) for number in range(1, 4)]
    assert [delivery.requests for delivery in spent] == [3] * 3
    fourth = b.deliver(a_chunk(1, host=server.url, start=4))
    assert fourth.requests == 1, "its retries are ended by the breaker"
    fifth = b.deliver(a_chunk(1, host=server.url, start=5))
    assert fifth.requests == 0
    assert isinstance(fifth.error, Asleep)
    assert fifth.error.message == (
        f"{server.url} has not answered well for 120 s, 10 requests in a row; the last time: {server.url} answered 503"
    )
    assert fifth.error.hint == "nothing is lost: run again when it is up"
    b.time[0] += 30
    probe = b.deliver(a_chunk(1, host=server.url, start=6))
    assert (probe.requests, verdicts(probe)) == (1, ["unconfirmed"])
    server.script = take_all
    b.time[0] += 30
    assert verdicts(b.deliver(a_chunk(1, host=server.url, start=7))) == ["accepted"]
    assert verdicts(b.deliver(a_chunk(1, host=server.url, start=8))) == ["accepted"]
    assert len(server.seen) == 13


@pytest.mark.parametrize(
    "sign", [error(400, "request_parsing_error"), results({"…": {"result": "drop", "details": "rejected"}})]
)
def test_a_server_that_blames_an_event_is_alive(serve: Serve, bench: Make, sign: Reply) -> None:
    uuid = a_chunk(1, start=5).events[0].uuid
    alive = Reply(sign.status, sign.body.replace(b"\\u2026", uuid.encode()))
    ill = Reply(503, headers={"Retry-After": "60"})
    server = serve(in_turn(*[ill] * 8, alive, *[ill] * 8))
    b = bench(Endpoint.V1, max_retries=1)
    deliveries = [b.deliver(a_chunk(1, host=server.url, start=number)) for number in range(1, 11)]
    assert [delivery.outcomes[0].verdict.value for delivery in deliveries] == [
        *["unconfirmed"] * 4,
        "rejected",
        *["unconfirmed"] * 4,
        "accepted",
    ]
    assert len(server.seen) == 18


def test_the_rate_limit_paces_events_over_all_threads_and_retries(serve: Serve, bench: Make) -> None:
    server = serve(in_turn(Reply(503)))
    b = bench(Endpoint.V1, rate_limit=10.0)
    for number in range(3):
        b.deliver(a_chunk(20, host=server.url, start=1 + 20 * number))
    assert len(server.seen) == 4
    # 4 requests of 20 events at 10 a second: the last may leave after 6 s, and the backoff is part of these.
    assert sum(b.slept) == pytest.approx(6.0)


def test_the_rate_limit_counts_all_destinations_together(serve: Serve, bench: Make) -> None:
    one, two = serve(), serve()
    b = bench(Endpoint.V1, rate_limit=5.0)
    b.deliver(a_chunk(10, host=one.url))
    b.deliver(a_chunk(10, host=two.url))
    assert b.slept == [2.0]
    assert (len(one.seen), len(two.seen)) == (1, 1)


# --------------------------------------------------------------------------------------------------------------- stop


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "the test's condition never came true"
        time.sleep(0.005)


@pytest.mark.parametrize("ending", ["stop", "close"])
def test_a_stop_ends_a_backoff_at_once(serve: Serve, bench: Make, ending: str) -> None:
    server = serve(lambda _: Reply(503, headers={"Retry-After": "300"}))
    b = bench(Endpoint.V1, real_sleep=True)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(b.deliver, a_chunk(2, host=server.url))
        wait_for(lambda: b.notices)
        began = time.monotonic()
        getattr(b.capture, ending)()
        delivery = future.result(60)
    assert time.monotonic() - began < 60
    assert verdicts(delivery) == ["unconfirmed"] * 2
    assert isinstance(delivery.error, Halted)
    assert len(server.seen) == 1


def test_a_stop_ends_the_wait_of_the_rate_limit(serve: Serve, bench: Make) -> None:
    server = serve()
    b = bench(Endpoint.V1, rate_limit=0.01, real_sleep=True)
    assert verdicts(b.deliver(a_chunk(1, host=server.url))) == ["accepted"]
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(b.deliver, a_chunk(1, host=server.url, start=2))
        time.sleep(0.05)
        assert not future.done()
        b.capture.stop()
        assert verdicts(future.result(5)) == ["unconfirmed"]
    assert len(server.seen) == 1


@pytest.mark.parametrize(("reply", "verdict"), [(None, "accepted"), (Reply(503), "unconfirmed")])
def test_a_request_on_the_wire_may_finish_after_a_stop_but_is_not_repeated(
    serve: Serve, bench: Make, reply: Reply | None, verdict: str
) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def script(seen: Seen) -> Reply:
        arrived.set()
        assert go_on.wait(5)
        return take_all(seen) if reply is None else reply

    server = serve(script)
    b = bench(Endpoint.V1, real_sleep=True)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(b.deliver, a_chunk(1, host=server.url))
        assert arrived.wait(5)
        b.capture.stop()
        go_on.set()
        delivery = future.result(5)
    assert verdicts(delivery) == [verdict]
    assert len(server.seen) == 1
    assert b.notices == []


def test_nothing_is_sent_after_a_stop(serve: Serve, bench: Make) -> None:
    server = serve()
    b = bench(Endpoint.V1)
    b.capture.stop()
    delivery = b.deliver(a_chunk(3, host=server.url))
    assert verdicts(delivery) == ["unconfirmed"] * 3
    assert isinstance(delivery.error, DeliveryError)
    assert (server.seen, delivery.requests) == ([], 0)


def test_a_stop_keeps_what_is_final_and_sends_no_further_half(serve: Serve, bench: Make) -> None:
    b = bench(Endpoint.BATCH)

    def script(seen: Seen) -> Reply:
        if len(seen.uuids) == 4:
            return Reply(413)
        b.capture.stop()
        return take_all(seen)

    server = serve(script)
    delivery = b.deliver(a_chunk(4, host=server.url))
    assert verdicts(delivery) == ["accepted"] * 2 + ["unconfirmed"] * 2
    assert len(server.seen) == 2


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.DRIP_HEADERS, Fault.DRIP_BODY])
def test_a_stop_waits_for_no_answer_that_never_comes_and_tells_what_it_knows(
    serve: Serve, bench: Make, fault: Fault
) -> None:
    hangs = threading.Event()

    def never(_: Seen) -> Reply:
        hangs.set()
        return Reply(fault=fault)

    server = serve(in_turn(Reply(413), take_all, never))
    b = bench(Endpoint.V1, real_sleep=True, timeout_s=30.0)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(b.deliver, a_chunk(4, host=server.url))
        assert hangs.wait(5)
        b.capture.stop()
        delivery = future.result(LAST_ANSWER_S + 2)
    assert verdicts(delivery) == ["accepted"] * 2 + ["unconfirmed"] * 2
    assert (delivery.requests, len(server.seen)) == (3, 3)
    assert isinstance(delivery.error, Halted)


def test_closing_amid_a_request_ends_it_as_unconfirmed(serve: Serve, bench: Make) -> None:
    server = serve(lambda _: Reply(fault=Fault.HANG))
    b = bench(Endpoint.V1, real_sleep=True, timeout_s=1.0)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(b.deliver, a_chunk(1, host=server.url))
        wait_for(lambda: server.seen)
        b.capture.close()
        assert verdicts(future.result(5)) == ["unconfirmed"]


def test_chunks_that_wait_for_their_turn_hear_that_their_key_was_refused(serve: Serve, bench: Make) -> None:
    server = serve(lambda _: Reply(401))
    b = bench(Endpoint.V1)
    with ThreadPoolExecutor(8) as pool:
        chunks = [a_chunk(1, host=server.url, start=number) for number in range(1, 9)]
        deliveries = list(pool.map(b.deliver, chunks))
    assert len(server.seen) == 1
    assert all(isinstance(delivery.error, KeyRefused) for delivery in deliveries)


def test_chunks_that_wait_for_their_turn_move_on_with_the_host(serve: Serve, bench: Make) -> None:
    """They are encoded for v1 while the first one finds out that there is no v1."""
    server = serve(only(BATCH))
    b = bench(Endpoint.AUTO)
    with ThreadPoolExecutor(8) as pool:
        chunks = [a_chunk(2, host=server.url, start=2 * number + 1) for number in range(8)]
        deliveries = list(pool.map(b.deliver, chunks))
    assert [verdicts(delivery) for delivery in deliveries] == [["accepted"] * 2] * 8
    assert [server.paths.count(path) for path in (V1, AI_BATCH, BATCH)] == [1, 1, 8]
    assert {delivery.retries for delivery in deliveries} == {0}


def test_a_delivery_tells_what_its_host_may_have_and_had_in_flight(serve: Serve, bench: Make) -> None:
    server = serve(in_turn(*[take_all] * 3, Reply(429)))
    b = bench(Endpoint.V1)
    told = [b.deliver(a_chunk(1, host=server.url, start=number)) for number in range(1, 5)]
    assert [delivery.concurrency for delivery in told] == [2, 3, 4, 2]
    assert {delivery.peak_concurrency for delivery in told} == {1}
