"""The usual call of LiteLLM's, read from its bytes in one go: a chat of texts that got one text for an answer.

Most records of a proxy are one. Of such a payload a part says something about the call; the rest, a model's prices,
headers and what else a proxy knows, is passed over without a value being made of it, and what is left has the types
that `litellm.parse` would otherwise ask for one by one.

What is not as usual is not interpreted here: the reader returns None, and the record is read in full. So it never says
anything but what `litellm.parse` says of the same bytes, to the last field; tests compare the two on every sample and
on records that are changed at any place.
"""

from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import orjson

from posthog_llm_cli.decoding import has_many_brackets
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import EMPTY, MAX_TOKENS, Warnings, mapping, says, without_nulls
from posthog_llm_cli.formats._litellm_content import NO_INPUT
from posthog_llm_cli.formats._litellm_ids import Envelope, base_call_id, identity_of, session_and_trace
from posthog_llm_cli.formats._litellm_output import SENTINEL
from posthog_llm_cli.formats._messages import assistant, chat_output, clean_tools, text_part
from posthog_llm_cli.formats._metadata import CallerMetadata, read_caller_metadata
from posthog_llm_cli.formats._parameters import model_parameters
from posthog_llm_cli.formats._people import find_person
from posthog_llm_cli.formats._proxy import is_from_proxy, key_names
from posthog_llm_cli.formats._urls import clean_url
from posthog_llm_cli.formats._usage import litellm_usage
from posthog_llm_cli.formats.litellm import (
    GUARDRAILS,
    HEALTH_CHECK,
    cost_of,
    notes_of,
    properties_of,
    streamed,
    without_prefix,
)
from posthog_llm_cli.model import Json, LLMCall, Operation, ParseContext
from posthog_llm_cli.timeparse import EARLIEST_US, SECONDS_BELOW, from_us, latest_us
from posthog_llm_cli.values import Value, asdict

_CALL_TYPE = b'"call_type"'
_USUAL_TYPES = tuple(b'"call_type":%b"%b"' % form for form in product((b"", b" "), (b"completion", b"acompletion")))
_FAILURE = b'"failure"'
_HEAD = 1024
"""Bytes in which a payload names its call type: a record of another format costs no more than a look at them."""
_LONGEST = 1024 * 1024
"""Bytes of a payload that are looked at twice: as text, which checks its UTF-8, they may take four times as much."""
_MOST_VAIN = 8
_PASSED = 16
"""After so many records in a row that turned out to be none, of so many only one is tried: some logs hold none."""
_EARLIEST_S = EARLIEST_US / 1_000_000
_NULL = msgspec.Raw(b"null")
_CANONICAL = ["role", "content"]
_NO_ENVELOPE = Envelope()

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOKENS)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Number = float | int
_Scalar = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float | str | bool | None
_Nothing = (
    Annotated[list[None], msgspec.Meta(max_length=0)]
    | Annotated[str, msgspec.Meta(max_length=0)]
    | Annotated[dict[str, None], msgspec.Meta(max_length=0)]
    | None
)
_Never = Annotated[int, msgspec.Meta(ge=1, le=0)]
_NEVER: _Never = 0
"""Of a key whose presence alone makes another record of a payload, or another answer: no value is one."""


class _Metadata(Value, frozen=True):
    hidden: ClassVar = frozenset({
        "user_api_key_hash", "user_api_key", "user_api_key_user_id", "requester_ip_address", "user_agent",
        "requester_metadata",
    })  # fmt: skip

    user_api_key_hash: str | None = None
    user_api_key: str | None = None
    user_api_key_alias: str | None = None
    user_api_key_team_alias: str | None = None
    user_api_key_user_id: str | None = None
    user_api_key_request_route: str | None = None
    litellm_api_version: str | None = None
    requester_ip_address: str | None = None
    user_agent: str | None = None
    requester_metadata: msgspec.Raw = _NULL
    usage_object: dict[str, _Scalar | dict[str, _Scalar]] | None = None
    additional_usage_values: _Nothing = None
    attempted_retries: Literal[0] | None = None


class _Beside(Value, frozen=True):
    refusal: _Nothing = None


class _Message(Value, frozen=True):
    hidden: ClassVar = frozenset({"content", "reasoning_content", "tool_calls"})

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: _Nothing = None
    refusal: _Nothing = None
    audio: _Nothing = None
    images: _Nothing = None
    tool_calls: msgspec.Raw = _NULL
    function_call: _Nothing = None
    annotations: _Nothing = None
    provider_specific_fields: _Beside | None = None


class _Choice(Value, frozen=True):
    message: _Message
    text: _Never = _NEVER
    finish_reason: str | None = None


class _AnswerUsage(Value, frozen=True):
    search_context_size: _Nothing = None


class _Answer(Value, frozen=True):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1, max_length=1)]
    output: _Never = _NEVER
    text: _Never = _NEVER
    citations: _Nothing = None
    search_results: _Nothing = None
    usage: _AnswerUsage | None = None
    service_tier: str | None = None


