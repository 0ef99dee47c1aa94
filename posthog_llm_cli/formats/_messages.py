"""Message dialects → the one canonical form of posthog-ingestion.md, section 11.4, shared by all formats.

Input: a list of `{"role", "content"}` (plus tool calls and their results). Output: one assistant message for each
choice, whose content is always a list of parts. Media stay as they are here; `privacy` redacts them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from posthog_llm_cli.formats._errors import without_credentials
from posthog_llm_cli.formats._fields import compact, is_one_of, items, mapping, text
from posthog_llm_cli.formats._metadata import is_secret_name
from posthog_llm_cli.formats._openai_langchain import opened, with_role
from posthog_llm_cli.formats._openai_prints import read_item
from posthog_llm_cli.formats._urls import clean_url
from posthog_llm_cli.model import VALUE_PART, Json
from posthog_llm_cli.patterns import lazily

_MESSAGE_EXTRAS = ("tool_calls", "tool_call_id", "name", "refusal", "function_call")
_MESSAGE_KEYS = frozenset({"role", "content", "parts"})
_SYSTEM_ROLES = frozenset({"system", "developer"})
_SCHEMAS = frozenset({"parameters", "input_schema", "inputSchema", "properties", "format", "input_examples"})
_SAYING = frozenset({"type", "name", "description"})
"""Names of texts by which a tool tells the model what it is."""
_ADDRESS = lazily(r"[\w+.-]+://[^\s?@]*[?@]\S*", re.ASCII)
"""A whole text that is the address of a server with a user or a query in it."""
REDACTED = "[REDACTED]"
TEXT_KINDS = ("text", "output_text")
"""Types of parts that are a text: of chat completions and of Responses."""

# ------------------------------------------------------------------------------------------------------------- input


def input_messages(value: Json) -> list[Json] | None:
    """Return a request's input as canonical messages; None where there is none.

    A string is one user message, a list of strings one each; a list of numbers is one prompt in tokens. Items of the
    Responses API without role and content (function calls and their outputs, reasoning) stay whole.
    """
    if isinstance(value, str):
        return [_user(value)] if value else None
    if isinstance(value, dict):
        return [_input_item(value) if value.keys() & _MESSAGE_KEYS else _user_value(value)] if value else None
    if not isinstance(value, list) or not value:
        return None
    if _is_int(value[0]) and all(_is_int(item) for item in value):
        return [_user(value)]
    if len(value) == 1 and (inner := items(value[0])) and all("role" in with_role(mapping(item)) for item in inner):
        value = inner  # LangChain's callbacks are given the messages of several prompts
    return [item if _is_canonical(item) else _input_item(item) for item in value if item is not None] or None


def plain_texts(messages: Json) -> list[str] | None:
    """Return what was said where the input is a list of canonical messages, as most are; else None."""
    if not isinstance(messages, list) or not messages:
        return None
    said = []
    for message in messages:
        if not _is_canonical(message):
            return None
        said.append(message["content"])
    return said


def with_instructions(messages: list[Json] | None, instructions: Json) -> list[Json] | None:
    """Prepend instructions (text, or a list of input items) unless the messages begin with a system message."""
    if instructions is None:
        return messages
    first = mapping(messages[0]) if messages else {}
    if is_one_of(first.get("role"), _SYSTEM_ROLES):
        return messages
    if isinstance(instructions, str) and instructions:
        return [{"role": "system", "content": instructions}, *(messages or [])]
    if isinstance(instructions, list):
        return [*(input_messages(instructions) or []), *(messages or [])] or None
    return messages


def _user(content: Json) -> Json:
    return {"role": "user", "content": content}


def _user_value(value: Json) -> Json:
    """A value as what the user said, which the builder makes text: media in it are found by their keys before."""
    return _user({"type": VALUE_PART, "value": value})


def _is_int(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _input_item(item: Json) -> Json:
    if isinstance(item, str):
        item = read_item(item)
    if isinstance(item, str) or (isinstance(item, list) and all(_is_int(token) for token in item)):
        return _user(item)
    if not isinstance(item, dict):
        return _user_value(item)
    if "role" not in item:
        item = with_role(opened(item))
    if item.keys().isdisjoint(_MESSAGE_KEYS):
        return without_encrypted(with_clean_tools(item))
    return _reasoning(item) if item.get("type") == "reasoning" else _message(item)


def _message(item: Mapping[str, Json]) -> Json:
    role = item["role"] if isinstance(item.get("role"), str) else "user"
    content = item.get("content")
    if content is None and isinstance(item.get("parts"), list):
        return _from_gemini(role, item["parts"])
    if content is None and isinstance(item.get("blocks"), list):
        content = [_from_block(block) for block in item["blocks"]]
    message = {"role": role, "content": content}
    for key in _MESSAGE_EXTRAS:
        if item.get(key) is not None:
            message[key] = item[key]
    if isinstance(content, list):
        message["content"] = [without_encrypted(part) for part in content]
    if "tool_calls" in message:
        message["tool_calls"] = _with_functions(message["tool_calls"])
    return message


def _with_functions(calls: Json) -> Json:
    """Return a message's calls, those of custom tools in the form of functions: no page of PostHog's shows others."""
    if not isinstance(calls, list):
        return calls
    return [
        _tool_call_part(call) if isinstance(call, dict) and isinstance(call.get("custom"), dict) else call
        for call in calls
    ]


def _is_canonical(item: Json) -> bool:
    """Whether an item is a role and a text, in this order, as most are."""
    if not isinstance(item, dict) or len(item) != 2:
        return False
    first, second = item
    if first != "role" or second != "content":
        return False
    return isinstance(item["role"], str) and isinstance(item["content"], str)


def with_clean_tools(event: Json) -> Json:
    """Return an event of a realtime session without the credentials of the tools that it sets up or names."""
    if not isinstance(event, dict):
        return event
    if "session" in event:
        return {**event, "session": _without_credentials(event["session"])}
    asked = mapping(event.get("response"))
    return (
        {**event, "response": {**asked, "tools": _without_credentials(asked["tools"])}} if "tools" in asked else event
    )


def _from_gemini(role: str, parts: list[Json]) -> Json:
    """Return a message of Gemini's dialect: its texts as text parts, any other part as it is."""
    content = [
        text_part(part["text"]) if isinstance(part, dict) and part.keys() == {"text"} else part for part in parts
    ]
    return {"role": "assistant" if role == "model" else role, "content": content}


