"""Calls that LiteLLM has no mock for, or that its mocks show only in part: made against `compat.provider`."""

from typing import Any

from compat.scenarios._scenario import ASK, TOOL, Made, Scenario

_OPENAI = {"model": "openai/gpt-4o", "api_base": "{posthog}/v1", "api_key": "sk-invented-0001", "max_retries": 0}
_CLAUDE = {**_OPENAI, "model": "anthropic/claude-3-5-sonnet-20240620", "api_base": "{posthog}", "max_tokens": 20}
_STATUSES = (400, 401, 403, 404, 422, 429, 500, 503)


def _call(name: str, ask: str, *, failed: int = 0, doubled: int = 0, **arguments: Any) -> Scenario:
    return Scenario(f"upstream: {name}", ask, {**_OPENAI, **arguments}, 1 + doubled, failed, doubled=doubled)


def _failing(status: int) -> str:
    return f"{{posthog}}/as/{status}/v1"


UPSTREAM: tuple[Scenario, ...] = (
    _call("chat", "completion", messages=ASK, tools=[TOOL]),
    _call("chat, async", "acompletion", messages=ASK, api_base="{posthog}/v1/"),
    _call("chat, stream", "stream", messages=ASK, stream=True),
    _call("chat, stream, async", "astream", messages=ASK, stream=True, stream_options={"include_usage": True}),
    _call("chat, redacted", "acompletion", messages=ASK, tools=[TOOL], turn_off_message_logging=True),
    _call("text", "atext_completion", model="text-completion-openai/gpt-3.5-turbo-instruct", prompt="Once upon a"),
    _call("embedding", "aembedding", model="openai/text-embedding-3-small", input=["One.", "Two."]),
    _call("responses", "aresponses", input="Capital of France?", instructions="Be brief.", tools=[{"type": "function", **TOOL["function"]}],
          metadata={"user_id": "anna", "feature": "x"}),
    _call("responses, effort", "aresponses", model="openai/o3-mini", input="Capital of France?", reasoning={"effort": "low"}),
    _call("responses, sync", "responses", input="Capital of France?", temperature=0.1),
    _call("responses, stream", "responses_stream", input="Capital of France?", stream=True, doubled=1),
    _call("responses, stream, async", "aresponses_stream", input="Capital of France?", stream=True),
    _call("responses, failing", "aresponses", input="Capital of France?", api_base=_failing(429), failed=1),
    _call("responses, redacted", "aresponses", input="A secret?", instructions="A secret order.", turn_off_message_logging=True),
    Scenario("upstream: Anthropic chat", "acompletion", {**_CLAUDE, "messages": ASK}),
    Scenario("upstream: Anthropic chat, stream", "astream", {**_CLAUDE, "messages": ASK, "stream": True}),
    Scenario("upstream: Anthropic messages", "messages", {**_CLAUDE, "messages": ASK[1:], "system": "Be brief."}),
    _call("image", "aimage_generation", doubled=1, model="openai/gpt-image-1", prompt="a wren", size="1024x1024"),
    _call("speech", "aspeech", doubled=1, model="openai/tts-1", input="Paris.", voice="alloy"),
    _call("transcription", "atranscription", doubled=1, model="openai/whisper-1", file=Made("io.BytesIO", {"initial_bytes": b"RIFF" + bytes(64)})),
    _call("moderation", "amoderation", doubled=1, model="omni-moderation-latest", input="I like wrens."),
    _call("rerank", "arerank", doubled=1, model="cohere/rerank-english-v3.0", query="bird?", documents=["a town", "a wren"], api_base="{posthog}"),
    *(_call(f"{status}, sync", "completion", messages=ASK, api_base=_failing(status), failed=1) for status in _STATUSES),
    *(_call(f"{status}, async", "acompletion", messages=ASK, api_base=_failing(status), failed=1) for status in _STATUSES),
    _call("embedding failing", "aembedding", model="openai/text-embedding-3-small", input="One.", api_base=_failing(500), failed=1),
)  # fmt: skip
