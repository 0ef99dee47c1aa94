"""The sink counts what arrives: over real sockets, in its own process."""

import gzip
import uuid
from collections.abc import Callable, Iterator

import httpx
import orjson
import pytest

from benchmarks.sink import Sink, uuids_of


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink.start() as started:
        yield started


@pytest.fixture
def client(sink: Sink) -> Iterator[httpx.Client]:
    sink.reset()
    with httpx.Client(base_url=sink.url, trust_env=False) as opened:
        yield opened


def event(identity: str | None, **properties: object) -> dict[str, object]:
    return {
        "event": "$ai_generation",
        **({"uuid": identity} if identity else {}),
        "distinct_id": "d",
        "properties": properties,
    }


def body(*events: dict[str, object]) -> bytes:
    return orjson.dumps({"historical_migration": False, "batch": events})


def identities(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


@pytest.mark.parametrize("path", ["/i/v1/ai/events", "/i/v0/ai/batch/", "/batch/"])
@pytest.mark.parametrize("compress", [gzip.compress, bytes], ids=["gzip", "plain"])
def test_every_event_counts_once_and_a_repeat_counts_as_one(
    sink: Sink, client: httpx.Client, path: str, compress: Callable[[bytes], bytes]
) -> None:
    first, second = identities(3), identities(2)
    for sent in (first, [*second, first[0]]):
        answer = client.post(path, content=compress(body(*map(event, sent))))
        assert answer.status_code == 200
        if "v1" in path:
            assert answer.json()["results"] == {one: {"result": "ok"} for one in sent}
    arrived = sink.count()
    assert (arrived.requests, arrived.events, arrived.distinct) == (2, 6, 5)
    assert arrived.wire_bytes > arrived.body_bytes > 0
    assert arrived.event_bytes == len(body(*map(event, first))) + len(body(*map(event, [*second, first[0]])))


def test_an_event_without_a_uuid_is_one_of_its_own(sink: Sink, client: httpx.Client) -> None:
    client.post("/batch/", content=body(event(None), event(None), event(str(uuid.uuid4()))))
    assert sink.count().distinct == 3


def test_a_body_in_many_pieces_and_of_megabytes_arrives_whole(sink: Sink, client: httpx.Client) -> None:
    sent = identities(100)
    whole = body(*(event(one, text="word " * 20_000) for one in sent))
    pieces = [whole[start : start + 70_001] for start in range(0, len(whole), 70_001)]
    client.post("/i/v1/ai/events", content=iter(pieces), headers={"Content-Length": str(len(whole))})
    arrived = sink.count()
    assert (arrived.distinct, arrived.body_bytes) == (100, len(whole))


def test_curl_s_expectation_is_answered(sink: Sink, client: httpx.Client) -> None:
    content = body(event(str(uuid.uuid4())))
    assert client.post("/batch/", content=content, headers={"Expect": "100-continue"}).status_code == 200
    assert sink.count().distinct == 1


def test_a_reset_forgets(sink: Sink, client: httpx.Client) -> None:
    client.post("/batch/", content=body(event(None)))
    sink.reset()
    assert sink.count().requests == 0


def test_another_path_is_not_found_and_counts_for_nothing(sink: Sink, client: httpx.Client) -> None:
    assert client.post("/flags/", content=b"{}").status_code == 404
    assert sink.count().requests == 0


def test_what_looks_like_a_uuid_in_a_text_or_in_properties_is_none() -> None:
    real = str(uuid.uuid4())
    quoted = orjson.dumps(event(str(uuid.uuid4()))).decode()
    found = uuids_of(body(event(real, text=quoted, mark={"event": "x", "at": 1, "uuid": str(uuid.uuid4())})))
    assert found == [real.encode()]
