"""What the real OpenAI-format logs say, read straight from their JSON: an independent check of the events.

Nothing of `posthog_llm_cli.formats` is used here, and nothing is clever: a folder's reader takes one record and says
what must become of it. `FOLDERS` is open: streams and batches, whose calls are several records, add readers of theirs.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Converted, Event, Skipped
from tests.converting import wire

FIRST_PLAUSIBLE = datetime(2015, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Call:
    """The facts of a call that must be right; None is what the record does not say. `tokens` are by property name.

    The text that PostHog is to price is none: it is made of the others.
    """

    format: str
    name: str
    model: str
    tokens: Mapping[str, int]
    time: datetime | None
    stop_reason: str | None = None
    is_error: bool = False
    error: str | None = None
    status: int | None = None
    text: str = ""
    tool_calls: int = 0
    cost: float | None = None
    latency: float | None = None
    inputs: int | None = None


@dataclass(frozen=True, slots=True)
class NoCall:
    """The code under which a record is rejected or skipped, and where the report counts it."""

    code: str
    format: str | None = None
    path: str = "$"


Fact = Call | NoCall


# ---------------------------------------------------------------------------------------------------- what plh made


def observed(converted: Converted, *, dated: bool) -> Fact:
    """The same facts out of what `plh` made of the record; `dated`: its time is the record's own."""
    if isinstance(converted.result, RecordError):
        return NoCall(converted.result.code, converted.format, converted.result.path)
    if isinstance(converted.result, Skipped):
        return NoCall(converted.result.code, converted.format)
    assert isinstance(converted.result, Event)
    event = wire(converted.result)
    properties = event["properties"]
    choices = properties.get("$ai_output_choices", [])
    asked = properties.get("$ai_input")
    return Call(
        format=converted.format or "",
        name=event["event"],
        model=properties["$ai_model"],
        tokens={
            key: value
            for key, value in properties.items()
            if key.startswith("$ai_") and key.endswith("_tokens") and key != "$ai_text_output_tokens"
        },
        time=datetime.fromisoformat(event["timestamp"]) if dated else None,
        stop_reason=properties.get("$ai_stop_reason"),
        is_error=properties.get("$ai_is_error", False),
        error=properties.get("$ai_error"),
        status=properties.get("$ai_http_status"),
        text="".join(part["text"] for part in choices[0]["content"] if part["type"] == "text") if choices else "",
        tool_calls=sum(
            part["type"] == "function"
            for choice in choices
            for part in (*choice["content"], *choice.get("tool_calls", ()))
        ),
        cost=properties.get("$ai_total_cost_usd"),
        latency=properties.get("$ai_latency"),
        inputs=len(asked) if isinstance(asked, list) else None if asked is None else 1,
    )


def differences(expected: Fact, found: Fact) -> dict[str, tuple[Any, Any]]:
    """The facts that differ: name → what was expected and what was found."""
    if type(expected) is not type(found):
        return {"kind": (expected, found)}
    pairs = {field.name: (getattr(expected, field.name), getattr(found, field.name)) for field in fields(expected)}
    return {name: pair for name, pair in pairs.items() if not _same(*pair)}


def _same(expected: Any, found: Any) -> bool:
    if isinstance(expected, float) and isinstance(found, float):
        return abs(expected - found) < 1e-6
    return bool(expected == found)


# ------------------------------------------------------------------------------------------------- simple readers


def when(value: Any) -> datetime | None:
    """An epoch in seconds, or an ISO time; None for what is none or not plausible."""
    if isinstance(value, str):
        found = datetime.fromisoformat(value)
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11:
        found = EPOCH + timedelta(microseconds=round(value * 1_000_000))
    else:
        return None
    return found if found > FIRST_PLAUSIBLE else None


