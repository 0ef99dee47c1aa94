"""Invented lines of batches, for tests."""

from typing import Any

CREATED = 1748772300
LINE_ID = "batch_req_683c25e0" + "a" * 24
"""Written at 2025-06-01T10:05:20Z."""


def asked(custom_id: Any = "row-7", model: str = "gpt-4o-mini", prompt: str = "2+2?", **changes: Any) -> dict[str, Any]:
    """An input line."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body, **changes}


def chat_body(answer_id: str = "chatcmpl-1", model: str = "gpt-4o-mini-2024-07-18", **changes: Any) -> dict[str, Any]:
    """The body of an answer that went well."""
    return {
        "id": answer_id, "object": "chat.completion", "created": CREATED, "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}, **changes,
    }  # fmt: skip


def answered(custom_id: Any = "row-7", body: Any = None, status: Any = 200, **changes: Any) -> dict[str, Any]:
    """An output line."""
    response = {"status_code": status, "request_id": "r1", "body": chat_body() if body is None else body}
    return {"id": LINE_ID, "custom_id": custom_id, "response": response, "error": None, **changes}


def failed(custom_id: Any = "row-7", status: int = 429, **changes: Any) -> dict[str, Any]:
    """A line of an error file."""
    body = {"error": {"message": "slow down", "type": "rate_limit", "param": None, "code": None}}
    return answered(custom_id, body, status, **changes)


def with_input(output: dict[str, Any], line: dict[str, Any] | None = None) -> dict[str, Any]:
    """An output line joined with its input line."""
    return {**output, "plh_batch_input": asked(output.get("custom_id")) if line is None else line}
