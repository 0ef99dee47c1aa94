"""What `make compat` judges: a run that is right passes, and each thing that may go wrong fails it by name."""

import copy
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from compat.__main__ import main
from compat.baseline import baseline_event
from compat.delivery import LOST_SYNC, ONCE, TWICE
from compat.pin import pinned
from compat.plh import Ran
from compat.record import Setting
from compat.scenarios import Scenario
from compat.stand_in import Posted
from compat.suite import Generated, Replay, Verdict, judge, judge_generation
from compat.table import render
from posthog_llm_cli.version import __version__
from tests.converting import DESTINATION, OPTIONS, ROOT, US, read_lines, to_event, wire

PAIRS = read_lines(ROOT / "tests" / "data" / "litellm_reference_pairs.jsonl")[:6]
SETTING = Setting(__version__, DESTINATION.api_key, US)


@dataclass
class Run:
    """All that a run of the suite leaves, made here without LiteLLM; the last call was logged twice."""

    found: Generated
    live: list[Posted]
    mock: Ran
    sent: Ran
    arrived: list[Posted]
    scenarios: list[Scenario] = field(default_factory=list)

    def judged(self) -> Verdict:
        return judge(self.found, self.live, Replay(self.mock, self.sent, self.arrived), SETTING)

    def problems(self) -> list[str]:
        """All but that six calls do not meet every correction."""
        return [problem for problem in self.judged().problems if not problem.startswith("no generated call meets")]


def posted(events: list[Any], *, taken: bool = True, api_key: str = DESTINATION.api_key) -> list[Posted]:
    return [Posted(US, taken, {"api_key": api_key, "batch": [event]}) for event in events]


@pytest.fixture
def run() -> Run:
    records = [copy.deepcopy(pair["input"]) for pair in (*PAIRS, PAIRS[-1])]
    events = [baseline_event(record) for record in records]
    calls = [
        {"scenario": f"s{min(number, 5)}", "phase": "async success", "base": event, "random": [], "transcribed": event,
         "api_key": DESTINATION.api_key, "host": f"{US}/", "built": [event]}
        for number, event in enumerate(events)
    ]  # fmt: skip
    ours = [wire(to_event(record, OPTIONS)) for record in records[:-1]]
    report = {"records": 7, "accepted": 6, "duplicates": 1, "rejected": 0}
    failed = Counter(
        call["scenario"]
        for record, call in zip(records, calls, strict=True)
        if record["standard_logging_object"]["status"] == "failure"
    )
    names, repeated = [f"s{number}" for number in range(6)], {"s5": 1}
    scenarios = [
        Scenario(name, "completion", {}, 1 + repeated.get(name, 0), failed[name], doubled=repeated.get(name, 0))
        for name in names
    ]
    about = {"litellm": pinned(), "ran": names, "raised": {}, "attempts": []}
    return Run(
        Generated(records, calls, about),
        posted(events),
        Ran(0, ours, report, ""),
        Ran(0, [], report, ""),
        posted(copy.deepcopy(ours)),
        scenarios,
    )


def test_a_run_in_agreement_passes(run: Run) -> None:
    verdict = run.judged()
    assert run.problems() == []
    assert verdict.tally.unexplained == []
    assert verdict.tally.compared == verdict.tally.equal + verdict.tally.corrected > 100
    assert (verdict.calls, verdict.delivered, verdict.lines) == (6, 6, 7)
    assert dict(verdict.fates) == {ONCE: 5, TWICE: 1}
    assert judge_generation(run.found, pinned(), run.scenarios) == []


def _another_value(run: Run) -> None:
    for event in (run.mock.events[1], run.arrived[1].body["batch"][0]):
        event["properties"]["$ai_model"] = "gpt-9"


def _a_leak(run: Run) -> None:
    for event in (run.mock.events[1], run.arrived[1].body["batch"][0]):
        event["properties"]["user_api_key_hash"] = "ab"


def _another_project(run: Run) -> None:
    run.arrived[1].body["api_key"] = "phc_of_somebody_else"


@pytest.mark.parametrize(
    ("spoil", "name"),
    [(_another_value, "$ai_model"), (_a_leak, "user_api_key_hash"), (_another_project, "to:api_key")],
)
def test_a_difference_without_a_correction_is_shown_with_scenario_property_and_values(
    run: Run, spoil: Callable[[Run], None], name: str
) -> None:
    spoil(run)
    verdict = run.judged()
    assert [(where, one.name) for where, one in verdict.tally.unexplained] == [("s1", name)]
    assert not verdict.is_good
    text = render(verdict, pinned(), 6, 1.0)
    assert f"error: s1: {name} differs" in text
    assert "unexplained                                                                      1" in text


def _lost_by_plh(run: Run) -> None:
    run.mock.events.pop()


def _printed_twice(run: Run) -> None:
    run.mock.events.append(run.mock.events[0])


def _sent_otherwise_than_printed(run: Run) -> None:
    run.arrived[0].body["batch"][0]["properties"]["$ai_model"] = "gpt-9"


def _sent_twice(run: Run) -> None:
    run.arrived += posted([run.mock.events[0]])


def _sent_of_nothing(run: Run) -> None:
    run.arrived += posted([{**run.mock.events[0], "uuid": "another"}])


def _failed(run: Run) -> None:
    run.sent = replace(run.sent, code=5)


def _miscounted(run: Run) -> None:
    run.mock.report["accepted"] = 5


def _sent_by_nobody(run: Run) -> None:
    run.live += posted([{**run.found.calls[0]["base"], "distinct_id": "nobody"}])


