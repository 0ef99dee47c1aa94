"""What the parts are timed on: generated lines, samples, and what becomes of them on the way."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import orjson

from benchmarks.generate import CORPORA, lines
from posthog_llm_cli import formats
from posthog_llm_cli.convert import convert
from posthog_llm_cli.model import (
    BuildOptions,
    Chunk,
    ConvertOptions,
    Destination,
    Event,
    LLMCall,
    LogLine,
    ParseContext,
    SourceRef,
)

CALLS = 500
SEED = 7
SAMPLES = Path(__file__).parent.parent.parent / "samples"
AT = datetime(2025, 12, 1, tzinfo=UTC)
DESTINATION = Destination("https://us.i.posthog.com", "phc_benchmark_no_real_project_key")
OPTIONS = ConvertOptions(ParseContext(AT, UTC), BuildOptions(DESTINATION, DESTINATION.host, AT))
REF = SourceRef("calls.jsonl", 1, 0)

ITEMS = "items"
"""Under which a benchmark keeps how many lines, records or events one round of it takes."""

T = TypeVar("T")


def timed(benchmark: Any, step: Callable[[], T], items: int) -> T:
    """Time a step that takes so many items; return what it returns."""
    benchmark.extra_info[ITEMS] = items
    found: T = benchmark(step)
    return found


@lru_cache
def log(corpus: str) -> tuple[bytes, ...]:
    """The first lines of a corpus, without their line breaks."""
    return tuple(line[:-1] for line in lines(CORPORA[corpus], CALLS, SEED))


@lru_cache
def calls(corpus: str) -> tuple[LLMCall, ...]:
    """What the lines of a corpus say."""
    return tuple(only(parsed, LLMCall) for parsed in map(parse, log(corpus)))


def parse(line: bytes) -> object:
    """Decode and parse one line."""
    return formats.parse(orjson.loads(line), OPTIONS.parse)[1]


@lru_cache
def events(corpus: str) -> tuple[Event, ...]:
    """The events of a corpus."""
    return tuple(only(convert(LogLine(REF, line), OPTIONS)[0].result, Event) for line in log(corpus))


def chunk(corpus: str) -> Chunk:
    """The events of a corpus as one chunk."""
    found = events(corpus)
    return Chunk(DESTINATION, True, found, sum(event.size for event in found))  # noqa: FBT003 - historical


def sample(name: str) -> Sequence[bytes]:
    """The lines of a format's sample."""
    return [line for line in (SAMPLES / f"{name}.jsonl").read_bytes().split(b"\n") if line.strip()]


def only(value: object, kind: type[T]) -> T:
    """Return a value of which the kind is known."""
    assert isinstance(value, kind), type(value)
    return value


def blocks(data: bytes, size: int) -> Iterable[bytes]:
    """Cut bytes into blocks, as they are read."""
    return (data[start : start + size] for start in range(0, len(data), size))
