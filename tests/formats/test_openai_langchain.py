"""What LangChain's and LlamaIndex's callbacks dump, in the place of messages and of an answer."""

from typing import Any

import pytest

from tests.converting import convert_value, to_event, to_properties, to_rejection
from tests.formats.test_openai import CREATED

ABOUT = {
    "token_usage": {"prompt_tokens": 17, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}},
    "model_name": "gpt-4o-2024-08-06",
    "model_provider": "openai",
    "id": "chatcmpl-AbC123def456GHI789jk",
    "finish_reason": "tool_calls",
}
CALL = {"name": "tide", "args": {"port": "Kiel"}, "id": "call_1", "type": "tool_call"}
SAID: dict[str, Any] = {
    "content": "Look.", "additional_kwargs": {}, "response_metadata": ABOUT, "type": "ai", "id": "lc_run--1",
    "tool_calls": [CALL], "invalid_tool_calls": [],
}  # fmt: skip
COUNTED = {
    "input_tokens": 17, "output_tokens": 9, "total_tokens": 26, "input_token_details": {"cache_read": 4},
}  # fmt: skip
STREAMED = {
    **SAID, "type": "AIMessageChunk", "usage_metadata": COUNTED,
    "response_metadata": {key: value for key, value in ABOUT.items() if key != "token_usage"},
}  # fmt: skip
ASKED = [
    {"content": "Be brief.", "additional_kwargs": {}, "type": "system"},
    {"content": "Tide?", "type": "human", "name": None, "id": None},
    {"content": "", "type": "ai", "tool_calls": [CALL]},
    {"content": "high", "type": "tool", "tool_call_id": "call_1"},
]
SERIALIZED = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "AIMessage"], "kwargs": SAID}
RESULT: dict[str, Any] = {
    "generations": [[{"text": "Look.", "message": SAID}]],
    "llm_output": ABOUT,
    "run": None,
    "type": "LLMResult",
}


@pytest.mark.parametrize("answer", [SAID, STREAMED, SERIALIZED, RESULT, {**RESULT, "llm_output": None}])
@pytest.mark.parametrize("asked", [ASKED, [ASKED]])
def test_a_dumped_answer_is_the_chat_completion_that_it_was(answer: Any, asked: Any) -> None:
    record = {"timestamp": CREATED, "messages": asked, "response": answer, "latency_ms": 812}
    found = to_properties(record)
    function = {"name": "tide", "arguments": '{"port":"Kiel"}'}
    assert found["$ai_output_choices"] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Look."},
                {"type": "function", "id": "call_1", "function": function},
            ],
        }
    ]
    assert [message["role"] for message in found["$ai_input"]] == ["system", "user", "assistant", "tool"]
    assert found["$ai_input"][2]["tool_calls"][0]["function"]["name"] == "tide"
    assert (found["$ai_input_tokens"], found["$ai_output_tokens"], found["$ai_cache_read_input_tokens"]) == (17, 9, 4)
    assert (found["$ai_model"], found["$ai_stop_reason"]) == ("gpt-4o-2024-08-06", "tool_calls")
    assert (found["$ai_span_id"], found["$ai_provider"], found["$ai_latency"]) == (
        "chatcmpl-AbC123def456GHI789jk",
        "openai",
        0.812,
    )
    assert convert_value(record).format == "openai-chat"


def test_answers_whose_ids_are_numbers_are_as_many_calls() -> None:
    """Ollama's; of an answer's second, which tells them apart, LangChain keeps nothing."""
    numbered = {**SAID, "response_metadata": {**ABOUT, "id": "chatcmpl-421"}}
    first, second = (
        to_event({"timestamp": CREATED + seconds, "messages": ASKED, "response": numbered}) for seconds in (0, 9)
    )
    assert first.uuid != second.uuid


def test_results_of_several_prompts_are_no_call() -> None:
    several = {**RESULT, "generations": RESULT["generations"] * 2}
    assert to_rejection({"timestamp": CREATED, "prompts": ["a", "b"], "response": several}).code == "unknown-format"


def test_a_message_alone_is_no_call() -> None:
    assert to_rejection(SAID).code == "unknown-format"
    assert to_rejection(SERIALIZED).code == "unknown-format"


def test_the_blocks_of_llamaindexs_messages_are_their_content() -> None:
    asked = [{"role": "user", "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": "Tide?"}]}]
    record = {"timestamp": CREATED, "model": "gpt-4o", "messages": asked, "response": "high"}
    assert to_properties(record)["$ai_input"] == [{"role": "user", "content": [{"type": "text", "text": "Tide?"}]}]
    assert to_event(record).name == "$ai_generation"
