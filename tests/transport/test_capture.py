"""One request and its answer, over real HTTP: what is sent, and what each status makes of the events."""

import json
import logging
import uuid
from collections.abc import Callable

import httpx
import pytest

from posthog_llm_cli.errors import DeliveryError, KeyRefused, Retryable, Unreachable
from posthog_llm_cli.model import Delivery, Endpoint
from posthog_llm_cli.transport import capture as capture_module
from posthog_llm_cli.transport.hosts import Halted
from tests.transport.conftest import Bench
from tests.transport.making import KEY, a_chunk, an_event
from tests.transport.server import AI_BATCH, BATCH, V1, Reply, Seen, Server, error, in_turn, results, take_all

Serve = Callable[..., Server]
Make = Callable[..., Bench]

PATHS = {Endpoint.V1: V1, Endpoint.AI_BATCH: AI_BATCH, Endpoint.BATCH: BATCH}


def verdicts(delivery: Delivery) -> list[str]:
    return [outcome.verdict.value for outcome in delivery.outcomes]


@pytest.mark.parametrize("endpoint", [Endpoint.V1, Endpoint.AI_BATCH, Endpoint.BATCH])
def test_a_healthy_server_accepts_a_chunk_in_one_request(serve: Serve, bench: Make, endpoint: Endpoint) -> None:
    server = serve()
    delivery = bench(endpoint).deliver(a_chunk(3, host=server.url))
    assert verdicts(delivery) == ["accepted"] * 3
    assert (delivery.requests, delivery.retries, delivery.endpoint, delivery.error) == (1, 0, endpoint, None)
    assert server.paths == [PATHS[endpoint]]


def test_a_v1_request_is_that_of_the_specification(serve: Serve, bench: Make) -> None:
    server = serve()
    bench(Endpoint.V1).deliver(a_chunk(2, host=server.url, historical=True))
    (seen,) = server.seen
    assert seen.method == "POST"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["content-encoding"] == "gzip"
    assert seen.headers["user-agent"].startswith("posthog-llm-cli/")
    assert seen.headers["posthog-sdk-info"].startswith("posthog-llm-cli/")
    assert seen.headers["posthog-attempt"] == "1"
    assert seen.headers["posthog-request-timestamp"] == "2026-11-23T10:00:00.000000Z"
    assert uuid.UUID(seen.headers["posthog-request-id"]).version == 4
    assert set(seen.envelope) == {"created_at", "historical_migration", "batch"}
    assert seen.envelope["historical_migration"] is True
    assert seen.envelope["batch"][0]["options"] == {"disable_skew_correction": True}
    assert KEY.encode() not in seen.text


@pytest.mark.parametrize("endpoint", [Endpoint.AI_BATCH, Endpoint.BATCH])
def test_a_legacy_request_is_that_of_the_specification(serve: Serve, bench: Make, endpoint: Endpoint) -> None:
    server = serve()
    bench(endpoint).deliver(a_chunk(2, host=server.url))
    (seen,) = server.seen
    assert "authorization" not in seen.headers
    assert not [name for name in seen.headers if name.startswith("posthog-")]
    assert seen.headers["content-encoding"] == "gzip"
    assert set(seen.envelope) == {"api_key", "historical_migration", "batch"}
    assert seen.envelope["api_key"] == KEY
    assert seen.envelope["historical_migration"] is False
    assert seen.envelope["batch"][0]["properties"]["$ignore_sent_at"] is True


def test_connections_are_kept_alive(serve: Serve, bench: Make) -> None:
    server = serve()
    capture = bench(Endpoint.V1)
    for number in range(1, 6):
        capture.deliver(a_chunk(1, host=server.url, start=number))
    assert len(server.seen) == 5
    assert len({seen.client_port for seen in server.seen}) == 1


