"""What was asked and answered: messages, tools, parameters, redaction, media (6.4 to 6.7, 6.17; posthog-ingestion.md
11)."""

import re
from collections.abc import Iterator

from compat.laws import Fields, put
from compat.laws.calls import url_without_secrets
from compat.record import NO_INPUT, Record, Setting
from compat.values import Json, compact, is_said, list_of, object_of

_PARAMETERS = frozenset({
    "temperature", "max_tokens", "max_completion_tokens", "max_output_tokens", "top_p", "top_k",
    "frequency_penalty", "presence_penalty", "n", "stop", "seed", "stream", "service_tier", "reasoning_effort",
    "thinking", "response_format", "tool_choice", "parallel_tool_calls", "modalities", "logprobs", "dimensions",
    "encoding_format", "size", "quality", "voice",
})  # fmt: skip
_OF_A_MESSAGE = ("tool_calls", "tool_call_id", "name", "refusal", "function_call")

# --------------------------------------------------------------------------------------------------------------- input


def canonical_input(fields: Fields, record: Record, _: Setting) -> None:
    """Messages are role and content, and what a tool or a second speaker needs."""
    if not record.is_embedding:
        put(fields, "$ai_input", _messages(record.payload.get("messages")) or None)


def _messages(logged: Json) -> list[Json]:
    if _is_no_input(logged):
        return []
    if is_said(logged):
        return [{"role": "user", "content": logged}]
    if isinstance(logged, dict) and logged:
        known = not logged.keys().isdisjoint({"role", "content", "parts"})
        return [_message(logged)] if known else [{"role": "user", "content": compact(logged)}]
    return [_message(message) for message in list_of(logged) if message is not None]


def _message(message: Json) -> Json:
    if not isinstance(message, dict):
        return {"role": "user", "content": message}
    if message.keys().isdisjoint({"role", "content", "parts"}) or message.get("type") == "reasoning":
        return _open(message)
    extras = {key: message[key] for key in _OF_A_MESSAGE if message.get(key) is not None}
    content = message.get("content")
    role = message["role"] if isinstance(message.get("role"), str) else "user"
    if content is None and isinstance(message.get("parts"), list):
        return {"role": "assistant" if role == "model" else role, "content": [_of_gemini(p) for p in message["parts"]]}
    return {"role": role, "content": [_open(p) for p in content] if isinstance(content, list) else content, **extras}


def _is_no_input(logged: Json) -> bool:
    listed = logged if isinstance(logged, list) else [logged]
    return bool(listed) and all((m.get("content") if isinstance(m, dict) else m) == NO_INPUT for m in listed)


def _of_gemini(part: Json) -> Json:
    return {"type": "text", **part} if isinstance(part, dict) and part.keys() == {"text"} else part


def _open(item: Json) -> Json:
    """Without what only the provider can read."""
    return {k: v for k, v in item.items() if k != "encrypted_content"} if isinstance(item, dict) else item


def embedding_input(fields: Fields, record: Record, _: Setting) -> None:
    """The texts themselves, unwrapped from the messages that LiteLLM makes of them."""
    logged = record.payload.get("messages")
    if record.is_embedding and isinstance(logged, list) and all(isinstance(m, dict) and "content" in m for m in logged):
        texts = [message["content"] for message in logged]
        wanted = None if not texts or _is_no_input(logged) else texts[0] if len(texts) == 1 else texts
        put(fields, "$ai_input", wanted)


def instructions(fields: Fields, record: Record, _: Setting) -> None:
    """Instructions are the first message, unless a system message is there."""
    order = record.parameters.get("instructions")
    asked = list_of(fields.get("$ai_input"))
    if (
        is_said(order)
        and not record.is_embedding
        and object_of(next(iter(asked), None)).get("role") not in {"system", "developer"}
    ):
        fields["$ai_input"] = [{"role": "system", "content": order}, *asked]


# -------------------------------------------------------------------------------------------------------------- output


