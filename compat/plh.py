"""`plh` itself, as a process, on a log."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from compat.values import Json

IMPORT_ID = "compat"
_PLH = Path(sys.executable).with_name("plh")
_TIMEOUT_S = 120
_NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run left behind: its exit code, the lines of stdout as JSON, and its report."""

    code: int
    events: list[Json]
    report: dict[str, Json]
    errors: str


def version() -> str:
    """Return the version of `plh`."""
    return _run(Path.cwd(), {}, "--version").stdout.split()[-1]


def send_mock(log: Path, key: str, host: str, allowed: list[str]) -> Ran:
    """Run `plh send --mock`, which prints the events."""
    done = _run(log.parent, {"POSTHOG_API_KEY": key}, "send", "--mock", "--json", *_where(log, host, allowed))
    events = [json.loads(line) for line in done.stdout.split("\n") if line]
    return Ran(done.returncode, events, _report(done.stderr), done.stderr)


def send(log: Path, key: str, host: str, allowed: list[str]) -> Ran:
    """Run `plh send`, which delivers the events to the hosts that the records name, on the route that LiteLLM uses."""
    options = ("--json", "--yes", "--no-ledger", "--endpoint", "batch", "--dead-letter", str(log.parent / "dead.jsonl"))
    done = _run(log.parent, {"POSTHOG_API_KEY": key}, "send", *options, *_where(log, host, allowed))
    return Ran(done.returncode, [], _report(done.stdout), done.stderr)


def _where(log: Path, host: str, allowed: list[str]) -> list[str]:
    hosts = [option for name in allowed for option in ("--allow-host", name)]
    return ["--host", host, *hosts, "--import-id", IMPORT_ID, str(log)]


def _report(text: str) -> dict[str, Json]:
    """Return the report, which may stand among other lines."""
    start = text.find("{")
    found: dict[str, Json] = json.JSONDecoder().raw_decode(text, start)[0] if start >= 0 else {}
    return found


def _run(home: Path, extra: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run with an environment without anything of the user's; what is not on this machine is behind a closed port."""
    offline = {"HTTP_PROXY": _NOWHERE, "HTTPS_PROXY": _NOWHERE, "NO_PROXY": "127.0.0.1"}
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **offline, **extra}
    return subprocess.run(
        [str(_PLH), *arguments], cwd=home, env=environment, capture_output=True, text=True, encoding="utf-8",
        errors="surrogatepass", timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
