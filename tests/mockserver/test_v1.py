import gzip
import uuid
import zlib
from typing import Any

import httpx
import orjson
import pytest

from posthog_llm_cli.mockserver import MockServer
from tests import zstd
from tests.mockserver.posting import CLIENT, KEY, PATHS, envelope, event, post, post_body, v1_headers, verdicts


def _post(server: MockServer, headers: dict[str, str], body: bytes | None = None) -> httpx.Response:
    body = orjson.dumps(envelope("v1", event())) if body is None else body
    return CLIENT.post(server.url + PATHS["v1"], content=body, headers=headers)


def _tag(answer: httpx.Response) -> tuple[int, str]:
    document = answer.json()
    assert set(document) == {"error", "error_description", "error_uri"}
    return answer.status_code, document["error"]


def test_a_good_event_is_ok_and_stored_in_the_shape_of_all_routes(server: MockServer) -> None:
    sent = event(
        uuid="0190ABCD-0000-7000-8000-00000000000A",
        session_id="s-1",
        options={"disable_skew_correction": True, "process_person_profile": "false", "unknown": 7},
    )
    answer = post(server.url, "v1", sent)
    assert answer.json() == {"results": {"0190abcd-0000-7000-8000-00000000000a": {"result": "ok"}}}
    assert "retry-after" not in answer.headers
    [entry] = server.events
    assert entry["event"] == {
        "event": "$ai_generation",
        "uuid": "0190abcd-0000-7000-8000-00000000000a",
        "distinct_id": "user-7",
        "timestamp": "2025-05-01T10:00:00.123Z",
        "properties": sent["properties"]
        | {
            "$ignore_sent_at": True,
            "$process_person_profile": False,
            "$session_id": "s-1",
            "$lib": "posthog-llm-cli",
            "$lib_version": "0.1.0",
        },
    }
    assert entry["raw"] == sent
    assert (entry["route"], entry["attempt"], entry["historical_migration"]) == ("v1", 1, True)
    assert (entry["duplicate"], entry["notes"]) == (False, [])
    assert str(uuid.UUID(entry["request_id"])) == entry["request_id"]
    assert entry["api_key"] == "phc_…wxyz"


@pytest.mark.parametrize(
    ("authorization", "tag"),
    [
        (None, "missing_authorization"),
        (f"Basic {KEY}", "missing_authorization"),
        (KEY, "missing_authorization"),
        ("Bearer", "invalid_api_token"),
        ("Bearer phx_personal", "invalid_api_token"),
        ("Bearer phc_" + "a" * 61, "invalid_api_token"),
        ("Bearer phc_schl\u00fcssel".encode("latin-1").decode("latin-1"), "invalid_api_token"),
    ],
)
def test_a_key_that_no_project_can_have_is_401(server: MockServer, authorization: str | None, tag: str) -> None:
    headers: list[tuple[str, bytes]] = [
        (name, value.encode()) for name, value in v1_headers(authorization=None).items()
    ]
    if authorization is not None:
        headers.append(("authorization", authorization.encode("latin-1")))
    body = orjson.dumps(envelope("v1", event()))
    answer = CLIENT.post(
        server.url + PATHS["v1"],
        content=body,
        headers=[(name.encode(), value) for name, value in headers],
    )
    assert _tag(answer) == (401, tag)
    assert server.events == []


@pytest.mark.parametrize("key", ["phc_" + "a" * 60, "an-old-key", "  phc_abc"])
def test_a_key_of_64_characters_an_odd_one_and_one_in_white_space_pass(server: MockServer, key: str) -> None:
    assert _post(server, v1_headers(authorization=f"Bearer {key}")).status_code == 200


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"posthog_sdk_info": None}, (400, "missing_required_headers")),
        ({"posthog_attempt": None}, (400, "missing_required_headers")),
        ({"posthog_request_id": None}, (400, "missing_required_headers")),
        ({"posthog_request_timestamp": None}, (400, "missing_required_headers")),
        ({"posthog_sdk_info": "nameless"}, (400, "invalid_header_value")),
        ({"posthog_attempt": "0"}, (400, "invalid_header_value")),
        ({"posthog_attempt": "two"}, (400, "invalid_header_value")),
        ({"posthog_request_id": "seven"}, (400, "invalid_header_value")),
        ({"posthog_request_timestamp": "yesterday"}, (400, "invalid_header_value")),
        ({"content_type": None}, (415, "unsupported_content_type")),
        ({"content_type": "text/plain"}, (415, "unsupported_content_type")),
        ({"content_encoding": "br"}, (415, "unsupported_encoding")),
        ({"content_encoding": "gzip"}, (400, "request_decoding_error")),
        ({"content_encoding": "deflate"}, (400, "request_decoding_error")),
        ({"content_encoding": "zstd"}, (400, "request_decoding_error")),
    ],
)
def test_headers_are_required_and_read(
    server: MockServer, changed: dict[str, str | None], expected: tuple[int, str]
) -> None:
    assert _tag(_post(server, v1_headers(**changed))) == expected
    assert server.events == []


def test_a_content_type_may_name_a_charset(server: MockServer) -> None:
    assert _post(server, v1_headers(content_type="application/json; charset=utf-8")).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_encodings_go_by_the_header(server: MockServer, encoding: str) -> None:
    body = orjson.dumps(envelope("v1", event()))
    packed = {
        "gzip": gzip.compress(body),
        "deflate": zlib.compress(body),
        "zstd": zstd.compress(body),
    }[encoding]
    assert _post(server, v1_headers(content_encoding=encoding), packed).status_code == 200
    assert _tag(_post(server, v1_headers(), packed)) == (400, "request_parsing_error")
    assert _tag(_post(server, v1_headers(content_encoding=encoding), packed[:-9])) == (400, "request_decoding_error")
    assert len(server.events) == 1


