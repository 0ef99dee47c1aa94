"""Flat records, the parallel processor's lines, Ollama's own answers, and what a reading of the spec line by line mended."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from posthog_llm_cli.identity import canonical_sha256, event_uuid
from tests.converting import convert_bytes, convert_value, to_event, to_properties, to_rejection, to_skip, with_parse
from tests.formats.test_openai import CREATED, MESSAGES, chat, pair

AT = "2025-06-01T10:00:00Z"
ASKED = {"model": "gpt-4o", "messages": MESSAGES}
RESPONSE: dict[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": CREATED, "model": "gpt-4o", "status": "completed", "output": [],
}  # fmt: skip


def said(record: Any) -> Any:
    """The parts of the first answer."""
    return to_properties(record)["$ai_output_choices"][0]["content"]


# ---------------------------------------------------------------------------------------------------------------- flat


def flat(**changes: Any) -> dict[str, Any]:
    """A flat record; a key whose value is `...` is left out."""
    base = {"timestamp": AT, "model": "gpt-4o", "prompt": "hi", "response": "ho", **changes}
    return {key: value for key, value in base.items() if value is not ...}


@pytest.mark.parametrize("key", ["prompt_text", "prompt", "input", "user_message", "question"])
@pytest.mark.parametrize(
    "answer", ["response_text", "response", "completion", "output", "output_text", "answer", "assistant_response", "llm_response"]
)  # fmt: skip
def test_every_spelling_of_a_flat_record_is_read(key: str, answer: str) -> None:
    record = {"timestamp": AT, "model": "gpt-4o", key: "hi", answer: "ho"}
    assert convert_value(record).format == "openai-flat"
    found = to_properties(record)
    assert found["$ai_input"] == [{"role": "user", "content": "hi"}]
    assert found["$ai_output_choices"] == [{"role": "assistant", "content": [{"type": "text", "text": "ho"}]}]


@pytest.mark.parametrize("key", ["messages", "request_messages", "input", "prompt"])
def test_a_flat_record_may_hold_messages(key: str) -> None:
    for value in (MESSAGES, json.dumps(MESSAGES)):
        record = {"timestamp": AT, "model": "gpt-4o", key: value, "response": "ho"}
        assert to_properties(record)["$ai_input"] == MESSAGES


@pytest.mark.parametrize("key", ["system", "system_prompt"])
def test_a_flat_records_system_text_comes_first_unless_one_is_there(key: str) -> None:
    system = {"role": "system", "content": "Be brief."}
    assert to_properties(flat(**{key: "Be brief."}))["$ai_input"][0] == system
    messages = [{"role": "developer", "content": "x"}, *MESSAGES]
    assert to_properties(flat(prompt=..., messages=messages, **{key: "y"}))["$ai_input"] == messages


@pytest.mark.parametrize(
    ("counts", "sent"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2}, (5, 2, None)),
        ({"input_tokens": "5", "output_tokens": 2.0, "total_tokens": 7}, (5, 2, 7)),
        ({"tokens_in": 5, "tokens_out": 2}, (5, 2, None)),
        ({"prompt_tokens": None, "tokens_in": 5}, (5, None, None)),
        ({"usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}, (5, 2, 7)),
        ({"token_usage": {"tokens_in": 5, "tokens_out": 2}}, (5, 2, None)),
        ({"usage": {}, "prompt_tokens": 5}, (5, None, None)),
        ({"tokens_used": 7}, (None, None, None)),
        ({"total_tokens": 7}, (None, None, None)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (None, None, None)),
        ({"prompt_tokens": True, "completion_tokens": -2}, (None, None, None)),
    ],
)
def test_flat_token_counts_are_split_or_absent(counts: Any, sent: Any) -> None:
    found = to_properties(flat(**counts))
    names = ("$ai_input_tokens", "$ai_output_tokens", "$ai_total_tokens")
    assert tuple(found.get(name) for name in names) == sent


def test_a_row_of_simonw_llm_is_a_call_with_its_details() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 1}}
    row = {
        "id": "01j", "model": "gpt-4o-mini", "prompt": "hi", "system": None, "response": "ho", "conversation_id": "c",
        "duration_ms": 2500, "datetime_utc": "2025-06-01T10:00:00.5", "input_tokens": 5, "output_tokens": 2,
        "token_details": json.dumps(details), "response_json": None,
    }  # fmt: skip
    event, found = to_event(row), to_properties(row)
    assert event.timestamp == datetime(2025, 6, 1, 10, 0, 0, 500_000, tzinfo=UTC)
    assert (found["$ai_latency"], found["$ai_session_id"], found["$ai_span_id"]) == (2.5, "c", "01j")
    assert (found["$ai_cache_read_input_tokens"], found["$ai_reasoning_tokens"]) == (3, 1)
    assert "naive-time" not in convert_value(row).warnings
    whole = chat(choices=[{"index": 0, "message": {"content": {"$r": ["<", {"$": "r:01j"}, ">"]}}}])
    assert said({**row, "response_json": whole}) == [{"type": "text", "text": "<ho>"}]
    part = chat(object="chat.completion.chunk", choices=..., content={"$": "r:01j"})
    part.pop("choices")
    assert convert_value({**row, "response_json": part}).format == "openai-flat"


def test_a_flat_record_says_what_else_it_knows() -> None:
    found = to_properties(
        flat(model=..., model_id="m-1", provider="GROQ", stop_reason="length", cost_usd=0.25, temperature=0, status="error",
             error_message="cut", http_status=502)
    )  # fmt: skip
    assert (found["$ai_model"], found["$ai_provider"], found["$ai_stop_reason"]) == ("m-1", "groq", "length")
    assert (found["$ai_total_cost_usd"], found["$ai_model_parameters"]) == (0.25, {"temperature": 0})
    assert (found["$ai_error"], found["$ai_http_status"], found["$ai_is_error"]) == ("cut", 502, True)
    assert found["$ai_output_choices"][0]["content"] == [{"type": "text", "text": "ho"}]


def test_a_flat_record_without_id_is_told_by_its_content() -> None:
    record = flat(id="row-1")
    assert to_event(record).uuid == event_uuid(f"openai|sha256:{canonical_sha256(record)}")
    assert to_properties(record)["$ai_span_id"] == "row-1"


@pytest.mark.parametrize("change", [{"model": ...}, {"timestamp": ...}])
def test_a_flat_record_needs_a_model_and_a_time(change: Any) -> None:
    assert to_rejection(flat(**change)).code == "missing-field"


def test_an_answer_that_is_json_or_looks_like_a_stream_stays_the_text_it_was() -> None:
    for text in ('{"a": 1}', "[1, 2]", "data: the plural of datum"):
        assert said(flat(response=text)) == [{"type": "text", "text": text}]


def test_a_prompt_that_is_json_stays_the_text_it_was() -> None:
    for text in ('{"question": 1}', "[1, 2]", "[INST] hi"):
        assert to_properties(flat(prompt=text))["$ai_input"] == [{"role": "user", "content": text}]
        assert to_properties({"prompt": text, "response": chat()})["$ai_input"] == [{"role": "user", "content": text}]


def test_an_empty_answer_is_an_answer_and_an_empty_answer_with_an_error_a_failure() -> None:
    empty = flat(response="", completion_tokens=0, prompt_tokens=5)
    assert convert_value(empty).format == "openai-flat"
    assert "$ai_output_choices" not in to_properties(empty)
    assert convert_value(flat(response="", error="boom")).format == "openai-error"
    assert to_rejection(flat(response=None)).code == "no-response"


@pytest.mark.parametrize("key", ["prompt_text", "prompt", "messages", "input", "user_message", "question"])
@pytest.mark.parametrize(
    "answer", [{"response_text": None}, {"response": None}, {"answer": ""}, {}], ids=["text", "null", "empty", "absent"]
)
def test_a_flat_record_of_a_failure_is_a_failed_call_under_whatever_name_its_prompt_is(key: str, answer: Any) -> None:
    asked = MESSAGES if key == "messages" else "hi"
    failed = {
        "ts": AT,
        "model_id": "gpt-4o",
        key: asked,
        "temperature": 0,
        "prompt_tokens": 5,
        "error": "boom",
        **answer,
    }
    found = to_properties(failed)
    assert convert_value(failed).format == "openai-error"
    assert (found["$ai_is_error"], found["$ai_error"], found["$ai_model"]) == (True, "boom", "gpt-4o")
    assert found["$ai_input"] == (MESSAGES if key == "messages" else [{"role": "user", "content": "hi"}])
    assert (found["$ai_model_parameters"], found["$ai_input_tokens"]) == ({"temperature": 0}, 5)
    assert "$ai_output_choices" not in found


def test_a_question_with_an_error_is_a_failed_call_only_of_a_model() -> None:
    assert to_rejection({"ts": AT, "question": "hi", "error": "boom"}).code == "unknown-format"
    assert to_rejection({"ts": AT, "model": "m", "question": ["a", "b"], "error": "boom"}).code == "unknown-format"
    assert to_rejection({"ts": AT, "model": "gpt-4o", "question": "hi", "answer": None}).code == "unknown-format"


@pytest.mark.parametrize("answer", [{"generated_text": "ho"}, {"response": {"city": "Oslo"}}], ids=["text", "object"])
def test_what_a_failed_flat_call_answered_all_the_same_is_its_answer(answer: Any) -> None:
    record = {"ts": AT, "model": "gpt-4o", "question": "hi", "completion_tokens": 2, "success": False, **answer}
    found = to_properties(record)
    assert found["$ai_is_error"] is True
    assert found["$ai_output_choices"][0]["content"][0]["text"] in {"ho", '{"city":"Oslo"}'}


@pytest.mark.parametrize("asked", [{"messages": MESSAGES}, {"prompt": "full"}, {"input": "full"}])
def test_a_failed_calls_own_request_is_all_that_was_asked(asked: Any) -> None:
    beside = {"question": "hi", "system": "S", "instructions": "I", "temperature": 0.3}
    failed = {"ts": AT, "model": "gpt-4o", "request": asked, "response": None, "error": "boom"}
    alone, found = to_properties(failed), to_properties({**failed, **beside})
    assert found["$ai_input"] == alone["$ai_input"]
    assert "$ai_model_parameters" not in found


@pytest.mark.parametrize("place", ["llm_call", "msg", "event", "response"])
@pytest.mark.parametrize("end", [{"response": "ho"}, {"error": {"message": "boom"}}], ids=["answered", "failed"])
def test_the_call_that_lies_in_a_failed_flat_record_is_the_one_that_is_sent(place: str, end: Any) -> None:
    call = {"request": ASKED, "timestamp": AT, **end}
    record = {"ts": AT, "model": "gpt-4o", "question": "hi", "status": "failed", place: call}
    without = {key: value for key, value in record.items() if key not in {"question", "status"}}
    assert to_event(record).uuid == to_event(without).uuid
    assert to_properties(record)["$ai_input"] == to_properties(call)["$ai_input"]


def test_a_text_as_the_answer_of_a_request_is_a_call() -> None:
    record = {"timestamp": AT, "request": {**ASKED, "temperature": 0.5}, "response": "ho"}
    assert said(record) == [{"type": "text", "text": "ho"}]
    assert to_properties(record)["$ai_model_parameters"] == {"temperature": 0.5}


# ------------------------------------------------------------------------------------------------------- metadata only


COUNTS = {"ts": AT, "model": "m", "prompt_tokens": 4, "completion_tokens": 2, "latency_ms": 250, "prompt_hash": "0a"}


def test_counts_alone_are_refused_by_the_names_of_their_keys() -> None:
    error = to_rejection(COUNTS)
    assert error.code == "metadata-only"
    assert "ts, model, prompt_tokens, completion_tokens, latency_ms, prompt_hash" in error.message
    assert error.hint is not None
    assert "--metadata-only send" in error.hint


def test_counts_alone_are_a_call_without_content_where_the_operator_asks_for_it() -> None:
    found = to_properties(COUNTS, with_parse(metadata_only=True))
    assert (found["$ai_input_tokens"], found["$ai_output_tokens"], found["$ai_latency"]) == (4, 2, 0.25)
    assert not {"$ai_input", "$ai_output_choices"} & set(found)
    failed = {**COUNTS, "error": "timeout"}
    assert to_properties(failed, with_parse(metadata_only=True))["$ai_error"] == "timeout"


@pytest.mark.parametrize("tell", ["latency", "cost", "tokens_used", "response_sha_hash", "token_usage"])
def test_a_model_and_any_count_is_metadata_and_blank_texts_are_none(tell: str) -> None:
    blank = {"ts": AT, "model_name": "m", tell: 1, "prompt": "", "response": ""}
    assert to_rejection(blank).code == "metadata-only"
    assert to_rejection({**blank, "content": "x"}).code != "metadata-only"


# ------------------------------------------------------------------------------------------------------------ parallel


def test_a_line_of_the_parallel_processor_is_a_call_with_its_metadata() -> None:
    found = to_properties([ASKED, chat(), {"row": 3, "api_key": "secret", "trace_id": "t-1"}])
    assert (found["row"], found["$ai_trace_id"], found["requested_model"]) == (3, "t-1", "gpt-4o")
    assert found["$ai_input"] == MESSAGES
    assert "api_key" not in found
    assert to_event([ASKED, chat()]).uuid == to_event(chat()).uuid


def test_the_last_of_the_error_texts_is_the_error() -> None:
    record = [ASKED, ["timeout", "timeout again"], {"row": 3, "timestamp": CREATED}]
    found = to_properties(record)
    assert (found["$ai_error"], found["$ai_is_error"], found["row"]) == ("timeout again", True, 3)
    assert "timestamp" not in found
    assert to_event(record).uuid == event_uuid(f"openai|sha256:{canonical_sha256(record)}")
    assert to_rejection(record[:2]).path == "$.timestamp"
    assert to_properties([ASKED, ["None"], {"ts": AT}])["$ai_error"] == "unknown error"


def test_the_parallel_processor_answers_with_every_kind_of_answer() -> None:
    embedding = {"object": "list", "data": [{"embedding": [0.5]}], "model": "m", "usage": {"prompt_tokens": 3}}
    asked = {"model": "m", "input": "a heron"}
    event = to_event([asked, embedding, {"ts": AT}])
    assert event.name == "$ai_embedding"
    assert b"0.5" not in event.properties
    assert to_rejection([asked, embedding]).path == "$.timestamp"
    pending = {"id": "resp_1", "object": "response", "status": "queued", "output": [], "created_at": CREATED}
    assert to_skip([asked, pending]).code == "pending-response"
    done = {
        **pending,
        "status": "completed",
        "model": "m",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "ho"}]}],
    }
    assert said([asked, done]) == [{"type": "text", "text": "ho"}]
    for error in ({"error": {"message": "no", "code": 429}}, {"error": "no"}):
        assert to_properties([ASKED, error, {"ts": AT}])["$ai_error"] == "no"
    assert convert_value([ASKED, chat()]).format == "openai-parallel"


def test_two_records_in_an_array_are_no_line_of_the_parallel_processor() -> None:
    pairs = [{"messages": MESSAGES, "model": "gpt-4o", "response": chat(id="a")}, chat(id="b")]
    flats = [flat(), flat(response=None, error="boom")]
    for rows, formats in ((pairs, ["openai-chat"] * 2), (flats, ["openai-flat", "openai-error"])):
        assert [converted.format for converted in convert_bytes(json.dumps(rows).encode())] == formats


@pytest.mark.parametrize(
    "first",
    [
        flat(),
        flat(response=None, error="boom"),
        {**chat(id="a"), "messages": MESSAGES},
        {**RESPONSE, "prompt": None},
        {**RESPONSE, "prompt": []},
        {**RESPONSE, "input": "hi"},
        {"object": "list", "data": [], "model": "m", "usage": {"prompt_tokens": 1}, "input": ["hi"], "created": AT},
    ],
    ids=["flat", "failed", "chat with messages", "null prompt", "empty prompt", "response with input", "embeddings"],
)
@pytest.mark.parametrize("second", [chat(id="b"), {**RESPONSE, "id": "resp_2", "prompt": None}])
def test_a_call_is_no_request_of_the_record_behind_it(first: Any, second: Any) -> None:
    alone = [to_event(record).uuid for record in (first, second)]
    found = convert_bytes(json.dumps([first, second]).encode())
    assert [getattr(converted.result, "uuid", converted.result) for converted in found] == alone
    third = convert_bytes(json.dumps([first, second, flat(prompt="other")]).encode())
    assert [converted.format for converted in third[1:]] == [convert_value(second).format, "openai-flat"]


def test_a_request_whose_prompt_is_null_is_none() -> None:
    assert convert_bytes(json.dumps([{"model": "m", "prompt": None}, chat()]).encode())[0].format != "openai-parallel"
    assert convert_value([{"model": "m", "prompt": None, "messages": MESSAGES}, chat()]).format == "openai-parallel"


# -------------------------------------------------------------------------------------------------------------- ollama


def answered(**changes: Any) -> dict[str, Any]:
    """An answer of Ollama's `/api/chat`."""
    return {
        "model": "llama3.2", "created_at": AT, "message": {"role": "assistant", "content": "ho"}, "done": True,
        "done_reason": "stop", "total_duration": 1_500_000_000, "prompt_eval_count": 5, "eval_count": 2, **changes,
    }  # fmt: skip


