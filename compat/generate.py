"""Makes the calls of every scenario with the real LiteLLM, its own PostHog logger and a callback that dumps its kwargs.

usage (in the environment that has LiteLLM): python -m compat.generate FOLDER URL-OF-THE-STAND-IN

Into FOLDER go, line by line beside one another:
  log.jsonl    `json.dumps(kwargs, default=str)` of each call, the log that `plh` reads
  calls.jsonl  {"scenario", "phase", "base", "random", "transcribed", "api_key", "host", "built"}: what LiteLLM's logger
               makes of the same kwargs, which fields of that are chance, what `compat.baseline` says that it makes,
               and the events that the logger built while it logged the call
and run.json   {"litellm": its version, "ran": names of scenarios, "raised": {name: exception},
                "attempts": connections that were refused}
"""

import asyncio
import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import Any

from compat.offline import stay_offline

DEFAULT_KEY = "phc_compatDefaultProject0001"
_QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # the price map comes from the package, not from the network
    "LITELLM_LOG": "CRITICAL",
    "LITELLM_TELEMETRY": "False",
    "LOGGING_EXECUTOR_MAX_THREADS": "1",  # with more, a text completion is logged once or twice, as it happens
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
}
ATTEMPTS: list[str] = []


def prepare(url: str) -> None:
    """Set what LiteLLM reads in the environment when it is imported, and forbid the network."""
    os.environ.update(_QUIET, POSTHOG_API_KEY=DEFAULT_KEY, POSTHOG_API_URL=url)
    stay_offline(ATTEMPTS)


async def run(folder: Path, url: str) -> None:
    """Make all calls, one scenario after another, and write the files."""
    from compat.asking import Desk, drain, make  # noqa: PLC0415 - imports LiteLLM, which reads the environment
    from compat.scenarios import SCENARIOS  # noqa: PLC0415

    desk = Desk(url)
    raised: dict[str, str] = {}
    ran: list[str] = []
    for scenario in SCENARIOS:
        found = await make(desk, scenario)
        ran.append(scenario.name)
        if found is not None:
            raised[scenario.name] = found
    await drain(desk)
    _write(folder / "log.jsonl", [entry.line for entry in desk.entries])
    _write(folder / "calls.jsonl", [json.dumps(call) for call in desk.calls()])
    about: dict[str, Any] = {
        "litellm": importlib.metadata.version("litellm"),
        "ran": ran,
        "raised": raised,
        "attempts": ATTEMPTS,
    }
    (folder / "run.json").write_text(json.dumps(about, indent=1))


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    prepare(sys.argv[2])
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
