"""From events to the bytes of a request: chunking, the route's encoding, compression."""

from typing import Any

import pytest

from benchmarks.parts.material import AT, CALLS, chunk, events, timed
from posthog_llm_cli.chunking import Bounds, Chunker, chunk_events
from posthog_llm_cli.model import Endpoint, Historical
from posthog_llm_cli.transport.routes import ROUTES, compress

ENDPOINTS = list(ROUTES)


def bench_chunking(benchmark: Any) -> None:
    found = events("litellm")

    def cut() -> int:
        chunker = Chunker(Bounds(100, 4 * 1024 * 1024), historical=Historical.AUTO, run_started_at=AT)
        return sum(len(part.events) for part in chunk_events(found, chunker))

    assert timed(benchmark, cut, CALLS) == CALLS


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def bench_encoding(benchmark: Any, endpoint: Endpoint) -> None:
    route, found = ROUTES[endpoint], events("litellm")
    assert len(timed(benchmark, lambda: [route.encode(event) for event in found], CALLS)) == CALLS


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def bench_compressing(benchmark: Any, endpoint: Endpoint) -> None:
    route, part = ROUTES[endpoint], chunk("litellm")
    parts = [route.encode(event) for event in part.events]
    body = timed(benchmark, lambda: compress(route, part, parts, AT), CALLS)
    assert 0 < sum(map(len, body)) < sum(map(len, parts))
