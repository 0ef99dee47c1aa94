"""Judges a run: the files that `compat.generate` wrote, what reached the stand-in, and what `plh` made of the log. No
I/O but reading.

Everything that is not as it must be becomes a line in `Verdict.problems`; differences that no correction explains are
in its tally.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compat.comparison import Tally, against, flat
from compat.corrections import CORRECTIONS, Expected, correct
from compat.delivery import Line, find_senders, live_fates
from compat.laws import DISTINCT_ID, Fields
from compat.laws.calls import uuid_of
from compat.mutations import missed
from compat.plh import Ran
from compat.record import Record, Setting
from compat.scenarios import Scenario
from compat.stand_in import Posted
from compat.values import Json, object_of, same


@dataclass(frozen=True, slots=True)
class Generated:
    """What LiteLLM did: the log's records and beside each what LiteLLM's own logger makes of it, and how the run
    went."""

    records: list[Json]
    calls: list[Json]
    about: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Replay:
    """What `plh` did with the log: printed it, sent it, and what of it arrived."""

    mock: Ran
    sent: Ran
    arrived: list[Posted]


@dataclass(slots=True)
class Verdict:
    """What the suite found."""

    tally: Tally = field(default_factory=Tally)
    fates: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    calls: int = 0
    lines: int = 0
    delivered: int = 0
    apart: int = 0
    mutations: int = 0

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to complain of."""
        return not self.problems and not self.tally.unexplained


def read(folder: Path) -> Generated:
    """Read what `compat.generate` wrote."""
    about = json.loads((folder / "run.json").read_text("utf-8"))
    return Generated(_lines(folder / "log.jsonl"), _lines(folder / "calls.jsonl"), about)


def _lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def judge_generation(found: Generated, pinned: str, scenarios: Sequence[Scenario]) -> list[str]:
    """Return what is wrong with the calls themselves: version, number, network."""
    about, problems = found.about, []
    if about["litellm"] != pinned:
        problems.append(f"expected LiteLLM {pinned}, which is pinned, and found {about['litellm']}")
    problems += [f"a connection was about to leave this machine: {attempt}" for attempt in about["attempts"]]
    missing = [scenario.name for scenario in scenarios if scenario.name not in about["ran"]]
    if missing or len(about["ran"]) != len(scenarios):
        problems.append(f"expected {len(scenarios)} scenarios to run and found {len(about['ran'])}; missing: {missing}")
    for scenario in scenarios:
        problems += _judge_scenario(found, scenario)
    return problems


def _judge_scenario(found: Generated, scenario: Scenario) -> list[str]:
    own = [
        Record(record)
        for record, call in zip(found.records, found.calls, strict=True)
        if call["scenario"] == scenario.name
    ]
    uuids = {uuid_of(record) for record in own}
    logged = (len(own), sum(record.is_failure for record in own), len(own) - len(uuids))
    declared = (scenario.logged, scenario.failed, scenario.doubled)
    if logged == declared:
        return []
    raised = found.about["raised"].get(scenario.name, "nothing")
    words = "{} lines, {} of failures, {} repeated"
    return [f"{scenario.name}: expected {words.format(*declared)}; found {words.format(*logged)} (raised: {raised})"]


def judge(found: Generated, live: Iterable[Posted], replay: Replay, setting: Setting) -> Verdict:
    """Compare LiteLLM's logger and `plh`, call by call."""
    records = [Record(record) for record in found.records]
    lines = [_line(call, record) for call, record in zip(found.calls, records, strict=True)]
    first = {line.uuid: number for number, line in reversed(list(enumerate(lines)))}
    verdict = Verdict(lines=len(lines), calls=len(first))
    verdict.problems += _transcription_errors(found.calls)
    verdict.problems += find_senders(lines, live)
    verdict.apart = sum(line.apart for line in lines)
    verdict.fates, strange = live_fates(lines)
    verdict.problems += [*strange, *_unlike_repeats(lines, records, first, setting), *_run_errors(verdict, replay)]
    used: set[str] = set()
    for line, ours in _delivered(verdict, [lines[number] for number in sorted(first.values())], replay):
        base = flat(line.base, line.api_key, line.host)
        _judge_call(verdict, line, (base, ours), correct(base, records[first[line.uuid]], setting), used)
    unused = [correction.name for correction in CORRECTIONS if correction.name not in used and not correction.is_rare]
    verdict.problems += [f"no generated call meets the correction {name}" for name in unused]
    return verdict