def test_ollamas_answer_is_a_call_bare_and_in_a_pair() -> None:
    found = to_properties(answered())
    assert (found["$ai_provider"], found["$ai_model"], found["$ai_stop_reason"]) == ("ollama", "llama3.2", "stop")
    assert (found["$ai_input_tokens"], found["$ai_output_tokens"], found["$ai_latency"]) == (5, 2, 1.5)
    assert "$ai_usage" not in found
    later = to_event({"timestamp": CREATED + 5, "request": ASKED, "response": answered()})
    assert later.timestamp == datetime(2025, 6, 1, 10, 0, 5, tzinfo=UTC)
    assert to_event({"request": ASKED, "response": answered()}).timestamp == to_event(answered()).timestamp


def test_ollamas_generate_answers_with_a_text() -> None:
    record = answered(response="ho", thinking="hm")
    record.pop("message")
    assert said(record) == [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "ho"}]
    asked = {"model": "m", "prompt": "hi", "system": "Be brief.", "options": {"temperature": 0.5, "num_ctx": 8}}
    found = to_properties({"request": asked, "response": record})
    assert [message["role"] for message in found["$ai_input"]] == ["system", "user"]
    assert found["$ai_model_parameters"] == {"temperature": 0.5}


def test_ollamas_tool_arguments_become_compact_json() -> None:
    call = {"function": {"name": "tide", "arguments": {"port": "Kiel", "days": 2}}}
    record = answered(message={"role": "assistant", "content": "", "tool_calls": [call]})
    assert said(record) == [{"type": "function", "function": {"name": "tide", "arguments": '{"port":"Kiel","days":2}'}}]


