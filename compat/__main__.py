"""`python -m compat PYTHON`: makes the calls with the LiteLLM that PYTHON has, runs `plh` on their log, compares,
prints a table.

Exit 0 if LiteLLM's logger and `plh` differ by the named corrections alone, 1 if not, or if the run was not what it
must be.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compat import plh
from compat.generate import DEFAULT_KEY
from compat.pin import pinned
from compat.record import Setting
from compat.scenarios import SCENARIOS
from compat.stand_in import StandIn
from compat.suite import Replay, Verdict, allowed_hosts, judge, judge_generation, read
from compat.table import render

_ROOT = Path(__file__).parent.parent
_TIMEOUT_S = 300


def run(python: Path, folder: Path) -> Verdict:
    """Run the suite in a folder.

    Raises:
        RuntimeError: the calls could not be made.
    """
    with StandIn() as stand_in:
        _generate(python, folder, stand_in.url)
        live = stand_in.posted()
        found = read(folder)
        hosts = allowed_hosts(found.records)
        setting = Setting(plh.version(), DEFAULT_KEY, stand_in.url, plh.IMPORT_ID)
        log = folder / "log.jsonl"
        mock = plh.send_mock(log, DEFAULT_KEY, stand_in.url, hosts)
        sent = plh.send(log, DEFAULT_KEY, stand_in.url, hosts)
        verdict = judge(found, live, Replay(mock, sent, stand_in.posted()), setting)
    verdict.problems[:0] = judge_generation(found, pinned(), SCENARIOS)
    return verdict


def _generate(python: Path, folder: Path, url: str) -> None:
    command = [str(python), "-m", "compat.generate", str(folder), url]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}  # no keys, no proxies
    done = subprocess.run(
        command, cwd=_ROOT, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"LiteLLM's side ended with exit code {done.returncode}:\n{done.stderr[-4000:]}")


def main(arguments: list[str]) -> int:
    """Run the suite and print what it found; return the exit code."""
    if len(arguments) != 1:
        sys.stderr.write(
            "usage: python -m compat PYTHON, the interpreter of an environment with LiteLLM (make compat)\n"
        )
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="plh-compat-") as folder:
        try:
            verdict = run(Path(arguments[0]).absolute(), Path(folder))
        except RuntimeError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
    sys.stdout.write(render(verdict, pinned(), len(SCENARIOS), time.monotonic() - began))
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
