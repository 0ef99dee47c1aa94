"""The corrections of LiteLLM's own logger, one by one (litellm-logs.md 6), and the identity rule (section 8)."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from posthog_llm_cli.identity import canonical_sha256, event_uuid
from tests.converting import convert_value, to_event, to_properties, to_rejection, to_skip, with_build, with_parse

T = 1748772000.25


def payload(**changes: Any) -> dict[str, Any]:
    """A bare payload of a plain success."""
    base: dict[str, Any] = {
        "id": "chatcmpl-1", "litellm_call_id": "call-1", "trace_id": "trace-1", "session_id": "",
        "call_type": "acompletion", "cache_hit": None, "stream": None, "status": "success",
        "custom_llm_provider": "openai", "startTime": T, "endTime": T + 2, "completionStartTime": T + 2,
        "response_time": 2.0, "model": "gpt-4o", "metadata": {"usage_object": None}, "response_cost": 0.5,
        "cost_breakdown": None, "prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30, "request_tags": [],
        "end_user": None, "api_base": "", "model_group": "", "model_id": "",
        "messages": [{"role": "user", "content": "hi"}],
        "response": {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "ho"}}]},
        "error_str": None, "error_information": {"error_code": "", "error_class": ""}, "model_parameters": {},
        "hidden_params": {},
    }  # fmt: skip
    return {**base, **changes}


def kwargs(caller: Any = None, dynamic: Any = None, params: Any = None, **changes: Any) -> dict[str, Any]:
    """A callback dump around a payload."""
    return {
        "litellm_params": {"metadata": caller, "api_key": "sk-sample-secret-1", **(params or {})},
        "standard_callback_dynamic_params": dynamic or {},
        "additional_args": {"headers": {"Authorization": "Bearer sk-sample-secret-2"}},
        "standard_logging_object": payload(**changes),
    }


REDACTED = "redacted-by-litellm"
NO_TOKENS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
FAILURE = {
    "status": "failure", "response": {}, "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0,
    "response_cost": 0.0,
}  # fmt: skip


# --------------------------------------------------------------------------------------------------------- 1, 3: times


def test_the_event_is_at_the_end_of_the_call() -> None:
    assert to_event(payload()).timestamp == datetime(2025, 6, 1, 10, 0, 2, 250_000, tzinfo=UTC)


def test_without_an_end_it_is_the_start_plus_the_response_time() -> None:
    assert to_event(payload(endTime=None)).timestamp == datetime(2025, 6, 1, 10, 0, 2, 250_000, tzinfo=UTC)


def test_without_an_end_a_stream_is_at_its_start() -> None:
    assert to_event(payload(endTime=None, stream=True)).timestamp == datetime(2025, 6, 1, 10, 0, 0, 250_000, tzinfo=UTC)


def test_a_streams_latency_is_the_whole_duration_and_its_first_token_stands_apart() -> None:
    found = to_properties(payload(stream=True, completionStartTime=T + 0.5, response_time=0.5))
    assert (found["$ai_latency"], found["$ai_time_to_first_token"]) == (2.0, 0.5)


@pytest.mark.parametrize("first", [T, T + 2, T - 1, T + 3, None, "soon"])
def test_a_first_token_that_is_not_strictly_inside_the_call_is_left_out(first: Any) -> None:
    assert "$ai_time_to_first_token" not in to_properties(payload(stream=True, completionStartTime=first))


@pytest.mark.parametrize(
    ("asked", "first", "streamed"),
    [({}, 1.5, None), ({"stream": False}, 1.5, False), ({"stream": True}, 1.5, True), ({}, 0.5, True)],
)
def test_a_stream_that_nothing_else_tells_of_is_none(asked: Any, first: float, streamed: Any) -> None:
    """LiteLLM 1.66 to 1.72 says so of every asynchronous call."""
    record = payload(stream=True, model_parameters=asked, completionStartTime=T + first, endTime=T + 1.5)
    assert to_properties(record).get("$ai_stream") is streamed


def test_a_call_that_did_not_stream_has_no_first_token() -> None:
    assert "$ai_time_to_first_token" not in to_properties(payload(completionStartTime=T + 1))


def test_a_negative_latency_is_left_out_with_a_warning() -> None:
    converted = convert_value(payload(endTime=T - 5))
    assert "bad-times" in converted.warnings
    assert "$ai_latency" not in to_properties(payload(endTime=T - 5))


@pytest.mark.parametrize("scale", [1_000, 1_000_000, 1_000_000_000])
def test_times_in_other_units_are_told_by_their_size(scale: int) -> None:
    plain = to_event(payload())
    scaled = to_event(payload(startTime=1748772000250 * scale // 1000, endTime=1748772002250 * scale // 1000))
    assert (scaled.timestamp, scaled.uuid) == (plain.timestamp, plain.uuid)


@pytest.mark.parametrize("year_1970_or_2099", [1.0, 0, -5, 4_070_908_800.0, "1970-01-01T00:00:00Z", True, [], {}])
def test_an_implausible_time_counts_as_absent(year_1970_or_2099: Any) -> None:
    record = payload(startTime=year_1970_or_2099, endTime=year_1970_or_2099)
    assert to_rejection(record).code == "missing-field"
    assert to_rejection(record).path == "$.startTime"


def test_a_default_time_is_for_undated_records_and_no_part_of_the_identity() -> None:
    undated = payload(startTime=1.0, endTime=2.0)
    at = datetime(2025, 6, 2, tzinfo=UTC)
    first = to_event(undated, with_parse(default_time=at))
    second = to_event(undated, with_parse(default_time=datetime(2025, 6, 3, tzinfo=UTC)))
    assert (first.timestamp, first.uuid) == (at, second.uuid)


# ---------------------------------------------------------------------------------------------------- 4, 5: the output


@pytest.mark.parametrize("call_type", ["embedding", "aembedding"])
def test_an_embedding_has_its_texts_as_input_and_no_vectors(call_type: str) -> None:
    vectors = {"data": [{"object": "embedding", "embedding": [0.125, 0.25]}]}
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    event = to_event(payload(call_type=call_type, messages=messages, response=vectors))
    found = to_properties(payload(call_type=call_type, messages=messages, response=vectors))
    assert event.name == "$ai_embedding"
    assert found["$ai_input"] == ["a", "b"]
    assert "$ai_output_choices" not in found
    assert "$ai_output_tokens" not in found
    assert b"0.125" not in event.properties


def test_token_arrays_stay_numbers() -> None:
    assert to_properties(payload(call_type="embedding", messages=[[1, 2], [3]]))["$ai_input"] == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("response", "parts"),
    [
        ("text", [{"type": "text", "text": "text"}]),
        ({"text": "spoken"}, [{"type": "text", "text": "spoken"}]),
        ({"results": [{"index": 0}]}, [{"type": "text", "text": '[{"index":0}]'}]),
        ({"data": [{"url": "https://example.com/a.png"}]}, [{"type": "image", "image": "https://example.com/a.png"}]),
        ({"data": [{"b64_json": "iVBOR" * 50}]}, [{"type": "image", "image": "[base64 image redacted]"}]),
        ({"object": "binary", "content_type": "audio/mpeg"}, [{"type": "text", "text": "[base64 audio redacted]"}]),
        ({"choices": [{"text": " two"}]}, [{"type": "text", "text": " two"}]),
        (
            {"choices": [{"message": {"content": "a", "reasoning_content": "why"}}]},
            [{"type": "reasoning", "text": "why"}, {"type": "text", "text": "a"}],
        ),
        (
            {"choices": [{"message": {"content": None, "provider_specific_fields": {"refusal": "No."}}}]},
            [{"type": "text", "text": "No."}],
        ),
        (
            {"choices": [{"message": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{"a": '}}]}}]},
            [{"type": "function", "id": "c", "function": {"name": "f", "arguments": '{"a": '}}],
        ),
    ],
)
def test_an_output_is_one_assistant_message_of_parts(response: Any, parts: Any) -> None:
    found = to_properties(payload(response=response))
    assert found["$ai_output_choices"] == [{"role": "assistant", "content": parts}]


def test_a_choice_that_says_what_a_streams_part_does_is_read_like_a_message() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    delta = {"role": "assistant", "content": "hi", "tool_calls": [call]}
    choices = [
        {"index": 0, "delta": delta, "finish_reason": "stop"},
        {"index": 1, "message": None, "delta": {"content": "ho"}},
    ]
    found = to_properties(payload(response={"choices": choices}))
    assert (
        found["$ai_output_choices"]
        == to_properties(
            payload(response={"choices": [{"index": 0, "message": delta}, {"index": 1, "message": {"content": "ho"}}]})
        )["$ai_output_choices"]
    )
    assert found["$ai_stop_reason"] == "stop"
    hidden = {"choices": [{"index": 0, "delta": {"content": REDACTED}}]}
    assert to_properties(payload(response=hidden))["litellm_redacted"] is True
    assert "$ai_output_choices" not in to_properties(payload(response=hidden))


@pytest.mark.parametrize("response", [None, {}, "", [], {"choices": []}, {"choices": [{"message": {"content": ""}}]}])
def test_an_empty_output_is_absent(response: Any) -> None:
    assert "$ai_output_choices" not in to_properties(payload(response=response))


@pytest.mark.parametrize("response", [[1], {"odd": {"shape": True}}])
def test_an_output_of_unknown_shape_is_sent_as_text_with_a_warning(response: Any) -> None:
    assert "unknown-output" in convert_value(payload(response=response)).warnings
    (message,) = to_properties(payload(response=response))["$ai_output_choices"]
    assert message["content"][0]["type"] == "text"


def test_several_choices_are_one_message_each_by_index() -> None:
    choices = [{"index": 1, "message": {"content": "b"}}, {"index": 0, "message": {"content": "a"}}]
    found = to_properties(payload(response={"choices": choices}))["$ai_output_choices"]
    assert [message["content"][0]["text"] for message in found] == ["a", "b"]


# --------------------------------------------------------------------------------------- 6 to 8: tools, params, tokens


def test_the_credentials_of_mcp_tools_are_redacted() -> None:
    tool = {
        "type": "mcp",
        "server_url": "https://mcp.example.com",
        "headers": {"X-Key": "s3cret"},
        "authorization": "t0p",
    }
    found = to_properties(payload(model_parameters={"tools": [tool]}))["$ai_tools"]
    assert found == [{**tool, "headers": {"X-Key": "[REDACTED]"}, "authorization": "[REDACTED]"}]


def test_model_parameters_are_an_object_of_the_allowed_ones() -> None:
    parameters = {
        "temperature": 0,
        "stream": False,
        "user": "u",
        "instructions": "x",
        "extra_headers": {"a": "b"},
        "n": None,
    }
    found = to_properties(payload(model_parameters=parameters))
    assert found["$ai_model_parameters"] == {"temperature": 0, "stream": False}
    assert found["$ai_stream"] is False
    assert found["$ai_input"][0] == {"role": "system", "content": "x"}


def test_token_kinds_are_read_inclusive_of_the_cache() -> None:
    usage = {
        "prompt_tokens_details": {"cached_tokens": 7, "cache_creation_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": None},
        "cache_read_input_tokens": 6,
    }
    found = to_properties(payload(metadata={"usage_object": usage}))
    assert found["$ai_input_tokens"] == 10
    assert found["$ai_cache_read_input_tokens"] == 6
    assert found["$ai_cache_creation_input_tokens"] == 2
    assert found["$ai_cache_reporting_exclusive"] is False
    assert found["$ai_reasoning_tokens"] == 5
    assert found["$ai_usage"]["completion_tokens_details"] == {"reasoning_tokens": 5}


@pytest.mark.parametrize(
    ("read", "written", "exclusive"),
    [(10, 0, False), (0, 10, False), (8, 2, False), (11, 0, True), (0, 11, True), (8, 3, True), (2000, None, True)],
)
def test_cached_tokens_that_are_more_than_the_input_come_on_top_of_it(read: Any, written: Any, exclusive: bool) -> None:
    usage = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    found = to_properties(payload(metadata={"usage_object": usage}))
    assert (found["$ai_input_tokens"], found["$ai_cache_reporting_exclusive"]) == (10, exclusive)
    unknown = to_properties(payload(prompt_tokens=None, metadata={"usage_object": usage}))
    assert unknown["$ai_cache_reporting_exclusive"] is False


@pytest.mark.parametrize("usage", [None, {"total_tokens": 7}, {"total_tokens": 7, "prompt_tokens_details": {"a": 1}}])
@pytest.mark.parametrize("nothing", [0, None])
def test_the_total_of_an_embedding_is_its_input_where_nothing_else_was_counted(nothing: Any, usage: Any) -> None:
    counts = {"prompt_tokens": nothing, "completion_tokens": nothing, "total_tokens": 7}
    found = to_properties(payload(call_type="aembedding", metadata={"usage_object": usage}, **counts))
    assert (found["$ai_input_tokens"], found["$ai_total_tokens"]) == (7, 7)
    assert "$ai_output_tokens" not in found
    counted = to_properties(payload(call_type="aembedding", prompt_tokens=5, completion_tokens=0, total_tokens=7))
    assert counted["$ai_input_tokens"] == 5
    assert "$ai_input_tokens" not in to_properties(payload(metadata={"usage_object": usage}, **counts))


@pytest.mark.parametrize("provider", ["anthropic", "bedrock", "vertex_ai"])
def test_what_claude_wrote_to_its_cache_is_input_in_every_release(provider: str) -> None:
    # 1,026 + 500 read + 200 written, as LiteLLM 1.67 to 1.76 log it, and as those before and after do
    usage = {"cache_read_input_tokens": 500, "cache_creation_input_tokens": 200, "completion_tokens": 326}
    details = {"audio_tokens": None, "cached_tokens": 500}
    logged = {"prompt_tokens": 1526, "completion_tokens": 326, "total_tokens": 1852}
    whole = {"prompt_tokens": 1726, "completion_tokens": 326, "total_tokens": 2052}
    releases: list[tuple[dict[str, int], Any, Any]] = [
        (logged, {"usage_object": {**usage, **logged, "prompt_tokens_details": details}}, None),
        (whole, {}, {**usage, **whole, "prompt_tokens_details": details}),
        (whole, {"usage_object": {**usage, "prompt_tokens_details": {**details, "cache_creation_tokens": 200}}}, None),
    ]
    for counts, metadata, answered in releases:
        record = payload(**counts, metadata=metadata, response={"usage": answered}, custom_llm_provider=provider)
        found = to_properties(record)
        kinds = ("input", "output", "total", "cache_read_input", "cache_creation_input")
        assert [found[f"$ai_{kind}_tokens"] for kind in kinds] == [1726, 326, 2052, 500, 200]
    metadata = {"usage_object": {**usage, **logged, "prompt_tokens_details": details}}
    other = payload(**logged, metadata=metadata, custom_llm_provider="openrouter")
    assert to_properties(other)["$ai_input_tokens"] == 1526
    texts = payload(**logged | {"prompt_tokens": "1526"}, metadata=metadata, custom_llm_provider=provider)
    assert to_properties(texts)["$ai_input_tokens"] == 1526
    apart = payload(**logged | {"total_tokens": 1352}, metadata=metadata, custom_llm_provider=provider)
    assert to_properties(apart)["$ai_total_tokens"] == 1352


def test_token_kinds_are_read_in_the_spelling_of_responses_too() -> None:
    usage = {
        "input_tokens": 10, "output_tokens": 20, "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 7},
    }  # fmt: skip
    found = to_properties(payload(call_type="aresponses", response={"output": [], "usage": usage}))
    assert (found["$ai_cache_read_input_tokens"], found["$ai_reasoning_tokens"]) == (4, 7)


@pytest.mark.parametrize("nothing", [0, None])
def test_two_zeros_beside_a_total_are_no_counts(nothing: Any) -> None:
    # image generation and editing: LiteLLM 1.53 to 1.59 keep the counts in the usage alone, 1.72 lost them
    counts = {
        "call_type": "aimage_generation",
        "prompt_tokens": nothing,
        "completion_tokens": nothing,
        "total_tokens": 30,
    }
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 30}
    found = to_properties(
        payload(**counts, response={"data": [], "usage": {**usage, "input_tokens": 10, "output_tokens": 20}})
    )
    assert (found["$ai_input_tokens"], found["$ai_output_tokens"], found["$ai_total_tokens"]) == (10, 20, 30)
    for logged in (usage, {"total_tokens": 30}, {}):
        record = payload(**counts, metadata={"usage_object": logged}, response={"data": [], "usage": logged})
        assert not {"$ai_input_tokens", "$ai_output_tokens"} & set(to_properties(record))
        assert to_properties(record)["$ai_total_tokens"] == 30
        assert "bad-usage" in convert_value(record).warnings


def test_all_zero_counts_are_unknown() -> None:
    found = to_properties(payload(prompt_tokens=0, completion_tokens=0, total_tokens=0))
    assert not [key for key in found if "tokens" in key or key == "$ai_usage"]


def test_a_single_zero_beside_a_real_count_stays() -> None:
    assert to_properties(payload(completion_tokens=0, total_tokens=10))["$ai_output_tokens"] == 0


@pytest.mark.parametrize("count", [-1, True, "many", 1.5, [], {}, 10**15])
def test_a_token_count_that_is_none_is_left_out_with_a_warning(count: Any) -> None:
    assert "bad-usage" in convert_value(payload(prompt_tokens=count)).warnings
    assert "$ai_input_tokens" not in to_properties(payload(prompt_tokens=count))


# --------------------------------------------------------------------------------------------------------- 9: failures


def test_a_failure_has_its_error_as_text_without_traceback_and_keys() -> None:
    error = "Boom for sk-sample***key\nTraceback (most recent call last):\n  File x"
    information = {"error_code": "429", "error_class": "RateLimitError", "traceback": "secret"}
    found = to_properties(payload(**FAILURE, error_str=error, error_information=information))
    assert found["$ai_error"] == "Boom for [REDACTED]"
    assert (found["$ai_is_error"], found["$ai_error_type"], found["$ai_http_status"]) == (True, "RateLimitError", 429)
    assert not [key for key in found if "cost" in key or "tokens" in key or "output" in key]


@pytest.mark.parametrize(
    ("information", "status"),
    [
        ({"error_code": "429"}, 429),
        ({"error_code": 503}, 503),
        ({"error_code": "server_error", "normalized_error": "500_PROVIDER_INTERNAL_ERROR"}, 500),
        ({"error_code": "", "normalized_error": "UNCLASSIFIED"}, None),
        ({"error_code": "4290"}, None),
        ({}, None),
    ],
)
def test_the_http_status_is_the_three_digits_that_the_log_has(information: Any, status: Any) -> None:
    assert to_properties(payload(**FAILURE, error_information=information)).get("$ai_http_status") == status


@pytest.mark.parametrize(
    ("error", "information", "text"),
    [
        ("E", {"error_message": "M"}, "E"),
        (None, {"error_message": "M", "error_class": "C"}, "M"),
        ("", {"error_class": "C"}, "C"),
        (None, None, "unknown error"),
        ("x" * 9_000, {}, "x" * 4_000),
    ],
)
def test_the_error_text_is_the_first_that_says_something(error: Any, information: Any, text: str) -> None:
    assert to_properties(payload(**FAILURE, error_str=error, error_information=information))["$ai_error"] == text


def test_an_error_text_beside_a_success_is_no_error() -> None:
    found = to_properties(payload(error_str="E"))
    assert not [key for key in found if "error" in key or key == "$ai_http_status"]


# ------------------------------------------------------------------------------------------------------------ 10: cost


def test_parts_that_add_up_are_sent_with_the_total() -> None:
    found = to_properties(payload(cost_breakdown={"input_cost": 0.2, "output_cost": 0.3}))
    assert (found["$ai_input_cost_usd"], found["$ai_output_cost_usd"], found["$ai_total_cost_usd"]) == (0.2, 0.3, 0.5)
    assert "$ai_cost_passthrough" not in found


@pytest.mark.parametrize(
    "parts", [None, {}, {"input_cost": 0.5, "output_cost": 0}, {"input_cost": 0.1, "output_cost": 0.1}]
)
def test_a_total_alone_is_passed_through(parts: Any) -> None:
    found = to_properties(payload(cost_breakdown=parts))
    assert (found["$ai_total_cost_usd"], found["$ai_cost_passthrough"]) == (0.5, True)
    assert "$ai_input_cost_usd" not in found


def test_a_zero_for_an_unpriced_call_is_no_cost() -> None:
    converted = convert_value(payload(response_cost=0.0))
    assert "zero-cost" in converted.warnings
    assert not [key for key in to_properties(payload(response_cost=0.0)) if "cost" in key]


def test_a_cache_hit_costs_nothing_whatever_the_breakdown_says() -> None:
    found = to_properties(
        payload(cache_hit=True, response_cost=0.0, cost_breakdown={"input_cost": 1, "output_cost": 1})
    )
    assert (found["$ai_total_cost_usd"], found["$ai_cost_passthrough"]) == (0.0, True)
    assert found["litellm_cache_hit"] is True


# ----------------------------------------------------------------------------------------------- 11: session and trace


def test_without_a_session_the_logged_trace_is_the_trace() -> None:
    found = to_properties(payload())
    assert found["$ai_trace_id"] == "trace-1"
    assert "$ai_session_id" not in found


def test_a_session_that_was_stored_as_the_trace_is_told_apart() -> None:
    record = kwargs({"session_id": "s"}, params={"litellm_session_id": "s", "litellm_trace_id": "s"}, trace_id="s")
    found = to_properties({**record, "litellm_trace_id": "t"})
    assert (found["$ai_session_id"], found["$ai_trace_id"]) == ("s", "t")


def test_without_any_other_trace_the_call_is_its_own() -> None:
    found = to_properties(kwargs({"session_id": "trace-1"}))
    assert (found["$ai_session_id"], found["$ai_trace_id"]) == ("trace-1", "call-1")


def test_a_callers_trace_that_became_the_session_is_the_trace() -> None:
    found = to_properties(
        kwargs({"trace_id": "t"}, params={"litellm_session_id": "t", "litellm_trace_id": "t"}, trace_id="t")
    )
    assert found["$ai_trace_id"] == "t"
    assert "$ai_session_id" not in found


@pytest.mark.parametrize(
    ("caller", "parent"),
    [
        ({"parent_run_id": 0, "parent_id": "pp"}, "pp"),
        ({"parent_run_id": "", "parent_id": "pp"}, "pp"),
        ({"parent_run_id": "None", "parent_id": "pp"}, "pp"),
        ({"parent_run_id": "r", "parent_id": "pp"}, "r"),
        ({"parent_run_id": 7, "parent_id": "pp"}, "7"),
        ({"parent_run_id": None, "parent_id": 0}, None),
        ({"parent_run_id": False, "parent_id": []}, None),
    ],
)
def test_the_parent_is_the_first_that_says_something(caller: Any, parent: str | None) -> None:
    assert to_properties(kwargs(caller)).get("$ai_parent_id") == parent


def test_an_id_that_posthog_does_not_take_is_replaced_and_kept() -> None:
    long = "resp_" + "x" * 300 + "="
    found = to_properties(payload(id=long, trace_id="a/b"))
    assert found["span_id_logged"] == long
    assert found["trace_id_logged"] == "a/b"
    assert len(found["$ai_span_id"]) == 36
    assert "id-replaced" in convert_value(payload(id=long)).warnings


def test_a_parent_still_meets_its_replaced_trace() -> None:
    parent = to_properties(payload(trace_id="run/1"))["$ai_trace_id"]
    assert to_properties(kwargs({"parent_run_id": "run/1"}))["$ai_parent_id"] == parent


# ------------------------------------------------------------------------------------- 12 to 14: model, user, base URL


@pytest.mark.parametrize(
    ("model", "provider", "sent"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("bedrock/anthropic.claude-3", "bedrock", "anthropic.claude-3"),
        ("openai/openai/x", "openai", "openai/x"),
        ("gpt-4o", None, "gpt-4o"),
    ],
)
def test_a_routing_prefix_is_stripped_once(model: str, provider: Any, sent: str) -> None:
    assert to_properties(payload(model=model, custom_llm_provider=provider))["$ai_model"] == sent


def test_a_record_without_any_model_is_rejected() -> None:
    error = to_rejection(payload(model="", response={}))
    assert (error.code, error.path) == ("missing-field", "$.model")


def test_a_base_url_loses_user_info_query_and_slash() -> None:
    found = to_properties(payload(api_base="https://user:pw@proxy.example.com:8443/v1/?key=1#x"))
    assert found["$ai_base_url"] == "https://proxy.example.com:8443/v1"


@pytest.mark.parametrize(
    ("metadata", "end_user", "user", "distinct_id"),
    [
        ({"user_id": "u"}, "e", "m", "u"),
        ({"user_id": ""}, "e", "m", "e"),
        ({"user_id": None}, None, "m", "m"),
        ({"user_id": 42}, None, None, "42"),
        ({"user_id": "anonymous"}, " NULL ", "m", "m"),
        ({"user_id": {"team": 1}}, None, None, '{"team":1}'),
        ({"user_id": '{"device_id": "d", "session_id": "s"}'}, None, None, "d"),
        ({"user_id": '{"other": 1}'}, None, None, '{"other": 1}'),
        ({"user_id": "user_0a_account_aa-bb_session_cc-dd"}, None, None, "aa-bb"),
        ({"user_id": "user_0a_account__session_cc-dd"}, None, None, "0a"),
        ({}, None, None, "trace-1"),
    ],
)
def test_the_user_is_the_first_that_names_somebody(metadata: Any, end_user: Any, user: Any, distinct_id: str) -> None:
    event = to_event(kwargs(metadata, end_user=end_user, model_parameters={"user": user}))
    assert event.distinct_id == distinct_id
    assert (b'"$process_person_profile":false' in event.legacy_properties) is (distinct_id == "trace-1")


def test_a_session_packed_into_the_user_is_the_session() -> None:
    found = to_properties(payload(end_user='{"device_id": "d", "session_id": "s-1"}'))
    assert found["$ai_session_id"] == "s-1"


@pytest.mark.parametrize(
    ("candidates", "user"),
    [
        (('{"device_id": "anonymous", "session_id": "s-1"}', "anna"), "anna"),
        (("anna", '{"device_id": "d", "session_id": "s-1"}'), "anna"),
        (("", '{"device_id": "d", "session_id": "s-1"}'), "d"),
        (('{"session_id": "s-1"}', None), '{"session_id": "s-1"}'),
    ],
)
def test_a_packed_session_is_kept_whoever_is_the_person(candidates: Any, user: str) -> None:
    record = payload(end_user=candidates[0], model_parameters={"user": candidates[1]})
    assert (to_event(record).distinct_id, to_properties(record)["$ai_session_id"]) == (user, "s-1")


def test_a_users_id_that_nests_too_deep_is_a_text() -> None:
    assert to_event(payload(end_user="[" * 200)).distinct_id == "[" * 200
    assert "$ai_trace_id" in to_properties(payload(end_user='{"a":' * 200))


@pytest.mark.parametrize("nothing", ["CircularReference Detected", "MaxDepthExceeded", "Unserializable Object"])
def test_what_stands_for_a_value_that_was_not_written_is_no_value(nothing: str) -> None:
    metadata = {"user_id": nothing, "session_id": nothing, "feature": nothing, "trace_name": nothing, "a": {"b": nothing, "c": 1}}  # fmt: skip
    record = kwargs(metadata, end_user=nothing, model_parameters={"user": "anna"}, trace_id=nothing)
    found = to_properties(record)
    assert (to_event(record).distinct_id, found["$ai_trace_id"], found["a"]) == ("anna", "call-1", {"c": 1})
    assert nothing.encode() not in to_event(record).properties


def test_where_a_payload_names_no_provider_the_callbacks_kwargs_do() -> None:
    # LiteLLM before 1.56
    record = kwargs(model="openai/whisper-1")
    del record["standard_logging_object"]["custom_llm_provider"]
    assert "$ai_provider" not in to_properties(record)
    for found in (
        record | {"custom_llm_provider": "openai"},
        record | {"litellm_params": {"custom_llm_provider": "openai"}},
    ):
        assert to_properties(found)["$ai_provider"] == "openai"
        assert to_properties(found)["$ai_model"] == "whisper-1"
    other = kwargs() | {"custom_llm_provider": "azure"}
    assert to_properties(other)["$ai_provider"] == "openai"


# --------------------------------------------------------------------------------- 15, 16: metadata, what never leaves


def test_only_the_callers_own_metadata_leave() -> None:
    metadata = {
        "project": {"name": "rivers", "api_key": "nested-secret"}, "kept": 1, "zero": 0, "none": None,
        "user_api_key_auth": {"token": "t"}, "headers": {"authorization": "Bearer x"}, "my_secret": "x",
        "session_token": "x", "Password": "x", "_internal": 1, "litellm_parent_otel_span": 1, "capture_internal": 1,
        "previous_models": [{"messages": "prompt"}], "posthog_api_key": "phc_x", "deployment_name": "d",
    }  # fmt: skip
    found = to_properties(kwargs(metadata))
    own = {key: value for key, value in found.items() if not key.startswith(("$", "litellm_"))}
    assert own == {"project": {"name": "rivers"}, "kept": 1, "zero": 0}


def test_what_litellms_router_notes_in_the_callers_metadata_stays_here() -> None:
    notes = {
        "file_checksum": "0a", "tag_routing": {"tags": ["a"]}, "routing_decision": {"reason": "the prompt"},
        "routing_plugin_signals": {}, "adaptive_router_decision": {}, "adaptive_router_chosen_model": "m",
        "quality_router_decision": {}, "is_silent_experiment": True, "internal_call_origin": "judge",
        "encrypted_content_affinity_enabled": True, "kubernetes_pod_routing": {"pod": "p"},
    }  # fmt: skip
    found = to_properties(kwargs({**notes, "feature": "search"}))
    assert found["feature"] == "search"
    assert not notes.keys() & found.keys()


def test_on_a_proxy_only_the_requesters_metadata_are_the_callers() -> None:
    slo_metadata = {"user_api_key_hash": "ab" * 32, "user_api_key_team_alias": "Team"}
    record = kwargs({"agent_id": 1, "requester_metadata": {"mine": 1, "headers": {}}}, metadata=slo_metadata)
    found = to_properties(record)
    assert found["mine"] == 1
    assert found["litellm_team_alias"] == "Team"
    assert "agent_id" not in found


KEY_HASH = "ab" * 32


@pytest.mark.parametrize("key", [KEY_HASH, "litellm_proxy_master_key"])
def test_the_hash_that_the_proxy_puts_into_the_user_is_nobody(key: str) -> None:
    record = payload(metadata={"user_api_key_hash": key}, model_parameters={"user": key}, end_user=key)
    assert to_event(record).distinct_id == "trace-1"
    assert key.encode() not in to_event(record).properties
    assert to_event({**record, "model_parameters": {"user": "cd" * 32}}).distinct_id == "cd" * 32


def test_the_owner_of_a_key_whom_the_proxy_puts_into_a_speechs_user_is_nobody() -> None:
    record = payload(
        call_type="aspeech", metadata={"user_api_key_user_id": "admin"}, model_parameters={"user": "admin"}
    )
    assert to_event(record).distinct_id == "trace-1"
    assert to_event({**record, "end_user": "admin"}).distinct_id == "admin"


def test_a_client_that_an_sdk_caller_notes_makes_no_proxy_of_it() -> None:
    noted = {"user_agent": "Firefox", "requester_ip_address": "10.0.0.1"}
    caller = {**noted, "user_id": "anna", "feature": "search"}
    record = kwargs(caller, params={"proxy_server_request": None}, metadata=noted)
    assert to_event(record).distinct_id == "anna"
    assert to_properties(record)["feature"] == "search"
    assert not noted.keys() & to_properties(record).keys()


def test_a_caller_cannot_overwrite_what_was_built() -> None:
    metadata = {
        "$ai_model": "X",
        "$ai_total_cost_usd": 9,
        "$ai_trace_id": "mine",
        "$ai_span_name": "n",
        "$session_id": "s9",
    }
    converted = convert_value(kwargs(metadata))
    found = to_properties(kwargs(metadata))
    assert (found["$ai_model"], found["$ai_total_cost_usd"]) == ("gpt-4o", 0.5)
    assert (found["$ai_trace_id"], found["$ai_span_name"], found["$session_id"]) == ("mine", "n", "s9")
    assert "reserved-metadata" in converted.warnings


def test_tags_come_without_user_agents() -> None:
    found = to_properties(payload(request_tags=["a", "User-Agent: x", "b", "a"]))
    assert found["litellm_tags"] == ["a", "b"]


@pytest.mark.parametrize(
    ("tags", "sent"),
    [("prod", ["b", "prod"]), ("b", ["b"]), (["prod", "b"], ["b", "prod"]), ("User-Agent: x", ["b"]), ("", ["b"])],
)
def test_a_single_tag_of_the_callers_is_one(tags: Any, sent: list[str]) -> None:
    assert to_properties(kwargs({"tags": tags}, request_tags=["b"]))["litellm_tags"] == sent


def test_no_secret_of_a_dump_leaves() -> None:
    event = to_event(kwargs({"user_id": "u"}, metadata={"user_api_key_user_email": "dev@example.invalid"}))
    for secret in (b"sk-sample", b"Authorization", b"dev@example.invalid", b"hidden_params"):
        assert secret not in event.properties


@pytest.mark.parametrize("call_type", ["acreate_video", "aembedding"])
@pytest.mark.parametrize("messages", ["default-message-value", [{"role": "user", "content": "default-message-value"}]])
def test_litellms_word_for_an_input_that_it_does_not_know_is_no_input(call_type: str, messages: Any) -> None:
    record = payload(call_type=call_type, messages=messages)
    assert "no-input" in convert_value(record).warnings
    assert "$ai_input" not in to_properties(record)


def test_geminis_parts_are_a_messages_content() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    messages = [
        {"role": "user", "parts": [{"text": "hi"}]},
        {"role": "model", "parts": [call]},
        {"parts": [{"text": "so"}]},
    ]
    assert to_properties(payload(messages=messages))["$ai_input"] == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [{"type": "text", "text": "so"}]},
    ]


# ------------------------------------------------------------------------------------------------------- 17: redaction


@pytest.mark.parametrize(
    "messages",
    [
        "redacted-by-litellm",
        [{"role": "user", "content": "redacted-by-litellm"}],
        [{"role": "system", "content": "leak"}, {"role": "user", "content": "redacted-by-litellm"}],
        [{"role": "system", "content": "leak"}, {"role": "user", "content": [{"text": "redacted-by-litellm"}]}],
    ],
)
def test_what_litellm_redacted_is_no_content_and_what_leaks_beside_it_goes(messages: Any) -> None:
    message = {
        "content": "redacted-by-litellm", "reasoning_content": "leak",
        "provider_specific_fields": {"thinking_blocks": [{"thinking": "leak"}]},
    }  # fmt: skip
    record = payload(
        messages=messages,
        response={"choices": [{"message": message}]},
        model_parameters={
            "tools": [{"name": "leak"}], "instructions": "leak", "n": 1, "tool_choice": {"function": {"name": "leak"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "leak"}},
        },
    )  # fmt: skip
    event = to_event(record)
    found = to_properties(record)
    assert found["litellm_redacted"] is True
    assert found["$ai_model_parameters"] == {"n": 1}
    assert not {"$ai_input", "$ai_output_choices", "$ai_tools"} & set(found)
    assert b"leak" not in event.properties


@pytest.mark.parametrize(
    "response",
    [
        {"output": [{"type": "custom_tool_call", "name": "f", "call_id": "c", "input": REDACTED}]},
        {"output": [{"type": "function_call", "name": "f", "call_id": "c", "arguments": REDACTED}]},
        {"output": [{"type": "message", "content": [{"type": "refusal", "refusal": REDACTED}]}]},
        {"output": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": REDACTED}]}]},
        {"choices": [{"message": {"content": None, "function_call": {"name": "f", "arguments": REDACTED}}}]},
        {"choices": [{"message": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": REDACTED}}]}}]},
        {"choices": [{"message": {"tool_calls": [{"id": "c", "custom": {"name": "f", "input": REDACTED}}]}}]},
        {"choices": [{"message": {"content": None, "reasoning_content": REDACTED}}]},
        {"choices": [{"message": {"content": None, "refusal": REDACTED}}]},
    ],
)
def test_the_sentinel_in_any_place_of_an_answer_is_a_redaction(response: Any) -> None:
    found = to_properties(payload(response=response, model_parameters={"tools": [{"name": "leak"}]}))
    assert found["litellm_redacted"] is True
    assert not {"$ai_output_choices", "$ai_tools"} & set(found)


def test_beside_the_sentinel_no_text_of_an_answer_stays() -> None:
    calls = [{"id": "c", "function": {"name": "f", "arguments": REDACTED}}]
    message = {"content": "leak", "tool_calls": calls, "function_call": {"name": "g", "arguments": REDACTED}}
    (answer,) = to_properties(payload(response={"choices": [{"message": message}]}))["$ai_output_choices"]
    assert answer["content"] == [
        {"type": "function", "id": "c", "function": {"name": "f"}},
        {"type": "function", "function": {"name": "g"}},
    ]
    items = [
        {"type": "reasoning", "summary": [{"text": REDACTED}]},
        {"type": "message", "content": [{"type": "output_text", "text": "leak"}]},
    ]
    assert "$ai_output_choices" not in to_properties(payload(response={"output": items}))


ASKED_IN_SECRET = [{"role": "user", "content": REDACTED}]
SAID = {"type": "output_text", "text": "leak"}
CALLED = {"type": "function_call", "name": "f", "call_id": "c", "arguments": '{"who": "leak"}'}
CHAT_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"who": "leak"}'}}
NAMED = {"type": "function", "id": "c", "function": {"name": "f"}}


@pytest.mark.parametrize("said", [REDACTED, "leak"])
@pytest.mark.parametrize(
    "item",
    [
        {"type": "mcp_call", "name": "f", "server_label": "s", "arguments": '{"who": "leak"}', "output": "leak"},
        {"type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "leak"}]},
        {"type": "file_search_call", "queries": ["leak"], "results": [{"text": "leak"}]},
        {"type": "web_search_call", "action": {"type": "search", "query": "leak"}},
        {"type": "code_interpreter_call", "code": "print('leak')", "outputs": [{"type": "logs", "logs": "leak"}]},
        {"type": "image_generation_call", "result": "https://example.com/leak.png", "revised_prompt": "leak"},
        {"type": "computer_call", "action": {"type": "type", "text": "leak"}},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "leak"}]},
        {"type": "message", "content": [{"type": "refusal", "refusal": "leak"}]},
        {"type": "message", "content": {"type": "refusal", "refusal": "leak"}},
        {"type": "message", "content": [{"type": "text", "text": {"value": "leak"}}]},
        {"type": "tomorrows_call", "what": "leak"},
        "leak",
    ],
)
def test_of_a_redacted_answer_only_names_of_functions_are_kept(item: Any, said: str) -> None:
    output = [item, {"type": "message", "content": [{**SAID, "text": said}]}, CALLED]
    record = payload(call_type="aresponses", messages=ASKED_IN_SECRET, response={"output": output})
    assert b"leak" not in to_event(record).properties
    assert to_properties(record)["$ai_output_choices"] == [{"role": "assistant", "content": [NAMED]}]
    alone = payload(call_type="aresponses", messages=ASKED_IN_SECRET, response={"output": [item]})
    assert "$ai_output_choices" not in to_properties(alone)


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "refusal": "leak"},
        {"content": None, "provider_specific_fields": {"refusal": "leak"}},
        {"content": [{"type": "refusal", "refusal": "leak"}]},
        {"content": [{"type": "thinking", "thinking": "leak"}, {"type": "image_url", "image_url": {"url": "leak"}}]},
        {"content": None, "audio": {"transcript": "leak", "data": "leak"}},
        {"content": None, "images": [{"type": "image_url", "image_url": {"url": "leak"}}]},
        {"content": None, "tool_calls": [{"type": "function", "name": "leak", "arguments": "leak"}]},
    ],
)
def test_what_a_redacted_chats_answer_holds_beside_its_text_goes(message: Any) -> None:
    record = payload(messages=ASKED_IN_SECRET, response={"choices": [{"message": message}]})
    assert "$ai_output_choices" not in to_properties(record)
    assert b"leak" not in to_event(record).properties


@pytest.mark.parametrize("response", [
    "leak", ["leak"], {"text": "leak"}, {"results": [{"text": "leak"}]}, {"data": [{"url": "https://h.example/leak"}]},
    {"odd": "leak"},
])  # fmt: skip
def test_an_answer_of_another_kind_in_a_redacted_record_goes(response: Any) -> None:
    record = payload(messages=ASKED_IN_SECRET, response=response)
    assert "$ai_output_choices" not in to_properties(record)
    assert convert_value(record).warnings == convert_value(payload(messages=ASKED_IN_SECRET, response=None)).warnings


@pytest.mark.parametrize("messages", [ASKED_IN_SECRET, [{"role": "user", "content": "hi"}]])
@pytest.mark.parametrize(
    "response",
    [
        {"choices": [{"message": {"content": REDACTED, "tool_calls": [CHAT_CALL]}}]},
        {"output": [CALLED, {"type": "message", "content": [{"type": "output_text", "text": REDACTED}]}]},
    ],
)
def test_beside_a_redacted_text_a_call_keeps_its_name_and_loses_its_arguments(messages: Any, response: Any) -> None:
    record = payload(messages=messages, response=response, model_parameters={"tools": [{"name": "leak"}]})
    assert to_properties(record)["$ai_output_choices"] == [{"role": "assistant", "content": [NAMED]}]
    assert to_properties(record)["litellm_redacted"] is True
    assert b"leak" not in to_event(record).properties


@pytest.mark.parametrize("call_type", ["anthropic_messages", "acompletion", "aresponses"])
def test_where_litellm_redacted_only_the_input_the_answer_stays_here_too(call_type: str) -> None:
    # LiteLLM 1.67 to 1.110 with turn_off_message_logging: `/v1/messages`, and Responses up to 1.80
    said = {"choices": [{"message": {"role": "assistant", "content": "leak"}}]}
    record = payload(call_type=call_type, messages=ASKED_IN_SECRET, response=said)
    assert b"leak" not in to_event(record).properties
    assert "$ai_output_choices" not in to_properties(record)
    message = {"content": "leak", "tool_calls": [CHAT_CALL], "reasoning_content": "leak", "refusal": "leak"}
    for response in (
        {"choices": [{"message": message}]},
        {"output": [{"type": "message", "content": [SAID]}, CALLED]},
    ):
        record = payload(call_type=call_type, messages=ASKED_IN_SECRET, response=response)
        assert b"leak" not in to_event(record).properties
        assert to_properties(record)["$ai_output_choices"] == [{"role": "assistant", "content": [NAMED]}]


@pytest.mark.parametrize("response", [
    {"choices": [{"message": {"content": REDACTED}}]}, {"text": REDACTED}, REDACTED,
    {"choices": [{"message": {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": REDACTED}}]}}]},
])  # fmt: skip
@pytest.mark.parametrize(
    "messages",
    [[{"role": "user", "content": "leak"}], "leak", [{"role": "user", "content": [{"type": "text", "text": "leak"}]}]],
)
def test_where_litellm_redacted_only_the_answer_the_prompt_stays_here_too(messages: Any, response: Any) -> None:
    # SpendLogs of LiteLLM 1.72: the request is kept as it came
    record = payload(messages=messages, response=response)
    assert b"leak" not in to_event(record).properties
    assert to_properties(record)["litellm_redacted"] is True
    assert "no-input" not in convert_value(record).warnings


def test_a_redacted_failure_says_only_its_class() -> None:
    record = payload(
        **FAILURE | {"response": {"text": "redacted-by-litellm"}},
        error_str="leak",
        error_information={"error_class": "E"},
    )
    assert to_properties(record)["$ai_error"] == "E"


# ---------------------------------------------------------------------------------------------------- 19: destinations


def test_a_records_own_key_and_host_win_part_by_part() -> None:
    own_key = to_event(kwargs(dynamic={"posthog_api_key": "phc_own"}))
    own_host = to_event(kwargs(dynamic={"posthog_api_url": "https://eu.posthog.com/"}))
    both = to_event(
        kwargs(dynamic={"posthog_host": "https://eu.i.posthog.com", "posthog_api_url": "https://us.i.posthog.com"})
    )
    assert (own_key.destination.host, own_key.destination.api_key) == ("https://us.i.posthog.com", "phc_own")
    assert (own_host.destination.host, own_host.destination.api_key) == (
        "https://eu.i.posthog.com",
        "phc_configuredProject0001",
    )
    assert both.destination.host == "https://eu.i.posthog.com"


@pytest.mark.parametrize(
    ("dynamic", "code"),
    [
        ({"posthog_host": "https://evil.example"}, "host-not-allowed"),
        ({"posthog_host": "not a url"}, "host-not-allowed"),
        ({"posthog_api_key": "phx_personal"}, "personal-api-key"),
        ({"posthog_api_key": "k" * 65}, "no-api-key"),
    ],
)
def test_a_destination_that_is_not_allowed_is_never_replaced_by_the_default(dynamic: Any, code: str) -> None:
    error = to_rejection(kwargs(dynamic=dynamic))
    assert error.code == code
    assert "phx_personal" not in error.message


def test_without_a_configured_key_a_record_without_one_is_rejected() -> None:
    options = with_build(destination=None)
    assert to_rejection(payload(), options).code == "no-api-key"
    assert to_event(kwargs(dynamic={"posthog_api_key": "phc_own"}), options).destination.api_key == "phc_own"


# ------------------------------------------------------------------------------------------------------- 7: call types


@pytest.mark.parametrize(
    "call_type",
    [
        "call_mcp_tool",
        "acreate_batch",
        "avector_store_search",
        "alist_files_container",
        "decisions",
        "a_add_message",
        "adelete_assistant",
    ],
)
def test_where_no_model_ran_the_record_is_skipped(call_type: str) -> None:
    assert to_skip(payload(call_type=call_type)).code == "not-a-model-call"


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("a.mp3", "a.mp3"),
        ("('a.mp3', b'\\xff\\xfbprivate')", "a.mp3"),
        ('("it\'s.mp3", b"\\xffprivate\'", "audio/mpeg")', "it's.mp3"),
        ("(None, b'private')", "[base64 audio redacted]"),
        ("b'\\xff\\xfbprivate'", "[base64 audio redacted]"),
    ],
)
def test_of_a_file_that_was_transcribed_its_name_is_the_input_and_not_the_print_of_its_bytes(
    printed: str, said: str
) -> None:
    asked = [{"role": "user", "content": said}]
    for messages in (printed, [{"role": "user", "content": printed}]):
        record = payload(call_type="atranscription", messages=messages, response={"text": "Hi"})
        assert to_properties(record)["$ai_input"] == asked
    assert to_properties(payload(messages=[{"role": "user", "content": printed}]))["$ai_input"][0]["content"] == printed


@pytest.mark.parametrize(
    "call_type",
    ["arerank", "moderation", "_arealtime", "_aresponses_websocket", "atranscription", "ocr", "aimage_variation"],
)
def test_wherever_a_model_ran_it_is_a_generation(call_type: str) -> None:
    assert to_event(payload(call_type=call_type)).name == "$ai_generation"


@pytest.mark.parametrize("call_type", ["", None, "pass_through_endpoint"])
def test_a_pass_through_counts_only_with_a_model_and_tokens_or_a_failure(call_type: Any) -> None:
    assert to_event(payload(call_type=call_type)).name == "$ai_generation"
    assert to_event(payload(**FAILURE, call_type=call_type)).name == "$ai_generation"
    assert to_skip(payload(call_type=call_type, total_tokens=0)).code == "not-a-model-call"
    assert to_skip(payload(call_type=call_type, model="")).code == "not-a-model-call"


BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}
ANSWER = {
    "id": "chatcmpl-9", "object": "chat.completion", "created": 1748772000, "model": "gpt-4o-2024",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33, "prompt_tokens_details": {"cached_tokens": 4}},
}  # fmt: skip
CHUNK = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1748772000, "model": "gpt-4o-2024"}
CHUNKS = [
    {**CHUNK, "choices": [{"index": 0, "delta": {"content": "y"}, "finish_reason": None}]},
    {**CHUNK, "choices": [{"index": 0, "delta": {"content": "es"}, "finish_reason": "stop"}]},
    {**CHUNK, "choices": [], "usage": ANSWER["usage"]},
]
LINES = [*(f"data: {json.dumps(chunk)}" for chunk in CHUNKS), "data: [DONE]"]
UNREAD = f"cannot parse chunks to standard response object. Chunks={LINES!r}"
PASSED = {
    "call_type": "pass_through_endpoint", **NO_TOKENS, "response_cost": 0.0, "custom_llm_provider": None,
    "messages": [{"role": "user", "content": json.dumps(BODY)}],
}  # fmt: skip


@pytest.mark.parametrize("model", ["unknown", "", "gpt-4o"])
@pytest.mark.parametrize("said", [json.dumps(ANSWER), UNREAD])
def test_an_answer_that_litellm_passed_through_unread_is_a_call(said: str, model: str) -> None:
    record = payload(**PASSED, model=model, response={"response": said})
    found = to_properties(record)
    assert found["$ai_model"] == (model if model == "gpt-4o" else "gpt-4o-2024")
    assert found["$ai_input"] == [{"role": "user", "content": "hi"}]
    assert found["$ai_output_choices"] == [{"role": "assistant", "content": [{"type": "text", "text": "yes"}]}]
    counted = [found[f"$ai_{kind}_tokens"] for kind in ("input", "output", "total", "cache_read_input")]
    assert counted == [11, 22, 33, 4]
    assert found["$ai_model_parameters"] == {"temperature": 0.5}
    assert "$ai_total_cost_usd" not in found
    assert to_event(record).uuid == event_uuid(f"litellm|chatcmpl-1|{int(T * 1000)}|success")


def test_an_answer_of_responses_that_was_passed_through_unread_is_a_call() -> None:
    body = {"model": "gpt-4o", "input": "hi", "instructions": "briefly"}
    items = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]}]
    answer = {
        "object": "response",
        "model": "gpt-4o",
        "output": items,
        "usage": {"input_tokens": 5, "output_tokens": 6, "total_tokens": 11},
    }
    asked = PASSED | {"messages": [{"role": "user", "content": json.dumps(body)}], "model": "unknown"}
    ended = f"data: {json.dumps({'type': 'response.completed', 'response': answer})}"
    for said in (json.dumps(answer), f"cannot parse chunks to standard response object. Chunks={[ended]!r}"):
        found = to_properties(payload(**asked, response={"response": said}))
        assert found["$ai_input"] == [{"role": "system", "content": "briefly"}, {"role": "user", "content": "hi"}]
        assert found["$ai_output_choices"] == [{"role": "assistant", "content": [{"type": "text", "text": "yes"}]}]
        assert (found["$ai_input_tokens"], found["$ai_output_tokens"]) == (5, 6)


def test_the_request_of_a_pass_through_is_its_prompt() -> None:
    read = payload(**PASSED | {"prompt_tokens": 1, "total_tokens": 3})
    assert to_properties(read)["$ai_input"] == [{"role": "user", "content": "hi"}]
    plain = payload(call_type="acompletion", messages=PASSED["messages"])
    assert to_properties(plain)["$ai_input"] == [{"role": "user", "content": json.dumps(BODY)}]


@pytest.mark.parametrize(
    "changes",
    [
        {"response": {"response": "cannot parse chunks to standard response object. Chunks=['event: ping'"}},
        {"response": {"response": json.dumps({"choices": [], "usage": {}})}},
        {"response": {"response": json.dumps({"rows": [1], "usage": {"total_tokens": 3}})}},
        {"response": {"response": json.dumps(ANSWER), "more": 1}},
        {"messages": [{"role": "user", "content": "{}"}], "response": {"response": json.dumps(ANSWER)}},
        {"messages": None, "response": {"response": json.dumps(ANSWER)}},
    ],
)
def test_a_pass_through_that_is_no_call_of_a_model_stays_skipped(changes: dict[str, Any]) -> None:
    assert to_skip(payload(**PASSED | {"model": "unknown"} | changes)).code == "not-a-model-call"


def test_an_image_that_was_paid_for_is_a_generation_without_tokens() -> None:
    record = payload(call_type="image_variation", **NO_TOKENS, response={"data": [{"url": "https://h.example/a.png"}]})
    assert to_properties(record)["$ai_total_cost_usd"] == 0.5
    assert "unknown-call-type" not in convert_value(record).warnings


def test_an_unknown_call_type_counts_with_tokens_or_a_cost_and_a_warning() -> None:
    for record in (payload(call_type="dream", response_cost=0.0), payload(call_type="dream", **NO_TOKENS)):
        assert "unknown-call-type" in convert_value(record).warnings
        assert to_event(record).name == "$ai_generation"
    for cost in (0.0, None, -0.5, "0.5"):
        skipped = to_skip(payload(call_type="dream", **NO_TOKENS, response_cost=cost))
        assert skipped.code == "not-a-model-call"


@pytest.mark.parametrize("call_type", ["get_responses", "aget_responses", "cancel_responses", "adelete_responses"])
@pytest.mark.parametrize("background", [None, False, True])
def test_the_read_of_a_stored_answer_is_a_call_only_where_it_ran_in_the_background(
    call_type: str, background: Any
) -> None:
    record = payload(call_type=call_type, response={"output": [], "background": background})
    if background is True:
        assert "unknown-call-type" in convert_value(record).warnings
        assert to_properties(record)["$ai_input_tokens"] == 10
    else:
        assert to_skip(record).code == "not-a-model-call"


@pytest.mark.parametrize(
    "where",
    [
        {"metadata": {"user_api_key_alias": "litellm-internal-health-check"}},
        {"request_tags": ["litellm-internal-health-check"]},
    ],
)
def test_a_health_check_is_skipped(where: Any) -> None:
    assert to_skip(payload(**where)).code == "health-check"


STREAM_ENDED = {"error_class": "StopAsyncIteration", "error_code": "", "error_message": ""}


@pytest.mark.parametrize(("call_type", "name"), [("responses", "StopIteration"), ("aresponses", "StopAsyncIteration")])
def test_the_end_of_a_responses_stream_is_no_failed_call(call_type: str, name: str) -> None:
    # LiteLLM 1.80.16 logs it beside the call, which has a record of its own
    ended = FAILURE | {"stream": True, "error_str": "", "error_information": {**STREAM_ENDED, "error_class": name}}
    assert to_skip(payload(call_type=call_type, **ended)).code == "merged"


@pytest.mark.parametrize(
    "changes",
    [
        {"call_type": "acompletion"},
        {"error_str": "generator raised StopAsyncIteration"},
        {"error_information": {**STREAM_ENDED, "error_class": "RuntimeError"}},
        {"status": "success"},
        {"total_tokens": 3},
    ],
)
def test_a_failure_that_says_more_than_the_end_of_a_stream_is_a_call(changes: dict[str, Any]) -> None:
    ended = FAILURE | {"call_type": "aresponses", "error_str": "", "error_information": STREAM_ENDED} | changes
    assert to_event(payload(**ended)).name == "$ai_generation"


# --------------------------------------------------------------------------------------------------------- 8: identity


def test_the_identity_rule_is_pinned() -> None:
    """Changing it makes every replay a duplicate; so this value never changes."""
    assert to_event(payload()).uuid == event_uuid("litellm|chatcmpl-1|1748772000250|success")
    assert to_event(payload()).uuid == "b4b854ab-b807-5b20-ba6d-653e41bc31f3"


def test_every_view_of_a_call_has_one_identity() -> None:
    views = [
        payload(), {"standard_logging_object": payload()}, kwargs({"user_id": "u"}), {"kwargs": kwargs()},
        {"input": kwargs()}, payload(startTime="2025-06-01T10:00:00.250999Z"),
        payload(startTime="2025-06-01T10:00:00.250"),
    ]  # fmt: skip
    assert len({to_event(view).uuid for view in views}) == 1


def test_a_cache_hit_is_another_call_and_its_suffix_no_part_of_it() -> None:
    hit = to_event(payload(id="chatcmpl-1_cache_hit1748772060.5", startTime=T + 60, endTime=T + 61))
    same = to_event(payload(id="chatcmpl-1_cache_hit1748772060.7", startTime=T + 60, endTime=T + 61))
    assert hit.uuid == same.uuid
    assert hit.uuid != to_event(payload()).uuid


def test_a_failed_attempt_and_a_success_under_one_id_are_two() -> None:
    assert to_event(payload()).uuid != to_event(payload(**FAILURE)).uuid


@pytest.mark.parametrize("no_id", ["", "None", None])
def test_without_an_id_the_call_id_stands_for_it(no_id: Any) -> None:
    assert to_event(payload(id=no_id)).uuid == event_uuid("litellm|call-1|1748772000250|success")


def test_without_any_id_the_content_stands_for_it() -> None:
    first = to_event(payload(id=None, litellm_call_id=None))
    other = to_event(payload(id=None, litellm_call_id=None, messages=[{"role": "user", "content": "else"}]))
    assert first.uuid != other.uuid


def test_a_payload_that_is_null_or_empty_is_rejected_by_its_path() -> None:
    payloads: tuple[Any, ...] = (None, {})
    for empty in payloads:
        error = to_rejection({"standard_logging_object": empty})
        assert (error.code, error.path) == ("missing-field", "$.standard_logging_object")


@pytest.mark.parametrize("field", sorted(payload()))
@pytest.mark.parametrize("odd", [None, [], {}, "x", -1, True, [None], {"a": None}, 1e300])
def test_a_wrong_type_in_any_field_never_crashes(field: str, odd: Any) -> None:
    result = convert_value(payload(**{field: odd}))
    assert result.result is not None


def test_old_payloads_without_newer_fields_convert() -> None:
    old = {
        key: value
        for key, value in payload().items()
        if key not in {"litellm_call_id", "session_id", "cost_breakdown", "status"}
    }
    assert to_event({**old, "trace_id": None, "guardrail_information": {"a": 1}}).distinct_id == "chatcmpl-1"


# ------------------------------------------------------------------------------- what a reviewer broke (and stays whole)


@pytest.mark.parametrize(
    ("call_type", "response"),
    [
        (
            "generate_content",
            {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBO" * 80}}]}}]},
        ),
        ("moderation", {"results": [{"image": {"data": "iVBO" * 80}}]}),
        ("pass_through_endpoint", {"embeddings": [[0.123, 0.5]]}),
        ("pass_through_endpoint", {"embedding": {"values": [0.123, 0.5]}}),
        ("pass_through_endpoint", {"odd": [0.123] * 20}),
    ],
)
def test_media_and_vectors_stay_here_in_answers_of_any_shape(call_type: str, response: Any) -> None:
    event = to_event(payload(call_type=call_type, response=response))
    assert b"iVBO" not in event.properties
    assert b"0.123" not in event.properties
    assert b'"$ai_output_choices"' in event.properties


def test_a_traceback_in_mid_line_is_cut_and_the_next_message_taken() -> None:
    cut = payload(**FAILURE, error_str='E: x Traceback (most recent call last):\n  File "/root/a.py", line 1')
    assert to_properties(cut)["$ai_error"] == "E: x"
    only = payload(
        **FAILURE, error_str="Traceback (most recent call last):\n  x", error_information={"error_message": "real"}
    )
    assert to_properties(only)["$ai_error"] == "real"


def test_the_sentinel_is_no_content_in_parts_and_beside_arguments() -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "redacted-by-litellm"}]}]
    assert "$ai_input" not in to_properties(payload(messages=parts))
    call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    message = {"content": "redacted-by-litellm", "tool_calls": [call]}
    record = payload(messages="redacted-by-litellm", response={"choices": [{"message": message}]})
    (answer,) = to_properties(record)["$ai_output_choices"]
    assert [part["type"] for part in answer["content"]] == ["function"]


def test_an_mcp_server_keeps_no_credentials_on_any_level() -> None:
    tool = {
        "type": "mcp",
        "server_url": "https://u:p@h.example/x?token=abc",
        "Authorization": "zz",
        "server": {"headers": {"A": "s3"}},
    }
    (found,) = to_properties(payload(model_parameters={"tools": [tool]}))["$ai_tools"]
    assert found == {
        "type": "mcp", "server_url": "https://h.example/x", "Authorization": "[REDACTED]", "server": {"headers": {"A": "[REDACTED]"}},
    }  # fmt: skip


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "url", "url": "https://h.example/x?token=s3cret", "authorization_token": "s3cret"},
        {"type": "url", "name": "n", "tool_configuration": {"headers": {"A": "s3cret"}, "enabled": True}},
        {"type": "mcp", "servers": [{"headers": [{"name": "A", "value": "s3cret"}]}, {"x-api-key": "s3cret"}]},
        {"type": "mcp", "server_label": "l", "auth": {"client_secret": "s3cret", "apiKey": "s3cret"}},
        {"type": "openapi", "openapi": {"auth": [{"password": "s3cret"}]}},
        {"type": "function", "function": {"name": "f"}, "api-key": "s3cret", "token": ["s3cret"]},
        {"type": "mcp", "server_url": "https://[s3cret", "server_label": "l"},
    ],
)
def test_a_tool_of_any_kind_keeps_no_credentials(tool: Any) -> None:
    event = to_event(payload(model_parameters={"tools": [tool]}))
    assert b"s3cret" not in event.properties
    assert b"[REDACTED]" in event.properties or b'h.example/x"' in event.properties


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "f", "parameters": {"properties": {"token": {"type": "string"}}}}},
        {"name": "f", "input_schema": {"properties": {"api_key": {"type": "string"}, "url": {"default": "x://y"}}}},
        {"type": "mcp", "server_url": "litellm_proxy", "require_approval": "never", "max_token": 5},
        {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}, "password": None},
        {"functionDeclarations": [{"name": "f", "parameters": {"properties": {"password": {"type": "STRING"}}}}]},
    ],
)
def test_a_tool_without_credentials_is_sent_as_it_is(tool: Any) -> None:
    assert to_properties(payload(model_parameters={"tools": [tool]}))["$ai_tools"] == [tool]


def test_a_realtime_session_keeps_no_credentials() -> None:
    tool = {"type": "mcp", "server_url": "https://h.example/?key=s3cret", "authorization": "s3cret"}
    messages = [{"type": "session.update", "session": {"voice": "alloy", "tools": [tool], "client_secret": "s3cret"}}]
    (event,) = to_properties(payload(call_type="_arealtime", messages=messages))["$ai_input"]
    assert event["session"]["voice"] == "alloy"
    assert "s3cret" not in repr(event)


@pytest.mark.parametrize("call_type", ["x" * 90 + "s3cret", {"s3cret": 1}, ["s3cret"]])
def test_a_call_type_of_any_kind_is_not_quoted_whole(call_type: Any) -> None:
    assert "s3cret" not in to_skip(payload(call_type=call_type, total_tokens=0, response_cost=0)).message


def test_nested_headers_of_a_callers_metadata_stay_here() -> None:
    metadata = {"ctx": {"requester_ip_address": "192.0.2.1", "headers": {"cookie": "c"}, "kept": 1}}
    assert to_properties(kwargs(metadata))["ctx"] == {"kept": 1}


def test_a_wrapped_payloads_path_is_its_place_in_the_record() -> None:
    error = to_rejection({"kwargs": {"standard_logging_object": payload(model="", response={})}})
    assert error.path == "$.kwargs.standard_logging_object.model"


@pytest.mark.parametrize(
    ("user_id", "end_user", "told"),
    [
        ({"account_uuid": "user_aa1_account_bb2_session_cc3"}, "user_aa1_account_bb2_session_cc3", "bb2"),
        ('{"user_id": "{\\"user_id\\": \\"zed\\"}"}', '{"user_id": "zed"}', "zed"),
        ("anna", "anna", None),
        ("anna", " anna ", None),
        ("anna", None, None),
        ("anna", "bert", "bert"),
    ],
)
def test_another_end_user_is_told_as_he_is_read(user_id: Any, end_user: Any, told: str | None) -> None:
    found = to_properties(kwargs({"user_id": user_id}, end_user=end_user))
    assert found.get("litellm_end_user") == told


def test_the_lists_that_datadogs_logger_printed_are_lists() -> None:
    # LiteLLM 1.53, Datadog and every callback behind it
    messages = [{"role": "user", "content": "it's 'hi'\n"}]
    choices = [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "[yes]", "tool_calls": None}}
    ]
    whole = payload(
        messages=messages, request_tags=["a", "User-Agent: x"], response={"id": "r", "choices": choices},
        model_parameters={"tools": [{"type": "function", "function": {"name": "f"}}], "stop": ["a"]},
    )  # fmt: skip
    printed = whole | {
        "messages": str(messages), "request_tags": str(whole["request_tags"]),
        "response": {"id": "r", "choices": str(choices)},
        "model_parameters": {key: str(value) for key, value in whole["model_parameters"].items()},
    }  # fmt: skip
    assert to_event(printed) == to_event(whole)
    assert convert_value(printed).warnings == convert_value(whole).warnings
    datadog = {"ddsource": "litellm", "message": json.dumps(printed)}
    assert to_event(datadog) == to_event(whole)
    assert to_properties(printed | {"request_tags": "[]", "messages": "[cut"})["$ai_input"] == [
        {"role": "user", "content": "[cut"}
    ]


def test_a_print_keeps_the_identity_of_a_call_without_an_id() -> None:
    odd = payload(id="", litellm_call_id=None, request_tags="[]", messages=str([{"role": "user", "content": "hi"}]))
    digest = canonical_sha256([odd[key] for key in ("model", "messages", "response")])
    assert to_event(odd).uuid == event_uuid(f"litellm|-{digest}|{int(T * 1000)}|success")


# ------------------------------------------------------------------------------------------------- a table of payloads


def test_a_row_whose_objects_are_texts_is_the_payload_that_was_loaded() -> None:
    whole = payload(
        metadata={"requester_metadata": {"user_id": "u-1", "plan": "pro"}, "user_api_key_request_route": "/v1/chat"},
        request_tags=["a"], cache_hit=False, response_cost=0.25, stream=True, model_parameters={"temperature": 0.5},
    )  # fmt: skip
    text = {
        key: json.dumps(value) if isinstance(value, (dict, list, bool, float)) else value
        for key, value in whole.items()
    }
    assert to_properties(text) == to_properties(whole)
    assert (to_event(text).distinct_id, to_event(text).uuid) == ("u-1", to_event(whole).uuid)


def test_a_text_in_a_row_that_is_no_json_stays_one() -> None:
    row = payload(metadata="{}", messages="[broken", response_cost="much", cache_hit="None")
    assert to_properties(row)["$ai_input"] == [{"role": "user", "content": "[broken"}]
    assert "$ai_total_cost_usd" not in to_properties(row)


@pytest.mark.parametrize("key", ["cookie", "Cookie", "set-cookie", "cookies", "raw_headers"])
def test_a_cookie_at_the_top_of_the_metadata_stays_here_as_one_below_does(key: str) -> None:
    metadata = {"requester_metadata": {key: "session=SECRET", "kept": 1}, "user_api_key_request_route": "/v1/chat"}
    found = to_properties(payload(metadata=metadata))
    assert "SECRET" not in json.dumps(found)
    assert found["kept"] == 1
