"""Which fields of a record tell a property: what a reader may look for in its logs where no call of a format has it.

Only the usual ones are named. A law in tests/preview/test_fields.py puts each of them into a record and sees that the
property is there.
"""

from collections.abc import Mapping
from types import MappingProxyType

_Fields = Mapping[str, tuple[str, ...]]

_PAYLOAD: _Fields = {
    "user": ("end_user", "model_parameters.user"),
    "own trace": ("trace_id",),
    "session": ("session_id",),
    "provider": ("custom_llm_provider",),
    "base_url": ("api_base",),
    "input": ("messages",),
    "output": ("response",),
    "input_tokens": ("prompt_tokens",),
    "output_tokens": ("completion_tokens",),
    "cost": ("response_cost",),
    "latency": ("endTime",),
    "tools": ("model_parameters.tools",),
    "model_parameters": ("model_parameters.temperature",),
    "stream": ("stream",),
    "service_tier": ("response.service_tier",),
}
_CALLER = "litellm_params.metadata"
_KWARGS: _Fields = {
    **{name: tuple(f"standard_logging_object.{path}" for path in paths) for name, paths in _PAYLOAD.items()},
    "user": ("standard_logging_object.end_user", f"{_CALLER}.user_id"),
    "session": (f"{_CALLER}.session_id", "litellm_params.litellm_session_id"),
    "parent": (f"{_CALLER}.parent_id", f"{_CALLER}.$ai_parent_id"),
    "span_name": (f"{_CALLER}.generation_name", f"{_CALLER}.$ai_span_name"),
}
_SPEND: _Fields = {
    "user": ("end_user", "proxy_server_request.user"),
    "own trace": ("session_id",),
    "session": ("proxy_server_request.metadata.session_id",),
    "provider": ("custom_llm_provider",),
    "base_url": ("api_base",),
    "input": ("messages", "proxy_server_request.messages"),
    "output": ("response",),
    "input_tokens": ("prompt_tokens",),
    "output_tokens": ("completion_tokens",),
    "cost": ("spend",),
    "latency": ("endTime",),
    "tools": ("proxy_server_request.tools",),
    "model_parameters": ("proxy_server_request.temperature",),
    "service_tier": ("response.service_tier",),
}
_LEGACY: _Fields = {
    "user": ("user", "metadata.user_id"),
    "own trace": ("trace_id", "metadata.trace_id"),
    "session": ("metadata.session_id",),
    "parent": ("metadata.parent_id",),
    "span_name": ("metadata.generation_name",),
    "cost": ("cost",),
    "input": ("messages",),
}
_AROUND: _Fields = {
    "user": ("user", "user_id", "end_user", "metadata.user_id"),
    "own trace": ("trace_id", "metadata.trace_id"),
    "session": ("session_id", "conversation_id", "metadata.session_id"),
    "parent": ("parent_id", "parent_span_id"),
    "span_name": ("metadata.generation_name", "metadata.$ai_span_name"),
    "cost": ("cost", "response_cost", "total_cost", "cost_usd"),
}
_MEASURED: _Fields = {
    **_AROUND,
    "latency": ("latency", "latency_ms", "duration", "response_time"),
    "ttft": ("time_to_first_token", "ttft"),
    "base_url": ("base_url", "api_base"),
    "http_status": ("status_code", "http_status"),
}
_PAIR: _Fields = {
    **_MEASURED,
    "input": ("request.messages", "request.input", "request.prompt"),
    "tools": ("request.tools",),
    "model_parameters": ("request.temperature",),
    "stream": ("request.stream",),
}
_FLAT: _Fields = {
    **_MEASURED,
    "tools": ("tools",),
    "model_parameters": ("temperature",),
    "stream": ("stream",),
    "stop_reason": ("finish_reason", "stop_reason"),
}

FIELDS: Mapping[str, _Fields] = MappingProxyType({
    "litellm": _PAYLOAD,
    "litellm-kwargs": _KWARGS,
    "litellm-spend": _SPEND,
    "litellm-legacy": _LEGACY,
    "openai-batch": _AROUND,
    "openai-flat": _FLAT,
    **dict.fromkeys(
        (
            "openai-chat", "openai-responses", "openai-completions", "openai-embeddings", "openai-error",
            "openai-stream", "ollama",
        ),
        _PAIR,
    ),
})  # fmt: skip
"""By format, then by the name of the property (`glance.PROPERTIES`)."""


def fields_of(format_: str, property_: str) -> tuple[str, ...]:
    """Return the usual fields of a record of this format that tell the property; empty where none is known."""
    return FIELDS.get(format_, {}).get(property_, ())
