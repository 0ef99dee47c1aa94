"""The caller's own words, and LiteLLM's (6.15, 6.16)."""

import re
from collections.abc import Callable, Iterable

from compat.baseline import INTERNAL, built_properties
from compat.laws import Fields, put
from compat.laws.calls import end_user_of, person_of
from compat.record import UNWRITTEN, Record, Setting
from compat.values import Json, is_number, is_said, list_of, object_of

_HONOURED = frozenset({
    "$ai_session_id", "$ai_trace_id", "$ai_parent_id", "$ai_span_name", "$ai_trace_name", "$ai_prompt_name",
    "$session_id", "$groups",
})  # fmt: skip
_USED = frozenset({"session_id", "trace_id", "user_id", "parent_run_id", "parent_id", "tags"})
_NEVER = INTERNAL | {
    "proxy_server_request", "secret_fields", "requester_metadata", "user_agent", "previous_models", "raw_request",
    "raw_response", "queue_time_seconds", "llm_api_timing_windows", "applied_guardrails",
    "standard_logging_guardrail_information", "posthog_api_key", "posthog_api_url", "posthog_host", "capture_internal",
    "model_group_alias", "original_model_group", "attempted_fallbacks", "attempted_retries", "max_retries",
    "request_retry_count", "response_cost_failure_debug_info", "model_map_information", "guardrail_information",
    "file_checksum", "tag_routing", "routing_decision", "routing_plugin_signals", "adaptive_router_decision",
    "adaptive_router_chosen_model", "quality_router_decision", "is_silent_experiment", "internal_call_origin",
    "encrypted_content_affinity_enabled", "kubernetes_pod_routing",
}  # fmt: skip
_NEVER_LIKE = re.compile(r"user_api_.*|_.*|deployment.*|litellm_.*|.*_budget.*|.*_spend", re.DOTALL)
_SECRET = re.compile(r".*(api_?-?key|secret|password|authorization).*|.*token", re.IGNORECASE | re.DOTALL)
_NEVER_INSIDE = re.compile(
    r"(raw_)?headers|(set-)?cookies?|requester_ip_address.*|user_agent|user_api_key.*|proxy_server_request.*|secret_fields.*"
    r"|raw_request.*|raw_response.*",
    re.IGNORECASE,
)


_GUARDRAILS = ("guardrail_flagged", "guardrail_intervened", "guardrail_failed_to_respond")
WORDS = (
    "litellm_call_type", "litellm_call_id", "litellm_model_group", "litellm_model_id", "litellm_cache_hit",
    "litellm_tags", "litellm_key_alias", "litellm_team_alias", "litellm_end_user", "litellm_guardrail_status",
    "litellm_saved_cache_cost_usd", "litellm_attempted_retries",
)  # fmt: skip
CARRIED = ("$geoip_disable", "$ignore_sent_at", "$lib", "$lib_version", "plh_import_id")


def no_overwriting(fields: Fields, record: Record, _: Setting) -> None:
    """A caller's `$…` key replaces nothing that was built, and adds nothing of its own."""
    built = built_properties(record.kwargs)
    for name in [name for name in record.logged_metadata if name.startswith("$")]:
        put(fields, name, built.get(name))


def _drop(fields: Fields, record: Record, is_dropped: Callable[[str, Json], bool]) -> None:
    for name, value in record.logged_metadata.items():
        if not name.startswith("$") and is_dropped(name, value):
            put(fields, name, None)


def not_the_callers(fields: Fields, record: Record, _: Setting) -> None:
    """On a proxy only the requester's keys are the caller's; for some routes they stand in a second place."""
    _drop(fields, record, lambda name, _: record.is_proxy and name not in record.caller)
    for name, value in record.caller.items():
        if not name.startswith("$") and name not in INTERNAL:
            fields[name] = value


def never_list(fields: Fields, record: Record, _: Setting) -> None:
    """LiteLLM's internals, its words for what it could not write, and keys whose name says that they hold a secret."""
    for name in [name for name in fields if name in record.caller and not name.startswith("$")]:
        lowered = name.lower()
        if (
            not name
            or fields[name] in UNWRITTEN
            or lowered in _NEVER
            or _NEVER_LIKE.fullmatch(lowered)
            or _SECRET.fullmatch(name)
        ):
            put(fields, name, None)


