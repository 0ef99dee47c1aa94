"""Measures the main job: plh and its peers over the same invented calls, in turns.

    python -m benchmarks.run [--quick] [--calls N] [--peer-calls N] [--repeat N] [--seed N] [--only REGEX] [--list]

Prints the tables; without --quick and --only they also go into RESULTS.md, and what follows
from them for a terabyte into docs/performance.md. Exit 1 where a run of plh failed, or where
its report and the sink disagree. No figure is asserted.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import backfill, machine, results, startup
from benchmarks.contestants import CONTESTANTS, PLH, Contestant, Place, Size, environment, lacking, measure
from benchmarks.figures import MB, Floor, Run, median_floor
from benchmarks.generate import CORPORA, write
from benchmarks.sink import Sink

PEERS_PYTHON = Path(__file__).parent.parent / ".venv-peers/bin/python"
PERFORMANCE = Path(__file__).parent.parent / "docs/performance.md"
FLOOR_CALLS = 2_000


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: calls in the logs of plh and of its peers, rounds, and the seed of all chance."""

    calls: int
    peer_calls: int
    repeat: int
    seed: int

    def calls_of(self, contestant: Contestant) -> int:
        """Return how many calls a contestant's log has."""
        return {Size.ALL: self.calls, Size.PEERS: self.peer_calls, Size.ONE: 1}[contestant.size]


FULL = Scale(calls=50_000, peer_calls=10_000, repeat=5, seed=7)
QUICK = Scale(calls=20_000, peer_calls=3_000, repeat=3, seed=7)


class Logs:
    """The logs of a benchmark, each written when it is first asked for."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed

    def of(self, corpus: str, calls: int) -> Path:
        """Return the log of a corpus with so many calls."""
        path = self._folder / f"{corpus}-{calls}.jsonl"
        if not path.exists():
            write(path, CORPORA[corpus], calls, self._seed)
        return path

    def describe(self) -> list[str]:
        """Return one line on each log."""
        return [_about_log(path) for path in sorted(self._folder.glob("*.jsonl"))]


def _about_log(path: Path) -> str:
    with path.open("rb") as log:
        sizes = sorted(map(len, log))
    p50, p99 = sizes[len(sizes) // 2], sizes[len(sizes) * 99 // 100]
    size = f"{sum(sizes) / MB:,.1f} MB, {sum(sizes) / len(sizes) / 1000:.1f} KB a line"
    return f"log `{path.stem}`: {size} (median {p50 / 1000:.1f}, 99th percentile {p99 / 1000:.1f})"


def rounds(contestants: Sequence[Contestant], repeat: int) -> Iterator[list[Contestant]]:
    """Yield the contestants of each round in their order; each round begins with another one."""
    for number in range(repeat):
        begin = number * len(contestants) // repeat
        order = [*contestants[begin:], *contestants[:begin]]
        yield [contestant for contestant in order if number == 0 or not contestant.once]


def measure_all(
    contestants: Sequence[Contestant], scale: Scale, logs: Logs, peers_python: Path
) -> tuple[list[Run], Floor]:
    """Run all contestants in turns, and the floor at the end of each round; say on stderr how it goes."""
    runs: list[Run] = []
    floors: list[Floor] = []
    events = _events(logs, scale, peers_python)
    with Sink.start() as sink:
        for turns in rounds(contestants, scale.repeat):
            runs += (_measure(contestant, scale, logs, peers_python, sink) for contestant in turns)
            floors.append(_floor(_floor_log(logs, scale), events))
    return runs, median_floor(floors)


def _measure(contestant: Contestant, scale: Scale, logs: Logs, peers_python: Path, sink: Sink) -> Run:
    calls = scale.calls_of(contestant)
    log = logs.of(contestant.corpus, calls)
    with tempfile.TemporaryDirectory(prefix="plh-benchmark-") as work:
        found = measure(contestant, Place(log, sink.url, Path(work), peers_python), sink, calls)
    said = found.problem or f"{found.events_per_s:,.0f} events/s, {found.cpu_s_per_100k:.1f} CPU s per 100,000"
    print(f"{contestant.name}: {said}", file=sys.stderr, flush=True)
    return found


def _floor_log(logs: Logs, scale: Scale) -> Path:
    return logs.of("litellm", min(FLOOR_CALLS, scale.calls))


def _events(logs: Logs, scale: Scale, peers_python: Path) -> Path:
    """Have plh convert the log of the floor; return the file with the events."""
    log = _floor_log(logs, scale)
    events = log.with_suffix(".events")
    with tempfile.TemporaryDirectory(prefix="plh-benchmark-") as work, events.open("wb") as out:
        place = Place(log, "http://127.0.0.1:9", Path(work), peers_python)
        subprocess.run([*PLH, "send", "--mock", "--quiet", str(log)], stdout=out, check=True, env=environment(place))
    return events


def _floor(log: Path, events: Path) -> Floor:
    command = [sys.executable, "-m", "benchmarks.floor", str(log), str(events)]
    return Floor(**json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))


def main() -> int:
    given = _arguments()
    usual = QUICK if given.quick else FULL
    chosen = [getattr(usual, name) if (value := getattr(given, name)) is None else value for name in Scale.__slots__]
    scale = Scale(*chosen)
    wanted = [one for one in CONTESTANTS if re.search(given.only, one.name) and (one.quick or not given.quick)]
    missing = {one.name: lacking(one, given.peers) for one in wanted}
    if given.list:
        print("\n".join(f"{one.name}{_left_out(missing[one.name])}" for one in wanted))
        return 0
    for name, needs in missing.items():
        if needs:
            print(f"{name}{_left_out(needs)}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="plh-benchmark-") as folder:
        logs = Logs(Path(folder), scale.seed)
        runs, floor = measure_all([one for one in wanted if not missing[one.name]], scale, logs, given.peers)
        seconds = startup.measure(5 if given.quick else 21)
        about = [*machine.describe(given.peers), f"{scale.repeat} rounds, seed {scale.seed}", *logs.describe()]
    text = "\n\n".join(
        ("## The main job", results.bullets(about), results.ratio_table(runs, floor, seconds), results.job_table(runs))
    )
    print(text)
    if not given.quick and given.only == "":
        results.write_section("job", text)
        results.write_section("terabyte", f"{_source()}\n\n{backfill.terabyte_table(runs)}", PERFORMANCE)
    problems = [run for run in runs if run.problem is not None]
    for run in problems:
        print(f"failed: {run.contestant}: {run.problem}", file=sys.stderr)
    return int(bool(problems))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="measure plh and its peers over an invented log")
    parser.add_argument("--quick", action="store_true", help="few contestants, calls and rounds; under two minutes")
    parser.add_argument("--calls", type=int, help="in the logs of plh")
    parser.add_argument("--peer-calls", type=int, help="in the logs of the peers")
    parser.add_argument("--repeat", type=int, help="rounds")
    parser.add_argument("--seed", type=int, help="of the logs")
    parser.add_argument("--only", default="", metavar="REGEX", help="contestants whose names match")
    parser.add_argument("--list", action="store_true", help="list the contestants and end")
    parser.add_argument(
        "--peers",
        type=lambda name: Path(name).absolute(),
        default=PEERS_PYTHON,
        help="the Python of the peers' environment",
    )
    return parser.parse_args()


def _source() -> str:
    about, _, when = machine.describe()
    return f"From the figures of {when}, on {about.partition('; load')[0]}."


def _left_out(needs: Sequence[str]) -> str:
    return f": left out, for there is no {', '.join(needs)}" if needs else ""


if __name__ == "__main__":
    sys.exit(main())
