"""`make soak`: the storm over 2,000 calls, then the state machine over many seeds. `SEED=` repeats, `SEEDS=` says how many.

make soak                       # a new seed, which is printed
make soak SEED=1234 SEEDS=1     # that one again
"""

import os
import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine import TOTALS, LogsAndRuns
from tests.faults.storm import weather

LONG = settings(
    max_examples=2, stateful_step_count=14, database=None, deadline=None, phases=(Phase.generate,), print_blob=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def main() -> None:
    """Print each seed before it is tried, so that whatever happens can be repeated."""
    first = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    seeds = int(os.environ.get("SEEDS") or 100)
    calls = int(os.environ.get("CALLS") or 2000)
    say(f"seed {first}: {calls:,} calls over two keys, a kill every few seconds (SEED={first} repeats this)")
    with TemporaryDirectory() as folder:
        say(str(weather(Path(folder), calls=calls, seed=first, kill_after_s=(1.0, 5.0))))
    for number in range(first, first + seeds):
        began_s = time.monotonic()
        before = TOTALS.copy()
        machine = seed(number)(type("LogsAndRuns", (LogsAndRuns,), {}))
        try:
            run_state_machine_as_test(machine, settings=LONG)
        except BaseException:
            say(f"seed {number} of the state machine failed: SEED={number} SEEDS=1 repeats it")
            raise
        happened = TOTALS - before
        say(f"seed {number}: {happened['runs']} runs, {happened['kills']} kills, {time.monotonic() - began_s:.0f} s")
    say(f"{seeds} seeds of the state machine without a loss: {dict(TOTALS)}")


def say(line: str) -> None:
    """Print at once: a soak is watched."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