def used_keys(fields: Fields, record: Record, _: Setting) -> None:
    """Keys that became ids or tags are not copied besides."""
    for name in _USED & record.caller.keys():
        put(fields, name, None)


def nulls(fields: Fields, _: Record, __: Setting) -> None:
    """Null says nothing."""
    for name in [name for name, value in fields.items() if value is None and not name.startswith("$")]:
        del fields[name]


def secrets_inside(fields: Fields, record: Record, _: Setting) -> None:
    """The same below the top: members that are secret by name, or a request's headers."""
    for name in record.caller:
        if name in fields and not name.startswith("$"):
            fields[name] = _without_secrets(fields[name])


def _without_secrets(value: Json) -> Json:
    if isinstance(value, dict):
        hidden = {k for k in value if _SECRET.fullmatch(k) or _NEVER_INSIDE.fullmatch(k)}
        kept = {k: v for k, v in value.items() if k not in hidden and v not in UNWRITTEN}
        return {k: _without_secrets(v) for k, v in kept.items()}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value


def litellm_words(fields: Fields, record: Record, _: Setting) -> None:
    """What LiteLLM itself says of the call, each only where it says something."""
    payload, about = record.payload, record.about
    end_user = end_user_of(record)
    guardrail = object_of(payload.get("status_fields")).get("guardrail_status")
    retries = record.logged_metadata.get("attempted_retries") or about.get("attempted_retries")
    own_tags = record.caller.get("tags")
    tags = [*list_of(payload.get("request_tags")), *([own_tags] if is_said(own_tags) else list_of(own_tags))]
    said = {
        "litellm_call_type": payload.get("call_type"),
        "litellm_call_id": payload.get("litellm_call_id"),
        "litellm_model_group": payload.get("model_group"),
        "litellm_model_id": payload.get("model_id"),
        "litellm_key_alias": about.get("user_api_key_alias"),
        "litellm_team_alias": about.get("user_api_key_team_alias"),
        "litellm_end_user": None if end_user == person_of(record)[0] else end_user,
        "litellm_guardrail_status": guardrail if guardrail in _GUARDRAILS else None,
    }
    counted = {
        "litellm_saved_cache_cost_usd": payload.get("saved_cache_cost"),
        "litellm_attempted_retries": retries,
    }
    found: Fields = {name: value if is_said(value) else None for name, value in said.items()}
    found |= {name: value if is_number(value) and value > 0 else None for name, value in counted.items()}
    found["litellm_cache_hit"] = True if payload.get("cache_hit") is True else None
    found["litellm_tags"] = _tags(tags) or None
    for name, value in found.items():
        put(fields, name, value)


def _tags(tags: Iterable[Json]) -> list[str]:
    return list(dict.fromkeys(tag for tag in tags if is_said(tag) and not tag.startswith("User-Agent:")))


def names(fields: Fields, record: Record, _: Setting) -> None:
    """Names and groups that the caller wished for."""
    caller = record.caller
    for name, plain in (
        ("$ai_span_name", "generation_name"),
        ("$ai_trace_name", "trace_name"),
        ("$ai_prompt_name", None),
    ):
        wished = caller.get(name)
        named = caller.get(plain) if plain else None
        put(fields, name, wished.strip() if is_said(wished) and wished.strip() else named if is_said(named) else None)
    web_session = caller.get("$session_id")
    put(fields, "$session_id", web_session.strip() if is_said(web_session) else None)
    put(fields, "$groups", _without_secrets(object_of(caller.get("$groups"))) or None)


def carried(fields: Fields, _: Record, setting: Setting) -> None:
    """The properties of every event that `plh` sends."""
    fields |= {"$geoip_disable": True, "$ignore_sent_at": True, "$lib": "posthog-llm-cli"}
    put(fields, "$lib_version", setting.lib_version)
    put(fields, "plh_import_id", setting.import_id)
