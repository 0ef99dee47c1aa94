"""What was measured on what: processor, versions, commit, date. Names no host."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_OURS = ("httpx", "orjson", "isal")
_THEIRS = ("posthog", "litellm")


def describe(peers_python: Path | None = None) -> list[str]:
    """Return one line each on machine, versions, and commit with date."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    packages = [f"{name} {_version(name)}" for name in _OURS]
    if peers_python is not None and peers_python.exists():
        packages += [f"{name} {_peer_version(peers_python, name)}" for name in _THEIRS]
    tools = [_first_line([tool, "--version"]) for tool in ("jq", "curl") if shutil.which(tool)]
    return [
        f"{_processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}; load {load}",
        f"Python {sys.version.split()[0]}, {', '.join(packages + tools)}",
        f"commit {commit()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    ]


def commit() -> str:
    """Return the commit that is checked out, and whether files differ from it."""
    here = Path(__file__).parent
    found = _first_line(["git", "-C", str(here), "rev-parse", "--short", "HEAD"])
    status = ["git", "-C", str(here), "status", "--porcelain", "--untracked-files=no", "--", ".", ":!RESULTS.md"]
    return found + (" with changes" if _first_line(status) else "") if found else "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _peer_version(python: Path, package: str) -> str:
    return _first_line([str(python), "-c", f"from importlib.metadata import version; print(version({package!r}))"])


def _first_line(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = " ".join(done.stdout.splitlines()[:1])
    return " ".join(found.split()[:2]) if command[-1] == "--version" else found
