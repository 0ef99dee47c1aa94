"""`kill -9` at every transition, for every kind of source: the next run completes, and what repeats is the same four values."""

import gzip
import os
import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from posthog_llm_cli.ledger import reading
from posthog_llm_cli.mockserver import Faults, MockServer
from tests.cli.running import PLH
from tests.faults.harness import KEYS, Bench, Call, Ran, Running, check_nothing_foreign, check_stored, fired, stored
from tests.faults.world import LEDGER
from tests.pipeline import fakes

CALLS = 30
ONE_BY_ONE = ("--concurrency", "1")
SOURCES = ("file", "gzip", "pipe")


class Log:
    """The same calls in a file, a packed file, or a pipe; `live`: the pipe stays open as that of `tail -F` does."""

    def __init__(self, bench: Bench, kind: str) -> None:
        self.bench = bench
        self.calls = bench.write("app.jsonl", count=CALLS)
        self.expected = bench.expected(self.calls, "app.jsonl")
        self._plain = (bench.home / "app.jsonl").read_bytes()
        self._name = {"file": "app.jsonl", "gzip": "app.jsonl.gz", "pipe": "-"}[kind]
        if kind == "gzip":
            (bench.home / "app.jsonl.gz").write_bytes(gzip.compress(self._plain))

    def start(self, server: MockServer, *words: str, killed: tuple[str, ...] = ()) -> Running:
        """Start a run over it; `killed` says where it kills itself."""
        stdin = self._plain if self._name == "-" else None
        module = "tests.ledger.killed" if killed else "posthog_llm_cli"
        return self.bench.start(*killed, "send", self._name, *words, server=server, stdin=stdin, module=module)

    def complete(self, server: MockServer, *, settled: int) -> None:
        """Run again, and once more: all is stored, what was settled was not sent again, and then nothing is left to do."""
        server.order(Faults())
        self._run(server, accepted=CALLS - settled)
        check_stored(self.expected, server)
        began = datetime.now(UTC)
        self._run(server, accepted=0)
        # The last answer to a run that was killed may still be on its way: it was asked for before.
        assert not [seen for seen in server.requests if seen.received_at >= began]

    def _run(self, server: MockServer, *, accepted: int) -> None:
        ran = self.start(server).end()
        assert ran.code == 0, ran.err
        assert (ran.told["accepted"], ran.told["already_sent"]) == (accepted, CALLS - accepted)


def was_killed(ran: Ran) -> None:
    assert ran.code == -signal.SIGKILL, f"the fault fired; {ran.err}"


def settled_in(bench: Bench) -> int:
    """Return how many events the ledger has as accepted."""
    return sum(known.accepted for known in reading.status(bench.home / LEDGER).destinations)


# ------------------------------------------------------------------------------------------------ around the transitions


@pytest.mark.parametrize("kind", SOURCES)
def test_killed_before_anything_is_sent(bench: Bench, kind: str) -> None:
    log = Log(bench, kind)
    with MockServer() as server:
        was_killed(log.start(server, killed=("begun", "1")).end())
        assert not server.requests
        (run,) = reading.runs(bench.home / LEDGER, most=2)
        assert run.ended_at is None
        log.complete(server, settled=0)


@pytest.mark.parametrize("kind", SOURCES)
def test_killed_while_requests_are_in_flight(bench: Bench, kind: str) -> None:
    log = Log(bench, kind)
    with MockServer(faults=Faults.parse("hang:1")) as server:
        running = log.start(server)
        running.wait_for(lambda: fired(server, "hang"))
        was_killed(running.kill())
        assert not server.events
        log.complete(server, settled=0)


@pytest.mark.parametrize("kind", SOURCES)
def test_killed_when_the_server_has_stored_and_not_answered(bench: Bench, kind: str) -> None:
    log = Log(bench, kind)
    requests: list[int] = []
    running: list[Running] = []

    def kill_at_the_third(*_: object) -> None:
        requests.append(1)
        if len(requests) == 3:
            end_s = time.monotonic() + 20  # requests go on while answers are being settled: let it note the first two
            while settled_in(bench) < 10 and time.monotonic() < end_s:
                time.sleep(0.01)
            running[0].signal(signal.SIGKILL)
            time.sleep(0.1)  # it is dead before the answer leaves; the main thread alone waits for its end

    with MockServer(observer=kill_at_the_third) as server:
        running.append(log.start(server, *ONE_BY_ONE))
        was_killed(running[0].end())
        assert len(server.events) == 15
        assert settled_in(bench) == 10, "what the third request stored is settled nowhere: nobody heard of it"
        log.complete(server, settled=10)
        assert sum(sum(copies.values()) for copies in stored(server).values()) == CALLS + 5


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize(("when", "settled"), [("before", 10), ("inside", 10), ("after", 15)])
def test_killed_around_the_commit_of_a_delivery(bench: Bench, kind: str, when: str, settled: int) -> None:
    log = Log(bench, kind)
    with MockServer() as server:
        was_killed(log.start(server, *ONE_BY_ONE, killed=(when, "3")).end())
        assert len(server.events) >= 15, "stored and answered"
        assert settled_in(bench) == settled
        log.complete(server, settled=settled)


