import gzip
import json
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.model import Endpoint
from posthog_llm_cli.transport.routes import (
    MAX_AI_EVENT,
    MAX_BATCH_EVENT,
    ROUTES,
    Encoded,
    candidates,
    compress,
    encode_legacy,
    encode_v1,
    oversize_message,
    wire_time,
)
from tests.laws import examples
from tests.transport.making import KEY, NOW, a_chunk, an_event


def test_a_legacy_event_carries_what_the_routes_differ_in_inside_its_properties() -> None:
    event = json.loads(bytes(encode_legacy(an_event(7))))
    assert event == {
        "event": "$ai_generation",
        "uuid": "00000000-0000-0000-0000-000000000007",
        "distinct_id": "user-7",
        "timestamp": "2026-05-01T10:00:00.123000Z",
        "properties": {
            "$lib": "posthog-llm-cli",
            "$lib_version": "0.1.0",
            "$ignore_sent_at": True,
            "$ai_model": "gpt-4o",
            "$ai_input": [{"role": "user", "content": "Ahoy 7"}],
        },
    }


def test_a_v1_event_carries_it_beside_its_properties() -> None:
    event = json.loads(bytes(encode_v1(an_event(7))))
    assert list(event) == ["event", "uuid", "distinct_id", "timestamp", "options", "properties"]
    assert event["options"] == {"disable_skew_correction": True}
    assert event["properties"] == {"$ai_model": "gpt-4o", "$ai_input": [{"role": "user", "content": "Ahoy 7"}]}


@pytest.mark.parametrize("empty", [b"{}", b"{ }", b"{\n}"])
def test_empty_properties_stay_valid_json_on_both_kinds_of_route(empty: bytes) -> None:
    event = an_event(properties=empty)
    assert set(json.loads(bytes(encode_legacy(event)))["properties"]) == {"$lib", "$lib_version", "$ignore_sent_at"}
    assert json.loads(bytes(encode_v1(event)))["properties"] == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)
text = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.dictionaries(text, json_values, max_size=4), text)
@settings(max_examples=examples(100))
def test_joining_bytes_gives_the_json_that_encoding_would(properties: dict[str, object], distinct_id: str) -> None:
    event = an_event(properties=orjson.dumps(properties), distinct_id=distinct_id)
    members = json.loads(b"{" + event.legacy_properties + b"}")
    legacy, v1 = json.loads(bytes(encode_legacy(event))), json.loads(bytes(encode_v1(event)))
    assert legacy["properties"] == members | properties
    assert v1["properties"] == properties
    assert legacy["distinct_id"] == v1["distinct_id"] == distinct_id


@pytest.mark.parametrize(
    ("at", "sent"),
    [
        (datetime(2026, 5, 1, tzinfo=UTC), "2026-05-01T00:00:00.000000Z"),
        (datetime(2026, 5, 1, 1, 0, 0, 5, tzinfo=timezone(timedelta(hours=2))), "2026-04-30T23:00:00.000005Z"),
        (datetime(999, 1, 1, tzinfo=UTC), "0999-01-01T00:00:00.000000Z"),
    ],
)
def test_times_are_sent_in_utc_with_six_digits(at: datetime, sent: str) -> None:
    assert wire_time(at) == sent


@pytest.mark.parametrize("historical", [True, False])
def test_the_envelopes_are_those_of_the_specification(historical: bool) -> None:
    chunk = a_chunk(2, historical=historical)
    legacy = ROUTES[Endpoint.BATCH]
    v1 = ROUTES[Endpoint.V1]
    parts = [Encoded((b'{"a"', b":1}")), Encoded((b'{"b":2}',))]
    batch = [{"a": 1}, {"b": 2}]
    assert json.loads(gzip.decompress(b"".join(compress(legacy, chunk, parts, NOW)))) == {
        "api_key": KEY,
        "historical_migration": historical,
        "batch": batch,
    }
    assert json.loads(gzip.decompress(b"".join(compress(v1, chunk, parts, NOW)))) == {
        "created_at": "2026-11-23T10:00:00.000000Z",
        "historical_migration": historical,
        "batch": batch,
    }


def test_compression_stamps_no_time() -> None:
    body = b"".join(compress(ROUTES[Endpoint.BATCH], a_chunk(), [Encoded((b"{}",))], NOW))
    assert body[:3] == b"\x1f\x8b\x08"
    assert body[4:8] == b"\0\0\0\0"


def test_auto_tries_v1_then_ai_batch_then_batch() -> None:
    assert candidates(Endpoint.AUTO) == (Endpoint.V1, Endpoint.AI_BATCH, Endpoint.BATCH)
    assert candidates(Endpoint.BATCH) == (Endpoint.BATCH,)


def weigh(endpoint: Endpoint, properties: bytes) -> str | None:
    event = an_event(properties=properties)
    route = ROUTES[endpoint]
    return oversize_message(route, event, route.encode(event))


def padded(size: int, char: bytes = b"x") -> bytes:
    return b'{"a":"' + char * ((size - 8) // len(char)) + b'"}'


def test_v1_weighs_the_properties() -> None:
    assert weigh(Endpoint.V1, padded(MAX_AI_EVENT)) is None
    message = weigh(Endpoint.V1, padded(MAX_AI_EVENT + 1))
    assert message is not None
    assert "8388608" in message
    assert "8388609" in message


def test_ai_batch_weighs_the_whole_event() -> None:
    around = len(encode_legacy(an_event(properties=padded(100)))) - 100
    assert weigh(Endpoint.AI_BATCH, padded(MAX_AI_EVENT - around)) is None
    assert weigh(Endpoint.AI_BATCH, padded(MAX_AI_EVENT - around + 1)) is not None


def test_batch_weighs_the_event_and_names_the_route_that_would_take_it() -> None:
    around = len(encode_legacy(an_event(properties=padded(100)))) - 100
    assert weigh(Endpoint.BATCH, padded(MAX_BATCH_EVENT - around - 1)) is None
    message = weigh(Endpoint.BATCH, padded(MAX_BATCH_EVENT - around))
    assert message is not None
    assert str(MAX_BATCH_EVENT) in message
    assert "v1 and ai-batch" in message


def test_batch_names_no_other_route_for_an_event_that_none_would_take() -> None:
    message = weigh(Endpoint.BATCH, padded(MAX_AI_EVENT + 1000))
    assert message is not None
    assert "v1" not in message


def test_batch_weighs_the_brokers_message_in_which_quotes_count_twice() -> None:
    assert weigh(Endpoint.BATCH, padded(600_000)) is None
    message = weigh(Endpoint.BATCH, padded(600_000, b'\\"'))
    assert message is not None
    assert "encoded as a string" in message


@given(st.text(st.sampled_from('a"\\é漢\n\x7f\u2028'), min_size=1), st.integers(0, 2000))
@settings(max_examples=examples(50), deadline=None)
def test_the_brokers_message_is_weighed_as_json_would_encode_it(pattern: str, extra: int) -> None:
    properties = orjson.dumps({"a": pattern * (500_000 // len(pattern.encode())), "b": "x" * extra})
    encoded = encode_legacy(an_event(properties=properties))
    twice = len(json.dumps(bytes(encoded).decode(), ensure_ascii=False).encode())
    fits = len(encoded) < MAX_BATCH_EVENT and twice + 1000 < 1_000_000
    assert (weigh(Endpoint.BATCH, properties) is None) == fits
