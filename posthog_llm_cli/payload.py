"""`build_event()`: a call → the PostHog event, with every property that posthog-ingestion.md names. Pure.

Absent means unknown and is left out; zero means zero; null is never sent (a null content key still makes a content
row). The event's JSON is made here, once. PostHog's property names stand in this module and nowhere else.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import lru_cache
from operator import attrgetter

import orjson

from posthog_llm_cli.identity import event_uuid, replaced_id
from posthog_llm_cli.model import (
    VALUE_PART,
    BuildOptions,
    Destination,
    Event,
    Json,
    LLMCall,
    Media,
    Operation,
    PassThrough,
    SourceRef,
    Usage,
)
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.privacy import is_plain, placeholder, redact_media, without_quotes, without_structures
from posthog_llm_cli.routing import route
from posthog_llm_cli.version import __version__

LIBRARY = "posthog-llm-cli"
CONTENT_DAYS = timedelta(days=30)
"""PostHog keeps prompts and answers this long after the event's own timestamp."""

MAX_ID_BYTES = 200
_ALLOWED_ID = lazily(r"[A-Za-z0-9\-_~.@()!':|]+", re.ASCII)

_CONTENT = (
    "$ai_input",
    "$ai_output",
    "$ai_output_choices",
    "$ai_input_state",
    "$ai_output_state",
    "$ai_instructions",
    "$ai_tools",
    "$ai_error",
    "$ai_error_normalized",
    "$ai_feedback_text",
    "$ai_evaluation_reasoning",
)
_ERROR_TYPE = "$ai_error_type"
_PARAMETERS = "$ai_model_parameters"
_NAMED = frozenset({"$ai_span_name", "$ai_trace_name", "$ai_prompt_name", "$groups"})
"""What the caller names freely, and so may have named after the prompt."""

_FROM_CALL = {
    "$ai_model": "model",
    "$ai_provider": "provider",
    "$ai_base_url": "base_url",
    "$ai_request_url": "request_url",
    "$ai_http_status": "http_status",
    "$ai_stop_reason": "stop_reason",
    "$ai_stream": "stream",
    "$ai_service_tier": "service_tier",
    "$ai_span_name": "span_name",
    "$ai_trace_name": "trace_name",
    "$ai_prompt_name": "prompt_name",
    "$ai_input_tokens": "usage.input",
    "$ai_output_tokens": "usage.output",
    "$ai_total_tokens": "usage.total",
    "$ai_cache_read_input_tokens": "usage.cache_read",
    "$ai_cache_creation_input_tokens": "usage.cache_creation",
    "$ai_reasoning_tokens": "usage.reasoning",
    "$ai_web_search_count": "usage.web_searches",
    "$ai_usage": "usage.raw",
    "$ai_latency": "latency_s",
    "$ai_time_to_first_token": "ttft_s",
}
"""Properties that are a field of the call as it stands."""

_FROM_KINDS = {
    "audio_input": "$ai_audio_input_tokens",
    "audio_output": "$ai_audio_output_tokens",
    "image_output": "$ai_image_output_tokens",
    "cache_read_audio": "$ai_cache_read_audio_tokens",
    "cache_creation_5m": "$ai_cache_creation_5m_input_tokens",
    "cache_creation_1h": "$ai_cache_creation_1h_input_tokens",
}
"""Of the kinds of tokens that PostHog prices apart it reads only some out of the usage object."""
_ADDS_REASONING = lazily(r"(?:.*/)?gemini-(?:2\.5|3(?:\.\d+)?)-", re.IGNORECASE)
"""Models to whose output PostHog adds the reasoning, `REASONING_COST_MODELS` of its price calculation."""

_MISREAD = frozenset({"cost", "outputTokenDetails"})
"""What PostHog estimates wrongly by, in a usage object: it takes a cost, which no reader has believed, for what was
paid, and the AI SDK's text, which leaves reasoning out, for all that was written."""

_IDS = ("$ai_trace_id", "$ai_session_id", "$ai_span_id", "$ai_parent_id")
_DIRECT = tuple(_FROM_CALL)
_VALUES = attrgetter(*_FROM_CALL.values())


