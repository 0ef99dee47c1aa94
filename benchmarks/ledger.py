"""Times what the ledger costs: a send with it and without it, a rerun, and lookups in a ledger that grows.

    python -m benchmarks.ledger [--calls 200000] [--repeat 3] [--settled 10000000]

Prints tables and asserts no figure. `--settled 0` leaves out the second one, which takes a minute for each million.
"""

import argparse
import random
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.generate import write
from benchmarks.measure import run
from benchmarks.run import KEY, PLH, environment, mock_server
from posthog_llm_cli.ledger import Ledger, RunStart
from posthog_llm_cli.model import Destination, Settlement

LEDGER = "ledger.sqlite"
WHERE = Destination("https://us.example", KEY)
DELIVERY = 500


def sends(work: Path, calls: int, repeat: int, seed: int) -> bool:
    """Time `plh send` over the same log without a ledger, with a new one, and once more with that one."""
    log = work / "calls.jsonl"
    write(log, calls, seed=seed)
    ledger = work / LEDGER
    print(f"{calls:,} calls\n\n{'run':<32} {'seconds':>8} {'events/s':>10}  exit")
    failed = False
    with mock_server(work) as url:
        command = [*PLH, "send", "--yes", "--quiet", str(log), "--host", url, "--api-key", KEY]
        for _ in range(repeat):
            ledger.unlink(missing_ok=True)
            for name, options in (
                ("without a ledger", ["--no-ledger"]),
                ("with a new ledger", ["--ledger", str(ledger)]),
                ("again: all is settled", ["--ledger", str(ledger)]),
            ):
                found = run([*command, *options], environment(work))
                failed |= found.exit_code != 0
                print(
                    f"{name:<32} {found.seconds:>8.2f} {calls / found.seconds:>10,.0f}  {found.exit_code:>4}",
                    flush=True,
                )
    print(f"\nthe ledger takes {ledger.stat().st_size / calls:.1f} bytes an event\n")
    return failed


def lookups(work: Path, settled: int, seed: int) -> None:
    """Time lookups and settling in a ledger that grows to `settled` events, each step ten times the one before."""
    dice = random.Random(seed)
    path = work / "growing.sqlite"
    print(f"{'settled events':>14} {'lookup µs':>10} {'settle µs':>10} {'bytes/event':>12}")
    held, step = 0, max(1, settled // 1000)
    while step <= settled:
        with Ledger(path, RunStart(f"run-{step}", datetime.now(UTC))) as ledger:
            ledger.begin()
            while held < step:
                batch = [(dice.randbytes(16).hex(), Settlement.ACCEPTED) for _ in range(min(50_000, step - held))]
                ledger.settle(WHERE, batch)
                held += len(batch)
        with Ledger(path, RunStart(f"lookup-{step}", datetime.now(UTC))) as ledger:
            ledger.begin()
            asked = [dice.randbytes(16).hex() for _ in range(20_000)]
            began = time.perf_counter()
            for uuid in asked:
                ledger.outcome_of(WHERE, uuid)
            lookup = time.perf_counter() - began
            batches = [[(dice.randbytes(16).hex(), Settlement.ACCEPTED) for _ in range(DELIVERY)] for _ in range(20)]
            began = time.perf_counter()
            for batch in batches:
                ledger.settle(WHERE, batch)
            settling = time.perf_counter() - began
            held += len(batches) * DELIVERY
        size = path.stat().st_size / held
        per_settle = settling / (len(batches) * DELIVERY)
        print(f"{held:>14,} {lookup / len(asked) * 1e6:>10.1f} {per_settle * 1e6:>10.1f} {size:>12.1f}", flush=True)
        step *= 10


def main() -> int:
    parser = argparse.ArgumentParser(description="time what the ledger costs")
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--settled", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plh-benchmark-") as folder:
        failed = sends(Path(folder), given.calls, given.repeat, given.seed)
        if given.settled:
            lookups(Path(folder), given.settled, given.seed)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
