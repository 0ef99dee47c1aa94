"""What a LiteLLM call said, and how it failed: input, output, tools, error (litellm-logs.md 6.4 to 6.6, 6.9, 6.17)."""

import re
from collections.abc import Mapping
from typing import ClassVar

from posthog_llm_cli.formats._errors import UNKNOWN_ERROR, error_type, first_error_text
from posthog_llm_cli.formats._fields import Warnings, compact, is_number, is_one_of, mapping, text
from posthog_llm_cli.formats._litellm_output import (
    SENTINEL,
    Redaction,
    is_cut,
    is_redacted_input,
    litellm_output,
    output_redaction,
    plain_answer,
    redacted_output,
    shown,
    with_messages,
)
from posthog_llm_cli.formats._messages import (
    assistant,
    clean_tools,
    embedding_input,
    input_messages,
    plain_texts,
    text_part,
    with_instructions,
)
from posthog_llm_cli.formats._metadata import without_secrets
from posthog_llm_cli.model import CallError, Json
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.privacy import placeholder
from posthog_llm_cli.values import Value

NO_INPUT = "default-message-value"
_STATUS = lazily(r"([1-5]\d\d)(?!\d)", re.ASCII)
_TRANSCRIPTIONS = ("transcription", "atranscription")
_PRINTED_FILE = lazily(
    r"""(?:\(\s*(?:(?P<quote>['"])(?P<name>(?:\\.|(?!(?P=quote)).){1,4096}+)(?P=quote)|None)\s*,\s*)?"""
    r"""(?:bytearray\()?b['"]"""
)


class Content(Value, frozen=True):
    """Input, output and tools in canonical form; `redacted` where LiteLLM took the content out."""

    hidden: ClassVar = frozenset({"input", "output", "tools"})

    input: Json
    output: list[Json] | None
    tools: list[Json] | None
    redacted: bool


def read_content(payload: Mapping[str, Json], warn: Warnings, *, embedding: bool) -> Content:
    """Input, output and tools; what LiteLLM redacted is no content, and what leaks beside it goes too (6.17).

    It never redacts a prompt or an answer alone on purpose: in most releases it forgets the answers of `/v1/messages`,
    in some the requests that SpendLogs keep.
    """
    messages, response = _messages(payload), payload.get("response")
    parameters = mapping(payload.get("model_parameters"))
    said = None if embedding else plain_texts(messages)
    is_plain = said is not None and NO_INPUT not in said and SENTINEL not in said
    logged = messages if is_plain else _logged_input(messages)
    answer = None if embedding else plain_answer(response)
    input_redacted = not is_plain and is_redacted_input(logged)
    how_much = Redaction.NONE
    if answer is None:
        response = with_messages(response)
        how_much = output_redaction(response)
    redacted = input_redacted or how_much is not Redaction.NONE
    entered: Json = None
    if isinstance(logged, str) and is_cut(logged):
        logged = shown(logged)
    if not redacted:
        if embedding:
            entered = embedding_input(logged)
        else:
            asked = logged if is_plain else input_messages(logged)
            entered = with_instructions(asked, parameters.get("instructions"))
        if entered is None:
            warn("no-input")
    if is_cut(messages) or is_cut(response) or is_cut(payload.get("error_str")):
        warn("truncated-content")
    if redacted:
        output: list[Json] | None = None if embedding or how_much is Redaction.ALL else redacted_output(response)
    elif answer is not None:
        output = [assistant([text_part(answer)])]
    else:
        output = None if embedding else litellm_output(response, warn)
    tools = None if redacted else clean_tools(parameters.get("tools"))
    return Content(entered, output, tools, redacted)


def _messages(payload: Mapping[str, Json]) -> Json:
    """The messages as logged; of a file that was transcribed its name.

    Releases up to 1.76 at least log the print of one that was given as bytes, sound and all.
    """
    messages = payload.get("messages")
    if not is_one_of(payload.get("call_type"), _TRANSCRIPTIONS):
        return messages
    if not isinstance(messages, list):
        return _file_name(messages)
    return [
        {**item, "content": _file_name(item.get("content"))} if isinstance(item, dict) else item for item in messages
    ]


def _file_name(file: Json) -> Json:
    printed = _PRINTED_FILE.match(file) if isinstance(file, str) else None
    return file if printed is None else printed["name"] or placeholder("audio")


def _logged_input(messages: Json) -> Json:
    """The input as logged; None where LiteLLM logged only its word for an input that it does not know."""
    listed = messages if isinstance(messages, list) else [messages]
    for item in listed:
        if (item.get("content") if isinstance(item, dict) else item) != NO_INPUT:
            return messages
    return None if listed else messages


def error_of(payload: Mapping[str, Json], *, redacted: bool) -> CallError:
    """Return the error of a failed call; of a redacted one its class alone."""
    information = mapping(payload.get("error_information"))
    error_class = error_type(text(information.get("error_class")))
    if redacted:
        return CallError(error_class, error_class or UNKNOWN_ERROR)
    logged = payload.get("error_str")
    message = first_error_text(
        compact(without_secrets(logged)) if isinstance(logged, (dict, list)) and logged else logged,
        information.get("error_message"),
        error_class,
    )
    return CallError(error_class, message)


def http_status_of(payload: Mapping[str, Json]) -> int | None:
    """Return the HTTP status that a failed call's error names."""
    information = mapping(payload.get("error_information"))
    for value in (information.get("error_code"), information.get("normalized_error")):
        candidate = str(value) if is_number(value) else value
        found = _STATUS.match(candidate) if isinstance(candidate, str) else None
        if found is not None and (value is not information.get("error_code") or found.end() == len(str(value))):
            return int(found[1])
    return None
