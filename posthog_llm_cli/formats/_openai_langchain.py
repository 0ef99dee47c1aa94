"""LangChain's messages and results, as its callbacks and tracers dump them → messages and a chat completion. Pure.

A message has a `type` where OpenAI's has a role, and lies under `kwargs` where LangChain's own serializer wrote it.
What the model said of itself is in `response_metadata`, or for a whole result in `llm_output`.
"""

from collections.abc import Mapping

from posthog_llm_cli.formats._fields import first_text, items, mapping, text
from posthog_llm_cli.model import Json

_ROLES = {
    "human": "user", "HumanMessageChunk": "user", "ai": "assistant", "AIMessageChunk": "assistant",
    "system": "system", "SystemMessageChunk": "system", "tool": "tool", "ToolMessageChunk": "tool",
}  # fmt: skip


_UNIQUE = 20
"""Characters from which on an id is one without the second that LangChain drops: Ollama numbers answers to 999."""


def with_role(message: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return a message of LangChain's with a role and OpenAI's tool calls, any other as it is."""
    kind = message.get("type")
    role = _ROLES.get(kind) if isinstance(kind, str) and "role" not in message else None
    if role is None or "content" not in message:
        return message
    calls = [_tool_call(mapping(call)) for call in items(message.get("tool_calls"))]
    named = {key: message[key] for key in ("name", "tool_call_id") if message.get(key) is not None}
    return {"role": role, "content": message["content"], **({"tool_calls": calls} if calls else {}), **named}


def opened(value: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the fields of an object that LangChain serialized, any other as it is."""
    return mapping(value.get("kwargs")) or value if value.get("lc") == 1 else value


def answer_in(value: Json) -> dict[str, Json] | None:
    """Return the chat completion in a message of an assistant, or in a result of one prompt; None for anything else."""
    value = opened(mapping(value))
    if "generations" in value:
        prompts = items(value["generations"])
        generations = items(prompts[0]) if len(prompts) == 1 else []
        found = [opened(mapping(mapping(item).get("message"))) for item in generations]
        return _completion(found, mapping(value.get("llm_output"))) if found and all(map(_is_answer, found)) else None
    return _completion([value], {}) if _is_answer(value) and "response_metadata" in value else None


def _is_answer(message: Mapping[str, Json]) -> bool:
    return message.get("type") in ("ai", "AIMessageChunk") and "content" in message and "role" not in message


def _completion(messages: list[Mapping[str, Json]], told: Mapping[str, Json]) -> dict[str, Json]:
    about = {**mapping(messages[0].get("response_metadata")), **told}
    answer_id = text(about.get("id")) or ""
    usage = mapping(about.get("token_usage")) or mapping(messages[0].get("usage_metadata"))
    return {
        "id": answer_id if len(answer_id) >= _UNIQUE else None,
        "model": first_text(about.get("model_name"), about.get("model")),
        "system_fingerprint": about.get("system_fingerprint"),
        "service_tier": about.get("service_tier"),
        "choices": [
            {
                "index": index,
                "message": dict(with_role(message)),
                "finish_reason": mapping(message.get("response_metadata")).get("finish_reason"),
            }
            for index, message in enumerate(messages)
        ],
        "usage": dict(usage),
    }


def _tool_call(call: Mapping[str, Json]) -> Json:
    if "function" in call:
        return dict(call)
    return {"id": call.get("id"), "function": {"name": call.get("name"), "arguments": call.get("args")}}
