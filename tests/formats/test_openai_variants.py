"""Records of single servers and loggers, invented after their documented answers: whose they are, what they cost."""

from typing import Any

import pytest

from tests.converting import convert_value, to_properties
from tests.formats.test_openai import CREATED, MESSAGES, chat

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
