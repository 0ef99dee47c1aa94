"""How long to wait: between attempts, and between requests under a rate limit."""

import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from posthog_llm_cli.patterns import lazily

BACKOFF_START_S = 0.5
BACKOFF_CAP_S = 60.0
RETRY_AFTER_CAP_S = 300.0

_DECIMAL = lazily(r"[0-9]{1,18}(\.[0-9]*)?")


def retry_wait_s(failed_attempts: int, *, jitter: float, retry_after_s: float | None) -> float:
    """Return the wait after the Nth failed attempt: doubling from 0.5 s to 60 s, or what the server asks, if longer.

    `jitter` between 0 and 1 takes off up to half of the backoff, so that workers that failed together do not return
    together. Retry-After is a minimum, never a replacement (posthog-ingestion.md, 4.4).
    """
    backoff = min(BACKOFF_CAP_S, BACKOFF_START_S * 2.0 ** min(failed_attempts - 1, 32))
    return max(backoff * (0.5 + jitter / 2), min(retry_after_s or 0.0, RETRY_AFTER_CAP_S))


def parse_retry_after(value: str | None, *, now: datetime, date: str | None = None) -> float | None:
    """Return a Retry-After header in seconds, or None where it is absent, past or unreadable.

    Takes seconds, a decimal number (proxies send it) or an HTTP date. A date counts from the answer's own `date`, where
    it has one: this machine's clock (`now`) may be wrong by more than any wait.
    """
    text = (value or "").strip()
    if _DECIMAL.fullmatch(text):
        return float(text)
    at = _http_date(text)
    if at is None:
        return None
    seconds = (at - (_http_date(date or "") or now)).total_seconds()
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
        # "-0000" means UTC of an unknown place.
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def patience_s(max_retries: int) -> float:
    """Return how long one request's retries may take, at the most jitter and without a word from the server."""
    return sum(retry_wait_s(attempt, jitter=1.0, retry_after_s=None) for attempt in range(1, max_retries + 1))


class Pacer:
    """Spaces requests so that all threads together stay under `per_second` events.

    The law: in any window of T seconds at most `per_second` * T events leave, and one request's worth on top. It holds
    because each request's successor counts from when it really left, not from when it might have: a thread that
    oversleeps, or waits for a connection, saves nothing up.
    """

    def __init__(self, per_second: float | None, *, monotonic: Callable[[], float]) -> None:
        self._per_second = per_second
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._next = -math.inf

    def leave(self, events: int) -> float:
        """Let a request of so many events leave now and return 0, or return the seconds to wait before asking again."""
        if self._per_second is None:
            return 0.0
        with self._lock:
            now = self._monotonic()
            if now < self._next:
                return self._next - now
            self._next = now + events / self._per_second
            return 0.0
