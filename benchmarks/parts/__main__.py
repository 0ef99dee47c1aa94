"""Times the parts and writes their table into RESULTS.md.

python -m benchmarks.parts [OPTIONS OF pytest, for example -k framing; the file is then left alone]
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import machine
from benchmarks.parts.material import ITEMS
from benchmarks.results import bullets, table, write_section

HERE = Path(__file__).parent


def rows(benchmarks: Sequence[Mapping[str, Any]]) -> list[Sequence[str]]:
    """Return a row for each benchmark: its name, and the µs of one item as median and quartiles."""
    found: list[Sequence[str]] = []
    for one in benchmarks:
        us = [one["stats"][name] * 1e6 / one["extra_info"][ITEMS] for name in ("median", "q1", "q3")]
        module = Path(one["fullname"].partition("::")[0]).stem.removeprefix("bench_")
        found.append((module, one["name"].removeprefix("bench_"), *(f"{value:.2f}" for value in us)))
    return found


def main(options: Sequence[str]) -> int:
    """Run pytest over the parts; return its exit code."""
    with tempfile.TemporaryDirectory(prefix="plh-benchmark-") as folder:
        out = Path(folder) / "parts.json"
        told = ["-c", str(HERE / "pytest.ini"), f"--benchmark-json={out}", str(HERE), *options]
        code = pytest.main(told)
        if code == pytest.ExitCode.OK and not options:
            head = ("stage", "part", "µs an item", "first quartile", "third quartile")
            found = table(head, rows(json.loads(out.read_bytes())["benchmarks"]))
            write_section("parts", "\n\n".join(("## The parts", bullets(machine.describe()), found)))
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
