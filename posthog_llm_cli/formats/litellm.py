"""`litellm`: LiteLLM's StandardLoggingPayload (SLO), bare (litellm-logs.md, sections 2 and 6 to 8).

Smallest record:
`{"id": "c-1", "call_type": "completion", "startTime": 1748772000.0, "endTime": 1748772001.5, "model": "gpt-4o",
"trace_id": "t-1"}`

The defects of LiteLLM's own PostHog logger that this corrects are numbered in section 6; comments name the item.
"""

from collections.abc import Mapping
from datetime import datetime

from posthog_llm_cli.decoding import decode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import (
    Warnings,
    decoded,
    id_text,
    is_number,
    is_one_of,
    items,
    mapping,
    number,
    text,
    without_nulls,
)
from posthog_llm_cli.formats._litellm_content import error_of, http_status_of, read_content
from posthog_llm_cli.formats._litellm_ids import Envelope, base_id_of, identity_of, session_and_trace
from posthog_llm_cli.formats._litellm_kinds import CallKind, call_kind
from posthog_llm_cli.formats._litellm_output import stop_reason
from posthog_llm_cli.formats._litellm_pass_through import opened
from posthog_llm_cli.formats._messages import web_searches
from posthog_llm_cli.formats._metadata import CallerMetadata, read_caller_metadata
from posthog_llm_cli.formats._parameters import model_parameters
from posthog_llm_cli.formats._people import Person, find_person
from posthog_llm_cli.formats._proxy import is_from_proxy, key_names
from posthog_llm_cli.formats._python_literals import with_lists
from posthog_llm_cli.formats._times import Clock, time_of
from posthog_llm_cli.formats._urls import clean_url
from posthog_llm_cli.formats._usage import litellm_usage
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.model import Cost, Json, LLMCall, Operation, ParseContext, Skipped, Usage
from posthog_llm_cli.privacy import without_structures
from posthog_llm_cli.values import Value

_NO_ENVELOPE = Envelope()
HEALTH_CHECK = "litellm-internal-health-check"
GUARDRAILS = ("guardrail_flagged", "guardrail_intervened", "guardrail_failed_to_respond")
"""What LiteLLM says of a guardrail that did something; any other text is nobody's to forward."""
_CLAUDES = frozenset({"anthropic", "bedrock", "vertex_ai"})
"""Providers whose cached tokens LiteLLM adds to the input itself."""
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_RESPONSES = ("responses", "aresponses")
_ENDS = ("StopIteration", "StopAsyncIteration")
"""What Python raises at the end of an iterator."""
_MAX_NAME = 40
_OBJECTS = frozenset({
    "metadata", "messages", "response", "model_parameters", "hidden_params", "error_information", "request_tags",
    "cost_breakdown", "status_fields",
})  # fmt: skip
_SCALARS = frozenset({"response_cost", "saved_cache_cost", "cache_hit", "stream", "response_time"})
_TELLS = ("model_parameters", "hidden_params", "response_cost", "trace_id")


