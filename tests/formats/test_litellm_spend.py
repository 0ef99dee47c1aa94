"""SpendLogs rows as full calls (litellm-logs.md 4.1 and 4.2); `samples/litellm-spend.jsonl` has them whole."""

import json
from typing import Any

import orjson
import pytest

from tests.converting import convert_bytes, convert_value, to_event, to_properties, to_rejection, to_skip


def row(**changes: Any) -> dict[str, Any]:
    """A row whose prompt was not stored."""
    base: dict[str, Any] = {
        "request_id": "chatcmpl-1", "call_type": "acompletion", "api_key": "hash", "spend": 0.25, "total_tokens": 30,
        "prompt_tokens": 10, "completion_tokens": 20, "startTime": "2025-06-01T10:00:00.25",
        "endTime": "2025-06-01T10:00:02.25", "completionStartTime": "2025-06-01T10:00:02.25", "model": "openai/gpt-4o",
        "custom_llm_provider": "openai", "user": "internal", "metadata": {}, "cache_hit": "None", "request_tags": [],
        "end_user": "", "messages": {}, "response": {}, "proxy_server_request": {}, "session_id": "trace-1",
        "status": "success",
    }  # fmt: skip
    return {**base, **changes}


def stored(**request: Any) -> dict[str, Any]:
    """A row whose request was stored."""
    return row(proxy_server_request={"messages": [{"role": "user", "content": "hi"}], **request})


# ---------------------------------------------------------------------------------------------------- what every row says


def test_a_row_without_prompts_gives_model_tokens_cost_latency_and_status() -> None:
    found = to_properties(row())
    assert {key: found[key] for key in found if key.startswith("$ai_")} == {
        "$ai_trace_id": "trace-1", "$ai_span_id": "chatcmpl-1", "$ai_model": "gpt-4o", "$ai_provider": "openai",
        "$ai_input_tokens": 10, "$ai_output_tokens": 20, "$ai_total_tokens": 30, "$ai_latency": 2.0,
        "$ai_total_cost_usd": 0.25, "$ai_cost_passthrough": True,
    }  # fmt: skip
    assert "no-input" in convert_value(row()).warnings


def test_times_without_a_zone_are_utc_whatever_the_timezone_option_says() -> None:
    from zoneinfo import ZoneInfo  # a zone that the option might name

    from tests.converting import with_parse

    elsewhere = with_parse(timezone=ZoneInfo("America/New_York"))
    assert to_event(row(), elsewhere).timestamp == to_event(row()).timestamp
    assert to_event(row()).timestamp.isoformat() == "2025-06-01T10:00:02.250000+00:00"


def test_the_internal_user_and_the_key_never_leave() -> None:
    event = to_event(row(metadata={"user_api_key": "hash", "user_api_key_user_email": "someone@example.com"}))
    sent = event.properties + event.legacy_properties + event.distinct_id.encode()
    assert b"internal" not in sent
    assert b"hash" not in sent
    assert b"example.com" not in sent


@pytest.mark.parametrize("hit", ["True", "true", True])
def test_a_cache_hit_is_a_text_and_costs_nothing(hit: Any) -> None:
    found = to_properties(row(cache_hit=hit, spend=0.25))
    assert (found["$ai_total_cost_usd"], found["litellm_cache_hit"]) == (0.0, True)


@pytest.mark.parametrize("hit", ["False", "None", "", None, False])
def test_no_cache_hit_is_a_text_too(hit: Any) -> None:
    assert "litellm_cache_hit" not in to_properties(row(cache_hit=hit))


def test_a_spend_of_null_is_no_cost() -> None:
    converted = convert_value(row(spend=None))
    assert "no-cost" in converted.warnings
    assert "$ai_total_cost_usd" not in to_properties(row(spend=None))


def test_the_parts_of_the_cost_come_from_the_breakdown() -> None:
    found = to_properties(row(metadata={"cost_breakdown": {"input_cost": 0.05, "output_cost": 0.2}}))
    assert (found["$ai_input_cost_usd"], found["$ai_output_cost_usd"]) == (0.05, 0.2)


@pytest.mark.parametrize("place", ["status", "metadata"])
def test_a_failure_is_said_in_the_column_or_in_the_metadata(place: str) -> None:
    error = {
        "error_code": "429", "error_class": "RateLimitError", "error_message": "Rate limit reached",
        "traceback": 'Traceback (most recent call last):\n  File "/app/x.py"',
    }  # fmt: skip
    metadata = {"error_information": error, **({"status": "failure"} if place == "metadata" else {})}
    failed = row(status="failure" if place == "status" else None, metadata=metadata, spend=0, total_tokens=0,
                 prompt_tokens=0, completion_tokens=0)  # fmt: skip
    found = to_properties(failed)
    assert found["$ai_is_error"] is True
    assert (found["$ai_error"], found["$ai_error_type"], found["$ai_http_status"]) == (
        "Rate limit reached", "RateLimitError", 429,
    )  # fmt: skip
    assert b"/app/" not in to_event(failed).properties


