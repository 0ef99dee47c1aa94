"""What a caller said beside the call: custom properties, ids and names, by the rules of litellm-logs.md 6.15 and 6.16.

Only the caller's own metadata becomes properties, and of it nothing that a proxy put there or that looks like a secret.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

from posthog_llm_cli.formats._errors import without_credentials
from posthog_llm_cli.formats._fields import UNWRITTEN, id_text, is_one_of, mapping, text
from posthog_llm_cli.formats._proxy import own_metadata
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value, field, replace

_BASELINE_INTERNAL = frozenset({
    "endpoint", "caching_groups", "user_api_key_hash", "user_api_key_alias", "user_api_key_team_id",
    "user_api_key_user_id", "user_api_key_org_id", "user_api_key_team_alias", "user_api_key_end_user_id",
    "user_api_key_user_email", "user_api_key", "user_api_end_user_max_budget", "litellm_api_version",
    "global_max_parallel_requests", "user_api_key_team_max_budget", "user_api_key_team_spend", "user_api_key_spend",
    "user_api_key_max_budget", "user_api_key_model_max_budget", "user_api_key_metadata", "headers",
    "litellm_parent_otel_span", "requester_ip_address", "model_group", "model_group_size", "deployment", "model_info",
    "api_base", "hidden_params", "parent_run_id", "parent_id", "user_id",
})  # fmt: skip
"""The 32 names that LiteLLM's own PostHog logger leaves out."""

_NEVER = _BASELINE_INTERNAL | {
    "proxy_server_request", "secret_fields", "requester_metadata", "user_agent", "previous_models", "raw_request",
    "raw_response", "queue_time_seconds", "llm_api_timing_windows", "applied_guardrails",
    "standard_logging_guardrail_information", "posthog_api_key", "posthog_api_url", "posthog_host", "capture_internal",
    "model_group_alias", "original_model_group", "attempted_fallbacks", "attempted_retries", "max_retries",
    "request_retry_count", "response_cost_failure_debug_info", "model_map_information", "guardrail_information",
    "file_checksum", "tag_routing", "routing_decision", "routing_plugin_signals", "adaptive_router_decision",
    "adaptive_router_chosen_model", "quality_router_decision", "is_silent_experiment", "internal_call_origin",
    "encrypted_content_affinity_enabled", "kubernetes_pod_routing", "used_client_oauth_token",
}  # fmt: skip
_NEVER_NESTED = lazily(
    r"(?:.*(?:raw|https?|req(?:uest)?|res(?:ponse)?|extra|default|custom|additional|proxy|client|upstream|forwarded|auth)"
    r"[ _-]?)?headers\Z|.*cookies?\Z|requester_ip_address|user_agent\Z|user_api_key|proxy_server_request|"
    r"secret_fields|raw_request|raw_response",
    re.IGNORECASE | re.DOTALL,
)
_MAX_KNOWN = 100
"""Characters of a name that is remembered; a longer one is no name, and may be anything."""
_USED = frozenset({"session_id", "trace_id", "user_id", "parent_run_id", "parent_id", "tags"})
_NEVER_PATTERN = lazily(r"user_api_|_|deployment|litellm_|.*_budget|.*_spend\Z", re.DOTALL)
_SECRET_PATTERN = lazily(
    r".*(?:(?:api|access|private|account|subscription|master|virtual|signing|encryption)[ _-]{0,2}key|secret|"
    r"passw(?:or)?d|passphrase|authorization|credential|connection[ _-]?string|auth[ _-]?header)|"
    r".*(?:token|pwd|jwt|bearer|dsn)\Z",
    re.IGNORECASE | re.DOTALL,
)
_OPEN = (bool, float)
"""A yes, a no, a fraction: no secrets under any name, such as `credentials_valid` or `time_to_first_token`."""
_HONOURED = frozenset({
    "$ai_session_id", "$ai_trace_id", "$ai_parent_id", "$ai_span_name", "$ai_trace_name", "$ai_prompt_name",
    "$session_id", "$groups",
})  # fmt: skip


class CallerMetadata(Value, frozen=True):
    """What the caller's metadata say; `custom` may leave the machine as properties."""

    hidden: ClassVar = frozenset({"custom", "user_id"})

    custom: Mapping[str, Json] = field(default_factory=dict)
    user_id: Json = None
    session_id: str | None = None
    trace_id: str | None = None
    parent_id: str | None = None
    wished_session_id: str | None = None
    wished_trace_id: str | None = None
    wished_parent_id: str | None = None
    span_name: str | None = None
    trace_name: str | None = None
    prompt_name: str | None = None
    posthog_session_id: str | None = None
    groups: Mapping[str, Json] | None = None
    tags: Json = None
    has_reserved: bool = False