def test_ollama_without_counts_has_no_tokens_and_no_cached_prompt_is_guessed() -> None:
    found = to_properties(answered(prompt_eval_count=None))
    assert (found.get("$ai_input_tokens"), found["$ai_output_tokens"]) == (None, 2)
    assert not [key for key in to_properties(answered(prompt_eval_count=0, eval_count=0)) if "tokens" in key]


def test_an_answer_of_ollama_that_is_not_done_is_sent_as_far_as_it_came() -> None:
    record = answered(done=False, done_reason=None)
    assert "stream-truncated" in convert_value(record).warnings
    assert to_properties(record)["$ai_stream"] is True
    assert "$ai_stop_reason" not in to_properties(record)


# ------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"schemaType": "ModelInvocationLog"}, "a Bedrock invocation log record"),
        ({"attributes": {"gen_ai.system": "x"}}, "an OpenTelemetry record"),
        ({"attributes": [{"key": "gen_ai.system"}]}, "an OpenTelemetry record"),
        ({"run_type": "llm", "inputs": {}}, "a LangSmith record"),
        ({"traceId": "t", "startTime": "s", "type": "GENERATION"}, "a Langfuse record"),
        ({"response_id": "r", "response_created_at": "t"}, "a Helicone record"),
        ({"category": "RequestResponse", "operationName": "x"}, "an Azure diagnostics record"),
        ({"run_id": 1, "event_id": 1, "type": "match", "data": {}}, "an openai/evals record"),
        ({"event": "model", "output": {}}, "an inspect_ai event record"),
        ({"candidates": [], "usageMetadata": {}}, "a Gemini record"),
        ({"type": "message_start", "message": {}}, "an Anthropic record"),
        ({"candidates": [], "modelVersion": "gemini-2.5-flash"}, "a Gemini record"),
        (pair({"candidates": [], "usageMetadata": {}}), "a Gemini record"),
        (pair({"output": {"message": {}}, "stopReason": "end_turn"}), "a Bedrock Converse record"),
        (pair({"message": {}, "usage": {"billed_units": {}}}), "a Cohere record"),
        ({"resourceLogs": []}, "an OpenTelemetry record"),
        ({"attributes": {"llm.model_name": "m", "openinference.span.kind": "LLM"}}, "an OpenTelemetry record"),
        ({"trace_id": "t", "start_time": "s", "type": "GENERATION", "input": "a", "output": "b"}, "a Langfuse record"),
        ({"context.trace_id": "t", "span_kind": "LLM"}, "a Phoenix record"),
        ({"span_id": "a", "root_span_id": "b", "metrics": {}}, "a Braintrust record"),
        ({"info": {}, "data": {"spans": []}}, "a MLflow record"),
        ({"request": ASKED, "sse": 'event: ping\ndata: {"type": "ping"}\n\n'}, "an Anthropic record"),
        ({"request": ASKED, "response": [{"type": "ping"}, {"type": "message_stop"}]}, "an Anthropic record"),
    ],
)
def test_a_relative_is_refused_by_its_name(record: Any, name: str) -> None:
    error = to_rejection(record)
    assert error.code == "unsupported-format"
    assert error.message == f"looks like {name}; plh reads LiteLLM and OpenAI formats"


