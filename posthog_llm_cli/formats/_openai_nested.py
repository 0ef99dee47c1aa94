"""Answers and requests out of their wrappings: texts of JSON, HTTP recordings, lists of one, text of a stream."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from posthog_llm_cli.formats._fields import decoded, mapping, text
from posthog_llm_cli.formats._openai_answers import classify_response
from posthog_llm_cli.formats._openai_relatives import relative_name
from posthog_llm_cli.model import Json

_HTTP_KEYS = ("url", "uri", "method", "status", "status_code", "headers")
_SSE = re.compile(r"\s*(?:data:|event:|:[^\n]*\n(?:[^\n]*\n)*?data:)")
_SSE_DATA = re.compile(r"^data:[ \t]*(\{.*)$", re.MULTILINE)
_STREAMED = frozenset({"openai-stream", "openai-chat", "openai-completions", "openai-responses", "openai-error"})
"""What may come in a stream: its parts, an error, and a server's whole answer all the same."""
_LOOKED_AT = 5
"""Parts of a stream that are looked at to tell whose it is: some begin with pings or comments."""


class Nested:
    """An answer or a request out of its wrappings: text of JSON, an HTTP recording, a list of one.

    `value` is what was inside; `status` and `url` what the recording said. Headers are never read.
    """

    __slots__ = ("status", "url", "value")

    def __init__(self, value: Json) -> None:
        self.status: Json = None
        self.url: str | None = None
        self.value = self._unwrap(decoded(value))

    def _unwrap(self, value: Json) -> Json:
        if is_recording(value):
            self.url = text(value.get("url")) or text(value.get("uri"))
            self.status = _recorded_status(value)
            body = decoded(value["body"])
            if isinstance(body, dict) and set(body) <= {"string", "encoding"}:  # VCR's spelling
                body = decoded(body.get("string"))
            return body
        if isinstance(value, list) and len(value) == 1 and classify_response(value[0]) not in {None, "openai-stream"}:
            return value[0]
        return value

    @property
    def shape(self) -> str | None:
        """The shape of what is inside, a stream's text and a list of chunks included; None for no answer."""
        if isinstance(self.value, str):
            return _stream_shape(parts_of_text(self.value)) if _SSE.match(self.value) else None
        if isinstance(self.value, list):
            return _shape_of_list(self.value)
        return classify_response(self.value)

    @property
    def is_other_stream(self) -> bool:
        """Whether this is the text of a stream whose parts nobody here knows."""
        is_stream = isinstance(self.value, str) and _SSE.match(self.value) is not None
        return is_stream and self.shape is None and any(parts_of_text(self.value))

    @property
    def relative(self) -> str | None:
        """The name of the other tool or API that answered; None for none of them."""
        if isinstance(self.value, str):
            parts: Iterator[Json] = parts_of_text(self.value)
        else:
            parts = iter(self.value[:3] if isinstance(self.value, list) else [self.value])
        return next((name for part in parts if (name := relative_name(mapping(part))) is not None), None)


def is_recording(value: Json) -> bool:
    """Whether a value is one side of a recorded HTTP exchange (openai-logs.md 3.2)."""
    return isinstance(value, dict) and "body" in value and any(key in value for key in _HTTP_KEYS)


def _recorded_status(value: Mapping[str, Json]) -> Json:
    """`status_code`, `status`, or the `code` in it: the first that is there."""
    candidates = (value.get("status_code"), value.get("status"), mapping(value.get("status")).get("code"))
    return next((found for found in candidates if found is not None and not isinstance(found, dict)), None)


def parts_of_text(stream: str) -> Iterator[Json]:
    """Yield the first JSON payloads of a server-sent stream's text."""
    for found in islice(_SSE_DATA.finditer(stream), _LOOKED_AT):
        payload = decoded(found[1])
        if isinstance(payload, dict):
            yield payload


def _stream_shape(parts: Iterator[Json]) -> str | None:
    """Whose stream a text is by its first parts: OpenAI's, a relative's, or nobody's."""
    shapes = {classify_response(part) for part in parts}
    if "relative" in shapes:
        return "relative"
    return "openai-stream" if shapes & _STREAMED else None


def _shape_of_list(value: list[Json]) -> str | None:
    shapes = {classify_response(part) for part in value[:_LOOKED_AT]}
    if shapes == {"relative"}:
        return "relative"
    return "openai-stream" if "openai-stream" in shapes and shapes <= _STREAMED else None