class _Costs(Value, frozen=True):
    input_cost: float | None = None
    output_cost: float | None = None


_NO_COSTS = _Costs()


class _Status(Value, frozen=True):
    guardrail_status: str | None = None


class _Payload(Value, frozen=True):
    """What of a payload says something about a usual call."""

    hidden: ClassVar = frozenset({
        "messages", "response", "model_parameters", "metadata", "end_user", "request_tags", "api_base",
    })  # fmt: skip

    id: _Text
    call_type: Literal["completion", "acompletion"]
    startTime: _Number  # noqa: N815 -- LiteLLM's names
    endTime: _Number  # noqa: N815
    model: _Text
    custom_llm_provider: _Text
    metadata: _Metadata
    messages: list[dict[str, str]]
    response: _Answer
    model_parameters: msgspec.Raw
    completionStartTime: _Number | None = None  # noqa: N815
    status: Literal["success"] | None = None
    status_fields: _Status | None = None
    litellm_call_id: str | None = None
    trace_id: str | None = None
    session_id: str | None = None
    stream: bool | None = None
    cache_hit: bool | None = None
    saved_cache_cost: float | None = None
    response_cost: float | None = None
    cost_breakdown: _Costs | None = None
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    total_tokens: _Count | None = None
    request_tags: list[str] | None = None
    end_user: str | None = None
    api_base: str | None = None
    model_group: str | None = None
    model_id: str | None = None
    error_str: None = None


class Reader:
    """Reads usual calls from the bytes of payloads.

    An object with one of `foreign_keys` may be a record of another format, or hold one. What it read before decides
    only whether it tries at all: in a log without usual calls it seldom does. Used from one thread.
    """

    def __init__(self, foreign_keys: frozenset[str]) -> None:
        names = {f"foreign_{number}": key for number, key in enumerate(sorted(foreign_keys))}
        fields = [(name, _Never, _NEVER) for name in names]
        whole = msgspec.defstruct("_Whole", fields, bases=(_Payload,), rename=names, frozen=True)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(whole)
        self._in_vain = 0
        self._passed_over = 0

    def read(self, raw: bytes, context: ParseContext) -> LLMCall | None:
        """Return the call, None of whatever is to be read in full."""
        if not _may_be_usual(raw):
            return None
        if self._in_vain >= _MOST_VAIN and self._passed_over < _PASSED:
            self._passed_over += 1
            return None
        self._in_vain, self._passed_over = self._in_vain + 1, 0
        if has_many_brackets(raw):  # what is too deep is not even written as text
            return None
        try:
            call = _call(self._decoder.decode(raw), context)
        except (msgspec.MsgspecError, UnicodeDecodeError, orjson.JSONDecodeError, RecordError):
            return None  # UnicodeDecodeError: what msgspec before 0.23 raises for broken UTF-8
        # What was passed over is no value, so its bytes are looked at: broken UTF-8 is no JSON.
        if call is None or not _is_utf_8(raw):
            return None
        self._in_vain = 0
        return call


def _may_be_usual(raw: bytes) -> bool:
    """A cheap look at a record's length and beginning: at what it is a call of, and whether it says that it failed."""
    if len(raw) > _LONGEST:
        return False
    at = raw.find(_CALL_TYPE, 0, _HEAD)
    return at >= 0 and raw.startswith(_USUAL_TYPES, at) and raw.find(_FAILURE, 0, _HEAD) < 0


def _is_utf_8(raw: bytes) -> bool:
    try:
        return raw.isascii() or raw.decode() is not None
    except UnicodeDecodeError:
        return False


