"""Records of single servers and loggers, invented after their documented answers: whose they are, what they cost."""

import json
from typing import Any

import pytest

from tests.converting import convert_value, to_event, to_properties, to_rejection, to_skip, with_parse
from tests.formats.test_openai import CREATED, MESSAGES, chat
from tests.streaming import output_text

AT = "2025-06-01T10:00:00Z"
ASKED = {"model": "gpt-4o", "messages": MESSAGES}
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def response(**changes: Any) -> dict[str, Any]:
    """A bare Responses object."""
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ho"}]}
    base = {
        "id": "resp_1", "object": "response", "created_at": CREATED, "status": "completed", "model": "gpt-4.1",
        "output": [said], "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
    }  # fmt: skip
    return {**base, **changes}


THOUGHT = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "ho"}]


@pytest.mark.parametrize(
    ("record", "provider"),
    [
        (chat(model="grok-4", citations=["https://a.example"]), "xai"),
        (chat(model="my-alias", usage={**USAGE, "num_sources_used": 0}), "xai"),
        (response(id="0f-1", model="grok-4", usage={"input_tokens": 5, "cost_in_usd_ticks": 1}), "xai"),
        (chat(model="sonar-pro", citations=["https://a.example"]), "perplexity"),
        (chat(model="magistral", choices=[{"message": {"content": THOUGHT}}]), "mistral"),
        (chat(model="accounts/fireworks/models/llama-v3"), "fireworks_ai"),
        (chat(model="models/gemini-2.5-flash"), "gemini"),
        (chat(model="granite", stats={"tokens_per_second": 51.0}, runtime={"name": "llama.cpp"}), "lm_studio"),
        (response(model="my-deployment", content_filters=None), "azure"),
        (response(id="7f3d6c65-b8c2-410e-87ce-987bc467aef6", model="deepseek-v4-flash", content_filters=None), None),
        (chat(object="extensions.chat.completion"), "azure"),
        (response(), "openai"),
        (response(model="another-name"), "openai"),
        (response(model="Qwen/Qwen3-8B"), None),
        (response(model="qwen3-8b"), None),
        (response(model="llama3.2:latest"), None),
        (response(model="openai/gpt-oss-20b"), None),
        (chat(model="gpt-3.5-turbo", timings={"prompt_n": 5, "predicted_n": 2, "predicted_ms": 50.1}), None),
    ],
)
def test_a_server_is_told_by_what_only_it_writes(record: Any, provider: Any) -> None:
    assert to_properties(record).get("$ai_provider") == provider
    assert ("unknown-provider" in convert_value(record).warnings) is (provider is None)


def test_openrouter_is_told_by_the_error_of_the_provider_behind_it() -> None:
    error = {"code": 429, "message": "slow down", "metadata": {"provider_name": "X", "raw": "…"}}
    found = to_properties({"timestamp": CREATED, "request": ASKED, "response": {"error": error}})
    assert (found["$ai_provider"], found["$ai_http_status"], found["$ai_error"]) == ("openrouter", 429, "slow down")


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": {"input_tokens_cost": 0.001, "request_cost": 0.006, "total_cost": 0.009}}, 0.009),
        ({"cost": {"total_cost": "0.009"}}, None),
        ({"cost": {"total_cost": -1}}, None),
        ({"cost": {"request_cost": 0.006}}, None),
        ({"cost_in_usd_ticks": 37_756_000}, 0.0037756),
        ({"cost_in_usd_ticks": True}, None),
        ({"cost_in_usd_ticks": 1e300}, None),
        ({"cost": 0.5, "is_byok": True}, None),
    ],
)
def test_the_cost_that_a_server_writes_beside_the_tokens_is_sent(usage: Any, cost: Any) -> None:
    assert to_properties(chat(usage={**USAGE, **usage})).get("$ai_total_cost_usd") == cost


# ------------------------------------------------------------------------------------------- wrappings and spellings


def test_openpipes_failure_is_one_by_its_own_keys() -> None:
    record = {
        "requestedAt": CREATED * 1000 - 2000, "receivedAt": CREATED * 1000, "reqPayload": ASKED, "respPayload": None,
        "statusCode": 500, "errorMessage": "boom",
    }  # fmt: skip
    assert convert_value(record).format == "openai-error"
    found = to_properties(record)
    assert (found["$ai_error"], found["$ai_http_status"], found["$ai_latency"]) == ("boom", 500, 2.0)
    answered = {**record, "respPayload": chat(), "statusCode": 200, "errorMessage": None}
    assert to_properties(answered)["$ai_http_status"] == 200
    assert "$ai_is_error" not in to_properties(answered)


@pytest.mark.parametrize(
    ("changes", "text", "kind", "status"),
    [
        ({"exception": {"type": "RateLimitError", "message": "slow down"}}, "slow down", "RateLimitError", None),
        ({"response": None, "success": False}, "unknown error", None, None),
        ({"response": None, "error": True, "error_message": "no"}, "no", None, None),
        (
            {"response": {"statusCode": 401, "message": "invalid subscription key"}},
            "invalid subscription key",
            None,
            401,
        ),
    ],
)
def test_a_failure_that_is_told_otherwise_is_a_failed_call(changes: Any, text: str, kind: Any, status: Any) -> None:
    record = {"timestamp": CREATED, "request": ASKED, **changes}
    assert convert_value(record).format == "openai-error"
    found = to_properties(record)
    assert (found["$ai_error"], found.get("$ai_error_type"), found.get("$ai_http_status")) == (text, kind, status)


def test_a_success_that_says_so_is_no_failure() -> None:
    found = to_properties({"timestamp": CREATED, "request": ASKED, "response": chat(), "success": True, "error": False})
    assert "$ai_is_error" not in found


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(json.dumps(chat())),
        {"status": 200, "statusText": "OK", "headers": {}, "data": chat()},
        {"status": 200, "headers": [], "content": {"mimeType": "application/json", "text": json.dumps(chat())}},
        {"statusCode": 200, "body": json.dumps(chat())},
    ],
)
def test_more_wrappings_of_an_answer_are_opened(answer: Any) -> None:
    record = {"timestamp": CREATED, "request": ASKED, "response": answer}
    assert convert_value(record).format == "openai-chat"
    found = to_properties(record)
    assert (found["$ai_input_tokens"], found["$ai_stop_reason"]) == (5, "stop")