def no_vectors(fields: Fields, record: Record, _: Setting) -> None:
    """Vectors stay on the machine."""
    if record.is_embedding:
        put(fields, "$ai_output_choices", None)


def canonical_output(fields: Fields, record: Record, _: Setting) -> None:
    """One assistant message for each choice, in parts."""
    if not record.is_embedding:
        messages = _output(record.response)
        put(fields, "$ai_output_choices", messages if any(message["content"] for message in messages) else None)


def _output(response: Json) -> list[Json]:
    if not response:
        return []
    if isinstance(response, str):
        return [_said([_text(response)])]
    answer = object_of(response)
    if isinstance(answer.get("choices"), list):
        return [_said(list(_choice(choice))) for choice in _by_index(answer["choices"])]
    if isinstance(answer.get("output"), list):
        return [_said([part for item in answer["output"] for part in _item(object_of(item))])]
    return [_said(_other(answer, response))]


def _said(parts: list[Json]) -> Json:
    return {"role": "assistant", "content": parts}


def _text(words: str) -> Json:
    return {"type": "text", "text": words}


def _by_index(choices: list[Json]) -> list[dict[str, Json]]:
    found = [choice for choice in choices if isinstance(choice, dict)]
    return sorted(found, key=lambda c: c["index"]) if all(isinstance(c.get("index"), int) for c in found) else found


def _choice(choice: dict[str, Json]) -> Iterator[Json]:
    message = choice.get("message") or choice.get("delta")
    if not isinstance(message, dict):
        if is_said(choice.get("text")):
            yield _text(choice["text"])
        return
    thought = message.get("reasoning_content") or message.get("reasoning")
    if is_said(thought):
        yield {"type": "reasoning", "text": thought}
    yield from _content(message.get("content"))
    refusal = message.get("refusal") or object_of(message.get("provider_specific_fields")).get("refusal")
    if is_said(refusal):
        yield _text(refusal)
    spoken = object_of(message.get("audio")).get("transcript")
    if is_said(spoken):
        yield _text(spoken)
    elif object_of(message.get("audio")).get("data"):
        yield _text("[base64 audio redacted]")
    for call in list_of(message.get("tool_calls")):
        yield {
            "type": "function",
            **({"id": call["id"]} if call.get("id") else {}),
            "function": _function(object_of(call.get("function"))),
        }
    if message.get("function_call"):
        yield {"type": "function", "function": _function(message["function_call"])}


def _function(function: dict[str, Json]) -> Json:
    return {key: function[key] for key in ("name", "arguments") if function.get(key) is not None}


def _content(content: Json) -> Iterator[Json]:
    if is_said(content):
        yield _text(content)
    for part in list_of(content):
        said = part.get("text") or part.get("refusal")
        if part.get("type") in {"text", "output_text", "refusal"}:
            if is_said(said):
                yield _text(said)
        else:
            yield _open(part)


def _item(item: dict[str, Json]) -> Iterator[Json]:
    """Yield the parts of an item of the Responses API."""
    kind = item.get("type")
    if kind == "message":
        yield from _content(item.get("content"))
    elif kind == "function_call":
        yield {"type": "function", "id": item.get("call_id") or item.get("id"), "function": _function(item)}
    elif kind == "reasoning":
        if any(is_said(part.get("text")) for key in ("summary", "content") for part in list_of(item.get(key))):
            yield _open(item)
    else:
        yield _open(item)


def _other(answer: dict[str, Json], response: Json) -> list[Json]:
    """Return the parts of what is neither chat nor Responses: images, speech, transcripts, ranks, judgements."""
    if isinstance(answer.get("data"), list):
        encoded = f"data:image/{answer.get('output_format') or 'png'};base64,"
        sources = [
            image.get("url") or (image.get("b64_json") and encoded + image["b64_json"]) for image in answer["data"]
        ]
        return [{"type": "image", "image": source} for source in sources if source]
    if answer.get("object") == "binary":
        kind = str(answer.get("content_type")).partition("/")[0]
        return [_text(f"[base64 {kind if kind in {'audio', 'image', 'video'} else 'file'} redacted]")]
    if isinstance(answer.get("results"), list):
        return [_text(compact(answer["results"]))]
    if isinstance(answer.get("text"), str):
        return [_text(answer["text"])] if answer["text"] else []
    return [_text(compact(response))]


