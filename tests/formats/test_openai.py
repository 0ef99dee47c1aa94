"""OpenAI-format records: detection by the table, and the rules that hold for all shapes (openai-logs.md)."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from posthog_llm_cli.formats.stream_parts import part_of
from posthog_llm_cli.identity import event_uuid
from tests.converting import convert_value, to_event, to_properties, to_rejection, to_skip, with_parse

CREATED = 1748772000
MESSAGES = [{"role": "user", "content": "hi"}]


def chat(**changes: Any) -> dict[str, Any]:
    """A bare chat completion."""
    base: dict[str, Any] = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": CREATED, "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }  # fmt: skip
    return {**base, **changes}


def pair(response: Any = None, request: Any = None, **outer: Any) -> dict[str, Any]:
    """A pair of a request and its answer."""
    asked = {"model": "gpt-4o", "messages": MESSAGES} if request is None else request
    return {"request": asked, "response": chat() if response is None else response, **outer}


# ----------------------------------------------------------------------------------------------------------- detection


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "fine-tuning-data"),
        ({"prompt": "a", "completion": "b"}, "fine-tuning-data"),
        ({"input": {}, "preferred_output": [], "non_preferred_output": []}, "fine-tuning-data"),
        ({"messages": MESSAGES, "category": "x"}, "fine-tuning-data"),
        ([{"role": "user", "content": "a"}], "conversation"),
        ({"ts": "2025-06-01T10:12:00Z", "model": "m", "prompt_tokens": 4, "prompt_hash": "0a"}, "metadata-only"),
        ({"request": {"model": "m", "messages": []}, "response": None}, "no-response"),
        ({"model": "gpt-4o", "messages": MESSAGES}, "no-response"),
        ({"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn"}, "unsupported-format"),
        (
            {"request": {"model": "c"}, "response": {"type": "message", "role": "assistant", "stop_reason": "x"}},
            "unsupported-format",
        ),
        ({"custom_id": "a", "params": {}}, "unsupported-format"),
        ({"custom_id": "a", "result": {}}, "unsupported-format"),
        ({"candidates": [], "usageMetadata": {}}, "unsupported-format"),
        ({"resourceSpans": []}, "unsupported-format"),
        ({"run_type": "llm", "inputs": {}}, "unsupported-format"),
        ({"mapping": {}, "create_time": 1}, "unsupported-format"),
        ({"error": {"message": "no"}}, "missing-field"),
        ({"detail": "Not Found"}, "missing-field"),
        ({"hello": "world"}, "unknown-format"),
        ({}, "unknown-format"),
        ([], "unknown-format"),
        (7, "unknown-format"),
        (True, "unknown-format"),
        ({"contentType": "x", "pathname": "/v1"}, "unknown-format"),
        ({"object": "list", "data": [{"object": "model"}]}, "unknown-format"),
        ([{"model": "m", "messages": MESSAGES}, ["timeout"]], "missing-field"),
        ({"model": "m", "done": True, "message": {"content": "a"}}, "missing-field"),
        ({"model": "m", "timestamp": 1, "prompt_text": "a", "response_text": "b"}, "missing-field"),
        ({"__encrypted__": True, "payload": "x"}, "encrypted-record"),
        ({"ddsource": "litellm", "message": "{"}, "invalid-json"),
    ],
)
def test_what_is_no_call_is_rejected_by_its_own_code(record: Any, code: str) -> None:
    assert to_rejection(record).code == code


MODERATION = {"id": "modr-1", "model": "omni-moderation-latest", "results": [{"flagged": False, "categories": {}}]}
IMAGES = {"created": 1748772000, "data": [{"b64_json": "aGk="}], "usage": {"input_tokens": 5, "output_tokens": 50}}


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (None, "empty-record"),
        ({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}, "batch-input"),
        ({"id": "batch_1", "object": "batch", "status": "completed"}, "not-a-model-call"),
        ({"id": "file-1", "object": "file"}, "not-a-model-call"),
        (
            {"id": "evt_1", "object": "event", "created_at": 1, "type": "response.completed", "data": {"id": "resp_1"}},
            "not-a-model-call",  # a webhook: the answer itself is fetched with its id
        ),
        (MODERATION, "not-a-model-call"),
        ({"timestamp": 1, "request": {"model": "m", "input": "a"}, "response": MODERATION}, "not-a-model-call"),
        (IMAGES, "not-a-model-call"),
        ({"timestamp": 1, "request": {"model": "m", "prompt": "a"}, "response": IMAGES}, "not-a-model-call"),
        ({"id": "resp_1", "object": "response", "status": "queued", "output": []}, "pending-response"),
        ({"message": "m", "level": "INFO", "timestamp": "t", "component": "c", "logger": "l"}, "console-log"),
        ({"action": "created", "table_name": "t", "changed_by": "u"}, "audit-log"),
    ],
)
def test_what_is_understood_and_no_call_is_skipped(record: Any, code: str) -> None:
    assert to_skip(record).code == code


@pytest.mark.parametrize(
    "record",
    [
        {"Why does my landlord not answer?": 1, "Total cost": 2},
        {"object": "list", "data": [{"object": "Why does my landlord not answer?"}]},
        {"object": "list", "data": [{"object": "landlord" * 20}]},
        {"model": "m", "cost": 1, "Why does my landlord not answer?": 2},
    ],
)
def test_a_message_shows_no_text_in_the_place_of_a_name(record: Any) -> None:
    said = str(to_rejection(record))
    assert "Why does" not in said
    assert "landlord" * 6 not in said
    assert ("Total cost" in said) == ("Total cost" in record)


def test_a_message_for_an_unknown_record_names_keys_and_no_values() -> None:
    error = to_rejection({"secret prompt key": "secret value", **{f"k{i}": i for i in range(20)}})
    assert "secret prompt key" in error.message
    assert "secret value" not in error.message
    assert "k15" not in error.message


def test_a_page_of_stored_completions_is_its_elements() -> None:
    page = {"object": "list", "data": [chat(id="a"), chat(id="b", model=None)], "has_more": False}
    from posthog_llm_cli.errors import RecordError
    from tests.converting import convert_bytes

    first, second = convert_bytes(json.dumps(page).encode())
    assert first.format == "openai-chat"
    assert isinstance(second.result, RecordError)
    assert second.result.path == "$.data[1].model"


# --------------------------------------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize(
    "key", ["response", "response_json", "completion", "output", "result", "raw_response", "respPayload"]
)
@pytest.mark.parametrize(
    "asked", ["request", "request_body", "kwargs", "params", "payload", "body", "input", "reqPayload"]
)
def test_every_spelling_of_a_pair_is_read(key: str, asked: str) -> None:
    record = {asked: {"model": "gpt-4o", "messages": MESSAGES}, key: chat()}
    found = to_properties(record)
    assert found["$ai_input"] == MESSAGES
    assert found["$ai_output_choices"][0]["content"][0]["text"] == "ho"
    assert found["requested_model"] == "gpt-4o"


def test_answers_as_text_of_json_and_http_recordings_are_stepped_into() -> None:
    recorded = {"body": json.dumps(chat()), "status": {"code": 200}, "headers": {"set-cookie": "secret"}}
    asked = {"body": json.dumps({"messages": MESSAGES}), "uri": "https://api.openai.com/v1/chat/completions?key=secret"}
    event = to_event(pair(recorded, asked))
    found = to_properties(pair(recorded, asked))
    assert found["$ai_http_status"] == 200
    assert found["$ai_base_url"] == "https://api.openai.com/v1"
    assert found["$ai_request_url"] == "https://api.openai.com/v1/chat/completions"
    assert b"secret" not in event.properties
    assert to_properties(pair(json.dumps(chat())))["$ai_input"] == MESSAGES


def test_a_bare_list_of_messages_takes_the_rest_of_the_request_from_the_record() -> None:
    found = to_properties({"messages": MESSAGES, "temperature": 0.5, "response": chat()})
    assert found["$ai_input"] == MESSAGES
    assert found["$ai_model_parameters"] == {"temperature": 0.5}


def test_an_answer_that_was_appended_to_the_input_is_dropped_from_it() -> None:
    messages = [*MESSAGES, {"role": "assistant", "content": "ho"}]
    assert to_properties(pair(request={"model": "m", "messages": messages}))["$ai_input"] == MESSAGES


def test_the_inner_usage_wins_over_an_outer_one() -> None:
    assert to_properties(pair(usage={"prompt_tokens": 0, "completion_tokens": 0}))["$ai_input_tokens"] == 5


def test_pair_and_bare_object_are_one_call() -> None:
    assert (
        to_event(pair(timestamp=CREATED + 5)).uuid
        == to_event(chat()).uuid
        == event_uuid(f"openai|chatcmpl-1|{CREATED}")
    )


# ------------------------------------------------------------------------------------------------------ time, 3.3, 3.4


@pytest.mark.parametrize(
    ("outer", "second"),
    [
        ({"ended_at": CREATED + 9, "timestamp": CREATED + 1}, 9),
        ({"timestamp": "2025-06-01T10:00:01Z", "started_at": CREATED}, 1),
        ({"started_at": CREATED, "latency": 3.0}, 3),
        ({"started_at": CREATED}, 0),
        ({"time": 0.7}, 0),
        ({"time": CREATED + 4}, 4),
        ({"timing": {"ended_at": (CREATED + 6) * 1000}}, 6),
        ({"timestamp": 0, "ts": (CREATED + 7) * 1_000_000}, 7),
        ({"timestamp": str(CREATED + 8)}, 8),
        ({"utc_time": "2025-06-01 10:00:02"}, 2),
        ({}, 0),
    ],
)
def test_the_time_is_the_first_plausible_candidate(outer: dict[str, Any], second: int) -> None:
    event = to_event(pair(**outer))
    assert event.timestamp == datetime(2025, 6, 1, 10, 0, second, tzinfo=UTC)


def test_an_embedding_without_a_wrapper_cannot_be_dated() -> None:
    answer = {"object": "list", "data": [{"embedding": [0.1]}], "model": "m"}
    error = to_rejection(answer)
    assert (error.code, error.path) == ("missing-field", "$.timestamp")
    at = datetime(2025, 6, 2, tzinfo=UTC)
    assert to_event(answer, with_parse(default_time=at)).timestamp == at


@pytest.mark.parametrize(
    ("outer", "latency"),
    [
        ({"latency_ms": 250}, 0.25),
        ({"latency": 2.25}, 2.25),
        ({"latency": 2}, 2.0),
        ({"latency": 1500}, None),
        ({"duration": 1500.5}, None),
        ({"duration_s": 1500.5}, 1500.5),
        ({"latency": -1}, None),
        ({"latency": True}, None),
        ({"started_at": CREATED, "ended_at": CREATED + 2.5}, 2.5),
        ({"time": 0.7}, 0.7),
        ({}, None),
    ],
)
def test_a_latency_is_seconds_or_left_out(outer: dict[str, Any], latency: Any) -> None:
    assert to_properties(pair(**outer)).get("$ai_latency") == latency


def test_groqs_usage_times_are_the_latency() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "total_time": 0.5, "queue_time": 0.25}
    found = to_properties(chat(usage=usage))
    assert (found["$ai_latency"], found["$ai_provider"]) == (0.75, "groq")


def test_a_first_token_after_the_last_is_left_out() -> None:
    assert to_properties(pair(latency=1.0, ttft=0.25))["$ai_time_to_first_token"] == 0.25
    assert "$ai_time_to_first_token" not in to_properties(pair(latency=1.0, ttft=1.5))


# ------------------------------------------------------------------------------------------------- model, tokens, cost


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, "x"])
def test_usage_that_says_nothing_is_absent_and_never_zero(usage: Any) -> None:
    found = to_properties(chat(usage=usage))
    assert not [key for key in found if "tokens" in key or key == "$ai_usage"]
    assert "no-usage" in convert_value(chat(usage=usage)).warnings


@pytest.mark.parametrize(
    ("value", "sent"), [(5.0, 5), ("5", 5), (None, None), (True, None), (-5, None), ("five", None)]
)
def test_a_token_count_is_an_int_or_left_out(value: Any, sent: Any) -> None:
    found = to_properties(chat(usage={"prompt_tokens": value, "completion_tokens": 2}))
    assert found.get("$ai_input_tokens") == sent


def test_cache_hits_are_counted_once() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 1,
        "prompt_cache_hit_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    found = to_properties(chat(usage=usage))
    assert found["$ai_cache_read_input_tokens"] == 4
    assert found["$ai_cache_reporting_exclusive"] is False


@pytest.mark.parametrize("nothing", [0, None, "0", False])
def test_no_cached_tokens_do_not_hide_deepseeks_hits(nothing: Any) -> None:
    usage = {"prompt_tokens": 50, "completion_tokens": 20, "prompt_cache_hit_tokens": 40}
    found = to_properties(chat(usage={**usage, "prompt_tokens_details": {"cached_tokens": nothing}}))
    assert (found["$ai_cache_read_input_tokens"], found["$ai_cache_reporting_exclusive"]) == (40, False)
    none = {**usage, "prompt_cache_hit_tokens": 0, "prompt_tokens_details": {"cached_tokens": nothing}}
    assert "$ai_cache_read_input_tokens" not in to_properties(chat(usage=none))


@pytest.mark.parametrize(
    ("outer", "usage", "cost"),
    [
        ({"cost_usd": 0.5}, {}, 0.5),
        ({}, {"cost": 0.25}, 0.25),
        ({}, {"cost": 0.25, "is_byok": True}, None),
        ({"cost": 0}, {}, None),
        ({"estimated_cost": 0.5}, {}, None),
        ({"cost": "0.5"}, {}, None),
    ],
)
def test_a_logged_cost_is_passed_through(outer: Any, usage: Any, cost: Any) -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 1, **usage}
    found = to_properties(pair(chat(usage=counts), **outer))
    assert found.get("$ai_total_cost_usd") == cost
    assert found.get("$ai_cost_passthrough") == (True if cost else None)


@pytest.mark.parametrize(
    ("response", "outer", "provider"),
    [
        (chat(), {"provider": "Mistral"}, "mistral"),
        (chat(), {"provider": " "}, "openai"),
        (chat(), {"url": "https://x.openai.azure.com/openai/deployments/d/chat/completions"}, "azure"),
        (chat(model="m"), {"base_url": "https://phoenix.ai/v1"}, None),
        (chat(model="m"), {"base_url": "https://api.x.ai/v1"}, "xai"),
        (chat(model="m"), {"base_url": "http://localhost:11434/v1"}, "ollama"),
        (chat(model="m", id="gen-1", provider="OpenAI"), {}, "openrouter"),
        (chat(model="m", time_info={}), {}, "cerebras"),
        (chat(model="gpt-oss-120b"), {}, None),
        (chat(model="gpt-35-turbo"), {}, "azure"),
        (chat(model="ft:gpt-4o-mini:org::id"), {}, "openai"),
        (chat(model="o1-mini"), {}, "openai"),
        (chat(model="claude-x", id="msg_1"), {}, "anthropic"),
        (chat(model="some-model"), {}, None),
    ],
)
def test_the_provider_is_told_and_not_guessed(response: Any, outer: Any, provider: Any) -> None:
    assert to_properties(pair(response, **outer)).get("$ai_provider") == provider
    assert ("unknown-provider" in convert_value(pair(response, **outer)).warnings) is (provider is None)


def test_an_azure_deployment_names_the_model_where_nothing_else_does() -> None:
    record = pair(
        chat(model=""),
        {"messages": MESSAGES},
        url="https://x.openai.azure.com/openai/deployments/my-gpt/chat/completions",
    )
    assert to_properties(record)["$ai_model"] == "my-gpt"


def test_a_deployment_in_the_url_names_the_model_before_an_engine() -> None:
    url = "https://x.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=1"
    record = {"timestamp": "2025-06-01T10:00:00Z", "engine": "vllm", "url": url, "prompt": "Hi", "response": "Ho"}
    assert to_properties(record)["$ai_model"] == "gpt-4o"


@pytest.mark.parametrize("key", ["engine", "deployment_id"])
def test_an_engine_of_openai_before_1_0_names_the_model_where_nothing_else_does(key: str) -> None:
    failed = {"timestamp": CREATED, "request": {key: "mine", "messages": MESSAGES}, "error": "boom"}
    assert to_properties(failed)["$ai_model"] == "mine"
    flat = {"timestamp": CREATED, key: "mine", "prompt": "Hi", "response": "Ho"}
    assert to_properties(flat)["$ai_model"] == "mine"
    assert to_properties({"request": {key: "mine", "messages": MESSAGES}, "response": chat()})["$ai_model"] != "mine"
    assert to_properties({**failed, "model_id": "3f1c"})["$ai_model"] == "mine"


def test_without_a_model_a_record_is_rejected() -> None:
    error = to_rejection(chat(model=None))
    assert (error.code, error.path) == ("missing-field", "$.model")


# ------------------------------------------------------------------------------------------------------- failures, 3.7


@pytest.mark.parametrize(
    ("record", "text", "kind", "status"),
    [
        (pair({"error": {"message": "no", "type": "t", "code": "c"}}, timestamp=CREATED), "no", "t", None),
        ({"request": {"model": "m"}, "response": None, "error": "boom", "timestamp": CREATED}, "boom", None, None),
        (pair(chat(), status_code=500), "HTTP 500", None, 500),
        (pair({"error": {"code": "401", "message": "m"}}, timestamp=CREATED), "m", "401", 401),
        (pair({"error": {"code": 429, "message": "m"}}, timestamp=CREATED), "m", "429", 429),
        (
            pair({"error": {"message": "m", "type": "None", "param": "None", "code": "429"}}, timestamp=CREATED),
            "m",
            "429",
            429,  # of LiteLLM's proxy
        ),
        (pair({"error": {"a": 1, "message": ""}}, timestamp=CREATED), '{"a":1,"message":""}', None, None),
        (
            {"request": {"model": "m"}, "response": {}, "status": "timeout", "timestamp": CREATED},
            "unknown error",
            None,
            None,
        ),
        (pair({"detail": "Nope"}, timestamp=CREATED), "Nope", None, None),
        (
            pair({}, error='{"message": "slow down", "type": "tokens"}', timestamp=CREATED),
            "slow down",
            "tokens",
            None,
        ),
        (pair({}, error="{}", timestamp=CREATED), "{}", None, None),
        (
            pair(
                {},
                error={  # what the AI SDK throws
                    "name": "AI_APICallError",
                    "statusCode": 429,
                    "requestBodyValues": {"messages": MESSAGES},
                    "data": {"error": {"message": "slow down", "type": "tokens"}},
                },
                timestamp=CREATED,
            ),
            "slow down",
            "tokens",
            429,
        ),
    ],
)
def test_a_failure_says_what_the_log_says(record: Any, text: str, kind: Any, status: Any) -> None:
    found = to_properties(record)
    assert found["$ai_is_error"] is True
    assert found["$ai_error"] == text
    assert (found.get("$ai_error_type"), found.get("$ai_http_status")) == (kind, status)


@pytest.mark.parametrize("no_error", [None, "", {}, "None", "null", "<nil>", "nil"])
def test_an_error_key_that_means_none_is_no_failure(no_error: Any) -> None:
    found = to_properties(pair(error=no_error, status_code=200))
    assert "$ai_is_error" not in found
    assert found["$ai_http_status"] == 200


def test_a_failed_embedding_is_an_embedding() -> None:
    record = {"request": {"model": "text-embedding-3-small", "input": "x"}, "error": "boom", "timestamp": CREATED}
    assert to_event(record).name == "$ai_embedding"


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_cut_answer_is_no_failure(reason: str) -> None:
    choice = {"index": 0, "finish_reason": reason, "content_filter_results": {}}
    found = to_properties(chat(choices=[choice]))
    assert found["$ai_stop_reason"] == reason
    assert not {"$ai_is_error", "$ai_output_choices"} & set(found)


# ----------------------------------------------------------------------------------------------- ids, user, properties


def test_ids_users_and_properties_come_from_where_the_rules_say() -> None:
    record = pair(
        chat(user="res", metadata={"x": 1}),
        {"model": "m", "messages": MESSAGES, "user": "req", "metadata": {"team": "a", "trace_id": "t-req"}},
        session_id="s", parent_id="p", tags=["a"], other="x",
        metadata={"run": 7, "user_id": "meta", "api_key": "secret"},
    )  # fmt: skip
    event = to_event(record)
    found = to_properties(record)
    assert event.distinct_id == "meta"
    assert (found["$ai_session_id"], found["$ai_parent_id"], found["$ai_trace_id"]) == ("s", "p", "t-req")
    own = {key: value for key, value in found.items() if not key.startswith("$")}
    assert own == {"run": 7, "team": "a", "tags": ["a"], "requested_model": "m"}


@pytest.mark.parametrize(
    ("user", "distinct_id"),
    [
        ({"id": 5}, "5"),
        (7, "7"),
        ("", "req"),
        ("guest", "req"),
        ({"name": "Bob", "seen": 3}, "req"),  # a logger's; another person with every field that changes
    ],
)
def test_a_user_is_text_a_number_or_an_objects_id(user: Any, distinct_id: str) -> None:
    assert to_event(pair(request={"messages": MESSAGES, "user": "req"}, user=user)).distinct_id == distinct_id


@pytest.mark.parametrize("no_id", ["", "None", "null", None, []])
def test_without_a_usable_id_the_records_content_is_the_identity(no_id: Any) -> None:
    first, other = pair(chat(id=no_id), ts=CREATED), pair(chat(id=no_id), ts=CREATED + 1)
    assert to_event(first).uuid == to_event(first).uuid != to_event(other).uuid


def test_constant_ids_of_test_servers_are_told_apart_by_their_time() -> None:
    assert to_event(chat(created=CREATED)).uuid != to_event(chat(created=CREATED + 1)).uuid


# --------------------------------------------------------------------------------------------------- the Responses API


def test_the_log_probabilities_of_earlier_answers_stay_here() -> None:
    chances = [{"token": "ho", "logprob": -0.1, "bytes": [104, 111], "top_logprobs": []}]
    part = {"type": "output_text", "text": "ho", "annotations": []}
    answered = {"type": "message", "role": "assistant", "content": [{**part, "logprobs": chances}]}
    again = {"type": "message", "role": "assistant", "content": [{**part, "logprobs": []}]}
    item = {"type": "odd_call", "id": "o", "logprobs": chances}
    asked = [answered, item, again, {"role": "user", "content": "hi"}]
    record = {"timestamp": CREATED, "request": {"model": "gpt-4o", "input": asked}, "response": chat(usage=None)}
    found = to_properties(record)["$ai_input"]
    assert found[0] == {"role": "assistant", "content": [part]}
    assert found[1] == {"type": "odd_call", "id": "o"}
    assert found[2] == {"role": "assistant", "content": [{**part, "logprobs": []}]}


def test_responses_items_without_text_and_encrypted_reasoning_stay_here() -> None:
    output = [
        {"type": "reasoning", "id": "r0", "summary": []},
        {
            "type": "reasoning",
            "id": "r1",
            "summary": [{"type": "summary_text", "text": "t"}],
            "encrypted_content": "gAAA",
        },
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "raw"},
        {"type": "message", "content": [{"type": "refusal", "refusal": "no"}]},
        {"type": "image_generation_call", "id": "i", "status": "completed", "result": "iVBO" * 100, "size": "x"},
    ]
    record = {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "model": "gpt-4o",
        "output": output,
    }
    (message,) = to_properties(record)["$ai_output_choices"]
    assert message["content"] == [
        {"type": "reasoning", "id": "r1", "summary": [{"type": "summary_text", "text": "t"}]},
        {"type": "function", "id": "c", "function": {"name": "f", "arguments": "raw"}},
        {"type": "text", "text": "no"},
        {"type": "image_generation_call", "status": "completed", "result": "[base64 image redacted]"},
    ]


def test_instructions_as_a_list_come_first() -> None:
    response = {
        "id": "resp_1", "object": "response", "created_at": CREATED, "status": "completed", "model": "m", "output": [],
        "instructions": [{"role": "developer", "content": "Be brief."}],
    }  # fmt: skip
    found = to_properties({"request": {"model": "m", "input": "hi"}, "response": response})
    assert found["$ai_input"] == [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}]


# --------------------------------------------------------------------------------------------------------- wrong types


@pytest.mark.parametrize("field", sorted(chat()))
@pytest.mark.parametrize("odd", [None, [], {}, "x", -1, True, [None], [[]], {"a": None}, 1e300])
def test_a_wrong_type_in_any_field_never_crashes(field: str, odd: Any) -> None:
    assert convert_value(chat(**{field: odd})).result is not None
    assert convert_value(pair(chat(**{field: odd}))).result is not None


@pytest.mark.parametrize(
    "field",
    [
        "request",
        "response",
        "error",
        "status",
        "type",
        "object",
        "category",
        "status_code",
        "timestamp",
        "latency",
        "user",
        "metadata",
        "url",
        "tags",
    ],
)
@pytest.mark.parametrize("odd", [None, [], {}, "x", -1, True, [None], {"a": None}, 1e300])
def test_a_wrong_type_around_a_pair_never_crashes(field: str, odd: Any) -> None:
    assert convert_value({**pair(), field: odd}).result is not None


@pytest.mark.parametrize(
    "field", ["status", "object", "error", "output", "incomplete_details", "usage", "instructions"]
)
@pytest.mark.parametrize("odd", [None, [], {}, "x", -1, True, [None], [[]], {"a": None}])
def test_a_wrong_type_in_a_response_never_crashes(field: str, odd: Any) -> None:
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "model": "m",
        "output": [],
    }
    assert convert_value({**response, field: odd}).result is not None
    assert convert_value(pair({**response, field: odd})).result is not None


@pytest.mark.parametrize("odd", [[], {}, [[]], 1, None])
def test_wrong_types_inside_messages_never_crash(odd: Any) -> None:
    message = {
        "role": odd,
        "content": [{"type": odd, "text": odd}],
        "tool_calls": [{"id": odd, "function": odd, "type": odd}],
    }
    record = pair(
        chat(choices=[{"index": odd, "message": message, "finish_reason": odd}]), {"model": "m", "messages": [message]}
    )
    assert convert_value(record).result is not None


# ------------------------------------------------------------------------------- what a reviewer broke (and stays whole)


def test_a_deep_text_of_json_inside_a_record_is_too_deep_and_no_crash() -> None:
    deep = '{"model":"gpt-4o","messages":' + "[" * 300 + "]" * 300 + "}"
    assert to_rejection({"request": deep, "response": chat()}).code == "too-deep"


def test_an_answer_as_text_of_json_is_read_as_tolerantly_as_a_line() -> None:
    text = json.dumps(chat(x=float("nan")))
    assert "NaN" in text
    assert to_properties(pair(text))["$ai_output_tokens"] == 2


@pytest.mark.parametrize("key", ["params", "kwargs", "payload", "request", "body"])
def test_an_object_of_parameters_stands_beside_the_messages(key: str) -> None:
    found = to_properties({"model": "gpt-4o", key: {"temperature": 0}, "messages": MESSAGES, "response": chat()})
    assert found["$ai_input"] == MESSAGES
    assert found["$ai_model_parameters"] == {"temperature": 0}


@pytest.mark.parametrize(
    ("error", "text", "kind", "status"),
    [
        (
            {
                "status": 429, "headers": {"set-cookie": "x"}, "requestID": "req_1", "code": "rate_limit_exceeded",
                "error": {"message": "slow down", "type": "tokens", "code": "rate_limit_exceeded"}, "type": "tokens",
            },
            "slow down", "tokens", 429,
        ),
        ({"error": {"message": "slow down", "type": "tokens"}}, "slow down", "tokens", None),
        ({"status_code": 400, "body": None, "message": "bad", "error": {"message": "other"}}, "bad", None, 400),
        ({"message": "bad", "statusCode": 401, "code": 404}, "bad", "404", 401),
        ({"message": "bad", "status": "failed", "error": "worse"}, "bad", None, None),
    ],
)  # fmt: skip
def test_an_error_as_an_sdk_throws_it_says_what_the_body_in_it_says(
    error: Any, text: str, kind: Any, status: Any
) -> None:
    """JavaScript's `JSON.stringify(error)` leaves the message out, which the body has."""
    record = {"timestamp": CREATED, "request": {"model": "m", "messages": MESSAGES}, "response": None, "error": error}
    found = to_properties(record)
    assert (found["$ai_error"], found.get("$ai_error_type"), found.get("$ai_http_status")) == (text, kind, status)