def test_an_entry_of_a_browsers_recording_is_a_call() -> None:
    asked = {"url": "https://api.groq.com/openai/v1/chat/completions", "method": "POST", "headers": []}
    posted = {"postData": {"mimeType": "application/json", "text": json.dumps(ASKED)}}
    answered = {"status": 200, "headers": [], "content": {"mimeType": "application/json", "text": json.dumps(chat())}}
    found = to_properties({"startedDateTime": AT, "time": 1500.0, "request": {**asked, **posted}, "response": answered})
    assert (found["$ai_provider"], found["$ai_http_status"], found["$ai_latency"]) == ("groq", 200, 1.5)
    assert found["$ai_input"] == MESSAGES


MESSAGE = {
    "role": "assistant",
    "content": "ho",
    "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
}


@pytest.mark.parametrize(
    ("answer", "stop"),
    [
        (MESSAGE, None),
        ({"index": 0, "message": MESSAGE, "finish_reason": "tool_calls"}, "tool_calls"),
        ([{"index": 0, "message": MESSAGE, "finish_reason": "tool_calls"}], "tool_calls"),
        (json.dumps(MESSAGE), None),
    ],
)
@pytest.mark.parametrize("key", ["response", "output", "completion", "result"])
def test_a_part_of_an_answer_stands_for_it(key: str, answer: Any, stop: Any) -> None:
    record = {"timestamp": CREATED, "model": "gpt-4o", "messages": MESSAGES, key: answer, "usage": USAGE}
    assert convert_value(record).format == "openai-chat"
    found = to_properties(record)
    assert [part["type"] for part in found["$ai_output_choices"][0]["content"]] == ["text", "function"]
    assert (found.get("$ai_stop_reason"), found["$ai_input_tokens"], found["$ai_input"]) == (stop, 5, MESSAGES)


def test_a_message_alone_is_no_answer() -> None:
    assert to_rejection(MESSAGE).code == "unknown-format"
    assert to_rejection({"prompt": MESSAGES, "completion": [MESSAGE]}).code in {"unknown-format", "no-response"}


@pytest.mark.parametrize(
    "answer",
    [
        "ChatCompletion(id='chatcmpl-1', choices=[])",
        "ChatCompletion(id='chatcmpl-1', choices=[Choice(message=<Message>)])",
        "<OpenAIObject chat.completion id=chatcmpl-1 at 0x7f1e8d1e5740> JSON: {",
        "<Response [200 OK]>",
        "<APIResponse [200 OK] type=<class 'openai.types.chat.chat_completion.ChatCompletion'>>",
        "<coroutine object AsyncCompletions.create at 0x7f1e8d1e5740>",
        "AIMessage(content='ho', response_metadata={})",
        "content='ho' additional_kwargs={'refusal': None} response_metadata={'id': 'chatcmpl-1'} id='run-1'",
        "[object Object]",
        "ChatCompletion{id=chatcmpl-1, choices=[Choice{finishReason=stop}]}",
        'ChatResponse { aiMessage = AiMessage { text = "yo" } }',
        "{ID:chatcmpl-1 Object:chat.completion Created:1748772000}",
        '{"id"=>"chatcmpl-1", "object"=>"chat.completion"}',
        "#<OpenAI::Models::Chat::ChatCompletion:0x0000 id: 1>",
        "OpenAI.Chat.ChatCompletion",
        "{\n  id: 'chatcmpl-1',\n  object: 'chat.completion',\n  choices: [ [Object] ]\n}",
        "Response(id='resp_1', created_at=1.0)",
        "ParsedChatCompletion[Answer](id='chatcmpl-1')",
        "CreateEmbeddingResponse(data=[])",
        "<openai.Stream object at 0x7f1e8d1e5740>",
        "{'id': 'chatcmpl-1', 'object': 'chat.completion'}",
        'b\'{"id": "chatcmpl-1"}\'',
    ],
)
def test_pythons_print_of_an_answer_is_no_text_of_an_answer(answer: str) -> None:
    error = to_rejection({"timestamp": CREATED, "model": "gpt-4o", "prompt": "hi", "response": answer})
    assert (error.code, error.path) == ("python-repr", "$.response")
    assert "chatcmpl" not in str(error)


WHOLE_PRINT = (
    "ChatCompletion(id='chatcmpl-AbC123', choices=[Choice(finish_reason='tool_calls', index=0, logprobs=None, "
    "message=ChatCompletionMessage(content=\"it's\\n(high)\", refusal=None, role='assistant', annotations=[], "
    "function_call=None, tool_calls=[ChatCompletionMessageFunctionToolCall(id='call_1', function=Function("
    "arguments='{\"port\":\"Kiel\"}', name='tide'), type='function')]))], created=1748772000, "
    "model='gpt-4o-2024-08-06', object='chat.completion', service_tier='default', usage=CompletionUsage("
    "completion_tokens=9, prompt_tokens=17, total_tokens=26, prompt_tokens_details=PromptTokensDetails("
    "audio_tokens=0, cached_tokens=4)))"
)


@pytest.mark.parametrize(
    "printed", [WHOLE_PRINT, WHOLE_PRINT.replace("ChatCompletion(", "ParsedChatCompletion[Tide](")]
)
def test_the_print_of_a_whole_answer_is_that_answer(printed: str) -> None:
    record = {"timestamp": CREATED, "request": {"model": "gpt-4o", "messages": MESSAGES}, "response": printed}
    found = to_properties(record)
    assert found["$ai_output_choices"] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "it's\n(high)"},
                {"type": "function", "id": "call_1", "function": {"name": "tide", "arguments": '{"port":"Kiel"}'}},
            ],
        }
    ]
    assert (found["$ai_input_tokens"], found["$ai_output_tokens"], found["$ai_cache_read_input_tokens"]) == (17, 9, 4)
    assert (found["$ai_model"], found["$ai_stop_reason"]) == ("gpt-4o-2024-08-06", "tool_calls")
    bare = {"id": "chatcmpl-AbC123", "object": "chat.completion", "created": 1748772000, "model": "m", "choices": []}
    assert to_event(record).uuid == to_event(bare).uuid


