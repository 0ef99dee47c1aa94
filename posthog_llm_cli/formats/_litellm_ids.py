"""What a LiteLLM payload stands in, and the ids of its call: identity, session, trace (litellm-logs.md 3, 6.11, 8)."""

import re
from collections.abc import Mapping
from typing import ClassVar

from posthog_llm_cli.formats._fields import first_id, id_text
from posthog_llm_cli.formats._metadata import CallerMetadata
from posthog_llm_cli.identity import canonical_sha256
from posthog_llm_cli.model import Credentials, Json
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value, field

_CACHE_HIT_SUFFIX = lazily(r"_cache_hit[\d.]+\Z", re.ASCII)


class Envelope(Value, frozen=True):
    """What may stand around a payload: the caller's metadata, ids, provider, credentials, what its reader warns of."""

    hidden: ClassVar = frozenset({"caller"})

    caller: Mapping[str, Json] = field(default_factory=dict)
    litellm_session_id: str | None = None
    litellm_trace_id: str | None = None
    top_trace_id: str | None = None
    attempted_retries: Json = None
    provider: str | None = None
    credentials: Credentials = field(default_factory=Credentials)
    warnings: tuple[str, ...] = ()


def base_id_of(payload: Mapping[str, Json]) -> str:
    """Return the id that all views of a call have; of a call without any, what it said."""
    found = base_call_id(payload.get("id")) or id_text(payload.get("litellm_call_id"))
    return found or f"-{canonical_sha256([payload.get(key) for key in ('model', 'messages', 'response')])}"


def identity_of(payload: Mapping[str, Json], base_id: str, start_us: int | None) -> str:
    """Return `litellm|base id|start in whole milliseconds|status` (section 8): the same for every view of a call."""
    start_ms = "" if start_us is None else str(start_us // 1000)
    status = "failure" if payload.get("status") == "failure" else "success"
    return f"litellm|{base_id}|{start_ms}|{status}"


def base_call_id(value: Json) -> str | None:
    """Return a logged id without the suffix that a cache hit gets from the logger's own clock; None for no id."""
    found = id_text(value)
    return id_text(_CACHE_HIT_SUFFIX.sub("", found)) if found is not None and "_cache_hit" in found else found


def session_and_trace(
    payload: Mapping[str, Json], envelope: Envelope, caller: CallerMetadata, packed_session: str | None
) -> tuple[str | None, str | None]:
    """Return session and trace, told apart: by default LiteLLM stores the session's id as the trace's (6.11)."""
    litellm_session = envelope.litellm_session_id
    if litellm_session == caller.trace_id:
        litellm_session = None
    session = first_id(
        caller.wished_session_id, payload.get("session_id"), caller.session_id, litellm_session, packed_session
    )
    slo_trace = id_text(payload.get("trace_id"))
    ordered = (
        (envelope.litellm_trace_id, slo_trace, caller.trace_id, envelope.top_trace_id)
        if session is None
        else (envelope.litellm_trace_id, caller.trace_id, envelope.top_trace_id, slo_trace)
    )
    trace = caller.wished_trace_id
    for found in ordered:
        if trace:
            break
        trace = found if found != session else None
    return session, trace or id_text(payload.get("litellm_call_id"))