def test_token_kinds_come_from_the_usage_object_and_what_lies_beside_it() -> None:
    metadata = {
        "usage_object": {"prompt_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 6}, "prompt_tokens_details": None},
        "additional_usage_values": {"cache_read_input_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}},
    }  # fmt: skip
    found = to_properties(row(metadata=metadata))
    assert (found["$ai_cache_read_input_tokens"], found["$ai_reasoning_tokens"]) == (4, 6)
    assert found["$ai_usage"] == {"prompt_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 6}}


def test_a_row_without_start_and_end_is_rejected_at_its_start_time() -> None:
    rejected = to_rejection(row(startTime=None, endTime=None))
    assert (rejected.code, rejected.path) == ("missing-field", "$.startTime")


def test_a_start_and_a_duration_give_the_end() -> None:
    assert (
        to_event(row(endTime=None, request_duration_ms=1500)).timestamp.isoformat()
        == "2025-06-01T10:00:01.750000+00:00"
    )


# --------------------------------------------------------------------------------------------------- the stored request


@pytest.mark.parametrize(
    ("request_body", "expected"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, [{"role": "user", "content": "hi"}]),
        ({"input": "hi"}, [{"role": "user", "content": "hi"}]),
        ({"prompt": "hi"}, [{"role": "user", "content": "hi"}]),
        ({"input": "hi", "instructions": "Be brief."}, [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]),
        ({"messages": [{"role": "user", "content": "hi"}], "system": "Be brief."}, [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]),
        ({"messages": [{"role": "user", "content": "hi"}], "system": [{"type": "text", "text": "Be brief."}]}, [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}, {"role": "user", "content": "hi"}]),
        ({"query": "hi", "documents": ["a", "b"]}, [{"role": "user", "content": "hi"}]),
        ({"contents": "hi", "systemInstruction": "Be brief."}, [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]),
        (
            {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "systemInstruction": {"parts": [{"text": "Be brief."}]}},
            [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        ),
        ({"messages": [{"role": "system", "content": "own"}, {"role": "user", "content": "hi"}], "system": "other"}, [{"role": "system", "content": "own"}, {"role": "user", "content": "hi"}]),
    ],
)  # fmt: skip
def test_the_input_is_the_stored_requests(request_body: Any, expected: Any) -> None:
    for request in (request_body, json.dumps(request_body)):
        assert to_properties(row(proxy_server_request=request))["$ai_input"] == expected


def test_the_messages_column_is_read_where_no_request_was_stored() -> None:
    found = to_properties(row(messages=[{"role": "user", "content": "spoken"}]))
    assert found["$ai_input"] == [{"role": "user", "content": "spoken"}]


def test_an_embeddings_input_is_raw_and_its_vectors_stay() -> None:
    embedding = row(
        call_type="aembedding", completion_tokens=0, proxy_server_request={"input": ["a", "b"]},
        response={"data": [{"embedding": [0.1, 0.2]}]},
    )  # fmt: skip
    assert to_properties(embedding)["$ai_input"] == ["a", "b"]
    assert to_event(embedding).name == "$ai_embedding"
    assert b"0.1" not in to_event(embedding).properties


def test_tools_parameters_and_stream_come_from_the_request() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    found = to_properties(stored(tools=[tool], temperature=0.5, stream=True, api_key="sk-sample-secret"))
    assert found["$ai_tools"] == [tool]
    assert found["$ai_model_parameters"] == {"temperature": 0.5, "stream": True}
    assert found["$ai_stream"] is True


def test_a_streams_first_token_is_timed() -> None:
    streamed = {**stored(stream=True), "completionStartTime": "2025-06-01T10:00:00.75"}
    assert to_properties(streamed)["$ai_time_to_first_token"] == 0.5
    assert "$ai_time_to_first_token" not in to_properties({**streamed, "proxy_server_request": {}})


def test_only_what_the_requester_sent_of_the_metadata_becomes_properties() -> None:
    request = {
        "metadata": {
            "user_api_key": "REDACTED_BY_LITELM", "endpoint": "http://proxy", "deployment": "d", "actor_agent_id": "x",
            "requester_metadata": {"feature": "search", "headers": {"authorization": "Bearer sk-sample"}},
        }
    }  # fmt: skip
    found = to_properties(stored(**request))
    assert {key for key in found if not key.startswith(("$", "litellm_"))} == {"feature"}
    plain = to_properties(stored(metadata={"feature": "search"}))
    assert plain["feature"] == "search"


def test_metadata_that_an_administrator_gave_to_the_key_or_its_team_are_not_the_callers() -> None:
    given = {"spend_logs_metadata": {"cost_center": "7"}}
    assert "spend_logs_metadata" not in to_properties(row(metadata=given))
    assert to_properties(stored(metadata=given) | {"metadata": given})["spend_logs_metadata"] == {"cost_center": "7"}


def test_the_user_is_the_callers_then_the_end_user_then_the_requests() -> None:
    assert to_event(stored(metadata={"user_id": "a"}, user="c") | {"end_user": "b"}).distinct_id == "a"
    assert to_event(stored(user="c") | {"end_user": "b"}).distinct_id == "b"
    assert to_event(stored(user="c")).distinct_id == "c"


@pytest.mark.parametrize("key", ["ab" * 32, "litellm_proxy_master_key", "REDACTED_BY_LITELM"])
def test_the_key_that_the_proxy_puts_into_the_requests_user_is_nobody(key: str) -> None:
    record = row(api_key="ab" * 32, end_user="", proxy_server_request={"messages": "hi", "user": key})
    assert to_event(record).distinct_id == to_properties(record)["$ai_trace_id"]
    assert key.encode() not in to_event(record).properties


def test_the_end_user_is_kept_where_another_name_is_the_distinct_id() -> None:
    assert to_properties(stored(metadata={"user_id": "a"}) | {"end_user": "b"})["litellm_end_user"] == "b"
    assert "litellm_end_user" not in to_properties(stored() | {"end_user": "b"})


# ------------------------------------------------------------------------------------------------------- session, trace


def test_the_session_column_is_the_trace() -> None:
    found = to_properties(row())
    assert (found["$ai_trace_id"], "$ai_session_id" in found) == ("trace-1", False)


def test_a_session_stored_as_the_trace_is_told_apart_by_the_request() -> None:
    found = to_properties(stored(litellm_session_id="trace-1", litellm_trace_id="t-9", litellm_call_id="call-1"))
    assert (found["$ai_session_id"], found["$ai_trace_id"]) == ("trace-1", "t-9")
    alone = to_properties(stored(litellm_session_id="trace-1", litellm_call_id="call-1"))
    assert (alone["$ai_session_id"], alone["$ai_trace_id"]) == ("trace-1", "call-1")


@pytest.mark.parametrize("place", ["column", "metadata", "request"])
def test_the_call_id_is_a_column_or_stands_in_the_metadata(place: str) -> None:
    given = {
        "column": row(litellm_call_id="call-1"),
        "metadata": row(metadata={"litellm_call_id": "call-1"}),
        "request": stored(litellm_call_id="call-1"),
    }[place]
    assert to_properties(given)["litellm_call_id"] == "call-1"


def test_claude_codes_packed_user_is_a_person_and_a_session() -> None:
    found = row(end_user='{"device_id":"d-1","session_id":"trace-1"}', litellm_call_id="call-1")
    properties = to_properties(found)
    assert to_event(found).distinct_id == "d-1"
    assert (properties["$ai_session_id"], properties["$ai_trace_id"]) == ("trace-1", "call-1")


# ------------------------------------------------------------------------------------------------------------- no calls


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"metadata": {"user_api_key_alias": "litellm-internal-health-check"}}, "health-check"),
        ({"api_key": "litellm-internal-health-check"}, "health-check"),
        ({"request_tags": ["litellm-internal-health-check"]}, "health-check"),
        ({"call_type": "call_mcp_tool"}, "not-a-model-call"),
        ({"call_type": "", "total_tokens": 0, "prompt_tokens": 0, "completion_tokens": 0}, "not-a-model-call"),
    ],
)  # fmt: skip
def test_what_is_no_call_is_skipped_by_name(changes: Any, code: str) -> None:
    assert to_skip(row(**changes)).code == code


