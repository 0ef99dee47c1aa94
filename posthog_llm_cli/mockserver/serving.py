"""`serve`: the mock server in the foreground, with a readable list of what arrives, until a signal ends it."""

import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import TextIO

from posthog_llm_cli.mockserver.display import request_lines, tally_lines
from posthog_llm_cli.mockserver.faults import Faults
from posthog_llm_cli.mockserver.judging import Incoming
from posthog_llm_cli.mockserver.server import MockServer
from posthog_llm_cli.mockserver.store import SeenRequest

_POLL_S = 0.2
"""How long the main thread may wait: a signal that comes as it begins to, or to another thread, does not wake it."""


class _Listing:
    """Prints from many threads, whole lines at a time; a reader that has gone ends the run."""

    def __init__(self, out: TextIO, stop: threading.Event) -> None:
        self._out = out
        self._stop = stop
        self._lock = threading.Lock()
        self.broken: BrokenPipeError | None = None

    def print(self, lines: Sequence[str]) -> None:
        with self._lock:
            if self.broken is not None:
                return
            try:
                self._out.write("".join(f"{_encodable(line, self._out)}\n" for line in lines))
                self._out.flush()
            except BrokenPipeError as error:
                self.broken = error
                self._stop.set()

    def on_request(self, seen: SeenRequest, events: Sequence[Incoming], duplicates: Sequence[bool]) -> None:
        self.print(request_lines(seen, events, duplicates))


def _encodable(line: str, out: TextIO) -> str:
    encoding = getattr(out, "encoding", None) or "utf-8"
    return line.encode(encoding, "replace").decode(encoding)


def serve(host: str, port: int, fail: str, seed: int, out: TextIO) -> None:
    """Serve until SIGINT or SIGTERM, then print the tally and return. For the main thread only.

    The first line, `listening on http://… …`, is written when requests can come. Output is plain lines without control
    characters, flushed one by one. A second signal ends the process at once.

    Raises:
        ValueError: `fail` is no list of faults.
        OSError: the address is taken or is none. As BrokenPipeError: whoever read `out` has gone.
    """
    faults = Faults.parse(fail)
    stop = threading.Event()
    listing = _Listing(out, stop)
    server = MockServer(host, port, faults=faults, seed=seed, observer=listing.on_request)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    try:
        for number in before:
            signal.signal(number, end)
        with server:
            on_order = f", faults on order: {fail}" if faults.kinds else ""
            listing.print([f"listening on {server.url} (seed {seed}{on_order})"])
            while not stop.wait(_POLL_S):
                pass
        listing.print(["stopped", *tally_lines(server.tally)])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
    if listing.broken is not None:
        raise listing.broken
