"""Many calls over two keys against a server that fails in every way, with a `kill -9` every few seconds."""

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from posthog_llm_cli.ledger import reading
from posthog_llm_cli.mockserver import Faults, MockServer
from tests.faults.harness import Bench, check_law, check_nothing_foreign, check_stored, stored
from tests.faults.world import LEDGER

FAULTS = (
    "503:0.05:0.2s,503-html:0.03:none,429:0.05:0.2s,500:0.02,502-html:0.02,reset-before:0.04,reset:0.05,cut:0.03,hang:0.02,"
    "stall:0.02,drip:0.01,html:0.03,empty:0.02,garbage:0.02,slow:0.3:0.2s,retry:0.03,unmentioned:0.03"
)
OPTIONS = ("--json", "--chunk-events", "5", "--timeout", "1", "--max-retries", "2", "--workers", "1")
MOST_RUNS = 400


@dataclass(slots=True)
class Weathered:
    """What happened until everything was settled."""

    seed: int
    calls: int
    kills: int = 0
    exits: Counter[int] = field(default_factory=Counter)
    reported: int = 0
    requests: int = 0
    copies: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def weather(
    folder: Path, *, calls: int, seed: int, kill_after_s: tuple[float, float], faults: str = FAULTS
) -> Weathered:
    """Run `plh` again and again, killing it `kill_after_s` after its first request, until a run says that all is done; then hold it to its word.

    Raises AssertionError where an event is missing, stands under a wrong key, or a report does not add up.
    """
    chance = random.Random(seed)
    bench = Bench(folder, options=OPTIONS)
    logged = bench.write("app.jsonl", count=calls)
    expected = bench.expected(logged, "app.jsonl")
    found = Weathered(seed, calls)
    told: dict[str, int] = {}
    began_s = time.monotonic()
    with MockServer(faults=Faults.parse(faults), seed=seed) as server:
        for _ in range(MOST_RUNS):
            before = server.tally["requests"]
            running = bench.start("send", "app.jsonl", server=server)
            running.wait_for(lambda: server.tally["requests"] > before or running.process.poll() is not None)  # noqa: B023
            until_s = time.monotonic() + chance.uniform(*kill_after_s)
            while running.process.poll() is None and time.monotonic() < until_s:
                time.sleep(0.005)
            ran = running.kill()
            check_nothing_foreign(expected, server)
            if ran.code == -9:
                found.kills += 1
                continue
            report = ran.told
            check_law(report)
            assert report["records"] == calls
            assert report["exit_code"] == ran.code
            assert ran.code in {0, 5}, ran.err
            found.exits[ran.code] += 1
            told[report["run_id"]] = report["accepted"]
            if ran.code == 0:
                break
        check_stored(expected, server)
        known = reading.runs(folder / LEDGER, most=MOST_RUNS)
        assert sum(run.accepted for run in known) == calls, "each call was settled by one run"
        assert {run.run_id: run.accepted for run in known if run.run_id in told} == told
        found.reported = sum(told.values())
        found.requests = server.tally["requests"]
        server.order(Faults())
        last = bench.run("send", "app.jsonl", server=server)
        assert (last.code, last.told["already_sent"], last.told["requests"]) == (0, calls, 0), last.err
        assert server.tally["requests"] == found.requests
        found.copies = sum(sum(copies.values()) for copies in stored(server).values()) - calls
        found.faults = {kind: times for kind, times in server.tally["faults"].items() if times}
    found.seconds = time.monotonic() - began_s
    return found