@pytest.mark.parametrize("body", ["", {}, "Internal Server Error", None])
def test_a_recorded_failure_without_an_answer_is_a_failure(body: Any) -> None:
    found = to_properties(
        {
            "timestamp": CREATED,
            "request": {"model": "m", "messages": MESSAGES},
            "response": {"status_code": 500, "body": body},
        }
    )
    assert (found["$ai_http_status"], found["$ai_error"]) == (500, "HTTP 500")


def test_headers_in_an_error_object_stay_here() -> None:
    error = {"headers": {"set-cookie": "SECRET"}, "authorization": "Basic SECRET", "reason": "x"}
    event = to_event({"timestamp": CREATED, "request": {"model": "m"}, "response": None, "error": error})
    assert b"SECRET" not in event.properties


def test_a_failed_prompt_list_is_no_tell_of_a_provider() -> None:
    record = {"timestamp": CREATED, "model": "gpt-4o", "prompt": ["a"], "error": "boom"}
    assert to_properties(record)["$ai_provider"] == "openai"


def test_an_appended_answer_in_parts_is_dropped_too() -> None:
    appended = {"role": "assistant", "content": [{"type": "text", "text": "ho"}]}
    assert to_properties(pair(request={"model": "m", "messages": [*MESSAGES, appended]}))["$ai_input"] == MESSAGES


