"""One invented record each of the shapes that logs have: LiteLLM's payload with and without its price table, OpenAI's.

A shape takes a `Draw` (what this call says) and returns the record; the sizes are decided by who draws.
"""

import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

BEGIN = datetime(2025, 6, 1, tzinfo=UTC).timestamp()

MODELS = (
    ("openai", "gpt-4o", 2.5e-6, 1e-5),
    ("openai", "gpt-4o-mini", 1.5e-7, 6e-7),
    ("anthropic", "claude-sonnet-4-5", 3e-6, 1.5e-5),
)
_PRICE_KEYS = tuple(
    f"{side}_cost_per_{unit}{when}"
    for side in ("input", "output", "cache_read_input", "cache_creation_input")
    for unit in ("token", "character", "audio_token", "image_token", "video_token", "second", "image", "query")
    for when in ("", "_batches", "_flex", "_priority", "_above_200k_tokens", "_above_272k_tokens")
)
_KEY_FIELDS = (
    "user_api_key_hash", "user_api_key_org_id", "user_api_key_team_id", "user_api_key_user_id",
    "user_api_key_team_alias", "user_api_key_user_email", "user_api_key_end_user_id", "requester_ip_address",
)  # fmt: skip
_NEWER_KEY_FIELDS = (
    "user_api_key_spend", "user_api_key_max_budget", "user_api_key_budget_reset_at", "user_api_key_user_spend",
    "user_api_key_user_max_budget", "user_api_key_team_spend", "user_api_key_team_max_budget",
    "user_api_key_org_alias", "user_api_key_project_id", "user_api_key_project_alias", "spend_logs_metadata",
    "prompt_management_metadata", "mcp_tool_call_metadata", "vector_store_request_metadata", "routing_decision",
    "cold_storage_object_key", "user_api_key_auth_metadata", "team_alias", "team_id", "used_client_oauth_token",
)  # fmt: skip
_HEADERS = MappingProxyType({
    "x_ratelimit_limit_requests": 10000, "x_ratelimit_limit_tokens": 200000, "x_ratelimit_remaining_requests": 9999,
    "x_ratelimit_remaining_tokens": 199900, "llm_provider-server": "cloudflare",
    "llm_provider-date": "Sun, 01 Jun 2025 10:00:00 GMT", "llm_provider-content-type": "application/json",
    "llm_provider-x-ratelimit-limit-requests": "10000", "llm_provider-x-ratelimit-limit-tokens": "200000",
    "llm_provider-x-ratelimit-remaining-requests": "9999", "llm_provider-x-ratelimit-remaining-tokens": "199900",
    "llm_provider-x-ratelimit-reset-requests": "6ms", "llm_provider-x-ratelimit-reset-tokens": "0s",
    "llm_provider-openai-processing-ms": "412", "llm_provider-openai-organization": "org-invented",
    "x-litellm-model-group": "gpt-4o", "x-litellm-attempted-retries": 0, "x-litellm-attempted-fallbacks": 0,
})  # fmt: skip
_NEWER_FIELDS = (
    "cache_key", "autorouter_savings", "autorouter_savings_estimate", "autorouter_baseline_observation",
    "response_cost_failure_debug_info", "zero_cost_diagnostic", "guardrail_information",
)  # fmt: skip
_NO_ERROR = MappingProxyType(
    {"error_code": "", "error_class": "", "llm_provider": "", "traceback": "", "error_message": ""}
)

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Draw:
    """What one call says: its place in the log, its prompt (a system text, then turns) and its answer."""

    chance: random.Random
    index: int
    system: str
    turns: tuple[str, ...]
    answer: str

    @property
    def ended_at(self) -> float:
        """Seconds since the epoch: two calls a second, from 2025-06-01 on."""
        return BEGIN + self.index * 0.5

    @property
    def messages(self) -> list[Record]:
        """The prompt as OpenAI's messages; the last one is the user's."""
        roles = ("user", "assistant")
        said = [{"role": roles[(len(self.turns) - 1 - at) % 2], "content": text} for at, text in enumerate(self.turns)]
        return [{"role": "system", "content": self.system}, *said]

    @property
    def tokens(self) -> tuple[int, int]:
        """Input and output tokens: about four characters each."""
        return (len(self.system) + sum(map(len, self.turns))) // 4 + 1, len(self.answer) // 4 + 1

    def identifier(self) -> str:
        """Return a random UUID."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))


def litellm(draw: Draw) -> Record:
    """Return a StandardLoggingPayload of 2025, as a proxy logs it, of a model that is not in LiteLLM's price map."""
    provider, model, price_in, price_out = draw.chance.choice(MODELS)
    tokens_in, tokens_out = draw.tokens
    seconds = draw.chance.uniform(0.2, 9)
    answer_id = f"chatcmpl-{draw.identifier()}"
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    cost_in, cost_out = tokens_in * price_in, tokens_out * price_out
    return {
        "id": answer_id,
        "litellm_call_id": draw.identifier(),
        "trace_id": draw.identifier(),
        "call_type": "acompletion",
        "cache_hit": None,
        "stream": None,
        "status": "success",
        "status_fields": {"llm_api_status": "success", "guardrail_status": "not_run"},
        "custom_llm_provider": provider,
        "saved_cache_cost": 0.0,
        "startTime": draw.ended_at - seconds,
        "endTime": draw.ended_at,
        "completionStartTime": draw.ended_at,
        "response_time": seconds,
        "model": model,
        "metadata": {
            **dict.fromkeys(_KEY_FIELDS),
            "user_api_key_alias": f"team-{draw.index % 7}",
            "requester_metadata": {"feature": draw.chance.choice(("search", "chat")), "release": draw.index % 12},
            "usage_object": usage,
        },
        "response_cost": cost_in + cost_out,
        "cost_breakdown": {"input_cost": cost_in, "output_cost": cost_out, "total_cost": cost_in + cost_out},
        **usage,
        "request_tags": ["User-Agent: my-app"],
        "end_user": f"customer-{draw.index % 997}",
        "api_base": "https://api.example.com/v1/",
        "model_group": model,
        "model_id": "deployment-1",
        "requester_ip_address": None,
        "messages": draw.messages,
        "response": {
            "id": answer_id,
            "created": int(draw.ended_at),
            "model": model,
            "object": "chat.completion",
            "choices": [
                {
                    "finish_reason": "stop",
                    "index": 0,
                    "message": {"content": draw.answer, "role": "assistant", "tool_calls": None, "function_call": None},
                }
            ],
            "usage": usage,
        },
        "model_parameters": {"temperature": 0.2, "max_tokens": 1024},
        "hidden_params": {
            "model_id": "deployment-1",
            "api_base": "https://api.example.com/v1/",
            "additional_headers": {},
        },
        "model_map_information": {"model_map_key": model, "model_map_value": None},
        "error_str": None,
        "error_information": _NO_ERROR.copy(),
    }


