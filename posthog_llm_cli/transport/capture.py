"""`Capture`: the POST, the retry, the split. The one place where a request leaves for PostHog.

What an answer means is in `answers.py`, what a route looks like in `routes.py`, what is known of a host in `hosts.py`;
here is the order of things. One chunk is delivered by one thread; the state that chunks share (routes, refused keys,
turns, the rate limit) is thread-safe. A thread holds a turn at its host for one attempt, not while it waits to retry.
"""

import math
import random
import ssl
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from posthog_llm_cli.errors import NO_DESCRIPTORS, DeliveryError, KeyRefused, Refused, Retryable, Unreachable
from posthog_llm_cli.model import Chunk, Delivery, Destination, Endpoint, HostLoad
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.transport.answers import Answer, NotServed, Reading, Taken, Verdicts, clean
from posthog_llm_cli.transport.client import attempt_deadline, came_unasked
from posthog_llm_cli.transport.deliverer import LimitNotice, RetryNotice
from posthog_llm_cli.transport.hosts import Halted, Host, Hosts, NoSockets, TimedOut, Turn
from posthog_llm_cli.transport.pacing import Pacer, parse_retry_after, retry_wait_s
from posthog_llm_cli.transport.routes import COMMON_HEADERS, ROUTES, Attempt, Route, compress
from posthog_llm_cli.transport.work import Part, Work
from posthog_llm_cli.values import State, field, replace

MAX_ANSWER = 32 * 1024 * 1024
"""v1 answers some 100 bytes an event; more than this comes from something else, and is not held in memory."""

LAST_ANSWER_S = 1.5
"""How long a request on the wire may still take once the run is to end."""

_STOPPED = "stopped before the server's final word"
_HEADER_SAFE = lazily(r"[\x21-\x7e]*")


class _MovedOn(Exception):
    """The route is not served and another may be: encode the rest anew."""