def matches(record: Json) -> bool:
    """Whether `record` is a bare payload (detection rule 6)."""
    return (
        isinstance(record, dict)
        and "call_type" in record
        and "startTime" in record
        and any(key in record for key in _TELLS)
    )


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn a bare payload into a call; of the caller's metadata a bare one knows only what a proxy kept.

    Raises:
        RecordError: `missing-field` without a model or any usable time.
    """
    if isinstance(record.get("metadata"), str):
        record = _opened(record)
    metadata = mapping(record.get("metadata"))
    requester = mapping(metadata.get("requester_metadata"))
    if not requester or not is_from_proxy(metadata, by_client=True):
        return parse_payload(record, _NO_ENVELOPE, context)
    return parse_payload(record, Envelope(caller=requester), context)


def _opened(row: Mapping[str, Json]) -> Mapping[str, Json]:
    """A row of a table that payloads were loaded into: what were objects, numbers and flags are texts there."""
    return {
        key: decoded(value) if key in _OBJECTS else _scalar(value) if key in _SCALARS else value
        for key, value in row.items()
    }


def _unprinted(payload: Mapping[str, Json]) -> Mapping[str, Json]:
    """What LiteLLM before 1.55 logged to Datadog, for which it printed each list; other loggers saw them so, too."""
    return {key: with_lists(value) if key in _OBJECTS else value for key, value in payload.items()}


def _scalar(value: Json) -> Json:
    if not isinstance(value, str):
        return value
    try:
        return decode(value.lower().encode()).value
    except RecordError:
        return None


def parse_payload(payload: Mapping[str, Json], envelope: Envelope, context: ParseContext) -> Parsed:
    """Turn a payload and what stood around it into a call.

    Raises:
        RecordError: `missing-field` without a model or any usable time.
    """
    kind, base_id = call_kind(payload.get("call_type")), base_id_of(payload)
    if isinstance(payload.get("request_tags"), str):
        payload = _unprinted(payload)
    if kind is CallKind.PASS_THROUGH:
        payload = opened(payload)
    if kind is CallKind.STORED:
        kind = _kind_of_stored(payload)
    metadata = mapping(payload.get("metadata"))
    skipped = _skip(payload, kind, metadata)
    if skipped is not None:
        return skipped
    warn = Warnings(envelope.warnings)
    if kind is CallKind.UNKNOWN:
        warn("unknown-call-type")
    provider = text(payload.get("custom_llm_provider")) or envelope.provider  # no payload names it before 1.56
    model = _model(payload, provider)
    times = _times(payload, context, warn)
    embedding = kind is CallKind.EMBEDDING
    usage = _usage(payload, metadata, provider, warn, embedding=embedding)
    failed = payload.get("status") == "failure"
    content = read_content(payload, warn, embedding=embedding)
    caller = read_caller_metadata(envelope.caller)
    if caller.has_reserved:
        warn("reserved-metadata")
    parameters = mapping(payload.get("model_parameters"))
    sent_parameters = model_parameters(parameters)
    nobody = key_names(metadata)
    asking = _asking_user(parameters, metadata)
    person = find_person((caller.user_id, payload.get("end_user"), asking), nobody=nobody)
    session_id, trace_id = session_and_trace(payload, envelope, caller, person.session_id)
    span_id = id_text(payload.get("id")) or id_text(payload.get("litellm_call_id"))
    return LLMCall(
        operation=Operation.EMBEDDING if embedding else Operation.GENERATION,
        identity=identity_of(payload, base_id, times.start_us),
        timestamp=times.timestamp,
        model=model,
        trace_id=trace_id or span_id or base_id,
        span_id=span_id,
        parent_id=caller.wished_parent_id or caller.parent_id,
        session_id=session_id,
        span_name=caller.span_name,
        trace_name=caller.trace_name,
        prompt_name=caller.prompt_name,
        started_at=time_of(times.start_us),
        ended_at=None if times.end_us is None else times.timestamp,
        latency_s=times.latency_s,
        ttft_s=times.ttft_s,
        provider=provider,
        base_url=clean_url(payload.get("api_base")),
        input=content.input,
        output=content.output,
        tools=content.tools,
        parameters=without_structures(sent_parameters) if content.redacted else sent_parameters,
        service_tier=text(mapping(payload.get("response")).get("service_tier")),
        stream=_stream(payload, parameters),
        usage=usage,
        cost=_cost(payload, usage, warn, failed=failed),
        is_error=failed,
        error=error_of(payload, redacted=content.redacted) if failed else None,
        http_status=http_status_of(payload) if failed else None,
        stop_reason=None if embedding else stop_reason(payload.get("response")),
        user=person.user,
        posthog_session_id=caller.posthog_session_id,
        groups=caller.groups,
        metadata=caller.custom,
        properties={
            **properties_of(payload, metadata, envelope, caller),
            **notes_of(payload, person, nobody, redacted=content.redacted),
        },
        credentials=envelope.credentials,
        warnings=warn.codes(),
    )


def _asking_user(parameters: Mapping[str, Json], metadata: Mapping[str, Json]) -> Json:
    """The request's `user`: the proxy logs a caller's as end user and puts the key's owner into a speech's without."""
    user = parameters.get("user")
    return None if user == metadata.get("user_api_key_user_id") else user


# ------------------------------------------------------------------------------------------------- what is no call


def _skip(payload: Mapping[str, Json], kind: CallKind, metadata: Mapping[str, Json]) -> Skipped | None:
    named = (metadata.get("user_api_key_alias"), metadata.get("user_api_key_hash"))
    if HEALTH_CHECK in named or HEALTH_CHECK in items(payload.get("request_tags")):
        return Skipped("health-check", "LiteLLM's own probe of a deployment")
    if payload.get("status") == "failure" and _is_end_of_stream(payload):
        return Skipped("merged", "the end of a stream, which LiteLLM also logged as a failure")
    if kind is CallKind.GENERATION or kind is CallKind.EMBEDDING:
        return None
    call_type = payload.get("call_type")
    total, cost = number(payload.get("total_tokens")) or 0, number(payload.get("response_cost")) or 0
    match kind:
        case CallKind.NO_CALL:
            return Skipped("not-a-model-call", f"LiteLLM logged {_named(call_type)}: no model ran")
        case CallKind.PASS_THROUGH:
            failed = payload.get("status") == "failure"
            if not text(payload.get("model")) or not (total > 0 or failed):
                return Skipped("not-a-model-call", "a pass-through request without model or tokens")
        case CallKind.UNKNOWN if total <= 0 and cost <= 0:
            return Skipped(
                "not-a-model-call",
                f"call type {_named(call_type)} is not known, and it has neither tokens nor a cost",
            )
        case _:
            pass
    return None


def _is_end_of_stream(failure: Mapping[str, Json]) -> bool:
    """Whether a Responses stream only ended: LiteLLM 1.80.16 logs that beside the call, as an error."""
    return (
        is_one_of(failure.get("call_type"), _RESPONSES)
        and is_one_of(mapping(failure.get("error_information")).get("error_class"), _ENDS)
        and not failure.get("error_str")
        and not failure.get("total_tokens")
    )


def _kind_of_stored(payload: Mapping[str, Json]) -> CallKind:
    """Of a stored answer: the call that made it was logged with its usage, but one in the background before it ran."""
    in_background = mapping(payload.get("response")).get("background") is True
    return CallKind.UNKNOWN if in_background else CallKind.NO_CALL


def _named(call_type: Json) -> str:
    """A call type as a message may show it; what is no short text may hold anything."""
    return repr(call_type[:_MAX_NAME]) if isinstance(call_type, str) else "(no text)"


# ------------------------------------------------------------------------------------------------------------- times


class _Times(Value, frozen=True):
    start_us: int | None
    end_us: int | None
    timestamp: datetime
    latency_s: float | None
    ttft_s: float | None


def _times(payload: Mapping[str, Json], context: ParseContext, warn: Warnings) -> _Times:
    clock = Clock(context, warn)
    start, end = clock.us(payload.get("startTime"), utc=True), clock.us(payload.get("endTime"), utc=True)
    streamed = payload.get("stream") is True
    timestamp_us = end if end is not None else _end_from_start(payload, start, streamed=streamed)
    timestamp = time_of(timestamp_us) or context.default_time
    if timestamp is None:
        raise RecordError(
            "missing-field",
            "the record has no usable time",
            path="$.startTime",
            hint="--default-time gives such records a time",
        )
    latency = None
    if start is None or end is None or end < start:
        warn("bad-times")
    else:
        latency = (end - start) / 1_000_000
    ttft = None
    if streamed and start is not None and end is not None:
        first = clock.us(payload.get("completionStartTime"), utc=True)
        if first is not None and start < first < end:
            ttft = (first - start) / 1_000_000
    return _Times(start, end, timestamp, latency, ttft)


def _end_from_start(payload: Mapping[str, Json], start: int | None, *, streamed: bool) -> int | None:
    """Without `endTime`: start plus `response_time`, which of a stream is only the time to its first token (6.1)."""
    duration = payload.get("response_time")
    if start is None or streamed or not is_number(duration) or not 0 <= duration < 1e6:
        return start
    return start + round(duration * 1_000_000)


# ------------------------------------------------------------------------------------------------------ model, tokens


def _model(payload: Mapping[str, Json], provider: str | None) -> str:
    """The model without the provider's routing prefix, which no price list knows (6.13)."""
    response = mapping(payload.get("response"))
    model = text(payload.get("model")) or text(response.get("model")) or text(payload.get("model_group"))
    if model is None:
        raise RecordError("missing-field", "the record names no model", path="$.model")
    return model if provider is None else without_prefix(model, provider)