@pytest.mark.parametrize("endpoint", [Endpoint.V1, Endpoint.AI_BATCH, Endpoint.BATCH])
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_passing_troubles_are_retried_with_the_same_bytes(
    serve: Serve, bench: Make, endpoint: Endpoint, status: int
) -> None:
    server = serve(in_turn(Reply(status), Reply(status)))
    b = bench(endpoint, max_retries=3)
    delivery = b.deliver(a_chunk(3, host=server.url))
    assert verdicts(delivery) == ["accepted"] * 3
    assert (delivery.requests, delivery.retries) == (3, 2)
    assert len({seen.raw for seen in server.seen}) == 1
    assert [notice.attempt for notice in b.notices] == [1, 2]
    assert all(str(status) in notice.reason and notice.max_retries == 3 for notice in b.notices)
    assert [notice.wait_s for notice in b.notices] == b.slept


def test_attempts_of_a_v1_request_count_up_under_one_id(serve: Serve, bench: Make) -> None:
    server = serve(in_turn(Reply(503), Reply(429), Reply(500)))
    bench(Endpoint.V1, max_retries=8).deliver(a_chunk(2, host=server.url))
    assert [seen.headers["posthog-attempt"] for seen in server.seen] == ["1", "2", "3", "4"]
    assert len({seen.headers["posthog-request-id"] for seen in server.seen}) == 1
    assert len({seen.envelope["created_at"] for seen in server.seen}) == 1


@pytest.mark.parametrize("max_retries", [0, 1, 5])
def test_spent_retries_leave_events_unconfirmed_after_exactly_one_request_more(
    serve: Serve, bench: Make, max_retries: int
) -> None:
    server = serve(lambda _: Reply(503))
    delivery = bench(Endpoint.V1, max_retries=max_retries).deliver(a_chunk(2, host=server.url))
    assert verdicts(delivery) == ["unconfirmed"] * 2
    assert len(server.seen) == delivery.requests == max_retries + 1
    assert delivery.retries == max_retries
    assert isinstance(delivery.error, Retryable)
    assert delivery.outcomes[0].message == f"{server.url} answered 503"
    assert delivery.endpoint is None


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("2.5", 2.5, 2.5),
        ("999999", 300, 300),
        ("Mon, 23 Nov 2026 10:01:40 GMT", 100, 100),
        ("Mon, 23 Nov 2020 10:00:00 GMT", 0.25, 0.5),
        ("-7", 0.25, 0.5),
        ("soon", 0.25, 0.5),
        ("0", 0.25, 0.5),
        (None, 0.25, 0.5),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_a_capped_minimum(
    serve: Serve, bench: Make, status: int, header: str | None, least: float, most: float
) -> None:
    server = serve(in_turn(Reply(status, headers={} if header is None else {"Retry-After": header})))
    b = bench(Endpoint.BATCH)
    delivery = b.deliver(a_chunk(1, host=server.url))
    assert len(server.seen) == 2
    assert verdicts(delivery) == ["accepted"]
    (wait,) = b.slept
    assert least <= wait <= most


