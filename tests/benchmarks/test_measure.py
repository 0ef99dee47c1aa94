"""Real processes: what their children take counts for them."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.measure import run

WORK = "import time; sum(range(2_000_000)); print(time.process_time())"
HOLD = "import time; held = b'x' * 64 * 1024 * 1024; time.sleep(1)"


def in_a_child(program: str) -> list[str]:
    """A shell that starts two Pythons, one after the other, and waits for both."""
    return ["sh", "-c", f'"{sys.executable}" -c "$0"; "{sys.executable}" -c "$0"; exit 3', program]


def test_the_processor_time_of_children_counts_and_the_exit_code_is_the_command_s() -> None:
    found = run(in_a_child(WORK), os.environ)
    assert found.cpu_s >= sum(map(float, found.output.split())) > 0
    assert found.exit_code == 3


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is sampled from /proc")
def test_the_memory_of_children_counts() -> None:
    found = run(in_a_child(HOLD), os.environ)
    assert found.pss_bytes > 64 * 1024 * 1024
    assert found.rss_bytes >= found.pss_bytes
