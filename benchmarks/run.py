"""Times `plh` on an invented log: a dry run, `--mock` into nothing, and a real send to a mock server.

    python -m benchmarks.run [--calls 20000] [--seed 7] [--repeat 1] [--endpoint v1] [-- OPTIONS OF plh send]

Prints a table and asserts no figure. Exit 1 if a run failed.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.generate import write
from benchmarks.measure import Measured, run

PLH = [sys.executable, "-m", "posthog_llm_cli"]
KEY = "phc_benchmark_no_real_project_key"
MIB = 1024 * 1024


def environment(work: Path) -> dict[str, str]:
    """Return the environment without what would change the runs, its state in a folder of the benchmark."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("POSTHOG_", "PLH_"))}
    folders = {f"XDG_{kind}_HOME": str(work / kind.lower()) for kind in ("STATE", "CONFIG", "DATA", "CACHE")}
    return kept | folders | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONIOENCODING": "utf-8"}


@contextmanager
def mock_server(work: Path) -> Iterator[str]:
    """Run a mock server in a process of its own; yield its URL."""
    log = work / "server.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*PLH, "mock-server", "--port", "0"], stdout=subprocess.PIPE, stderr=out, env=environment(work)
        ) as process,
    ):
        try:
            assert process.stdout is not None
            found = re.match(rb"listening on (\S+)", process.stdout.readline())
            if found is None:
                sys.exit(f"the mock server did not start:\n{log.read_text()}")
            # Its list of what arrives goes to nobody; a pipe that nobody reads would fill up and stop it.
            drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
            yield found[1].decode()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
    drain.wait()


def row(name: str, calls: int, size: int, found: Measured) -> str:
    memory = ["-" if value is None else f"{value / MIB:,.0f}" for value in (found.main_bytes, found.tree_bytes)]
    return (
        f"{name:<34} {found.seconds:>8.2f} {calls / found.seconds:>10,.0f} {size / MIB / found.seconds:>8.1f}"
        f" {memory[0]:>10} {memory[1]:>10}  {found.exit_code:>4}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="time plh on an invented log")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--endpoint", default="auto")
    parser.add_argument("options", nargs="*", help="for plh send, after --")
    given = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="plh-benchmark-") as folder:
        work = Path(folder)
        log, ledger = work / "calls.jsonl", work / "ledger.sqlite"
        size = write(log, given.calls, given.seed)
        print(f"{given.calls:,} calls, {size / MIB:,.1f} MiB, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
        print(f"{'':<34} {'seconds':>8} {'calls/s':>10} {'MiB/s':>8} {'MiB main':>10} {'MiB tree':>10}  exit")
        with mock_server(work) as url:
            send = [*PLH, "send", str(log), "--yes", "--dead-letter", str(work / "dead.jsonl"), *given.options]
            real = [*send, "--host", url, "--api-key", KEY, "--endpoint", given.endpoint, "--ledger", str(ledger)]
            runs = {"send --dry-run": [*send, "--dry-run"], "send --mock >/dev/null": [*send, "--mock"],
                    f"send, to a mock server ({given.endpoint})": real}  # fmt: skip
            for name, command in runs.items():
                for _ in range(given.repeat):
                    ledger.unlink(missing_ok=True)  # or the second run would have nothing to send
                    found = run(command, environment(work))
                    print(row(name, given.calls, size, found), flush=True)
                    if found.exit_code:
                        failed = True
                        print(found.errors[-2000:], file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
