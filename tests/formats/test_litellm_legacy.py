"""Legacy items, whose every value is `str()` of a Python object (litellm-logs.md 4.3), and Python's prints."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.formats._python_literals import is_too_large, python_literal
from tests.converting import convert_bytes, convert_value, to_event, to_properties, to_rejection, to_skip, with_parse

USAGE = (
    "Usage(completion_tokens=20, prompt_tokens=10, total_tokens=30, completion_tokens_details="
    "CompletionTokensDetailsWrapper(reasoning_tokens=5, text_tokens=None), prompt_tokens_details="
    "PromptTokensDetailsWrapper(audio_tokens=0, cached_tokens=4))"
)


def item(**changes: Any) -> dict[str, Any]:
    """An item as DynamoDB and the first generic_api have it."""
    base = {
        "id": "chatcmpl-1", "call_type": "acompletion", "startTime": "2025-06-01 10:00:00.250999",
        "endTime": "2025-06-01 10:00:02.250999", "model": "gpt-4o", "user": "None",
        "modelParameters": "{'stream': False, 'temperature': 0.5}",
        "messages": str([{"role": "user", "content": "it's \"so\"\n"}]), "response": "ModelResponse(id='chatcmpl-1')",
        "usage": USAGE, "metadata": "{'user_id': 'u-1', 'feature': 'search'}",
    }  # fmt: skip
    return {**base, **changes}


def test_model_tokens_latency_input_and_user_survive() -> None:
    found = to_properties(item())
    assert found["$ai_input"] == [{"role": "user", "content": 'it\'s "so"\n'}]
    assert (found["$ai_input_tokens"], found["$ai_output_tokens"], found["$ai_total_tokens"]) == (10, 20, 30)
    assert (found["$ai_cache_read_input_tokens"], found["$ai_reasoning_tokens"]) == (4, 5)
    assert (found["$ai_latency"], found["$ai_model"], found["feature"]) == (2.0, "gpt-4o", "search")
    assert found["$ai_model_parameters"] == {"temperature": 0.5, "stream": False}
    assert "$ai_output_choices" not in found
    assert to_event(item()).distinct_id == "u-1"
    assert "legacy-format" in convert_value(item()).warnings


@pytest.mark.parametrize(
    ("cost", "expected"), [("0.25", 0.25), ("2.5e-07", 2.5e-07), ("0.0", None), ("None", None), (None, None)]
)
def test_a_cost_is_read_from_its_text(cost: Any, expected: float | None) -> None:
    assert to_properties(item(cost=cost)).get("$ai_total_cost_usd") == expected


def test_times_are_local_to_the_logger() -> None:
    berlin = with_parse(timezone=ZoneInfo("Europe/Berlin"))
    assert to_event(item(), berlin).timestamp.isoformat() == "2025-06-01T08:00:02.250999+00:00"
    assert to_event(item(), berlin).uuid != to_event(item()).uuid


def test_an_item_is_the_same_call_as_its_payload() -> None:
    payload = {
        "id": "chatcmpl-1", "call_type": "acompletion", "startTime": 1748772000.250999, "endTime": 1748772002.250999,
        "model": "gpt-4o", "model_parameters": {}, "status": "success",
    }  # fmt: skip
    assert to_event(payload).uuid == to_event(item()).uuid


def test_an_item_without_a_time_is_rejected() -> None:
    rejected = to_rejection(item(startTime="None", endTime="None"))
    assert (rejected.code, rejected.path) == ("missing-field", "$.startTime")


def test_objects_inside_of_the_metadata_cost_their_own_key_only() -> None:
    metadata = (
        "{'user_id': 'u-2', 'auth': UserAPIKeyAuth(token='x'), 'at': datetime.datetime(2025, 6, 1), 'feature': 'chat'}"
    )
    found = to_properties(item(metadata=metadata))
    assert (to_event(item(metadata=metadata)).distinct_id, found["feature"]) == ("u-2", "chat")
    assert not {"auth", "at"} & found.keys()


def test_of_a_proxys_metadata_only_the_requesters_is_read() -> None:
    metadata = "{'user_api_key': 'sk-x', 'endpoint': 'y', 'internal': 1, 'requester_metadata': {'user_id': 'u-3'}}"
    found = to_properties(item(metadata=metadata))
    assert to_event(item(metadata=metadata)).distinct_id == "u-3"
    assert "internal" not in found


@pytest.mark.parametrize("prompt", ["12345", "True", "1, 2, 3", "'hi'", "(1, 2)", "b'x'", "nan", " 7 "])
def test_a_prompt_that_reads_like_a_print_is_the_text_that_it_is(prompt: str) -> None:
    assert to_properties(item(messages=prompt))["$ai_input"] == [{"role": "user", "content": prompt}]


KEY_HASH = "ab" * 32
PROXYS = {
    "user_api_key": KEY_HASH, "user_api_key_hash": KEY_HASH, "user_api_key_user_id": "admin", "agent_id": "a-1",
    "verified_human_user_id": "boss", "user_api_key_alias": "key-7", "headers": {"host": "x"}, "tags": ["blue"],
    "requester_metadata": {"feature": "search"},
}  # fmt: skip
ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1748772002, "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ho"}}],
}  # fmt: skip


def datadog_item(**changes: Any) -> dict[str, Any]:
    """What `datadog_use_v1` writes of a proxy's call: objects, and the same names otherwise spelt."""
    base = {
        "id": "chatcmpl-1", "call_type": "acompletion", "cache_hit": False, "start_time": "2025-06-01 10:00:00.250999",
        "end_time": "2025-06-01 10:00:02.250999", "response_time": 2000.0, "model": "gpt-4o", "user": KEY_HASH,
        "model_parameters": {"user": KEY_HASH, "temperature": 0.5}, "spend": 0.25,
        "messages": [{"role": "user", "content": "hi"}], "response": ANSWER, "metadata": PROXYS,
        "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
    }  # fmt: skip
    return {**base, **changes}


