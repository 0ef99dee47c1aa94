"""Real signals to real processes: the first ends a run well, the second at once, and nothing survives it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from posthog_llm_cli.model import Chunk, Delivery
from posthog_llm_cli.pipeline import Stop
from posthog_llm_cli.pipeline.deliveries import DeliveryPool
from tests.pipeline import fakes
from tests.pipeline.fakes import Recorder

ROOT = Path(__file__).parents[2]


class Driven:
    """The driver's process, under way."""

    def __init__(self, scenario: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.driver", scenario],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.workers: list[int] = json.loads(self.process.stdout.readline())["workers"]

    def signal(self, number: int) -> None:
        """As `kill` does."""
        self.process.send_signal(number)

    def signal_group(self, number: int) -> None:
        """As a terminal does."""
        os.killpg(self.process.pid, number)

    def end(self, timeout_s: float) -> tuple[int, dict[str, Any] | None, str]:
        """Wait for the end; return the exit code, the report if there is one, and what was said on stderr."""
        out, err = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, json.loads(out) if out else None, err


@contextmanager
def driven(scenario: str) -> Iterator[Driven]:
    run = Driven(scenario)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.communicate()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until_dead(pids: list[int], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, f"still alive: {[pid for pid in pids if is_alive(pid)]}"
        time.sleep(0.02)


def counted(report: dict[str, Any]) -> int:
    names = ("accepted", "already_sent", "duplicates", "filtered", "skipped", "rejected", "unconfirmed")
    return sum(report[name] for name in names)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_reading_and_everything_read_is_delivered(number: int, code: int) -> None:
    with driven("steady") as run:
        run.signal(number)
        returncode, report, err = run.end(30)
    assert (returncode, err) == (code, "")
    assert report is not None
    assert (report["exit_code"], report["unconfirmed"]) == (code, 0)
    assert report["records"] == counted(report)
    assert report["accepted"] == report["skipped"] >= 100


def test_a_server_that_never_answers_does_not_hold_the_process() -> None:
    with driven("silent-server") as run:
        began_s = time.monotonic()
        run.signal(signal.SIGTERM)
        returncode, report, err = run.end(30)
        took_s = time.monotonic() - began_s
    assert (returncode, err) == (143, "")
    assert 0.5 <= took_s < 0.5 + 20, "the grace period, a last wait, and no more"
    assert report is not None
    assert report["accepted"] == 0
    assert report["unconfirmed"] == report["skipped"] > 40, "every event was counted, those in open chunks too"


def test_a_second_signal_ends_it_at_once() -> None:
    with driven("silent-server") as run:
        run.signal(signal.SIGINT)
        time.sleep(0.1)
        assert run.process.poll() is None, "the first one waits for the grace period"
        began_s = time.monotonic()
        run.signal(signal.SIGTERM)
        returncode, report, _err = run.end(30)
    assert time.monotonic() - began_s < 5
    assert returncode == 143
    assert report is None


def test_an_interrupt_from_the_terminal_leaves_the_workers_to_finish_and_none_behind() -> None:
    with driven("workers") as run:
        assert all(map(is_alive, run.workers))
        assert len(run.workers) == 2
        run.signal_group(signal.SIGINT)
        returncode, report, err = run.end(30)
        wait_until_dead(run.workers, 5)
    assert (returncode, err) == (130, "")
    assert report is not None
    assert report["records"] == counted(report)
    assert report["accepted"] == report["skipped"] >= 600


def test_a_second_signal_kills_workers_in_the_middle_of_their_work() -> None:
    with driven("busy-workers") as run:
        assert len(run.workers) == 2
        run.signal(signal.SIGINT)
        time.sleep(0.1)
        assert all(map(is_alive, run.workers))
        run.signal(signal.SIGINT)
        returncode, report, _err = run.end(30)
        wait_until_dead(run.workers, 5)
    assert (returncode, report) == (130, None)


def test_workers_die_with_a_parent_that_is_killed() -> None:
    with driven("busy-workers") as run:
        assert all(map(is_alive, run.workers))
        assert len(run.workers) == 2
        run.signal(signal.SIGKILL)
        assert run.end(30)[0] == -signal.SIGKILL
        wait_until_dead(run.workers, 2)


def test_a_signal_that_comes_as_a_wait_ends_does_not_prolong_it() -> None:
    gate = threading.Event()

    class Hanging(Recorder):
        def deliver(self, chunk: Chunk) -> Delivery:
            gate.wait(10)
            return super().deliver(chunk)

    def late(*_: object) -> None:
        time.sleep(0.1)  # on a busy machine it takes its time

    pool = DeliveryPool(Hanging(), threads=1)
    before = signal.signal(signal.SIGALRM, late)
    try:
        event = fakes.event("a0", "a")
        assert pool.submit(Chunk(event.destination, historical=False, events=(event,), size=event.size))
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        began_s = time.monotonic()
        assert pool.collect(timeout_s=0.05) is None
        assert time.monotonic() - began_s < 5
    finally:
        signal.signal(signal.SIGALRM, before)
        gate.set()
        pool.close()


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    stop = Stop()
    with stop.installed():
        assert not stop.should_stop()
        signal.raise_signal(signal.SIGTERM)
        assert stop.should_stop()
        assert stop.signal == signal.SIGTERM
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


LAST_ACTS = """
import os, signal
from posthog_llm_cli.pipeline import Stop
stop = Stop()
with stop.installed():
    with stop.at_once(lambda: os.write(1, b"forgotten")):
        pass
    with stop.at_once(lambda: os.write(1, b"done")):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        os.write(1, b"too late")
"""


def test_what_must_happen_at_once_happens_before_the_process_ends_at_the_second_signal() -> None:
    done = subprocess.run([sys.executable, "-c", LAST_ACTS], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"done", b"")
