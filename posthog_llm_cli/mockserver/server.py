"""The server itself: HTTP/1.1 with keep-alive, a thread for each connection, on the standard library.

`MockServer` is what tests use; `plh mock-server` wraps it in `serving.py`.
"""

import hashlib
import os
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from posthog_llm_cli.mockserver.answers import Answer, Refusal, json_answer, text_answer, v1_error
from posthog_llm_cli.mockserver.faults import UNFINISHED_KINDS, Dice, Faults, Roll
from posthog_llm_cli.mockserver.faulty import SPOILT, instead
from posthog_llm_cli.mockserver.judging import Incoming, Judged, Posted
from posthog_llm_cli.mockserver.legacy import judge_legacy
from posthog_llm_cli.mockserver.store import SeenRequest, Store
from posthog_llm_cli.mockserver.v1 import judge_v1
from posthog_llm_cli.mockserver.wire import BrokenRequest, read_body, too_long
from posthog_llm_cli.model import Endpoint, mask_key
from posthog_llm_cli.values import Value

ROUTES: Mapping[str, Endpoint] = {
    "/i/v1/ai/events": Endpoint.V1,
    "/i/v0/ai/batch/": Endpoint.AI_BATCH,
    "/batch/": Endpoint.BATCH,
    "/batch": Endpoint.BATCH,
}
ALL_ROUTES = frozenset(ROUTES.values())

HELP = """\
A local stand-in for PostHog's capture service, by `plh mock-server`.

  POST /i/v1/ai/events    the v1 route: a verdict for each event
  POST /i/v0/ai/batch/    the AI batch route
  POST /batch/            the batch route

  GET /events             what was stored, in order of arrival, as JSON; ?limit=N: the last N
  GET /requests           counts: requests, events, answers, faults
  POST /reset             forget everything
"""

READ_TIMEOUT_S = 60.0
_STOP_GRACE_S = 2.0
_HIDDEN_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
_MAX_ANSWER = 2000
_DRIP_S = 0.1
_ENDLESS = 1_000_000

Observer = Callable[[SeenRequest, Sequence[Incoming], Sequence[bool]], None]
"""Told of each request to a capture route, from the thread that answers it: its events, and which are duplicates."""


class _Bench(Value, frozen=True):
    """What all connections of one server share."""

    store: Store
    dice: Dice
    routes: frozenset[Endpoint]
    now: Callable[[], datetime]
    observer: Observer | None
    stopping: threading.Event


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # `finish` waits, but not for ever
    request_queue_size = 1024

    def __init__(self, host: str, port: int, bench: _Bench) -> None:
        self.bench = bench
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, address = found[0][0], found[0][4]
        super().__init__((str(address[0]), int(address[1])), _Handler)

    def server_bind(self) -> None:
        # http.server asks the name service for this machine's name here, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):  # those are the client's going away
            super().handle_error(request, client_address)

    def finish(self) -> None:
        """Let the requests in hand be answered, then close every connection."""
        self.shutdown()
        self.server_close()
        for how in (socket.SHUT_RD, socket.SHUT_RDWR):
            with self._changed:
                for connection in self._open:
                    _shut(connection, how)
                if self._changed.wait_for(lambda: not self._open, _STOP_GRACE_S):
                    return