def test_the_backoff_grows_and_is_jittered(serve: Serve, bench: Make) -> None:
    server = serve(lambda _: Reply(503))
    b = bench(Endpoint.BATCH, max_retries=10)
    b.deliver(a_chunk(1, host=server.url))
    assert len(server.seen) == 11
    for wait, full in zip(b.slept, [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True):
        assert full / 2 <= wait <= full
    assert len(set(b.slept)) == 10


@pytest.mark.parametrize("endpoint", [Endpoint.V1, Endpoint.AI_BATCH, Endpoint.BATCH])
@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_ends_its_destination_and_no_other(
    serve: Serve, bench: Make, endpoint: Endpoint, status: int
) -> None:
    other = "phc_another_key_0123456789abcdef"
    server = serve(lambda seen: Reply(status) if seen.key == KEY else take_all(seen))
    b = bench(endpoint)
    first = b.deliver(a_chunk(2, host=server.url))
    again = b.deliver(a_chunk(2, host=server.url, start=3))
    third = b.deliver(a_chunk(2, host=server.url, key=other))
    assert verdicts(first) == verdicts(again) == ["unconfirmed"] * 2
    assert verdicts(third) == ["accepted"] * 2
    assert [seen.key for seen in server.seen] == [KEY, other]
    assert (first.requests, again.requests) == (1, 0)
    for delivery in (first, again):
        assert isinstance(delivery.error, KeyRefused)
        assert delivery.error.status == status
        assert str(status) in delivery.error.message
        assert "phc_…6789" in delivery.error.message
        assert KEY not in repr(delivery)


@pytest.mark.parametrize("status", [409, 410, 418, 451])
def test_another_4xx_is_neither_retried_nor_blamed_on_the_events(serve: Serve, bench: Make, status: int) -> None:
    server = serve(lambda _: Reply(status))
    delivery = bench(Endpoint.BATCH).deliver(a_chunk(2, host=server.url))
    assert verdicts(delivery) == ["unconfirmed"] * 2
    assert len(server.seen) == 1
    assert type(delivery.error) is DeliveryError
    assert str(status) in delivery.error.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_stops_the_host(serve: Serve, bench: Make, status: int) -> None:
    elsewhere = serve()
    server = serve(lambda _: Reply(status, headers={"Location": f"{elsewhere.url}/batch/?token=secret"}))
    b = bench(Endpoint.BATCH)
    first = b.deliver(a_chunk(2, host=server.url))
    second = b.deliver(a_chunk(2, host=server.url, start=3))
    assert verdicts(first) == ["unconfirmed"] * 2
    assert isinstance(first.error, Unreachable)
    assert f"to {elsewhere.url}/batch/" in first.error.message
    assert "secret" not in first.error.message
    assert elsewhere.seen == []
    assert isinstance(second.error, Unreachable)
    assert (len(server.seen), second.requests) == (1, 0)


@pytest.mark.parametrize(
    "reply",
    [
        error(400, "missing_required_headers"),
        error(400, "invalid_header_value"),
        error(415, "unsupported_encoding"),
    ],
)
def test_header_errors_of_v1_stop_the_host_and_keep_the_events(serve: Serve, bench: Make, reply: Reply) -> None:
    server = serve(lambda _: reply)
    b = bench(Endpoint.V1)
    first = b.deliver(a_chunk(4, host=server.url))
    second = b.deliver(a_chunk(4, host=server.url, start=5))
    assert len(server.seen) == 1
    assert verdicts(first) == verdicts(second) == ["unconfirmed"] * 4
    assert isinstance(first.error, Unreachable)


@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_legacy_success_is_success(serve: Serve, bench: Make, status: int) -> None:
    server = serve(lambda _: Reply(status))
    assert verdicts(bench(Endpoint.BATCH).deliver(a_chunk(2, host=server.url))) == ["accepted"] * 2
    assert len(server.seen) == 1


@pytest.mark.parametrize("endpoint", [Endpoint.V1, Endpoint.BATCH])
def test_a_web_page_is_no_success(serve: Serve, bench: Make, endpoint: Endpoint) -> None:
    server = serve(lambda _: Reply(200, b"<html>Sign in</html>", content_type="text/html; charset=utf-8"))
    delivery = bench(endpoint, max_retries=2).deliver(a_chunk(2, host=server.url))
    assert verdicts(delivery) == ["unconfirmed"] * 2
    assert len(server.seen) == 3
    assert delivery.endpoint is None


@pytest.mark.parametrize("reply", [Reply(200), Reply(204), Reply(200, b'{"status":1}'), Reply(200, b'{"results":')])
def test_a_v1_success_without_results_is_retried_and_then_unconfirmed(serve: Serve, bench: Make, reply: Reply) -> None:
    server = serve(in_turn(reply))
    assert verdicts(bench(Endpoint.V1).deliver(a_chunk(2, host=server.url))) == ["accepted"] * 2
    assert len(server.seen) == 2
    server.script = lambda _: reply
    assert verdicts(bench(Endpoint.V1).deliver(a_chunk(2, host=server.url))) == ["unconfirmed"] * 2
    assert len(server.seen) == 5


# ------------------------------------------------------------------------------------------------- v1's word per event


def test_each_event_gets_its_own_verdict_in_the_chunks_order(serve: Serve, bench: Make) -> None:
    def script(seen: Seen) -> Reply:
        one, two, three, *_ = seen.uuids
        return results(
            {
                three: {"result": "warning", "details": "person_processing_disabled"},
                two: {"result": "drop", "details": "invalid_event_timestamp"},
                one: {"result": "ok"},
            }
        )

    server = serve(script)
    delivery = bench(Endpoint.V1).deliver(a_chunk(3, host=server.url))
    assert verdicts(delivery) == ["accepted", "rejected", "accepted"]
    assert [outcome.code for outcome in delivery.outcomes] == [None, "invalid-event-timestamp", None]
    assert [outcome.warning for outcome in delivery.outcomes] == [None, None, "person_processing_disabled"]
    assert (len(server.seen), delivery.error) == (1, None)


@pytest.mark.parametrize("unclear", [{"result": "retry", "details": "not_persisted"}, {"result": "queued"}, None, {}])
def test_only_events_without_a_verdict_are_sent_again_under_the_same_id(
    serve: Serve, bench: Make, unclear: dict[str, str] | None
) -> None:
    def first(seen: Seen) -> Reply:
        said = {uuid: {"result": "ok"} for uuid in seen.uuids[::2]}
        if unclear is not None:  # None: the answer does not mention them
            said |= dict.fromkeys(seen.uuids[1::2], unclear)
        reply = results(said)
        return Reply(body=reply.body, headers={"Retry-After": "4"})

    server = serve(in_turn(first))
    b = bench(Endpoint.V1)
    delivery = b.deliver(a_chunk(5, host=server.url))
    assert verdicts(delivery) == ["accepted"] * 5
    once, twice = server.seen
    assert twice.envelope["batch"] == once.envelope["batch"][1::2]
    assert twice.envelope["created_at"] == once.envelope["created_at"]
    assert twice.headers["posthog-request-id"] == once.headers["posthog-request-id"]
    assert twice.headers["posthog-attempt"] == "2"
    assert b.slept == [4.0]
    assert (delivery.requests, delivery.retries) == (2, 1)


def test_final_verdicts_stand_when_the_others_spend_their_retries(serve: Serve, bench: Make) -> None:
    def script(seen: Seen) -> Reply:
        poor = "00000000-0000-0000-0000-000000000002"
        return results({uuid: {"result": "retry" if uuid == poor else "ok"} for uuid in seen.uuids})

    server = serve(script)
    delivery = bench(Endpoint.V1, max_retries=3).deliver(a_chunk(3, host=server.url))
    assert verdicts(delivery) == ["accepted", "unconfirmed", "accepted"]
    assert [len(seen.uuids) for seen in server.seen] == [3, 1, 1, 1]
    assert delivery.endpoint is Endpoint.V1
    assert isinstance(delivery.error, Retryable)


@pytest.mark.parametrize("word", ["drop", "warning"])
def test_over_quota_leaves_its_events_unconfirmed_and_ends_the_destination(
    serve: Serve, bench: Make, word: str
) -> None:
    def script(seen: Seen) -> Reply:
        over = {"result": word, "details": "llm_events_over_quota"}
        return results({seen.uuids[0]: {"result": "ok"}, **dict.fromkeys(seen.uuids[1:], over)})

    server = serve(script)
    b = bench(Endpoint.V1)
    first = b.deliver(a_chunk(3, host=server.url))
    second = b.deliver(a_chunk(3, host=server.url, start=4))
    assert verdicts(first) == ["accepted", "unconfirmed", "unconfirmed"]
    assert verdicts(second) == ["unconfirmed"] * 3
    assert isinstance(first.error, KeyRefused)
    assert isinstance(second.error, KeyRefused)
    assert len(server.seen) == 1


def test_a_final_verdict_is_not_taken_back_by_a_later_answer(serve: Serve, bench: Make) -> None:
    chunk = a_chunk(2)
    one, two = (event.uuid for event in chunk.events)
    server = serve(
        in_turn(
            results({one: {"result": "ok"}}),
            results({one: {"result": "drop", "details": "rejected"}, two: {"result": "ok"}}),
        )
    )
    assert verdicts(bench(Endpoint.V1).deliver(a_chunk(2, host=server.url))) == ["accepted"] * 2
    assert [seen.uuids for seen in server.seen] == [[one, two], [two]]


def test_a_chunk_that_waits_to_retry_sends_nothing_more_once_its_key_is_refused(serve: Serve, bench: Make) -> None:
    server = serve(in_turn(Reply(503), Reply(401)))
    others: list[Delivery] = []

    def meanwhile(_: float) -> None:
        others.append(b.capture.deliver(a_chunk(1, host=server.url, start=2)))

    b = bench(Endpoint.V1, sleep=meanwhile)
    # The route is decided first: while it is not, the other chunk would wait for this one.
    b.capture._hosts.of(server.url).decide()
    delivery = b.deliver(a_chunk(1, host=server.url))
    assert isinstance(others[0].error, KeyRefused)
    assert isinstance(delivery.error, KeyRefused)
    assert len(server.seen) == 2


def test_an_endless_answer_is_not_held_in_memory(serve: Serve, bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "MAX_ANSWER", 1000)
    server = serve(in_turn(Reply(200, b"x" * 1001)))
    b = bench(Endpoint.BATCH)
    assert verdicts(b.deliver(a_chunk(1, host=server.url))) == ["accepted"]
    assert len(server.seen) == 2
    assert "more than 1000 bytes" in b.notices[0].reason


# ------------------------------------------------------------------------------------------------------ keys and logs


@pytest.mark.parametrize("key", ["phc_ключ", "phc_a\r\nX-Evil: 1", "phc_a b", "phc_\x00"])
@pytest.mark.parametrize("endpoint", [Endpoint.V1, Endpoint.BATCH])
def test_a_key_that_fits_no_header_is_refused_before_anything_is_sent(
    serve: Serve, bench: Make, endpoint: Endpoint, key: str
) -> None:
    server = serve()
    delivery = bench(endpoint).deliver(a_chunk(1, host=server.url, key=key))
    assert isinstance(delivery.error, KeyRefused)
    assert verdicts(delivery) == ["unconfirmed"]
    assert server.seen == []


@pytest.mark.parametrize("endpoint", [Endpoint.V1, Endpoint.BATCH])
@pytest.mark.parametrize("status", [400, 401, 410, 413, 503])
def test_no_key_and_no_content_shows_in_any_message_repr_or_log(
    serve: Serve, bench: Make, caplog: pytest.LogCaptureFixture, endpoint: Endpoint, status: int
) -> None:
    secret = "the quick brown fox told me a secret"
    properties = json.dumps({"$ai_input": [{"role": "user", "content": secret}]}).encode()
    body = f"key {KEY} has a bad event: `{secret}`".encode()
    server = serve(lambda _: Reply(status, body, content_type="text/plain"))
    caplog.set_level(logging.DEBUG)
    b = bench(endpoint)
    delivery = b.deliver(a_chunk([an_event(host=server.url, properties=properties)]))
    assert server.seen
    shown = " ".join(
        [
            repr(delivery),
            repr(b.notices),
            str(delivery.error),
            *(outcome.message for outcome in delivery.outcomes),
            caplog.text,
        ]
    )
    assert KEY not in shown
    assert secret not in shown
    assert str(status) in shown


def test_a_host_that_is_no_url_is_unreachable(bench: Make) -> None:
    delivery = bench().deliver(a_chunk(1, host="ftp://example.invalid"))
    assert isinstance(delivery.error, Unreachable)


def test_closing_closes_the_client(bench: Make) -> None:
    b = bench()
    client: httpx.Client = b.capture._client
    b.capture.close()
    assert client.is_closed
    assert verdicts(b.deliver(a_chunk(1))) == ["unconfirmed"]


def test_a_client_that_was_closed_meanwhile_leaves_events_unconfirmed(serve: Serve, bench: Make) -> None:
    server = serve()
    b = bench()
    b.capture._client.close()
    delivery = b.deliver(a_chunk(1, host=server.url))
    assert isinstance(delivery.error, Halted)
    assert server.seen == []


def test_a_bug_is_not_mistaken_for_a_failed_request(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    b = bench()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(b.capture._client, "stream", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        b.deliver(a_chunk(1))
