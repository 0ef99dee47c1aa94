"""A sink in a process of its own that takes events as fast as they come, and counts them when asked.

    with Sink.start() as sink:
        sink.reset(latency_ms=50)     # every answer waits so long after its request has arrived
        …                             # point a client at sink.url
        sink.count()                  # what arrived since the reset

Routes answer as PostHog's (posthog-ingestion.md, sections 2 to 4): v1 with a verdict for each uuid, which is why its
bodies are inflated at once (by ISA-L); the legacy ones with `{"status":"Ok"}`, their bodies kept and parsed only when
asked. So the sink takes little of the processor that it shares with what is measured, and says how much that was.
Nothing is checked: for a server that judges, see `posthog_llm_cli.mockserver`.
"""

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson
from isal import isal_zlib

V1_PATHS = frozenset({b"/i/v1/ai/events", b"/i/v1/analytics/events"})
LEGACY_PATHS = frozenset({b"/batch/", b"/batch", b"/i/v0/ai/batch/", b"/i/v0/ai/batch"})

_GZIP_MAGIC = b"\x1f\x8b"
_HEAD_END = b"\r\n\r\n"
_UUID = re.compile(rb'"event":"[^"]{1,200}","uuid":"([0-9a-f-]{36})"')
_NAME_LIMIT = 256


@dataclass(frozen=True, slots=True)
class Arrived:
    """What the sink took since it was reset.

    `events` counts repeats, `distinct` each uuid once (an event without one is one of its own, as on the server).
    `wire_bytes` are all that came over the sockets, with headers; `body_bytes` the bodies as sent; `event_bytes` the
    bodies inflated. `cpu_s` is what taking them cost the sink.
    """

    requests: int
    events: int
    distinct: int
    wire_bytes: int
    body_bytes: int
    event_bytes: int
    cpu_s: float


@dataclass(slots=True)
class _Taken:
    """The state of one run."""

    latency_s: float = 0.0
    requests: int = 0
    events: int = 0
    wire_bytes: int = 0
    body_bytes: int = 0
    event_bytes: int = 0
    uuids: set[bytes] = field(default_factory=set)
    bodies: list[bytes] = field(default_factory=list)
    began_cpu_s: float = field(default_factory=time.process_time)

    def take_v1(self, body: bytes) -> bytes:
        """Count a v1 request; return the answer's body."""
        document = inflate(body)
        self.event_bytes += len(document)
        found = uuids_of(document)
        self.events += len(found)
        self.uuids.update(found)
        return b'{"results":{%b}}' % b",".join(b'"%b":{"result":"ok"}' % uuid for uuid in found)

    def arrived(self) -> Arrived:
        """Count what was kept, and forget it."""
        cpu_s = time.process_time() - self.began_cpu_s
        nameless = 0
        while self.bodies:
            document = inflate(self.bodies.pop())
            self.event_bytes += len(document)
            for event in orjson.loads(document)["batch"]:
                self.events += 1
                if event.get("uuid"):
                    self.uuids.add(event["uuid"].encode())
                else:
                    nameless += 1
        distinct = len(self.uuids) + nameless
        return Arrived(
            self.requests, self.events, distinct, self.wire_bytes, self.body_bytes, self.event_bytes, round(cpu_s, 4)
        )


def inflate(body: bytes) -> bytes:
    """Return a body without its gzip, if it has any."""
    return isal_zlib.decompress(body, wbits=31) if body.startswith(_GZIP_MAGIC) else body


def uuids_of(document: bytes) -> list[bytes]:
    """Return the uuids of the events in a v1 body, in order.

    By search, since parsing would cost as much as what is measured. Inside of strings quotes have backslashes, so only
    members match; a member `uuid` somewhere inside of an event's properties is none of `event`, `uuid` side by side.
    """
    found: list[bytes] = []
    at = document.find(b'","uuid":"')
    while at >= 0:
        begin = document.rfind(b'"event":"', max(0, at - _NAME_LIMIT), at)
        match = _UUID.match(document, begin) if begin >= 0 else None
        if match is not None and match.end() > at:
            found.append(match[1])
        at = document.find(b'","uuid":"', at + 10)
    return found


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as little of it as clients use: bodies by Content-Length, `Expect: 100-continue`."""

    def __init__(self, sink: "_Server") -> None:
        self._sink = sink
        self._head = bytearray()
        self._body: list[bytes] = []
        self._missing = -1
        self._request = (b"", b"")
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._sink.taken.wire_bytes += len(data)
        while data:
            data = self._take_head(data) if self._missing < 0 else self._take_body(data)

    def _take_head(self, data: bytes) -> bytes:
        self._head += data
        end = self._head.find(_HEAD_END)
        if end < 0:
            return b""
        first, *fields = bytes(self._head[:end]).split(b"\r\n")
        rest = bytes(self._head[end + len(_HEAD_END) :])
        self._head.clear()
        method, path, _ = first.split(b" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in fields)}
        self._request = (method, path)
        self._missing = int(headers.get(b"content-length", 0))
        if headers.get(b"expect", b"").lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._missing == 0:
            self._answer(b"")
        return rest

    def _take_body(self, data: bytes) -> bytes:
        piece = data[: self._missing]
        self._body.append(piece)
        self._missing -= len(piece)
        if self._missing == 0:
            body = b"".join(self._body)
            self._body.clear()
            self._answer(body)
        return data[len(piece) :]

    def _answer(self, body: bytes) -> None:
        self._missing = -1
        status, answer, latency_s = self._sink.answer(*self._request, body)
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(answer))
        if latency_s:
            asyncio.get_running_loop().call_later(latency_s, self._transport.write, head + answer)
        else:
            self._transport.write(head + answer)


class _Server:
    """Answers requests; `taken` is the run that is being measured."""

    def __init__(self) -> None:
        self.taken = _Taken()

    def answer(self, method: bytes, path: bytes, body: bytes) -> tuple[bytes, bytes, float]:
        """Return status, body and latency of the answer."""
        taken = self.taken
        if method == b"POST" and path in V1_PATHS | LEGACY_PATHS:
            taken.requests += 1
            taken.body_bytes += len(body)
            if path in V1_PATHS:
                return b"200 OK", taken.take_v1(body), taken.latency_s
            taken.bodies.append(body)
            return b"200 OK", b'{"status":"Ok"}', taken.latency_s
        if path == b"/sink/count":
            return b"200 OK", orjson.dumps(taken.arrived()), 0.0
        if path == b"/sink/reset":
            self.taken = _Taken(latency_s=orjson.loads(body)["latency_ms"] / 1000)
            return b"200 OK", b"{}", 0.0
        return b"404 Not Found", b"{}", 0.0


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    sink = _Server()
    server = await loop.create_server(lambda: _Connection(sink), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Sink:
    """A handle on the sink's process; a context manager that ends it."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{port}"

    @classmethod
    def start(cls) -> Self:
        """Start a sink on a free port of this machine."""
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.sink"], stdout=subprocess.PIPE)
        assert process.stdout is not None
        return cls(process, int(process.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def reset(self, *, latency_ms: int = 0) -> None:
        """Forget everything, and delay the answers from now on."""
        self._ask("/sink/reset", {"latency_ms": latency_ms})

    def count(self) -> Arrived:
        """Return what arrived since the reset. Call it once: what it counts is forgotten."""
        return Arrived(**self._ask("/sink/count", {}))

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=600) as response:
            return json.load(response)


if __name__ == "__main__":
    gc.disable()  # nothing here is cyclic, and collecting among a million kept uuids takes time from what is measured
    asyncio.run(_serve())