def counted(usage: Any, *, embedding: bool = False) -> dict[str, int]:
    """Token counts by property name: absent where the log has none, parts only above zero."""
    usage = usage or {}
    into, out = usage.get("prompt_tokens", usage.get("input_tokens")), usage.get("completion_tokens")
    out = usage.get("output_tokens") if out is None else out
    total = usage.get("total_tokens")
    if embedding:
        into, out = total if into is None else into, None
    if not (into or out or total):
        return {}
    into_parts = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    out_parts = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    cached = into_parts.get("cached_tokens")
    if cached is None:
        cached = usage.get("prompt_cache_hit_tokens", usage.get("cached_tokens"))
    found = {
        "$ai_input_tokens": into,
        "$ai_output_tokens": out,
        "$ai_total_tokens": total or None,
        "$ai_cache_read_input_tokens": cached or None,
        "$ai_cache_creation_input_tokens": into_parts.get("cache_write_tokens") or None,
        "$ai_reasoning_tokens": out_parts.get("reasoning_tokens") or None,
        "$ai_audio_input_tokens": into_parts.get("audio_tokens") or None,
        "$ai_audio_output_tokens": out_parts.get("audio_tokens") or None,
        "$ai_image_output_tokens": out_parts.get("image_tokens") or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def said(message: Any) -> str:
    """The text of a message: its content, or the texts among its parts, a refusal, and what a voice says."""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content if part.get("type") == "text")
    voice = (message.get("audio") or {}).get("transcript") or ""
    return (content or "") + (message.get("refusal") or "") + voice


def seconds(answer: Any) -> float | None:
    """The duration that Groq and Cerebras write into the answer."""
    usage = answer.get("usage") or {}
    if "queue_time" in usage:
        return float(usage["total_time"] + usage["queue_time"])
    timed = answer.get("time_info") or {}
    return float(timed["total_time"]) if timed else None


def dollars(answer: Any) -> float | None:
    """OpenRouter's cost, unless the caller brought the key."""
    usage = answer.get("usage") or {}
    cost = usage.get("cost")
    return None if usage.get("is_byok") or not isinstance(cost, int | float) or cost <= 0 else float(cost)


def chat(answer: Any, inputs: int | None = None) -> Fact:
    """A chat completion."""
    if "choices" not in answer:
        return NoCall("unknown-format")
    choices = sorted(answer["choices"], key=lambda choice: choice.get("index", 0))
    messages = [choice.get("message") or {} for choice in choices]
    calls = sum(len(message.get("tool_calls") or []) + bool(message.get("function_call")) for message in messages)
    return Call(
        format="openai-chat",
        name="$ai_generation",
        model=answer["model"],
        tokens=counted(answer.get("usage")),
        time=when(answer["created"]),
        stop_reason=choices[0].get("finish_reason") if choices else None,
        text=next((said(message) for message in messages if message), ""),
        tool_calls=calls,
        cost=dollars(answer),
        latency=seconds(answer),
        inputs=inputs,
    )


def text_completion(answer: Any, inputs: int | None = None) -> Fact:
    """A legacy completion."""
    choices = sorted(answer["choices"], key=lambda choice: choice.get("index", 0))
    return Call(
        format="openai-completions",
        name="$ai_generation",
        model=answer["model"],
        tokens=counted(answer.get("usage")),
        time=when(answer["created"]),
        stop_reason=choices[0].get("finish_reason"),
        text=choices[0]["text"],
        cost=dollars(answer),
        latency=seconds(answer),
        inputs=inputs,
    )


def response(answer: Any, inputs: int | None = None) -> Fact:
    """An object of the Responses API; its instructions are a part of the input."""
    if answer["status"] in {"queued", "in_progress"}:
        return NoCall("pending-response", "openai-responses")
    texts, calls = "", 0
    for item in answer["output"]:
        if item["type"] == "message":
            for part in item["content"]:
                texts += part.get("text") or part.get("refusal") or ""
        calls += item["type"] in {"function_call", "custom_tool_call"}
    stop = answer["status"]
    if stop == "incomplete":
        stop = (answer.get("incomplete_details") or {}).get("reason") or stop
    error = answer.get("error")
    return Call(
        format="openai-responses",
        name="$ai_generation",
        model=answer["model"],
        tokens=counted(answer.get("usage")),
        time=when(answer.get("completed_at")) or when(answer["created_at"]),
        stop_reason=stop,
        is_error=bool(error) or stop == "failed",
        error=error["message"] if error else "unknown error" if stop == "failed" else None,
        text=texts,
        tool_calls=calls,
        cost=dollars(answer),
        inputs=inputs,
    )


def embeddings(answer: Any, inputs: int | None = None) -> Fact:
    """An embeddings answer, which has no time of its own."""
    return Call(
        format="openai-embeddings",
        name="$ai_embedding",
        model=answer["model"],
        tokens=counted(answer["usage"], embedding=True),
        time=when(answer.get("created")),
        inputs=inputs,
    )