def _delivered(verdict: Verdict, calls: list[Line], replay: Replay) -> Iterator[tuple[Line, Fields]]:
    """Yield each call with what `plh` made of it: printed once, delivered once, and the same both times."""
    printed, sent = defaultdict(list), defaultdict(list)
    for event in replay.mock.events:
        printed[event["uuid"]].append(event)
    for request in replay.arrived:
        for event in request.body["batch"]:
            sent[event["uuid"]].append((event, request.body["api_key"], request.host))
    known = {line.uuid for line in calls}
    verdict.problems += [f"plh sent an event that no log line gives: {uuid}" for uuid in {*printed, *sent} - known]
    for line in calls:
        shown, arrivals = printed[line.uuid], sent[line.uuid]
        if len(shown) != 1 or len(arrivals) != 1 or not same(shown[0], arrivals[0][0]):
            counts = f"{len(shown)} times printed and {len(arrivals)} times delivered"
            verdict.problems.append(f"{line.scenario}: expected one event, printed as it is sent; found it {counts}")
            continue
        verdict.delivered += 1
        yield line, flat(*arrivals[0])


def _unlike_repeats(lines: list[Line], records: list[Record], first: dict[str, int], setting: Setting) -> list[str]:
    """Return the calls that were logged twice and whose two lines would give two different events."""
    problems = []
    for number, line in enumerate(lines):
        one, other = (
            correct(flat(lines[n].base, lines[n].api_key, lines[n].host), records[n], setting).fields
            for n in (first[line.uuid], number)
        )
        if not same(one, other):
            problems.append(f"{line.scenario}: logged twice, with unlike events")
    return problems


def _judge_call(
    verdict: Verdict, line: Line, events: tuple[Fields, Fields], expected: Expected, used: set[str]
) -> None:
    base, ours = events
    verdict.tally.add(line.scenario, against(expected, base, ours))
    used |= {correction.name for trail in expected.trail.values() for correction in trail}
    count, unfound = missed(expected, base, ours)
    verdict.mutations += count
    verdict.problems += [f"{line.scenario}: a wrong {name} would not be found" for name in unfound]


def _line(call: Json, record: Record) -> Line:
    where = (call["api_key"], call["host"].rstrip("/"))
    random = frozenset(DISTINCT_ID if name == "distinct_id" else name for name in call["random"])
    return Line(call["scenario"], call["phase"], uuid_of(record), call["base"], random, *where, call["built"])


def _transcription_errors(calls: list[Json]) -> list[str]:
    """Return the calls where the real logger and `compat.baseline` disagree."""
    wrong = []
    for call in calls:
        real, written = call["base"], call["transcribed"]
        names = {*real["properties"], *written["properties"]} - set(call["random"])
        equal = all(same(real["properties"].get(name), written["properties"].get(name)) for name in names)
        if not equal or real["event"] != written["event"] or written["distinct_id"] not in {None, real["distinct_id"]}:
            wrong.append(f"{call['scenario']}: LiteLLM's logger is not what compat/baseline.py says")
    return wrong


def _run_errors(verdict: Verdict, replay: Replay) -> list[str]:
    """Return what is wrong with the two runs of `plh` as a whole: exit code, and the counts of the report."""
    expected = {
        "records": verdict.lines,
        "accepted": verdict.calls,
        "duplicates": verdict.lines - verdict.calls,
        "rejected": 0,
    }
    problems = []
    for name, ran in (("plh send --mock", replay.mock), ("plh send", replay.sent)):
        found = {key: object_of(ran.report).get(key) for key in expected}
        if ran.code != 0 or found != expected:
            problems.append(f"{name}: expected exit 0 and {expected}; found {ran.code} and {found}: {ran.errors[:500]}")
    return problems


def allowed_hosts(records: Iterable[Json]) -> list[str]:
    """Return the hosts that the records themselves name."""
    dynamics = [object_of(record.get("standard_callback_dynamic_params")) for record in records]
    named = {dynamic.get(key) for dynamic in dynamics for key in ("posthog_host", "posthog_api_url")}
    return sorted(host for host in named if isinstance(host, str) and host)