def _from_block(block: Json) -> Json:
    """A block of LlamaIndex's messages: a text as a text part, any other as it is."""
    said = mapping(block).get("text")
    return text_part(said) if isinstance(said, str) and mapping(block).get("block_type") == "text" else block


def without_encrypted(item: Json) -> Json:
    """Return an item without its `encrypted_content`, which only the provider can read, and without log probabilities.

    Those of an answer, several hundred bytes a token, come again in the input of every later call.
    """
    if isinstance(item, dict) and ("encrypted_content" in item or item.get("logprobs")):
        return {
            key: value
            for key, value in item.items()
            if key != "encrypted_content" and not (key == "logprobs" and value)
        }
    return item


def embedding_input(value: Json) -> Json:
    """Return an embedding's raw input; LiteLLM's wrapping into user messages is undone."""
    if not isinstance(value, list) or not value:
        return value or None
    if all(isinstance(item, dict) and "content" in item for item in value):
        contents = [item["content"] for item in value]
        return contents[0] if len(contents) == 1 else contents
    return value


# ------------------------------------------------------------------------------------------------------------ output


def assistant(parts: list[Json]) -> Json:
    """Return one assistant message."""
    return {"role": "assistant", "content": parts}


def text_part(value: str) -> Json:
    """Return a text part."""
    return {"type": "text", "text": value}


def chat_output(choices: Json) -> list[Json] | None:
    """Return one message for each choice of a chat or text completion, by `index`; None if all are empty."""
    messages = []
    for choice in sorted_choices(choices):
        message = choice.get("message")
        if isinstance(message, dict):
            messages.append(assistant(_message_parts(message)))
        elif isinstance(choice.get("text"), str):
            messages.append(assistant([text_part(choice["text"])] if choice["text"] else []))
    return messages if any(message["content"] for message in messages) else None


def sorted_choices(choices: Json) -> list[Mapping[str, Json]]:
    """Return the choices that are objects, by `index` where each has one."""
    found: list[Mapping[str, Json]] = [choice for choice in items(choices) if isinstance(choice, dict)]
    if len(found) > 1 and all(_is_int(choice.get("index")) for choice in found):
        found.sort(key=lambda choice: int(choice["index"]))
    return found


