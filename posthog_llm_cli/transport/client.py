"""The HTTP client: keep-alive, no redirects, proxies and CA settings from the environment, and a deadline.

httpx's timeouts bound single socket operations, so a server that drips one byte at a time could hold an attempt for
ever. `attempt_deadline` bounds the attempt as a whole: the client's sockets look at it before each operation, and now
and then while they wait for an answer, for a run that is to end brings it forward.
"""

import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpcore
import httpx
from httpx._utils import get_environment_proxies  # it has no public name

from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.transport.routes import AGENT

KEEPALIVE_S = 60.0

_LOOK_S = 0.25
"""How long a socket waits for an answer before it looks at the deadline again."""

_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
_attempt = threading.local()


def new_client(*, timeout_s: float) -> httpx.Client:
    """Return a client whose requests are each bounded by `timeout_s`; how many there are at a time is up to the caller.

    Honours HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR (httpx reads them).
    Raises: ConfigError where they cannot be used.
    """
    # `Capture` bounds the requests to each host. A bound here would be one for all hosts together, and a hanging one
    # could take every connection.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_S)
    try:
        certificates = httpx.create_ssl_context()
        client = httpx.Client(
            headers={"User-Agent": AGENT},
            timeout=httpx.Timeout(timeout_s),
            limits=limits,
            follow_redirects=False,
            event_hooks={"response": [_set_location_aside]},
            verify=certificates,
            mounts=_mounts(certificates, limits),
            trust_env=False,  # the two lines above have asked it
        )
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            f"expected certificates at SSL_CERT_FILE or SSL_CERT_DIR and found none to read ({reason})",
            hint="both may be unset: the usual authorities are built in",
        ) from error
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        # The reason stays out: it may quote the proxy's password.
        raise ConfigError(
            "expected an http:// or https:// URL in HTTPS_PROXY, HTTP_PROXY and ALL_PROXY and found another",
            hint="socks proxies are not supported",
        ) from error
    _watch_deadlines(client)
    return client


@contextmanager
def attempt_deadline(timeout_s: float | None, *, end_by_s: Callable[[], float] = lambda: math.inf) -> Iterator[None]:
    """Bound everything that this thread does with a client of `new_client` meanwhile to `timeout_s` in all.

    `end_by_s` is asked again and again for a time (monotonic) by which it is to end anyway.
    """
    _attempt.deadline = None if timeout_s is None else time.monotonic() + timeout_s
    _attempt.end_by_s = end_by_s
    try:
        yield
    finally:
        _attempt.deadline = None


def came_unasked(response: httpx.Response) -> bool:
    """Whether an answer was there before its request: what a server or proxy said too much after the last answer.

    httpx drops an idle connection on which something arrives, but not what came along with an answer and was read.
    """
    stream = response.extensions.get("network_stream")
    return isinstance(stream, _Stream) and not stream.has_read


def _mounts(certificates: ssl.SSLContext, limits: httpx.Limits) -> dict[str, httpx.BaseTransport | None]:
    """Return which requests go through which proxy of the environment, and which, by NO_PROXY, through none.

    httpx alone would fail for an IPv6 address in brackets in NO_PROXY, and for a range of such addresses. It knows no
    ranges, of IPv4 neither: they are passed over.
    """
    mounts: dict[str, httpx.BaseTransport | None] = {}
    for pattern, proxy in get_environment_proxies().items():
        if proxy is not None:
            mounts[pattern] = httpx.HTTPTransport(verify=certificates, limits=limits, proxy=proxy)
            continue
        readable = pattern.replace("*[", "[")  # `[::1]` passes for the end of a name
        with suppress(httpx.InvalidURL):
            httpx.URL(readable)
            mounts[readable] = None
    return mounts


def _left(timeout: float | None, expired: type[httpcore.TimeoutException]) -> float | None:
    left = _left_of_attempt(expired)
    if left is None or timeout is None:
        return timeout if left is None else left
    return min(timeout, left)


def _left_of_attempt(expired: type[httpcore.TimeoutException]) -> float | None:
    """Return the seconds left until this thread's deadline, None where it has none. Raises: `expired` behind it."""
    deadline: float | None = getattr(_attempt, "deadline", None)
    if deadline is None:
        return None
    end_by_s: Callable[[], float] = _attempt.end_by_s
    left = min(deadline, end_by_s()) - time.monotonic()
    if left <= 0:
        raise expired("the attempt took too long")
    return left


def _set_location_aside(response: httpx.Response) -> None:
    # httpx reads where a redirect leads although nothing follows it, and takes one that leads nowhere for no answer.
    if "location" in response.headers:
        response.extensions["location"] = response.headers.pop("location")


def _watch_deadlines(client: httpx.Client) -> None:
    # httpx has no public way to pass httpcore's (public) network backend on to the transports that it makes for the
    # environment's proxies. tests/transport/test_client.py fails by name if these attributes move.
    for transport in (client._transport, *client._mounts.values()):
        pool: Any = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = _Backend(pool._network_backend)


class _Stream(httpcore.NetworkStream):
    """A socket that looks at the attempt's deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self.has_read = False
        """Whether anything was read since it was last written to."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.has_read = True
        while (left := _left_of_attempt(httpcore.ReadTimeout)) is not None:
            with suppress(httpcore.ReadTimeout):
                return self._stream.read(max_bytes, min(left, _LOOK_S))
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.has_read = False
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Opens sockets that look at the attempt's deadline.

    An address from which nothing comes back (IPv6 behind many a firewall, a balancer that is down) would take the
    attempt's whole time, and each attempt anew: every address of a name has its share, and the one that answered last
    comes first.
    """

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend
        self._answered: dict[tuple[str, int], str] = {}

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        *first, last = self._addresses(host, port)
        for place, address in enumerate(first):
            left = _left(timeout, httpcore.ConnectTimeout)
            share = None if left is None else left / (len(first) + 1 - place)
            with suppress(httpcore.ConnectTimeout, httpcore.ConnectError):
                return self._connected(host, port, address, share, local_address, socket_options)
        left = _left(timeout, httpcore.ConnectTimeout)
        return self._connected(host, port, last, left, local_address, socket_options)

    def _addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a name, of which there is one at least. Raises: httpcore.ConnectError."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(error) from error
        answered = self._answered.get((host, port))
        return sorted(dict.fromkeys(str(place[0]) for *_, place in found), key=lambda address: address != answered)

    def _connected(self, host: str, port: int, address: str, *how: Any) -> httpcore.NetworkStream:
        stream = _Stream(self._backend.connect_tcp(address, port, *how))
        self._answered[host, port] = address
        return stream

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)