@pytest.mark.parametrize(
    "printed",
    [
        "ChatCompletionMessage(content='ho', refusal=None, role='assistant')",
        "[Choice(finish_reason='stop', index=0, message=ChatCompletionMessage(content='ho', role='assistant'))]",
        ("Response(id='r', object='response', created_at=1748772000.0, model='m', status='completed', output=["
        "ResponseOutputMessage(id='i', content=[ResponseOutputText(annotations=[], text='ho', type='output_text')], "
        "role='assistant', status='completed', type='message')])"),
        ("ModelResponse(id='r', created=1748772000, model='m', object='chat.completion', choices=[Choices("
        "finish_reason='stop', index=0, message=Message(content='ho', role='assistant'))], usage=Usage())"),
        ('<OpenAIObject chat.completion id=r at 0x7f> JSON: {"id": "r", "object": "chat.completion", "model": "m", '
        '"choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}}]}'),
        {"id": "r", "object": "chat.completion", "model": "m", "usage": "CompletionUsage(prompt_tokens=3)", "choices": [
            "Choice(finish_reason='stop', index=0, message=ChatCompletionMessage(content='ho', role='assistant'))"
        ]},
    ],
)  # fmt: skip
def test_prints_of_answers_and_of_their_parts_are_read(printed: Any) -> None:
    record = {"timestamp": CREATED, "request": {"model": "gpt-4o", "messages": MESSAGES}, "response": printed}
    assert to_properties(record)["$ai_output_choices"] == [
        {"role": "assistant", "content": [{"type": "text", "text": "ho"}]}
    ]


def test_items_of_an_earlier_answer_that_python_printed_are_those_items() -> None:
    printed = [
        "ResponseReasoningItem(id='rs', summary=[], type='reasoning', encrypted_content='SECRET')",
        "ResponseFunctionToolCall(arguments='{}', call_id='c', name='tide', type='function_call', id='fc')",
        {"type": "function_call_output", "call_id": "c", "output": "high"},
    ]
    asked = {"model": "gpt-4o", "input": [{"role": "user", "content": "tide?"}, *printed]}
    found = to_properties({"request": asked, "response": chat()})["$ai_input"]
    assert [item.get("type") for item in found] == [None, "reasoning", "function_call", "function_call_output"]
    assert "SECRET" not in str(found)


def test_an_earlier_answer_that_python_printed_is_the_assistants() -> None:
    printed = "ChatCompletionMessage(content='ho', role='assistant')"
    asked = {"model": "gpt-4o", "messages": [*MESSAGES, printed, {"role": "user", "content": "more"}]}
    roles = [message["role"] for message in to_properties({"request": asked, "response": chat()})["$ai_input"]]
    assert roles == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    "answer",
    [
        "Response(s) were good",
        "ChatCompletion is a class",
        "{'a': 1}",
        '{"id": 1}',
        "Model(x=1)",
        "OpenAI.",
        "#<div> is no tag",
        "Completion [sic] = done",
        "OpenAI is a company",
        "{ID: 1}",
    ],
)
def test_a_text_about_code_is_a_text(answer: str) -> None:
    found = to_properties({"timestamp": CREATED, "model": "gpt-4o", "prompt": "hi", "response": answer})
    assert found["$ai_output_choices"][0]["content"] == [{"type": "text", "text": answer}]


def test_names_in_camel_case_are_read_too() -> None:
    record = {
        "createdAt": AT, "modelId": "m", "prompt": "hi", "response": "ho", "promptTokens": 5, "completionTokens": 2,
        "totalTokens": 7, "latencyMs": 1500, "userId": "u", "sessionId": "s", "finishReason": "stop",
    }  # fmt: skip
    found = to_properties(record)
    assert to_event(record).distinct_id == "u"
    assert [found[f"$ai_{name}"] for name in ("model", "input_tokens", "output_tokens", "total_tokens")] == [
        "m",
        5,
        2,
        7,
    ]
    assert [found[f"$ai_{name}"] for name in ("latency", "session_id", "stop_reason")] == [1.5, "s", "stop"]
    counted = {key: record[key] for key in ("createdAt", "modelId", "promptTokens", "latencyMs")}
    assert to_rejection(counted).code == "metadata-only"
    usage = {"inputTokens": 5, "outputTokens": 2}
    assert (
        to_properties({**record, "promptTokens": None, "completionTokens": None, "usage": usage})["$ai_input_tokens"]
        == 5
    )


# --------------------------------------------------------------------------------------------- simonw/llm, counts alone


def llm_row(**changes: Any) -> dict[str, Any]:
    """A row of `llm logs --json`."""
    call = {"id": 1, "tool_id": 2, "name": "upper", "arguments": '{"text": "x"}', "tool_call_id": "call_1"}
    base = {
        "id": "01j", "model": "4o", "resolved_model": "gpt-4o-2024-08-06", "prompt": "hi", "system": None, "response": "ho",
        "reasoning": "hm", "options_json": {"temperature": 0.5}, "response_json": None, "conversation_id": "c",
        "duration_ms": 2500, "datetime_utc": "2025-06-01T10:00:00", "input_tokens": 5, "output_tokens": 2,
        "tool_calls": [call], "tool_results": [],
    }  # fmt: skip
    return {**base, **changes}


@pytest.mark.parametrize("options", [{"temperature": 0.5}, '{"temperature": 0.5}'])
def test_a_row_of_simonw_llm_tells_model_options_thoughts_and_tool_calls(options: Any) -> None:
    found = to_properties(llm_row(options_json=options))
    assert (found["$ai_model"], found["requested_model"]) == ("gpt-4o-2024-08-06", "4o")
    assert found["$ai_model_parameters"] == {"temperature": 0.5}
    (answer,) = found["$ai_output_choices"]
    assert answer["content"] == [
        {"type": "reasoning", "text": "hm"},
        {"type": "text", "text": "ho"},
        {"type": "function", "id": "call_1", "function": {"name": "upper", "arguments": '{"text": "x"}'}},
    ]
    assert to_properties(llm_row(resolved_model=None))["$ai_model"] == "4o"


def test_a_row_of_simonw_llm_takes_the_stop_reason_from_the_streams_last_part() -> None:
    part = {"object": "chat.completion.chunk", "content": {"$": "r:01j"}, "finish_reason": "length"}
    assert to_properties(llm_row(response_json=part))["$ai_stop_reason"] == "length"
    assert to_properties(llm_row(response_json=json.dumps(part)))["$ai_stop_reason"] == "length"


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "msg_1", "type": "message", "role": "assistant", "stop_reason": "end_turn", "content": []},
        {"candidates": [], "usageMetadata": {"totalTokenCount": 4}},
        [{"candidates": [], "usageMetadata": {}}, {"candidates": [], "usageMetadata": {}}],
        {"object": "list", "data": [{"object": "model"}]},
    ],
    ids=["Anthropic", "Gemini", "Gemini's stream", "a list"],
)
@pytest.mark.parametrize("write", [lambda answer: answer, json.dumps], ids=["object", "text"])
def test_a_row_of_simonw_llm_is_a_call_whoever_answered(answer: Any, write: Any) -> None:
    row = llm_row(model="claude-3", resolved_model=None, reasoning=None, tool_calls=[], response_json=write(answer))
    found = to_properties(row)
    assert (convert_value(row).format, output_text(found)) == ("openai-flat", "ho")
    assert (found["$ai_model"], found["$ai_latency"], found["$ai_input_tokens"]) == ("claude-3", 2.5, 5)
    without_text = {key: value for key, value in row.items() if key != "response"}
    assert to_rejection(without_text).code in {"unsupported-format", "unknown-format"}


