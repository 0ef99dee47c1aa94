"""Invented logs of realistic shape and size, the same for the same seed.

    python -m benchmarks.generate OUT.jsonl [--corpus litellm] [--calls N] [--seed N]

A line's size is drawn from a lognormal distribution with a median of 3.6 KB and 100 KB at its 99th percentile (no line
is over 0.8 MB); the text takes what the shape's own fields leave. `litellm-priced` draws likewise, and has some 10 KB
of LiteLLM's own on top.
"""

import argparse
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, islice
from pathlib import Path
from types import MappingProxyType

import orjson

from benchmarks import shapes
from benchmarks.prose import Book
from benchmarks.shapes import Draw, Record, Shape

MEDIAN_BYTES = 3_600
P99_BYTES = 100_000
LONGEST_BYTES = 800_000
"""Below what one event may have on the `batch` route, so that every route takes every call."""

_SIGMA = math.log(P99_BYTES / MEDIAN_BYTES) / 2.326348
"""2.326… standard deviations lie between a normal distribution's median and its 99th percentile."""

_SYSTEM_PROMPTS = 12
_SYSTEM_CHARACTERS = 400
_SHORTEST_TEXT = 40


@dataclass(frozen=True, slots=True)
class Corpus:
    """One kind of log: its shapes with their weights, how its writer encodes, and what a line has besides its text."""

    name: str
    shapes: Mapping[Shape, float]
    encode: Callable[[Record], bytes]
    own_bytes: int


def _as_python(record: Record) -> bytes:
    """As `json.dumps` does, and so LiteLLM: blanks after separators, \\u escapes beyond ASCII."""
    return json.dumps(record).encode()


CORPORA: Mapping[str, Corpus] = MappingProxyType(
    {
        corpus.name: corpus
        for corpus in (
            Corpus("litellm", {shapes.litellm: 1.0}, _as_python, 2_250),
            Corpus("litellm-priced", {shapes.litellm_priced: 1.0}, _as_python, 2_250),
            Corpus("openai", shapes.OPENAI, orjson.dumps, 500),
        )
    }
)


def records(corpus: Corpus, seed: int) -> Iterator[Record]:
    """Yield records without end, the same ones for the same seed."""
    kinds, weights = list(corpus.shapes), list(corpus.shapes.values())
    for draw in draws(corpus, seed):
        yield draw.chance.choices(kinds, weights)[0](draw)


def draws(corpus: Corpus, seed: int) -> Iterator[Draw]:
    """Yield what calls say, without end; a corpus decides how much."""
    chance = random.Random(f"{corpus.name} {seed}")
    book = _book(seed)
    prompts = [book.passage(chance, _SYSTEM_CHARACTERS) for _ in range(_SYSTEM_PROMPTS)]
    for index in count():
        yield _draw(chance, index, book, prompts, corpus.own_bytes)


@lru_cache(maxsize=1)
def _book(seed: int) -> Book:
    return Book(seed)


def _draw(chance: random.Random, index: int, book: Book, prompts: list[str], own_bytes: int) -> Draw:
    size = min(chance.lognormvariate(math.log(MEDIAN_BYTES), _SIGMA), LONGEST_BYTES)
    system = chance.choice(prompts)
    characters = max(_SHORTEST_TEXT, int(size) - own_bytes - len(system))
    answer = max(_SHORTEST_TEXT // 2, int(characters * chance.uniform(0.1, 0.5)))
    turns = chance.choice((1, 1, 1, 3, 5))
    turn = max(_SHORTEST_TEXT // 2, (characters - answer) // turns)
    said = tuple(book.passage(chance, turn) for _ in range(turns))
    return Draw(chance, index, system, said, book.passage(chance, answer))


def lines(corpus: Corpus, calls: int, seed: int) -> Iterator[bytes]:
    """Yield so many log lines, each with its line break."""
    for record in islice(records(corpus, seed), calls):
        yield corpus.encode(record) + b"\n"


def write(path: Path, corpus: Corpus, calls: int, seed: int) -> int:
    """Write the log to `path`; return its size in bytes."""
    with path.open("wb") as out:
        return sum(out.write(line) for line in lines(corpus, calls, seed))


def main() -> None:
    parser = argparse.ArgumentParser(description="write an invented log of LLM calls")
    parser.add_argument("out", type=Path)
    parser.add_argument("--corpus", choices=CORPORA, default="litellm")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    sizes: list[int] = []
    with given.out.open("wb") as out:
        sizes.extend(out.write(line) for line in lines(CORPORA[given.corpus], given.calls, given.seed))
    sizes.sort()
    print(
        f"{given.calls:,} calls, {sum(sizes):,} bytes: a line has {sum(sizes) / len(sizes):,.0f} on average,"
        f" {sizes[len(sizes) // 2]:,} at the median, {sizes[len(sizes) * 99 // 100]:,} at the 99th percentile"
    )


if __name__ == "__main__":
    main()