def build_event(
    call: LLMCall, options: BuildOptions, ref: SourceRef, *, raw: bytes = b""
) -> tuple[Event, tuple[str, ...]]:
    """Return the event of a call, and the warnings about it (the call's own first). `raw` is its record.

    Raises:
        RecordError: the record's credentials do not allow it to be sent (`host-not-allowed`, `no-api-key`, …).
    """
    destination = route(call.credentials, options)
    warnings = dict.fromkeys(call.warnings)
    uuid = event_uuid(call.identity)
    properties = _ids(call, uuid, warnings)
    distinct_id, is_person = _distinct_id(call, options, properties["$ai_trace_id"], warnings)
    _add_known(properties, call)
    if options.privacy_mode:
        properties = _without_quoting_names(properties, call)
    properties |= _content(call, options)
    own = _own(call, options)
    if call.provider is None:
        warnings["unknown-provider"] = None
    if call.timestamp < options.run_started_at - CONTENT_DAYS:
        warnings["content-expired"] = None
    _warn_of_key(destination, warnings)
    if own.keys().isdisjoint(properties):
        properties |= own
    else:
        properties |= {key: value for key, value in own.items() if key not in properties}
    properties["$geoip_disable"] = True
    profile = None if is_person else False
    members = _usual_members if call.posthog_session_id is None else _members
    event = _event(
        (uuid, call.operation.value, distinct_id),
        call,
        destination,
        properties,
        members(profile, call.posthog_session_id, has_library="$lib" in properties),
        (ref, raw),
    )
    return event, tuple(warnings)


def _event(
    key: tuple[str, str, str],
    call: LLMCall | PassThrough,
    destination: Destination,
    properties: Mapping[str, Json],
    members: tuple[bytes, bytes],
    record: tuple[SourceRef, bytes],
) -> Event:
    """Encode what is the same on every route, and what the routes want in different places."""
    uuid, name, distinct_id = key
    legacy, v1 = members
    ref, raw = record
    return Event(
        uuid=uuid,
        name=name,
        distinct_id=distinct_id,
        timestamp=call.timestamp,
        destination=destination,
        properties=orjson.dumps(properties),
        legacy_properties=legacy,
        v1_members=v1,
        ref=ref,
        raw=raw,
        model=_model(call),
    )


def _members(
    profile: Json, session_id: str | None, *, has_library: bool, ignore_sent_at: Json = True
) -> tuple[bytes, bytes]:
    """Return what the legacy routes carry inside `properties`, and v1 beside it (section 4.1), as JSON members.

    `profile` is whether PostHog makes a person profile, None where it decides.
    """
    legacy: dict[str, Json] = {"$ignore_sent_at": ignore_sent_at}
    v1_options: dict[str, Json] = {"disable_skew_correction": ignore_sent_at is not False}
    if profile is not None:
        legacy["$process_person_profile"] = profile
        if isinstance(profile, bool):
            v1_options["process_person_profile"] = profile
    v1: dict[str, Json] = {"options": v1_options}
    if session_id is not None:
        legacy["$session_id"] = session_id
        v1["session_id"] = session_id
    if not has_library:
        legacy |= {"$lib": LIBRARY, "$lib_version": __version__}
    return orjson.dumps(legacy)[1:-1], orjson.dumps(v1)[1:-1]


_usual_members = lru_cache(maxsize=16)(_members)
"""Of calls without a session of PostHog's own, which differ in two answers."""


def _model(call: LLMCall | PassThrough) -> str:
    """Return the model, for the report; a span or a trace that was an event already may name none."""
    if isinstance(call, LLMCall):
        return call.model
    named = call.properties.get("$ai_model")
    return named if isinstance(named, str) else ""


# ---------------------------------------------------------------------------------------------------------------- ids