def test_counts_of_an_embedding_are_an_embedding() -> None:
    record = {"timestamp": AT, "model": "text-embedding-3-small", "prompt_tokens": 5, "total_tokens": 5}
    options = with_parse(metadata_only=True)
    assert to_event(record, options).name == "$ai_embedding"
    assert to_event({**record, "model": "gpt-4o"}, options).name == "$ai_generation"


@pytest.mark.parametrize("key", ["requests", "num_requests", "num_model_requests", "request_count", "api_requests"])
def test_a_row_of_totals_is_no_call(key: str) -> None:
    record = {"date": "2025-06-01", "model": "gpt-4o", key: 100, "prompt_tokens": 100_000, "cost": 1.2}
    assert to_rejection(record, with_parse(metadata_only=True)).code == "unknown-format"


# ------------------------------------------------------------------------------------------------- Ollama's embeddings


def test_ollamas_own_embeddings_are_embeddings() -> None:
    answer = {
        "model": "nomic-embed-text", "embeddings": [[0.25, 0.5]], "total_duration": 14_000_000, "load_duration": 1_000_000,
        "prompt_eval_count": 8,
    }  # fmt: skip
    record = {"timestamp": AT, "request": {"model": "nomic-embed-text", "input": ["a", "b"]}, "response": answer}
    assert convert_value(record).format == "openai-embeddings"
    event, found = to_event(record), to_properties(record)
    assert (event.name, found["$ai_provider"], found["$ai_input"]) == ("$ai_embedding", "ollama", ["a", "b"])
    assert (found["$ai_input_tokens"], found["$ai_latency"]) == (8, 0.014)
    assert "0.25" not in json.dumps(found)
    assert (to_rejection(answer).code, to_rejection(answer).path) == ("missing-field", "$.timestamp")


def test_ollamas_older_embeddings_are_embeddings() -> None:
    url = "http://localhost:11434/api/embeddings"
    record = {"timestamp": AT, "url": url, "request": {"model": "m", "prompt": "a"}, "response": {"embedding": [0.25]}}
    event, found = to_event(record), to_properties(record)
    assert (event.name, found["$ai_provider"], found["$ai_input"]) == ("$ai_embedding", "ollama", "a")
    assert (found["$ai_base_url"], found["$ai_request_url"]) == ("http://localhost:11434", url)
    assert "0.25" not in json.dumps(found)
    failed = {**record, "response": {"error": "no such model"}, "status": 404}
    assert to_event(failed).name == "$ai_embedding"


# --------------------------------------------------------------------------------------------------- Claude's caches


@pytest.mark.parametrize(
    ("usage", "read", "written", "on_top"),
    [
        # LiteLLM's proxy: parts of the input, as OpenAI counts, in both spellings.
        (
            {
                "prompt_tokens": 2025, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1500},
                "cache_read_input_tokens": 1500, "cache_creation_input_tokens": 500,
            },
            1500, 500, False,
        ),
        ({"prompt_tokens": 2025, "completion_tokens": 5, "cache_creation_input_tokens": 500}, None, 500, False),
        (
            {"prompt_tokens": 900, "completion_tokens": 5, "prompt_tokens_details": {"cache_creation_tokens": 500}},
            None, 500, False,
        ),
        # Databricks: beside the input, as Anthropic counts.
        (
            {
                "prompt_tokens": 25, "completion_tokens": 5, "cache_read_input_tokens": 1500,
                "cache_creation_input_tokens": 500,
            },
            1500, 500, True,
        ),
        ({"prompt_tokens": 600, "completion_tokens": 5, "cache_read_input_tokens": 700}, 700, None, True),
    ],
)  # fmt: skip
def test_what_claude_wrote_to_its_cache_is_counted(usage: Any, read: Any, written: Any, on_top: bool) -> None:
    converted = convert_value(chat(model="claude-sonnet-4", usage=usage))
    found = to_properties(chat(model="claude-sonnet-4", usage=usage))
    counts = found.get("$ai_cache_read_input_tokens"), found.get("$ai_cache_creation_input_tokens")
    assert (*counts, found["$ai_cache_reporting_exclusive"]) == (read, written, on_top)
    assert "bad-usage" not in converted.warnings


