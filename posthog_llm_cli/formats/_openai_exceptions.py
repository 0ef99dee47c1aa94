"""An exception as loggers write it beside what was asked → an error object. Pure.

Each has a key and a shape of its own: pino and bunyan `err`, Python's logging the text of a traceback under `exc_info`,
structlog a list of exceptions under `exception`, the last one first, loguru its `value` beside its type.
"""

import re
from collections.abc import Mapping

from posthog_llm_cli.formats._fields import mapping, text
from posthog_llm_cli.formats._openai_answers import is_error
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily

_ECS = "error.message"
"""Elastic's Common Schema, as its loggers write it."""
_KEYS = ("err", "exc_info", "exception", _ECS)
_TRACEBACK = "Traceback (most recent call last):"
_FRAME = lazily(r'^[ |+]{2,20}File "[^"\n]*", line \d+[^\n]*(?:\n {4,}[^\n]*)*\n', re.MULTILINE)
_NAMED = lazily(r"(?:\w+\.){0,20}(\w+): ", re.ASCII)


def logged_exception(record: Mapping[str, Json]) -> Json:
    """Return the exception that a logger noted in a record, as `as_error` gives it; None for none."""
    if record.keys().isdisjoint(_KEYS):
        return None
    if (said := text(record.get(_ECS))) is not None:
        return {"type": record.get("error.type"), "message": said}
    return next((error for key in _KEYS if (error := as_error(record.get(key))) is not None), None)


def as_error(value: Json) -> Json:
    """Return an exception as an error object with `type` and `message`, or as its text; None for what is none.

    Of a traceback that is what stands behind its last frame; without that it stays as it is.
    """
    if isinstance(value, list):
        first = mapping(value[0]) if value else {}
        said = text(first.get("exc_value")) or text(first.get("exc_type"))
        return None if said is None else {"type": first.get("exc_type"), "message": said}
    if not is_error(value):
        return None
    if isinstance(value, dict) and "message" not in value and text(value.get("value")) is not None:
        return {"type": value.get("type"), "message": value["value"]}
    return _of_traceback(value) if isinstance(value, str) and value.lstrip().startswith(_TRACEBACK) else value


def _of_traceback(traceback: str) -> Json:
    end = max((found.end() for found in _FRAME.finditer(traceback)), default=None)
    said = "" if end is None else traceback[end:].strip()
    named = _NAMED.match(said)
    return {"type": named[1], "message": said[named.end() :]} if named is not None else said or traceback
