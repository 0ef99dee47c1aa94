"""Percentiles and distinct counts of any number of values in bounded memory.

Quantiles are those of KLL sketches (Karnin, Lang, Liberty: Optimal Quantile Approximation in Streams, 2016): exact up
to 1,024 values (nearest rank), beyond that a value whose rank is at most 0.3 % of all values off, with 99 % confidence;
27 KB each. Distinct counts are those of theta sketches (Dasgupta, Lang, Rhodes, Thaler: A Framework for Estimating
Stream Expression Cardinalities, 2015): exact up to 16,384 different values, then within 1.6 % with 95 % confidence;
2 MB each. Both are the same in every run over the same values in the same order.

They are written here because the library that has them (datasketches) has no wheels for a new Python for a year and
longer: without a C++ compiler plh could not be installed there.
"""

import math
from array import array
from collections.abc import Iterator
from hashlib import blake2b
from itertools import accumulate
from random import Random

from posthog_llm_cli.preview.figures import Distinct, Latency

EXACT_QUANTILES = 1024
EXACT_DISTINCT = 1 << 14
RANK_ERROR = 0.003

_SHRINK = 2 / 3
"""Each level below the heaviest one has so much of its room: what is kept there weighs half."""

_LEAST_ROOM = 64
"""Of a level: less would be sorted all the time."""

_HASHES = 1 << 64
_HASH_BYTES = 8
_MOST_KEPT = EXACT_DISTINCT * 5 // 4
_95_PERCENT = 2  # standard deviations


class Durations:
    """Quantiles of seconds.

    What comes lies on the lowest level, where each value stands for itself. A level that is full is sorted, and every
    other value goes one level up, where it stands for twice as many.
    """

    __slots__ = ("_chance", "_fresh", "_levels", "_max_s", "_room")

    def __init__(self) -> None:
        self._chance = Random(0)  # noqa: S311 - which of two neighbours is kept
        self._fresh = array("d")
        self._levels = [self._fresh]
        self._room = EXACT_QUANTILES
        self._max_s = -math.inf

    def add(self, duration_s: float) -> None:
        """Take one duration."""
        self._fresh.append(duration_s)
        if len(self._fresh) > self._room:
            self._compact()

    @property
    def latency(self) -> Latency:
        """What was taken so far."""
        weighted = sorted((value, 1 << height) for height, level in enumerate(self._levels) for value in level)
        calls = sum(weight for _, weight in weighted)
        if not calls:
            return Latency(0, None, None, None)
        p50_s, p95_s = (_at(weighted, math.ceil(share * calls)) for share in (0.5, 0.95))
        return Latency(calls, p50_s, p95_s, max(self._max_s, weighted[-1][0]))

    def _compact(self) -> None:
        self._max_s = max(self._max_s, *self._fresh)
        for height, room in enumerate(self._rooms()):
            level = self._levels[height]
            if len(level) <= room:
                break
            if height + 1 == len(self._levels):
                self._levels.append(array("d"))
            odd = level.pop() if len(level) % 2 else None
            self._levels[height + 1].extend(sorted(level)[self._chance.getrandbits(1) :: 2])
            del level[:]
            if odd is not None:
                level.append(odd)
        self._room = next(self._rooms())

    def _rooms(self) -> Iterator[int]:
        """Yield how many values each level may hold, from the lowest one up."""
        for below in reversed(range(len(self._levels))):
            yield max(_LEAST_ROOM, math.ceil(EXACT_QUANTILES * _SHRINK**below))


def _at(weighted: list[tuple[float, int]], rank: int) -> float:
    """Return the first of the sorted values up to which at least `rank` are."""
    sums = accumulate(weight for _, weight in weighted)
    return next(value for (value, _), upto in zip(weighted, sums, strict=True) if upto >= rank)


class DistinctTexts:
    """How many different texts there are.

    Of the hashes those below a bound are kept, which is lowered when they become too many: how many there are below it
    tells how many there are in all.
    """

    __slots__ = ("_bound", "_calls", "_kept")

    def __init__(self) -> None:
        self._kept: set[int] = set()
        self._bound = _HASHES
        self._calls = 0

    def add(self, text: str) -> None:
        """Take one text, which is not empty."""
        self._calls += 1
        digest = blake2b(text.encode(errors="replace"), digest_size=_HASH_BYTES).digest()
        found = int.from_bytes(digest, "big")
        if found < self._bound:
            self._kept.add(found)
            if len(self._kept) > _MOST_KEPT:
                *least, self._bound = sorted(self._kept)[: EXACT_DISTINCT + 1]
                self._kept = set(least)

    @property
    def distinct(self) -> Distinct:
        """What was taken so far."""
        number = len(self._kept)
        share = self._bound / _HASHES
        if share == 1:
            return Distinct(number, number, number, self._calls)
        about = number / share
        spread = _95_PERCENT * math.sqrt(number * (1 - share)) / share
        return Distinct(
            about=round(about),
            least=max(number, round(about - spread)),
            most=round(about + spread),
            calls=self._calls,
        )
