"""How much memory a process has held."""

import re
from pathlib import Path


def peak_mib() -> float:
    """Return the most memory that this process has held at once so far, in MiB (Linux).

    Not `ru_maxrss`: it outlives `exec`, so that a program that a test starts begins with the peak of the tests, and is seen to
    grow only beyond that.
    """
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