def stop_reason(fields: Fields, record: Record, _: Setting) -> None:
    """Why the answer ended: of the first choice, or of a Responses answer."""
    if record.is_embedding:
        return
    choices = _by_index(list_of(record.answer.get("choices")))
    reasons: list[Json] = [choices[0].get("finish_reason")] if choices else []
    if isinstance(record.answer.get("output"), list) and not choices:
        reasons = [object_of(record.answer.get("incomplete_details")).get("reason"), record.answer.get("status")]
    put(fields, "$ai_stop_reason", next((reason for reason in reasons if is_said(reason)), None))


def web_searches(fields: Fields, record: Record, _: Setting) -> None:
    """How often the answer searched the web, or that it cites one page at least."""
    items = [object_of(item) for item in list_of(record.answer.get("output"))]
    calls = sum(item.get("type") == "web_search_call" for item in items)
    said = [object_of(object_of(choice).get("message")) for choice in list_of(record.answer.get("choices"))]
    said += [object_of(part) for item in items for part in list_of(item.get("content"))]
    cited = any(
        object_of(note).get("type") == "url_citation" for part in said for note in list_of(part.get("annotations"))
    )
    sources = record.answer.get("citations") or record.answer.get("search_results")
    cited = cited or bool(sources or object_of(record.answer.get("usage")).get("search_context_size"))
    put(fields, "$ai_web_search_count", calls or (1 if cited else None))


# -------------------------------------------------------------------------------------------------- tools, parameters


def tools(fields: Fields, record: Record, _: Setting) -> None:
    """The definitions as logged, but for the credentials of MCP servers."""
    put(fields, "$ai_tools", [_tool(tool) for tool in list_of(record.parameters.get("tools"))] or None)


def _tool(tool: Json) -> Json:
    if not isinstance(tool, dict) or not (str(tool.get("type")).startswith("mcp") or "server_url" in tool):
        return tool
    cleaned = dict(tool)
    for key in ("authorization", "authorization_token", "api_key"):
        if key in tool:
            cleaned[key] = "[REDACTED]"
    if isinstance(tool.get("headers"), dict):
        cleaned["headers"] = dict.fromkeys(tool["headers"], "[REDACTED]")
    if "server_url" in tool:
        cleaned["server_url"] = url_without_secrets(tool["server_url"])
    return cleaned


def parameters(fields: Fields, record: Record, _: Setting) -> None:
    """An object of the allowed ones; effort under its flat name."""
    found = {name: value for name, value in record.parameters.items() if name in _PARAMETERS and value is not None}
    effort = object_of(record.parameters.get("reasoning")).get("effort")
    put(fields, "$ai_model_parameters", ({"reasoning_effort": effort} if effort else {}) | found or None)


def streaming(fields: Fields, record: Record, _: Setting) -> None:
    """Whether it streamed, where the log says so."""
    asked = record.parameters.get("stream")
    put(
        fields,
        "$ai_stream",
        True if record.payload.get("stream") is True else asked if isinstance(asked, bool) else None,
    )


def service_tier(fields: Fields, record: Record, _: Setting) -> None:
    """The tier that served it."""
    tier = record.answer.get("service_tier")
    put(fields, "$ai_service_tier", tier if is_said(tier) else None)


# ------------------------------------------------------------------------------------------------- redaction and media


_SCHEMED = ("response_format", "tool_choice")
"""Parameters that may be an object which says what is asked for."""


