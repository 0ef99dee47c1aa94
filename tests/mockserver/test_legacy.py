import gzip
import zlib
from typing import Any

import orjson
import pytest

from posthog_llm_cli.mockserver import MockServer
from tests import zstd
from tests.mockserver.posting import CLIENT, KEY, LEGACY, PATHS, envelope, event, post, post_body

both = pytest.mark.parametrize("route", LEGACY)


@both
def test_good_events_are_200_and_stored(server: MockServer, route: str) -> None:
    sent = event(properties={"$ai_model": "gpt-4o", "$ignore_sent_at": True})
    answer = post(server.url, route, sent, event())
    assert (answer.status_code, answer.json()) == (200, {"status": "Ok"})
    first, second = server.events
    assert first["event"] == sent
    assert first["raw"] == sent
    assert (first["route"], first["api_key"], first["notes"]) == (route, "phc_…wxyz", [])
    assert "attempt" not in first
    assert first["historical_migration"] is second["historical_migration"] is True


def test_all_three_routes_store_the_same_event_alike(server: MockServer) -> None:
    common = event(properties={"$ai_model": "gpt-4o", "$geoip_disable": True})
    legacy = {
        "$ignore_sent_at": True,
        "$process_person_profile": False,
        "$session_id": "s",
        "$lib": "posthog-llm-cli",
        "$lib_version": "0.1.0",
    }
    options = {"disable_skew_correction": True, "process_person_profile": False}
    post(server.url, "v1", common | {"options": options, "session_id": "s"})
    for route in LEGACY:
        post(server.url, route, common | {"properties": common["properties"] | legacy})
    v1, ai_batch, batch = (entry["event"] for entry in server.events)
    assert v1 == ai_batch == batch


@both
def test_the_body_is_gzip_by_its_first_bytes_and_by_no_header(server: MockServer, route: str) -> None:
    body = orjson.dumps(envelope(route, event()))

    def status(sent: bytes, encoding: str) -> int:
        url, headers = server.url + PATHS[route], {"content-encoding": encoding} if encoding else {}
        return CLIENT.post(url, content=sent, headers=headers).status_code

    assert status(gzip.compress(body), "") == 200
    assert status(gzip.compress(body), "gzip") == 200
    assert status(body, "gzip") == 200
    assert status(zlib.compress(body), "deflate") == 400
    assert status(zstd.compress(body), "zstd") == 400
    assert status(gzip.compress(body)[:-12], "gzip") == 400


@both
@pytest.mark.parametrize(
    "changed",
    [
        {"api_key": ...},
        {"api_key": ""},
        {"api_key": "  "},
        {"api_key": "phx_personal"},
        {"api_key": "phc_" + "a" * 61},
        {"api_key": "phc_schl\u00fcssel"},
        {"api_key": "phc_a\0b"},
    ],
)
def test_a_key_that_no_project_can_have_is_401(server: MockServer, route: str, changed: dict[str, Any]) -> None:
    assert post(server.url, route, event(), **changed).status_code == 401
    assert server.events == []


@both
def test_the_key_may_be_named_token_or_stand_in_every_event(server: MockServer, route: str) -> None:
    assert post(server.url, route, event(), api_key=..., token=KEY).status_code == 200
    inner = event(properties={"token": KEY}), event(api_key=KEY), event(token=KEY)
    assert post(server.url, route, *inner, api_key=...).status_code == 200
    assert post(server.url, route, *inner, event(token="phc_other"), api_key=...).status_code == 401
    assert {entry["api_key"] for entry in server.events} == {"phc_…wxyz"}


@both
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"7",
        envelope("batch", batch=[]),
        envelope("batch", batch=...),
        envelope("batch", batch="x"),
        envelope("batch", 7),
        envelope("batch", event(), api_key=7),
        envelope("batch", event(), historical_migration="true"),
        envelope("batch", event(), sent_at=1746094000),
        envelope("batch", event(event="")),
        envelope("batch", event(event=...)),
        envelope("batch", event(event=7)),
        envelope("batch", event(uuid="x")),
        envelope("batch", event(uuid=7)),
        envelope("batch", event(distinct_id=...)),
        envelope("batch", event(distinct_id=None)),
        envelope("batch", event(distinct_id=" ")),
        envelope("batch", event(timestamp=1746094000)),
        envelope("batch", event(offset="soon")),
        envelope("batch", event(properties=[])),
        envelope("batch", event(**{"$set": []})),
        envelope("batch", event(**{"$set_once": "x"})),
        envelope("batch", event(properties={"$cookieless_mode": "x"})),
    ],
)
def test_one_fault_is_400_for_all(server: MockServer, route: str, body: Any) -> None:
    if isinstance(body, dict) and body.get("batch") and isinstance(body["batch"], list):
        body = body | {"batch": [event(), *body["batch"]]}
    answer = post_body(server.url, route, body if isinstance(body, bytes) else orjson.dumps(body))
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert server.events == []


