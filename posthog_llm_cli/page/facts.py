"""What the page's table and tree say of one event: its outline and its label. Pure.

The facts are those of its glance, as in the figures; only the words that a trace is known by are read from the event.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import orjson

from posthog_llm_cli.model import Event, Glance, Json
from posthog_llm_cli.report.text import mask_keys

OUTLINE = (
    "kind",
    "uuid",
    "span",
    "parent",
    "name",
    "model",
    "provider",
    "at_ms",
    "latency_s",
    "ttft_s",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "error",
    "status",
    "source",
)
"""The members of an outline, in their order: the page is told them, and `kind` is the event's name without `$ai_`."""

UNNAMED_ERROR = "(no type)"

_PREVIEW_CHARACTERS = 160
_NAME_CHARACTERS = 200
_MOST_COUNT = 2**53
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def outline(event: Event, glance: Glance) -> bytes:
    """Return what the tree of a trace shows of an event: a JSON array, see `OUTLINE`."""
    return orjson.dumps(
        [
            plain(event.name.removeprefix("$ai_")),
            event.uuid,
            glance.span_id,
            glance.parent_id,
            short(glance.span_name),
            short(glance.model),
            short(glance.provider),
            at_ms(event),
            glance.latency_s,
            glance.ttft_s,
            storable(glance.input_tokens),
            storable(glance.output_tokens),
            glance.cost_usd,
            error_kind(glance),
            storable(glance.http_status),
            plain(str(event.ref)),
        ]
    )


def label(event: Event, glance: Glance) -> bytes:
    """Return what an event lends its trace: a JSON array of trace name, span name, preview, session, user, model."""
    names = [short(glance.trace_name), short(glance.span_name), preview(event.properties) if glance.has_content else ""]
    return orjson.dumps([*names, short(glance.session_id), short(event.distinct_id), short(glance.model)])


def at_ms(event: Event) -> int:
    """Return an event's time in milliseconds since 1970."""
    return int((event.timestamp - _EPOCH).total_seconds() * 1000)


def error_kind(glance: Glance) -> str | None:
    """Return the kind of error, None where the call did not fail."""
    return error_name(glance.error_type) if glance.is_error else None


def error_name(type_: str | None) -> str:
    """Return what an error's type is called in the page."""
    return short(type_) or UNNAMED_ERROR


def storable(number: int | None) -> int | None:
    """Return a count that SQLite and a browser can hold; a larger one is no count of tokens."""
    return None if number is None or number > _MOST_COUNT else number


def plain(text: str) -> str:
    """Return a text that UTF-8 can hold (half a surrogate pair is no character), and no key whole in it."""
    return mask_keys(text.encode("utf-8", "replace").decode())


def masked(properties: bytes) -> bytes:
    """Return an event's JSON with no key whole in it; what has none is the same bytes."""
    if b"phc_" not in properties and b"phx_" not in properties:
        return properties
    return mask_keys(properties.decode()).encode()


def short(text: str | None) -> str | None:
    """Return a name as the page shows it; the rest of a long one is cut off."""
    if text is None:
        return None
    return plain(text if len(text) <= _NAME_CHARACTERS else text[: _NAME_CHARACTERS - 1] + "…")


# ------------------------------------------------------------------------------------------------------------ preview


def preview(properties: bytes) -> str:
    """Return the beginning of what the user said last, else of the input, else of the answer; empty without content."""
    said: Mapping[str, Json] = orjson.loads(properties)
    for text in (*_last_words(said.get("$ai_input")), *_last_words(said.get("$ai_output_choices"))):
        short = " ".join(text[: 20 * _PREVIEW_CHARACTERS].split())
        if short:
            return plain(short if len(short) <= _PREVIEW_CHARACTERS else short[: _PREVIEW_CHARACTERS - 1] + "…")
    return ""


def _last_words(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    messages = value if isinstance(value, list) else []
    by_user = [item for item in reversed(messages) if isinstance(item, dict) and item.get("role") == "user"]
    for message in (*by_user, *messages):
        yield from _words(message)


def _words(message: Json) -> Iterator[str]:
    if isinstance(message, str):
        yield message
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else []:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            yield text
