"""A command's wall-clock time and the peak memory of it and its children."""

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_INTERVAL_S = 0.02


@dataclass(frozen=True)
class Measured:
    """One run: seconds, and the highest resident memory in bytes (None where the system has no /proc).

    `main_bytes` is the main process alone, `tree_bytes` the highest sum over it and its children at one moment (pages
    that they share count for each).
    """

    seconds: float
    main_bytes: int | None
    tree_bytes: int | None
    exit_code: int
    errors: str


class _Watch:
    """Samples the memory of a process and its descendants until it is told to stop."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.main_bytes = 0
        self.tree_bytes = 0
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(_INTERVAL_S):
            self.main_bytes = max(self.main_bytes, _field(self._pid, "VmHWM:"))
            self.tree_bytes = max(self.tree_bytes, sum(_field(pid, "VmRSS:") for pid in _tree(self._pid)))


def run(command: Sequence[str], environment: dict[str, str]) -> Measured:
    """Run a command to its end, its standard output thrown away."""
    began = time.monotonic()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    ) as process:
        watch = _Watch(process.pid) if Path("/proc/self/status").exists() else None
        _, errors = process.communicate()
        seconds = time.monotonic() - began
        if watch is not None:
            watch.stop()
    return Measured(
        seconds,
        watch.main_bytes if watch else None,
        watch.tree_bytes if watch else None,
        process.returncode,
        errors.decode("utf-8", "replace"),
    )


def _field(pid: int, name: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0  # it has ended
    for line in status.splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


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