def test_a_numbered_answer_is_one_call_bare_and_in_a_pair() -> None:
    assert to_event(chat(id=7)).uuid == to_event(pair(chat(id=7))).uuid


@pytest.mark.parametrize(
    "beside",
    [
        {"results": [{"flagged": False}]},
        {"created": 1_748_772_000, "data": [{"url": "https://example.com/found"}]},
        {"object": "event"},
        {"object": "event.llm"},
    ],
    ids=["moderated", "found pages", "an event", "a kind of event"],
)
@pytest.mark.parametrize("answer", ["answer", "response_text"])
def test_a_flat_call_beside_what_other_routes_answer_is_one(answer: str, beside: Any) -> None:
    record = {"timestamp": "2025-06-01T10:00:00Z", "model": "gpt-4o", "question": "Q", answer: "A"}
    assert to_event({**record, **beside}).name == "$ai_generation"


SERVICES = {"message": "call", "level": "info", "timestamp": "2025-06-01T10:00:00Z", "component": "chat-service"}


@pytest.mark.parametrize(
    "line",
    [
        {**SERVICES, "model": "gpt-4o", "prompt": "Q", "completion": "A"},
        {**SERVICES, "request": {"model": "m", "messages": MESSAGES}, "response": chat()},
    ],
    ids=["flat", "a pair"],
)
def test_a_call_in_a_log_with_the_keys_of_litellms_console_is_one(line: Any) -> None:
    assert to_event(line).name == "$ai_generation"
    assert to_skip({**line, "component": "LiteLLM Proxy"}).code == "console-log"


