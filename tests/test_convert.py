"""One line → its records, and the law that anything at all is an event, a coded rejection or a coded skip."""

import base64
import gc
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.codes import REJECTIONS, SKIPS, WARNINGS
from posthog_llm_cli.convert import convert
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats.ranks import read_rank
from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.model import Converted, ConvertOptions, Event, Filtered, LogLine, Skipped, SourceRef
from posthog_llm_cli.values import replace
from tests.converting import OPTIONS, RUN_STARTED_AT, SAMPLES, convert_bytes, convert_value, read_lines, to_event, wire
from tests.formats.test_litellm import payload
from tests.formats.test_openai import chat, pair
from tests.laws import examples

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=25,
)
REAL = [record for path in sorted(SAMPLES.glob("*.jsonl")) for record in read_lines(path)]


def assert_coded(converted: Converted) -> None:
    """The law: an event that the server can parse, or a code of the list."""
    assert set(converted.warnings) <= set(WARNINGS)
    match converted.result:
        case Event() as event:
            sent = wire(event)
            assert converted.format == "posthog-event" or None not in sent["properties"].values()
            assert orjson.dumps(sent)
            for name, value in sent["properties"].items():
                if converted.format == "posthog-event":
                    break  # what it has stays
                if name.endswith(("_tokens", "_count")):
                    assert isinstance(value, int)
                    assert value >= 0
                if name.endswith("_usd") or name in {"$ai_latency", "$ai_time_to_first_token"}:
                    assert value >= 0
            assert 0 < len(event.distinct_id.encode()) <= 200
        case Skipped() as skipped:
            assert skipped.code in SKIPS
        case RecordError() as error:
            assert error.code in REJECTIONS
            assert error.path.startswith("$")
        case Filtered():
            raise AssertionError("nothing was filtered")


# ------------------------------------------------------------------------------------------------------------- the law


@given(JSON)
def test_any_json_value_is_an_event_or_a_code(value: Any) -> None:
    for converted in convert_bytes(orjson.dumps(value)):
        assert_coded(converted)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_a_code(raw: bytes) -> None:
    for converted in convert_bytes(raw):
        assert_coded(converted)


@st.composite
def edited_records(draw: st.DrawFn) -> Any:
    """A real record with keys removed, types changed and values swapped, at random places."""
    record = orjson.loads(orjson.dumps(draw(st.sampled_from(REAL))))
    for _ in range(draw(st.integers(1, 6))):
        holders = list(_holders(record))
        if not holders:
            break
        holder = draw(st.sampled_from(holders))
        key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))))
        match draw(st.sampled_from(["remove", "change", "swap"])):
            case "remove":
                del holder[key]
            case "change":
                holder[key] = draw(JSON)
            case _:
                other = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))))
                holder[key], holder[other] = holder[other], holder[key]
    return record


def _holders(value: Any) -> Any:
    if isinstance(value, dict | list) and value:
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)


@settings(max_examples=examples(200))
@given(edited_records())
def test_edited_real_records_never_crash_and_never_give_a_wrong_number(record: Any) -> None:
    for converted in convert_bytes(orjson.dumps(record)):
        assert_coded(converted)


@given(edited_records())
def test_conversion_is_a_function_of_the_record(record: Any) -> None:
    raw = orjson.dumps(record)
    assert repr(convert_bytes(raw)) == repr(convert_bytes(raw))
    assert [c.result for c in convert_bytes(raw) if isinstance(c.result, Event)] == [
        c.result for c in convert_bytes(raw) if isinstance(c.result, Event)
    ]


# ----------------------------------------------------------------------------------------------------- several records


