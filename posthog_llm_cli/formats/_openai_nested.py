"""Answers and requests out of their wrappings: texts of JSON, HTTP recordings, lists of one, text of a stream."""

from collections.abc import Mapping
from contextlib import suppress
from itertools import islice

from posthog_llm_cli.decoding import decode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import decoded, is_one_of, items, mapping, text
from posthog_llm_cli.formats._openai_answers import PART_KEYS, RESPONSE_KEYS, classify_response, is_unfinished
from posthog_llm_cli.formats._openai_langchain import answer_in
from posthog_llm_cli.formats._openai_prints import read_print
from posthog_llm_cli.formats._openai_relatives import relative_name
from posthog_llm_cli.formats.sse import is_json_lines, is_sse, stream_values
from posthog_llm_cli.model import Json

_HTTP_KEYS = ("url", "uri", "path", "method", "status", "status_code", "statusCode", "headers")
_CLIENT_KEYS = ("headers", "statusText", "config")
_SIDES = (("status_code", int), ("status", int), ("url", str), ("method", str))
_BODY_KEYS = ("json", "text", "content")
"""Where httpx and requests have a body, and hooks write it by the same names."""
_LANGCHAINS = frozenset({"generations", "response_metadata", "lc"})
_STREAMED = frozenset({
    "openai-stream", "openai-chat", "openai-completions", "openai-responses", "ollama", "openai-error",
})  # fmt: skip
"""What may come in a stream: its parts, an error, and a server's whole answer all the same."""
_LAST_PARTS = frozenset({"openai-completions", "ollama"})
_NOT_ASKED = ""
_LOOKED_AT = 8
"""Parts of a stream that are looked at to tell whose it is: some begin with pings or comments."""


class Nested:
    """An answer or a request out of its wrappings: text of JSON, an HTTP recording, a list of one.

    `value` is what was inside; `status` and `url` what the recording said. Headers are never read. `is_answer`: it lies
    under a response key, where a part of an answer (its choices, one of them, its message) stands for it.
    """

    __slots__ = ("_shape", "status", "url", "value")

    def __init__(self, value: Json, *, is_answer: bool = False) -> None:
        self.status: Json = None
        self.url: str | None = None
        inner = self._unwrap(_decoded_twice(value))
        if is_answer and isinstance(inner, str):
            inner = read_print(inner)
        self.value = _whole_answer(inner) if is_answer else inner
        self._shape: str | None = _NOT_ASKED

    def _unwrap(self, value: Json) -> Json:
        recording = mapping(value)
        body = _recorded_body(recording)
        if body is not None or ("statusCode" in recording and "message" in recording):  # or a gateway's own answer
            self.status = _recorded_status(recording)
        if body is not None:
            self.url = text(recording.get("url")) or text(recording.get("uri"))
            return decoded(body[0])
        if isinstance(value, list) and len(value) == 1 and classify_response(value[0]) not in {None, "openai-stream"}:
            return value[0]
        return value

    @property
    def shape(self) -> str | None:
        """The shape of what is inside, a stream's text and a list of chunks included; None for no answer."""
        if self._shape is _NOT_ASKED:
            is_stream = isinstance(self.value, (str, list))
            self._shape = classify_stream(self.value) if is_stream else classify_response(self.value)
        return self._shape

    @property
    def is_other_stream(self) -> bool:
        """Whether this is the text of a stream whose parts nobody here knows."""
        is_stream = isinstance(self.value, str) and is_sse(self.value)
        return is_stream and self.shape is None and bool(first_parts(self.value))

    @property
    def relative(self) -> str | None:
        """The name of the other tool or API that answered; None for none of them."""
        return next((name for part in first_parts(self.value) if (name := relative_name(part)) is not None), None)


def _decoded_twice(value: Json) -> Json:
    """Return what a text of JSON holds, also where it was made a text twice."""
    inner = decoded(value)
    if not isinstance(inner, str) or not inner.lstrip().startswith(('"{', '"[')):
        return inner
    found: Json = None
    with suppress(RecordError):
        found = decode(inner.encode()).value
    return inner if found is None else found


