"""LiteLLM's `response` of any call type → canonical output; and its redactions (litellm-logs.md 6.5, 6.17)."""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum

from posthog_llm_cli.formats._fields import first_text, is_one_of, items, mapping, text
from posthog_llm_cli.formats._messages import (
    assistant,
    chat_output,
    plain_text,
    responses_output,
    sorted_choices,
    text_part,
    with_clean_tools,
)
from posthog_llm_cli.formats._values import is_print, value_part, without_bulk
from posthog_llm_cli.model import Json

SENTINEL = "redacted-by-litellm"
_CUT = "truncated by litellm"
_CUT_NEAR_THE_END = 200


class Redaction(Enum):
    """How much of an answer LiteLLM redacted."""

    NONE = "none"
    SOME = "some"
    ALL = "all"


def is_cut(value: Json) -> bool:
    """Whether LiteLLM cut a field: a logger with a limit writes 10,000 characters of its print, and says so."""
    return isinstance(value, str) and _CUT in value[-_CUT_NEAR_THE_END:]


def shown(text: str) -> str:
    """Return a logged text as it may leave: of a cut one, and of any other print, without base64 and vectors."""
    return without_bulk(text) if is_cut(text) or is_print(text) else text


def with_messages(response: Json) -> Json:
    """Return an answer whose choices say what a stream's do, under `delta`, with that as their messages."""
    choices = response.get("choices") if isinstance(response, dict) else None
    if not isinstance(choices, list) or not any(_says_delta(choice) for choice in choices):
        return response
    whole = [{**choice, "message": choice["delta"]} if _says_delta(choice) else choice for choice in choices]
    return {**response, "choices": whole}


def _says_delta(choice: Json) -> bool:
    return isinstance(choice, dict) and isinstance(choice.get("delta"), dict) and not choice.get("message")


def litellm_output(response: Json, warn: Callable[[str], None]) -> list[Json] | None:
    """Return the response as assistant messages; None for none. An unknown shape is sent as text, with a warning."""
    if response is None or response in ({}, "", []):
        return None
    if isinstance(response, str):
        return [assistant([text_part(shown(response))])]
    if isinstance(response, dict):
        if isinstance(response.get("choices"), list):
            return chat_output(response["choices"])
        if isinstance(response.get("output"), list):
            return responses_output(response["output"])
        parts = _other_parts(response)
        if parts is not None:
            return [assistant(parts)] if parts else None
    warn("unknown-output")
    return [assistant([value_part(response)])]


def plain_answer(response: Json) -> str | None:
    """Return the text of an answer that is one choice with nothing but a text in it, as most are; else None.

    None too where it is the sentinel.
    """
    if not isinstance(response, dict) or "output" in response or "text" in response:
        return None
    choices = response.get("choices")
    choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
    message = choice.get("message") if isinstance(choice, dict) and "text" not in choice else None
    said = plain_text(message) if isinstance(message, dict) else None
    return None if said == SENTINEL else said


def _other_parts(response: Mapping[str, Json]) -> list[Json] | None:
    """Return the parts of an image, speech, rerank, moderation or transcription answer; None for an unknown shape."""
    data = response.get("data")
    if isinstance(data, list) and all(_is_vector(item) for item in data):
        return []
    if isinstance(data, list):
        return list(_images(data, text(response.get("output_format")) or "png"))
    if response.get("object") == "binary":
        kind = str(response.get("content_type") or "").split("/")[0]
        return [text_part(f"[base64 {kind if kind in {'audio', 'image', 'video'} else 'file'} redacted]")]
    if isinstance(response.get("results"), list):
        return [value_part([with_clean_tools(result) for result in response["results"]])]
    if isinstance(response.get("text"), str):
        return [text_part(response["text"])] if response["text"] else []
    return None


def _is_vector(item: Json) -> bool:
    return isinstance(item, dict) and ("embedding" in item or item.get("object") == "embedding")


def _images(data: list[Json], image_format: str) -> Iterator[Json]:
    for item in data:
        image = mapping(item)
        encoded = text(image.get("b64_json"))
        source = text(image.get("url")) or (encoded and f"data:image/{image_format};base64,{encoded}")
        if source:
            yield {"type": "image", "image": source}


def stop_reason(response: Json) -> str | None:
    """Return the first choice's finish reason; of a Responses answer why it is incomplete, else its status."""
    found = mapping(response)
    choices = sorted_choices(found.get("choices"))
    if choices:
        return text(choices[0].get("finish_reason"))
    if isinstance(found.get("output"), list):
        return first_text(mapping(found.get("incomplete_details")).get("reason"), found.get("status"))
    return None