def test_a_cache_of_claudes_that_was_not_used_says_nothing() -> None:
    usage = {**USAGE, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    assert not any("cache" in key for key in to_properties(chat(usage=usage)))


# ----------------------------------------------------------------------------------------------------------- realtime


@pytest.mark.parametrize("kind", ["audio", "output_audio"])
def test_what_a_realtime_session_said_is_its_transcript(kind: str) -> None:
    said = {"type": "message", "role": "assistant", "content": [{"type": kind, "transcript": "Hello there"}]}
    usage = {"total_tokens": 12, "input_tokens": 8, "output_tokens": 4, "input_token_details": {"cached_tokens": 6}}
    answer = {"object": "realtime.response", "id": "resp_1", "status": "completed", "output": [said], "usage": usage}
    event = {"type": "response.done", "event_id": "event_1", "response": answer}
    found = to_properties({"timestamp": AT, "model": "gpt-realtime", "event": event})
    assert output_text(found) == "Hello there"
    assert (found["$ai_input_tokens"], found["$ai_cache_read_input_tokens"]) == (8, 6)


# ----------------------------------------------------------------------------- what LiteLLM hands to its callbacks

KWARGS: dict[str, Any] = {
    "model": "gpt-4o", "messages": MESSAGES, "optional_params": {"temperature": 0.25, "user": "u-1", "tools": [{"a": 1}]},
    "custom_llm_provider": "my_gateway", "response_cost": 0.25,
    "litellm_params": {"api_key": "sk-live-0123456789abcdef", "metadata": {"plan": "pro"}},
    "additional_args": {"headers": {"Authorization": "Bearer sk-live-0123456789abcdef"}},
}  # fmt: skip


@pytest.mark.parametrize("key", ["response_obj", "completion_response"])
@pytest.mark.parametrize("holder", ["kwargs", None])
def test_the_arguments_of_a_callback_are_a_call(key: str, holder: str | None) -> None:
    times = {"start_time": "2025-06-01 10:00:00.500000", "end_time": "2025-06-01 10:00:02.000000"}
    record = {**({holder: KWARGS} if holder else KWARGS), key: chat(), **times}
    found = to_properties(record)
    assert (found["$ai_input"], output_text(found)) == (MESSAGES, "ho")
    assert (found["$ai_provider"], found["$ai_total_cost_usd"], found["$ai_latency"]) == ("my_gateway", 0.25, 1.5)
    assert (found["$ai_model_parameters"], found["$ai_tools"]) == ({"temperature": 0.25}, [{"a": 1}])
    assert (to_event(record).distinct_id, found["plan"]) == ("u-1", "pro")
    assert "sk-live" not in json.dumps(found)


REDACTED = "redacted-by-litellm"


@pytest.mark.parametrize("holder", ["kwargs", "request_kwargs", None])
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (REDACTED, {"content": REDACTED, "reasoning_content": "leak", "refusal": "leak"}),
        (REDACTED, {"content": "leak"}),
        ("leak", {"content": REDACTED, "reasoning_content": "leak"}),
        ("leak", {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": REDACTED}}]}),
    ],
)
def test_what_litellm_redacted_for_a_callback_stays_here_with_what_leaks_beside_it(
    holder: str | None, asked: str, message: Any
) -> None:
    parameters = {
        "temperature": 0.25, "tools": [{"name": "leak"}], "instructions": "leak", "tool_choice": {"leak": 1},
        "response_format": {"type": "json_schema", "json_schema": {"name": "leak"}},
    }  # fmt: skip
    arguments = {**KWARGS, "messages": [{"role": "user", "content": asked}], "optional_params": parameters}
    answer = chat(choices=[{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}])
    record = {**({holder: arguments} if holder else arguments), "response_obj": answer, "start_time": AT}
    found = to_properties(record)
    assert found["litellm_redacted"] is True
    assert "leak" not in json.dumps(found)
    assert not {"$ai_input", "$ai_tools"} & set(found)
    assert (found["$ai_model_parameters"], found["$ai_input_tokens"]) == ({"temperature": 0.25}, 5)
    called = [part["function"] for part in found.get("$ai_output_choices", [{"content": []}])[0]["content"]]
    assert called == ([{"name": "f"}] if "tool_calls" in message else [])


def test_of_a_failure_that_litellm_redacted_for_a_callback_the_text_stays_here() -> None:
    asked = [{"role": "user", "content": REDACTED}]
    error = "litellm.BadRequestError: you asked: leak"
    found = to_properties({"kwargs": {**KWARGS, "messages": asked, "exception": error}, "start_time": AT})
    assert (found["$ai_is_error"], found["litellm_redacted"]) == (True, True)
    assert "leak" not in json.dumps(found)


def gcs(**changes: Any) -> dict[str, Any]:
    """An object that LiteLLM's logger for GCS wrote before it wrote payloads."""
    asked = {"model": "gpt-4o", "messages": MESSAGES, "optional_params": {"user": "u-1"}}
    base = {
        "request_kwargs": asked, "response_obj": chat(), "start_time": "2025-06-01 10:00:00.500000",
        "end_time": "2025-06-01 10:00:02.000000", "response_cost": 0.25, "exception": None,
        "spend_log_metadata": json.dumps({"user_api_key": "hash", "requester_ip_address": "192.0.2.1"}),
        "log_event_type": "successful_api_call",
    }  # fmt: skip
    return {**base, **changes}


def test_an_object_of_the_first_logger_for_gcs_is_a_call() -> None:
    found = to_properties(gcs())
    assert (found["$ai_input"], output_text(found), found["$ai_total_cost_usd"]) == (MESSAGES, "ho", 0.25)
    assert to_event(gcs()).distinct_id == "u-1"
    assert "192.0.2.1" not in json.dumps(found)


def test_a_failure_of_the_first_logger_for_gcs_is_one() -> None:
    failed = gcs(response_obj={}, exception="litellm.RateLimitError: slow down", log_event_type="failed_api_call")
    found = to_properties(failed)
    assert (found["$ai_is_error"], found["$ai_error"]) == (True, "litellm.RateLimitError: slow down")


@pytest.mark.parametrize("answer", [None, {}, "", {"id": "chatcmpl-1", "choices": []}])
def test_a_failure_that_a_callback_was_told_of_is_one(answer: Any) -> None:
    times = {"start_time": "2025-06-01 10:00:00.500000", "end_time": "2025-06-01 10:00:02.000000"}
    record = {"kwargs": {**KWARGS, "exception": "litellm.RateLimitError: slow down"}, "response_obj": answer, **times}
    found = to_properties(record)
    assert (found["$ai_is_error"], found["$ai_error"]) == (True, "litellm.RateLimitError: slow down")
    assert (found["$ai_input"], found["$ai_latency"]) == (MESSAGES, 1.5)


def test_an_earlier_attempts_exception_is_no_failure_of_the_call_that_was_answered() -> None:
    record = {"kwargs": {**KWARGS, "exception": "litellm.RateLimitError: slow down"}, "response_obj": chat()}
    assert "$ai_is_error" not in to_properties(record)


@pytest.mark.parametrize("key", ["response", "output", "answer"])
def test_an_exception_that_a_prompt_asks_about_is_no_failure_of_the_call_that_says_what_it_means(key: str) -> None:
    asked = {"prompt": "Explain this", "exception": "KeyError: 'x'"}
    found = to_properties({"timestamp": AT, "model": "gpt-4o", "request": asked, key: "A key is missing."})
    assert (output_text(found), found.get("$ai_is_error")) == ("A key is missing.", None)


@pytest.mark.parametrize("key", ["response_obj", "completion_response"])
@pytest.mark.parametrize("printed", ["None", "null", "ModelResponse(id='x')"])
def test_what_python_printed_in_the_place_of_a_callbacks_answer_hides_no_failure(key: str, printed: str) -> None:
    record = {"timestamp": AT, "request": {"model": "gpt-4o", "messages": MESSAGES}, "error": "boom", key: printed}
    found = to_properties(record)
    assert (found["$ai_is_error"], found["$ai_error"], found["$ai_input"]) == (True, "boom", MESSAGES)
    del record["error"]
    assert to_rejection(record).code == "no-response"


def test_metadata_whose_text_is_too_deep_cost_no_call() -> None:
    deep = '{"a":' * 200 + "1" + "}" * 200
    record = {"timestamp": AT, "request": {"model": "gpt-4o", "messages": MESSAGES}, "response": chat()}
    assert to_properties({**record, "metadata": deep}) == to_properties(record)


# --------------------------------------------------------------------------------------------------- prints of counts

PRINTED_USAGE = (
    "CompletionUsage(completion_tokens=9, prompt_tokens=19, total_tokens=28, completion_tokens_details="
    "CompletionTokensDetails(accepted_prediction_tokens=0, reasoning_tokens=3), prompt_tokens_details="
    "PromptTokensDetails(audio_tokens=0, cached_tokens=4))"
)
PRINTED_RESPONSE_USAGE = (
    "ResponseUsage(input_tokens=19, input_tokens_details=InputTokensDetails(cached_tokens=4), output_tokens=9, "
    "output_tokens_details=OutputTokensDetails(reasoning_tokens=3), total_tokens=28)"
)


@pytest.mark.parametrize("usage", [PRINTED_USAGE, PRINTED_RESPONSE_USAGE])
def test_counts_of_a_printed_usage_are_read(usage: str) -> None:
    found = to_properties({"timestamp": AT, "model": "gpt-4o", "prompt": "hi", "response": "ho", "usage": usage})
    names = ("input", "output", "total", "cache_read_input", "reasoning")
    assert [found[f"$ai_{name}_tokens"] for name in names] == [19, 9, 28, 4, 3]


def test_counts_of_a_printed_dictionary_are_read() -> None:
    usage = str({"prompt_tokens": 19, "completion_tokens": 9})
    found = to_properties({"timestamp": AT, "model": "gpt-4o", "prompt": "hi", "response": "ho", "usage": usage})
    assert (found["$ai_input_tokens"], found["$ai_output_tokens"]) == (19, 9)
    none = {"timestamp": AT, "model": "gpt-4o", "prompt": "hi", "response": "ho", "usage": "28 tokens"}
    assert "no-usage" in convert_value(none).warnings


@pytest.mark.parametrize("side", ["outer", "request", "response"])
def test_metadata_that_are_a_text_of_json_are_metadata(side: str) -> None:
    metadata = {"metadata": json.dumps({"user_id": "u-1", "plan": "pro", "api_key": "sk-1"})}
    own = {name: metadata if name == side else {} for name in ("outer", "request", "response")}
    record = {
        "timestamp": AT,
        **own["outer"],
        "request": {**ASKED, **own["request"]},
        "response": chat(**own["response"]),
    }
    found = to_properties(record)
    assert (to_event(record).distinct_id, found["plan"], "api_key" in found) == ("u-1", "pro", False)


def test_a_stream_of_azures_on_data_of_ones_own_is_azures() -> None:
    part = {"id": "x", "object": "extensions.chat.completion.chunk", "created": CREATED, "model": "gpt-4o"}
    parts = [{**part, "choices": [{"index": 0, "delta": {"content": "ho"}, "finish_reason": "stop"}]}]
    assert to_properties({"timestamp": AT, "request": ASKED, "chunks": parts})["$ai_provider"] == "azure"


@pytest.mark.parametrize("word", ["", "None", "none", "null", "NULL", "nan", "NaN", " N/A ", "undefined", "False"])
@pytest.mark.parametrize("key", ["error", "error_message", "exception"])
def test_a_word_for_no_error_is_none(key: str, word: str) -> None:
    found = to_properties({"timestamp": AT, "request": ASKED, "response": chat(), key: word})
    assert not any("error" in name for name in found)


COUNTED = {"timestamp": CREATED, "model": "gpt-4o", "messages": MESSAGES, "usage": {"prompt_tokens": 5}}


@pytest.mark.parametrize("key", ["response", "output", "result", "completion"])
@pytest.mark.parametrize("answer", [{"name": "Oder", "km": 866}, [{"name": "Oder"}, {"name": "Elbe"}]])
def test_a_structured_answer_beside_what_it_counted_is_sent_as_json(key: str, answer: Any) -> None:
    record = {**COUNTED, key: answer}
    (part,) = to_properties(record)["$ai_output_choices"][0]["content"]
    assert (part["type"], json.loads(part["text"])) == ("text", answer)
    assert "unknown-output" in convert_value(record).warnings
    assert to_properties(record)["$ai_input_tokens"] == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"usage": None},  # any API's answer
        {"model": None},
        {"messages": None},
        {"response": {}},
        {"response": [1, 2]},
    ],
)
def test_an_object_of_which_nothing_tells_that_a_model_wrote_it_is_no_answer(changes: Any) -> None:
    assert not hasattr(convert_value({**COUNTED, "response": {"name": "Oder"}, **changes}).result, "uuid")


