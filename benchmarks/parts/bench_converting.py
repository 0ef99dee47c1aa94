"""From a line to its event: decoding, each format, the usual call, the builder, and all of it together."""

from itertools import islice
from typing import Any

import orjson
import pytest

from benchmarks import shapes
from benchmarks.generate import CORPORA, draws
from benchmarks.parts.material import CALLS, OPTIONS, REF, SEED, calls, log, sample, timed
from posthog_llm_cli import formats
from posthog_llm_cli.convert import convert
from posthog_llm_cli.decoding import decode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Event, LogLine
from posthog_llm_cli.payload import build_event

SAMPLED = [name for name in formats.FORMAT_NAMES if name not in {"dead-letter"}]


@pytest.mark.parametrize("corpus", CORPORA)
def bench_decoding(benchmark: Any, corpus: str) -> None:
    lines = log(corpus)
    assert len(timed(benchmark, lambda: [decode(line) for line in lines], CALLS)) == CALLS


@pytest.mark.parametrize("name", SAMPLED)
def bench_sample(benchmark: Any, name: str) -> None:
    values = [value for line in sample(name) for _, value in formats.expand(orjson.loads(line))]

    def parse_all() -> int:
        return sum(_parses(value) for value in values)

    assert timed(benchmark, parse_all, len(values)) > 0


def _parses(value: Any) -> bool:
    try:
        formats.parse(value, OPTIONS.parse)
    except RecordError:  # samples hold some that are refused on purpose
        return False
    return True


@pytest.mark.parametrize("shape", [shapes.litellm, *shapes.OPENAI], ids=lambda shape: shape.__name__)
def bench_parsing(benchmark: Any, shape: shapes.Shape) -> None:
    records = [shape(draw) for draw in islice(draws(CORPORA["openai"], SEED), CALLS)]
    found = timed(benchmark, lambda: [formats.parse(record, OPTIONS.parse) for record in records], CALLS)
    assert len(found) == CALLS


@pytest.mark.parametrize("corpus", ["litellm", "litellm-priced"])
def bench_reading_usual(benchmark: Any, corpus: str) -> None:
    lines = log(corpus)
    found = timed(benchmark, lambda: [formats.usual_call(line, OPTIONS.parse) for line in lines], CALLS)
    assert all(found)


@pytest.mark.parametrize("corpus", CORPORA)
def bench_building(benchmark: Any, corpus: str) -> None:
    found = calls(corpus)
    built = timed(benchmark, lambda: [build_event(call, OPTIONS.build, REF) for call in found], CALLS)
    assert len(built) == CALLS


@pytest.mark.parametrize("corpus", CORPORA)
def bench_converting(benchmark: Any, corpus: str) -> None:
    lines = [LogLine(REF, line) for line in log(corpus)]
    found = timed(benchmark, lambda: [convert(line, OPTIONS) for line in lines], CALLS)
    assert all(isinstance(converted.result, Event) for (converted,) in found)