@pytest.mark.parametrize("when", ["ending", "ended"])
def test_killed_when_all_is_settled_and_the_end_is_noted_or_not(bench: Bench, when: str) -> None:
    log = Log(bench, "file")
    with MockServer() as server:
        was_killed(log.start(server, killed=(when, "1")).end())
        (run,) = reading.runs(bench.home / LEDGER, most=2)
        assert (run.ended_at is None) == (when == "ending")
        assert run.accepted == CALLS
        log.complete(server, settled=CALLS)


def test_killed_between_a_dead_letter_and_its_commit_the_event_is_met_again(bench: Bench) -> None:
    log = Log(bench, "file")
    with MockServer(faults=Faults.parse("drop:1")) as server:
        was_killed(log.start(server, *ONE_BY_ONE, killed=("before", "2")).end())
        assert fired(server, "drop")
        (letters,) = (bench.home / LEDGER.parent / "dead-letters").iterdir()
        assert len(letters.read_bytes().splitlines()) == 10, "both deliveries' letters are on disk"
        (known,) = [entry for entry in reading.status(bench.home / LEDGER).destinations if entry.rejected]
        assert known.rejected == 5, "and one delivery is settled"
        server.order(Faults())
        ran = log.start(server).end()
        assert (ran.code, ran.told["accepted"], ran.told["already_sent"]) == (0, CALLS - 5, 5)
        ran = bench.run("send", str(letters), server=server)
        assert (ran.code, ran.told["accepted"], ran.told["already_sent"]) == (0, 5, 5)
        check_stored(log.expected, server)


def test_killed_while_chunks_of_one_destination_wait_on_disk(bench: Bench) -> None:
    with MockServer(faults=Faults.parse("hang:1")) as ill, MockServer() as well:
        hosts = (ill.url, well.url)
        calls = bench.write_calls("app.jsonl", [Call(at, KEYS[at % 2], hosts[at % 2]) for at in range(200)])
        expected = bench.expected(calls, "app.jsonl")
        allowed = ("--allow-host", ill.url, "--allow-host", well.url, "--timeout", "30")
        (bench.home / "tmp").mkdir()
        running = bench.start("send", "app.jsonl", *allowed, server=well, env={"TMPDIR": str(bench.home / "tmp")})
        running.wait_for(lambda: len(well.events) == 100)
        assert fired(ill, "hang")
        was_killed(running.kill())
        assert not list((bench.home / "tmp").iterdir()), "what waited has no name to be left behind"
        ill.order(Faults())
        assert bench.run("send", "app.jsonl", *allowed, server=well).code == 0
        check_stored(expected, ill, well)


def test_killed_with_worker_processes_none_of_which_is_left(bench: Bench) -> None:
    calls = bench.write_calls("big.jsonl", [Call(at, KEYS[at % 2], padding=50_000) for at in range(200)])
    assert (bench.home / "big.jsonl").stat().st_size > 2 * 4 * 1024 * 1024, "workers start after 4 MiB"
    expected = bench.expected(calls, "big.jsonl")
    with MockServer(faults=Faults.parse("hang:1")) as server:
        pair = Bench(bench.home, options=("--json", "--workers", "2"), started=bench.started)
        running = pair.start("send", "big.jsonl", server=server, command=PLH)
        found: set[int] = set()
        running.wait_for(lambda: _saw_children(running.process.pid, found))
        was_killed(running.kill())
        until_s = time.monotonic() + 10
        while any(_is_alive(pid) for pid in found) and time.monotonic() < until_s:
            time.sleep(0.02)
        assert not [pid for pid in found if _is_alive(pid)]
        check_nothing_foreign(expected, server)
        server.order(Faults())
        assert bench.run("send", "big.jsonl", server=server).code == 0
        check_stored(expected, server)


# --------------------------------------------------------------------------------------------------- at any other moment