_TWICE = str(uuid.uuid4())


@pytest.mark.parametrize(
    ("body", "tag"),
    [
        (b"", "empty_body"),
        (b"[]", "request_parsing_error"),
        (envelope("v1"), "empty_batch"),
        (envelope("v1", batch=...), "request_parsing_error"),
        (envelope("v1", batch={}), "request_parsing_error"),
        (envelope("v1", 7), "request_parsing_error"),
        (envelope("v1", event(), created_at=...), "request_parsing_error"),
        (envelope("v1", event(), created_at="yesterday"), "invalid_batch"),
        (envelope("v1", event(), historical_migration="true"), "request_parsing_error"),
        (envelope("v1", event(), historical_migration=None), "request_parsing_error"),
        (envelope("v1", event(uuid=...)), "missing_event_uuid"),
        (envelope("v1", event(uuid="")), "missing_event_uuid"),
        (envelope("v1", event(uuid="x")), "invalid_event_uuid"),
        (envelope("v1", event(uuid=7)), "request_parsing_error"),
        (envelope("v1", event(uuid=_TWICE), event(uuid=_TWICE.upper())), "duplicate_event_uuid"),
        (envelope("v1", event(event=...)), "request_parsing_error"),
        (envelope("v1", event(event=None)), "request_parsing_error"),
        (envelope("v1", event(distinct_id=7)), "request_parsing_error"),
        (envelope("v1", event(timestamp=1746094000)), "request_parsing_error"),
        (envelope("v1", event(timestamp=...)), "request_parsing_error"),
        (envelope("v1", event(session_id=7)), "request_parsing_error"),
    ],
)
def test_one_fault_in_the_envelope_is_400_for_all(server: MockServer, body: Any, tag: str) -> None:
    if isinstance(body, dict) and body.get("batch") and isinstance(body["batch"], list):
        body["batch"].insert(0, event())
    answer = post_body(server.url, "v1", body if isinstance(body, bytes) else orjson.dumps(body))
    assert _tag(answer) == (400, tag)
    assert server.events == []


@pytest.mark.parametrize(
    ("changed", "details"),
    [
        ({"event": ""}, "missing_event_name"),
        ({"event": "$ai_" + "\u00e9" * 99}, "event_name_too_long"),
        ({"event": "$pageview"}, "not_an_ai_event"),
        ({"event": "$ai_something_new"}, "not_an_ai_event"),
        ({"distinct_id": "  "}, "missing_distinct_id"),
        ({"distinct_id": "\u00e9" * 101}, "distinct_id_too_large"),
        ({"timestamp": "2025-05-01T10:00:00"}, "invalid_event_timestamp"),
        ({"timestamp": "2025-05-01"}, "invalid_event_timestamp"),
        ({"timestamp": "2026-13-01T10:00:00Z"}, "invalid_event_timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "invalid_event_timestamp"),
        ({"properties": []}, "malformed_event_properties"),
        ({"properties": None}, "malformed_event_properties"),
        ({"options": []}, "invalid_options"),
        ({"options": {"process_person_profile": "perhaps"}}, "invalid_options"),
        ({"options": {"disable_skew_correction": 2}}, "invalid_options"),
        ({"options": {"product_tour_id": 7}}, "invalid_options"),
        ({"properties": {"$ai_input": "x" * (8 * 1024 * 1024)}}, "ai_event_too_big"),
    ],
)
def test_one_event_is_dropped_with_its_tag_and_its_neighbours_are_ok(
    server: MockServer, changed: dict[str, Any], details: str
) -> None:
    neighbours = event(), event()
    answer = post(server.url, "v1", neighbours[0], event(**changed), neighbours[1])
    assert verdicts(answer) == [("ok", None), ("drop", details), ("ok", None)]
    assert [entry["event"]["uuid"] for entry in server.events] == [neighbour["uuid"] for neighbour in neighbours]
    assert server.tally["verdicts"] == {"ok": 2, f"drop {details}": 1}


@pytest.mark.parametrize(
    "changed",
    [
        {"event": "$ai_embedding"},
        {"distinct_id": "\u00e9" * 100},
        {"distinct_id": "  user-7  "},
        {"timestamp": "2025-05-01T12:00:00.123456+02:00"},
        {"timestamp": "1999-01-01T00:00:00Z"},
        {"options": None, "session_id": None},
        {"options": {"process_person_profile": 0, "cookieless_mode": None}},
        {"properties": {}},
        {"uuid": "urn:uuid:" + str(uuid.uuid4())},
        {"uuid": "{" + str(uuid.uuid4()) + "}"},
        {"uuid": uuid.uuid4().hex},
    ],
)
def test_the_edges_of_what_is_taken_are_ok(server: MockServer, changed: dict[str, Any]) -> None:
    assert verdicts(post(server.url, "v1", event(**changed))) == [("ok", None)]
    [entry] = server.events
    assert str(uuid.UUID(entry["event"]["uuid"])) == entry["event"]["uuid"]
    assert entry["event"]["distinct_id"] == entry["event"]["distinct_id"].strip()


@pytest.mark.parametrize(
    "name", ["anonymous", " Undefined ", "[object Object]", "00000000-0000-0000-0000-000000000000"]
)
def test_an_id_that_is_no_person_draws_a_warning_and_is_stored(server: MockServer, name: str) -> None:
    assert verdicts(post(server.url, "v1", event(distinct_id=name))) == [("warning", "person_processing_disabled")]
    assert len(server.events) == 1


def test_without_the_option_the_listing_says_that_the_time_moves(server: MockServer) -> None:
    post(server.url, "v1", event(options={"disable_skew_correction": False}))
    assert "PostHog moves the timestamp" in server.events[0]["notes"][0]
