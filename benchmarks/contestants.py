"""Who is measured, with what, against what: one table."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from benchmarks.figures import Run
from benchmarks.measure import Measured, run
from benchmarks.sink import Arrived, Sink

PLH = (sys.executable, "-m", "posthog_llm_cli")
LEDGER = "ledger.sqlite"
KEY = "phc_benchmark_no_real_project_key"
SCRIPTS = Path(__file__).parent / "peers"
PEERS = (".venv-peers",)

PLH_MAIN = "plh send"
PLH_START = "plh send, one call"
PLH_PRICED = "plh send, litellm-priced"
PLH_OPENAI = "plh send, openai"
PLH_SHARD = "plh send --shard 1/4"
PLH_8 = "plh send, 8 in flight"
PLH_8_50MS = "plh send, 8 in flight, 50 ms"
SDK_GZIP = "posthog-python, gzip"
SDK_PLAIN = "posthog-python"
SDK_PRICED = "posthog-python, gzip, litellm-priced"
LITELLM = "LiteLLM's logger"
LITELLM_PRICED = "LiteLLM's logger, litellm-priced"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run works: its log, the sink's URL, a folder that is empty, and the Python of the peers."""

    log: Path
    url: str
    work: Path
    peers_python: Path


class Size(Enum):
    """How many calls a contestant's log has: all, the fewer ones of the peers, which take so much longer, or one."""

    ALL = "all"
    PEERS = "peers"
    ONE = "one"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to get a log into PostHog.

    `needs` names what it needs besides plh, without which it is left out: programs, or the environment of the peers.
    `quick` ones are measured in the quick mode too, `once` ones in the first round only.
    """

    name: str
    command: Callable[[Place], Sequence[str]]
    corpus: str = "litellm"
    latency_ms: int = 0
    needs: tuple[str, ...] = ()
    chosen_size: Size | None = None
    quick: bool = False
    once: bool = False

    @property
    def is_plh(self) -> bool:
        """Whether it is plh, whose report must agree with the sink."""
        return not self.needs

    @property
    def size(self) -> Size:
        """How many calls its log has."""
        return self.chosen_size or (Size.ALL if self.is_plh else Size.PEERS)


def send(*options: str, ledger: bool = True, route: str = "v1") -> Callable[[Place], Sequence[str]]:
    """Return the command of `plh send` with some options."""

    def command(place: Place) -> Sequence[str]:
        kept = ("--ledger", str(place.work / LEDGER)) if ledger else ("--no-ledger",)
        fixed = ("--yes", "--json", "--quiet", "--endpoint", route, "--host", place.url)
        return (*PLH, "send", str(place.log), *fixed, "--dead-letter", str(place.work / "dead"), *kept, *options)

    return command


def posthog_python(*options: str) -> Callable[[Place], Sequence[str]]:
    """Return the command of the loop that captures with PostHog's SDK."""
    script = str(SCRIPTS / "posthog_python.py")
    return lambda place: (str(place.peers_python), script, str(place.log), place.url, KEY, *options)


def litellm_logger(place: Place) -> Sequence[str]:
    """Return the command of LiteLLM's logger."""
    return str(place.peers_python), str(SCRIPTS / "litellm_logger.py"), str(place.log)


def pipeline(place: Place) -> Sequence[str]:
    """Return the command of the shell pipeline."""
    return "sh", str(SCRIPTS / "pipeline.sh"), str(place.log), place.url, KEY