def test_the_text_of_the_ai_sdk_is_the_answer() -> None:
    answered = {"id": "chatcmpl-AbC123", "timestamp": "2025-06-01T10:00:00.000Z", "modelId": "gpt-4o-2024-08-06"}
    record = {**COUNTED, "text": "Ho", "finishReason": "stop", "response": {**answered, "headers": {"set-cookie": "x"}}}
    found = to_properties(record)
    assert found["$ai_output_choices"] == [{"role": "assistant", "content": [{"type": "text", "text": "Ho"}]}]
    assert (found["$ai_model"], found["$ai_stop_reason"]) == ("gpt-4o-2024-08-06", "stop")
    bare = {"id": "chatcmpl-AbC123", "object": "chat.completion", "created": CREATED, "model": "m", "choices": []}
    assert to_event(record).uuid == to_event(bare).uuid
    assert to_properties({**record, "model": {"provider": "openai.chat", "modelId": "gpt-4o"}})["$ai_model"] == (
        "gpt-4o-2024-08-06"
    )


@pytest.mark.parametrize(
    "told",
    [
        {"usage": {"prompt_tokens": 8, "total_tokens": 8}},
        {"usage": {"prompt_tokens": 8}, "embedding": [0.25, 0.5]},
        {"embeddings": [[0.25, 0.5]], "prompt_tokens": 8},
        {"prompt_tokens": 8, "latency_ms": 20},
        {"usage": {"tokens": 8}},  # the AI SDK
        {"usage": {"prompt_tokens": 8}, "output": [0.25, 0.5]},
    ],
)
def test_an_embedding_of_which_no_vector_was_logged_is_one(told: Any) -> None:
    asked = {"model": "text-embedding-3-small", "input": ["a", "b"]}
    for record in ({"timestamp": CREATED, **asked, **told}, {"timestamp": CREATED, "request": asked, **told}):
        found = to_properties(record)
        assert to_event(record).name == "$ai_embedding"
        assert (found["$ai_input"], found["$ai_input_tokens"]) == (["a", "b"], 8)
        assert not {"$ai_output_tokens", "$ai_output_choices"} & found.keys()
        assert "0.25" not in str(found)


@pytest.mark.parametrize("told", [{}, {"prompt_tokens": 8}, {"dimensions": 1536}])
def test_a_request_for_an_embedding_alone_is_no_call(told: Any) -> None:
    record = {"timestamp": CREATED, "model": "text-embedding-3-small", "input": "a", **told}
    assert to_rejection(record).code == "no-response"


