import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from posthog_llm_cli.mockserver import Faults, MockServer
from posthog_llm_cli.model import Endpoint
from tests.mockserver.posting import CLIENT, KEY, LEGACY, PATHS, envelope, event, post, v1_headers, verdicts

every_route = pytest.mark.parametrize("route", list(PATHS))


@contextmanager
def faulty(spec: str, seed: int = 0) -> Iterator[MockServer]:
    with MockServer(faults=Faults.parse(spec), seed=seed) as server:
        yield server


def raw_exchange(url: str, request: bytes) -> bytes:
    """Send bytes as they are; return all that comes until the server closes."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        pieces = list(iter(lambda: connection.recv(65536), b""))
    return b"".join(pieces)


# ------------------------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "INVENTED"])
@every_route
def test_another_method_is_405(server: MockServer, route: str, method: str) -> None:
    assert CLIENT.request(method, server.url + PATHS[route]).status_code == 405


@pytest.mark.parametrize("path", ["/nowhere", "/i/v1/ai/events/", "/i/v0/ai/batchx", "/events/", "/%00", "/batch//"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_another_path_is_404(server: MockServer, method: str, path: str) -> None:
    assert CLIENT.request(method, server.url + path).status_code == 404


def test_a_query_makes_no_difference(server: MockServer) -> None:
    answer = CLIENT.post(f"{server.url}/batch/?compression=gzip", json=envelope("batch", event()))
    assert answer.status_code == 200


def test_the_root_says_in_plain_text_what_is_served(server: MockServer) -> None:
    answer = CLIENT.get(server.url)
    assert answer.headers["content-type"].startswith("text/plain")
    assert all(
        path in answer.text for path in ("/i/v1/ai/events", "/i/v0/ai/batch/", "/batch/", "/events", "/requests")
    )
    assert answer.text.isascii()
    assert len(answer.text.splitlines()) < 24


def test_an_old_instance_serves_only_the_routes_it_knows() -> None:
    with MockServer(routes=frozenset({Endpoint.BATCH})) as server:
        assert [post(server.url, route, event()).status_code for route in PATHS] == [404, 404, 200]
        assert CLIENT.post(f"{server.url}/i/v0/ai/batch").status_code == 404


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /batch/ HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n{}",
        b"POST /batch/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /batch/ HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{}",
        b"POST /batch/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /batch/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: rot13\r\n\r\n{}",
        b"POST /batch/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"POST /batch/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n",
        b"POST /batch/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"POST /batch/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_body_whose_end_cannot_be_found_is_400_and_closes(server: MockServer, request_bytes: bytes) -> None:
    answer = raw_exchange(server.url, request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in answer


def test_a_body_that_is_far_too_long_is_413_unread(server: MockServer) -> None:
    answer = raw_exchange(server.url, b"POST /batch/ HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_goes_away_does_not_disturb_the_next(
    server: MockServer, capfd: pytest.CaptureFixture[str]
) -> None:
    parts = urlsplit(server.url)
    for _ in range(5):
        connection = socket.create_connection((parts.hostname or "", parts.port or 0))
        connection.sendall(b"POST /batch/ HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        connection.close()
    assert post(server.url, "batch", event()).status_code == 200
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------------------------------------------- what is listed


def test_events_are_listed_in_order_of_arrival_and_the_limit_takes_the_last(server: MockServer) -> None:
    sent = [event() for _ in range(5)]
    for route, one in zip([*PATHS, *LEGACY], sent, strict=True):
        assert post(server.url, route, one).status_code == 200
    listed = CLIENT.get(f"{server.url}/events").json()
    assert [entry["event"]["uuid"] for entry in listed] == [one["uuid"] for one in sent]
    assert listed == server.events
    assert CLIENT.get(f"{server.url}/events?limit=2").json() == listed[-2:]
    assert CLIENT.get(f"{server.url}/events?limit=0").json() == []
    assert CLIENT.get(f"{server.url}/events?limit=x").status_code == 400
    assert datetime.fromisoformat(listed[0]["received_at"]).tzinfo == UTC


def test_a_resend_is_marked_and_counted_whatever_the_route(server: MockServer) -> None:
    sent = event()
    for route in PATHS:
        post(server.url, route, sent)
    assert [entry["duplicate"] for entry in server.events] == [False, True, True]
    assert server.tally["duplicates"] == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"uuid": "0190abcd-0000-7000-8000-00000000000a"},
        {"distinct_id": "user-8"},
        {"event": "$ai_span"},
        {"timestamp": "2025-05-02T00:00:00Z"},
    ],
)
def test_an_event_that_differs_in_its_dedupe_key_is_another(server: MockServer, changed: dict[str, str]) -> None:
    sent = event()
    post(server.url, "v1", sent)
    post(server.url, "v1", sent | changed)
    assert [entry["duplicate"] for entry in server.events] == [False, False]


def test_the_same_utc_date_and_new_content_are_no_other_event_but_another_key_is(server: MockServer) -> None:
    sent = event(timestamp="2025-05-01T01:00:00Z")
    again = sent | {"timestamp": "2025-05-02T01:00:00+02:00", "properties": {"other": 1}}
    for body in (envelope("batch", sent), envelope("batch", again), envelope("batch", sent, api_key="phc_other")):
        assert CLIENT.post(f"{server.url}/batch/", json=body).status_code == 200
    assert [entry["duplicate"] for entry in server.events] == [False, True, False]


def test_requests_say_what_was_asked_and_never_the_key(server: MockServer) -> None:
    answer = post(server.url, "v1", event(), event(event="$pageview"))
    [seen] = server.requests
    assert (seen.route, seen.path, seen.status, seen.events, seen.stored) == (Endpoint.V1, PATHS["v1"], 200, 2, 1)
    assert seen.answer == answer.text
    assert seen.headers["content-encoding"] == "gzip"
    assert seen.sent_bytes == int(answer.request.headers["content-length"])
    assert seen.body_bytes == len(
        orjson.dumps(envelope("v1", event(), event(event="$pageview")))
    )  # as long as that one
    assert "authorization" not in seen.headers
    assert KEY not in repr(seen) + str(server.events) + str(server.tally) + str(seen.headers)
    tally = CLIENT.get(f"{server.url}/requests").json()
    assert tally == server.tally
    assert (tally["requests"], tally["events"]) == (1, 1)
    assert tally["by_route"] == {"v1": 1}
    assert tally["by_status"] == {"200": 1}


def test_the_same_bytes_have_the_same_digest(server: MockServer) -> None:
    body = envelope("batch", event())
    for sent in (body, body, envelope("batch", event())):
        CLIENT.post(f"{server.url}/batch/", json=sent)
    first, second, third = (seen.body_digest for seen in server.requests)
    assert first == second != third


def test_reset_forgets(server: MockServer) -> None:
    post(server.url, "batch", event())
    assert CLIENT.post(f"{server.url}/reset").status_code == 200
    assert server.events == []
    assert server.requests == ()
    assert server.tally["requests"] == 0


def test_many_clients_at_once_lose_nothing(server: MockServer) -> None:
    def send(_: int) -> list[str]:
        found = [event() for _ in range(3)]
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            for one in found:
                answer = client.post(PATHS["v1"], json=envelope("v1", one), headers=v1_headers())
                assert verdicts(answer) == [("ok", None)]
        return [one["uuid"] for one in found]

    with ThreadPoolExecutor(16) as pool:
        sent = [uuid for uuids in pool.map(send, range(32)) for uuid in uuids]
    assert sorted(entry["event"]["uuid"] for entry in server.events) == sorted(sent)


# ------------------------------------------------------------------------------------------------------------ faults


@every_route
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 413, 429, 500, 503, 599])
def test_a_status_on_order_is_answered_and_nothing_is_stored(route: str, status: int) -> None:
    with faulty(f"{status}:1") as server:
        answer = post(server.url, route, event())
        assert answer.status_code == status
        assert answer.headers.get("retry-after") == ("1" if route == "v1" and status in {429, 503} else None)
        if route == "v1":
            assert set(answer.json()) == {"error", "error_description", "error_uri"}
        assert server.events == []
        assert server.tally["faults"] == {str(status): 1}
        assert server.requests[0].faults == (str(status),)


def test_retry_after_is_what_was_ordered() -> None:
    with faulty("429:1:3s") as server:
        assert post(server.url, "v1", event()).headers["retry-after"] == "3"
        assert server.tally["faults"] == {"429": 1}


@pytest.mark.parametrize("route", ["v1", "batch"])
@pytest.mark.parametrize(
    ("ordered", "says"),
    [
        ("503:1:none", None),
        ("503:1:huge", "99999999999999999"),
        ("400:1:negative", "-5"),
        ("429:1:junk", "when it is well again"),
        ("429:1:0.5s", "0.5"),
    ],
)
def test_retry_after_may_be_anything(route: str, ordered: str, says: str | None) -> None:
    with faulty(ordered) as server:
        assert post(server.url, route, event()).headers.get("retry-after") == says


@pytest.mark.parametrize(("word", "least_s", "most_s"), [("date", 0, 3), ("past", -3601, -3599)])
def test_retry_after_may_be_a_date(word: str, least_s: float, most_s: float) -> None:
    begun = datetime.now(UTC)
    with faulty(f"503:1:{word}") as server:
        at = parsedate_to_datetime(post(server.url, "v1", event()).headers["retry-after"])
    assert begun + timedelta(seconds=least_s) <= at <= datetime.now(UTC) + timedelta(seconds=most_s)


@every_route
@pytest.mark.parametrize("status", [403, 503])
def test_a_status_may_come_as_a_web_page(route: str, status: int) -> None:
    with faulty(f"{status}-html:1") as server:
        answer = post(server.url, route, event())
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert b"<title>" in answer.content
        assert server.events == []
        assert server.tally["faults"] == {f"{status}-html": 1}


@every_route
def test_a_reset_before_stores_nothing(route: str) -> None:
    with faulty("reset-before:1") as server:
        with pytest.raises(httpx.ReadError):
            post(server.url, route, event())
        assert server.events == []
        assert server.tally["faults"] == {"reset-before": 1}
        assert server.tally["by_status"] == {"no answer": 1}


def read_for_half_a_second(url: str, route: str) -> None:
    body, headers = envelope(route, event()), v1_headers() if route == "v1" else {}
    with CLIENT.stream("POST", url + PATHS[route], json=body, headers=headers, timeout=0.5) as answer:
        assert answer.status_code == 200, "it began well"
        began = time.monotonic()
        for _ in answer.iter_bytes():
            if time.monotonic() - began > 0.5:  # drip: every read is in time, and there is always one more
                raise httpx.ReadTimeout("enough")


@every_route
@pytest.mark.parametrize(
    ("kind", "error"), [("cut", httpx.ReadError), ("stall", httpx.ReadTimeout), ("drip", httpx.ReadTimeout)]
)
def test_an_answer_that_never_gets_whole_was_stored_all_the_same(
    route: str, kind: str, error: type[httpx.HTTPError]
) -> None:
    with faulty(f"{kind}:1") as server:
        with pytest.raises((error, httpx.RemoteProtocolError)):
            read_for_half_a_second(server.url, route)
        assert len(server.events) == 1
        assert server.tally["faults"] == {kind: 1}
        assert server.tally["by_status"] == {"no answer": 1}


@every_route
def test_garbage_is_no_json_and_was_stored_all_the_same(route: str) -> None:
    with faulty("garbage:1") as server:
        answer = post(server.url, route, event())
        assert answer.status_code == 200
        with pytest.raises(ValueError, match="end of data"):
            orjson.loads(answer.content)
        assert len(server.events) == server.tally["faults"]["garbage"] == 1


def test_faults_can_be_ordered_while_it_runs() -> None:
    with faulty("503:1") as server:
        assert post(server.url, "batch", event()).status_code == 503
        server.order(Faults())
        assert post(server.url, "batch", event()).status_code == 200
        assert server.tally["faults"] == {"503": 1}


@every_route
def test_a_reset_is_a_real_reset_after_the_event_was_stored(route: str) -> None:
    with faulty("reset:1") as server:
        with pytest.raises(httpx.ReadError) as caught:
            post(server.url, route, event())
        causes = []
        cause: BaseException | None = caught.value
        while cause is not None:
            causes.append(type(cause))
            cause = cause.__cause__ or cause.__context__
        assert ConnectionResetError in causes
        assert len(server.events) == 1
        assert server.tally["faults"] == {"reset": 1}
        assert server.tally["by_status"] == {"no answer": 1}


@every_route
def test_an_empty_200_was_stored_all_the_same(route: str) -> None:
    with faulty("empty:1") as server:
        answer = post(server.url, route, event())
        assert (answer.status_code, answer.content) == (200, b"")
        assert len(server.events) == server.tally["faults"]["empty"] == 1


@every_route
@pytest.mark.parametrize(("kind", "status"), [("html", 200), ("redirect", 302)])
def test_a_portal_and_a_redirect_store_nothing(route: str, kind: str, status: int) -> None:
    with faulty(f"{kind}:1") as server:
        answer = post(server.url, route, event())
        assert answer.status_code == status
        assert ("text/html" in answer.headers["content-type"]) == (kind == "html")
        assert ("location" in answer.headers) == (kind == "redirect")
        assert server.events == []
        assert server.tally["faults"] == {kind: 1}


@every_route
def test_a_hang_never_answers_and_the_server_still_stops(route: str) -> None:
    with faulty("hang:1") as server:
        with pytest.raises(httpx.ReadTimeout):
            CLIENT.post(server.url + PATHS[route], content=b"{}", timeout=0.3)
        assert server.tally["faults"] == {"hang": 1}
        parts = urlsplit(server.url)
        waiting = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)
        waiting.sendall(b"POST /batch/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        while server.tally["faults"]["hang"] < 2:
            time.sleep(0.01)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    with waiting:
        assert waiting.recv(100) == b""


def test_slow_delays_the_answer_and_goes_with_another_fault() -> None:
    with faulty("slow:1:0.3s,503:1") as server:
        began = time.monotonic()
        assert post(server.url, "batch", event()).status_code == 503
        assert time.monotonic() - began >= 0.3
        assert server.tally["faults"] == {"503": 1, "slow": 1}


@pytest.mark.parametrize(
    ("spec", "verdict", "stored"),
    [
        ("retry:1", [("retry", "not_persisted")] * 3, 0),
        ("drop:1", [("drop", "rejected")] * 3, 0),
        ("drop:1:llm_events_over_quota", [("drop", "llm_events_over_quota")] * 3, 0),
        ("unmentioned:1", [], 3),
    ],
)
def test_faults_of_single_events_on_v1(spec: str, verdict: list[tuple[str, str]], stored: int) -> None:
    with faulty(spec) as server:
        answer = post(server.url, "v1", event(), event(), event())
        assert verdicts(answer) == verdict
        assert answer.headers.get("retry-after") == ("1" if spec == "retry:1" else None)
        assert len(server.events) == stored
        assert list(server.tally["faults"].values()) == [3]
        for route in LEGACY:
            assert post(server.url, route, event()).status_code == 200
        assert list(server.tally["faults"].values()) == [3]


def test_faults_of_single_events_spare_their_neighbours() -> None:
    with faulty("retry:0.5", seed=3) as server:
        answer = post(server.url, "v1", *(event() for _ in range(100)))
        results = [result for result, _ in verdicts(answer)]
        assert 20 < results.count("retry") < 80
        assert results.count("ok") == len(server.events)
        assert server.tally["faults"] == {"retry": results.count("retry")}


def test_the_same_seed_gives_the_same_faults_over_http() -> None:
    def run(seed: int) -> list[int | None]:
        with faulty("429:0.2,503:0.2,reset:0.1,empty:0.1", seed) as server:
            for _ in range(40):
                try:
                    post(server.url, "batch", event())
                except httpx.ReadError:
                    continue
            fired = server.tally["faults"]
            assert sum(fired.values()) == sum(bool(seen.faults) for seen in server.requests) > 0
            return [seen.status for seen in server.requests]

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_other_requests_roll_no_dice() -> None:
    with faulty("503:1") as server:
        assert CLIENT.get(f"{server.url}/events").status_code == 200
        assert CLIENT.get(f"{server.url}/batch/").status_code == 405
        assert server.tally["faults"] == {"503": 0}
        assert post(server.url, "batch", event()).status_code == 503


# ------------------------------------------------------------------------------------------------------- start, stop


def test_stopping_answers_what_is_in_hand() -> None:
    with faulty("slow:1:30s") as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, server.url, "batch", event())
        while server.tally["faults"] == {"slow": 0}:
            time.sleep(0.01)
        server.stop()
        assert answer.result(timeout=5).status_code == 200


def test_stopping_does_not_wait_for_idle_connections() -> None:
    with httpx.Client(trust_env=False) as client:
        with MockServer() as server:
            client.get(server.url)
            began = time.monotonic()
        assert time.monotonic() - began < 4
    with pytest.raises(RuntimeError, match="not running"):
        assert server.url


def test_a_taken_port_is_an_os_error() -> None:
    with MockServer() as server:
        port = urlsplit(server.url).port or 0
        with pytest.raises(OSError, match="in use"):
            MockServer(port=port).start()


def test_ipv6_is_served() -> None:
    try:
        server = MockServer("::1")
        server.start()
    except OSError:
        pytest.skip("no IPv6 here")
    try:
        assert server.url.startswith("http://[::1]:")
        assert post(server.url, "batch", event()).status_code == 200
    finally:
        server.stop()