def test_datadogs_old_item_is_the_call_that_it_is_in_other_views() -> None:
    found = to_properties(datadog_item())
    assert convert_value(datadog_item()).format == "litellm-legacy"
    assert to_event(datadog_item()).uuid == to_event(item()).uuid
    assert (found["$ai_latency"], found["$ai_total_cost_usd"], found["$ai_total_tokens"]) == (2.0, 0.25, 30)
    assert found["$ai_output_choices"] == [{"role": "assistant", "content": [{"type": "text", "text": "ho"}]}]
    assert (found["feature"], found["litellm_key_alias"], found["litellm_tags"]) == ("search", "key-7", ["blue"])
    assert not {"agent_id", "verified_human_user_id", "headers"} & found.keys()


def test_datadogs_old_item_in_its_envelope_is_read_too() -> None:
    (converted,) = convert_bytes(orjson.dumps({"ddsource": "litellm", "message": json.dumps(datadog_item())}))
    assert converted.format == "litellm-legacy"


@pytest.mark.parametrize("record", [datadog_item(), item(user=KEY_HASH, metadata=str(PROXYS))])
def test_a_keys_hash_is_nobody(record: Any) -> None:
    assert to_event(record).distinct_id == "chatcmpl-1"
    assert KEY_HASH.encode() not in to_event(record).properties


@pytest.mark.parametrize("as_text", [str, json.dumps, lambda value: value])
def test_another_tools_observation_is_refused_by_its_name(as_text: Any) -> None:
    observation = {
        "id": "o-1", "traceId": "t-1", "type": "GENERATION", "startTime": "2025-06-01T10:00:00.000Z", "model": "gpt-4o",
        "modelParameters": as_text({"temperature": 1}), "usage": as_text({"input": 1, "output": 2}), "input": "hi",
    }  # fmt: skip
    rejected = to_rejection(observation)
    assert (rejected.code, "Langfuse" in rejected.message) == ("unsupported-format", True)


