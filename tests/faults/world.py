"""A growing, rotating log, a server that fails, `plh` runs that are killed; and the model that says what must come of it.

The model knows which calls were ever logged, and under which key each belongs. Whatever the actions were, once the
faults have ended one more run must leave exactly these stored (`settle_and_check`). An action says what it did as text,
so that a failure can be read.
"""

import gzip
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from posthog_llm_cli.ledger import reading
from posthog_llm_cli.mockserver import Faults, MockServer
from posthog_llm_cli.model import mask_key
from tests.faults.harness import KEYS, Bench, Call, Ran, Running, check_law, check_nothing_foreign, check_stored

MOST_CALLS = 600
LEDGER = Path(".local/state/plh/ledger.sqlite")
QUICK = ("--json", "--chunk-events", "5", "--timeout", "1", "--max-retries", "1", "--workers", "1")

UNSETTLED_EXITS = {0, 3, 5}
"""Of runs amid faults: all done, some rejected (also a line that is not whole yet), some unconfirmed."""


@cache
def uuids() -> tuple[str, ...]:
    """Return the uuid of each call that may be logged, as `--mock` prints it."""
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        calls = bench.write("all.jsonl", count=MOST_CALLS)
        return tuple(bench.printed(calls, "all.jsonl"))


@dataclass(slots=True)
class World:
    """One folder `logs/` with the log `app.jsonl` and its rotated files, one server, one ledger."""

    bench: Bench
    server: MockServer
    logged: list[Call] = field(default_factory=list)
    rotations: int = 0
    half: tuple[Path, bytes] | None = None
    """The file whose last line is not whole yet, and the rest of that line."""
    kills: int = 0
    ended: list[Ran] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.bench.home / "logs").mkdir()
        self.log.touch()

    @property
    def log(self) -> Path:
        """The file that is written."""
        return self.bench.home / "logs" / "app.jsonl"

    @property
    def rotated(self) -> list[Path]:
        """The files that are written no more."""
        return sorted(path for path in self.log.parent.iterdir() if path != self.log)

    @property
    def expected(self) -> dict[str, set[str]]:
        """Masked key → uuids of what was logged so far, but for a line that is not whole yet."""
        whole = self.logged[:-1] if self.half else self.logged
        found: dict[str, set[str]] = {}
        for call in whole:
            found.setdefault(mask_key(call.key), set()).add(uuids()[call.number])
        return found

    # ------------------------------------------------------------------------------------------------------ the log

    def append(self, count: int) -> None:
        """Log so many new calls, their keys in turn."""
        self.complete()
        for _ in range(min(count, MOST_CALLS - len(self.logged))):
            self._write(self._new().line())

    def append_half(self) -> None:
        """Log a call whose line is not whole yet."""
        self.complete()
        if len(self.logged) == MOST_CALLS:
            return
        line = self._new().line()
        at = len(line) // 2
        self._write(line[:at])
        self.half = (self.log, line[at:])

    def complete(self) -> None:
        """Write the rest of a line that is not whole yet, into the file where it began."""
        if self.half is not None:
            path, rest = self.half
            with path.open("ab") as file:
                file.write(rest)
            self.half = None

    def append_again(self, number: int) -> None:
        """Log a call a second time, as a logger that retries does."""
        self.complete()
        if self.logged:
            self._write(self.logged[number % len(self.logged)].line())

    def rename(self) -> None:
        """Rotate as `logrotate create` does; a line that is not whole yet goes with its file."""
        to = self._next_name()
        self.log.rename(to)
        if self.half is not None and self.half[0] == self.log:
            self.half = (to, self.half[1])
        self.log.touch()

    def copytruncate(self) -> None:
        """Rotate as `logrotate copytruncate` does."""
        self.complete()  # or the logger loses that line
        shutil.copyfile(self.log, self._next_name())
        with self.log.open("r+b") as file:
            file.truncate(0)

    def compress(self) -> None:
        """Put gzip around the oldest rotated file that is plain."""
        plain = [path for path in self.rotated if path.suffix != ".gz"]
        if plain:
            self.complete()
            path = plain[0]
            packed = path.with_name(path.name + ".gz")
            packed.with_name(".packing").write_bytes(gzip.compress(path.read_bytes(), 1))
            packed.with_name(".packing").rename(packed)
            path.unlink()

    # --------------------------------------------------------------------------------------------------------- runs

    def run(self, *, piped: bool = False) -> Ran:
        """Run to the end; what it says must agree with what the server and the ledger have."""
        ran = self._start(piped=piped).end()
        self._check_ended(ran)
        return ran

    def run_killed(self, *, requests: int, wait_s: float = 0.0) -> bool:
        """Kill a run once the server has so many requests more, and a moment later; return whether it was still there."""
        before = self.server.tally["requests"]
        running = self._start()
        while running.process.poll() is None and self.server.tally["requests"] < before + requests:
            time.sleep(0.002)
        time.sleep(wait_s)
        return self._was_killed(running.kill())

    def run_killed_around_commit(self, when: str, nth: int) -> bool:
        """Kill a run `before`, `inside` or `after` a transaction; return whether it came to that one."""
        return self._was_killed(self._start(killed=(when, str(nth))).end())

    def run_two(self) -> bool:
        """Start two runs at once: whichever finds the ledger held ends with 7, having sent nothing; return whether one did."""
        both = [self._start(), self._start()]
        ended = [running.end() for running in both]
        held = [ran for ran in ended if ran.code == 7]
        for ran in held:
            assert "another run holds it: " in ran.err
            assert ran.report is None
        for ran in ended:
            if ran not in held:
                self._check_ended(ran)
        assert len(held) < 2, "one of them must have had it"
        return bool(held)

    def settle_and_check(self) -> None:
        """End all faults, run until all is done, and hold everything against the model."""
        self.complete()
        self.server.order(Faults())
        self.run()
        letters = self.bench.home / LEDGER.parent / "dead-letters"
        if letters.is_dir():  # what the server refused is taken up again; lines that were not whole are not
            ran = self.bench.run("send", str(letters), server=self.server)
            assert ran.code in {0, 3}, ran.err
        expected = self.expected
        check_stored(expected, self.server)
        if self.logged:
            printed = set(self.bench.printed(self.logged, "logs"))
            assert printed == set().union(*expected.values()), "what --mock prints of the log as it lies there now"
        requests = self.server.tally["requests"]
        last = self.run()
        assert (last.code, last.told["requests"], self.server.tally["requests"]) == (0, 0, requests), last.err
        assert last.told["already_sent"] + last.told["duplicates"] == last.told["records"]
        known = reading.status(self.bench.home / LEDGER)
        assert {entry.masked_key: entry.accepted for entry in known.destinations if entry.accepted} == {
            key: len(found) for key, found in expected.items()
        }
        self._check_runs()

    # ------------------------------------------------------------------------------------------------------- within

    def _new(self) -> Call:
        number = len(self.logged)
        call = Call(number, KEYS[number % len(KEYS)])
        self.logged.append(call)
        return call

    def _write(self, data: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(data)

    def _next_name(self) -> Path:
        self.rotations += 1
        return self.log.with_name(f"app.jsonl.{self.rotations:03}")

    def _content(self) -> bytes:
        paths = [*self.rotated, self.log]
        return b"".join(
            gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in paths
        )

    def _start(self, *, piped: bool = False, killed: Sequence[str] = ()) -> Running:
        if killed:
            return self.bench.start(*killed, "send", "logs", server=self.server, module="tests.ledger.killed")
        if piped:
            return self.bench.start("send", "-", server=self.server, stdin=self._content())
        return self.bench.start("send", "logs", server=self.server)

    def _check_ended(self, ran: Ran) -> None:
        lines = self._content().count(b"\n") + (self.half is not None)
        assert "Traceback" not in ran.err, ran.err
        assert ran.code in UNSETTLED_EXITS, ran.err
        report = ran.told
        check_law(report)
        assert report["records"] == lines, "every line is counted, however little of it was read again"
        assert report["exit_code"] == ran.code
        assert (report["unconfirmed"] > 0) == (ran.code == 5), ran.err
        check_nothing_foreign(self.expected, self.server)
        # What the server refused for good is settled too: it lies in the dead letters, for `settle_and_check` to send.
        if ran.code == 0 and not any(self.server.tally["faults"].get(kind) for kind in ("drop", "400")):
            check_stored(self.expected, self.server)
        self.ended.append(ran)

    def _was_killed(self, ran: Ran) -> bool:
        if ran.code != -9:
            self._check_ended(ran)
            return False
        self.kills += 1
        check_nothing_foreign(self.expected, self.server)
        return True

    def _check_runs(self) -> None:
        """What the reports say was accepted is what the ledger has of those runs."""
        known = {run.run_id: run for run in reading.runs(self.bench.home / LEDGER, most=10_000)}
        for ran in self.ended:
            run = known[ran.told["run_id"]]
            assert (run.accepted, run.exit_code) == (ran.told["accepted"], ran.code)
            assert run.report == ran.told
        assert sum(run.ended_at is None for run in known.values()) <= self.kills


def happened(world: World) -> dict[str, int]:
    """Return the counts of what happened, for those who want to know that it did."""
    return {
        "calls": len(world.logged), "rotations": world.rotations, "runs": len(world.ended), "kills": world.kills,
        **{kind: times for kind, times in world.server.tally["faults"].items() if times},
    }  # fmt: skip