def test_a_name_that_is_no_ai_event_is_400_on_ai_batch_and_taken_on_batch(server: MockServer) -> None:
    for name in ("$pageview", "$ai_something_new"):
        assert post(server.url, "ai-batch", event(), event(event=name)).status_code == 400
        assert post(server.url, "batch", event(event=name)).status_code == 200
    assert server.tally["by_event"] == {"$pageview": 1, "$ai_something_new": 1}


@both
def test_what_posthog_mends_in_silence_is_stored_mended_with_a_note(server: MockServer, route: str) -> None:
    for sent in (
        event(distinct_id="x" * 201),
        event(distinct_id={"id": 7}),
        event(distinct_id=" a\0b "),
        event(timestamp="yesterday"),
        event(timestamp=...),
        event(uuid=""),
        event(properties=...),
    ):
        assert post(server.url, route, sent).status_code == 200
    found = server.events
    assert [entry["event"]["distinct_id"] for entry in found[:3]] == ["x" * 200, '{"id":7}', "a\ufffdb"]
    assert found[0]["notes"] == ["distinct id cut to 200 characters"]
    assert found[3]["notes"] == found[4]["notes"] == ["timestamp missing or not readable: PostHog takes now"]
    assert found[5]["notes"] == ["no uuid: PostHog makes a random one, so a resend is a second event"]
    assert found[6]["event"]["properties"] == {}


@both
@pytest.mark.parametrize(
    "timestamp",
    ["2025-05-01", "2025-05-01 10:00:00", "2025-05-01T10:00:00+03", "Thu, 01 May 2025 10:00:00 GMT", "1746094000",
     "1746094000123", "2025-05-01T10:00:00.123456Z"],
)  # fmt: skip
def test_many_spellings_of_a_time_are_read(server: MockServer, route: str, timestamp: str) -> None:
    assert post(server.url, route, event(timestamp=timestamp)).status_code == 200
    assert server.events[0]["notes"] == []


@both
def test_sent_at_moves_times_unless_the_event_opts_out(server: MockServer, route: str) -> None:
    opted_out = event(properties={"$ignore_sent_at": True})
    assert post(server.url, route, event(), opted_out, sent_at="2026-11-23T10:00:00Z").status_code == 200
    moved, kept = server.events
    assert "clock skew" in moved["notes"][0]
    assert kept["notes"] == []


def _of_size(size: int, **changed: Any) -> dict[str, Any]:
    """An event whose JSON has exactly `size` bytes."""
    empty = event(properties={"$ai_input": ""}, **changed)
    missing = size - len(orjson.dumps(empty))
    return empty | {"properties": {"$ai_input": "x" * missing}}


@pytest.mark.parametrize(("route", "ceiling"), [("batch", 983_040), ("ai-batch", 8 * 1024 * 1024)])
def test_an_ai_event_over_the_ceiling_is_413_for_all_and_nothing_is_stored(
    server: MockServer, route: str, ceiling: int
) -> None:
    guilty = _of_size(ceiling + 1)
    answer = post(server.url, route, event(), guilty)
    assert answer.status_code == 413
    assert guilty["uuid"] in answer.text
    assert server.events == []
    assert post(server.url, route, event(), _of_size(ceiling)).status_code == 200
    assert len(server.events) == 2


def test_a_message_over_the_brokers_limit_is_413_with_its_predecessors_stored(server: MockServer) -> None:
    quotes = event(properties={"$ai_input": '"' * 400_000})  # 800 kB of JSON, 1.6 MB encoded once more
    before, after = event(), event()
    assert post(server.url, "batch", before, quotes, after).status_code == 413
    assert [entry["event"]["uuid"] for entry in server.events] == [before["uuid"]]
    assert post(server.url, "ai-batch", quotes).status_code == 200


def test_an_ordinary_event_has_the_brokers_limit_alone(server: MockServer) -> None:
    assert post(server.url, "batch", _of_size(990_000, event="$pageview")).status_code == 200
    assert post(server.url, "batch", _of_size(1_000_000, event="$pageview")).status_code == 413


@both
def test_batch_answers_with_and_without_its_final_slash_and_ai_batch_redirects(server: MockServer, route: str) -> None:
    bare = server.url + PATHS[route].rstrip("/")
    answer = CLIENT.post(bare, json=envelope(route, event()))
    assert answer.status_code == {"batch": 200, "ai-batch": 308}[route]
    if route == "ai-batch":
        assert answer.headers["location"] == PATHS[route]
        assert server.events == []
