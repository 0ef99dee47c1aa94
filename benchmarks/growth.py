"""How the cost of a run grows: with calls and processes, with the size of events, with the ledger.

    python -m benchmarks.growth [--only calls,memory,files,large,ledger] [--most 100000] [--settled 10000000]
                                [--memory 5000,500000] [--repeat 3] [--seed 7]

Each part prints its tables and writes them into RESULTS.md. `--most` is the largest log of `calls`, ten times the one
before it (100, 10,000, 100,000, 1,000,000). `--memory 5000,500000` are the two logs of `memory`; the longer one takes 6
GB and some minutes to be written. Exit 1 where a run failed or lost an event.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from benchmarks import machine, shapes
from benchmarks.contestants import KEY, Contestant, Place, measure, send
from benchmarks.figures import MB, MIB, Run, cpu_us_per_call, over
from benchmarks.generate import CORPORA, draws
from benchmarks.results import bullets, table, write_section
from benchmarks.run import PEERS_PYTHON, Logs
from benchmarks.sink import Sink
from posthog_llm_cli.ledger import Ledger, RunStart
from posthog_llm_cli.ledger.files import open_for_writing
from posthog_llm_cli.model import Destination, Settled, Settlement

CORPUS = CORPORA["litellm"]
STEPS = (100, 10_000, 100_000, 1_000_000)
FILED_CALLS = 20_000
LARGE_EVENTS = 60
LARGE_CHARACTERS = 7_500_000
"""Nearly the 8 MiB that an event may have on the AI routes, with escapes and what is beyond ASCII."""

SHORT_CHARACTERS = 1_000

DELIVERY = 500
ASKED = 20_000
_UUID_BYTES = 16
_FILL = 1_000_000
_STRIDE = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""The golden ratio of 2^128: its multiples are all different, and spread evenly."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Given:
    """What was asked for: see the module."""

    most: int
    memory: tuple[int, ...]
    settled: int
    repeat: int
    seed: int


class Field:
    """Where the runs take place: a folder with the logs, and a sink; `problems` is what went wrong."""

    def __init__(self, folder: Path, sink: Sink, seed: int) -> None:
        self.folder = folder
        self.sink = sink
        self.logs = Logs(folder, seed)
        self.problems: list[str] = []

    @property
    def destination(self) -> Destination:
        """Where the runs send to."""
        return Destination(self.sink.url, KEY)

    def send(self, name: str, log: Path, calls: int, *options: str) -> Run:
        """Run `plh send` once, on the v1 route and with a new ledger."""
        with tempfile.TemporaryDirectory(prefix="plh-benchmark-") as work:
            place = Place(log, self.sink.url, Path(work), PEERS_PYTHON)
            found = measure(Contestant(name, send(*options)), place, self.sink, calls)
        if found.problem is not None:
            self.problems.append(f"{name}: {found.problem}")
        print(f"{name}: {found.problem or f'{found.events_per_s:,.0f} events/s'}", file=sys.stderr, flush=True)
        return found


def grow_calls(field: Field, given: Given) -> str:
    """Logs of ten times the calls, with one process that converts and with two."""
    rows = []
    for calls in (step for step in STEPS if step <= given.most):
        log = field.logs.of(CORPUS.name, calls)
        for workers in ("1", "2"):
            name = f"{calls:,} calls, {workers} workers"
            runs = [field.send(name, log, calls, "--workers", workers) for _ in range(given.repeat)]
            rows.append((f"{calls:,}", workers, *_figures(runs, name)))
    head = ("calls", "`--workers`", "seconds", "events/s", "CPU µs a call", "peak MiB, PSS", "peak MiB, RSS")
    return table(head, rows)


def _figures(runs: Sequence[Run], name: str) -> Sequence[str]:
    def shown(value: Callable[[Run], float], spec: str) -> str:
        found = over(runs, value, name)
        return "failed" if found is None else format(found, spec)

    return (
        shown(lambda run: run.seconds, ",.2f"),
        shown(lambda run: run.events_per_s, ",.0f"),
        shown(cpu_us_per_call, ",.0f"),
        f"{max(run.pss_bytes for run in runs) / MIB:,.0f}",
        f"{max(run.rss_bytes for run in runs) / MIB:,.0f}",
    )


def grow_memory(field: Field, given: Given) -> str:
    """The peak of memory over a short log and over a long one."""
    rows = []
    for calls in given.memory:
        name = f"memory, {calls:,} calls"
        log = field.logs.of(CORPUS.name, calls)
        found = field.send(name, log, calls)
        log.unlink()
        rows.append((f"{calls:,}", f"{found.log_bytes / MB:,.0f}", *_figures([found], name)))
    head = ("calls", "MB of log", "seconds", "events/s", "CPU µs a call", "peak MiB, PSS", "peak MiB, RSS")
    return table(head, rows)


def grow_files(field: Field, given: Given) -> str:
    """The same calls in one file, and in files of a hundred and of one, as LiteLLM writes them into a bucket."""
    calls = min(FILED_CALLS, given.most)
    lines = field.logs.of(CORPUS.name, calls).read_bytes().splitlines(keepends=True)
    rows = []
    for each in (calls, 100, 1):
        folder = field.folder / f"{each} a file"
        folder.mkdir()
        for number, start in enumerate(range(0, calls, each)):
            (folder / f"{number:08}.json").write_bytes(b"".join(lines[start : start + each]))
        name = f"{calls:,} calls, {each:,} a file"
        runs = [field.send(name, folder, calls) for _ in range(given.repeat)]
        rows.append((f"{calls:,}", f"{each:,}", *_figures(runs, name)))
        shutil.rmtree(folder)
    head = ("calls", "calls a file", "seconds", "events/s", "CPU µs a call", "peak MiB, PSS", "peak MiB, RSS")
    return table(head, rows)


def grow_events(field: Field, given: Given) -> str:
    """Events of nearly 8 MB each."""
    log = field.folder / "large.jsonl"
    with log.open("wb") as out:
        for record in _large(given.seed):
            out.write(CORPUS.encode(record) + b"\n")
    rows = []
    for workers in ("1", "2"):
        name = f"{LARGE_EVENTS} calls of 8 MB, {workers} workers"
        found = field.send(name, log, LARGE_EVENTS, "--workers", workers)
        megabytes = f"{found.log_bytes / MB / LARGE_EVENTS:.1f}"
        rows.append((f"{LARGE_EVENTS}", megabytes, workers, *_figures([found], name)))
    log.unlink()
    head = (
        "calls",
        "MB a line",
        "`--workers`",
        "seconds",
        "events/s",
        "CPU µs a call",
        "peak MiB, PSS",
        "peak MiB, RSS",
    )
    return table(head, rows)


def _large(seed: int) -> Iterator[shapes.Record]:
    for draw in islice(draws(CORPUS, seed), LARGE_EVENTS):
        record = shapes.litellm(draw)
        text = draw.turns[-1]
        record["messages"] = [
            {"role": "user", "content": (text * (LARGE_CHARACTERS // len(text) + 1))[:LARGE_CHARACTERS]}
        ]
        record["response"]["choices"][0]["message"]["content"] = draw.answer[:SHORT_CHARACTERS]
        yield record


def grow_ledger(field: Field, given: Given) -> str:
    """A ledger that grows to ten million settled events: lookups, settling, and a run beside them."""
    calls = min(10_000, given.most)
    log = field.logs.of(CORPUS.name, calls)
    path, used = field.folder / "ledger.sqlite", field.folder / "used.sqlite"
    rows = []
    held, step = 0, 10_000
    while step <= given.settled:
        fill(path, field.destination, held, step)
        held = step
        shutil.copyfile(path, used)
        os.sync()
        times = ask(used, field.destination, held, given.seed)
        shutil.copyfile(path, used)
        os.sync()  # or the run's own first commit waits for all of the copy
        found = field.send(f"{calls:,} calls, a ledger of {held:,}", log, calls, "--ledger", str(used))
        size = path.stat().st_size / held
        rows.append((f"{held:,}", *(f"{us:.1f}" for us in times), f"{size:.1f}", f"{found.events_per_s:,.0f}"))
        step *= 10
    head = ("settled", "lookup of a known one, µs", "of an unknown one, µs", "settling, µs an event", "bytes each")
    return table((*head, f"a run of {calls:,} calls, events/s"), rows)


def fill(path: Path, destination: Destination, held: int, total: int) -> None:
    """Bring a ledger from so many settled events to so many.

    Rows go straight into the ledger's own table, sorted: settling ten million events would take a quarter of an hour.
    """
    with Ledger(path, RunStart(f"fill-{total}", datetime.now(UTC))) as ledger:
        ledger.begin()
        if held == 0:
            ledger.settle([Settled(destination, [(uuid_of(0).hex(), Settlement.ACCEPTED)])])
        # A run without an end was killed: the next one would look through the whole file first.
        ledger.end("{}", exit_code=0, ended_at=datetime.now(UTC))
    with closing(open_for_writing(path)) as file:
        number, outcome, run = file.execute("SELECT destination, outcome, run FROM settled LIMIT 1").fetchone()
        for begin in range(held, total, _FILL):
            uuids = sorted(map(uuid_of, range(begin, min(begin + _FILL, total))))
            file.execute("BEGIN")
            rows = ((number, uuid, outcome, run) for uuid in uuids)
            file.executemany("INSERT OR IGNORE INTO settled VALUES (?, ?, ?, ?)", rows)
            file.execute("COMMIT")


def uuid_of(number: int) -> bytes:
    """Return the uuid of a filler; they lie evenly among all that there are, in no order."""
    return (number * _STRIDE % 2**128).to_bytes(_UUID_BYTES, "big")


def ask(path: Path, destination: Destination, held: int, seed: int) -> Sequence[float]:
    """Return the µs of a lookup of a known event, of an unknown one, and of settling one of a delivery."""
    chance = random.Random(seed)
    known = [uuid_of(chance.randrange(held)).hex() for _ in range(ASKED)]
    unknown = [chance.randbytes(_UUID_BYTES).hex() for _ in range(ASKED)]
    deliveries = [unknown[start : start + DELIVERY] for start in range(0, ASKED, DELIVERY)]
    with Ledger(path, RunStart("asked", datetime.now(UTC))) as ledger:
        ledger.begin()
        assert ledger.is_settled(destination, known[0])
        assert not ledger.is_settled(destination, unknown[0])
        lookups = [_us_each(lambda uuid: ledger.outcome_of(destination, uuid), asked) for asked in (known, unknown)]
        settling = _us_each(
            lambda part: ledger.settle([Settled(destination, [(one, Settlement.ACCEPTED) for one in part])]), deliveries
        )
    return (*lookups, settling / DELIVERY)


def _us_each(step: Callable[[T], object], items: Sequence[T]) -> float:
    began = time.perf_counter()
    for item in items:
        step(item)
    return (time.perf_counter() - began) / len(items) * 1e6


PARTS: Mapping[str, tuple[str, Callable[[Field, Given], str]]] = MappingProxyType(
    {
        "calls": ("Calls and processes", grow_calls),
        "memory": ("Memory", grow_memory),
        "files": ("Many files", grow_files),
        "large": ("Events of 8 MB", grow_events),
        "ledger": ("The ledger", grow_ledger),
    }
)


def main() -> int:
    parser = argparse.ArgumentParser(description="measure how the cost of a run grows")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, by commas")
    parser.add_argument("--most", type=int, default=100_000, help="calls in the largest log")
    parser.add_argument("--memory", default="5000,500000", help="calls in the two logs of the part memory")
    parser.add_argument("--settled", type=int, default=10_000_000, help="events in the largest ledger")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each log of the part calls")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    memory = tuple(map(int, options.memory.split(",")))
    given = Given(options.most, memory, options.settled, options.repeat, options.seed)
    problems: list[str] = []
    for name in options.only.split(","):
        title, part = PARTS[name]
        with tempfile.TemporaryDirectory(prefix="plh-benchmark-") as folder, Sink.start() as sink:
            field = Field(Path(folder), sink, given.seed)
            text = "\n\n".join((f"## How cost grows: {title}", bullets(machine.describe()), part(field, given)))
        print(f"{text}\n", flush=True)
        problems += field.problems
        if not field.problems:
            write_section(f"growth: {name}", text)
    for problem in problems:
        print(f"failed: {problem}", file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
