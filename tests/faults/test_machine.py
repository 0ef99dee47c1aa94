"""Any order of logging, rotating, running, killing and failing ends with everything stored once; `make soak` goes on."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine import TOTALS, LogsAndRuns
from tests.faults.storm import weather

BRIEF = settings(
    max_examples=6, stateful_step_count=10, derandomize=True, database=None, deadline=None,
    phases=(Phase.generate,),  # what depends on the moment of a kill cannot be shrunk
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.timeout(400)
def test_any_order_of_logging_rotating_running_killing_and_failing_loses_and_doubles_nothing() -> None:
    TOTALS.clear()
    run_state_machine_as_test(LogsAndRuns, settings=BRIEF)
    assert TOTALS["machines"] >= 6
    assert TOTALS["kills"] > 0, "the faults fired"
    assert TOTALS["rotations"] > 0
    assert sum(TOTALS.values()) > 0


@pytest.mark.timeout(400)
def test_a_storm_of_faults_and_kills_ends_with_every_call_stored_under_its_own_key(tmp_path: Path) -> None:
    found = weather(tmp_path, calls=200, seed=3, kill_after_s=(0.1, 1.5))
    assert found.kills > 0, "the faults fired"
    assert set(found.faults) >= {"503", "429", "reset", "reset-before", "slow"}
    assert found.exits[0] == 1