def test_a_list_of_other_objects_is_named_in_a_pair_too() -> None:
    error = to_rejection({"request": {}, "response": {"object": "list", "data": [{"object": "model"}]}})
    assert (error.code, error.message) == ("unknown-format", "a list of 'model' objects")


@pytest.mark.parametrize("text", ["data: [DONE]\n\n", "data: nothing\n\n"])
def test_a_stream_of_nothing_is_no_answer(text: str) -> None:
    assert to_rejection({"request": ASKED, "sse": text}).code == "no-response"


@pytest.mark.parametrize("key", ["sse", "response", "output"])
def test_the_stream_of_an_unknown_api_is_refused(key: str) -> None:
    error = to_rejection({"request": ASKED, key: 'data: {"hello": 1}\n\n'})
    assert (error.code, "a stream of an API that is not known" in error.message) == ("unsupported-format", True)


def test_perplexitys_chunks_are_parts_of_a_stream_though_they_say_to_be_whole() -> None:
    chunk = chat(
        choices=[{"index": 0, "delta": {"content": "ho"}, "message": {"content": "ho"}, "finish_reason": None}]
    )
    assert convert_value(chunk).format == "openai-stream"
    chunk["choices"][0]["finish_reason"] = "stop"
    assert convert_value(chunk).format == "openai-chat"


