"""What a command and all its processes take: wall clock, processor time, and memory at the peak."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_INTERVAL_S = 0.2
"""Each look at three processes of 135 MiB takes 3 ms, and stops them where they ask for memory."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a command.

    `cpu_s` is user and system time of the process and of those that it waited for. `pss_bytes` and `rss_bytes` are the
    highest sums over all its processes at one moment, of five looks a second (0 where the system has no /proc): PSS
    counts a page that several share in parts, RSS counts it for each.
    """

    seconds: float
    cpu_s: float
    pss_bytes: int
    rss_bytes: int
    exit_code: int
    output: str
    errors: str


class _Watch:
    """Samples the memory of a process and its descendants until it is told to stop."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.pss_bytes = 0
        self.rss_bytes = 0
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_INTERVAL_S):
            found = [_memory(pid) for pid in _tree(self._pid)]
            self.pss_bytes = max(self.pss_bytes, sum(pss for pss, _ in found))
            self.rss_bytes = max(self.rss_bytes, sum(rss for _, rss in found))


def run(command: Sequence[str], environment: Mapping[str, str], *, directory: Path | None = None) -> Measured:
    """Run a command to its end; what it prints is kept."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=dict(environment), cwd=directory
        )
        watch = _Watch(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        watch.stop()
        process.returncode = os.waitstatus_to_exitcode(status)  # or Popen would wait for it again
        out.seek(0)
        errors.seek(0)
        return Measured(
            seconds=seconds,
            cpu_s=usage.ru_utime + usage.ru_stime,
            pss_bytes=watch.pss_bytes,
            rss_bytes=watch.rss_bytes,
            exit_code=process.returncode,
            output=out.read().decode("utf-8", "replace"),
            errors=errors.read().decode("utf-8", "replace"),
        )


def _memory(pid: int) -> tuple[int, int]:
    """Return PSS and RSS of a process in bytes; zeros where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0, 0
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines[1:])}
    return kib.get("Pss", 0) * 1024, kib.get("Rss", 0) * 1024


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            tasks = os.listdir(f"/proc/{parent}/task")  # noqa: PTH208 - names are all that is wanted
            for task in tasks:
                found += map(int, Path(f"/proc/{parent}/task/{task}/children").read_text().split())
        except OSError:
            continue
    return found
