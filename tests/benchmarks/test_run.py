"""One real run of plh against the sink, measured as `make bench` does it."""

from pathlib import Path

import pytest

from benchmarks.contestants import CONTESTANTS, PLH_8_50MS, PLH_MAIN, Place, measure
from benchmarks.generate import CORPORA, write
from benchmarks.run import rounds
from benchmarks.sink import Sink

BY_NAME = {one.name: one for one in CONTESTANTS}


@pytest.mark.parametrize("name", [PLH_MAIN, PLH_8_50MS])
def test_a_run_of_plh_arrives_whole_and_has_every_figure(tmp_path: Path, name: str) -> None:
    log = tmp_path / "calls.jsonl"
    size = write(log, CORPORA["litellm"], 30, seed=7)
    work = tmp_path / "work"
    work.mkdir()
    with Sink.start() as sink:
        found = measure(BY_NAME[name], Place(log, sink.url, work, Path("no-such-python")), sink, 30)
    assert found.problem is None
    assert (found.distinct, found.log_bytes, found.requests) == (30, size, 1)
    assert found.wire_bytes > 0
    assert found.seconds > 0
    assert found.cpu_s > 0


def test_every_contestant_has_its_turn_in_each_round_but_those_of_the_first_one() -> None:
    turns = [one.name for order in rounds(CONTESTANTS, 3) for one in order]
    assert all(turns.count(one.name) == (1 if one.once else 3) for one in CONTESTANTS)
    assert len(BY_NAME) == len(CONTESTANTS)
