"""What LiteLLM does around a call: the router's retries and fallbacks, its cache, redaction, and its logger under load."""

from typing import Any

from compat.scenarios._scenario import ASK, CALLED, TOOL, Scenario, answered, chat

_GOOD = {
    "model_name": "good",
    "litellm_params": {"model": "gpt-4o", "mock_response": "Paris.", "api_key": "sk-invented-0001"},
}
_LIMITED = {
    "model_name": "limited",
    "litellm_params": {
        "model": "gpt-4o-mini",
        "mock_response": "litellm.RateLimitError",
        "api_key": "sk-invented-0001",
    },
}


def _router(
    name: str, ask: str, settings: dict[str, Any], *, logged: int = 1, failed: int = 0, **arguments: Any
) -> Scenario:
    router = {
        "model_list": [_GOOD, _LIMITED],
        "num_retries": 0,
        "retry_after": 0,
        "disable_cooldowns": True,
        **settings,
    }
    return Scenario(f"router: {name}", ask, {"router": router, "messages": ASK, **arguments}, logged, failed)


_ROUTED = (
    _router("one deployment", "router_acompletion", {}, model="good"),
    _router("one deployment, sync", "router_completion", {}, model="good", metadata={"user_id": "anna", "tags": ["t"]}),
    _router("alias", "router_acompletion", {"model_group_alias": {"other": "good"}}, model="other"),
    _router("fallback", "router_acompletion", {"fallbacks": [{"limited": ["good"]}]}, logged=2, failed=1, model="limited",
            metadata={"session_id": "s-1", "user_id": "anna"}),
    _router("a retry, then a fallback", "router_acompletion", {"num_retries": 1, "fallbacks": [{"limited": ["good"]}]},
            logged=3, failed=2, model="limited"),
    _router("a retry in vain", "router_acompletion", {"num_retries": 1}, logged=2, failed=2, model="limited"),
    _router("stream", "router_astream", {}, model="good", stream=True),
)  # fmt: skip

_CACHED = (
    chat("cache: second of two", "cached_acompletion", logged=2),
    chat("cache: second of two, sync", "cached_completion", logged=2),
    chat("cache: second of two streams", "cached_astream", logged=2, stream=True),
    Scenario("cache: second of two embeddings", "cached_aembedding", {
        "model": "text-embedding-3-small", "input": ["One."], "mock_response": [0.1, 0.2]}, 2),
)  # fmt: skip

_REDACTED_GLOBALLY = {"turn_off_message_logging": True}
_THOUGHT = answered({"content": "Paris.", "reasoning_content": "A secret thought."})

_REDACTED = (
    Scenario("redacted: chat", "completion", {"model": "gpt-4o", "messages": ASK, "mock_response": "Paris."}, settings=_REDACTED_GLOBALLY),
    Scenario("redacted: reasoning and tools", "acompletion", {
        "model": "gpt-4o", "messages": ASK, "tools": [TOOL], "mock_response": _THOUGHT}, settings=_REDACTED_GLOBALLY),
    Scenario("redacted: stream", "astream", {
        "model": "gpt-4o", "messages": ASK, "mock_response": "Paris.", "stream": True}, settings=_REDACTED_GLOBALLY),
    Scenario("redacted: tool call", "acompletion", {
        "model": "gpt-4o", "messages": ASK, "tools": [TOOL], "mock_tool_calls": [CALLED]}, settings=_REDACTED_GLOBALLY),
    Scenario("redacted: text completion", "text_completion", {
        "model": "gpt-3.5-turbo-instruct", "prompt": "Once", "mock_response": " more."}, settings=_REDACTED_GLOBALLY),
    Scenario("redacted: responses", "aresponses", {
        "model": "gpt-4o", "input": "q", "instructions": "A secret order.", "mock_response": "Paris."}, logged=2, doubled=1, settings=_REDACTED_GLOBALLY),
    Scenario("redacted: embedding", "aembedding", {
        "model": "text-embedding-3-small", "input": "A secret.", "mock_response": [0.1]}, settings=_REDACTED_GLOBALLY),
    Scenario("redacted: failure", "acompletion", {
        "model": "gpt-4o", "messages": ASK, "mock_response": "litellm.RateLimitError"}, failed=1, settings=_REDACTED_GLOBALLY),
    chat("redacted: one request of its own will", "acompletion", turn_off_message_logging=True),
)  # fmt: skip

_LOAD = (
    chat("load: logged while a request is in flight", "in_flight", logged=3),
    chat("load: PostHog answers 500", "refused", logged=2),
)

RUNNING: tuple[Scenario, ...] = (*_ROUTED, *_CACHED, *_REDACTED, *_LOAD)