@pytest.mark.parametrize("kind", SOURCES)
def test_killed_again_and_again_at_any_moment(bench: Bench, kind: str) -> None:
    chance = random.Random(kind)
    log = Log(bench, kind)
    kills = 0
    with MockServer(faults=Faults.parse("slow:1:0.1s")) as server:
        for _ in range(6):
            running = log.start(server, *ONE_BY_ONE)
            time.sleep(chance.uniform(0.0, 0.3))
            kills += running.kill().code == -signal.SIGKILL
            check_nothing_foreign(log.expected, server)
        assert kills > 1, "the server takes twice as long for all of it"
        settled = settled_in(bench) if (bench.home / LEDGER).exists() else 0
        log.complete(server, settled=settled)


def test_a_live_pipe_that_is_killed_is_completed_from_its_copy(bench: Bench) -> None:
    """`tail -F app.log | tee copy | plh send -`: what had come through is in the ledger, the copy gives the rest."""
    log = Log(bench, "file")
    plain = (bench.home / "app.jsonl").read_bytes().splitlines(keepends=True)
    os.mkfifo(bench.home / "live")
    with MockServer() as server:
        running = bench.start("send", "live", server=server)
        with (bench.home / "live").open("wb", buffering=0) as pipe:
            pipe.write(b"".join(plain[:20]) + plain[20][:50])
            running.wait_for(lambda: len(server.events) == 20)
            time.sleep(0.2)
            was_killed(running.kill())
        log.complete(server, settled=settled_in(bench))


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once_and_the_next_run_completes(bench: Bench, first: signal.Signals) -> None:
    log = Log(bench, "file")
    with MockServer(faults=Faults.parse("hang:1")) as server:
        running = log.start(server, "--timeout", "60")
        running.wait_for(lambda: fired(server, "hang"))
        running.signal(first)
        time.sleep(0.3)
        assert running.process.poll() is None, "it lets what is in flight finish"
        running.signal(first)
        ran = running.end()
        assert ran.code == 128 + first
        log.complete(server, settled=0)


@pytest.mark.parametrize("events", ["1", "7", "500"])
@pytest.mark.parametrize("size", ["4MiB", "3KiB"])
def test_chunks_of_any_size_complete_after_a_kill(bench: Bench, events: str, size: str) -> None:
    log = Log(bench, "file")
    bounds = ("--chunk-events", events, "--chunk-bytes", size)
    sized = Bench(bench.home, options=(*bench.options[:1], *bounds, *bench.options[3:]), started=bench.started)
    log.bench = sized
    with MockServer() as server:
        was_killed(log.start(server, *ONE_BY_ONE, killed=("before", "1")).end())
        assert server.events, "the fault fired after a delivery"
        log.complete(server, settled=0)


# --------------------------------------------------------------------------------------------------------- what is left


def test_what_a_kill_left_of_a_ledger_that_was_being_made_is_no_hindrance(bench: Bench) -> None:
    log = Log(bench, "file")
    folder = (bench.home / LEDGER).parent
    folder.mkdir(parents=True)
    (folder / "ledger.sqlite.new").write_bytes(b"half of a page")
    (folder / "ledger.sqlite.new-wal").write_bytes(b"and of its log")
    with MockServer() as server:
        log.complete(server, settled=0)


@pytest.mark.parametrize("what", ["cut off", "scribbled on", "lost"])
def test_a_torn_end_of_the_write_ahead_log_costs_what_was_settled_last_and_no_event(bench: Bench, what: str) -> None:
    """A power cut may leave what the disk had not taken: then those events go again."""
    log = Log(bench, "file")
    with MockServer() as server:
        was_killed(log.start(server, *ONE_BY_ONE, killed=("after", "4")).end())
        wal = (bench.home / LEDGER).with_name("ledger.sqlite-wal")
        size = wal.stat().st_size
        TEARS[what](wal, size)
        left = settled_in(bench)
        assert left < 20, "the fault fired"
        log.complete(server, settled=left)


def _cut_off(wal: Path, size: int) -> None:
    os.truncate(wal, size - 5000)


def _scribbled(wal: Path, size: int) -> None:
    with wal.open("r+b") as file:
        file.seek(size - 4000)
        file.write(b"\xa5" * 1000)


TEARS: dict[str, Callable[[Path, int], None]] = {
    "cut off": _cut_off, "scribbled on": _scribbled, "lost": lambda wal, _: wal.unlink(),
}  # fmt: skip


def _saw_children(pid: int, found: set[int]) -> bool:
    workers = fakes.workers(pid)
    found.update(workers)
    return len(workers) >= 2


def _is_alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