# ---------------------------------------------------------------------------------------------------------- redaction


def redacted_output(response: Json) -> list[Json] | None:
    """Return what may leave of the answer in a redacted record: the names and ids of the functions that it calls.

    LiteLLM's redaction misses whole answers, so no text of one is taken for a text that was meant to stay.
    """
    answer = mapping(response)
    if isinstance(answer.get("choices"), list):
        found = chat_output([_bare_choice(choice) for choice in answer["choices"] if isinstance(choice, dict)])
    else:
        found = responses_output([_bare_item(item) for item in items(answer.get("output"))])
    kept = [assistant([part for said in message["content"] if (part := _kept_part(said))]) for message in found or []]
    return kept if any(message["content"] for message in kept) else None


def _bare_choice(choice: Mapping[str, Json]) -> Json:
    """A choice with what its message calls alone."""
    message = choice.get("message")
    if not isinstance(message, dict):
        return {}
    return {**choice, "message": {key: message[key] for key in ("tool_calls", "function_call") if key in message}}


def _bare_item(item: Json) -> Json:
    """An item of a Responses answer if it is the call of a function."""
    return item if is_one_of(mapping(item).get("type"), ("function_call", "custom_tool_call")) else None


def _kept_part(part: Mapping[str, Json]) -> Json:
    """A part as it may leave, None where it may not: a call's name and id."""
    function = mapping(part.get("function"))
    if part.get("type") != "function" or "name" not in function:
        return None
    return {**{key: part[key] for key in ("type", "id") if key in part}, "function": {"name": function["name"]}}


def is_redacted_input(messages: Json) -> bool:
    """Whether LiteLLM's redaction sentinel stands in the input, in any of its forms.

    It stands for all messages, but a payload puts a request's system message before it.
    """
    if isinstance(messages, list):
        for message in messages:  # noqa: SIM110 -- runs on every record, and a generator costs more than the comparison
            if is_redacted_input(message):
                return True
        return False
    if isinstance(messages, dict):
        content = messages.get("content")
        if isinstance(content, list) and is_redacted_input(content):
            return True
        return bool(content == SENTINEL or messages.get("text") == SENTINEL)
    return bool(messages == SENTINEL)


def is_redacted_output(messages: list[Json] | None) -> bool:
    """Whether the sentinel stands in an output as it would be sent: a text, or what a function was given."""
    for message in messages or ():
        for part in message["content"]:
            if SENTINEL in (part.get("text"), mapping(part.get("function")).get("arguments")):
                return True
    return False


def output_redaction(response: Json) -> Redaction:
    """Return whether the output is the sentinel: its texts, and what its tool calls were given.

    Reasoning and refusals count only where they are the sentinel: beside a redacted answer some are left as they were.
    """
    if not isinstance(response, dict):
        return Redaction.ALL if response == SENTINEL else Redaction.NONE
    if response.get("text") == SENTINEL:
        return Redaction.ALL
    texts = _output_texts(response)
    if SENTINEL not in texts:
        return Redaction.NONE
    return Redaction.ALL if all(text == SENTINEL for text in texts) else Redaction.SOME


def _output_texts(response: Mapping[str, Json]) -> list[str]:
    found: list[str] = []
    for choice in items(response.get("choices")):
        if not isinstance(choice, dict):
            continue
        message = mapping(choice.get("message"))
        _add_texts(found, choice.get("text"), message.get("content"))
        for call in items(message.get("tool_calls")):
            _add_texts(found, mapping(mapping(call).get("function")).get("arguments"))
            _add_texts(found, mapping(mapping(call).get("custom")).get("input"))
        if message.get("function_call") is not None:
            _add_texts(found, mapping(message["function_call"]).get("arguments"))
        if SENTINEL in (message.get("reasoning_content"), message.get("refusal")):
            found.append(SENTINEL)
    for item in items(response.get("output")):
        if not isinstance(item, dict):
            continue
        if item.get("type") == "reasoning":
            found += [text for text in _strings(item.get("summary"), item.get("content")) if text == SENTINEL]
        else:
            _add_texts(found, item.get("text"), item.get("arguments"), item.get("input"), item.get("content"))
    return found


def _strings(*values: Json) -> list[str]:
    found: list[str] = []
    _add_texts(found, *values)
    return found


def _add_texts(found: list[str], *values: Json) -> None:
    for value in values:
        if isinstance(value, str):
            if value:
                found.append(value)
        elif isinstance(value, list):
            for part in value:
                if isinstance(part, dict):
                    _add_texts(found, part.get("text"), part.get("refusal"))
                else:
                    _add_texts(found, part)
