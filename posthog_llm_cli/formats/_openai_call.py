"""An exchange → `LLMCall`: what all OpenAI formats share (openai-logs.md, section 3)."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import ClassVar, NamedTuple

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._errors import UNKNOWN_ERROR
from posthog_llm_cli.formats._fields import (
    Warnings,
    decoded_if_shallow,
    first_id,
    first_text,
    id_text,
    is_number,
    items,
    mapping,
    says,
    text,
)
from posthog_llm_cli.formats._litellm_output import is_redacted_input, is_redacted_output, redacted_output
from posthog_llm_cli.formats._messages import clean_tools, input_messages, with_instructions
from posthog_llm_cli.formats._metadata import CallerMetadata, read_caller_metadata
from posthog_llm_cli.formats._openai_answers import is_error
from posthog_llm_cli.formats._openai_batch_lines import batch_id_of
from posthog_llm_cli.formats._openai_exchange import Exchange, input_value
from posthog_llm_cli.formats._openai_failure import find_failure
from posthog_llm_cli.formats._openai_provider import find_provider
from posthog_llm_cli.formats._openai_times import read_times
from posthog_llm_cli.formats._openai_usage import read_cost, read_usage
from posthog_llm_cli.formats._parameters import model_parameters
from posthog_llm_cli.formats._people import Person, find_person
from posthog_llm_cli.formats._proxy import key_names, own_metadata
from posthog_llm_cli.formats._urls import base_url, clean_url
from posthog_llm_cli.identity import canonical_sha256
from posthog_llm_cli.model import CallError, Json, LLMCall, Operation, ParseContext
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.privacy import without_structures
from posthog_llm_cli.timeparse import parse_time
from posthog_llm_cli.values import Value

_DEPLOYMENT = lazily(r"/deployments/([^/?#]+)")
_INPUT_KEYS = ("messages", "request_messages", "input", "inputs", "prompt")
_SESSION_KEYS = (
    "session_id", "conversation_id", "thread_id", "chat_id", "sessionId", "conversationId", "threadId", "chatId",
)  # fmt: skip


class Answer(Value, frozen=True):
    """What a format read of the answer itself: canonical output, stop reason, and the operation."""

    hidden: ClassVar = frozenset({"output"})

    operation: Operation
    output: list[Json] | None = None
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
    usage = read_usage(exchange, warn, embedding=embedding)
    if usage.input is None and usage.output is None and failure is None:
        warn("no-usage")
    logged = _logged_metadatas(exchange)
    own = _Metadatas(*map(own_metadata, logged))
    caller = read_caller_metadata({**own.request, **own.outer} or own.response)
    if caller.has_reserved:
        warn("reserved-metadata")
    person = _person(exchange, logged, own)
    span_id = _span_id(exchange)
    parameters = model_parameters(request or response)
    tier = text(response.get("service_tier"))
    if tier is not None:
        parameters["service_tier"] = tier
    stream = request.get("stream")
    url = clean_url(exchange.url)
    base = _base_url(exchange, url)
    cost = read_cost(exchange, usage, warn, failed=failure is not None)
    tools = clean_tools(items(request.get("tools")) or items(request.get("functions")) or items(response.get("tools")))
    asked, said = _input(exchange, answer, warn), answer.output
    error = failure.error if failure is not None else None
    redacted = _is_redacted(asked, said)
    if redacted:  # what LiteLLM took out for its callbacks (litellm-logs.md 6.17)
        asked, said, tools = None, redacted_output(response), None
        parameters = without_structures(parameters)
        error = None if error is None else CallError(error.type, error.type or UNKNOWN_ERROR)
    if says((asked, said, tools), "attachment://"):
        warn("unresolved-attachment")
    return LLMCall(
        operation=answer.operation,
        identity=_identity(exchange),
        timestamp=times.timestamp,
        model=model,
        trace_id=_trace_id(exchange, own, caller) or span_id or "",
        span_id=span_id,
        parent_id=caller.wished_parent_id or first_id(outer.get("parent_id"), outer.get("parent_span_id")),
        session_id=_session_id(exchange, own, caller) or person.session_id,
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
        input=asked,
        output=said,
        tools=tools,
        parameters=parameters,
        service_tier=tier,
        stream=stream if isinstance(stream, bool) else None,
        usage=usage,
        cost=cost,
        is_error=failure is not None,
        error=error,
        http_status=failure.status if failure is not None else exchange.status,
        stop_reason=answer.stop_reason,
        user=person.user,
        posthog_session_id=caller.posthog_session_id,
        groups=caller.groups,
        metadata=caller.custom,
        properties=_properties(exchange, caller, model, redacted=redacted),
        warnings=warn.codes(),
    )


def operation_of_failure(exchange: Exchange) -> Operation:
    """A failed call was an embedding if its URL or its request says so."""
    request = exchange.request
    path = (exchange.url or "").split("?")[0].rstrip("/")
    asks = "input" in request and "messages" not in request and "embed" in str(request.get("model") or "").lower()
    return Operation.EMBEDDING if path.endswith(("/embeddings", "/api/embed")) or asks else Operation.GENERATION


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
        outer.get("modelName"),
        outer.get("modelId"),
        deployment[1] if deployment is not None else None,
        *(side.get(key) for side in (request, outer) for key in ("engine", "deployment_id")),  # openai before 1.0
        outer.get("model_id"),  # LiteLLM's, say, is a number of its own
    )
    if model is None:
        raise RecordError("missing-field", "the record names no model", path="$.model")
    return model


def _provider(exchange: Exchange, url: str | None, base: str | None, model: str) -> str | None:
    """A bare answer's own `provider` is OpenRouter's upstream, so only an outer one counts."""
    outer = exchange.outer
    named = (outer.get("provider"), outer.get("custom_llm_provider"), exchange.request.get("custom_llm_provider"))
    line_id = text(outer.get("id")) if "custom_id" in outer else None
    response = exchange.response
    if is_error(outer.get("error")) and not is_error(response.get("error")):
        response = {**response, "error": outer["error"]}
    return find_provider(() if exchange.is_bare else named, (url, base), response, model, line_id=line_id)


def _base_url(exchange: Exchange, url: str | None) -> str | None:
    if url is not None:
        return base_url(url)
    sides = (exchange.outer, exchange.request)
    named = (clean_url(side.get(key)) for side in sides for key in ("base_url", "api_base"))
    return next((found for found in named if found is not None), None)


# ------------------------------------------------------------------------------------------------------------- input


def _input(exchange: Exchange, answer: Answer, warn: Warnings) -> Json:
    request = exchange.request
    key, raw = next(
        ((key, request[key]) for key in _INPUT_KEYS if request.get(key) not in (None, "", [], {})), ("", None)
    )
    found: Json = raw
    if answer.operation is not Operation.EMBEDDING:
        if (key == "messages" and isinstance(raw, str)) or (key == "prompt" and isinstance(raw, dict)):
            raw = input_value(raw) if isinstance(raw, str) else None  # a stored prompt's reference is no text
        instructions = request.get("instructions") or exchange.response.get("instructions")
        found = with_instructions(_without_answer(input_messages(raw), answer.output), instructions)
    if raw is None or found is None:
        warn("no-input")
    return found


def _is_redacted(asked: Json, said: list[Json] | None) -> bool:
    """Whether LiteLLM's sentinel stands for what was asked, where it is all or the last message, or in the answer."""
    return is_redacted_input(asked[-1:] if isinstance(asked, list) else asked) or is_redacted_output(said)


