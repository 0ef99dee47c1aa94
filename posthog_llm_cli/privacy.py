"""What must not leave the machine: base64 media by default, all content in privacy mode. Pure.

Media follow PostHog's own SDKs, so that replayed events look like live ones (posthog-ingestion.md, 11.5). Privacy mode
is stricter than theirs (11.6): content is omitted, not null, and metadata that repeat it go too.
"""

import re
from collections.abc import Iterator, Mapping
from json import dumps

from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily

_MEDIA_KEYS = {
    "data": None,
    "image_url": "image",
    "imageUrl": "image",
    "image": "image",
    "b64_json": "image",
    "video_url": "video",
    "videoUrl": "video",
    "audio": "audio",
    "input_audio": "audio",
    "inputAudio": "audio",
    "inline_data": None,
    "inlineData": None,
    "file_data": "file",
    "fileData": "file",
    "bytes": None,
    "blob": None,
    "base64": None,
    "b64": None,
    "image_base64": "image",
    "imageBase64": "image",
    "image_bytes": "image",
    "imageBytes": "image",
    "partial_image_b64": "image",
    "bytesBase64Encoded": None,
    "audio_base64": "audio",
    "audioContent": "audio",
}
_MIME_KEYS = ("mime_type", "mimeType", "media_type", "mediaType", "content_type")
_DATA_URL = lazily(r"\s*data:([\w.+-]+)?(?:/[\w.+-]+)?(?:;[^,;]*)*;base64,", re.ASCII | re.IGNORECASE)
# LiteLLM's database keeps beginning and end of a long text; base64 goes on behind its note.
_REST = r"(?:\.\.\. \((?:litellm_truncated|truncated)[^\r\n]{0,400}?\) ?\.\.\.[\w+/=%-]*+)?"
_EMBEDDED = lazily(
    r"data:([\w.+-]+)/[\w.+-]+(?:;[^,;:]*)*;base64,[\w+/=%-]{64,}+"
    rf"(?:(?:\\+[rn]|[\r\n])+[\w+/=%-]{{60,}}+)*{_REST}",
    re.ASCII | re.IGNORECASE,
)
_BASE64 = lazily(r"\s*[A-Za-z0-9+/_=\r\n-]{200}", re.ASCII)
# JSON in a text, as arguments and results of tools are, and raw answers.
_IN_JSON = lazily(
    rf'("({"|".join(_MEDIA_KEYS)})\\*"\s*:\s*\\*")(?=[\w+/=\\-]{{200}})(?:[\w+/=-]|\\+[/rn])++{_REST}', re.ASCII
)
_JSON_STARTS = frozenset('{["')
_KINDS = frozenset({"image", "audio", "video"})
_NO_MEDIA = frozenset({"text", "function", "reasoning", "object", "string"})
"""What nearly every `type` says: none of them names a kind of media."""
_NO_DATA_URL = 12
_SHORT = 200
"""A text of at most 12 characters is no data URL; base64 without one is looked for from 200 on."""
_QUOTED_CHARACTERS = 20
_STRUCTURED_PARAMETERS = frozenset({"response_format", "tool_choice"})
_MAX_PIECES = 250_000
_FEW_PIECES = 64


def placeholder(kind: str | None) -> str:
    """Return what stands for redacted media of this kind."""
    return f"[base64 {kind if kind in _KINDS else 'file'} redacted]"


def redact_media(value: Json) -> Json:
    """Return `value` with data URLs and base64 under media keys as placeholders; itself where there are none."""
    return _redact(value, None, in_media=False)


def _redact(value: Json, kind: str | None, *, in_media: bool) -> Json:
    if isinstance(value, str):
        return _redact_text(value, kind, in_media=in_media)
    if isinstance(value, list):
        redacted: list[Json] | None = None
        for index, item in enumerate(value):
            if is_plain(item):
                continue
            new = _redact(item, kind, in_media=in_media)
            if new is not item:
                redacted = list(value) if redacted is None else redacted
                redacted[index] = new
        return value if redacted is None else redacted
    if isinstance(value, dict):
        return _redact_object(value, kind, in_media=in_media)
    return value


def is_plain(item: Json) -> bool:
    """Whether an item is a message of nothing but text, or a part of one, as most are, and holds no media."""
    if not isinstance(item, dict) or len(item) != 2:
        return False
    if "content" in item:
        role, said = item.get("role"), item["content"]
        if not isinstance(role, str) or len(role) > _NO_DATA_URL:
            return False
        if isinstance(said, list):
            return all(map(is_plain, said))
    elif item.get("type") == "text":
        said = item.get("text")
    else:
        return False
    return isinstance(said, str) and not _holds_data_url(said) and (len(said) < _SHORT or said[0] not in _JSON_STARTS)