@pytest.mark.parametrize(
    "kind", ["batch", "fine_tuning.job.event", "thread.run.step", "file.deleted", "vector_store.search_results.page"]
)
def test_what_is_no_call_of_a_model_is_skipped_also_as_the_answer_of_a_pair(kind: str) -> None:
    record = {"id": "x", "object": kind}
    assert to_skip(record).code == "not-a-model-call"
    assert repr(kind) in to_skip(record).message
    assert to_skip(pair(record)).code == "not-a-model-call"


CHUNK = {"object": "chat.completion.chunk", "choices": [{"delta": {"content": "ho"}}]}


@pytest.mark.parametrize("stream", [{"response": f"data: {json.dumps(CHUNK)}\n\n"}, {"events": [CHUNK, CHUNK]}])
def test_a_record_that_says_to_be_no_call_is_none_whatever_it_streamed(stream: dict[str, Any]) -> None:
    assert "'conversation'" in to_skip({"object": "conversation", **stream}).message
    listed = to_rejection({"object": "list", "data": [{"object": "model"}], **stream})
    assert listed.message == "a list of 'model' objects"


# ---------------------------------------------------------------------------------------- mended against the spec's text


@pytest.mark.parametrize(
    ("record", "text", "kind", "status"),
    [
        ({"ts": AT, "request": ASKED, "response": {"error": "model not found"}}, "model not found", None, None),
        ({"ts": AT, "request": ASKED, "response": {"message": "no route", "x": 1}, "status_code": 404}, "no route", None, 404),
        ({"ts": AT, "request": ASKED, "response": {"detail": [{"loc": []}]}, "status_code": 422}, "HTTP 422", None, 422),
        ({"ts": AT, "request": ASKED, "response": {"object": "error", "message": "no", "type": "T", "code": 400}}, "no", "T", 400),
        ({"ts": AT, "request": ASKED, "response": [{"error": {"code": 400, "message": "no", "status": "INVALID"}}]}, "no", "400", 400),
        ({"ts": AT, "request": ASKED, "status": "FAILED"}, "unknown error", None, None),
        ({"ts": AT, "request": ASKED, "response": None, "status_code": 0}, "unknown error", None, 0),
        ({"ts": AT, "request": ASKED, "error_type": "APITimeoutError"}, "unknown error", "APITimeoutError", None),
        ({**chat(), "status_code": 500}, "HTTP 500", None, 500),
        ({"ts": AT, "request": ASKED, "response": "Bad Gateway", "status_code": 502}, "Bad Gateway", None, 502),
        ({"ts": AT, "request": ASKED, "output": "<html>502</html>", "status": 502}, "<html>502</html>", None, 502),
        ({"ts": AT, "request": ASKED, "response": "x", "status_code": 429, "error": {"message": "no"}}, "no", None, 429),
        ({"ts": AT, "request": ASKED, "response": "x", "status_code": 429, "error_message": "slow"}, "slow", None, 429),
    ],
)  # fmt: skip
def test_a_failure_is_told_wherever_it_stands(record: Any, text: str, kind: Any, status: Any) -> None:
    found = to_properties(record)
    assert (found["$ai_is_error"], found["$ai_error"]) == (True, text)
    assert (found.get("$ai_error_type"), found.get("$ai_http_status")) == (kind, status)


