"""An exchange → `LLMCall`: what all OpenAI formats share (openai-logs.md, section 3)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import (
    Warnings,
    compact,
    first_id,
    first_text,
    id_text,
    is_number,
    mapping,
    number,
    text,
)  # fmt: skip
from posthog_llm_cli.formats._messages import clean_tools, input_messages, web_searches, with_instructions
from posthog_llm_cli.formats._metadata import CallerMetadata, read_caller_metadata
from posthog_llm_cli.formats._openai_exchange import Exchange
from posthog_llm_cli.formats._openai_failure import find_failure
from posthog_llm_cli.formats._openai_provider import find_provider
from posthog_llm_cli.formats._openai_times import read_times
from posthog_llm_cli.formats._parameters import model_parameters
from posthog_llm_cli.formats._people import Person, find_person
from posthog_llm_cli.formats._urls import base_url, clean_url
from posthog_llm_cli.formats._usage import openai_usage
from posthog_llm_cli.identity import canonical_sha256
from posthog_llm_cli.model import Cost, Json, LLMCall, Operation, ParseContext, Usage
from posthog_llm_cli.timeparse import parse_time

_DEPLOYMENT = re.compile(r"/deployments/([^/?#]+)")
_COST_KEYS = ("cost", "cost_usd", "total_cost", "total_cost_usd", "response_cost")
_SESSION_KEYS = ("session_id", "conversation_id", "thread_id", "chat_id")
_ROUTES = ("/chat/completions", "/responses", "/embeddings", "/completions")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a format read of the answer itself: canonical output, stop reason, and the operation."""

    operation: Operation
    output: list[Json] | None = field(default=None, repr=False)
    stop_reason: str | None = None


def build_call(exchange: Exchange, answer: Answer, context: ParseContext) -> LLMCall:
    """Return the call of an exchange.

    Raises:
        RecordError: `missing-field` without a model or any usable time.
    """
    warn = Warnings()
    outer, request, response = exchange.outer, exchange.request, exchange.response
    failure = find_failure(exchange)
    embedding = answer.operation is Operation.EMBEDDING
    model = _model(exchange)
    times = read_times(outer, response, context, warn)
    usage = _usage(exchange, warn, embedding=embedding)
    if usage.input is None and usage.output is None and failure is None:
        warn("no-usage")
    caller = _caller(exchange)
    if caller.has_reserved:
        warn("reserved-metadata")
    person = _person(exchange)
    span_id = _span_id(exchange)
    parameters = model_parameters(request or response)
    tier = text(response.get("service_tier"))
    if tier is not None:
        parameters["service_tier"] = tier
    stream = request.get("stream")
    url = clean_url(exchange.url)
    base = _base_url(exchange, url)
    cost = _cost(exchange)
    call = LLMCall(
        operation=answer.operation,
        identity=_identity(exchange),
        timestamp=times.timestamp,
        model=model,
        trace_id=_trace_id(exchange, caller) or span_id or "",
        span_id=span_id,
        parent_id=caller.wished_parent_id or first_id(outer.get("parent_id"), outer.get("parent_span_id")),
        session_id=_session_id(exchange, caller) or person.session_id,
        span_name=caller.span_name,
        trace_name=caller.trace_name,
        prompt_name=caller.prompt_name,
        started_at=times.started_at,
        ended_at=times.ended_at,
        latency_s=times.latency_s,
        ttft_s=times.ttft_s,
        provider=_provider(exchange, url, base, model),
        base_url=base,
        request_url=url,
        input=_input(exchange, warn, embedding=embedding),
        output=answer.output,
        tools=clean_tools(request.get("tools") or request.get("functions") or response.get("tools")),
        parameters=parameters,
        service_tier=tier,
        stream=stream if isinstance(stream, bool) else None,
        usage=usage,
        cost=cost,
        is_error=failure is not None,
        error=failure.error if failure is not None else None,
        http_status=failure.status if failure is not None else exchange.status,
        stop_reason=answer.stop_reason,
        user=person.user,
        posthog_session_id=caller.posthog_session_id,
        groups=caller.groups,
        metadata=caller.custom,
        properties=_properties(exchange, caller, model),
    )
    return replace(call, warnings=warn.codes())


