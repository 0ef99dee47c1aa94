"""What LiteLLM's own PostHog logger sends (litellm-logs.md, section 5), transcribed from its source, defects
included.

The suite compares it with the real logger on every call that it generates; the project's tests use it where LiteLLM
is not installed.
"""

from collections.abc import Mapping

from compat.values import Json, object_of

DEFAULT_HOST = "https://us.i.posthog.com"
INTERNAL = frozenset({
    "endpoint", "caching_groups", "user_api_key_hash", "user_api_key_alias", "user_api_key_team_id",
    "user_api_key_user_id", "user_api_key_org_id", "user_api_key_team_alias", "user_api_key_end_user_id",
    "user_api_key_user_email", "user_api_key", "user_api_end_user_max_budget", "litellm_api_version",
    "global_max_parallel_requests", "user_api_key_team_max_budget", "user_api_key_team_spend", "user_api_key_spend",
    "user_api_key_max_budget", "user_api_key_model_max_budget", "user_api_key_metadata", "headers",
    "litellm_parent_otel_span", "requester_ip_address", "model_group", "model_group_size", "deployment", "model_info",
    "api_base", "hidden_params", "parent_run_id", "parent_id", "user_id",
})  # fmt: skip
"""The 32 names of metadata that it leaves out."""


def baseline_event(kwargs: Mapping[str, Json]) -> dict[str, Json]:
    """Return the logger's event; ids that it would invent are None."""
    payload = kwargs["standard_logging_object"]
    metadata = object_of(object_of(kwargs.get("litellm_params")).get("metadata"))
    user = metadata.get("user_id") or payload.get("end_user") or payload.get("trace_id")
    return {
        "event": "$ai_embedding" if payload.get("call_type") == "embedding" else "$ai_generation",
        "properties": built_properties(kwargs) | {k: v for k, v in metadata.items() if k not in INTERNAL},
        "distinct_id": str(user) if user else None,
    }


def built_properties(kwargs: Mapping[str, Json]) -> dict[str, Json]:
    """Return the properties that the logger builds itself, before the caller's metadata overwrite them."""
    payload = kwargs["standard_logging_object"]
    metadata = object_of(object_of(kwargs.get("litellm_params")).get("metadata"))
    embedding = payload.get("call_type") == "embedding"
    failed = payload.get("status") == "failure"
    parent = metadata.get("parent_run_id") or metadata.get("parent_id")
    found = {
        "$ai_model": payload.get("model", ""),
        "$ai_provider": payload.get("custom_llm_provider", ""),
        "$ai_input_tokens": payload.get("prompt_tokens", 0),
        "$ai_latency": payload.get("response_time", 0.0),
        "$ai_trace_id": payload.get("trace_id"),
        "$ai_span_id": payload.get("id"),
    }
    if not embedding:
        found["$ai_output_tokens"] = payload.get("completion_tokens", 0)
    optional = {
        "$ai_input": payload.get("messages"),
        "$ai_output_choices": None if embedding else payload.get("response"),
        "$ai_total_cost_usd": payload.get("response_cost"),
        "$ai_is_error": True if failed else None,
        "$ai_error": payload.get("error_str") if failed else None,
        "$ai_parent_id": parent or None,
    }
    return found | {name: value for name, value in optional.items() if value is not None}


def baseline_destination(kwargs: Mapping[str, Json], default_key: str, default_host: str) -> tuple[str, str]:
    """Return the key and the host that the logger sends to."""
    dynamic = object_of(kwargs.get("standard_callback_dynamic_params"))
    return dynamic.get("posthog_api_key") or default_key, dynamic.get("posthog_api_url") or default_host