def test_the_text_of_a_failure_is_no_answer() -> None:
    record = {"ts": AT, "request": ASKED, "response": "Internal Server Error", "status_code": 500}
    found = to_properties(record)
    assert (convert_value(record).format, "$ai_output_choices" in found) == ("openai-error", False)
    assert found["$ai_input"] == MESSAGES
    for changes in ({"status_code": 200}, {"status_code": 0}, {"status_code": None}):
        answered = {**record, **changes}
        assert (convert_value(answered).format, said(answered)[0]["text"]) == ("openai-flat", record["response"])
    partial = flat(response="so far", status_code=500)
    assert (convert_value(partial).format, said(partial)[0]["text"]) == ("openai-flat", "so far")
    unknown = {**record, "response": 'data: {"hello": 1}\n\n'}
    assert to_rejection(unknown).code == "unsupported-format"


@pytest.mark.parametrize(
    ("outer", "status", "failed"),
    [
        ({"status": 1}, None, False),
        ({"status": 0}, None, False),
        ({"status": "success"}, None, False),
        ({"status_code": 42}, None, False),
        ({"status_code": True}, None, False),
        ({"status_code": "204"}, 204, False),
        ({"status_code": 0}, 0, True),
        ({"http_status": 302}, 302, True),
        ({"status": 500}, 500, True),
    ],
)
def test_a_status_is_http_or_none(outer: Any, status: Any, failed: bool) -> None:
    for record in (pair(**outer), flat(**outer)):
        found = to_properties(record)
        assert (found.get("$ai_http_status"), found.get("$ai_is_error", False)) == (status, failed)


@pytest.mark.parametrize("key", ["response", "raw_response", "respPayload"])
def test_an_answer_that_is_null_is_said_to_be(key: str) -> None:
    assert to_rejection({"request": ASKED, key: None}).message == "a request without its answer: the answer is null"
    assert to_rejection({"request": ASKED}).message == "a request without its answer"


def test_an_error_in_a_choice_is_a_failure_and_its_text_stays() -> None:
    choice = {
        "index": 0,
        "message": {"content": "ho"},
        "finish_reason": "error",
        "error": {"code": 502, "message": "idle"},
    }
    found = to_properties(chat(choices=[choice]))
    assert (found["$ai_error"], found["$ai_http_status"], found["$ai_stop_reason"]) == ("idle", 502, "error")
    assert said(chat(choices=[choice])) == [{"type": "text", "text": "ho"}]