def _redact_object(value: Mapping[str, Json], kind: str | None, *, in_media: bool) -> Json:
    asked = [(key, member) for key, member in value.items() if _may_hold_media(member)]
    if not asked:
        return value
    here = _kind_of(value) or kind
    is_image_call = value.get("type") == "image_generation_call"
    own = "result" if is_image_call else "delta" if here == "audio" else None  # audio deltas: of a realtime session
    changed: dict[str, Json] = {}
    for key, member in asked:
        is_media = key in _MEDIA_KEYS or key == own or (in_media and key == "url")
        inner = _MEDIA_KEYS.get(key) or ("image" if is_image_call else here)
        new = _redact(member, inner, in_media=is_media)
        if new is not member:
            changed[key] = new
    return {**value, **changed} if changed else value


def _may_hold_media(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) >= _SHORT or (len(value) > _NO_DATA_URL and _holds_data_url(value))
    return isinstance(value, (list, dict))


def _kind_of(value: Mapping[str, Json]) -> str | None:
    if not value.keys().isdisjoint(_MIME_KEYS):
        for key in _MIME_KEYS:
            mime = value.get(key)
            if isinstance(mime, str):
                return mime.split("/")[0].lower()
    kind = value.get("type")
    if not isinstance(kind, str) or kind in _NO_MEDIA:
        return None
    return next((name for name in _KINDS if name in kind), None)


def _holds_data_url(value: str) -> bool:
    # Every one has a semicolon before its base64, and one letter is found many times as fast as three. Nearly no text
    # holds what all three spellings end with.
    return ";" in value and "64," in value and ("base64," in value or "BASE64," in value or "Base64," in value)


def _redact_text(value: str, kind: str | None, *, in_media: bool) -> str:
    if len(value) > _NO_DATA_URL and _holds_data_url(value):
        match = _DATA_URL.match(value)
        if match is not None:
            return placeholder((match[1] or kind or "").lower())
        value = _EMBEDDED.sub(lambda found: placeholder(found[1].lower()), value)
    if len(value) < _SHORT:
        return value
    if in_media and _BASE64.match(value):
        return placeholder(kind)
    if value[0] in _JSON_STARTS:
        return _IN_JSON.sub(lambda found: found[1] + placeholder(_MEDIA_KEYS[found[2]]), value)
    return value


# ------------------------------------------------------------------------------------------------------- privacy mode


def texts(value: Json) -> Iterator[str]:
    """Yield every text in `value`, on every level."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)


class Quotes:
    """Tells which values repeat a text of 20 characters or more from a call's content."""

    __slots__ = ("_content",)

    def __init__(self, content: Json) -> None:
        found = [text for text in texts(content) if len(text) >= _QUOTED_CHARACTERS]
        # Metadata may hold the text inside of JSON, escaped in one of two ways.
        escaped = [form for text in found for form in (dumps(text)[1:-1], dumps(text, ensure_ascii=False)[1:-1])]
        self._content = "\0".join(dict.fromkeys(found + escaped))

    def among(self, values: Mapping[str, Json]) -> frozenset[str]:
        """Return the keys whose value repeats some of the content, or that do so themselves.

        The content is read once for all of them. What they say beyond 250,000 pieces counts as repeated, unread.
        """
        if not self._content:
            return frozenset()
        wanted: set[str] = set()
        quoting: set[str] = set()
        for key, value in values.items():
            for text in texts([key, value]):
                if len(wanted) + len(text) > _MAX_PIECES:
                    quoting.add(key)
                else:
                    wanted.update(_pieces(text))
        repeated = self._repeated(wanted)
        if repeated:
            quoting.update(
                key
                for key, value in values.items()
                if key not in quoting and not all(repeated.isdisjoint(_pieces(text)) for text in texts([key, value]))
            )
        return frozenset(quoting)

    def _repeated(self, pieces: set[str]) -> set[str]:
        content = self._content
        if len(pieces) <= _FEW_PIECES:  # let the search run over the content in C
            return {piece for piece in pieces if piece in content}
        return {piece for piece in _pieces(content) if piece in pieces}


def _pieces(text: str) -> Iterator[str]:
    """Yield every run of 20 characters in a text."""
    return (text[i : i + _QUOTED_CHARACTERS] for i in range(len(text) - _QUOTED_CHARACTERS + 1))


def without_structures(parameters: Mapping[str, Json]) -> dict[str, Json]:
    """Return a model's parameters without those that say in an object what is asked for."""
    return {
        name: value
        for name, value in parameters.items()
        if name not in _STRUCTURED_PARAMETERS or not isinstance(value, (dict, list))
    }


def without_quotes(properties: Mapping[str, Json], content: Json) -> dict[str, Json]:
    """Return the properties whose value (and name) repeats nothing of the content."""
    quoting = Quotes(content).among(properties)
    return {key: value for key, value in properties.items() if key not in quoting}