@pytest.mark.parametrize("body", [{"model": "gpt-4o", "messages": MESSAGES}, '{"model": "gpt-4o", "messages": []}'])
def test_a_request_of_nothing_but_its_body_is_that_body(body: Any) -> None:
    found = to_properties({"timestamp": CREATED, "request": {"body": body}, "response": chat()})
    assert found["requested_model"] == "gpt-4o"
    assert found.get("$ai_input") == (MESSAGES if isinstance(body, dict) else None)


@pytest.mark.parametrize(("asked", "answered"), [("json", "json"), ("content", "text"), ("content", "content")])
def test_bodies_are_read_by_the_names_that_http_clients_give_them(asked: str, answered: str) -> None:
    """What a hook of httpx writes; headers stay where they are."""
    body, answer = {"model": "gpt-4o", "messages": MESSAGES}, chat()
    record = {
        "timestamp": CREATED + 1,
        "request": {
            "method": "POST",
            "url": "https://api.openai.com/v1/chat/completions",
            "headers": {"authorization": "Bearer sk-1"},
            asked: body if asked == "json" else json.dumps(body),
        },
        "response": {"status_code": 200, "headers": {}, answered: answer if answered == "json" else json.dumps(answer)},
    }
    found = to_properties(record)
    assert to_event(record).uuid == to_event(answer).uuid
    assert (found["$ai_input"], found["$ai_http_status"], found["$ai_provider"]) == (MESSAGES, 200, "openai")
    assert found["$ai_request_url"] == "https://api.openai.com/v1/chat/completions"
    failed = {**record, "response": {"status_code": 429, answered: '{"error": {"message": "slow down"}}'}}
    assert (to_properties(failed)["$ai_error"], to_properties(failed)["$ai_http_status"]) == ("slow down", 429)


def test_a_message_with_a_status_is_no_recording() -> None:
    message = {"role": "assistant", "status": 200, "content": "Ho"}
    found = to_properties({"timestamp": CREATED, "model": "m", "prompt": "Hi", "response": message})
    assert found["$ai_output_choices"] == [{"role": "assistant", "content": [{"type": "text", "text": "Ho"}]}]


@pytest.mark.parametrize("asked", ["prompt", "query", "user_input", "userPrompt"])
@pytest.mark.parametrize("answered", ["response", "reply", "content", "generated_text", "modelResponse"])
def test_other_names_of_texts_are_believed_beside_what_the_answer_took(asked: str, answered: str) -> None:
    record = {"timestamp": CREATED, "model": "gpt-4o", asked: "Hi", answered: "Ho", "tokenUsage": {"promptTokens": 5}}
    found = to_properties(record)
    assert found["$ai_input"] == [{"role": "user", "content": "Hi"}]
    assert found["$ai_output_choices"] == [{"role": "assistant", "content": [{"type": "text", "text": "Ho"}]}]
    assert found["$ai_input_tokens"] == 5


QUOTAS = [{"rpm": 3}, {"limit": 5, "remaining_requests": 3}, {"cpu": 0.2, "memory_mb": 12}, {"percent": 80}, {"ms": 3}]


@pytest.mark.parametrize("usage", QUOTAS)
@pytest.mark.parametrize(
    "answered", [{"text": "rate limit reached"}, {"content": "checking the quota"}, {"output": {"score": 0.3}}]
)
def test_a_usage_that_says_nothing_of_an_answer_makes_none_of_a_text_beside_it(usage: Any, answered: Any) -> None:
    record = {"timestamp": CREATED, "model": "fraud-v2", "prompt": "Hi", "usage": usage, **answered}
    assert not hasattr(convert_value(record).result, "uuid")
    assert hasattr(convert_value({**record, "usage": {**usage, "tokens": 5}}).result, "uuid")


@pytest.mark.parametrize("record", [{"query": "SELECT 1", "response": "1"}, {"prompt": "Hi", "content": "Ho"}])
def test_other_names_of_texts_alone_are_no_call(record: Any) -> None:
    assert not hasattr(convert_value({"timestamp": CREATED, "model": "User", **record}).result, "uuid")


def test_the_text_of_a_logger_is_no_answer() -> None:
    record = {"timestamp": CREATED, "model": "m", "prompt": "Hi", "message": "llm call", "result": "ok"}
    assert to_rejection({**record, "usage": {"prompt_tokens": 5}}).code == "unknown-format"


def test_a_request_goes_before_a_text_that_may_be_a_part_of_it() -> None:
    record = {"timestamp": CREATED, "request": {"model": "m", "messages": MESSAGES}, "query": "q", "response": "Ho"}
    assert to_properties({**record, "usage": {"prompt_tokens": 5}})["$ai_input"] == MESSAGES


@pytest.mark.parametrize("said", [{"message": {"role": "assistant", "content": ""}}, {"response": ""}])
@pytest.mark.parametrize("reason", ["load", "unload"])
def test_that_ollama_loaded_a_model_is_no_call(said: Any, reason: str) -> None:
    answer = {"model": "llama3.2", "created_at": AT, **said, "done": True, "done_reason": reason}
    pair = {"timestamp": AT, "request": {"model": "llama3.2", "prompt": ""}, "response": answer}
    assert to_skip(answer).code == to_skip(pair).code == "not-a-model-call"
    assert to_properties({**answer, "done_reason": "stop"})["$ai_stop_reason"] == "stop"
    words = {"message": {"role": "assistant", "content": "Hi"}} if "message" in said else {"response": "Hi"}
    assert output_text(to_properties({**answer, **words})) == "Hi"
    assert to_properties({**answer, "eval_count": 2})["$ai_output_tokens"] == 2


@pytest.mark.parametrize("asked", ["input", "prompt"])
def test_an_instruction_beside_an_input_was_asked_too(asked: str) -> None:
    record = {"timestamp": CREATED, "model": "m", "instruction": "Translate", asked: "hello", "output": "hallo"}
    system = {"role": "system", "content": "Translate"}
    assert to_properties(record)["$ai_input"] == [system, {"role": "user", "content": "hello"}]
    alone = {**record, asked: "", "usage": {"completion_tokens": 2}}
    assert to_properties(alone)["$ai_input"] == [{"role": "user", "content": "Translate"}]
    assert to_properties({**record, "system": "Be brief"})["$ai_input"][0]["content"] == "Be brief"