def without_prefix(model: str, provider: str) -> str:
    """Return a model's name without the provider's in front of it."""
    prefix = f"{provider}/"
    return model[len(prefix) :] if model.startswith(prefix) and len(model) > len(prefix) else model


def _usage(
    payload: Mapping[str, Json], metadata: Mapping[str, Json], provider: str | None, warn: Warnings, *, embedding: bool
) -> Usage:
    response = mapping(payload.get("response"))
    logged = without_nulls(mapping(metadata.get("usage_object"))) or without_nulls(mapping(response.get("usage")))
    additional = metadata.get("additional_usage_values")
    kinds = {**without_nulls(mapping(additional)), **logged} if additional else logged
    if logged.get("cache_creation_input_tokens") and provider in _CLAUDES:
        payload = _with_written(payload, mapping(metadata.get("usage_object")))
    searches = web_searches(response)
    usage = litellm_usage(payload, kinds, warn, embedding=embedding, raw=logged, web_searches=searches)
    if usage.total is None and usage.input is None and payload.get("status") != "failure":
        warn("no-usage")
    return usage


def _with_written(payload: Mapping[str, Json], usage: Mapping[str, Json]) -> Mapping[str, Json]:
    """Counts with what was written to the cache: LiteLLM 1.65.8 to 1.76 left that, and nothing else, out of the input.

    Those releases are known by a usage object whose details do not name the written tokens a second time.
    """
    details = usage.get("prompt_tokens_details")
    named = (usage.get("cache_creation_input_tokens"), *(payload.get(name) for name in _COUNTS))
    counts = [count for count in named if isinstance(count, int) and not isinstance(count, bool)]
    if not isinstance(details, dict) or "cache_creation_tokens" in details or len(counts) < len(named):
        return payload
    written, prompt, completion, total = counts
    is_sum = total == prompt + completion
    return {**payload, "prompt_tokens": prompt + written, "total_tokens": total + written if is_sum else total}