@pytest.mark.parametrize(
    ("usage", "sent"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 6}}, {"input": 5, "output": 2}),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cache_write_tokens": 6}}, {"input": 5, "output": 2}),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 7}, {"total": 7}),
        ({"prompt_tokens": 5, "completion_tokens": -2}, {"input": 5}),
    ],
)  # fmt: skip
def test_counts_that_contradict_themselves_are_left_out_with_a_warning(usage: Any, sent: Any) -> None:
    found = to_properties(chat(usage=usage))
    names = {key: value for key, value in found.items() if key.endswith("_tokens")}
    assert names == {f"$ai_{name}_tokens": value for name, value in sent.items()}
    assert "bad-usage" in convert_value(chat(usage=usage)).warnings


def test_a_count_that_is_none_is_not_in_the_logged_usage_either() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": -2, "completion_tokens_details": {"audio_tokens": True, "x": "y"}}
    assert to_properties(chat(usage=usage))["$ai_usage"] == {
        "prompt_tokens": 5,
        "completion_tokens_details": {"x": "y"},
    }


@pytest.mark.parametrize(
    ("outer", "first", "warning"),
    [
        ({"latency": 1500, "ttft": 350}, None, "ambiguous-latency"),
        ({"ttft": 1200}, None, "ambiguous-latency"),
        ({"latency": -1, "ttft": 0.5}, None, "bad-times"),
        ({"latency": 1.0, "ttft": -0.5}, None, "bad-times"),
        ({"latency": 1.0, "ttft_ms": 250}, 0.25, None),
        ({"latency": 1.0, "first_token_ms": 1000}, None, None),
    ],
)
def test_a_first_token_is_believed_only_with_its_latency(outer: Any, first: Any, warning: Any) -> None:
    assert to_properties(pair(**outer)).get("$ai_time_to_first_token") == first
    assert ({"ambiguous-latency", "bad-times"} & set(convert_value(pair(**outer)).warnings)) == (
        {warning} if warning else set()
    )


@pytest.mark.parametrize(
    ("outer", "usage", "warning"),
    [
        ({"cost": 0}, {}, "zero-cost"),
        ({"cost": "0.5"}, {}, "no-cost"),
        ({"cost": -1}, {}, "no-cost"),
        ({}, {"cost": 0}, "zero-cost"),
        ({}, {"cost": 0.5, "is_byok": True}, None),
        ({"estimated_cost": 1}, {}, None),
        ({}, {"cost": {"request_cost": 0.006}}, None),
        ({"cost": 0, "error": "boom"}, {}, None),
    ],
)
def test_a_cost_that_is_not_believed_is_warned_of(outer: Any, usage: Any, warning: Any) -> None:
    record = pair(chat(usage={"prompt_tokens": 1, "completion_tokens": 1, **usage}), **outer)
    assert "$ai_total_cost_usd" not in to_properties(record)
    assert ({"zero-cost", "no-cost"} & set(convert_value(record).warnings)) == ({warning} if warning else set())


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("http://ollama.internal/v1", "ollama"),
        ("http://my-ollama.internal/v1", None),
        ("https://gateway.api.x.ai.example/v1", "xai"),
        ("https://notopenai.com/v1", None),
        ("https://foo.services.ai.azure.com/models", "azure"),
        ("https://api.moonshot.cn/v1", "moonshot"),
        ("https://router.huggingface.co/v1", "huggingface"),
        ("https://api.deepinfra.com/v1/openai", "deepinfra"),
        ("https://api.fireworks.ai/inference/v1", "fireworks_ai"),
    ],
)
def test_a_host_is_compared_by_whole_labels(url: str, provider: Any) -> None:
    assert to_properties(pair(chat(model="m"), base_url=url)).get("$ai_provider") == provider


@pytest.mark.parametrize(
    ("changes", "provider"),
    [
        ({"usage": {"prompt_cache_hit_tokens": 0}}, "deepseek"),
        ({"citations": []}, "perplexity"),
        ({"citations": None}, None),
        ({"prompt_logprobs": None}, "vllm"),
        ({"system_fingerprint": "fp_ollama"}, "ollama"),
        ({"system_fingerprint": "fp_x", "usage_breakdown": None}, "groq"),
        ({"request_id": "r", "model": "glm-4"}, "zai"),
        ({"request_id": "r"}, None),
        ({"prompt": []}, "together_ai"),
        ({"content_filters": [{}]}, "azure"),
        ({"content_filters": None}, None),
        ({"model": "gpt-35-turbo-16k"}, "azure"),
        ({"model": "davinci-002"}, "openai"),
        ({"model": "adamant"}, None),
        ({"model": "o1x"}, None),
        ({"model": "ft:gpt-oss-20b:x"}, None),
    ],
)
def test_a_tell_of_one_server_names_it(changes: Any, provider: Any) -> None:
    assert to_properties(chat(**{"model": "m", **changes})).get("$ai_provider") == provider