class _Request(State):
    """One request over all its attempts: the id and the creation time stay, v1 may leave fewer events to send."""

    route: Route
    parts: list[Part]
    body: tuple[bytes, ...]
    created_at: datetime
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0
    settled: int = 0

    @property
    def size(self) -> int:
        """The bytes of its body."""
        return sum(map(len, self.body))


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Capture:
    """Delivers chunks over HTTP. Thread-safe.

    At most `concurrency` requests are in flight to one host, fewer while it is overloaded; the caller brings as many
    threads as it likes. `sleep` replaces the interruptible wait (tests), `run_clock` tells the wall clock's time,
    `monotonic` measures silence, latency and pace. `on_retry` and `on_limit` are called from pool threads. Closing it
    closes `client`.
    """

    def __init__(  # noqa: PLR0913 - clocks and callbacks, each with its default
        self,
        client: httpx.Client,
        *,
        endpoint: Endpoint,
        max_retries: int,
        concurrency: int = 4,
        rate_limit: float | None = None,
        run_clock: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        on_retry: Callable[[RetryNotice], None] | None = None,
        on_limit: Callable[[LimitNotice], None] | None = None,
    ) -> None:
        self._client = client
        self._max_retries = max_retries
        self._clock = run_clock
        self._sleep = sleep
        self._on_retry = on_retry
        self._stopped = threading.Event()
        self._end_by_s = math.inf
        self._pacer = Pacer(rate_limit, monotonic=monotonic)
        self._hosts = Hosts(
            lambda name: Host(
                name,
                endpoint,
                ceiling=concurrency,
                max_retries=max_retries,
                monotonic=monotonic,
                stop=self._stopped,
                on_limit=on_limit,
            )
        )
        self._refused: dict[Destination, KeyRefused] = {}

    def deliver(self, chunk: Chunk) -> Delivery:
        """Send a chunk, with retries, splits and fallbacks, and return one outcome for each event.

        Blocks for as long as that takes. Raises nothing for what a network or a server does.
        """
        work = Work(chunk)
        destination = chunk.destination
        host = self._hosts.of(destination.host)
        try:
            self._check_key(destination)
            host.check()
            self._send(work, host)
        except DeliveryError as error:
            work.fail(error)
        return replace(work.delivery(), concurrency=host.concurrency, peak_concurrency=host.peak_concurrency)

    def loads(self) -> list[HostLoad]:
        """Return what each host does at this moment; from any thread."""
        return self._hosts.loads()

    def stop(self) -> None:
        """End every wait and begin no further attempt; requests on the wire have a moment to finish."""
        self._end_by_s = min(self._end_by_s, time.monotonic() + LAST_ANSWER_S)
        self._stopped.set()
        self._hosts.wake()

    def close(self) -> None:
        """Stop, and close the connections."""
        self.stop()
        self._client.close()

    # ------------------------------------------------------------------------------------------- chunk → requests

    def _check_key(self, destination: Destination) -> None:
        known = self._refused.get(destination)
        if known is not None:
            raise KeyRefused(known.message, status=known.status, hint=known.hint)
        if not _HEADER_SAFE.fullmatch(destination.api_key):
            raise KeyRefused(
                f"{destination.host}: expected a key of printable ASCII and found another character in it",
                hint="it was not sent; check for a stray quote or line break",
            )

    def _send(self, work: Work, host: Host) -> None:
        while True:
            route = ROUTES[host.endpoint]
            try:
                self._send_on(route, work, host)
            except _MovedOn:
                continue
            return

    def _send_on(self, route: Route, work: Work, host: Host) -> None:
        """Send what is open on one route, halving whatever is too large or refused, down to single events."""
        groups = deque([work.encode(route)])
        while groups:
            group = groups.popleft()
            if not group:
                continue
            request = self._new_request(route, work.chunk, group)
            if request is None:
                groups.extendleft(reversed(_halves(group)))
                continue
            try:
                self._request(request, work, host)
            except Refused as refusal:
                work.endpoint = route.endpoint
                left = work.open(group)
                if len(left) == 1:
                    work.reject(left[0], refusal)
                else:
                    groups.extendleft(reversed(_halves(left)))
            except Retryable as error:
                if not request.settled:
                    raise  # the host itself is unwell: spare it, and us, the other halves
                work.fail(error)

    def _new_request(self, route: Route, chunk: Chunk, parts: list[Part]) -> _Request | None:
        """Return a request, or None where several events are too large for one."""
        size = sum(len(part.encoded) + 1 for part in parts)
        if len(parts) > 1 and size > route.max_decompressed:
            return None
        created_at = self._clock()
        body = compress(route, chunk, [part.encoded for part in parts], created_at)
        request = _Request(route, parts, body, created_at)
        return None if len(parts) > 1 and request.size > route.max_body else request

    # ------------------------------------------------------------------------------------------ request → attempts

    def _request(self, request: _Request, work: Work, host: Host) -> None:
        """Send one request until each of its events has a final word, or the retries are spent.

        Raises: Retryable when they are spent, otherwise the `DeliveryError` that ended it.
        """
        destination = work.chunk.destination

        def notify(state: RetryCallState) -> None:
            if self._on_retry is not None and state.next_action is not None:
                reason = str(state.outcome.exception()) if state.outcome else ""
                wait_s = state.next_action.sleep
                self._on_retry(RetryNotice(destination.host, state.attempt_number, self._max_retries, wait_s, reason))

        retrying = Retrying(
            retry=retry_if_exception_type(Retryable),
            stop=_any_of(stop_after_attempt(self._max_retries + 1), lambda _: self._stopped.is_set() or host.is_asleep),
            wait=_wait,
            sleep=lambda seconds: self._pause(seconds, host.wait),
            before_sleep=notify,
            reraise=True,
        )
        retrying(self._attempt, request, work, host)

    def _attempt(self, request: _Request, work: Work, host: Host) -> None:
        destination = work.chunk.destination
        with host.turn() as turn:
            if host.endpoint is not request.route.endpoint:
                raise _MovedOn  # another chunk found out while this one waited for its turn
            self._keep_pace(len(request.parts))
            self._check_key(destination)  # another chunk may have heard it meanwhile
            request.attempts += 1
            work.requests += 1
            work.retries += request.attempts > 1
            turn.leave()
            answer = self._post(request, destination)
            turn.arrive()
            try:
                self._apply(request.route.read(answer, destination), request, work, host, turn)
            except KeyRefused as error:
                self._refused.setdefault(destination, error)  # before the turn ends: who is next may have the same key
                raise

    def _apply(self, reading: Reading, request: _Request, work: Work, host: Host, turn: Turn) -> None:
        match reading:
            case NotServed(status):
                host.not_served(request.route.endpoint, status)
                raise _MovedOn
            case Taken():
                work.endpoint = request.route.endpoint
                host.decide()
                work.accept(request.parts)
            case Verdicts():
                work.endpoint = request.route.endpoint
                host.decide()
                self._apply_verdicts(reading, request, work, turn)

    def _apply_verdicts(self, verdicts: Verdicts, request: _Request, work: Work, turn: Turn) -> None:
        sent = len(request.parts)
        settled = work.settle(request.parts, verdicts.outcomes)
        request.settled += settled
        if settled:
            turn.answered()
        left = work.open(request.parts)
        if verdicts.refusal is not None and any(
            work.chunk.events[part.index].uuid in verdicts.over_quota for part in left
        ):
            raise verdicts.refusal
        if not left:
            return
        if settled:
            request.parts = left
            encoded = [part.encoded for part in left]
            request.body = compress(request.route, work.chunk, encoded, request.created_at)
        limited = verdicts.limited_by
        raise Retryable(
            f"{work.chunk.destination.host} confirmed {settled} of {sent} events"
            + (f": more than it takes of this project for now ({limited})" if limited else ""),
            hint="run again later, or slower: --rate-limit" if limited else None,
            retry_after_s=verdicts.retry_after_s,
        )

    # --------------------------------------------------------------------------------------------------- the wire

    def _post(self, request: _Request, destination: Destination) -> Answer:
        """Send the request once and read the answer whole. Raises: Retryable or Unreachable where there is none."""
        route = request.route
        attempt = Attempt(request.request_id, request.attempts, self._clock())
        length = {"Content-Length": str(request.size)}  # without it, a body in parts would be sent as chunks
        headers = {**COMMON_HEADERS, **length, **route.headers(destination, attempt)}
        try:
            with (
                attempt_deadline(self._client.timeout.read, end_by_s=lambda: self._end_by_s),
                self._client.stream(
                    "POST", destination.host + route.path, content=request.body, headers=headers
                ) as response,
            ):
                if came_unasked(response):
                    raise Retryable(f"{destination.host} sent an answer before it was asked, which is none")
                return self._read(response, destination)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:  # UnicodeError: xn-- and no name
            raise Unreachable(
                f"expected an http:// or https:// URL and found {clean(destination.host, destination)}",
                hint="check --host",
            ) from error
        except httpx.RequestError as error:
            if isinstance(error, httpx.TimeoutException) and time.monotonic() >= self._end_by_s:
                raise Halted(_STOPPED) from error
            raise _network_error(error, destination) from error
        except RuntimeError as error:
            if not self._client.is_closed:
                raise
            raise Halted(_STOPPED) from error  # closed between check and request

    def _read(self, response: httpx.Response, destination: Destination) -> Answer:
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MAX_ANSWER:
                raise Retryable(
                    f"{destination.host} answered with more than {MAX_ANSWER} bytes", status=response.status_code
                )
        headers = response.headers
        retry_after_s = parse_retry_after(headers.get("retry-after"), now=self._clock(), date=headers.get("date"))
        return Answer(
            status=response.status_code,
            content_type=headers.get("content-type", ""),
            retry_after_s=retry_after_s,
            location=headers.get("location", response.extensions.get("location")),
            body=bytes(body),
        )

    def _keep_pace(self, events: int) -> None:
        """Wait until the rate limit lets so many events leave. Raises: Halted."""
        while (wait_s := self._pacer.leave(events)) > 0:
            self._pause(wait_s, self._stopped.wait)

    def _pause(self, seconds: float, wait: Callable[[float], object]) -> None:
        """Wait by `wait`, or by the sleep that was injected. Raises: Halted."""
        (self._sleep or wait)(seconds)
        if self._stopped.is_set():
            raise Halted(_STOPPED)