@pytest.mark.parametrize("asked", ["Translate: hello", "### Instruction:\nTranslate\n### Input:\nhello", MESSAGES])
def test_an_instruction_that_a_prompt_already_has_is_said_once(asked: Any) -> None:
    record = {"timestamp": CREATED, "model": "m", "instruction": "Translate", "prompt": asked, "output": "hallo"}
    if isinstance(asked, list):
        record["instruction"] = asked[0]["content"]
    (message,) = to_properties(record)["$ai_input"]
    assert record["instruction"] in message["content"]


@pytest.mark.parametrize("flag", ["cache_hit", "cacheHit", "from_cache", "fromCache"])
def test_an_answer_out_of_an_applications_cache_cost_nothing(flag: str) -> None:
    record = {"timestamp": CREATED, "model": "gpt-4o", "prompt": "Hi", "response": "Ho", flag: True}
    counted = {**record, "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    for cached in (record, counted):
        found = to_properties(cached)
        assert (found["$ai_total_cost_usd"], found["$ai_cost_passthrough"]) == (0.0, True)
    assert to_properties({**counted, "cost": 0.25})["$ai_total_cost_usd"] == 0.25
    assert to_event(record).uuid == to_event({**record}).uuid


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Hi", "response": "Ho", "cache_hit": False},
        {"prompt": "Hi", "response": "Ho", "cached": True},  # a prompt may be cached, too
        {"prompt": "Hi", "response": "Ho", "cache_hit": "true"},
        {"prompt": "Hi", "response": "Ho", "cache_hit": True, "usage": {"prompt_tokens": 5, "cached_tokens": 4}},
        {"request": {"messages": MESSAGES}, "response": chat(), "cache_hit": True},  # one event with the call it is of
        {"prompt": "Hi", "error": "boom", "cache_hit": True},
    ],
)
def test_what_cost_something_is_not_said_to_have_cost_nothing(record: Any) -> None:
    assert "$ai_total_cost_usd" not in to_properties({"timestamp": CREATED, "model": "gpt-4o", **record})


@pytest.mark.parametrize("key", ["type", "kind", "span_kind", "spanType", "run_type"])
@pytest.mark.parametrize("kind", ["tool", "TOOL", "tool_result", "retriever"])
def test_what_a_tool_of_an_agent_was_given_and_gave_is_no_call_to_its_model(key: str, kind: str) -> None:
    step = {"timestamp": CREATED, "model": "gpt-4o", "input": "rivers", "output": "Oder, Elbe", "duration_ms": 5}
    assert to_rejection({**step, key: kind, "name": "search"}).code == "unknown-format"
    assert output_text(to_properties({**step, key: "llm"})) == "Oder, Elbe"


@pytest.mark.parametrize(
    "more", [{"usage": {"prompt_tokens": 5}}, {"completion_tokens": 2}, {"messages": MESSAGES}, {"cost": 0.02}]
)
def test_what_a_model_counted_or_was_asked_is_a_call_whatever_the_type(more: Any) -> None:
    step = {"timestamp": CREATED, "model": "gpt-4o", "input": "rivers", "output": "Oder, Elbe", "type": "tool"}
    assert output_text(to_properties({**step, **more})) == "Oder, Elbe"


@pytest.mark.parametrize(
    "options",
    [
        [{"label": "A", "text": "4"}, {"label": "B", "text": "5"}],
        [{"index": 0, "text": "4"}, {"index": 1, "text": "5"}],
    ],
)
@pytest.mark.parametrize("counted", [{}, {"usage": {"prompt_tokens": 5, "completion_tokens": 1}}])
def test_what_a_question_lets_choose_from_is_not_what_the_model_said(options: Any, counted: Any) -> None:
    """The rows of evaluations by multiple choice."""
    row = {"timestamp": CREATED, "model": "gpt-4o", "question": "2+2?", "choices": options, "answer": "A", **counted}
    found = to_properties(row)
    assert (found["$ai_input"], output_text(found)) == ([{"role": "user", "content": "2+2?"}], "A")
    assert "$ai_stream" not in found


def test_a_poll_is_no_answer() -> None:
    poll = {"created_at": CREATED, "model": "Poll", "choices": [{"text": "Yes", "votes": 3}, {"text": "No"}]}
    assert to_rejection(poll).code == "unknown-format"


@pytest.mark.parametrize("told", [{"created": CREATED}, {"usage": {"prompt_tokens": 5, "completion_tokens": 2}}])
def test_a_text_completion_of_which_little_was_kept_is_one(told: Any) -> None:
    assert output_text(to_properties({"timestamp": CREATED, "model": "m", "choices": [{"text": "Ho"}], **told})) == "Ho"


@pytest.mark.parametrize("ended", ["finish_reason", "finishReason", "stop_reason", "stopReason"])
def test_choices_that_say_why_they_ended_are_what_the_model_said(ended: str) -> None:
    answer = {"choices": [{"text": "Ho", ended: "eos"}, {"text": "Hi", ended: "eos"}]}
    found = to_properties({"timestamp": CREATED, "model": "m", "prompt": "Hi", "response": answer})
    assert [message["content"][0]["text"] for message in found["$ai_output_choices"]] == ["Ho", "Hi"]


def test_one_choice_alone_is_what_the_model_said() -> None:
    """And has the identity of the answer whose `id` it is, whatever a logger copied out of it."""
    record = {"timestamp": CREATED, "id": "cmpl-1", "model": "m", "prompt": "Hi", "choices": [{"text": "Ho", "n": 1}]}
    assert output_text(to_properties(record)) == "Ho"
    assert to_event({**record, "output": "Ho"}).uuid == to_event(record).uuid


@pytest.mark.parametrize("status", ["pending", "queued", "scheduled", "running", "skipped", "PENDING"])
def test_a_task_that_has_not_run_yet_is_no_call(status: str) -> None:
    task = {"created_at": CREATED, "model": "gpt-4o", "prompt": "Hi", "response": "", "status": status}
    assert to_rejection(task).code == "no-response"
    assert output_text(to_properties({**task, "response": "Ho"})) == "Ho"
    assert to_properties({**task, "status": "completed"})["$ai_input"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    "took",
    [
        {"usage": {"prompt_tokens": 5, "completion_tokens": 2}},
        {"output_tokens": 2},
        {"cost": 0.02},
        {"finish_reason": "content_filter"},
        {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    ],
)
def test_a_task_with_what_an_answer_took_has_run_whatever_its_status(took: Any) -> None:
    """A logger that blanks texts, or never looks at the status again."""
    task = {"created_at": CREATED, "model": "gpt-4o", "prompt": "Hi", "response": "", "status": "in_progress", **took}
    assert to_properties(task)["$ai_input"] == [{"role": "user", "content": "Hi"}]