def _ids(call: LLMCall, uuid: str, warnings: dict[str, None]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in zip(
        _IDS, (call.trace_id or uuid, call.session_id, call.span_id or uuid, call.parent_id), strict=True
    ):
        if value is None:
            continue
        if len(value) <= MAX_ID_BYTES and (_is_plain_id(value) or _ALLOWED_ID.fullmatch(value)):
            found[name] = value
        else:
            found[name] = replaced_id(value)
            found[f"{name.removeprefix('$ai_')}_logged"] = value
            warnings["id-replaced"] = None
    return found


def _is_plain_id(value: str) -> bool:
    """Whether an id is nothing but letters, digits and hyphens, as most are; a third of the pattern's time."""
    return value.isascii() and value.replace("-", "").isalnum()


def _distinct_id(call: LLMCall, options: BuildOptions, trace_id: str, warnings: dict[str, None]) -> tuple[str, bool]:
    """Return the distinct id and whether it names somebody; calls without a user must not make a person each."""
    user = call.user if call.user is not None else options.distinct_id
    if user is None:
        warnings["no-user"] = None
        return trace_id, False
    return shorten_distinct_id(user, warnings), True


def shorten_distinct_id(user: str, warnings: dict[str, None]) -> str:
    """Return an id of at most 200 bytes: a longer one as a prefix and a short hash, so that two long ids stay two."""
    user = user.replace("\0", "\ufffd").strip()
    encoded = user.encode()
    if len(encoded) <= MAX_ID_BYTES:
        return user
    warnings["distinct-id-shortened"] = None
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{encoded[: MAX_ID_BYTES - 17].decode(errors='ignore')}~{digest}"


def _warn_of_key(destination: Destination, warnings: dict[str, None]) -> None:
    if destination.api_key and not destination.api_key.startswith("phc_"):
        warnings["odd-api-key"] = None


# ---------------------------------------------------------------------------------------------------------- properties


def _add_known(properties: dict[str, Json], call: LLMCall) -> None:
    """Add what the call was, how long it took and what it cost; what is not known is left out."""
    properties |= {name: value for name, value in zip(_DIRECT, _VALUES(call), strict=True) if value is not None}
    if call.is_error:
        properties["$ai_is_error"] = True
    if call.error is not None and call.error.type is not None:
        properties[_ERROR_TYPE] = call.error.type
    if call.groups:
        properties["$groups"] = dict(call.groups)
    if call.operation is not Operation.GENERATION:
        properties.pop("$ai_output_tokens", None)
    usage = call.usage
    if usage.cache_read is not None or usage.cache_creation is not None:
        # PostHog assumes that Anthropic's input excludes the cache; say which accounting this log has (11.3).
        properties["$ai_cache_reporting_exclusive"] = usage.cache_exclusive
    if usage.kinds is not None:
        properties |= {_FROM_KINDS[kind]: count for kind, count in usage.kinds.items()}
    _add_cost(properties, call)


def _add_cost(properties: dict[str, Json], call: LLMCall) -> None:
    """Add what the call cost, or see to it that PostHog estimates it from what it was."""
    usage, cost = call.usage, call.cost
    if cost is not None:
        properties["$ai_total_cost_usd"] = cost.total
        if cost.input is not None and cost.output is not None:
            properties["$ai_input_cost_usd"] = cost.input
            properties["$ai_output_cost_usd"] = cost.output
        else:
            properties["$ai_cost_passthrough"] = True  # or PostHog estimates the parts anew (11.2)
        return
    if usage.raw is not None and not _MISREAD.isdisjoint(usage.raw):
        properties["$ai_usage"] = {key: value for key, value in usage.raw.items() if key not in _MISREAD}
    if (text := _priced_text(call.model, usage)) is not None:
        properties["$ai_text_output_tokens"] = text


def _priced_text(model: str, usage: Usage) -> int | None:
    """Return the text that PostHog must price for reasoning to be paid once; None where its own sum is right.

    It adds the reasoning to the output of some models, as their makers count, and prices no other's. Logs count by
    OpenAI's rule, reasoning is a part of the output, unless their total says otherwise, as xAI's does, or, where there
    is none, more reasoning than output.
    """
    output, reasoning = usage.output, usage.reasoning
    if output is None or usage.input is None:
        return None
    room = None if usage.total is None else usage.total - usage.input - output
    if reasoning is None and (room is None or room <= 0 or usage.cache_read is not None):
        return None
    is_added = _ADDS_REASONING.match(model) is not None
    kinds = usage.kinds or {}
    text = output - kinds.get("audio_output", 0) - kinds.get("image_output", 0)
    if reasoning is None:  # Google's answers in OpenAI's form have it in the total alone
        return text + (room or 0) if is_added else None
    # Google's total has what its own tools were asked, too.
    is_beside = reasoning > output if room is None else room == reasoning or (is_added and room > reasoning)
    if is_beside is is_added:
        return None
    return text + reasoning if is_beside else max(0, text - reasoning)


def _without_quoting_names(properties: Mapping[str, Json], call: LLMCall) -> dict[str, Json]:
    """Leave out what the caller named freely, ids and names, where it repeats the prompt or the answer."""
    content = [call.input, call.output]
    names = {key: value for key, value in properties.items() if key in _NAMED}
    ids = {key: value for key, value in properties.items() if key.endswith("_logged")}
    left_out = {*names, *ids} - {*without_quotes(names, content), *without_quotes(ids, content)}
    return _without_worded_type({key: value for key, value in properties.items() if key not in left_out})


def _without_worded_type(properties: dict[str, Json]) -> dict[str, Json]:
    """Leave an error's type out where it is no name but words: a logger wrote the error's text there."""
    if isinstance(found := properties.get(_ERROR_TYPE), str) and len(found.split()) > 1:
        del properties[_ERROR_TYPE]
    return properties


def _content(call: LLMCall, options: BuildOptions) -> dict[str, Json]:
    parameters = dict(call.parameters)
    if options.privacy_mode:
        parameters = without_quotes(without_structures(parameters), [call.input, call.output])
        return {_PARAMETERS: parameters} if parameters else {}
    redact = redact_media if options.media is Media.REDACT else _as_it_is
    found: dict[str, Json] = {}
    if parameters:
        found[_PARAMETERS] = redact(parameters)
    if call.input is not None:
        found["$ai_input"] = _messages(call.input, redact)
    if call.output is not None and call.operation is Operation.GENERATION:
        output = call.output
        if options.media is Media.REDACT:
            output = [_without_audio(message) for message in output]
        found["$ai_output_choices"] = _messages(output, redact)
    if call.tools is not None:
        found["$ai_tools"] = redact(call.tools)
    if call.error is not None and call.error.message is not None:
        found["$ai_error"] = redact(call.error.message)
    return found


def _as_it_is(value: Json) -> Json:
    return value


def _messages(value: Json, redact: Callable[[Json], Json]) -> Json:
    """Return messages without media, and what is of another shape as compact JSON; an embedding's input may be none."""
    if not isinstance(value, list):
        return redact(value)
    return [message if is_plain(message) else _message(redact(message)) for message in value]


def _message(message: Json) -> Json:
    return message if _is_text(message) else _with_text(message)


def _is_text(message: Json) -> bool:
    return isinstance(message, dict) and isinstance(message.get("content"), str)


def _with_text(message: Json) -> Json:
    """Show what is of another shape than messages as compact JSON."""
    parts = message.get("content") if isinstance(message, dict) else None
    if _is_value(parts):
        return {**message, "content": _shown(parts)}
    if not isinstance(parts, list) or not any(_is_value(part) for part in parts):
        return message
    return {
        **message,
        "content": [{"type": "text", "text": _shown(part)} if _is_value(part) else part for part in parts],
    }


def _shown(part: Json) -> str:
    return orjson.dumps(part["value"]).decode()


def _is_value(part: Json) -> bool:
    return isinstance(part, dict) and part.get("type") == VALUE_PART and "value" in part


def _without_audio(message: Json) -> Json:
    """An audio answer is shown by its transcript; its data says no more (11.4)."""
    parts = message["content"]
    kept = [part for part in parts if part.get("type") != "audio"]
    if len(kept) == len(parts):
        return message
    return {**message, "content": kept or [{"type": "text", "text": placeholder("audio")}]}


def _own(call: LLMCall, options: BuildOptions) -> dict[str, Json]:
    """What has no `$ai_` name: the caller's metadata, the reader's notes, the operator's properties."""
    own: dict[str, Json] = {**call.metadata, **call.properties}
    if options.media is Media.REDACT:
        own = redact_media(own)
    if options.privacy_mode:
        own = without_quotes(own, [call.input, call.output, call.error.message if call.error else None])
    own |= options.properties
    if options.import_id is not None:
        own["plh_import_id"] = options.import_id
    return own


# -------------------------------------------------------------------------------------------------------- pass-through


def build_pass_through(
    event: PassThrough, options: BuildOptions, ref: SourceRef, destination: Destination, *, raw: bytes = b""
) -> tuple[Event, tuple[str, ...]]:
    """Return an event that was a record already: what it has stays, what every event carries is added where absent."""
    warnings = dict.fromkeys(event.warnings)
    properties = {key: value for key, value in event.properties.items() if not key.startswith("$ai_gateway")}
    if options.privacy_mode:
        content = [properties.pop(name) for name in _CONTENT if name in properties]
        properties = _without_worded_type(without_quotes(properties, content))
        if isinstance(parameters := properties.get(_PARAMETERS), dict):
            properties[_PARAMETERS] = without_structures(parameters)
    for name, value in options.properties.items():
        properties.setdefault(name, value)
    if options.import_id is not None:
        properties.setdefault("plh_import_id", options.import_id)
    properties.setdefault("$geoip_disable", True)
    ignore_sent_at = properties.pop("$ignore_sent_at", True)
    profile = properties.pop("$process_person_profile", None)
    session_id = properties.get("$session_id")
    if isinstance(session_id, str):
        del properties["$session_id"]
    else:
        session_id = None
    if event.timestamp < options.run_started_at - CONTENT_DAYS:
        warnings["content-expired"] = None
    _warn_of_key(destination, warnings)
    built = _event(
        (event.uuid, event.name, shorten_distinct_id(event.distinct_id, warnings)),
        event,
        destination,
        properties,
        _members(profile, session_id, has_library="$lib" in properties, ignore_sent_at=ignore_sent_at),
        (ref, raw),
    )
    return built, tuple(warnings)