def test_the_end_user_of_an_item_is_its_user() -> None:
    assert to_event(datadog_item(metadata={**PROXYS, "user_api_key_end_user_id": "anna"})).distinct_id == "anna"


def test_a_health_checks_item_is_skipped() -> None:
    tags = str({"tags": ["litellm-internal-health-check"]})
    assert to_skip(item(metadata=tags)).code == "health-check"


def test_messages_that_are_no_literals_go_as_text() -> None:
    assert to_properties(item(messages="[<Message object>]"))["$ai_input"] == [
        {"role": "user", "content": "[<Message object>]"}
    ]


@pytest.mark.parametrize("wrap", [lambda one: {"Item": one}, lambda one: one])
def test_dynamodbs_export_and_scan_are_unwrapped(wrap: Any) -> None:
    wrapped = wrap({key: {"S": value} for key, value in item().items()})
    assert to_event(wrapped) == to_event(item())
    page = orjson.dumps({"Items": [wrapped, wrapped], "Count": 2})
    assert [converted.format for converted in convert_bytes(page)] == ["litellm-legacy"] * 2


# ------------------------------------------------------------------------------------------------------ Python's prints

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(PLAIN)
def test_a_print_of_plain_values_is_read_back(value: Any) -> None:
    assert python_literal(repr(value)) == value


@given(st.text())
def test_any_text_is_a_value_that_json_can_hold_or_none(text: str) -> None:
    orjson.dumps(python_literal(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(1, 'a')", [1, "a"]),
        ("{1: 'a', None: 'b'}", {"1": "a"}),
        ("{'a': nan, 'b': float('nan')}", {"a": None}),
        ("-1.5", -1.5),
        ("1e999", None),
        ("10**9", None),
        ("__import__('os')", None),
        ("[open('x')]", None),
        ("[" * 200 + "]" * 200, None),
        ("'\\ud800'", "?"),
        ("b'x'", None),
        (str(10**30), 1e30),
        ("{'a': " + "9" * 400 + ", 'b': 1}", {"a": None, "b": 1}),
        ("-" + "9" * 400, None),
        ("0x" + "f" * 5000, None),
        ("", None),
        ("'open", None),
    ],
)
def test_what_json_does_not_know_is_left_out_and_nothing_runs(text: str, value: Any) -> None:
    found = python_literal(text)
    assert found == value
    json.dumps(found)


MANY = "1, " * 60_000


@pytest.mark.parametrize(
    "text",
    [
        f"[{MANY}]",
        f"['a', {MANY}'b']",
        f"['a\\\nb', {MANY}'c']",
        f"['''a'b''', {MANY}'c']",
        f"[f'{'{1}' * 60_000}']",
        f"[rf'{'{1}' * 60_000}']",
        "'" + "\\'" * 60_000,
        "'a'" * 60_000,
        " " * 9_000_000,
    ],
)
def test_a_print_of_too_many_values_is_not_read(text: str) -> None:
    assert is_too_large(text)
    assert python_literal(text) is None


@pytest.mark.parametrize("text", ['it\'s "so" — \\\n' * 60_000, "{'a': 1}, " * 60_000])
def test_a_long_text_in_a_print_is_read(text: str) -> None:
    value = [{"role": "user", "content": text}, {"role": "user", "content": "", "n": [1, None, True]}]
    assert python_literal(repr(value)) == value


def test_metadata_that_are_too_large_are_left_out_with_a_warning() -> None:
    large = item(metadata=f"{{'user_id': 'u', 'n': [{MANY}]}}")
    assert "truncated-content" in convert_value(large).warnings
    assert to_event(large).distinct_id == "chatcmpl-1"
    assert "truncated-content" not in convert_value(item()).warnings
