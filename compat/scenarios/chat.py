"""Chats: streams, providers, contents of question and answer, tools, parameters, prices."""

from typing import Any

from compat.scenarios._scenario import ASK, CALLED, TOOL, Scenario, answered, chat

PIXEL = "data:image/png;base64," + "iVBORw0KGgo" * 24


def _said(content: Any, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": content}]


_WAYS = (
    chat("chat: sync"),
    chat("chat: async", "acompletion"),
    chat("chat: stream, sync", "stream", mock_response="Paris, of course.", stream=True),
    chat("chat: stream, async", "astream", mock_response="Paris, of course.", stream=True),
    chat("chat: stream with usage", "astream", stream=True, stream_options={"include_usage": True}),
    chat("chat: stream in two choices", "stream", stream=True, n=2),
    chat("chat: slow answer", "acompletion", mock_delay=0.02),
    chat("chat: two at once", "batch_completion", logged=2, messages=[ASK, _said("Capital of Italy?")]),
)

_MODELS = tuple(
    chat(f"model: {model}", model=model)
    for model in (
        "gpt-4o-mini",
        "openai/gpt-4o",
        "azure/gpt-4o",
        "anthropic/claude-3-5-sonnet-20240620",
        "anthropic/claude-3-haiku-20240307",
        "gemini/gemini-1.5-pro",
        "vertex_ai/gemini-1.5-flash",
        "bedrock/anthropic.claude-3-sonnet-20240229-v1:0",
        "groq/llama-3.1-8b-instant",
        "mistral/mistral-large-latest",
        "deepseek/deepseek-chat",
        "openrouter/openai/gpt-4o",
        "together_ai/meta-llama/Llama-3-8b-chat-hf",
        "perplexity/sonar",
        "ollama/llama3",
        "openai/a-model-of-our-own",
    )
)

_QUESTIONS = (
    chat("question: letters of many scripts", messages=_said('Größe? 日本語 עברית 👩‍🔬 \u2028 \u0085 and \\n "quoted"')),
    chat("question: half a character", messages=_said("cut here \ud83d"), mock_response="half \ude00 too"),
    chat("question: control characters", messages=_said("tab\tnull\u0000bell\u0007")),
    chat("question: empty text", messages=_said("")),
    chat("question: no messages", messages=[]),
    chat("question: null content", messages=[*ASK, {"role": "assistant", "content": None, "tool_calls": [CALLED]}]),
    chat("question: long", messages=_said("word " * 4000)),
    chat("question: image by URL", messages=_said([
        {"type": "text", "text": "Which bird?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/bird.jpg", "detail": "low"}},
    ])),
    chat("question: image inside", messages=_said([
        {"type": "text", "text": "Which bird?"}, {"type": "image_url", "image_url": {"url": PIXEL}},
    ])),
    chat("question: audio inside", model="openai/gpt-4o-audio-preview", messages=_said([
        {"type": "text", "text": "What is said?"},
        {"type": "input_audio", "input_audio": {"data": "UklGRiQAAABX" * 40, "format": "wav"}},
    ])),
    chat("question: named speaker, cache mark", messages=[
        {"role": "system", "content": [{"type": "text", "text": "Terse.", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "name": "anna", "content": "Hi"},
    ]),
    chat("question: a tool's history", tools=[TOOL], messages=[
        *ASK,
        {"role": "assistant", "content": "", "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "call_1", "name": "look_up", "content": '{"found": true}'},
    ]),
    chat("question: developer, old function call", messages=[
        {"role": "developer", "content": "Terse."},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
    ]),
)  # fmt: skip

_CITED = {
    "type": "url_citation",
    "url_citation": {"url": "https://example.com", "title": "t", "start_index": 0, "end_index": 3},
}

_ANSWERS = (
    chat("answer: tool call", "acompletion", tools=[TOOL], tool_choice="auto", mock_tool_calls=[CALLED]),
    chat("answer: two tool calls, broken arguments", tools=[TOOL], mock_response=answered({
        "content": None,
        "tool_calls": [CALLED, {"id": "call_2", "type": "function", "function": {"name": "look_up", "arguments": '{"to'}}],
    }, finish_reason="tool_calls")),
    chat("answer: old function call", mock_response=answered(
        {"content": None, "function_call": {"name": "f", "arguments": "{}"}}, finish_reason="function_call"
    )),
    chat("answer: three choices", "acompletion", n=3),
    chat("answer: empty", mock_response=answered({"content": ""})),
    chat("answer: null", mock_response=answered({"content": None})),
    chat("answer: cut at the limit", mock_response=answered({"content": "Par"}, finish_reason="length")),
    chat("answer: filtered", mock_response=answered({"content": ""}, finish_reason="content_filter")),
    chat("answer: refusal", mock_response=answered({"content": None, "provider_specific_fields": {"refusal": "I won't."}})),
    chat("answer: reasoning", model="deepseek/deepseek-reasoner", mock_response=answered(
        {"content": "Paris.", "reasoning_content": "France, hence Paris."},
        {"prompt_tokens": 9, "completion_tokens": 40, "total_tokens": 49, "completion_tokens_details": {"reasoning_tokens": 30}},
    )),
    chat("answer: thinking blocks", model="anthropic/claude-3-7-sonnet-20250219", mock_response=answered({
        "content": "Paris.", "reasoning_content": "Hm.",
        "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}],
    })),
    chat("answer: citation", mock_response=answered({"content": "See [1].", "annotations": [_CITED]})),
    chat("answer: audio", model="openai/gpt-4o-audio-preview", modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"},
         mock_response=answered({"content": None, "audio": {
             "id": "audio_1", "data": "UklGRiQAAABX" * 40, "expires_at": 1795999999, "transcript": "Paris."}})),
    chat("answer: a dictionary", mock_response={"model": "gpt-4o", "choices": [{"message": {"content": "Paris."}}]}),
    chat("answer: cached tokens", mock_response=answered({"content": "Paris."}, {
        "prompt_tokens": 2000, "completion_tokens": 5, "total_tokens": 2005, "prompt_tokens_details": {"cached_tokens": 1500}})),
    chat("answer: cache read and written", model="anthropic/claude-3-5-sonnet-20240620", mock_response=answered(
        {"content": "Paris."}, {"prompt_tokens": 2025, "completion_tokens": 5, "total_tokens": 2030,
         "cache_read_input_tokens": 1500, "cache_creation_input_tokens": 500})),
    chat("answer: no tokens counted", mock_response=answered(
        {"content": "Paris."}, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})),
)  # fmt: skip

_SCHEMA = {"type": "json_schema", "json_schema": {"name": "town", "schema": {"type": "object"}, "strict": True}}

_PARAMETERS = (
    chat(
        "parameters: many",
        temperature=0,
        top_p=0.9,
        max_tokens=64,
        stop=["\n\n"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        logprobs=True,
        top_logprobs=2,
        logit_bias={"50256": -100},
        user="u-17",
    ),
    chat("parameters: structured answer", response_format=_SCHEMA, mock_response='{"town": "Paris"}'),
    chat("parameters: effort", model="o3-mini", reasoning_effort="low", max_completion_tokens=100),
    chat("parameters: thinking", model="anthropic/claude-3-7-sonnet-20250219", thinking={"type": "enabled", "budget_tokens": 1024}),
    chat("parameters: forced tool", tools=[TOOL], tool_choice={"type": "function", "function": {"name": "look_up"}},
         parallel_tool_calls=False, mock_tool_calls=[CALLED]),
    chat("parameters: service tier", service_tier="flex"),
    chat("tools: Anthropic's dialect", model="anthropic/claude-3-5-sonnet-20240620", tools=[
        {"name": "look_up", "description": "d", "input_schema": {"type": "object", "properties": {}}}]),
    chat("tools: an MCP server with its key", model="anthropic/claude-3-5-sonnet-20240620", tools=[
        {"type": "mcp", "server_label": "s", "server_url": "https://u:p@mcp.example.com/x?key=1", "require_approval": "never",
         "headers": {"Authorization": "Bearer invented"}, "authorization": "invented-too"}]),
    chat("price: of the caller", model="openai/a-model-of-our-own", input_cost_per_token=0.001, output_cost_per_token=0.002),
    chat("price: free", model="openai/a-model-of-our-own", input_cost_per_token=0.0, output_cost_per_token=0.0),
    chat("base URL: of the caller", api_base="https://llm.example.com/v1/", api_key="sk-invented-0001"),
    chat("base URL: with user and query", api_base="https://anna:secret@llm.example.com/v1?key=k", api_key="sk-invented-0001"),
)  # fmt: skip

CHAT: tuple[Scenario, ...] = (*_WAYS, *_MODELS, *_QUESTIONS, *_ANSWERS, *_PARAMETERS)
