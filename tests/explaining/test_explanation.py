"""An explanation of real records: its paths are true, its values those of the event, its reasons those of the run."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from rich.cells import cell_len

from posthog_llm_cli.convert import convert
from posthog_llm_cli.explaining import Explanation, Row, explain
from posthog_llm_cli.explaining.explanation import facts_of
from posthog_llm_cli.explaining.terminal import render
from posthog_llm_cli.model import ConvertOptions, Event, LogLine, SourceRef
from posthog_llm_cli.values import replace
from tests.converting import OPTIONS, SAMPLES, read_lines, with_build
from tests.preview.test_terminal import HOSTILE

LITELLM = read_lines(SAMPLES / "litellm.jsonl")


def explained(record: Any, options: ConvertOptions = OPTIONS) -> Explanation:
    raw = record if isinstance(record, bytes) else orjson.dumps(record)
    (found,) = explain(LogLine(SourceRef("app.jsonl", 7, 0), raw), options)
    return found


def rows(record: Any, options: ConvertOptions = OPTIONS) -> dict[str, Row]:
    return {row.property: row for row in explained(record, options).rows}


def sample_lines(name: str) -> Iterator[LogLine]:
    path = SAMPLES / f"{name}.jsonl"
    for number, raw in enumerate(path.read_bytes().splitlines()[:4], 1):
        yield LogLine(SourceRef(path.name, number, 0), raw)


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.jsonl")))
def test_every_sample_is_explained_with_the_values_of_its_event(name: str) -> None:
    for line in sample_lines(name):
        check_values(line)


def check_values(line: LogLine) -> None:
    for converted, found in zip(convert(line, OPTIONS), explain(line, OPTIONS), strict=True):
        if not isinstance(converted.result, Event):
            assert (found.event, found.rows) == (None, ())
            continue
        facts = facts_of(converted.result)
        assert {row.property: row.value for row in found.rows} == {
            name: value for name, value in facts.items() if name not in {"host", "api key"}
        }
        assert found.is_whole
        assert all(row.rule for row in found.rows)
        assert list(render([found], width=80, colour=False))


def test_a_litellm_record_says_where_everything_comes_from() -> None:
    found = rows(LITELLM[0])
    paths = {name: row.paths for name, row in found.items()}
    assert paths["uuid"] == ("$.id", "$.status", "$.startTime")
    assert paths["timestamp"] == ("$.endTime",)
    assert paths["distinct_id"] == ("$.model_parameters.user",)
    assert paths["$ai_latency"] == ("$.startTime", "$.endTime")
    assert paths["$ai_input_cost_usd"] == ("$.cost_breakdown.input_cost",)
    assert paths["$ai_input"] == ("$.messages",)
    assert paths["$ai_stop_reason"] == ("$.response.choices[0].finish_reason",)
    assert found["$ai_model"].rule == "as logged; comes before $.response.model"
    assert found["$ai_input_cost_usd"].needs == ("$.response_cost", "$.cost_breakdown.output_cost")
    assert found["$geoip_disable"].rule.startswith("always")


def test_identity_uuid_and_destination_are_told() -> None:
    found = explained(LITELLM[0])
    assert found.identity == "litellm|chatcmpl-sample0001|1748772060250|success"
    assert found.uuid == "9d584329-32d8-5864-97cb-6224054c9399"
    assert (found.host, found.destination_rule) == (
        "https://us.i.posthog.com", "the configured one: the record names none",
    )  # fmt: skip


def test_a_destination_of_the_records_own_says_which_field_named_it() -> None:
    record = {
        "standard_logging_object": LITELLM[0],
        "standard_callback_dynamic_params": {
            "posthog_api_key": "phc_recordsownkey001", "posthog_api_url": "https://eu.i.posthog.com",
        },
    }  # fmt: skip
    found = explained(record)
    assert (found.host, found.masked_key) == ("https://eu.i.posthog.com", "phc_…y001")
    assert found.destination_rule is not None
    assert "$.standard_callback_dynamic_params.posthog_api_key" in found.destination_rule
    assert "phc_recordsownkey001" not in repr(found)


def test_the_text_in_a_text_is_looked_into() -> None:
    raw = (SAMPLES / "litellm-spend.jsonl").read_bytes().splitlines()[1]
    record = orjson.loads(raw)
    record["metadata"] = orjson.dumps(record["metadata"]).decode()
    assert rows(record)["litellm_key_alias"].paths == ("$.metadata.user_api_key_alias",)


def test_what_privacy_mode_holds_back_is_left_out_for_that_reason() -> None:
    found = explained(LITELLM[0], with_build(privacy_mode=True))
    assert "$ai_input" not in {row.property for row in found.rows}
    why = {part.path: part.why for part in found.left_out}
    assert why["$.messages"] == "by --privacy-mode"
    assert why["$.model_map_information"] == "no property of an event comes from it"


def test_what_came_second_says_what_came_first() -> None:
    why = {part.path: part.why for part in explained(LITELLM[0]).left_out}
    assert why["$.response.model"] == "$.model comes first for $ai_model"


def test_the_operators_own_settings_are_named() -> None:
    record = {key: value for key, value in LITELLM[2].items() if key != "end_user"}
    found = rows(record, with_build(properties={"team": "blue"}, import_id="i-1", distinct_id="backfill"))
    assert (found["team"].rule, found["plh_import_id"].rule) == ("by --property", "by --import-id")
    assert (found["distinct_id"].rule, found["distinct_id"].paths) == ("by --distinct-id", ())
    assert rows(record)["distinct_id"].rule == "the trace id, for no user is named"


def test_a_rejected_record_says_why_and_where() -> None:
    found = explained(LITELLM[0] | dict.fromkeys(("startTime", "endTime", "completionStartTime", "response")))
    assert (found.outcome, found.code, found.path) == ("rejected", "missing-field", "$.startTime")
    (shown,) = render([found], width=80, colour=False)
    assert "the record has no usable time at $.startTime [missing-field]" in shown
    assert "hint: --default-time" in shown
    assert explained(b"{broken").code == "invalid-json"


def test_a_filtered_one_says_so() -> None:
    assert explained(LITELLM[0], replace(OPTIONS, shard=(1, 2))).outcome in {"filtered", "event"}
    outcomes = {explained(LITELLM[0], replace(OPTIONS, shard=(part, 2))).outcome for part in (1, 2)}
    assert outcomes == {"filtered", "event"}


@pytest.mark.parametrize("width", [80, 160])
def test_it_is_legible_and_harmless(width: int) -> None:
    record = LITELLM[0] | {"model": f"gpt {HOSTILE}", "messages": [{"role": "user", "content": HOSTILE}], HOSTILE: 1}
    (shown,) = render([explained(record)], width=width, colour=False)
    assert max(map(cell_len, shown.splitlines())) <= width + 60  # a word that is too long has a line of its own
    assert not any(letter in shown for letter in "\x1b\x07\r\u202e\u2028")
    assert "phc_abcdefghijklmnop0123" not in shown
    table = shown.partition("FIELD OF THE RECORD")[2].partition("Left out")[0]
    assert max(map(cell_len, table.splitlines())) <= width
