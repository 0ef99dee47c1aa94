"""400 and 413: the event at fault is found, its neighbours go through with the bytes they had."""

import json
import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.model import Chunk, Delivery, Endpoint, Verdict
from posthog_llm_cli.transport import Capture, new_client
from posthog_llm_cli.transport import capture as capture_module
from posthog_llm_cli.transport.routes import MAX_BATCH_EVENT, ROUTES
from tests.laws import examples
from tests.transport.conftest import Bench
from tests.transport.making import NOW, a_chunk, an_event
from tests.transport.server import Reply, Script, Seen, Server, error, serving, take_all

Serve = Callable[..., Server]
Make = Callable[..., Bench]

ENDPOINTS = [Endpoint.V1, Endpoint.AI_BATCH, Endpoint.BATCH]
CODES = {400: "server-refused", 413: "event-too-large"}


def refusing(guilty: set[str], status: int) -> Script:
    """Refuse every request that holds a guilty event, as capture does."""
    return lambda seen: error(status, "request_parsing_error", "no") if guilty & set(seen.uuids) else take_all(seen)


def codes(delivery: Delivery) -> list[str | None]:
    return [outcome.code for outcome in delivery.outcomes]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("status", [400, 413])
def test_one_guilty_event_is_isolated_by_halving(serve: Serve, bench: Make, endpoint: Endpoint, status: int) -> None:
    chunk = a_chunk(8)
    server = serve(refusing({chunk.events[5].uuid}, status))
    b = bench(endpoint)
    delivery = b.deliver(a_chunk(8, host=server.url))
    assert codes(delivery) == [None] * 5 + [CODES[status]] + [None] * 2
    assert [outcome.verdict for outcome in delivery.outcomes].count(Verdict.ACCEPTED) == 7
    assert [len(seen.uuids) for seen in server.seen] == [8, 4, 4, 2, 1, 1, 2]
    assert (delivery.requests, delivery.retries, delivery.error, b.slept) == (7, 0, None, [])
    assert delivery.endpoint is endpoint


def test_the_message_of_a_rejection_names_what_the_server_said(serve: Serve, bench: Make) -> None:
    server = serve(lambda _: error(400, "invalid_event_uuid", "a uuid was not readable"))
    delivery = bench(Endpoint.V1).deliver(a_chunk(1, host=server.url))
    assert delivery.outcomes[0].message == (f"{server.url} answered 400: invalid_event_uuid: a uuid was not readable")
    assert len(server.seen) == 1


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_halves_carry_the_events_bytes_unchanged_and_v1_gives_each_a_new_id(
    serve: Serve, bench: Make, endpoint: Endpoint
) -> None:
    chunk = a_chunk(4)
    server = serve(refusing({chunk.events[0].uuid}, 413))
    bench(endpoint).deliver(a_chunk(4, host=server.url))
    assert len(server.seen) == 5
    for event in a_chunk(4, host=server.url).events:
        encoded = bytes(ROUTES[endpoint].encode(event))
        carriers = [seen for seen in server.seen if event.uuid in seen.uuids]
        assert len(carriers) >= 2
        assert all(encoded in seen.text for seen in carriers)
    if endpoint is Endpoint.V1:
        assert len({seen.headers["posthog-request-id"] for seen in server.seen}) == 5
        assert {seen.headers["posthog-attempt"] for seen in server.seen} == {"1"}


@pytest.fixture(scope="module")
def shared() -> Any:
    """One server and one capture for many examples; each example has its own script."""
    with serving() as server:
        yield server


@given(
    guilty=st.sets(st.integers(0, 11)),
    size=st.integers(1, 12),
    endpoint=st.sampled_from(ENDPOINTS),
    status=st.sampled_from([400, 413]),
    seed=st.none() | st.integers(0, 99),
)
@settings(max_examples=examples(40), deadline=None)
def test_exactly_the_guilty_are_rejected_and_all_others_are_delivered(
    shared: Server, guilty: set[int], size: int, endpoint: Endpoint, status: int, seed: int | None
) -> None:
    chunk = a_chunk(size, host=shared.url)
    bad = {event.uuid for number, event in enumerate(chunk.events) if number in guilty}
    delivered, script = recording(refusing(bad, status), random.Random(seed) if seed is not None else None)
    shared.script = script
    capture = Capture(
        new_client(timeout_s=5),
        endpoint=endpoint,
        max_retries=50,
        run_clock=lambda: NOW,
        sleep=lambda _: None,
    )
    try:
        delivery = capture.deliver(chunk)
    finally:
        capture.close()
    assert codes(delivery) == [CODES[status] if event.uuid in bad else None for event in chunk.events]
    assert delivered == {
        event.uuid: [orjson.loads(bytes(ROUTES[endpoint].encode(event)))]
        for event in chunk.events
        if event.uuid not in bad
    }


