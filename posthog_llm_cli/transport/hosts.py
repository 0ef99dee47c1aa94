"""What a run has learned about each host: its route, whether it stopped, how much it can take, whether it is asleep.

Every request to a host takes its turn here (`Host.turn`), one at a time until the host's route is decided, then as many
as `concurrency.py` finds it can take. A wait for a retry is no turn: it holds up nobody.

The circuit breaker: a host falls asleep after ten requests in a row without a good answer (and more than one chunk may
make), over at least as long as one request's retries may take (two minutes at most). From then on its chunks come back
at once, without a request, but for one every `PROBE_EVERY_S` that tries the host with a single request; a good answer
wakes it up.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from posthog_llm_cli.errors import DeliveryError, KeyRefused, Refused, Retryable, Unreachable
from posthog_llm_cli.model import Endpoint, HostLoad
from posthog_llm_cli.transport.concurrency import Concurrency, Sign, Ticket
from posthog_llm_cli.transport.deliverer import LimitNotice
from posthog_llm_cli.transport.pacing import patience_s
from posthog_llm_cli.transport.routes import candidates

ASLEEP_AFTER_REQUESTS = 10
ASLEEP_AFTER_S = 120.0
PROBE_EVERY_S = 30.0

_OVERLOADED = frozenset({408, 429, 503, 504})


class Halted(DeliveryError):
    """The run was stopped before the server's final word: keep the events."""


class Asleep(DeliveryError):
    """The host has not answered well for long: it is spared the request, keep the events."""


class TimedOut(Retryable):
    """No answer, or no whole one, within the attempt's time."""


class NoSockets(Retryable):
    """This process may open no further file or socket: no fault of the host, and fewer requests at once may do."""


class Turn:
    """One request's place among those in flight."""

    def __init__(self, ticket: Ticket, monotonic: Callable[[], float]) -> None:
        self.ticket = ticket
        self._monotonic = monotonic
        self._left_s = monotonic()
        self._took_s: float | None = None
        self.is_answered = False

    def leave(self) -> None:
        """The request goes on the wire now, after whatever pace it had to keep."""
        self._left_s = self._monotonic()

    def arrive(self) -> None:
        """The answer is here, whole."""
        self._took_s = self._monotonic() - self._left_s

    def answered(self) -> None:
        """Some events got their final word, whatever becomes of the others: the host is alive."""
        self.is_answered = True

    @property
    def latency_s(self) -> float:
        """From the request to its whole answer."""
        return 0.0 if self._took_s is None else self._took_s


