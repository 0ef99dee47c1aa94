"""Whether a call that was sent as far as its stream had come may be sent again, whole. Pure.

PostHog knows an event again by its uuid, name, distinct id and the UTC date of its timestamp
(posthog-ingestion.md, fact 7). Where a stream was cut, its end may be of another day, or name a user that its beginning
does not name: then the whole would be a second event, for ever. So a note of what was sent is kept, and compared.
"""

import hashlib
from datetime import UTC, date, datetime, time, timedelta

import orjson

from posthog_llm_cli.model import Event
from posthog_llm_cli.values import replace

_BITS = 20
_MASK = (1 << _BITS) - 1
_FIRST_DAY = date(1970, 1, 1).toordinal()


def note_of(event: Event, beginning: bytes) -> int:
    """Return what is to be known of a part that is sent: its day, and digests of whose it is and how it begins.

    `beginning` is the stream's first part as JSON, empty where the stream did not lie in several lines.
    """
    whose = orjson.dumps([event.name, event.distinct_id])
    return _day(event) | _digest(whose) << _BITS | (_digest(beginning) if beginning else 0) << 2 * _BITS


def as_whole(event: Event, note: int, beginning: bytes) -> Event | None:
    """Return the event of the whole call as it takes the place of the part that `note` is of; None where it cannot.

    An event of the next day has the last moment of the part's. What begins as the part did not is another part.
    """
    mine = note_of(event, beginning)
    if (mine >> _BITS & _MASK) != (note >> _BITS & _MASK) or (beginning and mine >> 2 * _BITS != note >> 2 * _BITS):
        return None
    match (mine & _MASK) - (note & _MASK):
        case 0:
            return event
        case 1:
            day = event.timestamp.astimezone(UTC).date() - timedelta(days=1)
            return replace(event, timestamp=datetime.combine(day, time.max, UTC))
        case _:
            return None


def _day(event: Event) -> int:
    return (event.timestamp.astimezone(UTC).date().toordinal() - _FIRST_DAY) & _MASK


def _digest(value: bytes) -> int:
    """Return so many bits of a digest, never 0: that is for what is not known."""
    return int.from_bytes(hashlib.blake2b(value, digest_size=3).digest()) & _MASK or 1
