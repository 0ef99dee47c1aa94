"""Reading fields of records: a field of the wrong type counts as absent."""

import math
from collections.abc import Callable, Container, Iterable, Mapping
from typing import TypeGuard

import orjson

from posthog_llm_cli.decoding import decode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Json

EMPTY: Mapping[str, Json] = {}
MAX_TOKENS = 10**9
"""A hundred times what any model takes; larger numbers are times or ids that stand in the wrong place."""

CONSOLE_KEYS = frozenset({"message", "level", "timestamp", "component"})
"""What each line has that LiteLLM writes with `json_logs: true`; what a message prints is spread over the line, too."""

UNWRITTEN = frozenset({"CircularReference Detected", "MaxDepthExceeded", "Unserializable Object"})
"""What LiteLLM's loggers write in place of a value that they cannot write."""

_OPENINGS = frozenset({"{", "["})
_NO_IDS = frozenset({"", "None", "null", *UNWRITTEN})


def mapping(value: Json) -> Mapping[str, Json]:
    """Return `value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else EMPTY


def items(value: Json) -> list[Json]:
    """Return `value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Json) -> str | None:
    """Return `value` if it is a text that is not empty."""
    return value if isinstance(value, str) and value else None


def first_text(*values: Json) -> str | None:
    """Return the first text that is not empty."""
    return next((value for value in values if isinstance(value, str) and value), None)


def is_one_of(value: Json, words: Container[str]) -> bool:
    """Whether `value` is one of these words; anything but a text is none (lists and objects do not even hash)."""
    return isinstance(value, str) and value in words


def is_number(value: Json) -> TypeGuard[int | float]:
    """Whether `value` is a finite number; a bool is none."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def number(value: Json) -> float | None:
    """Return `value` as a float if it is a finite number."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    return float(value) if type(value) is int else None


def id_text(value: Json) -> str | None:
    """Return an id as text: numbers become text; empty ones and words for nothing are no ids."""
    if value is None:
        return None
    if isinstance(value, str):
        stripped = value.strip()
        return None if stripped in _NO_IDS else stripped
    if is_number(value):
        return str(int(value)) if float(value).is_integer() else str(value)
    return None


def first_id(*values: Json) -> str | None:
    """Return the first usable id."""
    for value in values:
        found = id_text(value)
        if found is not None:
            return found
    return None


def token_count(value: Json, warn: Callable[[str], None]) -> int | None:
    """Return a token count; what is none (a bool, negative, other text) is left out with `bad-usage`."""
    if value is None or (type(value) is int and 0 <= value <= MAX_TOKENS):
        return value
    if isinstance(value, str):
        stripped = value.strip()
        value = int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) <= 13 else None
    if not is_number(value) or value != int(value) or not 0 <= value <= MAX_TOKENS:
        warn("bad-usage")
        return None
    return int(value)


def without_nulls(value: Json) -> Json:
    """Return a copy of an object without members that are null, on every level."""
    if isinstance(value, dict):
        return {
            key: without_nulls(member) if isinstance(member, (dict, list)) else member
            for key, member in value.items()
            if member is not None
        }
    if isinstance(value, list):
        return [without_nulls(member) for member in value]
    return value


def says(value: Json, words: str) -> bool:
    """Whether a text in `value`, on any level, holds these words; keys do not count."""
    if isinstance(value, str):
        return words in value
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return False
    for part in value:  # noqa: SIM110 -- runs on every record, and a generator costs more than the search
        if says(part, words):
            return True
    return False


def compact(value: Json) -> str:
    """Return a value as compact JSON text."""
    return orjson.dumps(value).decode()


def decoded(value: Json) -> Json:
    """Return what a text of JSON (starting with a brace or bracket) holds; anything else, and broken JSON, as it is.

    Raises:
        RecordError: `too-deep`.
    """
    if isinstance(value, str) and value.lstrip()[:1] in _OPENINGS:
        try:
            return decode(value.encode()).value
        except RecordError as error:
            if error.code == "too-deep":
                raise
    return value


def decoded_if_shallow(value: Json) -> Json:
    """Return what a text of JSON holds; one that nests too deep is a text, and no reason to refuse the call."""
    try:
        return decoded(value)
    except RecordError:
        return value


class Warnings:
    """Collects warning codes in order, each once."""

    __slots__ = ("_codes",)

    def __init__(self, codes: Iterable[str] = ()) -> None:
        self._codes: dict[str, None] = dict.fromkeys(codes)

    def __call__(self, code: str) -> None:
        self._codes[code] = None

    def codes(self) -> tuple[str, ...]:
        """Return the codes, in the order they came up."""
        return tuple(self._codes)


def is_litellms_console(record: Mapping[str, Json]) -> bool:
    """Whether this is a line that a logger of LiteLLM's wrote with `json_logs: true`; others use the same four keys."""
    component = record.get("component")
    return record.keys() >= CONSOLE_KEYS and isinstance(component, str) and component.startswith("LiteLLM")
