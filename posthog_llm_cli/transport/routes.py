"""PostHog's capture routes, one table: path, headers, envelope, limits, and how an answer is read. Pure.

Facts and their sources: posthog-ingestion.md, sections 2 to 4. Bytes are joined, never parsed: an event's JSON is made
once, by the builder.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import ClassVar

import orjson

from posthog_llm_cli.model import Chunk, Destination, Endpoint, Event
from posthog_llm_cli.transport.answers import Answer, Reading, read_legacy, read_v1
from posthog_llm_cli.transport.compression import gzip
from posthog_llm_cli.values import Value
from posthog_llm_cli.version import __version__

AGENT = f"posthog-llm-cli/{__version__}"

MAX_BODY = 20 * 1024 * 1024
"""One request as sent, compressed, on any route."""

MAX_DECOMPRESSED = 5 * MAX_BODY
"""The same before compression; capture allows five times the body."""

MAX_AI_EVENT = 8 * 1024 * 1024
"""One event on the AI routes: its properties on v1, its JSON on ai-batch."""

MAX_BATCH_EVENT = 900 * 1024
"""One event's JSON on `batch`: below the 983,040 bytes of capture, which operators may lower."""

MAX_BROKER_MESSAGE = 1_000_000
"""The broker's message behind `batch`, which holds the event's JSON once more as a JSON string."""

SMALL_EVENT = 400_000
"""An event of `Event.size` up to this is below the limits of all routes, whatever is in it."""

_BROKER_OVERHEAD = 1000


class Oversize(Value, frozen=True):
    """An event over a limit: what was weighed, and what it may weigh."""

    what: str
    size: int
    limit: int


class Attempt(Value, frozen=True):
    """What changes between requests and their attempts; v1 tells the server, for its own bookkeeping."""

    request_id: str
    number: int
    at: datetime


class Encoded(Value, frozen=True):
    """The JSON of an event, in pieces: they are copied once, to be compressed, and not before."""

    hidden: ClassVar = frozenset({"pieces"})

    pieces: tuple[bytes | memoryview, ...]

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces)


class Route(Value, frozen=True):
    """One capture route.

    `encode` makes an event's JSON, `envelope` the bytes before and after the events. `oversize` weighs an event and its
    JSON, None where it fits. `headers` come on top of those of every request. `read` reads the answer.
    """

    endpoint: Endpoint
    path: str
    encode: Callable[[Event], Encoded]
    envelope: Callable[[Chunk, datetime], tuple[bytes, bytes]]
    headers: Callable[[Destination, Attempt], Mapping[str, str]]
    oversize: Callable[[Event, Encoded], Oversize | None]
    read: Callable[[Answer, Destination], Reading]
    max_body: int = MAX_BODY
    max_decompressed: int = MAX_DECOMPRESSED


COMMON_HEADERS: Mapping[str, str] = MappingProxyType(
    {"Content-Type": "application/json", "Content-Encoding": "gzip", "User-Agent": AGENT}
)
"""gzip always: the one encoding that every route takes."""