def _lost_by_litellm(run: Run) -> None:
    del run.live[2]


def _another_logger(run: Run) -> None:
    run.found.calls[0]["transcribed"] = {**run.found.calls[0]["base"], "event": "$ai_span"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_lost_by_plh, "s5: expected one event, printed as it is sent; found it 0 times printed and 1 times delivered"),
        (
            _printed_twice,
            "s0: expected one event, printed as it is sent; found it 2 times printed and 1 times delivered",
        ),
        (_sent_otherwise_than_printed, "s0: expected one event, printed as it is sent"),
        (_sent_twice, "s0: expected one event, printed as it is sent; found it 1 times printed and 2 times delivered"),
        (_sent_of_nothing, "plh sent an event that no log line gives: another"),
        (_failed, "plh send: expected exit 0"),
        (_miscounted, "plh send --mock: expected exit 0"),
        (_sent_by_nobody, "LiteLLM's logger sent an event"),
        (_lost_by_litellm, "s2: LiteLLM's logger lost it for no known reason"),
        (_another_logger, "s0: LiteLLM's logger is not what compat/baseline.py says"),
    ],
)
def test_what_goes_wrong_with_a_call_is_named(run: Run, spoil: Callable[[Run], None], message: str) -> None:
    spoil(run)
    assert [problem for problem in run.problems() if problem.startswith(message)]
    assert not run.judged().is_good


def test_a_failure_of_a_sync_call_may_be_lost_live(run: Run) -> None:
    run.found.calls[2]["phase"] = "sync failure"
    del run.live[2]
    assert run.judged().fates[LOST_SYNC] == 1
    assert run.problems() == []


def _redacted(event: Any) -> Any:
    """The event of the same call, with another input."""
    return {**event, "properties": {**event["properties"], "$ai_input": [{"role": "user", "content": "redacted"}]}}


def test_an_event_that_the_logger_built_at_another_moment_is_its_calls(run: Run) -> None:
    built = _redacted(run.found.calls[2]["base"])
    run.found.calls[2]["built"] = [built]
    run.live[2] = posted([copy.deepcopy(built)])[0]
    assert run.problems() == []
    verdict = run.judged()
    assert dict(verdict.fates) == {ONCE: 5, TWICE: 1}
    assert verdict.apart == 1
    (row,) = [row for row in render(verdict, pinned(), 6, 1.0).splitlines() if "another moment than the line" in row]
    assert row.split()[-1] == "1"


def test_an_event_that_was_built_for_no_call_is_named_with_what_differs(run: Run) -> None:
    run.live[2] = posted([_redacted(run.found.calls[2]["base"])], api_key="phc_of_somebody_else")[0]
    (wrong, lost) = run.problems()
    assert wrong == (
        f"LiteLLM's logger sent an event to {US} that no log line gives: $ai_generation; "
        "the nearest is s2 (async success), which differs in $ai_input, to:api_key"
    )
    assert lost == "s2: LiteLLM's logger lost it for no known reason"


def test_an_event_that_was_built_for_another_project_is_wrong(run: Run) -> None:
    built = _redacted(run.found.calls[2]["base"])
    run.found.calls[2]["built"] = [built]
    run.live[2] = posted([built], api_key="phc_of_somebody_else")[0]
    assert any(problem.startswith("LiteLLM's logger sent an event") for problem in run.problems())


def test_an_event_that_was_built_once_and_sent_twice_is_wrong(run: Run) -> None:
    run.live += posted([run.found.calls[2]["base"]])
    (problem,) = run.problems()
    assert problem.endswith("; every line has its event")


def test_what_is_chance_in_an_event_tells_no_lines_apart(run: Run) -> None:
    sent = copy.deepcopy(run.found.calls[2]["base"])
    run.found.calls[2] |= {"random": ["$ai_trace_id", "distinct_id"], "built": []}
    sent["distinct_id"] = sent["properties"]["$ai_trace_id"] = "invented"
    run.live[2] = posted([sent])[0]
    assert run.problems() == []


def test_a_correction_that_no_call_meets_is_named(run: Run) -> None:
    assert "no generated call meets the correction 6.19 the host that the record names" in run.judged().problems


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"litellm": "1.0.0"}, f"expected LiteLLM {pinned()}, which is pinned, and found 1.0.0"),
        ({"attempts": ["socket.connect 192.0.2.1"]}, "a connection was about to leave this machine"),
        ({"ran": ["s0"]}, "expected 6 scenarios to run and found 1"),
    ],
)
def test_a_run_of_another_kind_is_named(run: Run, change: dict[str, Any], message: str) -> None:
    run.found.about.update(change)
    assert any(problem.startswith(message) for problem in judge_generation(run.found, pinned(), run.scenarios))


def test_a_scenario_without_its_calls_is_named(run: Run) -> None:
    run.scenarios.append(Scenario("silent", "completion", {}))
    run.found.about["ran"].append("silent")
    (problem,) = judge_generation(run.found, pinned(), run.scenarios)
    assert problem.startswith("silent: expected 1 lines, 0 of failures, 0 repeated; found 0 lines")


def test_a_call_that_was_logged_twice_unlike_is_named(run: Run) -> None:
    run.found.records[-1]["standard_logging_object"]["model"] = "gpt-9"
    assert "s5: logged twice, with unlike events" in run.problems()


def test_the_suite_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "make compat" in capsys.readouterr().err


def test_an_environment_without_litellm_fails_the_suite(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([sys.executable]) == 1
    assert "No module named 'litellm'" in capsys.readouterr().err
