"""Choosing a call's times among what a record says: plausible ones only, each implausible one warned of."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo

from posthog_llm_cli.formats._fields import is_number
from posthog_llm_cli.model import Json, ParseContext
from posthog_llm_cli.timeparse import EARLIEST_US, SECONDS_BELOW, from_us, latest_us, parse_time

_EARLIEST_S = EARLIEST_US / 1_000_000

_FIRESTORE = (("_seconds", "_nanoseconds"), ("seconds", "nanoseconds"))
"""Firestore's admin SDK and its exports, and its web SDK."""

Warn = Callable[[str], None]


class Clock:
    """Reads times in one record's context; keeps the bounds of the plausible at hand."""

    __slots__ = ("_latest_us", "_warn", "_zone")

    def __init__(self, context: ParseContext, warn: Warn, *, zone: tzinfo | None = None) -> None:
        self._latest_us = latest_us(context.run_started_at)
        self._zone = zone or context.timezone
        self._warn = warn

    def us(self, value: Json, *, utc: bool = False) -> int | None:
        """Return microseconds since the epoch, or None for what is no time or no plausible one.

        `utc`: a text without zone is UTC whatever the context says (the key or the format fixes it).
        """
        if type(value) is float and _EARLIEST_S <= value < SECONDS_BELOW:  # what LiteLLM writes
            us = round(value * 1_000_000)
            if us <= self._latest_us:
                return us
        if isinstance(value, dict):
            value = _of_object(value)
        if value is None or value == "":
            return None
        parsed = parse_time(value, UTC if utc else self._zone)
        if parsed is None:
            if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                self._warn("bad-timestamp")
            return None
        if not EARLIEST_US <= parsed.us <= self._latest_us:
            self._warn("bad-timestamp")
            return None
        if parsed.naive and not utc:
            self._warn("naive-time")
        return parsed.us

    def first(self, candidates: Iterable[tuple[str, Json]]) -> int | None:
        """Return the first plausible time of (key, value) pairs; a key with `utc` in its name fixes the zone."""
        for key, value in candidates:
            found = self.us(value, utc="utc" in key.lower())
            if found is not None:
                return found
        return None


def _of_object(value: Mapping[str, Json]) -> Json:
    """The time in an object of a database's: MongoDB's extended JSON, or Firestore's timestamp."""
    if value.keys() == {"$date"}:
        date = value["$date"]
        return date.get("$numberLong") if isinstance(date, dict) else date
    for seconds, nanoseconds in _FIRESTORE:
        if value.keys() == {seconds, nanoseconds} and is_number(value[seconds]) and is_number(value[nanoseconds]):
            return int(value[seconds]) * 1_000_000 + int(value[nanoseconds]) // 1000
    return None


def time_of(us: int | None) -> datetime | None:
    """Return an aware time, or None."""
    return None if us is None else from_us(us)
