"""The table of corrections: each is about its own fields, none explains more than one value, none knows `plh`."""

import ast
import uuid
from pathlib import Path
from typing import Any

import pytest

import compat
from compat.baseline import baseline_event
from compat.comparison import Compared, flat
from compat.corrections import CORRECTIONS, ITEMS, Correction, Overreach, correct
from compat.laws import Fields
from compat.record import Record, Setting
from compat.values import ABSENT, same
from tests.converting import ROOT, read_lines

PAIRS = read_lines(ROOT / "tests" / "data" / "litellm_reference_pairs.jsonl")
SETTING = Setting("0", "phc_x", "https://h")


def expect(record: dict[str, Any], **changes: Any) -> Fields:
    """What must be sent for a record, made from the first of the sample."""
    payload = {**PAIRS[0]["input"]["standard_logging_object"], **changes}
    kwargs = {"standard_logging_object": payload, **record}
    return correct(flat(baseline_event(kwargs), "phc_x", "https://h"), Record(kwargs), SETTING).fields


def modules() -> list[Path]:
    return sorted(Path(compat.__file__).parent.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_what_judges_plh_shares_no_code_with_it() -> None:
    assert len(modules()) > 15
    assert not {path.name: name for path in modules() for name in imported(path) if name.startswith("posthog_llm_cli")}


def test_litellm_is_needed_only_where_the_calls_are_made() -> None:
    needing = {path.name for path in modules() if any(name.split(".")[0] == "litellm" for name in imported(path))}
    assert needing == {"asking.py", "logger.py"}


def test_every_correction_has_a_name_of_its_own_and_says_its_rule() -> None:
    names = [correction.name for correction in CORRECTIONS]
    assert len(set(names)) == len(names)
    assert all(correction.rule and correction.fields for correction in CORRECTIONS)


def test_every_item_of_the_specification_has_its_corrections() -> None:
    """Item 18 is about calls, not fields: see `compat.delivery`."""
    items = {correction.item for correction in CORRECTIONS if correction.item.startswith("6.")}
    assert items == {f"6.{number}" for number in range(1, 21) if number != 18}
    assert {correction.item for correction in CORRECTIONS} | {"6.18"} == ITEMS.keys()


def test_a_correction_that_touches_another_field_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(fields: Fields, record: Record, setting: Setting) -> None:
        fields["$ai_model"] = "another"

    rows = (Correction("6.1", "greedy", ("event:timestamp",), greedy, "r"),)
    monkeypatch.setattr("compat.corrections.CORRECTIONS", rows)
    with pytest.raises(Overreach, match=r"greedy touched \$ai_model"):
        correct({}, Record(PAIRS[0]["input"]), SETTING)


def test_what_is_expected_does_not_depend_on_what_plh_sends_nor_twice_applying() -> None:
    for pair in PAIRS:
        base = flat(pair["event"], "phc_x", "https://h")
        first = correct(base, Record(pair["input"]), SETTING).fields
        assert same(first, correct(base, Record(pair["input"]), SETTING).fields)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (1, 1.0, True), (1, True, False), (0, False, False), ("1", 1, False), (None, ABSENT, False), ([1, [2]], [1, [2.0]], True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True), ({"a": 1}, {"a": 1, "b": None}, False), ([], {}, False), ([1], [1, 1], False),
    ],
)  # fmt: skip
def test_values_are_the_same_only_where_json_is(one: Any, other: Any, alike: bool) -> None:
    assert same(one, other) is alike


def test_a_latency_may_differ_by_less_than_the_clocks_step_and_nothing_else_may() -> None:
    assert Compared("$ai_latency", 1.5000004, 1.5, 1.5, ()).is_equal
    assert not Compared("$ai_latency", 1.50001, 1.5, 1.5, ()).is_equal
    assert not Compared("$ai_total_cost_usd", 1.5000004, 1.5, 1.5, ()).is_equal
    assert not Compared("$ai_latency", 1.5, 1.5000004, 1.5, ()).is_explained


# The laws of what generated calls do not show, or show once.


def test_a_records_own_host_is_found_under_both_names() -> None:
    both = {"posthog_host": "https://a/", "posthog_api_url": "https://b"}
    assert expect({"standard_callback_dynamic_params": both})["to:host"] == "https://a"
    assert expect({"standard_callback_dynamic_params": {"posthog_api_url": "https://b"}})["to:host"] == "https://b"


def test_on_a_proxy_only_what_the_requester_said_is_expected() -> None:
    params = {
        "proxy_server_request": {},
        "metadata": {"agent": 1, "user_id": "x", "requester_metadata": {"mine": 2, "user_id": "u"}},
    }
    found = expect({"litellm_params": params})
    assert (found["mine"], found["event:distinct_id"]) == (2, "u")
    assert "agent" not in found


def test_ids_that_the_logger_invents_are_expected_from_the_call() -> None:
    found = expect({}, id=None, trace_id=None, litellm_call_id="call-1", end_user=None, model_parameters={})
    assert (found["$ai_span_id"], found["$ai_trace_id"], found["event:distinct_id"]) == ("call-1", "call-1", "call-1")


def test_the_uuid_that_is_expected_is_the_pinned_one() -> None:
    found = expect({}, id="chatcmpl-1_cache_hit1748772000.25", startTime=1748772000.0019)
    identity = "litellm|chatcmpl-1|1748772000001|success"
    assert found["event:uuid"] == str(uuid.uuid5(uuid.UUID("4aa45a0d-3934-5612-94d3-a0d6a13c0764"), identity))