def test_a_part_of_a_stream_in_such_a_log_is_one() -> None:
    chunk = {"object": "chat.completion.chunk", "id": "c", "choices": [{"index": 0, "delta": {"content": "A"}}]}
    assert part_of({**SERVICES, "response": chunk}) is not None
    assert part_of({**SERVICES, "component": "LiteLLM", "response": chunk}) is None


def test_a_pair_that_its_writer_calls_an_event_is_a_call() -> None:
    pair = {
        "object": "event",
        "request": {"model": "m", "messages": [{"role": "user", "content": "Q"}]},
        "response": chat(),
    }
    assert to_event(pair).name == "$ai_generation"


@pytest.mark.parametrize(
    "said", ["OpenAI.com", "<Response [200]> means that all is well.", '{"id"=>1, "name"=>"x"} is a hash in Ruby.']
)
def test_a_text_that_only_begins_like_a_print_is_an_answer(said: str) -> None:
    record = {"timestamp": "2025-06-01T10:00:00Z", "model": "gpt-4o", "prompt": "Q", "response": said}
    assert to_properties(record)["$ai_output_choices"][0]["content"][0]["text"] == said


def test_the_engines_first_token_stands_in_for_the_services() -> None:
    checkpoint = {"service_ttft_ms": None, "engine_ttft_ms": 300}
    assert to_properties(pair(chat(latency_checkpoint=checkpoint), latency=1.0))["$ai_time_to_first_token"] == 0.3
    assert "$ai_time_to_first_token" not in to_properties(pair(latency=-1.0, ttft=2.0))