def _any_of(*rules: Callable[[RetryCallState], bool]) -> Callable[[RetryCallState], bool]:
    return lambda state: any(rule(state) for rule in rules)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    retry_after_s = error.retry_after_s if isinstance(error, Retryable) else None
    jitter = random.random()  # noqa: S311  (spreads the load, guards nothing)
    return retry_wait_s(state.attempt_number, jitter=jitter, retry_after_s=retry_after_s)


def _halves(parts: Sequence[Part]) -> list[list[Part]]:
    middle = len(parts) // 2
    return [list(parts[:middle]), list(parts[middle:])]


def _network_error(error: httpx.RequestError, destination: Destination) -> DeliveryError:
    """Translate what the network did; everything but a refused certificate may pass."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreachable(
                f"the certificate of {destination.host} was not accepted ({clean(cause.verify_message, destination)})",
                hint="behind a proxy with its own authority, set SSL_CERT_FILE to its certificate",
            )
        if isinstance(cause, OSError) and cause.errno in NO_DESCRIPTORS:
            return NoSockets(
                f"expected a free socket for {clean(destination.host, destination)} and found: {cause.strerror}",
                hint="raise the limit (ulimit -n), or lower --concurrency, then run again",
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        hint = "where the line is slow: raise --timeout, or lower --chunk-bytes"
        return TimedOut(f"{destination.host} did not answer in time ({type(error).__name__})", hint=hint)
    reason = clean(str(error), destination) or type(error).__name__
    hint = "is --host right, and do firewall and proxy (HTTPS_PROXY) let it through?"
    return Retryable(f"{destination.host} did not answer ({reason})", hint=hint)