def _cost(payload: Mapping[str, Json], usage: Usage, warn: Warnings, *, failed: bool) -> Cost | None:
    """A cost above zero, or the real zero of a cache hit; any other zero is unknown (6.10)."""
    if payload.get("cache_hit") is True:
        return Cost(0.0)
    breakdown = mapping(payload.get("cost_breakdown"))
    parts = (number(breakdown.get("input_cost")), number(breakdown.get("output_cost")))
    return cost_of(number(payload.get("response_cost")), parts, usage, warn, failed=failed)


def cost_of(
    logged: float | None, parts: tuple[float | None, float | None], usage: Usage, warn: Warnings, *, failed: bool
) -> Cost | None:
    """Return a logged cost, with its parts for input and output where they add up to it; None for none, and zero."""
    if logged is None or logged <= 0:
        if not failed and usage.total:
            warn("no-cost" if logged is None else "zero-cost")
        return None
    into, out = parts
    if into and out and into > 0 and out > 0 and abs(into + out - logged) <= 1e-9 + 1e-6 * logged:
        return Cost(logged, into, out)
    return Cost(logged)


def _stream(payload: Mapping[str, Json], parameters: Mapping[str, Json]) -> bool | None:
    has_first = payload.get("completionStartTime") != payload.get("endTime")
    return streamed(payload.get("stream") is True, parameters.get("stream"), has_first=has_first)


