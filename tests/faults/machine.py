"""The state machine: any order of {log, rotate, run, kill, the server fails}, held against the model of `world.py`."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from posthog_llm_cli.mockserver import Faults, MockServer
from tests.faults.harness import Bench
from tests.faults.world import QUICK, World, happened

FAULTS = (
    "", "503:0.3:0.1s", "429:0.3:none", "500:1", "reset-before:0.3", "reset:0.3", "cut:0.3", "hang:0.2", "stall:0.2",
    "empty:0.3", "garbage:0.3", "html:0.3", "503-html:0.3:0s", "retry:0.3", "unmentioned:0.3", "drop:0.3", "400:0.3",
    "slow:0.5:0.1s", "503:0.1:0s,reset:0.1,reset-before:0.1,html:0.1,cut:0.1,garbage:0.1,retry:0.1,slow:0.3:0.1s",
)  # fmt: skip


TOTALS: Counter[str] = Counter()
"""What happened in all machines of this process together."""


class LogsAndRuns(RuleBasedStateMachine):
    """A log that grows and rotates, and runs over it."""

    @initialize(seed=st.integers(0, 2**32), calls=st.integers(1, 30))
    def begin(self, seed: int, calls: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="plh-machine-"))
        self.server = MockServer(seed=seed)
        self.server.start()
        self.world = World(Bench(self.folder, options=QUICK), self.server)
        self.world.append(calls)

    @rule(count=st.integers(1, 25))
    def append(self, count: int) -> None:
        self.world.append(count)

    @rule()
    def append_half(self) -> None:
        self.world.append_half()

    @rule(number=st.integers(0, 1000))
    def append_again(self, number: int) -> None:
        self.world.append_again(number)

    @rule()
    def rename(self) -> None:
        self.world.rename()

    @rule()
    def copytruncate(self) -> None:
        self.world.copytruncate()

    @precondition(lambda self: any(path.suffix != ".gz" for path in self.world.rotated))
    @rule()
    def compress(self) -> None:
        self.world.compress()

    @rule(faults=st.sampled_from(FAULTS))
    def server_fails(self, faults: str) -> None:
        self.server.order(Faults.parse(faults))

    @rule(piped=st.booleans())
    def run(self, piped: bool) -> None:
        self.world.run(piped=piped)

    @rule(requests=st.integers(0, 4), wait_ms=st.integers(0, 60))
    def kill(self, requests: int, wait_ms: int) -> None:
        event(f"killed by requests: {self.world.run_killed(requests=requests, wait_s=wait_ms / 1000)}")

    @rule(when=st.sampled_from(("before", "inside", "after")), nth=st.sampled_from((1, 1, 2, 4)))
    def kill_around_commit(self, when: str, nth: int) -> None:
        event(f"killed {when} a commit: {self.world.run_killed_around_commit(when, nth)}")

    @rule()
    def two_at_once(self) -> None:
        event(f"the second of two found the ledger held: {self.world.run_two()}")

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.settle_and_check()
            for name, times in happened(self.world).items():
                event(f"{name}: {'some' if times else 'none'}")
            TOTALS.update(happened(self.world))
            TOTALS["machines"] += 1
        finally:
            self.world.bench.stop_all()
            self.server.stop()
            shutil.rmtree(self.folder, ignore_errors=True)