# --------------------------------------------------------------------------------------------------------------- views


def test_all_cells_as_text_give_the_same_event() -> None:
    """A CSV has text in every cell, an empty one for null."""
    full = stored(temperature=0.5, stream=False) | {
        "metadata": {"usage_object": {"prompt_tokens": 10}},
        "spend": 2.5e-07,
    }
    cells = {key: value if isinstance(value, str) else json.dumps(value) for key, value in full.items()}
    assert to_event(cells) == to_event(full)


def test_json_columns_as_text_give_the_same_event() -> None:
    full = stored(temperature=0.5) | {"response": {"choices": [{"message": {"content": "ho"}}]}}
    texts = {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in full.items()}
    assert to_event(texts) == to_event(full)


@pytest.mark.parametrize("page", [lambda rows: rows, lambda rows: {"data": rows, "total": 2, "page": 1}])
def test_a_page_of_spend_logs_is_its_rows(page: Any) -> None:
    rows = [row(), row(request_id="chatcmpl-2")]
    assert [converted.format for converted in convert_bytes(orjson.dumps(page(rows)))] == ["litellm-spend"] * 2


@pytest.mark.parametrize(
    "mark",
    [
        "... (litellm_truncated skipped 5120 chars. Truncation is a DB storage safeguard.) ...",
        "... (litellm_truncated 5120 chars)",
        "... (truncated 5120 chars)",
    ],
)
def test_a_prompt_that_the_database_cut_is_sent_with_a_warning(mark: str) -> None:
    cut = row(proxy_server_request={"messages": [{"role": "user", "content": f"It began{mark}and ended"}]})
    assert "truncated-content" in convert_value(cut).warnings
    assert to_properties(cut)["$ai_input"][0]["content"] == f"It began{mark}and ended"
    assert "truncated-content" not in convert_value(stored()).warnings