def streamed(logged: bool, asked: Json, *, has_first: bool) -> bool | None:  # noqa: FBT001 -- what a payload says
    """Return whether a call streamed; None where that is not said.

    LiteLLM 1.66 to 1.72 at least log every asynchronous call as a stream: one that did not ask for it, and whose first
    piece came no sooner than its last, is none.
    """
    if logged and (asked is True or has_first):
        return True
    return asked if isinstance(asked, bool) else None


# --------------------------------------------------------------------------------------------------------- properties


def properties_of(
    payload: Mapping[str, Json], metadata: Mapping[str, Json], envelope: Envelope, caller: CallerMetadata
) -> dict[str, Json]:
    """Return what LiteLLM itself says and may leave the machine, each only when it says something (6.15)."""
    saved = payload.get("saved_cache_cost")
    retries = envelope.attempted_retries if is_number(envelope.attempted_retries) else metadata.get("attempted_retries")
    found: dict[str, Json] = {
        name: value
        for name, value in (
            ("litellm_call_type", payload.get("call_type")),
            ("litellm_model_group", payload.get("model_group")),
            ("litellm_model_id", payload.get("model_id")),
            ("litellm_key_alias", metadata.get("user_api_key_alias")),
            ("litellm_team_alias", metadata.get("user_api_key_team_alias")),
        )
        if isinstance(value, str) and value
    }
    if (call_id := id_text(payload.get("litellm_call_id"))) is not None:
        found["litellm_call_id"] = call_id
    if payload.get("cache_hit") is True:
        found["litellm_cache_hit"] = True
    own_tags = [caller.tags] if isinstance(caller.tags, str) else caller.tags  # a caller may name a single one
    if tags := _tags(payload.get("request_tags"), own_tags):
        found["litellm_tags"] = tags
    if saved and is_number(saved) and saved > 0:
        found["litellm_saved_cache_cost_usd"] = float(saved)
    if retries and is_number(retries) and retries > 0:
        found["litellm_attempted_retries"] = retries
    return found


def notes_of(payload: Mapping[str, Json], person: Person, nobody: frozenset[str], *, redacted: bool) -> dict[str, Json]:
    """Return what a reader of the event should know: another end user, a guardrail that acted, a redaction."""
    found: dict[str, Json] = {}
    logged = payload.get("end_user")
    end_user = None if logged is None else find_person((logged,), nobody=nobody).user
    if end_user is not None and end_user != person.user:  # or the distinct id says it
        found["litellm_end_user"] = end_user
    guardrail = mapping(payload.get("status_fields")).get("guardrail_status")
    if is_one_of(guardrail, GUARDRAILS):
        found["litellm_guardrail_status"] = guardrail
    if redacted:
        found["litellm_redacted"] = True
    return found


def _tags(*sources: Json) -> list[str]:
    tags: dict[str, None] = {}
    for source in sources:
        if not source:
            continue
        for tag in items(source):
            if isinstance(tag, str) and tag and not tag.startswith("User-Agent:"):
                tags[tag] = None
    return list(tags)


FORMAT = LogFormat(
    name="litellm",
    title="LiteLLM StandardLoggingPayload, bare",
    recognised_by="call_type and startTime, with model_parameters, hidden_params, response_cost or trace_id",
    smallest='{"id": "c-1", "call_type": "completion", "startTime": 1748772000.0, "endTime": 1748772001.5, '
    '"model": "gpt-4o", "trace_id": "t-1"}',
    matches=matches,
    parse=parse,
)