_BESIDE_CONTENT = (
    "reasoning_content", "reasoning", "refusal", "audio", "images", "tool_calls", "function_call",
)  # fmt: skip
"""What else a message may say; that is, beside a refusal in `provider_specific_fields`."""


def plain_text(message: Mapping[str, Json]) -> str | None:
    """Return the text of a message that says nothing else, as most do; None for an empty one and any other."""
    content = message.get("content")
    if not isinstance(content, str) or any(map(message.get, _BESIDE_CONTENT)):
        return None
    beside = message.get("provider_specific_fields")
    return None if beside and mapping(beside).get("refusal") else content or None


def _message_parts(message: Mapping[str, Json]) -> list[Json]:
    content = message.get("content")
    if (said := plain_text(message)) is not None:
        return [text_part(said)]
    parts: list[Json] = []
    reasoning = text(message.get("reasoning_content")) or text(message.get("reasoning"))
    if reasoning is not None:
        parts.append({"type": "reasoning", "text": reasoning})
    parts += _content_parts(content)
    refusal = message.get("refusal") or mapping(message.get("provider_specific_fields")).get("refusal")
    if isinstance(refusal, str) and refusal:
        parts.append(text_part(refusal))
    if isinstance(audio := message.get("audio"), dict):
        parts += _audio_parts(audio)
    for image in items(message.get("images")):
        parts += _content_part(image)
    parts += [_tool_call_part(call) for call in items(message.get("tool_calls")) if isinstance(call, dict)]
    function = message.get("function_call")
    if isinstance(function, dict) and function:
        parts.append({"type": "function", "function": _function(function.get("name"), function.get("arguments"))})
    return parts


def _content_parts(content: Json) -> Iterator[Json]:
    if isinstance(content, str):
        if content:
            yield text_part(content)
    elif isinstance(content, list):
        for part in content:
            yield from _content_part(part)
    elif isinstance(content, dict) and content:
        yield from _content_part(content)


def _content_part(part: Json) -> Iterator[Json]:
    if isinstance(part, str):
        if part:
            yield text_part(part)
        return
    if not isinstance(part, dict) or not part:
        return
    kind = part.get("type")
    said = part.get("text" if is_one_of(kind, TEXT_KINDS) else str(kind))
    match kind:
        case "text" | "output_text" | "refusal" if isinstance(said, str):
            if said:
                yield text_part(said)
        case "thinking" if isinstance(said, (str, list)):
            thought = said if isinstance(said, str) else "".join(_texts(said))
            if thought:
                yield {"type": "reasoning", "text": thought}
        case "audio" | "output_audio" if isinstance(part.get("transcript"), str):
            yield from _audio_parts(part)  # what a realtime session said
        case "image_url":
            yield {"type": "image", "image": said.get("url") if isinstance(said, dict) else said}
        case _:
            yield without_encrypted(part)


def _texts(parts: Iterable[Json]) -> Iterator[str]:
    for part in parts:
        value = part.get("text") if isinstance(part, dict) else part
        if isinstance(value, str):
            yield value


def _audio_parts(audio: Mapping[str, Json]) -> Iterator[Json]:
    if isinstance(audio.get("transcript"), str) and audio["transcript"]:
        yield text_part(audio["transcript"])
    if isinstance(audio.get("data"), str):
        kept = {key: audio[key] for key in ("id", "data", "transcript", "expires_at") if audio.get(key) is not None}
        yield {"type": "audio", **kept}


def _tool_call_part(call: Mapping[str, Json]) -> Json:
    function, custom = call.get("function"), call.get("custom")
    part: dict[str, Json] = {"type": "function"}
    if isinstance(call.get("id"), str):
        part["id"] = call["id"]
    if isinstance(function, dict):
        part["function"] = _function(function.get("name"), function.get("arguments"))
    elif isinstance(custom, dict):
        part["function"] = _function(custom.get("name"), custom.get("input"))
    else:
        return dict(call)
    return part


def _function(name: Json, arguments: Json) -> Json:
    """Keep the arguments as the string they were, broken JSON too; absent ones stay absent."""
    function = {}
    if isinstance(name, str):
        function["name"] = name
    if arguments is not None:
        function["arguments"] = arguments if isinstance(arguments, str) else compact(arguments)
    return function