def _call(payload: _Payload, context: ParseContext) -> LLMCall | None:
    metadata = payload.metadata
    logged, parameters = without_nulls(metadata.usage_object), mapping(_value(payload.model_parameters))
    if (
        not _is_usual(payload)
        or not logged
        or logged.get("cache_creation_input_tokens")
        or "instructions" in parameters
    ):
        return None
    times, output = _times(payload, context), _output(payload.response.choices[0].message)
    if times is None or output is None:
        return None
    start_us, end_us, ttft_s = times
    warn = Warnings()
    told, kept = _told(payload), asdict(metadata)
    usage = litellm_usage(told, logged, warn, embedding=False, raw=logged, web_searches=None)
    if usage.total is None and usage.input is None:
        warn("no-usage")
    caller = _caller(metadata, kept)
    if caller.has_reserved:
        warn("reserved-metadata")
    nobody = key_names(kept)
    asking = parameters.get("user")
    person = find_person(
        (caller.user_id, payload.end_user, None if asking == metadata.user_api_key_user_id else asking), nobody=nobody
    )
    session_id, trace_id = session_and_trace(told, _NO_ENVELOPE, caller, person.session_id)
    streams = parameters.get("stream")
    costs = payload.cost_breakdown or _NO_COSTS
    timestamp = from_us(end_us)
    return LLMCall(
        operation=Operation.GENERATION,
        identity=identity_of(told, payload.id, start_us),
        timestamp=timestamp,
        model=without_prefix(payload.model, payload.custom_llm_provider),
        trace_id=trace_id or payload.id,
        span_id=payload.id,
        parent_id=caller.wished_parent_id or caller.parent_id,
        session_id=session_id,
        span_name=caller.span_name,
        trace_name=caller.trace_name,
        prompt_name=caller.prompt_name,
        started_at=from_us(start_us),
        ended_at=timestamp,
        latency_s=(end_us - start_us) / 1_000_000,
        ttft_s=ttft_s,
        provider=payload.custom_llm_provider,
        base_url=clean_url(payload.api_base),
        input=payload.messages,
        output=output,
        tools=clean_tools(parameters.get("tools")),
        parameters=model_parameters(parameters),
        service_tier=payload.response.service_tier or None,
        stream=streamed(payload.stream is True, streams, has_first=payload.completionStartTime != payload.endTime),
        usage=usage,
        cost=cost_of(payload.response_cost, (costs.input_cost, costs.output_cost), usage, warn, failed=False),
        stop_reason=payload.response.choices[0].finish_reason or None,
        user=person.user,
        posthog_session_id=caller.posthog_session_id,
        groups=caller.groups,
        metadata=caller.custom,
        properties={
            **properties_of(told, kept, _NO_ENVELOPE, caller),
            **notes_of(told, person, nobody, redacted=False),
        },
        warnings=warn.codes(),
    )


def _is_usual(payload: _Payload) -> bool:
    """Whether a payload says no more than its types show; what it does not say is not known here to be missing."""
    said = [message["content"] for message in payload.messages if [*message] == _CANONICAL]
    metadata, tags, status = payload.metadata, payload.request_tags, payload.status_fields
    return not (
        not said
        or len(said) < len(payload.messages)
        or NO_INPUT in said
        or SENTINEL in said
        or payload.cache_hit
        or payload.saved_cache_cost
        or base_call_id(payload.id) != payload.id
        or HEALTH_CHECK in (metadata.user_api_key_alias, metadata.user_api_key_hash)
        or (tags is not None and HEALTH_CHECK in tags)
        or (status is not None and status.guardrail_status in GUARDRAILS)
    )


def _output(message: _Message) -> list[Json] | None:
    """Return the answer as canonical output; None for none, and where LiteLLM has redacted some of it."""
    calls = _value(message.tool_calls)
    if message.content and not message.reasoning_content and not calls:
        return None if message.content == SENTINEL else [assistant([text_part(message.content)])]
    if SENTINEL in (message.content, message.reasoning_content) or says(calls, SENTINEL):
        return None
    said = {"content": message.content, "reasoning_content": message.reasoning_content, "tool_calls": calls}
    return chat_output([{"message": said}])


def _times(payload: _Payload, context: ParseContext) -> tuple[int, int, float | None] | None:
    """Return start and end in microseconds since the epoch, and seconds to the first token; None for odd ones."""
    start, end, first = payload.startTime, payload.endTime, payload.completionStartTime
    if not (type(start) is float and type(end) is float and _EARLIEST_S <= start <= end < SECONDS_BELOW):
        return None
    start_us, end_us = round(start * 1_000_000), round(end * 1_000_000)
    if end_us > latest_us(context.run_started_at):
        return None
    if not payload.stream or first is None:
        return start_us, end_us, None
    if type(first) is not float or not _EARLIEST_S <= first <= end:
        return None
    first_us = round(first * 1_000_000)
    return start_us, end_us, (first_us - start_us) / 1_000_000 if start_us < first_us < end_us else None


def _told(payload: _Payload) -> dict[str, Json]:
    """What the pieces that this shares with `litellm.parse` ask a payload for; the rest says nothing in a usual one."""
    return {
        "call_type": payload.call_type,
        "litellm_call_id": payload.litellm_call_id,
        "trace_id": payload.trace_id,
        "session_id": payload.session_id,
        "end_user": payload.end_user,
        "model_group": payload.model_group,
        "model_id": payload.model_id,
        "request_tags": payload.request_tags,
        "prompt_tokens": payload.prompt_tokens,
        "completion_tokens": payload.completion_tokens,
        "total_tokens": payload.total_tokens,
    }


def _caller(metadata: _Metadata, kept: Mapping[str, Json]) -> CallerMetadata:
    """What the caller said himself, where a proxy kept it apart."""
    requester = mapping(_value(metadata.requester_metadata))
    is_kept = bool(requester) and is_from_proxy(kept, by_client=True)
    return read_caller_metadata(requester if is_kept else EMPTY)


def _value(raw: msgspec.Raw) -> Json:
    """Return a part of a payload as every record is read: numbers beyond 64 bits are no integers."""
    written = bytes(raw)
    return None if written == b"null" else orjson.loads(written)