def test_a_part_that_looks_like_our_own_marker_is_no_crash() -> None:
    message = {"role": "assistant", "content": [{"type": "plh_value"}, {"type": "text", "text": "ho"}]}
    (answer,) = to_properties(chat(choices=[{"index": 0, "message": message, "finish_reason": "stop"}]))[
        "$ai_output_choices"
    ]
    assert answer["content"] == [{"type": "plh_value"}, {"type": "text", "text": "ho"}]


# ------------------------------------------------------------------------------------- records of LiteLLM's proxy in it


KEY_HASH = "ab" * 32
PROXYS = {
    "user_api_key": KEY_HASH, "user_api_key_hash": KEY_HASH, "agent_id": "a-1", "caller_tags": ["t"],
    "verified_human_user_id": "boss", "user_id": "internal", "requester_metadata": {"feature": "search"},
}  # fmt: skip
REQUEST = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "user": KEY_HASH}


@pytest.mark.parametrize(
    "record",
    [
        {**REQUEST, "response": chat(), "metadata": PROXYS},
        {"kwargs": {**REQUEST, "litellm_params": {"metadata": PROXYS}}, "response": chat()},
        {**REQUEST, "litellm_params": {"metadata": PROXYS}, "response": chat()},
        {"request": {**REQUEST, "metadata": PROXYS}, "response": chat(), "metadata": {"feature": "search"}},
    ],
)
def test_of_a_proxys_metadata_only_the_requesters_leaves_and_its_key_is_nobody(record: Any) -> None:
    found = to_properties(record)
    assert found["feature"] == "search"
    assert not {"agent_id", "caller_tags", "verified_human_user_id"} & found.keys()
    assert to_event(record).distinct_id == found["$ai_trace_id"]
    assert KEY_HASH.encode() not in to_event(record).properties