def wire_time(at: datetime) -> str:
    """Return an aware time as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
    return _quoted_time(at)[1:-1].decode()


def _quoted_time(at: datetime) -> bytes:
    """Return `wire_time` as JSON: a quarter of the time that `isoformat` takes, and every event has one."""
    made = orjson.dumps(at if at.tzinfo is UTC else at.astimezone(UTC), option=orjson.OPT_UTC_Z)
    return made if at.microsecond else made.replace(b"Z", b".000000Z")


def encode_legacy(event: Event) -> Encoded:
    """Return the event as an object of a legacy batch: what the routes differ in goes into `properties`."""
    separator = b"" if event.properties[1:17].lstrip().startswith(b"}") else b","
    before = b'%b,"properties":{%b%b' % (_head(event), event.legacy_properties, separator)
    return Encoded((before, memoryview(event.properties)[1:], b"}"))


def encode_v1(event: Event) -> Encoded:
    """Return the event as an object of a v1 batch: what the routes differ in stands beside `properties`."""
    return Encoded((b'%b,%b,"properties":' % (_head(event), event.v1_members), event.properties, b"}"))


def _head(event: Event) -> bytes:
    names = orjson.dumps({"event": event.name, "uuid": event.uuid, "distinct_id": event.distinct_id})
    return b'%b,"timestamp":%b' % (names[:-1], _quoted_time(event.timestamp))


def compress(route: Route, chunk: Chunk, parts: Sequence[Encoded], created_at: datetime) -> tuple[bytes, ...]:
    """Return the body of a request with these events, in parts that are sent one after the other; same in, same out."""
    before, after = route.envelope(chunk, created_at)
    pieces: list[bytes | memoryview] = [before]
    for part in parts:
        pieces += part.pieces
        pieces.append(b",")
    pieces[-1] = after  # in place of the last comma: a request has events
    return gzip(pieces)


def _legacy_envelope(chunk: Chunk, _created_at: datetime) -> tuple[bytes, bytes]:
    # Never `sent_at`: with it the server moves every timestamp by the clock skew that it measures.
    key = orjson.dumps(chunk.destination.api_key)
    return b'{"api_key":%b,"historical_migration":%b,"batch":[' % (key, _flag(chunk)), b"]}"


def _v1_envelope(chunk: Chunk, created_at: datetime) -> tuple[bytes, bytes]:
    at = wire_time(created_at).encode()
    return b'{"created_at":"%b","historical_migration":%b,"batch":[' % (at, _flag(chunk)), b"]}"


def _flag(chunk: Chunk) -> bytes:
    return b"true" if chunk.historical else b"false"


def _legacy_headers(_destination: Destination, _attempt: Attempt) -> Mapping[str, str]:
    return {}


def _v1_headers(destination: Destination, attempt: Attempt) -> Mapping[str, str]:
    return {
        "Authorization": f"Bearer {destination.api_key}",
        "PostHog-Sdk-Info": AGENT,
        "PostHog-Attempt": str(attempt.number),
        "PostHog-Request-Id": attempt.request_id,
        "PostHog-Request-Timestamp": wire_time(attempt.at),
    }


def _oversize_v1(event: Event, _encoded: Encoded) -> Oversize | None:
    return _over("properties", len(event.properties), MAX_AI_EVENT)


def _oversize_ai_batch(_event: Event, encoded: Encoded) -> Oversize | None:
    return _over("an event", len(encoded), MAX_AI_EVENT)


def _oversize_batch(_event: Event, encoded: Encoded) -> Oversize | None:
    if (over := _over("an event", len(encoded), MAX_BATCH_EVENT - 1)) is not None:
        return over
    limit = MAX_BROKER_MESSAGE - _BROKER_OVERHEAD - 1
    if 2 * len(encoded) + 2 <= limit:
        return None  # however many quotes: escaping at most doubles it, and most events are small
    # JSON has no raw control characters, and the server (serde_json) escapes nothing above ASCII.
    whole = bytes(encoded)
    escaped = len(whole) + whole.count(b'"') + whole.count(b"\\") + 2
    return _over("an event, encoded as a string,", escaped, limit)


def _over(what: str, size: int, limit: int) -> Oversize | None:
    return Oversize(what, size, limit) if size > limit else None


ROUTES: Mapping[Endpoint, Route] = MappingProxyType(
    {
        Endpoint.V1: Route(Endpoint.V1, "/i/v1/ai/events", encode_v1, _v1_envelope, _v1_headers, _oversize_v1, read_v1),
        Endpoint.AI_BATCH: Route(
            Endpoint.AI_BATCH,
            "/i/v0/ai/batch/",  # with its final slash: some servers answer the bare form with a 308
            encode_legacy,
            _legacy_envelope,
            _legacy_headers,
            _oversize_ai_batch,
            read_legacy,
        ),
        Endpoint.BATCH: Route(
            Endpoint.BATCH, "/batch/", encode_legacy, _legacy_envelope, _legacy_headers, _oversize_batch, read_legacy
        ),
    }
)
"""Every route, in the order in which `auto` tries them."""


def candidates(endpoint: Endpoint) -> tuple[Endpoint, ...]:
    """Return the routes that `endpoint` allows, in the order to try them."""
    return tuple(ROUTES) if endpoint is Endpoint.AUTO else (endpoint,)


def oversize_message(route: Route, event: Event, encoded: Encoded) -> str | None:
    """Return why the event is too large for this route, with size, limit and the way out; None where it fits."""
    over = route.oversize(event, encoded)
    if over is None:
        return None
    message = f"expected {over.what} of at most {over.limit} bytes on the {route.endpoint} route and found {over.size}"
    if route.endpoint is Endpoint.BATCH and len(encoded) <= MAX_AI_EVENT:
        message += f"; the v1 and ai-batch routes take up to {MAX_AI_EVENT}"
    return message