CONTESTANTS: Sequence[Contestant] = (
    Contestant(PLH_MAIN, send(), quick=True),
    Contestant("plh send --no-ledger", send(ledger=False)),
    Contestant(PLH_START, send(), chosen_size=Size.ONE, quick=True),
    Contestant("plh send, ai-batch", send(route="ai-batch")),
    Contestant("plh send --no-ledger, ai-batch", send(ledger=False, route="ai-batch")),
    Contestant("plh send, batch", send(route="batch")),
    Contestant("plh send --no-ledger, batch", send(ledger=False, route="batch")),
    Contestant("plh send --workers 1", send("--workers", "1")),
    Contestant("plh send --workers 2", send("--workers", "2")),
    Contestant("plh send, 1 in flight", send("--concurrency", "1")),
    Contestant(PLH_8, send("--concurrency", "8"), quick=True),
    Contestant("plh send, 16 in flight", send("--concurrency", "16")),
    Contestant("plh send, 1 in flight, 50 ms", send("--concurrency", "1"), latency_ms=50),
    Contestant("plh send, 4 in flight, 50 ms", send(), latency_ms=50),
    Contestant(PLH_8_50MS, send("--concurrency", "8"), latency_ms=50, quick=True),
    Contestant("plh send, 16 in flight, 50 ms", send("--concurrency", "16"), latency_ms=50),
    Contestant(PLH_SHARD, send("--shard", "1/4")),
    Contestant(PLH_PRICED, send(), corpus="litellm-priced"),
    Contestant(PLH_OPENAI, send(), corpus="openai"),
    Contestant(SDK_GZIP, posthog_python("--gzip"), quick=True, needs=PEERS),
    Contestant(SDK_PLAIN, posthog_python(), quick=True, needs=PEERS),
    Contestant("posthog-python, gzip, historical", posthog_python("--gzip", "--historical"), needs=PEERS),
    Contestant("posthog-python, historical", posthog_python("--historical"), needs=PEERS),
    Contestant("posthog-python, gzip, 50 ms", posthog_python("--gzip"), latency_ms=50, needs=PEERS),
    Contestant(
        "posthog-python, gzip, all calls",
        posthog_python("--gzip"),
        chosen_size=Size.ALL,
        once=True,
        needs=PEERS,
    ),
    Contestant(
        "posthog-python, gzip, all calls, roomy queue",
        posthog_python("--gzip", "--roomy"),
        chosen_size=Size.ALL,
        once=True,
        needs=PEERS,
    ),
    Contestant(SDK_PRICED, posthog_python("--gzip"), corpus="litellm-priced", needs=PEERS),
    Contestant(LITELLM, litellm_logger, quick=True, needs=PEERS),
    Contestant("LiteLLM's logger, 50 ms", litellm_logger, latency_ms=50, needs=PEERS),
    Contestant(LITELLM_PRICED, litellm_logger, corpus="litellm-priced", needs=PEERS),
    Contestant("jq, gzip and curl", pipeline, needs=("jq", "curl", "gzip", "split", "paste")),
)


def lacking(contestant: Contestant, peers_python: Path) -> list[str]:
    """Return what a contestant needs and this machine does not have."""
    have_peers = peers_python.exists()
    return [name for name in contestant.needs if not (have_peers if name in PEERS else shutil.which(name))]


def environment(place: Place) -> dict[str, str]:
    """Return the environment without what would change the runs; all state goes into the run's own folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("POSTHOG_", "PLH_", "LITELLM_"))}
    folders = {f"XDG_{kind}_HOME": str(place.work / kind.lower()) for kind in ("STATE", "CONFIG", "DATA", "CACHE")}
    return (
        kept
        | folders
        | {
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "PYTHONIOENCODING": "utf-8",
            "POSTHOG_API_KEY": KEY,
            "POSTHOG_API_URL": place.url,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or importing it asks the network
        }
    )


def measure(contestant: Contestant, place: Place, sink: Sink, calls: int) -> Run:
    """Run a contestant once, and check what it says against what arrived."""
    sink.reset(latency_ms=contestant.latency_ms)
    found = run(contestant.command(place), environment(place), directory=place.work)
    arrived = sink.count()
    told = last_object(found.output)
    own = {} if contestant.is_plh else told
    return Run(
        contestant=contestant.name,
        calls=calls,
        log_bytes=place.log.stat().st_size,
        seconds=own.get("seconds", found.seconds),
        cpu_s=own.get("cpu_s", found.cpu_s),
        pss_bytes=found.pss_bytes,
        rss_bytes=found.rss_bytes,
        requests=arrived.requests,
        wire_bytes=arrived.wire_bytes,
        distinct=arrived.distinct,
        sink_cpu_s=arrived.cpu_s,
        ledger_bytes=ledger.stat().st_size if (ledger := place.work / LEDGER).exists() else 0,
        problem=problem(found, told, arrived, calls) if contestant.is_plh else peer_problem(found, arrived),
    )


def last_object(output: str) -> dict[str, float]:
    """Return the JSON object that a program printed last, empty where there is none."""
    begin = 0 if output.startswith("{") else output.rfind("\n{") + 1
    try:
        found = json.loads(output[begin:])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def problem(found: Measured, report: Mapping[str, float], arrived: Arrived, calls: int) -> str | None:
    """Return where plh's word and the sink's differ, or what else is wrong with a run; None where all is well."""
    if found.exit_code != 0:
        return f"exit {found.exit_code}: {found.errors.strip()[-300:]}"
    accepted, filtered = (report.get(name, 0) for name in ("accepted", "filtered"))
    if not (accepted == arrived.distinct == arrived.events and accepted + filtered == calls):
        return (
            f"the log has {calls} calls, plh reports {accepted} as accepted and {filtered} as filtered, and the sink"
            f" has {arrived.events} events, {arrived.distinct} of them distinct"
        )
    if report.get("requests") != arrived.requests:
        return f"plh reports {report.get('requests')} requests, the sink has {arrived.requests}"
    return None


def peer_problem(found: Measured, arrived: Arrived) -> str | None:
    """Return what is wrong with a peer's run; that it lost events is none, but a figure."""
    if found.exit_code != 0 or arrived.events == 0:
        return f"exit {found.exit_code}, {arrived.events} events: {found.errors.strip()[-300:]}"
    return None
