"""Which route a host is given: once, by its first answers, whoever asks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from posthog_llm_cli.errors import Retryable, Unreachable
from posthog_llm_cli.model import Delivery, Endpoint
from tests.transport.conftest import Bench
from tests.transport.making import a_chunk, an_event
from tests.transport.server import AI_BATCH, BATCH, V1, Fault, Reply, Server, in_turn, only, take_all

Serve = Callable[..., Server]
Make = Callable[..., Bench]


def verdicts(delivery: Delivery) -> list[str]:
    return [outcome.verdict.value for outcome in delivery.outcomes]


@pytest.mark.parametrize(
    ("served", "asked", "endpoint"),
    [
        ([V1, AI_BATCH, BATCH], [V1], Endpoint.V1),
        ([AI_BATCH, BATCH], [V1, AI_BATCH], Endpoint.AI_BATCH),
        ([BATCH], [V1, AI_BATCH, BATCH], Endpoint.BATCH),
    ],
)
def test_auto_takes_the_first_route_that_is_served_and_asks_once(
    serve: Serve, bench: Make, served: list[str], asked: list[str], endpoint: Endpoint
) -> None:
    server = serve(only(*served))
    b = bench(Endpoint.AUTO)
    first = b.deliver(a_chunk(2, host=server.url))
    second = b.deliver(a_chunk(2, host=server.url, start=3))
    assert verdicts(first) == verdicts(second) == ["accepted"] * 2
    assert server.paths == [*asked, asked[-1]]
    assert first.endpoint is second.endpoint is endpoint
    assert (first.requests, first.retries, b.slept) == (len(asked), 0, [])


@pytest.mark.parametrize("status", [404, 405])
def test_each_route_gets_the_events_in_its_own_form(serve: Serve, bench: Make, status: int) -> None:
    server = serve(lambda seen: take_all(seen) if seen.path == BATCH else Reply(status))
    bench(Endpoint.AUTO).deliver(a_chunk(2, host=server.url))
    v1, ai_batch, batch = server.seen
    assert "options" in v1.envelope["batch"][0]
    assert "$lib" not in v1.envelope["batch"][0]["properties"]
    assert ai_batch.raw == batch.raw
    assert batch.envelope["batch"][0]["properties"]["$lib"] == "posthog-llm-cli"
    assert v1.uuids == batch.uuids


def test_the_route_is_decided_once_per_host_under_concurrency(serve: Serve, bench: Make) -> None:
    one, two = serve(only(BATCH)), serve(only(AI_BATCH, BATCH))
    b = bench(Endpoint.AUTO)
    chunks = [a_chunk(3, host=host, start=10 * number) for number in range(1, 13) for host in (one.url, two.url)]
    with ThreadPoolExecutor(8) as pool:
        deliveries = list(pool.map(b.capture.deliver, chunks))
    assert all(verdicts(delivery) == ["accepted"] * 3 for delivery in deliveries)
    assert [one.paths.count(path) for path in (V1, AI_BATCH, BATCH)] == [1, 1, 12]
    assert [two.paths.count(path) for path in (V1, AI_BATCH, BATCH)] == [1, 12, 0]


@pytest.mark.parametrize("first", [Reply(503), Reply(429), Reply(fault=Fault.RESET), Reply(200)])
def test_passing_troubles_decide_nothing(serve: Serve, bench: Make, first: Reply) -> None:
    server = serve(in_turn(first, then=only(AI_BATCH)))
    delivery = bench(Endpoint.AUTO).deliver(a_chunk(1, host=server.url))
    assert verdicts(delivery) == ["accepted"]
    assert server.paths == [V1, V1, AI_BATCH]
    assert (delivery.requests, delivery.retries) == (3, 1)


def test_a_refused_key_decides_nothing(serve: Serve, bench: Make) -> None:
    server = serve(in_turn(Reply(401), then=only(BATCH)))
    b = bench(Endpoint.AUTO)
    b.deliver(a_chunk(1, host=server.url, key="phc_wrong_key_0123456789"))
    assert verdicts(b.deliver(a_chunk(1, host=server.url))) == ["accepted"]
    assert server.paths == [V1, V1, AI_BATCH, BATCH]


def test_what_is_ruled_out_stays_so_though_the_next_route_was_down(serve: Serve, bench: Make) -> None:
    server = serve(in_turn(Reply(404), Reply(503), Reply(503), then=take_all))
    b = bench(Endpoint.AUTO, max_retries=1)
    assert verdicts(b.deliver(a_chunk(1, host=server.url))) == ["unconfirmed"]
    assert verdicts(b.deliver(a_chunk(1, host=server.url, start=2))) == ["accepted"]
    assert server.paths == [V1, AI_BATCH, AI_BATCH, AI_BATCH]


@pytest.mark.parametrize("endpoint", [Endpoint.AUTO, Endpoint.V1, Endpoint.BATCH])
@pytest.mark.parametrize("status", [404, 405])
def test_a_404_on_a_route_that_worked_is_retried(serve: Serve, bench: Make, endpoint: Endpoint, status: int) -> None:
    server = serve(in_turn(take_all, Reply(status), Reply(status)))
    b = bench(endpoint)
    b.deliver(a_chunk(1, host=server.url))
    delivery = b.deliver(a_chunk(1, host=server.url, start=2))
    assert verdicts(delivery) == ["accepted"]
    assert len(set(server.paths)) == 1
    assert (delivery.requests, delivery.retries) == (3, 2)
    server.script = lambda _: Reply(status)
    last = b.deliver(a_chunk(1, host=server.url, start=3))
    assert verdicts(last) == ["unconfirmed"]
    assert isinstance(last.error, Retryable)


def test_a_host_without_any_route_stops(serve: Serve, bench: Make) -> None:
    server = serve(only())
    b = bench(Endpoint.AUTO)
    first = b.deliver(a_chunk(2, host=server.url))
    second = b.deliver(a_chunk(2, host=server.url, start=3))
    assert verdicts(first) == verdicts(second) == ["unconfirmed"] * 2
    assert isinstance(first.error, Unreachable)
    assert isinstance(second.error, Unreachable)
    assert first.error.hint
    assert server.paths == [V1, AI_BATCH, BATCH]
    assert second.requests == 0


@pytest.mark.parametrize("endpoint", [Endpoint.V1, Endpoint.AI_BATCH, Endpoint.BATCH])
def test_a_fixed_route_that_is_not_served_is_unconfirmed_at_once(serve: Serve, bench: Make, endpoint: Endpoint) -> None:
    server = serve(only())
    delivery = bench(endpoint).deliver(a_chunk(2, host=server.url))
    assert verdicts(delivery) == ["unconfirmed"] * 2
    assert isinstance(delivery.error, Unreachable)
    assert delivery.error.hint == "try --endpoint auto"
    assert len(server.seen) == 1


def test_one_stopped_host_does_not_stop_another(serve: Serve, bench: Make) -> None:
    dead, alive = serve(only()), serve()
    b = bench(Endpoint.AUTO)
    b.deliver(a_chunk(1, host=dead.url))
    assert verdicts(b.deliver(a_chunk(1, host=alive.url))) == ["accepted"]
    assert len(dead.seen) == 3


def test_an_event_too_large_for_the_route_that_is_left_is_rejected_there(serve: Serve, bench: Make) -> None:
    server = serve(only(BATCH))
    large = b'{"a":"' + b"x" * 1_000_000 + b'"}'
    chunk = a_chunk([an_event(1, host=server.url), an_event(2, host=server.url, properties=large)])
    delivery = bench(Endpoint.AUTO).deliver(chunk)
    assert [outcome.code for outcome in delivery.outcomes] == [None, "event-too-large"]
    assert [len(seen.uuids) for seen in server.seen] == [2, 2, 1]


def test_a_404_in_the_middle_of_an_undecided_split_takes_the_rest_along(serve: Serve, bench: Make) -> None:
    server = serve(in_turn(Reply(413), Reply(404)))
    delivery = bench(Endpoint.AUTO).deliver(a_chunk(4, host=server.url))
    assert verdicts(delivery) == ["accepted"] * 4
    assert [(seen.path, len(seen.uuids)) for seen in server.seen] == [(V1, 4), (V1, 2), (AI_BATCH, 4)]