def _without_answer(messages: list[Json] | None, output: list[Json] | None) -> list[Json] | None:
    """Drop the answer from the input where a writer appended it to the same list (43 of 43 in one log)."""
    if not messages or not output:
        return messages
    last, first = mapping(messages[-1]), mapping(output[0])
    if last.get("role") != "assistant":
        return messages
    parts = [mapping(part) for part in items(first.get("content"))]
    said = _words(parts)
    if said:
        return messages[:-1] or None if _words(last.get("content")) == said else messages
    called = [mapping(part.get("function")) for part in parts if part.get("type") == "function"]
    wanted = [mapping(mapping(call).get("function")) for call in items(last.get("tool_calls"))]
    same_calls = bool(called) and not _words(last.get("content")) and _calls(called) == _calls(wanted)
    return messages[:-1] or None if same_calls else messages


def _calls(functions: list[Mapping[str, Json]]) -> list[tuple[Json, Json]]:
    return [(function.get("name"), function.get("arguments")) for function in functions]


def _words(content: Json) -> str:
    """A message's text, also where it is a list of text parts."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in items(content) if _is_text(mapping(part)))


def _is_text(part: Mapping[str, Json]) -> bool:
    return part.get("type") in {None, "text", "output_text"} and isinstance(part.get("text"), str)


# --------------------------------------------------------------------------------------------------------------- ids


def _identity(exchange: Exchange) -> str:
    """`openai|id|created`, the same for pair, bare object and merged stream; else the record's content (3.10)."""
    response = exchange.response
    answer_id = id_text(response.get("id"))
    if answer_id is None:
        record = exchange.outer if exchange.record is None else exchange.record
        return f"openai|sha256:{canonical_sha256(record)}"
    created = response.get("created")
    created = response.get("created_at") if created is None else created
    parsed = parse_time(created, UTC) if is_number(created) or isinstance(created, str) else None
    return f"openai|{answer_id}|{'' if parsed is None else parsed.us // 1_000_000}"


