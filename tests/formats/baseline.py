"""What LiteLLM's own PostHog logger sends (litellm-logs.md, section 5), and the differences that `plh` makes on purpose.

`baseline_event` is transcribed from the specification of that logger, its defects included. `CORRECTIONS` is the one
table of differences that are allowed: each names its item in section 6 and checks the new value against the record
itself.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

INTERNAL = frozenset(
    [
        "endpoint",
        "caching_groups",
        "user_api_key_hash",
        "user_api_key_alias",
        "user_api_key_team_id",
        "user_api_key_user_id",
        "user_api_key_org_id",
        "user_api_key_team_alias",
        "user_api_key_end_user_id",
        "user_api_key_user_email",
        "user_api_key",
        "user_api_end_user_max_budget",
        "litellm_api_version",
        "global_max_parallel_requests",
        "user_api_key_team_max_budget",
        "user_api_key_team_spend",
        "user_api_key_spend",
        "user_api_key_max_budget",
        "user_api_key_model_max_budget",
        "user_api_key_metadata",
        "headers",
        "litellm_parent_otel_span",
        "requester_ip_address",
        "model_group",
        "model_group_size",
        "deployment",
        "model_info",
        "api_base",
        "hidden_params",
        "parent_run_id",
        "parent_id",
        "user_id",
    ]
)


def baseline_event(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The event of LiteLLM's logger; ids that it would invent are None."""
    payload = kwargs["standard_logging_object"]
    metadata = (kwargs.get("litellm_params") or {}).get("metadata") or {}
    embedding = payload.get("call_type") == "embedding"
    found: dict[str, Any] = {
        "$ai_model": payload.get("model", ""),
        "$ai_provider": payload.get("custom_llm_provider", ""),
    }
    if payload.get("messages") is not None:
        found["$ai_input"] = payload["messages"]
    if payload.get("response") is not None and not embedding:
        found["$ai_output_choices"] = payload["response"]
    found["$ai_input_tokens"] = payload.get("prompt_tokens", 0)
    if not embedding:
        found["$ai_output_tokens"] = payload.get("completion_tokens", 0)
    if payload.get("response_cost") is not None:
        found["$ai_total_cost_usd"] = payload["response_cost"]
    found["$ai_latency"] = payload.get("response_time", 0.0)
    if payload.get("status") == "failure":
        found["$ai_is_error"] = True
        if payload.get("error_str") is not None:
            found["$ai_error"] = payload["error_str"]
    found["$ai_trace_id"] = payload.get("trace_id")
    found["$ai_span_id"] = payload.get("id")
    parent = metadata.get("parent_run_id") or metadata.get("parent_id")
    if parent:
        found["$ai_parent_id"] = parent
    found |= {key: value for key, value in metadata.items() if key not in INTERNAL}
    user = metadata.get("user_id") or payload.get("end_user") or payload.get("trace_id")
    return {
        "event": "$ai_embedding" if embedding else "$ai_generation",
        "properties": found,
        "distinct_id": str(user) if user else None,
    }


@dataclass(frozen=True)
class Case:
    """One property of one call in both events."""

    name: str
    base: Any
    ours: Any
    kwargs: Mapping[str, Any]
    event: Mapping[str, Any]

    @property
    def payload(self) -> Mapping[str, Any]:
        """The call's payload."""
        payload: Mapping[str, Any] = self.kwargs["standard_logging_object"]
        return payload

    @property
    def usage(self) -> Mapping[str, Any]:
        """LiteLLM's usage object."""
        return (self.payload.get("metadata") or {}).get("usage_object") or {}

    @property
    def redacted(self) -> bool:
        """Whether LiteLLM redacted the record."""
        return "redacted-by-litellm" in repr([self.payload.get("messages"), self.payload.get("response")])


ABSENT = "<absent>"


def _texts(value: Any) -> list[str]:
    """The answer's words and tool arguments, in either form."""
    found: list[str] = []
    if isinstance(value, list):
        for part in value:
            found += _texts(part)
    elif isinstance(value, dict):
        for key in (
            "choices",
            "message",
            "output",
            "content",
            "tool_calls",
            "function",
            "text",
            "arguments",
            "results",
        ):
            inner = value.get(key)
            found += [inner] if isinstance(inner, str) and inner else _texts(inner)
    return found


def _output(case: Case) -> bool:
    if case.payload["call_type"] in {"embedding", "aembedding"} or case.redacted:
        return bool(case.ours == ABSENT)
    raw = _texts(case.base)
    if case.ours == ABSENT:
        return not raw
    said = _texts(case.ours)
    if not raw:  # images, speech, rerank, moderation: a placeholder or compact JSON
        return bool(case.ours[0]["content"])
    return bool(set(raw) <= set(said) or "results" in case.base)


def _input(case: Case) -> bool:
    messages = case.payload.get("messages") or []
    if case.redacted:
        return bool(case.ours == ABSENT)
    if case.event["event"] == "$ai_embedding":
        texts = [message["content"] for message in messages]
        return bool(case.ours == (texts if len(texts) > 1 else texts[0]))
    instructions = (case.payload.get("model_parameters") or {}).get("instructions")
    if instructions:
        return bool(case.ours == [{"role": "system", "content": instructions}, *messages])
    return "base64" in repr(case.ours)