def recording(script: Script, chance: random.Random | None) -> tuple[dict[str, list[Any]], Script]:
    """Note what a 200 took, by uuid; with `chance`, a third of the requests fail in passing."""
    delivered: dict[str, list[Any]] = {}

    def recorded(seen: Seen) -> Reply:
        if chance is not None and chance.random() < 1 / 3:
            return Reply(503)
        reply = script(seen)
        if reply.status == 200:
            for event in seen.envelope["batch"]:
                delivered.setdefault(event["uuid"], []).append(event)
        return reply

    return delivered, recorded


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_oversize_event_is_rejected_before_sending_and_its_neighbours_go(
    serve: Serve, bench: Make, endpoint: Endpoint
) -> None:
    server = serve()
    large = b'{"a":"' + b"x" * (9 * 1024 * 1024) + b'"}'
    chunk = a_chunk(
        [an_event(number, host=server.url, properties=large if number == 2 else None) for number in (1, 2, 3)]
    )
    delivery = bench(endpoint).deliver(chunk)
    assert codes(delivery) == [None, "event-too-large", None]
    assert [seen.uuids for seen in server.seen] == [[chunk.events[0].uuid, chunk.events[2].uuid]]


def test_a_chunk_of_oversize_events_alone_sends_nothing(serve: Serve, bench: Make) -> None:
    server = serve()
    large = b'{"a":"' + b"x" * MAX_BATCH_EVENT + b'"}'
    delivery = bench(Endpoint.BATCH).deliver(a_chunk([an_event(1, host=server.url, properties=large)]))
    assert codes(delivery) == ["event-too-large"]
    assert "the v1 and ai-batch routes take up to 8388608" in delivery.outcomes[0].message
    assert (server.seen, delivery.requests) == ([], 0)


@pytest.mark.parametrize("limit", ["max_body", "max_decompressed"])
def test_a_request_over_the_body_limit_is_halved_before_sending(
    serve: Serve, bench: Make, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    server = serve()
    noise = random.Random(1)
    events = [
        an_event(number, host=server.url, properties=json.dumps({"a": noise.randbytes(2000).hex()}).encode())
        for number in range(1, 9)
    ]
    small = {"max_body": 6000, "max_decompressed": 10_000}[limit]
    routes = dict(ROUTES)
    routes[Endpoint.V1] = replaced(Endpoint.V1, limit, small)
    monkeypatch.setattr(capture_module, "ROUTES", routes)
    delivery = bench(Endpoint.V1).deliver(a_chunk(events))
    assert codes(delivery) == [None] * 8
    assert [len(seen.uuids) for seen in server.seen] == [2, 2, 2, 2]
    assert all(len(seen.raw if limit == "max_body" else seen.text) <= small for seen in server.seen)


def replaced(endpoint: Endpoint, name: str, value: int) -> Any:
    from posthog_llm_cli.values import replace

    return replace(ROUTES[endpoint], **{name: value})


def test_a_host_that_dies_during_a_split_is_spared_the_other_halves(serve: Serve, bench: Make) -> None:
    def script(seen: Seen) -> Reply:
        return Reply(413) if len(seen.uuids) == 8 else Reply(503)

    server = serve(script)
    delivery = bench(Endpoint.BATCH, max_retries=2).deliver(a_chunk(8, host=server.url))
    assert [outcome.verdict for outcome in delivery.outcomes] == [Verdict.UNCONFIRMED] * 8
    assert [len(seen.uuids) for seen in server.seen] == [8, 4, 4, 4]


def test_a_rejection_keeps_content_out_of_its_message(serve: Serve, bench: Make) -> None:
    secret = "unquoted words of the prompt, long enough"
    chunk_of: Callable[[str], Chunk] = lambda host: a_chunk(  # noqa: E731
        [an_event(1, host=host, properties=json.dumps({"$ai_input": secret}).encode())]
    )
    server = serve(lambda _: error(400, "request_parsing_error", f"unknown variant `{secret}`"))
    delivery = bench(Endpoint.V1).deliver(chunk_of(server.url))
    assert delivery.outcomes[0].message == f"{server.url} answered 400"
    assert len(server.seen) == 1
