"""Times as logs and operators write them → aware UTC. Pure.

Rules of openai-logs.md, section 3.3, which hold for every format: numbers by magnitude, ISO 8601 with or without zone,
and a window of plausible times outside which a value counts as absent.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
EARLIEST_US = int(datetime(2015, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
"""No LLM call log is older; earlier values are zeroes, test data or other numbers."""

FUTURE_LIMIT = timedelta(hours=23)
"""PostHog turns times further ahead than this into now."""

_ISO = lazily(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?"
    r"\s*(Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)?)?",
    re.ASCII,
)
_SPELT = lazily(
    r"(\d{4})([/.-]?)(\d{2})\2(\d{2})[T _-](\d{2})([:.-]?)(\d{2})\6(\d{2})((?:[.,]\d+)?\s*[\w:+-]{0,10})", re.ASCII
)
"""A date and a time of day with other separators, or without any, as AWS, Go and names of files have them."""
_RFC_5322 = lazily(
    r"[A-Z][a-z]{2}, (?P<day>\d{1,2}) (?P<month>[A-Z][a-z]{2}) (?P<year>\d{4}) (?P<time>\d{2}:\d{2}:\d{2}) "
    r"(?P<zone>GMT|UTC|[+-]\d{4})",
    re.ASCII,
)
"""The form of HTTP's `Date`, which recorders of HTTP write."""
_CTIME = lazily(
    r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) (?P<time>\d{2}:\d{2}:\d{2}) "
    r"(?P<year>\d{4})(?P<zone>)",
    re.ASCII,
)
"""What C's and Python's `ctime` write."""
_JAVASCRIPT = lazily(
    r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) (?P<day>\d{2}) (?P<year>\d{4}) (?P<time>\d{2}:\d{2}:\d{2}) "
    r"GMT(?P<zone>[+-]\d{4})(?: \([^()]{0,60}\))?",
    re.ASCII,
)
"""What JavaScript's `Date` is as a text."""
_DATED = (_RFC_5322, _CTIME, _JAVASCRIPT)
_ZONE_NAME = lazily(r"(?:(?<=Z)|(?<=[+-]\d\d:\d\d))\[[\w/+-]{1,40}\]\Z", re.ASCII)
"""What Java writes behind an offset."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DIGITS = lazily(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
SECONDS_BELOW = 10**11
"""A number below it is a time in seconds."""
_MILLISECONDS_BELOW = 10**14
_MICROSECONDS_BELOW = 10**17
_MAX_US = 253_402_300_799_999_999  # the end of year 9999: datetime holds no more


class ParsedTime(Value, frozen=True):
    """Microseconds since the epoch, UTC; `naive` when the text named no zone."""

    us: int
    naive: bool = False

    @property
    def time(self) -> datetime:
        """The time as an aware UTC datetime."""
        return from_us(self.us)


def from_us(us: int) -> datetime:
    """Return the aware UTC datetime of microseconds since the epoch."""
    return EPOCH + timedelta(0, us // 1_000_000, us % 1_000_000)  # by parts: half the time of microseconds alone


def to_us(time: datetime) -> int:
    """Return microseconds since the epoch of an aware datetime, exactly."""
    return (time - EPOCH) // _MICROSECOND


def parse_time(value: Json, zone: tzinfo) -> ParsedTime | None:
    """Read a time in any form that logs use; None if `value` is none (a bool never is).

    Numbers and strings of digits go by the magnitude of their absolute value: seconds below 1e11, milliseconds below
    1e14, microseconds below 1e17, else nanoseconds. Floats keep microseconds, rounded. `zone` is of texts that name
    none.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return _bounded(_from_number(value))
    if isinstance(value, float):
        return _bounded(_from_number(value)) if math.isfinite(value) else None
    if isinstance(value, str):
        return _parse_text(value.strip(), zone)
    return None


def _parse_text(text: str, zone: tzinfo) -> ParsedTime | None:
    if _DIGITS.fullmatch(text) and len(text) <= 40:
        return _bounded(_from_number(float(text) if "." in text else int(text)))
    match = _ISO.fullmatch(text) or _ISO.fullmatch(_as_iso(text))
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    named = _zone(offset)
    leap = second == "60"  # a leap second is the last moment of its minute
    try:
        time = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0),
            59 if leap else int(second or 0), 999_999 if leap else micros, tzinfo=named or zone,
        )  # fmt: skip
        return _bounded(to_us(time), naive=named is None)
    except (ValueError, OverflowError):
        return None


def _as_iso(text: str) -> str:
    """Return a time of another form as ISO 8601, anything else as it is."""
    text = _ZONE_NAME.sub("", text)
    spelt = _SPELT.fullmatch(text)
    if spelt is not None:
        year, _, month, day, hour, _, minute, second, rest = spelt.groups()
        return f"{year}-{month}-{day}T{hour}:{minute}:{second}{rest}"
    dated = next((found for form in _DATED if (found := form.fullmatch(text)) is not None), None)
    if dated is None or dated["month"] not in _MONTHS:
        return text
    month = _MONTHS.index(dated["month"]) + 1
    return f"{dated['year']}-{month:02}-{dated['day'].zfill(2)}T{dated['time']}{dated['zone']}"


@lru_cache(maxsize=64)
def _zone(offset: str | None) -> tzinfo | None:
    if offset is None:
        return None
    if offset in {"Z", "z", "UTC", "GMT"}:
        return UTC
    digits = offset[1:].replace(":", "").ljust(6, "0")
    delta = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:6]))
    if delta >= timedelta(hours=24):
        return None
    return timezone(-delta if offset[0] == "-" else delta)


def _from_number(value: float) -> int:
    """Return microseconds; integers exactly, floats rounded."""
    size = abs(value)
    if size < SECONDS_BELOW:
        return round(value * 1_000_000)
    if size < _MILLISECONDS_BELOW:
        return round(value * 1_000)
    if size < _MICROSECONDS_BELOW:
        return round(value)
    return int(value) // 1_000


def _bounded(us: int, *, naive: bool = False) -> ParsedTime | None:
    return ParsedTime(us, naive) if abs(us) <= _MAX_US and us > -62_135_596_800_000_000 else None


@lru_cache(maxsize=16)
def latest_us(run_started_at: datetime) -> int:
    """Return the last plausible time, in microseconds since the epoch: 23 h after the run began."""
    return to_us(run_started_at + FUTURE_LIMIT)


def plausible(run_started_at: datetime) -> Callable[[int], bool]:
    """Return the test that microseconds lie between 2015 and 23 h after the run began."""
    latest = latest_us(run_started_at)
    return lambda us: EARLIEST_US <= us <= latest


def rfc3339(time: datetime) -> str:
    """Return an aware time as PostHog wants it: UTC with six fraction digits and `Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
