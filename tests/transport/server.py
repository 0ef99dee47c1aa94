"""A small scripted HTTP server on loopback: it does what each request's script says, and remembers what it was sent."""

import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

V1 = "/i/v1/ai/events"
AI_BATCH = "/i/v0/ai/batch/"
BATCH = "/batch/"


class Fault(Enum):
    """What happens instead of a whole answer."""

    RESET = "reset before the status line"
    RESET_MID_ANSWER = "reset in the middle of the body"
    HANG = "nothing, until the test ends"
    DRIP_HEADERS = "one byte of a header now and then, for ever"
    DRIP_BODY = "one byte of the body now and then, for ever"
    TWICE = "two answers at once"
    GARBAGE = "something that is not HTTP"


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    fault: Fault | None = None


@dataclass(frozen=True)
class Seen:
    """One request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    client_port: int

    @property
    def text(self) -> bytes:
        return gzip.decompress(self.raw)

    @property
    def envelope(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.text)
        return document

    @property
    def uuids(self) -> list[str]:
        return [event["uuid"] for event in self.envelope["batch"]]

    @property
    def key(self) -> str:
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return bearer or str(self.envelope.get("api_key"))


Script = Callable[[Seen], Reply]


def results(verdicts: dict[str, Any]) -> Reply:
    """v1's 200."""
    return Reply(body=json.dumps({"results": verdicts}).encode())


def error(status: int, tag: str, description: str = "") -> Reply:
    """v1's whole-request error."""
    return Reply(status, json.dumps({"error": tag, "error_description": description}).encode())


def take_all(seen: Seen) -> Reply:
    """A healthy server on any route."""
    if seen.path == V1:
        return results({uuid: {"result": "ok"} for uuid in seen.uuids})
    return Reply(body=b'{"status":"Ok"}')


def only(*paths: str, then: Script = take_all) -> Script:
    """A server that has only these routes."""
    return lambda seen: then(seen) if seen.path in paths else Reply(404, b"not found", content_type="text/plain")


def in_turn(*replies: Reply | Script, then: Script = take_all) -> Script:
    """Answer the first requests with `replies`, the others by `then`."""
    left = iter(replies)
    lock = threading.Lock()

    def script(seen: Seen) -> Reply:
        with lock:
            reply = next(left, then)
        return reply if isinstance(reply, Reply) else reply(seen)

    return script


class Server(ThreadingHTTPServer):
    """Answers by `script`; `seen` holds the requests in the order of their arrival."""

    daemon_threads = True
    block_on_close = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.seen: list[Seen] = []
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.open: set[socket.socket] = set()
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    @property
    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self.lock:
            self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self.lock:
            self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, raw, self.client_address[1])
        with self.server.lock:
            self.server.seen.append(seen)
        reply = self.server.script(seen)
        if reply.fault is None:
            self._answer(reply)
        else:
            self.close_connection = True
            self._misbehave(reply.fault)

    def _answer(self, reply: Reply) -> None:
        self.send_response_only(reply.status)  # a script says of itself what day it is
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if reply.status != 204:
            self.wfile.write(reply.body)

    def _misbehave(self, fault: Fault) -> None:
        match fault:
            case Fault.RESET:
                self._reset()
            case Fault.RESET_MID_ANSWER:
                self.wfile.write(
                    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"res'
                )
                time.sleep(0.02)
                self._reset()
            case Fault.HANG:
                self.server.ended.wait(20)
            case Fault.DRIP_HEADERS:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                self._drip()
            case Fault.DRIP_BODY:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                self._drip()
            case Fault.TWICE:
                self.wfile.write(2 * b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"Ok"}')
                self.close_connection = False
            case Fault.GARBAGE:
                self.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    def _drip(self) -> None:
        while not self.server.ended.wait(0.05):
            self.wfile.write(b"x")

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class names it)
        """Quiet."""


@contextmanager
def serving(script: Script = take_all, *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(script)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        with server.lock:
            idle = list(server.open)
        for connection in idle:
            with_shutdown(connection)
        server.server_close()


def with_shutdown(connection: socket.socket) -> None:
    """Wake a handler that waits for the next request of a kept-alive connection."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