REFUSED = {
    "cut off": b'{"id": "c-1", "messages": "' + b"y" * 1000,
    "text": b"hello",
    "too deep": b"[" * 3000,
    "a print": b"{'id': 1}",
    "unknown": b'{"foo": 1}',
    "a number": b"5",
    "no model": b'{"id": "c-1", "call_type": "completion", "startTime": 1, "endTime": 2, "trace_id": "t"}',
    "no time": b'{"id": "c-1", "call_type": "completion", "startTime": "x", "model": "m", "trace_id": "t"}',
    "glued": b'{"a": 1}{"b": 2',
    "elements": b'[{"foo": 1}, {"foo": 2}]',
    "a letter": b'{"plh_dead_letter": 1, "raw": "{"}',
    "no place": b'{"event": "other", "properties": {}, "timestamp": "2025-06-01T10:00:00Z", "distinct_id": "u"}',
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_a_refusal_holds_nothing_of_what_was_refused(raw: bytes) -> None:
    """Where it is in a cycle with what it was raised over, megabytes wait for the collector, a thousand refusals long."""
    convert_bytes(raw)  # what is made once is made by then
    gc.collect()
    gc.disable()
    try:
        found = convert_bytes(raw)
        assert all(not isinstance(each.result, Event) for each in found)
        del found
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_elements_of_an_array_are_records_and_do_not_harm_one_another() -> None:
    raw = orjson.dumps([payload(), None, {"hello": 1}, chat(model=None)])
    event, skipped, unknown, missing = convert_bytes(raw)
    assert isinstance(event.result, Event)
    assert isinstance(skipped.result, Skipped)
    assert isinstance(unknown.result, RecordError)
    assert isinstance(missing.result, RecordError)
    assert (unknown.result.path, missing.result.path) == ("$[2]", "$[3].model")
    assert missing.raw == orjson.dumps(chat(model=None))


def test_the_events_of_an_array_take_the_memory_that_they_say() -> None:
    raw = orjson.dumps([payload(id=f"chatcmpl-{number}", messages="word " * 600) for number in range(200)])
    tracemalloc.start()
    try:
        events = [found.result for found in convert_bytes(raw)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    said = sum(len(event.properties) + len(event.raw) for event in events if isinstance(event, Event))
    assert said > 1_200_000
    assert taken < 2 * said


def test_glued_documents_are_records_with_their_own_places() -> None:
    first, second = orjson.dumps(payload()), orjson.dumps(pair())
    found = convert(LogLine(SourceRef("a.jsonl", 7, 100), first + second), OPTIONS)
    assert [converted.format for converted in found] == ["litellm", "openai-chat"]
    assert [(converted.ref.line, converted.ref.offset) for converted in found] == [(7, 100), (7, 100 + len(first))]
    assert [converted.raw for converted in found] == [first, second]


def test_a_line_that_was_too_long_is_rejected_as_framing_says() -> None:
    error = RecordError("record-too-long", "longer than 10 bytes")
    (converted,) = convert(LogLine(SourceRef("a", 1, 0), b"", problem=error), OPTIONS)
    assert converted.result is error


def test_what_framing_had_to_undo_is_a_warning_of_each_record() -> None:
    raw = orjson.dumps([payload(), None, {"no": "record"}])
    found = convert(LogLine(SourceRef("a", 1, 0), raw, warnings=("copy-escaped",)), OPTIONS)
    assert [converted.warnings.count("copy-escaped") for converted in found] == [1, 1, 1]
    assert found[0].warnings[1:] == convert_value(payload()).warnings


def test_text_lines_of_a_console_log_are_skipped_and_elsewhere_rejected() -> None:
    for console, kind in ((True, Skipped), (False, RecordError)):
        (converted,) = convert(LogLine(SourceRef("a", 1, 0), b"INFO: started", console=console), OPTIONS)
        assert isinstance(converted.result, kind)


def test_double_encoded_records_are_read_with_a_warning() -> None:
    converted = convert_value(orjson.dumps(payload()).decode())
    assert isinstance(converted.result, Event)
    assert "double-encoded" in converted.warnings


# -------------------------------------------------------------------------------------------------------- dead letters


def letter(**record: Any) -> dict[str, Any]:
    """A dead letter around a record."""
    return {"plh_dead_letter": 1, "source": "a", "line": 1, "offset": 0, "code": "missing-field", "path": "$", **record}


def test_a_dead_letters_record_is_taken_up_again_under_its_own_identity() -> None:
    assert to_event(letter(record=pair())).uuid == to_event(pair()).uuid
    assert to_event(letter(record=orjson.dumps(pair()).decode())).uuid == to_event(pair()).uuid
    assert (
        to_event(letter(record=None, record_base64=base64.b64encode(orjson.dumps(pair())).decode())).uuid
        == to_event(pair()).uuid
    )
    assert to_event(letter(record=letter(record=pair()))).uuid == to_event(pair()).uuid


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (letter(record=None, code="record-too-long"), "record-too-long"),
        (letter(record=None, code="made-up"), "missing-field"),
        (letter(record='{"cut": "of'), "invalid-json"),
        (letter(record=None, record_base64="/w=="), "invalid-json"),
        (letter(record=None, record_base64="!"), "invalid-json"),
        (letter(record={"hello": 1}), "unknown-format"),
    ],
)
def test_a_letter_that_still_cannot_be_sent_is_rejected_again(record: Any, code: str) -> None:
    converted = convert_value(record)
    assert isinstance(converted.result, RecordError)
    assert converted.result.code == code
    assert converted.from_letter