def _recorded_body(value: Mapping[str, Json]) -> tuple[Json] | None:
    """Return the body of one side of a recorded HTTP exchange (openai-logs.md 3.2); None for any other value.

    It is `body` (VCR: `body.string`), with browsers `content.text` and `postData.text`, with HTTP clients `data`; the
    AI SDK keeps nothing but a request's body.
    """
    if value.keys() != {"body"} and not any(key in value for key in (*_HTTP_KEYS, *_CLIENT_KEYS)):
        return None
    if "body" in value:
        body = decoded(value["body"])
        is_vcr = isinstance(body, dict) and set(body) <= {"string", "encoding"}
        return (body.get("string") if is_vcr else body,)
    for key in ("content", "postData"):
        if "mimeType" in mapping(value.get(key)):
            return (mapping(value[key]).get("text"),)
    is_client = isinstance(value.get("status"), int) and any(key in value for key in _CLIENT_KEYS)
    if is_client and isinstance(value.get("data"), (dict, str)):
        return (value["data"],)
    if value.keys().isdisjoint(_BODY_KEYS):
        return None
    is_side = any(isinstance(value.get(key), kind) for key, kind in _SIDES) and "role" not in value
    found = (value[key] for key in _BODY_KEYS if is_side and isinstance(value.get(key), (dict, str)) and value[key])
    return next(((body,) for body in found), None)


def _whole_answer(value: Json) -> Json:
    """Return a chat completion for what a writer took out of one: its choices, one of them, or its message.

    Likewise for what LangChain makes of one.
    """
    if isinstance(value, dict) and not value.keys().isdisjoint(_LANGCHAINS) and (found := answer_in(value)) is not None:
        return found
    choices = value if isinstance(value, list) else [value]
    if choices and all("finish_reason" in mapping(item) and _is_message(item.get("message")) for item in choices):
        return {"choices": choices}
    return {"choices": [{"index": 0, "message": value}]} if _is_message(value) else value


def _is_message(value: Json) -> bool:
    """Whether a value is the message of a chat completion; Anthropic's messages name their type."""
    if not isinstance(value, dict) or value.get("role") != "assistant" or "type" in value or "done" in value:
        return False
    return isinstance(value.get("content"), (str, list)) or bool(items(value.get("tool_calls")))


def _recorded_status(value: Mapping[str, Json]) -> Json:
    """`status_code`, `status`, or the `code` in it: the first that is there."""
    candidates = (
        value.get("status_code"),
        value.get("statusCode"),
        value.get("status"),
        mapping(value.get("status")).get("code"),
    )
    return next((found for found in candidates if found is not None and not isinstance(found, dict)), None)


def first_parts(value: Json) -> list[Mapping[str, Json]]:
    """Return the first objects in what holds a stream; what cannot be read in it shows when it is parsed."""
    found: list[Mapping[str, Json]] = []
    with suppress(RecordError):
        found.extend(islice((part for part in stream_values(value) if isinstance(part, dict)), _LOOKED_AT))
    return found


def classify_stream(value: Json) -> str | None:
    """Return whose stream a text of server-sent events, or a list of parts, is: `openai-stream` or `relative`.

    None for what is no stream, or that of an API that is not known.
    """
    is_lines = isinstance(value, str) and is_json_lines(value)
    if isinstance(value, str) and not is_lines and not is_sse(value):
        return None
    is_text = isinstance(value, str) or any(isinstance(part, str) for part in value[:1])
    shapes = [_part_shape(part) for part in first_parts(value)]
    told = next((shape for shape in shapes if shape not in {None, "openai-error"}), None)
    if told == "relative":
        return told
    if is_lines or not is_text:
        return told if told == "openai-stream" and _STREAMED.issuperset(shapes) else None
    is_stream = told in _STREAMED or (told is None and "openai-error" in shapes)
    return "openai-stream" if is_stream else None


def is_last_part(nested: Nested) -> bool:
    """Whether what lies under a key for parts alone looks like a whole answer: a stream's last part (4.4, 4.10).

    Where a server counts on every part, each of them does.
    """
    return isinstance(nested.value, dict) and is_one_of(nested.shape, _LAST_PARTS)


def _part_shape(part: Mapping[str, Json]) -> str | None:
    """The shape of a part, also of one that a logger's own record holds."""
    shape = classify_response(part)
    if shape == "ollama":
        return shape if part["done"] else "openai-stream"
    if shape == "openai-completions" and is_unfinished(part):
        return "openai-stream"  # vLLM counts on every part
    if shape is None:
        held = (Nested(part[key]) for key in RESPONSE_KEYS if key in part)
        found = next((inner for nested in held if (inner := nested.shape) is not None), None)
        logged = (_logged_shape(Nested(part[key])) for key in PART_KEYS if isinstance(part.get(key), (dict, str)))
        return found or next((inner for inner in logged if inner is not None), None)
    return shape


def _logged_shape(nested: Nested) -> str | None:
    if is_last_part(nested):
        return _part_shape(mapping(nested.value))
    return "openai-stream" if nested.shape == "openai-stream" else None