def _span_id(exchange: Exchange) -> str | None:
    outer = exchange.outer
    return first_id(
        exchange.response.get("id"),
        outer.get("span_id"),
        outer.get("call_id"),
        outer.get("request_id"),
        None if "custom_id" in outer and batch_id_of(outer) is not None else outer.get("id"),
    )


class _Metadatas(NamedTuple):
    """The metadata of record, request and answer."""

    outer: Mapping[str, Json]
    request: Mapping[str, Json]
    response: Mapping[str, Json]


def _logged_metadatas(exchange: Exchange) -> _Metadatas:
    """The metadata as logged: a LiteLLM proxy's own are among them, also where only its answer was logged beside."""
    return _Metadatas(*map(_logged_metadata, (exchange.outer, exchange.request, exchange.response)))


def _logged_metadata(side: Mapping[str, Json]) -> Mapping[str, Json]:
    """The metadata of a side; in a row of a table they are a text of JSON, which is left out where it is too deep."""
    own = decoded_if_shallow(side.get("metadata"))
    return mapping(own) or mapping(mapping(side.get("litellm_params")).get("metadata"))


def _trace_id(exchange: Exchange, own: _Metadatas, caller: CallerMetadata) -> str | None:
    outer = exchange.outer
    return caller.wished_trace_id or first_id(
        outer.get("trace_id"),
        outer.get("traceId"),
        outer.get("trace"),
        own.outer.get("trace_id"),
        own.request.get("trace_id"),
    )


def _session_id(exchange: Exchange, own: _Metadatas, caller: CallerMetadata) -> str | None:
    conversation = exchange.response.get("conversation")
    return caller.wished_session_id or first_id(
        *(exchange.outer.get(key) for key in _SESSION_KEYS),
        own.outer.get("session_id"),
        own.request.get("session_id"),
        mapping(conversation).get("id"),
        conversation,
    )


def _person(exchange: Exchange, logged: _Metadatas, own: _Metadatas) -> Person:
    outer, request, response = exchange.outer, exchange.request, exchange.response
    candidates: Iterable[Json] = (
        outer.get("distinct_id"),
        outer.get("user_id"),
        outer.get("userId"),
        None if exchange.is_bare else outer.get("user"),
        outer.get("end_user"),
        own.outer.get("user_id"),
        own.request.get("user_id"),
        request.get("user"),
        request.get("safety_identifier"),
        own.response.get("user_id"),
        response.get("user"),
        response.get("safety_identifier"),
    )
    keys = frozenset[str]().union(*(key_names(side) for side in (outer, *logged)))
    return find_person(candidates, nobody=keys, take_object_id=True)


def _properties(exchange: Exchange, caller: CallerMetadata, model: str, *, redacted: bool) -> dict[str, Json]:
    outer, request, response = exchange.outer, exchange.request, exchange.response
    asked = text(request.get("model")) or (None if exchange.is_bare else text(outer.get("model")))
    tags = outer.get("tags") if outer.get("tags") is not None else caller.tags
    found: dict[str, Json] = {
        "requested_model": asked if asked != model else None,
        "openai_previous_response_id": first_id(
            response.get("previous_response_id"), request.get("previous_response_id")
        ),
        "tags": tags if isinstance(tags, (str, list)) and tags else None,
        "litellm_redacted": redacted or None,
    }
    return {key: value for key, value in found.items() if value is not None}