@pytest.mark.parametrize(
    "changes",
    [
        {"proxy_server_request": {"messages": "hi", "system": "It began... (litellm_truncated 5120 chars)"}},
        {"proxy_server_request": {"messages": "hi", "instructions": "It began... (litellm_truncated 5120 chars)"}},
        {"proxy_server_request": {"messages": "hi", "tools": [{"description": "... (litellm_truncated 5120 chars)"}]}},
        {
            "status": "failure",
            "metadata": {"error_information": {"error_message": "It began... (litellm_truncated 5120 chars)"}},
        },
    ],
)
def test_whatever_was_cut_of_what_is_sent_is_said(changes: Any) -> None:
    assert "truncated-content" in convert_value(row(**changes)).warnings


def test_a_redacted_row_keeps_no_content_and_no_tools() -> None:
    sentinel = "redacted-by-litellm"
    found = to_properties(
        row(
            proxy_server_request={"messages": [{"role": "user", "content": sentinel}], "tools": [{"name": "secret"}], "system": "secret"},
            response={"choices": [{"message": {"content": sentinel}}]},
        )
    )  # fmt: skip
    assert found["litellm_redacted"] is True
    assert not {"$ai_input", "$ai_output_choices", "$ai_tools"} & found.keys()


@pytest.mark.parametrize("column", ["metadata", "proxy_server_request", "response", "messages", "request_tags"])
@pytest.mark.parametrize("value", [None, "", "{", "[", "text", 7, True, [], {}, [[]], {"a": None}, '"quoted"'])
def test_a_column_of_any_shape_gives_a_call(column: str, value: Any) -> None:
    assert to_event(row(**{column: value})).uuid == to_event(row()).uuid


# ------------------------------------------------------------------------------------- columns as pandas writes them


@pytest.mark.parametrize("write", [json.dumps, repr], ids=["json", "python"])
def test_columns_that_hold_prints_say_what_objects_do(write: Any) -> None:
    answer = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "it's"}}]}
    whole = stored(model="gpt-4o", metadata={"user_id": "u-1", "plan": "pro"}) | {
        "metadata": {"usage_object": {"prompt_tokens_details": {"cached_tokens": 4}}, "attempted_retries": None},
        "request_tags": ["a", "it's"],
        "response": answer,
    }
    printed = {key: write(value) if isinstance(value, (dict, list)) else value for key, value in whole.items()}
    assert to_properties(printed) == to_properties(whole)
    assert to_event(printed).distinct_id == "u-1"


def test_a_failure_is_one_where_the_metadata_are_a_print() -> None:
    found = to_properties(
        row(status=None, metadata="{'status': 'failure', 'error_information': {'error_code': '429'}}")
    )
    assert (found["$ai_is_error"], found["$ai_http_status"]) == (True, 429)


def test_an_answer_that_is_no_print_of_plain_values_is_a_text() -> None:
    found = to_properties(row(response="{'choices': [Choice(text='x')"))
    assert found["$ai_output_choices"][0]["content"][0]["text"].startswith("{'choices'")


# ------------------------------------------------------------------------------------------ columns without their case


@pytest.mark.parametrize("fold", [str.lower, str.upper])
def test_columns_whose_case_a_warehouse_folded_are_the_same_row(fold: Any) -> None:
    whole = stored(model="gpt-4o", user="u-1")
    folded = {fold(key): value for key, value in whole.items()}
    converted = convert_value(folded)
    assert converted.format == "litellm-spend"
    assert to_event(folded).uuid == to_event(whole).uuid
    assert to_properties(folded) == to_properties(whole)


def test_the_internal_user_of_a_folded_row_is_nobody() -> None:
    folded = {key.lower(): value for key, value in row(session_id="").items()}
    assert to_event(folded).distinct_id == to_event(row(session_id="")).distinct_id == "chatcmpl-1"