def _known_zero(case: Case) -> bool:
    payload = case.payload
    return bool(case.ours == ABSENT and not payload.get("total_tokens") and not payload.get("prompt_tokens"))


def _duration(case: Case) -> bool:
    return bool(abs(case.ours - (case.payload["endTime"] - case.payload["startTime"])) < 1e-5)


def _first_token(case: Case) -> bool:
    return bool(abs(case.ours - (case.payload["completionStartTime"] - case.payload["startTime"])) < 1e-5)


def _cost_parts(case: Case) -> bool:
    breakdown = case.payload["cost_breakdown"]
    return bool(case.ours == breakdown["input_cost" if "input" in case.name else "output_cost"])


def _leak(case: Case) -> bool:
    return bool(case.ours == ABSENT)


def _own(case: Case) -> bool:
    return bool(case.base == ABSENT)


def _trace(case: Case) -> bool:
    session = case.event["properties"].get("$ai_session_id")
    metadata = (case.kwargs.get("litellm_params") or {}).get("metadata") or {}
    return bool(case.base == session or case.base == metadata.get("session_id") or not case.base)


def _span(case: Case) -> bool:
    return bool(case.event["properties"].get("span_id_logged") == case.base)


@dataclass(frozen=True)
class Correction:
    """A difference that is made on purpose: which properties, which item of section 6, and what must then hold."""

    item: str
    names: str
    holds: Callable[[Case], bool]


CORRECTIONS: tuple[Correction, ...] = (
    Correction("3 latency of streams is the whole duration", r"\$ai_latency", _duration),
    Correction("3 time to first token", r"\$ai_time_to_first_token", _first_token),
    Correction("4, 5 canonical output, no vectors", r"\$ai_output_choices", _output),
    Correction("5 stop reason", r"\$ai_stop_reason", _own),
    Correction("4, 6.7, 17 input", r"\$ai_input", _input),
    Correction("6 tools", r"\$ai_tools", _own),
    Correction("7 parameters", r"\$ai_(model_parameters|stream|service_tier)", _own),
    Correction(
        "8 unknown tokens are no zero",
        r"\$ai_(input|output)_tokens",
        lambda c: _known_zero(c) or "embedding" in c.payload["call_type"],
    ),
    Correction(
        "8 token kinds", r"\$ai_(total|cache_\w+|reasoning)_tokens|\$ai_cache_reporting_exclusive|\$ai_usage", _own
    ),
    Correction("9 errors", r"\$ai_(error_type|http_status)", _own),
    Correction(
        "9, 17 error text", r"\$ai_error", lambda c: c.redacted or "[REDACTED]" in c.ours or "Traceback" in c.base
    ),
    Correction(
        "10 an unknown cost is no zero",
        r"\$ai_total_cost_usd",
        lambda c: (c.ours == ABSENT and not c.base) or c.ours == c.payload["response_cost"],
    ),
    Correction("10 parts of the cost", r"\$ai_(input|output)_cost_usd", _cost_parts),
    Correction("10 pass-through", r"\$ai_cost_passthrough", lambda c: c.ours is True),
    Correction("11 session and trace", r"\$ai_trace_id", _trace),
    Correction("11 session", r"\$ai_session_id", _own),
    Correction("11 ids that PostHog does not take", r"\$ai_span_id", _span),
    Correction("11 ids as logged", r"\w+_id_logged", _own),
    Correction("12 base URL", r"\$ai_base_url", lambda c: c.ours == c.payload["api_base"].rstrip("/")),
    Correction(
        "13 model prefix",
        r"\$ai_model",
        lambda c: c.payload["model"] in {c.ours, f"{c.payload['custom_llm_provider']}/{c.ours}"},
    ),
    Correction("13 no provider", r"\$ai_provider", lambda c: not c.base and c.ours == ABSENT),
    Correction(
        "15 LiteLLM's own words",
        r"litellm_(call_type|call_id|model_group|model_id|cache_hit|tags|key_alias|team_alias|saved_cache_cost_usd|attempted_retries|redacted|end_user|guardrail_status)",
        _own,
    ),
    Correction(
        "15 secrets inside metadata", r"[^$].*", lambda c: isinstance(c.ours, dict) and c.ours.items() < c.base.items()
    ),
    Correction("15 leaked internals, nulls, used keys", r"[^$].*", _leak),
    Correction("16 names", r"\$ai_(span_name|trace_name|prompt_name)|\$session_id|\$groups", lambda _: True),
    Correction("16 a caller cannot overwrite", r"\$.*", lambda c: c.ours == ABSENT),
    Correction("web searches (posthog-ingestion.md 11.1)", r"\$ai_web_search_count", _own),
    Correction(
        "what every event carries", r"\$(geoip_disable|ignore_sent_at|process_person_profile|lib|lib_version)", _own
    ),
)


def explain(case: Case) -> str | None:
    """The item that allows a difference, or None."""
    for correction in CORRECTIONS:
        if re.fullmatch(correction.names, case.name) and correction.holds(case):
            return correction.item
    return None


def explain_distinct_id(case: Case) -> str | None:
    """Item 14: who made the call."""
    parameters = case.payload.get("model_parameters") or {}
    packed = str(case.base).startswith("{") and case.ours in case.base
    stands = case.ours in {parameters.get("user"), case.event["properties"]["$ai_trace_id"]}
    return "14 distinct id" if packed or stands else None
