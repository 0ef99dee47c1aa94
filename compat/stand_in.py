"""One server on this machine that stands in for PostHog (it keeps what is posted) and for the providers of models.

PostHog's side takes `POST <anything>/batch/`; the `<anything>` is kept, so that one server is many hosts. Its answers
are steered by `POST /steer/<way>`: `accept`, `refuse` (500), `hold` (no answer before the next `accept`).
"""

import gzip
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from compat.provider import answer

_HOLD_S = 30.0


@dataclass(frozen=True, slots=True)
class Posted:
    """One request to PostHog: where to, whether it was taken, and the JSON of its body."""

    host: str
    taken: bool
    body: Any


class StandIn:
    """The server, in a thread of its own; a context manager."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.stand_in = self  # type: ignore[attr-defined]  # how the handler finds its way back
        self._lock = threading.Condition()
        self._posted: list[Posted] = []
        self._way = "accept"
        self.held = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def steer(self, way: str) -> None:
        """Answer in another way from now on."""
        with self._lock:
            self._way = way
            self._lock.notify_all()

    def take(self, path: str, body: Any) -> int:
        """Keep what was posted; return the status of the answer."""
        with self._lock:
            way = self._way
            if way == "hold":
                self.held += 1
                self._lock.wait_for(lambda: self._way != "hold", _HOLD_S)
                self.held -= 1
            taken = way != "refuse"
            self._posted.append(Posted(self.url + path.removesuffix("/batch/"), taken, body))
        return 200 if taken else 500

    def posted(self) -> list[Posted]:
        """Return what was posted since the last time."""
        with self._lock:
            found, self._posted = self._posted, []
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, json.dumps({"held": self._stand_in.held}).encode(), "application/json")

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/steer/"):
            self._stand_in.steer(self.path.removeprefix("/steer/"))
            self._answer(200, b"{}", "application/json")
        elif self.path.endswith("/batch/"):
            body = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
            self._answer(self._stand_in.take(self.path, body), b'{"status": "Ok"}', "application/json")
        else:
            self._answer(*answer(self.path, raw))

    @property
    def _stand_in(self) -> StandIn:
        found: StandIn = self.server.stand_in  # type: ignore[attr-defined]  # see StandIn
        return found

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""