def operation_of_failure(exchange: Exchange) -> Operation:
    """A failed call was an embedding if its URL or its request says so."""
    request = exchange.request
    path = (exchange.url or "").split("?")[0].rstrip("/")
    asks = "input" in request and "messages" not in request and "embed" in str(request.get("model") or "").lower()
    return Operation.EMBEDDING if path.endswith("/embeddings") or asks else Operation.GENERATION


# -------------------------------------------------------------------------------------------------------------- model


def _model(exchange: Exchange) -> str:
    """The model that answered: it is what was billed, and the same whether or not the request was logged (3.5)."""
    outer, request, response = exchange.outer, exchange.request, exchange.response
    deployment = _DEPLOYMENT.search(exchange.url or "")
    model = first_text(
        response.get("model"),
        request.get("model"),
        outer.get("model"),
        outer.get("model_name"),
        deployment[1] if deployment is not None else None,
    )
    if model is None:
        raise RecordError("missing-field", "the record names no model", path="$.model")
    return model


def _provider(exchange: Exchange, url: str | None, base: str | None, model: str) -> str | None:
    """A bare answer's own `provider` is OpenRouter's upstream, so only an outer one counts."""
    outer = exchange.outer
    named = () if exchange.is_bare else (outer.get("provider"), outer.get("custom_llm_provider"))
    return find_provider(named, (url, base), exchange.response, model)


def _base_url(exchange: Exchange, url: str | None) -> str | None:
    outer = exchange.outer
    named = clean_url(outer.get("base_url")) or clean_url(outer.get("api_base"))
    return named or (base_url(url) if url is not None else None)


# ------------------------------------------------------------------------------------------------------- usage, cost


def _usage(exchange: Exchange, warn: Warnings, *, embedding: bool) -> Usage:
    outer, response = exchange.outer, exchange.response
    logged = mapping(response.get("usage")) or mapping(outer.get("usage"))
    usage = openai_usage(logged or _flat_usage(outer), warn, embedding=embedding)
    if not logged:
        usage = replace(usage, raw=None)
    searches = web_searches(response)
    return usage if searches is None else replace(usage, web_searches=searches)


def _flat_usage(outer: Mapping[str, Json]) -> dict[str, Json]:
    into = next((outer[key] for key in ("prompt_tokens", "input_tokens", "tokens_in") if key in outer), None)
    out = next((outer[key] for key in ("completion_tokens", "output_tokens", "tokens_out") if key in outer), None)
    return {"prompt_tokens": into, "completion_tokens": out}


def _cost(exchange: Exchange) -> Cost | None:
    """A logged cost above zero; estimates and zeros are not sent (3.9)."""
    usage = mapping(exchange.response.get("usage"))
    candidates = [exchange.outer.get(key) for key in _COST_KEYS]
    if usage.get("is_byok") is not True:
        candidates.append(usage.get("cost"))
    for value in candidates:
        cost = number(value)
        if cost is not None and cost > 0:
            return Cost(cost)
    return None


# ------------------------------------------------------------------------------------------------------------- input


def _input(exchange: Exchange, warn: Warnings, *, embedding: bool) -> Json:
    request = exchange.request
    raw = next(
        (request[key] for key in ("messages", "input", "inputs", "prompt") if request.get(key) is not None), None
    )
    if embedding:
        found: Json = raw if raw not in ("", [], {}) else None
    else:
        instructions = request.get("instructions") or exchange.response.get("instructions")
        messages = _without_answer(_prompts(request, raw), exchange.response)
        found = with_instructions(messages, instructions)
    if raw is None or found is None:
        warn("no-input")
    elif "attachment://" in compact(found):
        warn("unresolved-attachment")
    return found


def _prompts(request: Mapping[str, Json], raw: Json) -> list[Json] | None:
    """A list of token arrays is a list of prompts; a single one is one prompt."""
    if raw is request.get("prompt") and isinstance(raw, dict):
        return None  # a stored prompt's reference, not text
    return input_messages(raw)


