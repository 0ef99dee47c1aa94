"""How many cores' time this process may have: cores that it may run on, and what its control groups let it take.

A container's CPU limit is a quota of time on all cores of its node (`cpu.max` of cgroup v2, `cpu.cfs_quota_us` of v1):
more processes than that are stopped in turn, and take as much memory.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def cores(*, groups: Path = _GROUPS, mount: Path = _MOUNT) -> int:
    """Return how many there are, a part of one counting as one; 1 at least.

    `groups` names the groups of this process, `mount` is where they lie.
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, math.ceil(min([own, *_quotas(groups, mount)])))


def _quotas(groups: Path, mount: Path) -> Iterator[float]:
    """Yield what each group that this process is in, and those above it, may take; nothing where they do not say."""
    try:
        lines = groups.read_text(errors="replace").splitlines()
    except OSError:  # not Linux, or nothing to see
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # In a container the path may be the node's, and its own group lies at the root.
        folder = mount / "cpu" if controllers else mount
        for name in ("", *path.split("/")):
            folder = folder if name == ".." else folder / name
            quota = _quota_of_v1(folder) if controllers else _quota_of_v2(folder)
            if quota is not None:
                yield quota


def _quota_of_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # `max`: as much as there is
        return None


def _quota_of_v1(folder: Path) -> float | None:
    try:
        quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