def read_caller_metadata(logged: Mapping[str, Json]) -> CallerMetadata:
    """Sort a caller's metadata into ids, names and custom properties; what a proxy mixed in is left out."""
    if not logged:
        return _NO_METADATA
    metadata = {
        key: value for key, value in own_metadata(logged).items() if not (isinstance(value, str) and value in UNWRITTEN)
    }
    plain = CallerMetadata(
        custom=custom_properties(metadata),
        user_id=metadata.get("user_id"),
        session_id=id_text(metadata.get("session_id")),
        trace_id=id_text(metadata.get("trace_id")),
        parent_id=id_text(metadata.get("parent_run_id") or None) or id_text(metadata.get("parent_id") or None),
        span_name=text(metadata.get("generation_name")),
        trace_name=text(metadata.get("trace_name")),
        tags=metadata.get("tags"),
    )
    return _with_wishes(plain, metadata) if any(key.startswith("$") for key in metadata) else plain


def _with_wishes(plain: CallerMetadata, metadata: Mapping[str, Json]) -> CallerMetadata:
    """Add what the caller names for PostHog itself, in keys that begin with a dollar sign."""
    groups = mapping(metadata.get("$groups"))
    return replace(
        plain,
        wished_session_id=_wish(metadata, "$ai_session_id"),
        wished_trace_id=_wish(metadata, "$ai_trace_id"),
        wished_parent_id=_wish(metadata, "$ai_parent_id"),
        span_name=_wish(metadata, "$ai_span_name") or plain.span_name,
        trace_name=_wish(metadata, "$ai_trace_name") or plain.trace_name,
        prompt_name=_wish(metadata, "$ai_prompt_name"),
        posthog_session_id=_wish(metadata, "$session_id"),
        groups=without_secrets(groups) if groups else None,
        has_reserved=any(_is_reserved(key, metadata[key]) for key in metadata),
    )


def custom_properties(metadata: Mapping[str, Json]) -> dict[str, Json]:
    """Return the keys that become properties: not null, not used elsewhere, not the proxy's, not secret, not `$…`."""
    return {
        key: without_secrets(value) if isinstance(value, (dict, list, str)) else value
        for key, value in metadata.items()
        if value is not None and (_is_custom(key) or (isinstance(value, _OPEN) and _is_callers(key)))
    }


_NO_METADATA = CallerMetadata()


def _wish(metadata: Mapping[str, Json], key: str) -> str | None:
    value = metadata.get(key)
    return value.strip() or None if isinstance(value, str) else None


def _is_reserved(key: str, value: Json) -> bool:
    if not key.startswith("$") or value is None:
        return False
    return key not in _HONOURED or not isinstance(value, dict if key == "$groups" else str)


def _is_custom(key: str) -> bool:
    return _may_go(key) if len(key) <= _MAX_KNOWN else _may_go.__wrapped__(key)


@lru_cache(maxsize=4096)
def _may_go(key: str) -> bool:
    return _is_callers(key) and not is_secret_name(key)


def _is_callers(key: str) -> bool:
    return not (
        not key or key.startswith("$") or key in _USED or key.lower() in _NEVER or _NEVER_PATTERN.match(key.lower())
    )


def is_secret_name(key: str) -> bool:
    """Whether a name says that what it names is a secret, or a request's headers."""
    return _says_secret(key) if len(key) <= _MAX_KNOWN else _says_secret.__wrapped__(key)


@lru_cache(maxsize=4096)
def _says_secret(key: str) -> bool:
    """The same few names stand in every record."""
    return _SECRET_PATTERN.match(key) is not None or _NEVER_NESTED.match(key) is not None


def without_secrets(value: Json) -> Json:
    """Return a value without members that by their name hold a secret or a request's headers, on every level.

    Its texts are without credentials. Nor does it keep members that say only that LiteLLM could not write them.
    """
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, dict):
        return {
            key: without_secrets(member) if isinstance(member, (dict, list, str)) else member
            for key, member in value.items()
            if not ((is_secret_name(key) and not isinstance(member, _OPEN)) or is_one_of(member, UNWRITTEN))
        }
    if isinstance(value, list):
        return [without_secrets(member) for member in value]
    return value
