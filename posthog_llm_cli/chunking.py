"""Events → chunks: grouped by destination and by whether they are historical, within bounds. Pure.

PostHog asks for `historical_migration` on old data, honours it for events at least 48 h old, and the flag holds for a
whole request; so recent and old events never share one (posthog-ingestion.md, section 10).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from posthog_llm_cli.model import Chunk, Destination, Event, Historical

HISTORICAL_AFTER = timedelta(hours=48)
"""PostHog treats events as historical from this age on."""

ENVELOPE_BYTES = 256
"""The request around the events: key, flags, punctuation."""

MAX_HELD_BYTES = 16 * 1024 * 1024
"""How many bytes of original records one open chunk may hold on to (for dead letters), whatever its events weigh."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one request: its events, and its bytes before compression (a larger event travels alone)."""

    max_events: int
    max_bytes: int
    max_held_bytes: int = MAX_HELD_BYTES


@dataclass(slots=True)
class _Open:
    events: list[Event] = field(default_factory=list)
    size: int = ENVELOPE_BYTES
    held: int = 0


class Chunker:
    """Collects events into one open chunk for each (destination, historical); the first to come leaves first."""

    def __init__(self, bounds: Bounds, *, historical: Historical, run_started_at: datetime) -> None:
        self._bounds = bounds
        self._historical = historical
        self._boundary = run_started_at - HISTORICAL_AFTER
        self._open: dict[tuple[Destination, bool], _Open] = {}

    @property
    def held(self) -> int:
        """How many events wait in open chunks."""
        return sum(len(part.events) for part in self._open.values())

    def add(self, event: Event) -> Iterator[Chunk]:
        """Take one event; yield the chunks that are full, bounds checked before adding."""
        key = (event.destination, self._is_historical(event))
        part = self._open.get(key)
        if part is not None and self._would_overflow(part, event):
            yield self._close(key)
            part = None
        if part is None:
            part = self._open[key] = _Open()
        part.events.append(event)
        part.size += event.size + 1
        part.held += len(event.raw)
        if len(part.events) >= self._bounds.max_events or part.size >= self._bounds.max_bytes:
            yield self._close(key)

    def flush(self) -> Iterator[Chunk]:
        """Yield every open chunk, in the order they were begun."""
        for key in list(self._open):
            yield self._close(key)

    def _would_overflow(self, part: _Open, event: Event) -> bool:
        return (
            part.size + event.size + 1 > self._bounds.max_bytes
            or part.held + len(event.raw) > self._bounds.max_held_bytes
        )

    def _is_historical(self, event: Event) -> bool:
        match self._historical:
            case Historical.ON:
                return True
            case Historical.OFF:
                return False
            case Historical.AUTO:
                return event.timestamp <= self._boundary

    def _close(self, key: tuple[Destination, bool]) -> Chunk:
        part = self._open.pop(key)
        destination, historical = key
        return Chunk(destination, historical, tuple(part.events), part.size)


def chunk_events(events: Iterable[Event], chunker: Chunker) -> Iterator[Chunk]:
    """Partition `events` into chunks: every event in exactly one, in order within its destination."""
    for event in events:
        yield from chunker.add(event)
    yield from chunker.flush()
