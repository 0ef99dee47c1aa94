"""Streams for tests: whole completions, and what they look like in pieces."""

import json
from collections.abc import Sequence
from typing import Any

CREATED = 1748772500
MODEL = "gpt-4o-2024-08-06"


def chunk(
    delta: dict[str, Any] | None = None, finish: str | None = None, *, index: int = 0, **changes: Any
) -> dict[str, Any]:  # fmt: skip
    """One chunk of a chat completion."""
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED, "model": MODEL}
    return {**base, "choices": [{"index": index, "delta": delta or {}, "finish_reason": finish}], **changes}


def usage_chunk(**changes: Any) -> dict[str, Any]:
    """The last chunk, as OpenAI sends it with `include_usage`."""
    counts = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return chunk(**{"choices": [], "usage": counts, **changes})


def said(*texts: str, **changes: Any) -> list[dict[str, Any]]:
    """The chunks of one answer: a role, texts, a finish reason."""
    pieces = [{"role": "assistant", "content": ""}, *({"content": text} for text in texts)]
    return [*(chunk(piece, **changes) for piece in pieces), chunk(finish="stop", **changes)]


def text_part(text: str, finish: str | None = None, **changes: Any) -> dict[str, Any]:
    """One part of a text completion."""
    choices = [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish}]
    base = {"id": "cmpl-1", "object": "text_completion", "created": CREATED, "model": "davinci-002"}
    return {**base, "choices": choices, **changes}


def response(name: str = "resp_1", **changes: Any) -> dict[str, Any]:
    """A response as its first events hold it."""
    return {
        "id": name, "object": "response", "created_at": CREATED, "status": "in_progress", "error": None,
        "model": "gpt-4.1-2025-04-14", "output": [], "usage": None, **changes,
    }  # fmt: skip


def message(text: str, name: str = "msg_1") -> dict[str, Any]:
    """An item of a response's output."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": name, "role": "assistant", "status": "completed", "content": content}


def responded(text: str, name: str = "resp_1", **changes: Any) -> list[dict[str, Any]]:
    """The events of one response."""
    item = message(text, f"msg_{name}")
    usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    whole = response(name, status="completed", output=[item], usage=usage, **changes)
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response(name, **changes)},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        *({"type": "response.output_text.delta", **place, "delta": word} for word in text.split(" ")),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def ollama(text: str, *, model: str = "llama3.2", done: bool = False, second: int = 0) -> dict[str, Any]:
    """One part of Ollama's own stream."""
    part = {
        "model": model, "created_at": f"2025-06-01T10:00:{second:02}Z",
        "message": {"role": "assistant", "content": text}, "done": done,
    }  # fmt: skip
    counts = {"done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2, "total_duration": 2_000_000_000}
    return {**part, **counts} if done else part


def sse(*payloads: Any, done: bool = True) -> str:
    """The text of a stream."""
    blocks = [payload if isinstance(payload, str) else f"data: {json.dumps(payload)}" for payload in payloads]
    return "".join(f"{block}\n\n" for block in (*blocks, *(["data: [DONE]"] if done else [])))


def output_text(properties: dict[str, Any]) -> str:
    """All text of an event's output."""
    choices = properties.get("$ai_output_choices") or []
    return "".join(part.get("text", "") for message in choices for part in message["content"])


def jsonl(records: Sequence[Any]) -> bytes:
    """Records, one a line."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)