def _without_answer(messages: list[Json] | None, response: Mapping[str, Json]) -> list[Json] | None:
    """Drop the answer from the input where a writer appended it to the same list (43 of 43 in one log)."""
    choices = response.get("choices")
    first = mapping(mapping(choices[0]).get("message")) if isinstance(choices, list) and choices else {}
    if not messages or not first:
        return messages
    last = mapping(messages[-1])
    if last.get("role") != (first.get("role") or "assistant"):
        return messages
    said = first.get("content")
    same_text = isinstance(said, str) and bool(said) and _words(last.get("content")) == said
    calls = first.get("tool_calls")
    same_calls = not said and not last.get("content") and bool(calls) and last.get("tool_calls") == calls
    return messages[:-1] or None if same_text or same_calls else messages


def _words(content: Json) -> Json:
    """A message's text, also where it is a list of text parts."""
    if not isinstance(content, list):
        return content
    return "".join(part["text"] for part in content if isinstance(mapping(part).get("text"), str))


# --------------------------------------------------------------------------------------------------------------- ids


def _identity(exchange: Exchange) -> str:
    """`openai|id|created`, the same for pair, bare object and merged stream; else the record's content (3.10)."""
    response = exchange.response
    answer_id = id_text(response.get("id"))
    if answer_id is None:
        return f"openai|sha256:{canonical_sha256(exchange.outer)}"
    created = response.get("created", response.get("created_at"))
    parsed = parse_time(created, UTC) if is_number(created) or isinstance(created, str) else None
    return f"openai|{answer_id}|{'' if parsed is None else parsed.us // 1_000_000}"


def _span_id(exchange: Exchange) -> str | None:
    outer = exchange.outer
    return first_id(
        exchange.response.get("id"),
        outer.get("span_id"),
        outer.get("call_id"),
        outer.get("request_id"),
        outer.get("id"),
    )


def _metadatas(exchange: Exchange) -> tuple[Mapping[str, Json], Mapping[str, Json], Mapping[str, Json]]:
    return (
        mapping(exchange.outer.get("metadata")),
        mapping(exchange.request.get("metadata")),
        mapping(exchange.response.get("metadata")),
    )


def _trace_id(exchange: Exchange, caller: CallerMetadata) -> str | None:
    outer = exchange.outer
    outer_metadata, request_metadata, _ = _metadatas(exchange)
    return caller.wished_trace_id or first_id(
        outer.get("trace_id"),
        outer.get("traceId"),
        outer.get("trace"),
        outer_metadata.get("trace_id"),
        request_metadata.get("trace_id"),
    )


def _session_id(exchange: Exchange, caller: CallerMetadata) -> str | None:
    outer_metadata, request_metadata, _ = _metadatas(exchange)
    conversation = exchange.response.get("conversation")
    return caller.wished_session_id or first_id(
        *(exchange.outer.get(key) for key in _SESSION_KEYS),
        outer_metadata.get("session_id"),
        request_metadata.get("session_id"),
        mapping(conversation).get("id"),
        conversation,
    )


def _person(exchange: Exchange) -> Person:
    outer, request, response = exchange.outer, exchange.request, exchange.response
    outer_metadata, request_metadata, response_metadata = _metadatas(exchange)
    candidates: Iterable[Json] = (
        outer.get("distinct_id"),
        outer.get("user_id"),
        outer.get("user"),
        outer.get("end_user"),
        outer_metadata.get("user_id"),
        request_metadata.get("user_id"),
        request.get("user"),
        request.get("safety_identifier"),
        response_metadata.get("user_id"),
        response.get("user"),
        response.get("safety_identifier"),
    )
    return find_person(candidates, take_object_id=True)


def _caller(exchange: Exchange) -> CallerMetadata:
    outer, request, response = _metadatas(exchange)
    return read_caller_metadata({**request, **outer} or response)


def _properties(exchange: Exchange, caller: CallerMetadata, model: str) -> dict[str, Json]:
    outer, request, response = exchange.outer, exchange.request, exchange.response
    asked = text(request.get("model")) or (None if exchange.is_bare else text(outer.get("model")))
    tags = outer.get("tags") if outer.get("tags") is not None else caller.tags
    found: dict[str, Json] = {
        "requested_model": asked if asked != model else None,
        "openai_previous_response_id": first_id(
            response.get("previous_response_id"), request.get("previous_response_id")
        ),
        "tags": tags if isinstance(tags, str | list) and tags else None,
    }
    return {key: value for key, value in found.items() if value is not None}
