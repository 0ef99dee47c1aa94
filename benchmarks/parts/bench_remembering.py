"""What was sent and what was seen: the ledger's settling and lookup, and the set of ids of a run."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.parts.material import AT, DESTINATION, ITEMS, timed
from posthog_llm_cli.ledger import Ledger, RunStart
from posthog_llm_cli.model import Settled, Settlement
from posthog_llm_cli.seen import MEMORY_ENTRIES, SeenIds

DELIVERY = 500
SETTLED = 100_000


def uuids(count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [chance.randbytes(16).hex() for _ in range(count)]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in which an earlier run has settled much."""
    path = tmp_path / "ledger.sqlite"
    with Ledger(path, RunStart("earlier", AT)) as earlier:
        earlier.begin()
        earlier.settle([Settled(DESTINATION, [(uuid, Settlement.ACCEPTED) for uuid in uuids(SETTLED, 1)])])
    with Ledger(path, RunStart("now", AT)) as opened:
        opened.begin()
        yield opened


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def bench_lookup(benchmark: Any, ledger: Ledger, known: bool) -> None:  # noqa: FBT001 - a parameter
    asked = uuids(DELIVERY, 1 if known else 2)
    found = timed(benchmark, lambda: [ledger.outcome_of(DESTINATION, uuid) for uuid in asked], DELIVERY)
    assert found == [Settlement.ACCEPTED if known else None] * DELIVERY


def bench_settling(benchmark: Any, ledger: Ledger) -> None:
    chance = random.Random(3)

    def fresh() -> tuple[tuple[list[tuple[str, Settlement]]], dict[str, Any]]:
        return ([(chance.randbytes(16).hex(), Settlement.ACCEPTED) for _ in range(DELIVERY)],), {}

    benchmark.extra_info[ITEMS] = DELIVERY
    benchmark.pedantic(lambda settled: ledger.settle([Settled(DESTINATION, settled)]), setup=fresh, rounds=40)
    assert ledger.is_settled(DESTINATION, uuids(1, 1)[0])


@pytest.mark.parametrize("before", [0, MEMORY_ENTRIES + 1], ids=["in memory", "in a file"])
def bench_seen(benchmark: Any, before: int) -> None:
    chance = random.Random(4)
    with SeenIds() as seen:
        for uuid in uuids(before, 5):
            seen.add(DESTINATION, uuid)

        def fresh() -> tuple[tuple[list[str]], dict[str, Any]]:
            return ([chance.randbytes(16).hex() for _ in range(DELIVERY)],), {}

        benchmark.extra_info[ITEMS] = DELIVERY
        benchmark.pedantic(lambda ids: [seen.add(DESTINATION, uuid) for uuid in ids], setup=fresh, rounds=40)
        assert not seen.add(DESTINATION, uuids(1, 5)[0]) or before == 0