def litellm_priced(draw: Draw) -> Record:
    """Return the same by a LiteLLM of 2026: more fields, the provider's headers, and the model's price map entry."""
    record = litellm(draw)
    record |= dict.fromkeys(_NEWER_FIELDS)
    record["metadata"] |= dict.fromkeys(_NEWER_KEY_FIELDS)
    headers = {**_HEADERS, "llm_provider-x-request-id": f"req_{draw.chance.getrandbits(64):016x}"}
    record["hidden_params"] |= {"additional_headers": headers, "litellm_overhead_time_ms": draw.chance.random() * 100}
    prices = {"key": record["model"], "max_tokens": 16384, "max_input_tokens": 128000, **dict.fromkeys(_PRICE_KEYS)}
    record["model_map_information"]["model_map_value"] = prices | {
        "input_cost_per_token": 2.5e-6,
        "output_cost_per_token": 1e-5,
    }
    return record


def chat_completion(draw: Draw) -> Record:
    """Return OpenAI's answer alone, as many a script keeps it."""
    tokens_in, tokens_out = draw.tokens
    return {
        "id": f"chatcmpl-{draw.identifier()}",
        "object": "chat.completion",
        "created": int(draw.ended_at),
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": draw.answer, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    }


def pair_chat(draw: Draw) -> Record:
    """Return a request with its chat completion."""
    request = {"model": "gpt-4o", "temperature": 0.7, "messages": draw.messages}
    return {**_about(draw), "request": request, "response": chat_completion(draw)}


def pair_responses(draw: Draw) -> Record:
    """Return a request to the Responses API with its answer."""
    tokens_in, tokens_out = draw.tokens
    answer = {"type": "output_text", "text": draw.answer, "annotations": [], "logprobs": []}
    item = {"id": f"msg_{draw.identifier()}", "type": "message", "status": "completed", "role": "assistant"}
    request = {"model": "gpt-4.1", "instructions": draw.system, "input": draw.messages[1:]}
    response = {
        "id": f"resp_{draw.identifier()}",
        "object": "response",
        "created_at": int(draw.ended_at),
        "status": "completed",
        "error": None,
        "model": "gpt-4.1-2025-04-14",
        "output": [{**item, "content": [answer]}],
        "parallel_tool_calls": True,
        "tools": [],
        "usage": {
            "input_tokens": tokens_in,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": tokens_out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": tokens_in + tokens_out,
        },
    }
    return {**_about(draw), "request": request, "response": response}


def homegrown_flat(draw: Draw) -> Record:
    """Return a line of a home-made log: one object, no nesting."""
    tokens_in, tokens_out = draw.tokens
    return {
        "utc_time": datetime.fromtimestamp(draw.ended_at, UTC).isoformat(),
        "model": "o4-mini",
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "cost_usd": round(tokens_in * 1e-6 + tokens_out * 4e-6, 6),
        "prompt_text": "\n\n".join((draw.system, *draw.turns)),
        "response_text": draw.answer,
    }


def _about(draw: Draw) -> Record:
    return {
        "timestamp": datetime.fromtimestamp(draw.ended_at, UTC).isoformat(),
        "latency": round(draw.chance.uniform(0.2, 9), 3),
        "user": f"customer-{draw.index % 997}",
    }


Shape = Callable[[Draw], Record]

OPENAI: Mapping[Shape, float] = MappingProxyType(
    {pair_chat: 0.55, pair_responses: 0.2, chat_completion: 0.15, homegrown_flat: 0.1}
)
"""OpenAI's shapes, and how often each is drawn."""