def test_a_batch_line_is_told_by_its_id() -> None:
    from posthog_llm_cli.formats._openai_provider import find_provider

    assert find_provider((), (), {}, "m", line_id="batch_req_out_01") == "groq"
    assert find_provider((), (), {}, "m", line_id="batch_123") == "zai"
    assert find_provider((), (), {}, "m", line_id="batch_req_683c") is None


def test_the_url_of_the_request_gives_the_base_before_a_named_one() -> None:
    found = to_properties(
        pair(url="https://u:p@gw.example/a/v1/chat/completions?k=1#f", base_url="https://other.example/v1")
    )
    assert found["$ai_base_url"] == "https://gw.example/a/v1"
    assert found["$ai_request_url"] == "https://gw.example/a/v1/chat/completions"
    assert (
        to_properties(pair(request={**ASKED, "api_base": "https://gw.example/v2/"}))["$ai_base_url"]
        == "https://gw.example/v2"
    )


def test_a_writer_may_add_the_request_to_the_answer_itself() -> None:
    found = to_properties({**chat(), "messages": MESSAGES, "temperature": 0.5})
    assert found["$ai_input"] == MESSAGES
    assert found["$ai_model_parameters"] == {"temperature": 0.5}
    assert to_event({**chat(), "messages": MESSAGES}).uuid == to_event(chat()).uuid


@pytest.mark.parametrize(
    ("outer", "hour", "naive"),
    [
        ({"timestamp": "2025-06-01T10:00:00"}, 8, True),
        ({"timestamp": "2025-06-01 10:00:00.5+05:30"}, 4, False),
        ({"ts_utc": "2025-06-01T10:00:00"}, 10, False),
        ({"timestamp": CREATED * 1_000_000_000}, 10, False),
        ({"started_at": "2025-06-01T09:59:58", "latency": 2}, 8, True),
    ],
)
def test_a_time_without_zone_is_the_operators_unless_its_key_says_utc(outer: Any, hour: int, naive: bool) -> None:
    converted = convert_value(pair(**outer), with_parse(timezone=ZoneInfo("Europe/Berlin")))
    assert to_event(pair(**outer), with_parse(timezone=ZoneInfo("Europe/Berlin"))).timestamp.hour == hour
    assert ("naive-time" in converted.warnings) is naive


def test_a_recording_tells_its_status_wherever_it_stands() -> None:
    for status in ({"status": 201}, {"status_code": None, "status": 201}, {"status": {"code": 201, "message": "x"}}):
        assert to_properties(pair({"body": chat(), "headers": {}, **status}))["$ai_http_status"] == 201


def test_an_appended_tool_call_is_dropped_and_another_stays() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer = chat(choices=[{"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [call]}}])
    appended = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert to_properties(pair(answer, {**ASKED, "messages": [*MESSAGES, appended]}))["$ai_input"] == MESSAGES
    other = {**appended, "tool_calls": [{**call, "function": {"name": "g", "arguments": "{}"}}]}
    assert len(to_properties(pair(answer, {**ASKED, "messages": [*MESSAGES, other]}))["$ai_input"]) == 2


def test_attachments_are_warned_of_in_output_and_tools_too() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "attachment://0a"}}
    assert "unresolved-attachment" in convert_value(pair(request={**ASKED, "tools": [tool]})).warnings
    answer = chat(choices=[{"index": 0, "message": {"content": "attachment://0b"}}])
    assert "unresolved-attachment" in convert_value(pair(answer)).warnings


def test_a_users_id_is_the_same_bare_and_in_a_pair() -> None:
    response = {
        "id": "resp_1", "object": "response", "created_at": CREATED, "status": "completed", "model": "m", "output": [],
        "user": "u-1", "metadata": {"user_id": "u-2"},
    }  # fmt: skip
    assert to_event(response).distinct_id == to_event({"request": ASKED, "response": response}).distinct_id == "u-2"


def test_a_reason_stands_in_for_the_status_incomplete_alone() -> None:
    base = {"id": "resp_1", "object": "response", "created_at": CREATED, "model": "m", "output": []}
    reason = {"incomplete_details": {"reason": "content_filter"}}
    assert to_properties({**base, **reason, "status": "incomplete"})["$ai_stop_reason"] == "content_filter"
    assert to_properties({**base, **reason, "status": "completed"})["$ai_stop_reason"] == "completed"
    assert to_properties({**base, "status": "complete"})["$ai_stop_reason"] == "complete"
    assert "$ai_is_error" not in to_properties({**base, "status": "cancelled"})


def test_created_at_stands_in_for_a_created_that_is_null() -> None:
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "created": None,
        "status": "completed",
        "model": "m",
        "output": [],
    }
    assert to_event(response).uuid == event_uuid(f"openai|resp_1|{CREATED}")