def redacted(fields: Fields, record: Record, _: Setting) -> None:
    """The sentinel is no content; in a redacted record nothing else of the content is either."""
    if not record.is_redacted:
        return
    fields["litellm_redacted"] = True
    put(fields, "$ai_tools", None)
    put(fields, "$ai_input", None)
    said_of_it = object_of(fields.get("$ai_model_parameters"))
    kept = {
        key: value for key, value in said_of_it.items() if key not in _SCHEMED or not isinstance(value, (dict, list))
    }
    put(fields, "$ai_model_parameters", kept or None)
    if record.output_redacted:
        put(fields, "$ai_output_choices", None)
    else:
        said = [_said(list(_left(m["content"]))) for m in _output(_calls(record.answer))]
        put(fields, "$ai_output_choices", said if any(message["content"] for message in said) else None)
    if record.is_failure:
        named = record.error.get("error_class")
        fields["$ai_error"] = named if is_said(named) else "unknown error"


def _calls(answer: dict[str, Json]) -> Json:
    """Of a redacted answer, the calls of functions."""
    if isinstance(answer.get("choices"), list):
        return {"choices": [_calls_of_choice(choice) for choice in answer["choices"] if isinstance(choice, dict)]}
    output = [object_of(item) for item in list_of(answer.get("output"))]
    return {"output": [item for item in output if item.get("type") == "function_call"]} if output else {}


def _calls_of_choice(choice: dict[str, Json]) -> Json:
    message = object_of(choice.get("message") or choice.get("delta"))
    return {**choice, "message": {key: message[key] for key in ("tool_calls", "function_call") if message.get(key)}}


def _left(parts: list[Json]) -> Iterator[Json]:
    """Yield what a redaction leaves: calls without their arguments."""
    for part in parts:
        if part["type"] == "function":
            yield {**part, "function": {key: part["function"][key] for key in ("name",) if key in part["function"]}}


_DATA_URL = re.compile(r"\s*data:([\w.+-]+)?(?:/[\w.+-]+)?(?:;[^,;]*)*;base64,", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\r\n-]{200,}")
_MEDIA_KEYS = {
    "data": None, "image_url": "image", "imageUrl": "image", "image": "image", "b64_json": "image", "video_url":
    "video", "videoUrl": "video", "audio": "audio", "input_audio": "audio", "inputAudio": "audio", "inline_data":
    None, "inlineData": None, "file_data": "file", "fileData": "file",
}  # fmt: skip


def media(fields: Fields, _: Record, __: Setting) -> None:
    """Base64 images, audio and files become placeholders."""
    for name, value in fields.items():
        if not name.startswith(("event:", "to:")):
            fields[name] = _without_media(value, None, None)


def _without_media(value: Json, key: str | None, kind: str | None) -> Json:
    if isinstance(value, str):
        url = _DATA_URL.match(value)
        if url is not None:
            return _placeholder((url[1] or kind or "").lower())
        return _placeholder(kind) if key is not None and _BASE64.fullmatch(value) else value
    if isinstance(value, list):
        return [_without_media(item, key, kind) for item in value]
    if not isinstance(value, dict):
        return value
    here = next((name for name in ("image", "audio", "video") if name in str(value.get("type"))), kind)
    media = {name for name in value if name in _MEDIA_KEYS or (key and name == "url")}
    return {
        name: _without_media(member, name if name in media else None, _MEDIA_KEYS.get(name) or here)
        for name, member in value.items()
    }


def _placeholder(kind: str | None) -> str:
    return f"[base64 {kind if kind in {'image', 'audio', 'video'} else 'file'} redacted]"


def half_characters(fields: Fields, _: Record, __: Setting) -> None:
    """Half of a UTF-16 pair is no character: it becomes U+FFFD."""
    for name in list(fields):
        fields[_mended(name)] = _mended(fields.pop(name))


def _mended(value: Json) -> Json:
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [_mended(item) for item in value]
    return {_mended(k): _mended(v) for k, v in value.items()} if isinstance(value, dict) else value
