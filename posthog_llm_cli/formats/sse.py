"""Server-sent events as text (HTML standard, 9.2.6) → their payloads. Pure.

What recorded streams are made of: `data:` lines, blocks that end at a blank line, comments, `[DONE]`. An `event:` name
that the payload itself does not repeat goes into it as `type`, so that a payload can be read alone.
"""

from collections.abc import Iterator

import orjson

from posthog_llm_cli.decoding import decode, encode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import decoded
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily

DONE = "[DONE]"
"""What OpenAI-like servers send when a stream is complete."""

_BEGINS = lazily(r"(?:(?:id|retry)?:[^\r\n]*+[\r\n]\s*+)*+(?:data|event):")
_JSON_LINES = lazily(r"\s*+\{[^\n]*+\n\s*+\{")
_FRAMES = ("data:", "event:", "id:", "retry:", ":", "{")
_NAMED = (b"response.", b"error")
"""Names of events that say what a payload without `type` is."""
_TYPED = (b'{"type":', b'{"type" :')


def is_sse(text: str) -> bool:
    """Whether a text begins as server-sent events do: with a field, or with comments before one."""
    return _BEGINS.match(text.lstrip("\ufeff \t\r\n")) is not None


def is_rest_of_stream(text: str) -> bool:
    """Whether a text is nothing but the end of a stream, or one whose beginning was cut off."""
    if text.strip() == f"data: {DONE}":
        return True
    if '"chat.completion.chunk"' not in text:
        return False
    _, *rest = (line.strip() for line in text.split("\n") if line.strip())
    return bool(rest) and all(line.startswith(_FRAMES) for line in rest)


def is_json_lines(text: str) -> bool:
    """Whether a text begins with two objects on lines of their own, as the body of Ollama's streams does."""
    return _JSON_LINES.match(text) is not None


def payloads(text: str) -> Iterator[str]:
    """Yield the payload of each block, `[DONE]` included.

    As in `sources.lines`, blocks without blank lines between them are told apart by their payloads, and a line that is
    no field but an object is a payload too.
    """
    event, data = "", ""
    for line in text.split("\n" if "\n" in text else "\r"):
        stripped = line.strip(" \t\r\0\ufeff")
        name, _, value = stripped.partition(":")
        is_bare = stripped.startswith("{")
        if not stripped or is_bare or (name == "data" and _is_complete(data)) or (name == "event" and event and data):
            if data:
                yield _with_name(data, event)
            event, data = "", ""
        if is_bare:
            yield stripped
        elif name == "data":
            data = f"{data}\n{value.lstrip()}" if data else value.lstrip()
        elif name == "event":
            event = value.strip()
    if data:
        yield _with_name(data, event)


def stream_values(held: Json) -> Iterator[Json]:
    """Yield the objects in what holds a stream (text of events, a list of parts or of texts), and `[DONE]`.

    Raises:
        RecordError: `invalid-json` where a payload in the midst of a text is broken; the last may be cut off.
    """
    if isinstance(held, str):
        yield from _values_of_text(held)
    elif isinstance(held, list):
        pieces = _joined_pieces(held)
        for item in held if pieces is None else [pieces]:
            yield from stream_values(item)
    elif isinstance(held, dict):
        yield DONE if held.get("data") == DONE else held  # an event that a client's parser took apart


def _values_of_text(held: str) -> Iterator[Json]:
    if held.strip() == DONE:
        yield DONE
    elif is_sse(held) or is_json_lines(held):
        yield from _values_of_payloads(held)
    elif not isinstance(inner := decoded(held), str):
        yield from stream_values(inner)


def _values_of_payloads(held: str) -> Iterator[Json]:
    is_broken = False
    for payload in payloads(held):
        if is_broken:
            raise RecordError("invalid-json", "a payload in the midst of the stream is not valid JSON")
        if payload == DONE:
            yield DONE
        elif payload.startswith(("{", "[")):
            try:
                value = decode(payload.encode()).value
            except RecordError as error:
                if error.code == "too-deep":
                    raise
                is_broken = True  # the last one may be cut off, as the stream is
            else:
                yield from stream_values(value)


def _joined_pieces(held: list[Json]) -> str | None:
    """The text of a stream that was logged as it came, in pieces or line by line; None for a list of anything else."""
    if not held or not all(isinstance(piece, str) for piece in held) or not is_sse(held[0]):
        return None
    return ("" if any("\n" in piece for piece in held) else "\n").join(held)


def with_event_name(payload: bytes, event: bytes) -> bytes:
    """Return a payload with its event's name as `type`, where the name tells something and the payload has none."""
    if not event.startswith(_NAMED) or payload.startswith(_TYPED) or not payload.startswith(b"{"):
        return payload
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload
    if not isinstance(value, dict) or "type" in value:
        return payload
    return encode({"type": event.decode("utf-8", "replace"), **value})


def _with_name(data: str, event: str) -> str:
    if not event:
        return data
    return with_event_name(data.encode(), event.encode()).decode()


def _is_complete(data: str) -> bool:
    if data == DONE:
        return True
    if not data or data[-1] not in "}]":
        return False
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True