@pytest.mark.parametrize(
    "raw",
    [
        orjson.dumps(letter(record=pair())),
        orjson.dumps(orjson.dumps(letter(record=pair())).decode()),
        orjson.dumps([letter(record=pair())]),
        orjson.dumps(letter(record=pair())) * 2,
        orjson.dumps(letter(record=letter(record=pair()))),
        b'"{\\u0022plh_dead_letter\\u0022: 1}"',
    ],
    ids=["an object", "a text", "an element", "glued", "in another", "a text with escaped quotes"],
)
def test_what_stood_in_a_letter_says_so(raw: bytes) -> None:
    assert {converted.from_letter for converted in convert_bytes(raw)} == {True}


def test_a_letter_that_is_rejected_again_keeps_the_record_and_not_the_letter() -> None:
    assert convert_value(letter(record={"hello": 1})).raw == b'{"hello":1}'


# ------------------------------------------------------------------------------------------- --format, filters, shards


def test_one_format_for_all_records_rejects_what_does_not_fit() -> None:
    options = replace(OPTIONS, format="litellm")
    assert convert_value(payload(), options).format == "litellm"
    for other in (chat(), {"standard_logging_object": payload()}, [1]):
        result = convert_bytes(orjson.dumps(other), options)[0].result
        assert isinstance(result, RecordError)
        assert result.code == "unknown-format"


@pytest.mark.parametrize("key", ["event", "distinct_id", "properties"])
@pytest.mark.parametrize("value", [None, 7, ...], ids=["null", "a number", "absent"])
def test_an_event_that_lacks_what_an_event_has_is_invalid_where_events_were_announced(key: str, value: Any) -> None:
    event = {"event": "$ai_generation", "distinct_id": "u", "timestamp": "2025-06-01T10:00:00Z", "properties": {}}
    del event[key]
    record = event if value is ... else {**event, key: value}
    result = convert_value(record, replace(OPTIONS, format="posthog-event")).result
    assert isinstance(result, RecordError)
    assert (result.code, result.path) == ("invalid-event", f"$.{key}")


@pytest.mark.parametrize("record", [payload(), pair(), [1], "text", {}])
def test_what_has_nothing_of_an_event_does_not_fit_where_events_were_announced(record: Any) -> None:
    result = convert_value(record, replace(OPTIONS, format="posthog-event")).result
    assert isinstance(result, RecordError)
    assert result.code == "unknown-format"


def test_the_format_of_dead_letters_takes_up_what_lies_in_them_and_nothing_else() -> None:
    options = replace(OPTIONS, format="dead-letter")
    assert to_event(letter(record=pair()), options).uuid == to_event(pair()).uuid
    result = convert_value(pair(), options).result
    assert isinstance(result, RecordError)
    assert result.code == "unknown-format"


def test_the_time_window_has_its_start_inside_and_its_end_outside() -> None:
    at = to_event(payload()).timestamp
    later = datetime(2025, 6, 2, tzinfo=UTC)
    assert isinstance(convert_value(payload(), replace(OPTIONS, since=at, until=later)).result, Event)
    assert isinstance(convert_value(payload(), replace(OPTIONS, until=at)).result, Filtered)
    assert isinstance(convert_value(payload(), replace(OPTIONS, since=later)).result, Filtered)


@given(st.integers(1, 9), st.lists(st.integers(0, 10_000), min_size=1, max_size=20, unique=True))
@settings(deadline=None)
def test_every_call_is_in_exactly_one_shard(shards: int, ids: list[int]) -> None:
    for number in ids:
        record = payload(id=f"c-{number}")
        results = [convert_value(record, replace(OPTIONS, shard=(i + 1, shards))).result for i in range(shards)]
        assert sum(isinstance(result, Event) for result in results) == 1


def facts(value: Any, options: ConvertOptions = OPTIONS) -> set[str]:
    return set(convert_value(value, replace(options, coverage=True)).coverage)


def test_coverage_names_what_a_call_carries() -> None:
    found = facts(pair(user="u", latency=1.5))
    assert {"calls", "user", "latency", "tokens", "input", "output", "provider", "priceable", "answered"} <= found
    assert not {"cost", "priced", "error", "redacted", "streams", "direct"} & found