def test_a_users_hash_beside_another_key_is_a_user() -> None:
    record = {**REQUEST, "user": "cd" * 32, "response": chat(), "metadata": PROXYS}
    assert to_event(record).distinct_id == "cd" * 32


@pytest.mark.parametrize(
    "usage",
    [
        {"inputTokens": 17, "outputTokens": 9, "totalTokens": 26, "reasoningTokens": 5, "cachedInputTokens": 4},
        {
            "input_tokens": 17,
            "output_tokens": 9,
            "total_tokens": 26,
            "input_token_details": {"cache_read": 4},
            "output_token_details": {"reasoning": 5},
        },
    ],
    ids=["the AI SDK", "LangChain"],
)
@pytest.mark.parametrize("key", ["usage", "usage_metadata"])
def test_the_kinds_of_tokens_are_read_in_the_names_of_sdks(key: str, usage: Any) -> None:
    found = to_properties({"timestamp": CREATED, "model": "gpt-4o", "prompt": "Hi", "response": "Ho", key: usage})
    assert (found["$ai_input_tokens"], found["$ai_output_tokens"]) == (17, 9)
    assert (found["$ai_cache_read_input_tokens"], found["$ai_reasoning_tokens"]) == (4, 5)


def test_what_was_asked_beside_the_fields_of_a_response_is_its_input() -> None:
    answer = {"object": "response", "id": "resp_1", "model": "gpt-4o", "created_at": CREATED, "status": "completed"}
    output = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Ho"}]}]
    usage = {"input_tokens": 3, "output_tokens": 1}
    for whole in ({**answer, "output": output}, {"model": "gpt-4o", "created_at": CREATED, "output": output}):
        found = to_properties({**whole, "usage": usage, "input": "Hi", "instructions": "Be brief."})
        assert found["$ai_input"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
        assert "$ai_input" not in to_properties({**whole, "usage": usage, "prompt": {"id": "pmpt_1"}})


def test_a_message_among_the_items_of_a_response_is_a_message() -> None:
    """What home-made logs have there: the message of a chat completion, without a type."""
    item = {"role": "assistant", "content": "Ho", "refusal": None, "tool_calls": None}
    answer = {"model": "gpt-4o", "created_at": CREATED, "output": [item], "usage": {"input_tokens": 3}}
    assert to_properties(answer)["$ai_output_choices"] == [
        {"role": "assistant", "content": [{"type": "text", "text": "Ho"}]}
    ]


@pytest.mark.parametrize(
    "span",
    [
        {"object": "trace", "id": "trace_1", "workflow_name": "w", "group_id": None, "metadata": None},
        {"object": "trace.span", "id": "s", "trace_id": "t", "started_at": CREATED, "span_data": {"type": "response"}},
        {
            "object": "trace.span",
            "id": "s",
            "ended_at": CREATED,
            "span_data": {"type": "generation", "input": MESSAGES, "output": [], "usage": {"input_tokens": 3}},
        },
    ],
)
def test_traces_of_openais_agents_are_refused_by_name(span: Any) -> None:
    error = to_rejection(span)
    assert (error.code, error.message) == (
        "unsupported-format",
        "looks like an OpenAI Agents trace record; plh reads LiteLLM and OpenAI formats",
    )
