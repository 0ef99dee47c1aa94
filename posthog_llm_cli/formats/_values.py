"""What has no shape of messages: answers as JSON values, and prints of answers; what must not leave goes from both.

Media in values stay as they are here; `privacy` redacts them. In a print they are behind no key, so they go here.
"""

import re

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import compact, decoded
from posthog_llm_cli.formats._metadata import is_secret_name
from posthog_llm_cli.model import VALUE_PART, Json
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.privacy import placeholder

_VECTORS = frozenset({"embedding", "embeddings", "vector", "vectors"})
_NUMBERS = _VECTORS | {"values", "dense", "sparse"}
_MANY_NUMBERS = 16
_INTERNAL = frozenset({"hidden_params", "additional_headers", "response_headers"})
_VECTOR_TEXT = lazily(r"[A-Za-z0-9+/_=-]{64,}", re.ASCII)
VECTOR = "[vector]"

_PRINTED = lazily(r"\s*+(?:[\[{(]|[A-Za-z_][\w.]{0,100}\()")
_NAMED_IMAGE = lazily(r"(b64_json['\"]?\s*[=:]\s*['\"])[A-Za-z0-9+/=_-]{64,}")
_WORD = "[A-Za-z0-9+/_-]"
_BREAK = r"(?:\\[rn]|[\r\n])"
# One long run, or lines of it. A run is looked at from its beginning only, so that each is read once.
_BASE64 = lazily(
    rf"(?:data:(?P<kind>[\w.+]{{1,40}})/[\w.+-]{{1,80}};base64,|(?<!{_WORD}))"
    rf"(?:{_WORD}{{200,}}+|{_WORD}{{60,}}+(?:{_BREAK}++{_WORD}{{60,}}+)++(?:{_BREAK}++{_WORD}++)?)={{0,2}}",
    re.ASCII,
)
_NUMBER = r"-?\d[\d.]*+(?:[eE][+-]?\d++)?+"
_VECTOR = lazily(rf"\[\s*+{_NUMBER}(?:\s*+,\s*+{_NUMBER}){{{_MANY_NUMBERS - 1},}}+(?:\s*+,)?+(?:\s*+\])?+", re.ASCII)


def value_part(answer: Json) -> Json:
    """Return an answer of another shape than messages as a part, without vectors, secrets and headers.

    Of an object of LiteLLM's, what it keeps for itself goes too: members named `_…` at the top, its hidden parameters.
    """
    if isinstance(answer, dict):
        answer = {name: member for name, member in answer.items() if not name.startswith("_")}
    return {"type": VALUE_PART, "value": _sendable(answer, "")}


def _sendable(value: Json, key: str, *, in_vectors: bool = False) -> Json:
    if isinstance(value, dict):
        return {
            name: _sendable(member, name, in_vectors=in_vectors or name.lower() in _VECTORS)
            for name, member in value.items()
            if not (is_secret_name(name) or name.lower().lstrip("_") in _INTERNAL)
        }
    if isinstance(value, list):
        if value and all(isinstance(item, (int, float)) for item in value):
            is_vector = in_vectors or key.lower() in _NUMBERS or len(value) >= _MANY_NUMBERS
            return VECTOR if is_vector else value
        return [_sendable(item, key, in_vectors=in_vectors) for item in value]
    if isinstance(value, str):
        return VECTOR if in_vectors and _VECTOR_TEXT.fullmatch(value) else _sendable_text(value)
    return value


def _sendable_text(value: str) -> str:
    """A text of JSON is looked into, and stays as it was written where nothing in it has to go."""
    try:
        inner = decoded(value)
    except RecordError:  # deeper than a record may be: the text goes as text
        return without_bulk(value)
    if not isinstance(inner, (dict, list)):
        return without_bulk(value) if is_print(value) else value
    sendable = _sendable(inner, "")
    return value if sendable == inner else compact(sendable)


def is_print(text: str) -> bool:
    """Whether a text looks like the print of a list, a dictionary or an object, in Python or JSON."""
    return _PRINTED.match(text) is not None


def without_bulk(text: str) -> str:
    """Return a print without base64 (200 characters of it, or lines) and without lists of 16 numbers or more."""
    named = _NAMED_IMAGE.sub(r"\1[base64 image redacted]", text)
    return _VECTOR.sub(VECTOR, _BASE64.sub(lambda found: placeholder(found["kind"]), named))