def _shut(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError:
        return  # gone already, which is what is wanted


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "plh-mock-server"
    sys_version = ""
    timeout = READ_TIMEOUT_S
    wbufsize = -1  # one packet for an answer's head and body
    disable_nagle_algorithm = True
    server: _Server

    def __getattr__(self, name: str) -> Any:
        # The base class looks for `do_<METHOD>` and answers 501 where there is none; PostHog answers 405.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the observer tells what there is to tell."""

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = self.path.partition("?")[0]
        route = ROUTES.get(path)
        if route not in self.server.bench.routes:
            route = None
        try:
            body = read_body(self.rfile, headers)
        except BrokenRequest as broken:
            self.close_connection = True
            self._refuse(route, broken.refusal)
        except TimeoutError:
            self.close_connection = True
            self._refuse(route, Refusal(408, "body_read_timeout", "expected the rest of the body in time"))
        else:
            if route is not None and self.command == "POST":
                _Capture(self, self.server.bench, route, headers, path).answer(body)
            else:
                self.send(self._answer_other(path))

    def _refuse(self, route: Endpoint | None, refusal: Refusal) -> None:
        self.send(_refused(route, refusal))

    def _answer_other(self, path: str) -> Answer:
        store = self.server.bench.store
        match self.command, path:
            case "GET", "/":
                return text_answer(200, HELP)
            case "GET", "/events":
                limit = parse_qs(self.path.partition("?")[2]).get("limit", [""])[-1]
                if limit and not (limit.isascii() and limit.isdigit() and len(limit) < 10):
                    return text_answer(400, "expected limit to be a number\n")
                return json_answer(200, store.events(int(limit) if limit else None))
            case "GET", "/requests":
                return json_answer(200, {**store.tally(), "faults": self.server.bench.dice.fired})
            case "POST", "/reset":
                store.reset()
                return text_answer(200, "forgotten\n")
            case _, "/i/v0/ai/batch" if Endpoint.AI_BATCH in self.server.bench.routes:
                return text_answer(308, "", ("Location", "/i/v0/ai/batch/"))
            case _ if path in {"/", "/events", "/requests", "/reset"} or ROUTES.get(path) in self.server.bench.routes:
                return text_answer(405, "expected another method\n")
            case _:
                return text_answer(404, "nothing is served here\n")

    def send(self, answer: Answer) -> None:
        """Write an answer; its last bytes leave with the flush of the base class."""
        self._begin(answer, length=len(answer.body))
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_half(self, answer: Answer) -> None:
        """Write the head of an answer and the first half of its body, at once."""
        self._begin(answer, length=len(answer.body))
        self.wfile.write(answer.body[: len(answer.body) // 2])
        self.wfile.flush()

    def drip(self, answer: Answer) -> None:
        """Write the head of an answer and then blanks, one at a time, until the client has gone or the server stops."""
        self.close_connection = True
        self._begin(answer, length=_ENDLESS)
        while not self.server.bench.stopping.wait(_DRIP_S):
            self.wfile.write(b" ")
            self.wfile.flush()

    def _begin(self, answer: Answer, *, length: int) -> None:
        self.send_response(answer.status)
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(length)), *answer.headers]
        for name, value in headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def reset_connection(self) -> None:
        """Break the connection so that the client sees a reset, and not an orderly end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def wait_for_client(self) -> None:
        """Wait until the client has gone, or the server stops."""
        self.close_connection = True
        self.connection.settimeout(0.2)
        while not self.server.bench.stopping.is_set():
            try:
                if not self.connection.recv(4096):
                    return
            except TimeoutError:
                continue


class _Capture:
    """One POST to a capture route: roll the dice, judge, store, tell, answer."""

    def __init__(
        self, handler: _Handler, bench: _Bench, route: Endpoint, headers: Mapping[str, str], path: str
    ) -> None:
        self._handler = handler
        self._bench = bench
        self._route = route
        self._headers = headers
        self._path = path

    def answer(self, body: bytes | None) -> None:
        posted = Posted(self._route, self._headers, body or b"", self._bench.now())
        roll = self._bench.dice.roll()
        faults = []
        if roll.delay_s:
            faults.append("slow")
            self._bench.dice.count("slow")
            self._bench.stopping.wait(roll.delay_s)
        judged = instead(roll.fault, self._route)
        if judged is None:
            judged = self._judge(posted, roll) if body is not None else Judged(_refused(self._route, too_long()))
        if roll.fault is not None:
            faults.append(roll.fault.kind)
            self._bench.dice.count(roll.fault.kind)
        kind = roll.fault.kind if roll.fault is not None else ""
        answer = SPOILT.get(kind, judged.answer)
        duplicates = self._bench.store.add_events(posted, judged)
        for fired, times in judged.fired.items():
            self._bench.dice.count(fired, times)
        seen = self._seen(posted, judged, None if kind in UNFINISHED_KINDS else answer, (*faults, *judged.fired))
        self._bench.store.add_request(seen)
        if self._bench.observer is not None:
            self._bench.observer(seen, judged.events, duplicates)
        self._finish(kind, answer)

    def _finish(self, kind: str, answer: Answer) -> None:
        match kind:
            case "reset" | "reset-before":
                self._handler.reset_connection()
            case "hang":
                self._handler.wait_for_client()
            case "cut":
                self._handler.send_half(answer)
                self._handler.reset_connection()
            case "stall":
                self._handler.send_half(answer)
                self._handler.wait_for_client()
            case "drip":
                self._handler.drip(answer)
            case _:
                self._handler.send(answer)

    def _judge(self, posted: Posted, roll: Roll) -> Judged:
        return judge_v1(posted, roll.event_fault) if self._route is Endpoint.V1 else judge_legacy(posted)

    def _seen(self, posted: Posted, judged: Judged, answer: Answer | None, faults: tuple[str, ...]) -> SeenRequest:
        return SeenRequest(
            received_at=posted.received_at,
            method="POST",
            path=self._path,
            route=self._route,
            api_key=mask_key(judged.key) if judged.key else "-",
            status=None if answer is None else answer.status,
            answer="" if answer is None else answer.body[:_MAX_ANSWER].decode("utf-8", "replace"),
            faults=faults,
            events=judged.count,
            stored=len(judged.events),
            historical=judged.historical,
            sent_bytes=len(posted.body),
            body_bytes=judged.body_bytes,
            body_digest=hashlib.blake2b(posted.body, digest_size=16).hexdigest(),
            verdicts=judged.verdicts,
            headers={name: value for name, value in posted.headers.items() if name not in _HIDDEN_HEADERS},
        )


def _refused(route: Endpoint | None, refusal: Refusal) -> Answer:
    if route is Endpoint.V1:
        return v1_error(refusal.status, refusal.tag, refusal.text)
    return text_answer(refusal.status, refusal.text)


class MockServer:
    """PostHog's capture routes on a local port, for tests and rehearsals.

    As a context manager it serves from a thread of its own until the end of the block. `port` 0 takes any free port.
    `routes` are the ones served: with fewer, the others answer 404, as an old instance does. The same seed and the same
    order of arrival give the same faults. `observer` is told of each request before it is answered.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        faults: Faults | None = None,
        seed: int = 0,
        routes: frozenset[Endpoint] = ALL_ROUTES,
        observer: Observer | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._address = (host, port)
        self._store = Store()
        self._dice = Dice(faults if faults is not None else Faults(), seed)
        self._bench = _Bench(self._store, self._dice, routes, now, observer, threading.Event())
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen, and serve from a thread. Raises OSError where the address is taken or is none."""
        self._bench.stopping.clear()
        self._server = _Server(*self._address, self._bench)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="mock-server", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Answer what is in hand (two seconds at most), close every connection and the port."""
        self._bench.stopping.set()
        if self._server is not None and self._thread is not None:
            self._server.finish()
            self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens, without a final slash. Raises RuntimeError before the start and after the end."""
        if self._server is None:
            raise RuntimeError("the mock server is not running")
        host, port = self._server.server_address[:2]
        shown = host.decode() if isinstance(host, bytes | bytearray) else str(host)
        return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The stored events in order of arrival, in the shape of `GET /events` (see `store.py`)."""
        return self._store.events()

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """The last requests to capture routes, in the order of their answers."""
        return self._store.requests()

    @property
    def tally(self) -> dict[str, Any]:
        """Counts of requests, events, answers, verdicts and fired faults, as at `GET /requests`."""
        return {**self._store.tally(), "faults": self._dice.fired}

    def order(self, faults: Faults) -> None:
        """Put other faults on order, from the next request on; the counts of those that fired stay."""
        self._dice.change(faults)

    def reset(self) -> None:
        """Forget what arrived; the dice roll on, and the counts of faults stay."""
        self._store.reset()