class Host:
    """One host. Thread-safe.

    While its route is undecided, one request at a time may try it; a 404 or 405 moves on to the next candidate. After
    the first good answer the route stands for the run.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        ceiling: int,
        max_retries: int,
        monotonic: Callable[[], float],
        stop: threading.Event,
        on_limit: Callable[[LimitNotice], None] | None = None,
    ) -> None:
        self._name = name
        self._asked_for = endpoint
        self._candidates = candidates(endpoint)
        self._patience_s = min(patience_s(max_retries), ASLEEP_AFTER_S)
        self._patience = max(ASLEEP_AFTER_REQUESTS, max_retries + 2)
        self._monotonic = monotonic
        self._stop = stop
        self._on_limit = on_limit
        self._changed = threading.Condition()
        self._line: deque[object] = deque()
        self._concurrency = Concurrency(ceiling)
        self._lowered = False
        self._decided = False
        self._stopped: Unreachable | None = None
        self._failed_in_row = 0
        self._quiet_since: float | None = None
        self._asleep: Asleep | None = None
        self._probe_at = math.inf

    @property
    def endpoint(self) -> Endpoint:
        """The route in use, or the candidate that is tried next."""
        with self._changed:
            return self._candidates[0]

    @property
    def concurrency(self) -> int:
        """How many requests it may have in flight now."""
        with self._changed:
            return self._limit

    @property
    def peak_concurrency(self) -> int:
        """The most requests that it had in flight at once."""
        with self._changed:
            return self._concurrency.peak

    @property
    def is_asleep(self) -> bool:
        """Whether the circuit breaker has opened."""
        with self._changed:
            return self._asleep is not None

    @property
    def load(self) -> HostLoad:
        """What it does at this moment."""
        with self._changed:
            return HostLoad(
                self._name,
                self._concurrency.in_flight,
                self._limit,
                self._concurrency.ceiling,
                self._failed_in_row,
                self._asleep is not None,
            )

    def check(self) -> None:
        """Let a chunk through that may be sent now or later.

        Raises: Halted where the run stops, Unreachable where the host stopped, Asleep where it is spared the request.
        """
        with self._changed:
            self._check()

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Hold a place for one request; waits for it in the order of asking. How the block ends tells what it meant.

        An `Unreachable` inside stops the host for all. Raises: what `check()` raises.
        """
        turn = self._enter()
        try:
            yield turn
        except BaseException as error:
            self._leave(turn, error)
            raise
        else:
            self._leave(turn, None)

    def wait(self, seconds: float) -> None:
        """Wait until a retry is due, or the run stops, or the host falls asleep."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set() or self._asleep is not None, timeout=seconds)

    def wake(self) -> None:
        """Let those who wait notice that the run stops."""
        with self._changed:
            self._changed.notify_all()

    def decide(self) -> None:
        """The route in use was answered well: it stands for the run."""
        with self._changed:
            self._decided = True
            self._changed.notify_all()

    def not_served(self, endpoint: Endpoint, status: int) -> None:
        """Take note of a 404 or 405 on `endpoint`; `self.endpoint` is the next candidate afterwards.

        Raises: Retryable once the route is decided (then a proxy or a deployment said so), Unreachable where no
        candidate is left.
        """
        with self._changed:
            if self._decided:
                raise Retryable(
                    f"{self._name} answered {status} on the {endpoint} route, which it has served before", status=status
                )
            left = tuple(other for other in self._candidates if other is not endpoint)
            if left:
                self._candidates = left
                return
        raise self._no_route(endpoint, status)

    def _no_route(self, endpoint: Endpoint, status: int) -> Unreachable:
        if self._asked_for is Endpoint.AUTO:
            return Unreachable(
                f"expected a capture route at {self._name} and found none ({status} on {endpoint}, the last one tried)",
                status=status,
                hint="is --host PostHog's ingestion host, such as https://us.i.posthog.com?",
            )
        return Unreachable(
            f"{self._name} does not serve the {endpoint} route ({status})", status=status, hint="try --endpoint auto"
        )

    # ------------------------------------------------------------------------------- the line, under the lock

    @property
    def _limit(self) -> int:
        return self._concurrency.limit if self._decided else 1

    def _enter(self) -> Turn:
        place = object()
        with self._changed:
            self._line.append(place)
            try:
                while True:
                    self._check()
                    if self._line[0] is place and self._concurrency.in_flight < self._limit:
                        break
                    self._changed.wait()
            finally:
                self._line.remove(place)
                self._changed.notify_all()
            now_s = self._monotonic()
            if self._asleep is not None:
                self._probe_at = now_s + PROBE_EVERY_S
            if self._quiet_since is None:
                self._quiet_since = now_s
            return Turn(self._concurrency.begin(), self._monotonic)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Halted(f"stopped before anything was sent to {self._name}")
        # Not the same object: threads that raise one exception write to each other's traceback.
        if (stopped := self._stopped) is not None:
            raise Unreachable(stopped.message, status=stopped.status, hint=stopped.hint)
        if self._asleep is not None and self._monotonic() < self._probe_at:
            raise Asleep(self._asleep.message, hint=self._asleep.hint)

    def _leave(self, turn: Turn, error: BaseException | None) -> None:
        with self._changed:
            before = self._limit
            self._concurrency.end(turn.ticket, _sign(turn, error), latency_s=turn.latency_s)
            if isinstance(error, Unreachable):
                self._stopped = error
            if turn.is_answered or error is None or isinstance(error, Refused | KeyRefused):
                self._answered_well()
            elif isinstance(error, Retryable) and not isinstance(error, NoSockets):
                self._failed(error)
            notice = self._limit_notice(before, error)
            self._changed.notify_all()
        if notice is not None and self._on_limit is not None:
            self._on_limit(notice)

    def _answered_well(self) -> None:
        self._failed_in_row = 0
        self._quiet_since = None
        self._asleep = None
        self._probe_at = math.inf

    def _failed(self, error: Retryable) -> None:
        self._failed_in_row += 1
        now_s = self._monotonic()
        silence_s = now_s - (now_s if self._quiet_since is None else self._quiet_since)
        if self._asleep is None and self._failed_in_row >= self._patience and silence_s >= self._patience_s:
            self._asleep = Asleep(
                f"{self._name} has not answered well for {silence_s:.0f} s, {self._failed_in_row} requests in a row; "
                f"the last time: {error.message}",
                hint=error.hint or "nothing is lost: run again when it is up",
            )
            self._probe_at = now_s + PROBE_EVERY_S

    def _limit_notice(self, before: int, error: BaseException | None) -> LimitNotice | None:
        """Return what to tell of a change: each halving, and that the ceiling is reached again after one."""
        limit, ceiling = self._limit, self._concurrency.ceiling
        if limit < before:
            self._lowered = True
            return LimitNotice(self._name, limit, ceiling, str(error) if error is not None else "answers come late")
        if self._lowered and limit == ceiling > before:
            self._lowered = False
            return LimitNotice(self._name, limit, ceiling, "answers are good again")
        return None


def _sign(turn: Turn, error: BaseException | None) -> Sign:
    if isinstance(error, TimedOut | NoSockets) or (isinstance(error, Retryable) and error.status in _OVERLOADED):
        return Sign.OVERLOAD
    if error is None or turn.is_answered or isinstance(error, Refused):
        return Sign.GOOD
    return Sign.NOTHING


class Hosts:
    """The hosts of a run, made by `begin` at their first mention. Thread-safe."""

    def __init__(self, begin: Callable[[str], Host]) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._hosts: dict[str, Host] = {}

    def of(self, name: str) -> Host:
        """Return the host of that name."""
        with self._lock:
            host = self._hosts.get(name)
            if host is None:
                host = self._hosts[name] = self._begin(name)
            return host

    def wake(self) -> None:
        """Let everyone who waits for a host notice that the run stops."""
        for host in self._all():
            host.wake()

    def loads(self) -> list[HostLoad]:
        """Return what each of them does at this moment, in the order of their first mention."""
        return [host.load for host in self._all()]

    def _all(self) -> list[Host]:
        with self._lock:
            return list(self._hosts.values())