def test_coverage_is_collected_only_if_asked_for_and_not_of_filtered_calls() -> None:
    assert convert_value(payload()).coverage == ()
    late = replace(OPTIONS, since=RUN_STARTED_AT)
    assert isinstance(convert_value(payload(), late).result, Filtered)
    assert facts(payload(), late) == set()


def test_a_redacted_call_lacks_no_prompt_that_a_setting_would_bring_back() -> None:
    sentinel = [{"role": "user", "content": "redacted-by-litellm"}]
    assert {"calls", "redacted"} <= facts(payload(messages=sentinel))
    assert not {"unredacted", "answerable", "input"} & facts(payload(messages=sentinel))
    assert "unredacted with input" not in facts(payload(messages=[]))
    assert "unredacted" in facts(payload(messages=[]))


def test_a_failure_owes_no_answer_no_cost_and_no_stream() -> None:
    failed = facts(payload(status="failure", stream=True, response={}, response_cost=0))
    assert {"calls", "error", "output"} <= failed
    assert not {"answerable", "priceable", "streams", "streams with tokens"} & failed


def test_streams_are_counted_by_what_they_measured() -> None:
    asked = {"stream": True}
    bare = facts(payload(stream=True, model_parameters=asked, prompt_tokens=0, completion_tokens=0, total_tokens=0))
    assert "streams" in bare
    assert not {"streams with tokens", "streams with time to first token"} & bare
    start = payload()["startTime"]
    timed = facts(payload(stream=True, total_tokens=7, prompt_tokens=3, completionStartTime=start + 0.5))
    assert {"streams", "streams with tokens", "streams with time to first token"} <= timed


def test_what_came_through_a_proxy_is_told_from_what_did_not() -> None:
    proxied = facts(payload(model_id="dep-1", request_tags=["blue"], metadata={"user_api_key_alias": "team key"}))
    assert {"tags", "key alias"} <= proxied
    assert "direct" not in proxied
    assert "direct" in facts(payload())
    wrapped = {
        "standard_logging_object": payload(),
        "litellm_params": {"metadata": {"user_id": "u-1", "session_id": "s-1", "team": "x"}},
    }
    assert {"direct", "direct with custom metadata", "user", "session", "custom metadata"} <= facts(wrapped)


@pytest.mark.parametrize("raw", [b'{"cut": "of', b'"key": 1,', b"}", b'{\n "a": \n}'])
def test_a_cut_record_in_a_console_log_is_rejected_and_not_taken_for_noise(raw: bytes) -> None:
    (converted,) = convert(LogLine(SourceRef("a", 1, 0), raw, console=True), OPTIONS)
    assert isinstance(converted.result, RecordError)
    assert converted.result.code == "invalid-json"


@pytest.mark.parametrize("raw", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_number_that_is_none_is_no_empty_record(raw: bytes) -> None:
    (converted,) = convert_bytes(raw)
    assert isinstance(converted.result, RecordError)
    assert converted.result.code == "unknown-format"


DEEP = "[" * 150 + "]" * 150
TOO_DEEP: list[Any] = [
    pair(DEEP),
    {**pair(), "response": DEEP, "custom_id": "a"},
    {"custom_id": "a", "body": DEEP, "output": DEEP, "row": 1},
    {"custom_id": "a", "request": DEEP, "response": {"status_code": 200, "body": {}}},
    [{"prompt": "a", "request": DEEP}, chat()],
    [{"custom_id": "a", "response": DEEP, "row": 1}, {"custom_id": "b"}],
    {"message": {"a": 1}, **pair(DEEP)},
]
"""Records with a text of JSON that nests deeper than any record may, where it has to be looked into."""


@pytest.mark.parametrize("record", TOO_DEEP)
def test_a_text_that_nests_too_deep_costs_its_line_and_not_the_run(record: Any) -> None:
    raw = orjson.dumps(record)
    assert {converted.result.code for converted in convert_bytes(raw) if isinstance(converted.result, RecordError)} == {
        "too-deep"
    }
    assert isinstance(read_rank(record), int | None)
    lines = [LogLine(SourceRef("a.jsonl", number, 0), line) for number, line in enumerate((raw, orjson.dumps(pair())))]
    with Joiner() as joiner:
        passed = list(joiner.join(iter(lines), is_cut=lambda: False))
    assert passed == lines
