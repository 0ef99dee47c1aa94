"""What a run has learned about each host: its route, whether it stopped, and how long it has been silent."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from posthog_llm_cli.errors import DeliveryError, Retryable, Unreachable
from posthog_llm_cli.model import Endpoint
from posthog_llm_cli.transport.routes import candidates

DEAD_AFTER_CHUNKS = 4
DEAD_AFTER_S = 120.0
"""A host that took nothing for so long, while so many chunks in a row spent their retries, is left alone."""


class Halted(DeliveryError):
    """The run was stopped before the server's final word: keep the events."""


class Host:
    """One host. Thread-safe.

    While no request has succeeded there, its route is undecided and one chunk at a time may try it (the others wait);
    a 404 or 405 moves on to the next candidate. After the first success the route stands for the run.
    """

    def __init__(self, name: str, endpoint: Endpoint, *, monotonic: Callable[[], float], stop: threading.Event) -> None:
        self._name = name
        self._asked_for = endpoint
        self._candidates = candidates(endpoint)
        self._monotonic = monotonic
        self._stop = stop
        self._changed = threading.Condition()
        self._decided = False
        self._probing = False
        self._stopped: Unreachable | None = None
        self._spent_chunks = 0
        self._quiet_since: float | None = None
        self._last_spent = 0.0

    @property
    def endpoint(self) -> Endpoint:
        """The route in use, or the candidate that is tried next."""
        with self._changed:
            return self._candidates[0]

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place for one chunk; waits while another chunk tries an undecided host.

        An `Unreachable` that the chunk meets inside stops the host for all.
        Raises: Unreachable where the host stopped or is silent, Halted where the run stops meanwhile.
        """
        probes = self._enter()
        try:
            yield
        except Unreachable as error:
            self._stopped_by(error)
            raise
        finally:
            if probes:
                with self._changed:
                    self._probing = False
                    self._changed.notify_all()

    def wake(self) -> None:
        """Let those who wait notice that the run stops."""
        with self._changed:
            self._changed.notify_all()

    def decide(self) -> None:
        """The route in use was answered well: it stands for the run."""
        with self._changed:
            self._decided = True
            self._changed.notify_all()

    def succeeded(self) -> None:
        """Events got their final word: the host is alive."""
        with self._changed:
            self._spent_chunks = 0
            self._quiet_since = None

    def spent(self) -> None:
        """A chunk spent all its retries without one success."""
        with self._changed:
            self._spent_chunks += 1
            self._last_spent = self._monotonic()

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

    def _stopped_by(self, error: Unreachable) -> None:
        with self._changed:
            self._stopped = error
            self._changed.notify_all()

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

    def _enter(self) -> bool:
        with self._changed:
            while True:
                if self._stop.is_set():
                    raise Halted(f"stopped before anything was sent to {self._name}")
                if self._stopped is not None:
                    raise self._again(self._stopped)
                self._leave_alone_if_dead()
                if self._decided:
                    return False
                if not self._probing:
                    self._probing = True
                    return True
                self._changed.wait()

    def _leave_alone_if_dead(self) -> None:
        now = self._monotonic()
        if self._quiet_since is None:
            self._quiet_since = now
        silence = now - self._quiet_since
        if self._spent_chunks < DEAD_AFTER_CHUNKS or silence < DEAD_AFTER_S:
            return
        if now - self._last_spent >= DEAD_AFTER_S:
            # One chunk may try again, so that an endless pipe outlives an outage; the others are not held up by it.
            self._last_spent = now
            return
        raise Unreachable(
            f"{self._name} has not answered well for {silence:.0f} s",
            hint="its events are kept; run again when it is up",
        )

    @staticmethod
    def _again(error: Unreachable) -> Unreachable:
        # Not the same object: threads that raise one exception write to each other's traceback.
        return Unreachable(error.message, status=error.status, hint=error.hint)


class Hosts:
    """The hosts of a run, begun at their first mention. Thread-safe."""

    def __init__(self, endpoint: Endpoint, *, monotonic: Callable[[], float], stop: threading.Event) -> None:
        self._endpoint = endpoint
        self._monotonic = monotonic
        self._stop = stop
        self._lock = threading.Lock()
        self._hosts: dict[str, Host] = {}

    def of(self, name: str) -> Host:
        """Return the host of that name."""
        with self._lock:
            host = self._hosts.get(name)
            if host is None:
                host = self._hosts[name] = Host(name, self._endpoint, monotonic=self._monotonic, stop=self._stop)
            return host

    def wake(self) -> None:
        """Let everyone who waits for a host notice that the run stops."""
        with self._lock:
            hosts = list(self._hosts.values())
        for host in hosts:
            host.wake()