# -------------------------------------------------------------------------------------------------- the Responses API


def responses_output(output: Json) -> list[Json] | None:
    """Return the items of a Responses answer as one assistant message; None without any part."""
    parts = [part for item in items(output) if isinstance(item, dict) for part in _item_parts(item)]
    return [assistant(parts)] if parts else None


def _item_parts(item: Mapping[str, Json]) -> Iterator[Json]:
    match item.get("type"):
        case "message":
            yield from _content_parts(item.get("content"))
        case None if item.get("role") == "assistant":
            yield from _message_parts(item)
        case "function_call":
            yield _called(item, item.get("arguments"))
        case "custom_tool_call":
            yield _called(item, item.get("input"))
        case "reasoning":
            if _has_text(item.get("summary")) or _has_text(item.get("content")):
                yield _reasoning(item)
        case "image_generation_call":
            yield {key: item[key] for key in ("type", "result", "status") if item.get(key) is not None}
        case _:
            yield without_encrypted(item)


def _reasoning(item: Mapping[str, Json]) -> Json:
    """Return an item of reasoning; text in its content alone as `text`, for PostHog's page shows a summary, or that."""
    if _has_text(item.get("summary")):
        return without_encrypted(item)
    said = "\n".join(_texts(items(item.get("content"))))
    if not said:
        return without_encrypted(item)
    left_out = ("summary", "content", "encrypted_content")
    return {**{key: value for key, value in item.items() if key not in left_out}, "text": said}


def _called(item: Mapping[str, Json], arguments: Json) -> Json:
    part: dict[str, Json] = {"type": "function"}
    call_id = text(item.get("call_id")) or text(item.get("id"))
    if call_id is not None:
        part["id"] = call_id
    part["function"] = _function(item.get("name"), arguments)
    return part


def _has_text(parts: Json) -> bool:
    return any(_texts(items(parts)))


# -------------------------------------------------------------------------------------------------------------- tools


def clean_tools(tools: Json) -> list[Json] | None:
    """Return tool definitions as logged, but for the credentials of the servers in them; None when there are none."""
    if not tools:
        return None
    cleaned = [_without_credentials(tool) for tool in items(tools) if tool is not None]
    return cleaned or None


def _without_credentials(value: Json, key: str = "") -> Json:
    """Redact what is named as a secret, and what a server's address carries, on every level but below a schema's."""
    if isinstance(value, dict):
        return {name: _tool_member(name, member) for name, member in value.items()}
    if isinstance(value, list):
        return [_without_credentials(member, key) for member in value]
    return _tool_text(key, value) if isinstance(value, str) and key not in _SAYING else value


def _tool_member(key: str, value: Json) -> Json:
    if key in _SCHEMAS:
        return value  # a parameter that is named `token` is none
    if isinstance(value, (str, dict, list)) and (is_secret_name(key) or (key == "env" and isinstance(value, dict))):
        return dict.fromkeys(value, REDACTED) if isinstance(value, dict) else REDACTED
    return _without_credentials(value, key)


def _tool_text(key: str, value: str) -> str:
    """A text of a tool's without credentials: an address without all that may hold some."""
    if "://" in value and (key.lower().endswith("url") or _ADDRESS.fullmatch(value)):
        return clean_url(value) or REDACTED
    return without_credentials(value)


# -------------------------------------------------------------------------------------------------------- web searches


def web_searches(response: Mapping[str, Json]) -> int | None:
    """Return how often the answer searched the web: its `web_search_call` items, else 1 when it cites a URL."""
    answers: list[Json] = []
    output = response.get("output")
    if isinstance(output, list):
        calls = [item for item in output if isinstance(item, dict) and item.get("type") == "web_search_call"]
        if calls:
            return len(calls)
        for item in output:
            answers += items(mapping(item).get("content"))
    if items(response.get("citations")) or items(response.get("search_results")):
        return 1
    if mapping(response.get("usage")).get("search_context_size"):
        return 1
    for choice in items(response.get("choices")):
        if isinstance(choice, dict):
            answers.append(choice.get("message"))
    for answer in answers:
        if isinstance(answer, dict) and (notes := answer.get("annotations")) and _cite(notes):
            return 1
    return None


def _cite(notes: Json) -> bool:
    return any(mapping(note).get("type") == "url_citation" for note in items(notes))
