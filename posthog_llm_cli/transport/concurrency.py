"""How many requests a host may have in flight: additive increase, multiplicative decrease. Pure: no clock, no lock.

The rule, whole:

* It begins with one. Every good answer raises the limit by one until the first sign of overload (so it doubles with
  each round trip); from then on a full round of good answers, as many as the limit, raises it by one. Never above the
  ceiling, which is `--concurrency`.
* A sign of overload halves it, never below one: 408, 429, 503, 504, a timeout, no socket to be had, or a good answer
  that comes late, which is over four times the baseline and two seconds above it. The baseline is the quickest good
  answer; each slower one draws it up by a twentieth of the difference, so that a server which stays slow becomes the
  measure.
* A window is what was in flight together: answers to requests that left before the last halving were sent under the
  old limit. They neither halve nor raise it again.
"""

from enum import Enum, auto

from posthog_llm_cli.values import Value

LATE_FACTOR = 4.0
LATE_MARGIN_S = 2.0
BASELINE_DRIFT = 0.05


class Sign(Enum):
    """What the end of a request says about the load of its host."""

    GOOD = auto()
    OVERLOAD = auto()
    NOTHING = auto()
    """A refused connection, a 500, an interruption: wrong, but no word about too many requests."""


class Ticket(Value, frozen=True):
    """One request in flight, and the window in which it left."""

    window: int


class Concurrency:
    """The limit of one host, and how many requests are in flight there; not thread-safe, `Host` holds its lock."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.limit = 1
        self.in_flight = 0
        self.peak = 0
        self._window = 0
        self._is_starting = True
        self._good_in_round = 0
        self._baseline_s: float | None = None

    def begin(self) -> Ticket:
        """Count one more request in flight; the caller has seen that there is room below `limit`."""
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        return Ticket(self._window)

    def end(self, ticket: Ticket, sign: Sign, *, latency_s: float = 0.0) -> None:
        """Take note of a request's end; `latency_s` is the time that a good answer took."""
        self.in_flight -= 1
        is_late = sign is Sign.GOOD and self._learn(latency_s)
        if ticket.window != self._window or sign is Sign.NOTHING:
            return
        if sign is Sign.OVERLOAD or is_late:
            self._halve()
        else:
            self._raise()

    def _halve(self) -> None:
        self._window += 1
        self._is_starting = False
        self._good_in_round = 0
        self.limit = max(1, self.limit // 2)

    def _raise(self) -> None:
        self._good_in_round += 1
        if self._is_starting or self._good_in_round >= self.limit:
            self._good_in_round = 0
            self.limit = min(self.ceiling, self.limit + 1)

    def _learn(self, latency_s: float) -> bool:
        """Say whether an answer came late, and let it move the baseline."""
        baseline_s = self._baseline_s
        if baseline_s is None or latency_s <= baseline_s:
            self._baseline_s = latency_s
            return False
        self._baseline_s = baseline_s + BASELINE_DRIFT * (latency_s - baseline_s)
        return latency_s > max(LATE_FACTOR * baseline_s, baseline_s + LATE_MARGIN_S)
