import gzip
import http.client
import time
import tracemalloc
import zlib
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.mockserver import MockServer
from posthog_llm_cli.mockserver.answers import Refusal
from posthog_llm_cli.mockserver.body import MAX_BODY_BYTES, MAX_SENT_BYTES, decompress, is_deeper_than
from tests import zstd
from tests.mockserver.posting import CLIENT, PATHS, envelope, event, post, post_body, v1_headers

every_route = pytest.mark.parametrize("route", list(PATHS))


@every_route
@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("NaN", lambda body: body.replace(b'"gpt-4o"', b"NaN")),
        ("Infinity", lambda body: body.replace(b'"gpt-4o"', b"-Infinity")),
        ("a number beyond a double", lambda body: body.replace(b'"gpt-4o"', b"1e999")),
        ("a byte order mark", lambda body: b"\xef\xbb\xbf" + body),
        ("invalid UTF-8", lambda body: body.replace(b"gpt-4o", b"gpt-\xff")),
        ("a lone surrogate", lambda body: body.replace(b"gpt-4o", b"\\ud800")),
        ("trailing text", lambda body: body + b"x"),
        ("a second document", lambda body: body + body),
        ("a trailing comma", lambda body: body[:-1] + b",}"),
        ("a cut", lambda body: body[:-1]),
        ("single quotes", lambda body: body.replace(b'"', b"'")),
    ],
)
def test_what_serde_does_not_read_is_400(server: MockServer, route: str, what: str, change: Any) -> None:
    body = orjson.dumps(envelope(route, event()))
    changed = change(body)
    assert changed != body
    assert post_body(server.url, route, changed).status_code == 400
    assert post_body(server.url, route, body).status_code == 200


@every_route
def test_127_levels_pass_and_one_more_does_not(server: MockServer, route: str) -> None:
    def with_levels(levels: int) -> bytes:
        own = 4  # the envelope, its batch, the event, its properties
        nested = b"[" * (levels - own) + b"]" * (levels - own)
        return orjson.dumps(envelope(route, event())).replace(b'"gpt-4o"', nested)

    assert post_body(server.url, route, with_levels(127)).status_code == 200
    assert post_body(server.url, route, with_levels(128)).status_code == 400
    assert post_body(server.url, route, with_levels(100_000)).status_code == 400


def _levels(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_levels, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_levels, value), default=0)
    return 0


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.sampled_from('[]{}"\\ aé\n')),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.sampled_from('[]{}"\\a')), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(_json)
def test_levels_are_counted_as_a_walk_would(value: object) -> None:
    body, levels = orjson.dumps(value), _levels(value)
    assert not is_deeper_than(body, levels)
    assert levels == 0 or is_deeper_than(body, levels - 1)


@every_route
def test_a_body_over_20_mib_as_sent_is_413_and_the_connection_goes_on(server: MockServer, route: str) -> None:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    headers = v1_headers() if route == "v1" else {}
    connection.request("POST", PATHS[route], body=b" " * (MAX_SENT_BYTES + 1), headers=headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 413
    connection.request("POST", PATHS[route], body=orjson.dumps(envelope(route, event())), headers=headers)
    assert connection.getresponse().status == 200
    connection.close()


@every_route
@pytest.mark.parametrize("sized", [True, False])
def test_a_decompression_bomb_is_413_before_it_unpacks(server: MockServer, route: str, sized: bool) -> None:
    packed = gzip.compress(b" " * (1024 * 1024), 9) if not sized else _bomb()
    headers = (v1_headers() if route == "v1" else {}) | {"content-encoding": "gzip"}
    began = time.monotonic()
    answer = CLIENT.post(server.url + PATHS[route], content=packed, headers=headers)
    assert answer.status_code == (413 if sized else 400)
    assert time.monotonic() - began < 10


_BOMB: list[bytes] = []


def _bomb() -> bytes:
    if not _BOMB:
        _BOMB.append(gzip.compress(bytes(MAX_BODY_BYTES + 1), 1))
    return _BOMB[0]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_no_encoding_unpacks_beyond_the_bound(encoding: str) -> None:
    size = 6 * MAX_BODY_BYTES
    if encoding == "zstd":
        packer = zstd.compressor(level=1)
        packed = (
            b"".join(packer.compress(bytes(MAX_SENT_BYTES)) for _ in range(size // MAX_SENT_BYTES)) + packer.flush()
        )
    else:
        packed = gzip.compress(bytes(MAX_BODY_BYTES + 1), 1)
        if encoding == "deflate":
            packed = zlib.compress(bytes(MAX_BODY_BYTES + 1), 1)
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as caught:
            decompress(packed, encoding)
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_BODY_BYTES
    finally:
        tracemalloc.stop()
    assert caught.value.status == 413


@every_route
def test_a_chunked_body_is_read(server: MockServer, route: str) -> None:
    body = orjson.dumps(envelope(route, event(), event()))
    pieces = (body[start : start + 100] for start in range(0, len(body), 100))
    headers = v1_headers() if route == "v1" else {}
    answer = CLIENT.post(server.url + PATHS[route], content=pieces, headers=headers)
    assert answer.status_code == 200
    assert len(server.events) == 2


_scalars = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
_any_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
_events = st.fixed_dictionaries(
    {},
    optional={
        name: _any_json | st.sampled_from([good])
        for name, good in {
            **event(),
            "options": {},
            "session_id": "s",
            "$set": {},
            "offset": 7,
            "token": "phc_a",
        }.items()
    },
)
_envelopes = st.fixed_dictionaries(
    {"batch": st.lists(_events | _any_json, max_size=3) | _any_json},
    optional={
        "api_key": _any_json | st.just("phc_abc"),
        "created_at": _any_json | st.just("2026-11-23T10:00:00Z"),
        "historical_migration": _any_json,
        "sent_at": _any_json,
    },
).map(orjson.dumps)


@every_route
@given(body=st.binary(max_size=200) | _any_json.map(orjson.dumps) | _envelopes, compress=st.booleans())
def test_whatever_is_posted_is_answered_and_never_with_5xx(
    shared: MockServer, route: str, body: bytes, compress: bool
) -> None:
    stored = shared.tally["events"]
    answer = post_body(shared.url, route, body, compress=compress)
    assert answer.status_code in {200, 400, 401, 413}
    if answer.status_code != 200:
        assert shared.tally["events"] == stored
    CLIENT.get(f"{shared.url}/events?limit=1").raise_for_status()


def test_a_connection_serves_many_requests(server: MockServer) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        for _ in range(5):
            client.post("/batch/", json=envelope("batch", event()))
    assert post(server.url, "batch", event()).status_code == 200
    assert len(server.events) == 6