def flat(record: Any) -> Fact:
    """A flat home-made record of the one real log there is."""
    return Call(
        format="openai-flat",
        name="$ai_generation",
        model=record["model"],
        tokens={"$ai_input_tokens": record["prompt_tokens"], "$ai_output_tokens": record["completion_tokens"]},
        time=when(record["utc_time"]),
        text=record["response_text"],
        cost=record["cost_usd"],
        inputs=1,
    )


def failed(record: Any) -> Fact:
    """A failed pair: no time but the wrapper's, which has none."""
    request, body = record["request"], record["response"]
    error = body.get("error") or {"message": body.get("detail")}
    code = str(error.get("code") or "")
    status = record.get("status_code")
    if status is None and re.fullmatch(r"[1-5]\d\d", code):
        status = int(code)
    is_embedding = "input" in request and "messages" not in request and "embed" in request["model"]
    return Call(
        format="openai-error",
        name="$ai_embedding" if is_embedding else "$ai_generation",
        model=request["model"],
        tokens={},
        time=None,
        is_error=True,
        error=error["message"],
        status=status,
        inputs=asked(request, body),
    )


def asked(request: Any, answer: Any) -> int | None:
    """How many messages the input has: the system text is one where the request begins with none.

    An embedding's input is one text, or as many as its list is long.
    """
    found = request.get("messages") or request.get("input") or request.get("prompt")
    if isinstance(found, dict):
        found = None  # a reference to a stored prompt
    items = [{"role": "user"}] if isinstance(found, str) else list(found or [])
    if items and all(isinstance(item, int) for item in items) and "messages" not in request:
        is_embedding = answer.get("object") == "list"
        items = items if is_embedding else [items]
    first = items[0] if items and isinstance(items[0], dict) else {}
    instructions = request.get("instructions") or answer.get("instructions")
    if instructions and first.get("role") not in {"system", "developer"}:
        items = [*(instructions if isinstance(instructions, list) else [{}]), *items]
    return len(items) or None


def without_appended(request: Any, answer: Any) -> Any:
    """A request without the answer that a writer appended to its messages."""
    messages, choices = request.get("messages") or [], answer.get("choices") or [{}]
    last, first = messages[-1] if messages else {}, choices[0].get("message") or {}
    if last.get("role") == "assistant" and last.get("content") and last["content"] == first.get("content"):
        return {**request, "messages": messages[:-1]}
    return request


def pair(reader: Callable[[Any, int | None], Fact]) -> Callable[[Any], Fact]:
    """A reader of pairs, out of one of answers."""

    def read(record: Any) -> Fact:
        request, answer = record["request"], record["response"]
        return reader(answer, asked(without_appended(request, answer), answer))

    return read


def inspected(record: Any) -> Fact:
    """A pair of inspect_ai, whose `time` is how long it took."""
    found = pair(chat)(record)
    assert isinstance(found, Call)
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    return Call(**{**values, "latency": record.get("time")})


def bare_response(record: Any) -> Fact:
    """A response alone: of its input it knows the instructions."""
    return response(record, asked({}, record))


def relative(_: Any) -> Fact:
    """Another API's record."""
    return NoCall("unsupported-format")


FOLDERS: dict[str, Callable[[Any], Fact]] = {
    "anthropic_message": relative,
    "batch_input": lambda _: NoCall("batch-input", "openai-batch"),
    "chat_completion": chat,
    "chunks_anthropic": relative,
    "embeddings": embeddings,
    "error_body": lambda _: NoCall("missing-field", "openai-error", "$.model"),
    "homegrown_flat": flat,
    "inspect_call": inspected,
    "pair_anthropic": relative,
    "pair_chat": pair(chat),
    "pair_completions": pair(text_completion),
    "pair_embeddings": pair(embeddings),
    "pair_error": failed,
    "pair_responses": pair(response),
    "response_object": bare_response,
    "sse_anthropic": relative,
    "text_completion": text_completion,
}
"""Folders whose every record is one call or none: what must become of a record, by its folder."""


def undated(fact: Fact) -> bool:
    """Whether a record is a call that only `--default-time` can date."""
    return isinstance(fact, Call) and fact.time is None
