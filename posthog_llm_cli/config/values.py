"""Text, as flags, environment and files give it → values. Pure.

Each reader raises ValueError with `expected … and found …`; whoever calls it says where the text stood. Texts that may
be keys are never quoted.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import TypeVar

from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.routing import check_key, normalise_host
from posthog_llm_cli.timeparse import parse_time

_Choice = TypeVar("_Choice", bound=StrEnum)

_SIZE = lazily(r"(\d+(?:\.\d+)?) ?(?:([kmg])(i?b?)|b)?", re.ASCII | re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3}
_SPAN = lazily(r"(\d+(?:\.\d+)?)([smhdw]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_WHOLE = lazily(r"\d{1,18}", re.ASCII)
_LONGER = lazily(r"\d{19,}", re.ASCII)
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_TEN_YEARS_S = 10 * 366 * 86400


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most like `word`, in whatever case."""
    return difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.0)[0]


def read_text(text: str) -> str:
    """Return text that is not blank and that UTF-8 can carry."""
    if not text.strip():
        raise ValueError("expected a text and found none")
    if not _is_unicode(text):
        raise ValueError("expected UTF-8 and found other bytes")
    return text


def read_path(text: str) -> str:
    """Return the text of a path, whose bytes may be any."""
    if not text.strip() or "\0" in text:
        raise ValueError("expected a path and found none")
    return text


def read_bool(text: str) -> bool:
    """Return true, 1, yes, on or false, 0, no, off as the boolean, in any case."""
    word = text.strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(f"expected true or false and found {text!r}")


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers within bounds, both inclusive."""
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"

    def read(text: str) -> int:
        number = int(text) if _WHOLE.fullmatch(text.strip()) else None
        if number is None or number < least or (most is not None and number > most):
            within = f"from {least} to {10**18 - 1}" if most is None and _LONGER.fullmatch(text.strip()) else bounds
            raise ValueError(f"expected a whole number {within} and found {text!r}")
        return number

    return read


_MOST = 1_000_000


def read_positive(text: str) -> float:
    """Return a finite number over zero."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or not 0 < number <= _MOST:
        raise ValueError(f"expected a number over zero, at most {_MOST:,}, and found {text!r}")
    return number


def read_wait(text: str) -> float:
    """Return seconds from zero on: a number, alone or with s, m, h, d or w (`90s`, `10m`)."""
    return 0.0 if text.strip() in {"0", "0.0", "0s"} else read_duration(text)


def choice(known: Iterable[str]) -> Callable[[str], str]:
    """Return a reader of one of the known words."""
    words = tuple(known)

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(
                f"expected one of {', '.join(words)} and found {text!r}; nearest is {nearest(text, words)}"
            )
        return text

    return read


def one_of(kind: type[_Choice]) -> Callable[[str], _Choice]:
    """Return a reader of an enum's values."""
    read = choice(member.value for member in kind)
    return lambda text: kind(read(text))


def read_size(text: str) -> int:
    """Return bytes: a number, alone or with k, M, G (powers of 1000: `4MB`) or Ki, Mi, Gi (of 1024: `32MiB`)."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected a size such as 32MiB, 4MB, 500k or 1048576 and found {text!r}")
    number, prefix, suffix = match.groups()
    base = 1024 if suffix and suffix[0] in "iI" else 1000
    size = _multiply(number, base ** _POWERS[prefix.lower()] if prefix else 1)
    if size < 1:
        raise ValueError(f"expected a size of at least one byte and found {text!r}")
    return size


def read_duration(text: str) -> float:
    """Return seconds over zero: a number, alone or with s, m, h, d or w (`90s`, `10m`, `2h`)."""
    match = _SPAN.fullmatch(text.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match is not None else 0.0
    if not 0 < seconds <= _TEN_YEARS_S:
        raise ValueError(f"expected a duration such as 90s, 10m or 2h and found {text!r}")
    return seconds


def read_time(text: str, *, now: datetime, zone: tzinfo) -> datetime:
    """Return an aware UTC time: RFC 3339, a date, or a span before `now` (`36h`, `7d`).

    `zone` is of those that name none.
    """
    word = text.strip()
    span = _SPAN.fullmatch(word)
    if span is not None and span[2]:
        try:
            return now - timedelta(seconds=float(span[1]) * _SECONDS[span[2]])
        except OverflowError:
            raise ValueError(f"expected a time after the year 1 and found {text!r}") from None
    parsed = parse_time(word, zone) if "-" in word[1:] else None
    if parsed is None:
        raise ValueError(f"expected a time such as 2026-11-23T19:02:33Z, 2026-11-23, 36h or 7d and found {text!r}")
    return parsed.time


def read_zone(text: str) -> tzinfo:
    """Return the zone of an IANA name (`Europe/Berlin`) or UTC."""
    name = text.strip()
    if name.upper() in {"UTC", "Z"}:
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - where a zone is named

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of zones (`America`)
        raise ValueError(f"expected a time zone such as UTC or Europe/Berlin and found {text!r}") from None


def read_shard(text: str) -> tuple[int, int]:
    """Return (I, N) of `I/N`, with 1 ≤ I ≤ N."""
    left, slash, right = text.partition("/")
    if slash and _WHOLE.fullmatch(left) and _WHOLE.fullmatch(right) and 1 <= int(left) <= int(right):
        return int(left), int(right)
    raise ValueError(f"expected I/N with I from 1 to N, such as 2/8, and found {text!r}")


def read_property(text: str) -> tuple[str, str]:
    """Return key and value of `KEY=VALUE`; the value stays a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"expected KEY=VALUE and found {key!r}")
    if key.startswith("$") or key == "capture_internal":
        raise ValueError(f"expected a key that is not PostHog's ($ai_…, $…) and found {key!r}")
    if not _is_unicode(text):
        raise ValueError("expected UTF-8 and found other bytes")
    return key, value


def read_host(text: str) -> str:
    """Return the one spelling of a host's URL; what is no URL is not quoted, for it may be a key."""
    return normalise_host(text)


def read_key(text: str) -> str:
    """Return a project key, trimmed (posthog-ingestion.md, section 6). No error quotes it."""
    key = text.strip()
    if key.startswith("phx_"):
        raise ValueError("expected a project key (phc_…) and found a personal key (phx_…)")
    problem = check_key(key)
    if problem is not None:
        raise ValueError(f"expected a project key (phc_…) and found another text: {problem}")
    return key


def _multiply(number: str, factor: int) -> int:
    """Return `number` × `factor`, without the rounding of floats where there is no fraction."""
    return int(number) * factor if "." not in number else round(float(number) * factor)


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can carry it: arguments that are not UTF-8 reach Python as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
