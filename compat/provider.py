"""What the stand-in for the providers answers: OpenAI's and Anthropic's dialects, JSON or server-sent events.

The path says how: `/as/429/v1/chat/completions` fails with that status. All else is one short invented answer for
each kind of call.
"""

import base64
import json
import re
from collections.abc import Iterable
from typing import Any

Answer = tuple[int, bytes, str]

_USAGE = {
    "prompt_tokens": 2000,
    "completion_tokens": 12,
    "total_tokens": 2012,
    "prompt_tokens_details": {"cached_tokens": 1500, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 8},
}
_CHAT = {"id": "chatcmpl-invented", "created": 1795459726, "model": "gpt-4o-2024-08-06", "service_tier": "default"}
_CALL = {"id": "call_9", "type": "function", "function": {"name": "look_up", "arguments": '{"town": "Paris"}'}}
_ITEMS = [
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "France."}], "encrypted_content": "Z"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "capital"}},
    {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
     "content": [{"type": "output_text", "text": "Paris.", "annotations": []}]},
    {"type": "function_call", "id": "fc_1", "call_id": "call_9", "name": "look_up", "arguments": "{}", "status": "completed"},
]  # fmt: skip
_RESPONSE = {
    "id": "resp_invented", "object": "response", "created_at": 1795459726, "status": "completed", "model": "gpt-4o-2024-08-06",
    "output": _ITEMS, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "incomplete_details": None,
    "usage": {"input_tokens": 20, "output_tokens": 9, "total_tokens": 29, "input_tokens_details": {"cached_tokens": 4},
              "output_tokens_details": {"reasoning_tokens": 3}},
}  # fmt: skip
_MESSAGE = {
    "id": "msg_invented", "type": "message", "role": "assistant", "model": "claude-3-5-sonnet-20240620", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "Paris."}],
    "usage": {"input_tokens": 25, "output_tokens": 3, "cache_read_input_tokens": 1500, "cache_creation_input_tokens": 500},
}  # fmt: skip
_PLAIN = {
    "/completions": {"id": "cmpl-invented", "object": "text_completion", "created": 1795459726, "model": "gpt-3.5-turbo-instruct",
                     "choices": [{"index": 0, "text": " time.", "finish_reason": "length", "logprobs": None}],
                     "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
    "/embeddings": {"object": "list", "model": "text-embedding-3-small", "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}],
                    "usage": {"prompt_tokens": 4, "total_tokens": 4}},
    "/moderations": {"id": "modr-invented", "model": "omni-moderation-latest", "results": [
        {"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.01}}]},
    "/images/generations": {"created": 1795459726, "data": [{"b64_json": base64.b64encode(b"\x89PNG" * 80).decode()}]},
    "/audio/transcriptions": {"text": "Paris, said somebody."},
    "/rerank": {"id": "rr-invented", "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
                "meta": {"billed_units": {"search_units": 1}}},
}  # fmt: skip


def answer(path: str, raw: bytes) -> Answer:
    """Return status, body and content type of the answer to a request."""
    failing = re.search(r"/as/(\d{3})/", path)
    if failing is not None:
        said = {"message": f"The provider says {failing[1]}.", "type": "invented", "code": "invented", "param": None}
        return _json({"type": "error", "error": said}, int(failing[1]))
    streams = b'"stream": true' in raw or b'"stream":true' in raw
    if path.endswith("/chat/completions"):
        return _events(_chat_chunks()) if streams else _json(_chat())
    if path.endswith("/responses"):
        return _events(_response_events()) if streams else _json(_RESPONSE)
    if path.endswith("/messages"):
        return _events(_message_events()) if streams else _json(_MESSAGE)
    if path.endswith("/audio/speech"):
        return 200, b"ID3" + bytes(400), "audio/mpeg"
    known = next((body for end, body in _PLAIN.items() if path.endswith(end)), None)
    return _json({"error": {"message": f"nothing at {path}"}}, 404) if known is None else _json(known)


def _json(body: Any, status: int = 200) -> Answer:
    return status, json.dumps(body).encode(), "application/json"


def _events(events: Iterable[Any]) -> Answer:
    named = ((f"event: {event['type']}\n" if "type" in event else "", json.dumps(event)) for event in events)
    return (
        200,
        ("".join(f"{name}data: {data}\n\n" for name, data in named) + "data: [DONE]\n\n").encode(),
        "text/event-stream",
    )


def _chat() -> Any:
    message = {"role": "assistant", "content": "Paris.", "tool_calls": [_CALL]}
    return {**_CHAT, "object": "chat.completion", "usage": _USAGE, "choices": [
        {"index": 0, "message": message, "finish_reason": "tool_calls"},
    ]}  # fmt: skip


def _chat_chunks() -> Iterable[Any]:
    for delta in (
        {"role": "assistant", "content": "Par"},
        {"content": "is."},
        {"tool_calls": [{"index": 0, **_CALL}]},
        {},
    ):
        reason = None if delta else "tool_calls"
        choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
        yield {**_CHAT, "object": "chat.completion.chunk", "choices": choices}
    yield {**_CHAT, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE}


def _response_events() -> Iterable[Any]:
    yield {
        "type": "response.created",
        "sequence_number": 0,
        "response": {**_RESPONSE, "status": "in_progress", "output": [], "usage": None},
    }
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
    yield {"type": "response.output_text.delta", "sequence_number": 1, "delta": "Paris.", **place}
    yield {"type": "response.completed", "sequence_number": 2, "response": _RESPONSE}


def _message_events() -> Iterable[Any]:
    yield {"type": "message_start", "message": {**_MESSAGE, "content": [], "stop_reason": None}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Paris."}}
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 3},
    }
    yield {"type": "message_stop"}
