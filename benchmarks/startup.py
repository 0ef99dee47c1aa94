"""How long programs take that do nothing: the start of plh against that of Python."""

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL, run
from types import MappingProxyType

PLH = str(Path(sys.executable).parent / "plh")

COMMANDS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "python -c pass": (sys.executable, "-c", "pass"),
        "plh --version": (PLH, "--version"),
        "plh --help": (PLH, "--help"),
        "plh send --help": (PLH, "send", "--help"),
    }
)


def measure(repeat: int) -> dict[str, float]:
    """Return the median wall-clock seconds of each command; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeat + 1):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            run(command, stdin=DEVNULL, stdout=DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}  # the first one fills the caches
