"""Calls that fail: LiteLLM's mock errors, errors of each class, timeouts, streams that break."""

from dataclasses import replace

from compat.scenarios._scenario import Made, Scenario, chat

_MOCKED = (
    "litellm.RateLimitError",
    "litellm.ContextWindowExceededError",
    "litellm.InternalServerError",
    "Exception: content_filter_policy",
)
_WHERE = {"llm_provider": "openai", "model": "gpt-4o"}
_FORBIDDEN = Made(
    "httpx.Response",
    {"status_code": 403, "request": Made("httpx.Request", {"method": "POST", "url": "https://llm.example.com"})},
)
_LONG = "The request was: " + "too long " * 600
_LEAKY = "Incorrect API key provided: sk-invented0123456789abcdef. Bearer abcdefghijklmnop"
_TRACED = 'It broke.\nTraceback (most recent call last):\n  File "/app/x.py", line 1, in f\nKeyError: 1'
_RAISED = (
    Made("AuthenticationError", {"message": _LEAKY, **_WHERE}),
    Made("BadRequestError", {"message": "Unknown parameter.", **_WHERE}),
    Made("NotFoundError", {"message": "No such model.", **_WHERE}),
    Made("PermissionDeniedError", {"message": "Not yours.", **_WHERE, "response": _FORBIDDEN}),
    Made("RateLimitError", {"message": "Slow down.", **_WHERE}),
    Made("ServiceUnavailableError", {"message": "Try later.", **_WHERE}),
    Made("APIConnectionError", {"message": _TRACED, **_WHERE}),
    Made("ContentPolicyViolationError", {"message": _LONG, **_WHERE}),
    Made("APIError", {"status_code": 529, "message": "", **_WHERE}),
)

_CALLS: tuple[Scenario, ...] = (
    *(chat(f"failure: mock {error}", mock_response=error) for error in _MOCKED),
    *(chat(f"failure: mock {error}, async", "acompletion", mock_response=error) for error in _MOCKED),
    *(chat(f"failure: {made.kind}", mock_response=made) for made in _RAISED),
    *(chat(f"failure: {made.kind}, async", "acompletion", mock_response=made, user="end-9") for made in _RAISED),
    chat("failure: timeout", mock_timeout=True, timeout=0.02),
    chat("failure: timeout, async", "acompletion", logged=2, doubled=1, mock_timeout=True, timeout=0.02),
    chat("failure: stream breaks", "stream", stream=True, mock_response="Exception: mock_streaming_error"),
    chat("failure: stream breaks, async", "astream", stream=True, mock_response="Exception: mock_streaming_error"),
    chat("failure: provider unknown", "acompletion", logged=2, doubled=1, model="no-such-provider/m"),
    Scenario(
        "failure: embedding", "embedding", {"model": "text-embedding-3-small", "input": "a", "mock_response": "error"}
    ),
    Scenario(
        "failure: embedding, async",
        "aembedding",
        {"model": "text-embedding-3-small", "input": "a", "mock_response": "error"},
    ),
)

FAILURES: tuple[Scenario, ...] = tuple(replace(scenario, failed=scenario.logged) for scenario in _CALLS)
