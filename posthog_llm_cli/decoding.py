"""Bytes of one record → its JSON value, read as tolerantly as logs need, and back. Pure.

`orjson` reads nearly everything; what it refuses is tried once more with `json`, which lets raw control characters, NaN
and lone surrogates through. Both ways give the same values: integers beyond 64 bits are floats, what is no finite
number is null, of duplicate keys the last wins. Every value that comes out can be written by `orjson.dumps`.
"""

import json
import re
from typing import ClassVar

import msgspec
import orjson

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value

MAX_DEPTH = 100
"""Levels of arrays and objects; far over any real record, and PostHog's parser stops at 127."""

_CONTAINERS = (dict, list)
_SKIPPER = msgspec.json.Decoder(msgspec.Raw)
_PADDING = b" \t\r\n\0"
_BOM = b"\xef\xbb\xbf"
_CUT_OFF = "the file may be cut off"
_TEXT_HINT = "name the log files alone; a log holds JSON, or LiteLLM's SpendLogs as CSV with their header"
_PYTHON_HINT = (
    'write `response.model_dump_json()`, or for LiteLLM `json.dumps(kwargs["standard_logging_object"], default=str)`'
)

_BRACKETS = lazily(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE_ESCAPE = lazily(r"\\u[dD][89a-fA-F]")
_SURROGATE = lazily("[\ud800-\udfff]")
_JSON_MARKS = frozenset('{}[]",:')
_UNFINISHED = ("true", "false", "null", "NaN", "Infinity", "-Infinity")

# Python's print where the JSON reader stopped, which is outside of strings.
_PYTHON_AT_START = lazily(r"""[bru]?'|[A-Za-z_][\w.]*\([A-Za-z_]\w*=|\([\[{'"(]""")
_PYTHON_INSIDE = lazily(r"""(?:True|False|None)\s*(?:[,}\])]|\Z)|[bru]?'|[A-Za-z_][\w.]*\(|<[A-Za-z_]""")
_OBJECT_START = lazily(r'\{\s*(?:"|\})')
_PYTHON_DICT_START = lazily(r"\{\s*'")

_DOCUMENT_PARTS = lazily(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_BETWEEN = lazily(rb"[\s\0]*+")


class Decoded(Value, frozen=True):
    """A JSON value, and the codes of what had to be mended to read it."""

    hidden: ClassVar = frozenset({"value"})

    value: Json
    warnings: tuple[str, ...] = ()


def decode(raw: bytes) -> Decoded:
    """Read one JSON value; blanks, NULs and a byte order mark around it do not count.

    A string that holds an object, or an array of objects, is read once more (warning `double-encoded`).
    Raises: RecordError `invalid-json`, `python-repr` or `too-deep`; its message never quotes what was read.
    """
    value = _value_of(_content(raw), raw)
    if isinstance(value, str):
        inner = _inner_value(value)
        if inner is not None:
            return Decoded(inner, ("double-encoded",))
    return Decoded(value)


def is_whole_object(raw: bytes) -> bool:
    """Whether bytes are one JSON object from its first to its last: in a sixth of the time of reading it.

    No value is made of what is in it, so texts need not be UTF-8, nor numbers finite.
    """
    if not raw.startswith(b"{"):
        return False
    try:
        _SKIPPER.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def encode(value: Json) -> bytes:
    """Return a JSON value as bytes that take no more memory than they say: what is held is written so.

    Those of `orjson.dumps` keep the room that it made before it wrote, for the longest of escapes: ten times as much.
    """
    return to_size(orjson.dumps(value))


def to_size(written: bytes) -> bytes:
    """Return a copy of what `orjson.dumps` wrote, in memory of its size."""
    return bytes(memoryview(written))


def split_documents(raw: bytes) -> list[tuple[int, bytes]]:
    """The documents that stand glued in `raw` (`…}{…`): where each starts, and its bytes.

    Empty where it is not that: fewer than two, something else between them, or one before the last that is no JSON.
    The last may be cut off.
    """
    pieces: list[tuple[int, bytes]] = []
    start = _skip_between(raw, 0)
    while start < len(raw):
        if raw[start : start + 1] not in (b"{", b"["):
            return []
        end = _document_end(raw, start)
        pieces.append((start, raw[start:end].rstrip(_PADDING)))
        start = _skip_between(raw, end)
    if len(pieces) < 2 or not all(_is_readable(piece) for _, piece in pieces[:-1]):
        return []
    return pieces


def _content(raw: bytes) -> bytes:
    stripped = raw.strip(_PADDING)
    return stripped[len(_BOM) :].strip(_PADDING) if stripped.startswith(_BOM) else stripped


def _value_of(content: bytes, raw: bytes) -> Json:
    # Refusals are raised outside of `except`: a parser's error holds the text that it read.
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        is_plain = False
    else:
        is_plain = True
    if not is_plain:
        return _tolerant(_text_of(content, raw), raw)
    if has_many_brackets(content) and is_deeper(value, MAX_DEPTH):
        raise _too_deep()
    return value


def has_many_brackets(content: bytes) -> bool:
    """Whether there are enough for something to be too deep. `find` leaps to the next, `count` looks at every byte."""
    found = 0
    for bracket in (b"{", b"["):
        at = content.find(bracket)
        while at >= 0:
            found += 1
            if found > MAX_DEPTH:
                return True
            at = content.find(bracket, at + 1)
    return False


def _inner_value(text: str) -> Json:
    """The object or the array of objects that a string holds, else None."""
    content = text.encode().strip(_PADDING)
    if not content.startswith((b"{", b"[")):
        return None
    try:
        value = _value_of(content, content)
    except RecordError as error:
        if error.code == "too-deep":
            raise
        return None
    is_rows = isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    return value if isinstance(value, dict) or is_rows else None


def is_deeper(value: Json, levels: int) -> bool:
    """Whether containers lie more than `levels` deep in one another; level by level, so that no depth recurses."""
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(levels):
        level = [
            child
            for container in level
            for child in (container.values() if type(container) is dict else container)
            if type(child) in _CONTAINERS  # orjson makes no others, and this runs on every larger record
        ]
        if not level:
            return False
    return True


# ----------------------------------------------------------------------------------------------- what orjson refuses


def _text_of(content: bytes, raw: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        position = raw.index(content) + error.start
    raise RecordError("invalid-json", f"expected UTF-8 and found bytes that are not UTF-8 at byte {position + 1}")


def _tolerant(text: str, raw: bytes) -> Json:
    deep_at = _depth_exceeded_at(text)
    # Up to where it is too deep, the text may show that it is no JSON in the first place.
    shallow = text if deep_at is None else text[:deep_at]
    problem = None
    try:
        value = _READER.decode(shallow)
    except json.JSONDecodeError as error:
        problem, position = error.msg, error.pos
    if problem is None:
        return _mend(value) if _SURROGATE_ESCAPE.search(text) else value
    ended = _ends_early(shallow, position, problem)
    if deep_at is not None and ended:
        raise _too_deep()
    raise _refusal(text, position, problem, raw=raw, ended=ended)


def _depth_exceeded_at(text: str) -> int | None:
    """Where the text goes deeper than MAX_DEPTH, if it does."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return None
    depth = 0
    for found in _BRACKETS.finditer(text):
        match found[0]:
            case "[" | "{":
                depth += 1
                if depth > MAX_DEPTH:
                    return found.start()
            case "]" | "}":
                depth -= 1
    return None


def _integer(digits: str) -> int | float | None:
    # 20 characters hold every integer of 64 bits; Python refuses to read integers of thousands of digits.
    if len(digits) <= 20:
        value = int(digits)
        if -(2**63) <= value < 2**64:
            return value
    return _number(digits)


def _number(digits: str) -> float | None:
    value = float(digits)
    return None if value in (float("inf"), float("-inf")) else value


def _nothing(_word: str) -> None:
    """NaN, Infinity and -Infinity are no numbers: null."""


_READER = json.JSONDecoder(strict=False, parse_int=_integer, parse_float=_number, parse_constant=_nothing)


def _mend(value: Json) -> Json:
    """Lone surrogates become U+FFFD, in keys too: no JSON in UTF-8 can hold them."""
    match value:
        case str():
            return _SURROGATE.sub("\ufffd", value)
        case list():
            return [_mend(item) for item in value]
        case dict():
            return {_SURROGATE.sub("\ufffd", key): _mend(item) for key, item in value.items()}
        case _:
            return value


# ------------------------------------------------------------------------------------------------------ refusals


def _too_deep() -> RecordError:
    return RecordError("too-deep", f"expected at most {MAX_DEPTH} levels of arrays and objects and found more")


def _refusal(text: str, position: int, problem: str, *, raw: bytes, ended: bool) -> RecordError:
    brace = text.find("{")
    if _is_python(text, position, brace):
        return RecordError("python-repr", "this is Python's print of an object, not JSON", hint=_PYTHON_HINT)
    if brace > 0 and position <= brace and _OBJECT_START.match(text, brace):
        return RecordError("invalid-json", "the line has text before its JSON", hint="sed 's/^[^{]*//'")
    if not ended and _is_text(text, position):
        return RecordError("invalid-json", "text, not JSON", hint=_TEXT_HINT)
    words = problem[:1].lower() + problem[1:].rstrip(": ").removesuffix(" at")
    lines = text.count("\n", 0, position)
    if lines:
        place = f"line {lines + 1}, column {position - text.rfind(chr(10), 0, position)} of the record"
    else:
        place = f"column {position + 1 + _lead(raw)}"
    return RecordError("invalid-json", f"not valid JSON: {words} at {place}", hint=_CUT_OFF if ended else None)


def _is_text(text: str, position: int) -> bool:
    """Whether nothing of it is JSON, not even its beginning: a line of prose, a heading, `[INFO] started`."""
    if text.startswith("["):
        return _JSON_MARKS.isdisjoint(text[1:position])
    return text[0] not in _JSON_MARKS


def _lead(raw: bytes) -> int:
    """Characters before the content on its line."""
    content = _content(raw)
    return len(raw[: raw.find(content)].decode(errors="replace")) if content else 0


def _is_python(text: str, position: int, brace: int) -> bool:
    if _PYTHON_AT_START.match(text) or text in ("True", "False", "None"):
        return True
    if brace > 0 and position <= brace and _PYTHON_DICT_START.match(text, brace):
        return True
    return text.startswith(("{", "[")) and _PYTHON_INSIDE.match(text, position) is not None


def _ends_early(text: str, position: int, problem: str) -> bool:
    """Whether the reader wanted more text, and not other text."""
    rest = text[position:].strip()
    if not rest or problem.startswith("Unterminated"):
        return True
    if "escape" in problem and len(rest) < len("\\ud83d\\ud83d"):
        return '"' not in rest
    return rest == "-" or any(word.startswith(rest) for word in _UNFINISHED)


# --------------------------------------------------------------------------------------------------- glued documents


def _skip_between(raw: bytes, position: int) -> int:
    found = _BETWEEN.match(raw, position)
    return position if found is None else found.end()


def _document_end(raw: bytes, start: int) -> int:
    """Behind the bracket that closes the document, or the end of `raw`."""
    depth = 0
    for found in _DOCUMENT_PARTS.finditer(raw, start):
        match found[0]:
            case b"{" | b"[":
                depth += 1
            case b"}" | b"]":
                depth -= 1
                if not depth:
                    return found.end()
    return len(raw)


def _is_readable(piece: bytes) -> bool:
    try:
        decode(piece)
    except RecordError:
        return False
    return True
