"""A process for the signal tests to stop: `python -m tests.pipeline.driver SCENARIO`.

It prints one JSON line once it is under way (`{"workers": [pid, …]}`), and its report when it ends by itself.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count

from posthog_llm_cli.model import Chunk, Delivery, LogLine
from posthog_llm_cli.pipeline import Plan, Stop, send
from posthog_llm_cli.pipeline.workers import WorkerPool
from posthog_llm_cli.transport import Deliverer
from tests.pipeline import fakes


class Silence:
    """Delivers to a server that takes the connection and never says a word."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))

    def deliver(self, chunk: Chunk) -> Delivery:
        with socket.create_connection(self._server.getsockname()) as connection:
            connection.sendall(b"POST")
            connection.recv(1)
        raise AssertionError("the server spoke")

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self._server.close()


class Endless:
    """A reader that goes on until it is told to stop; says that it is under way after `announce_after` lines."""

    def __init__(self, text: str, stop: Stop, *, announce_after: int) -> None:
        self.bytes_read = 0
        self._text = text
        self._stop = stop
        self._announce_after = announce_after

    def __iter__(self) -> Iterator[LogLine]:
        for number in count(1):
            if self._stop.should_stop():
                return
            yield fakes.line(self._text.format(number), number)
            if number == self._announce_after:
                announce()
            time.sleep(0.0005)


def announce() -> None:
    say({"workers": sorted(fakes.workers())})


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main(scenario: str) -> int:
    WorkerPool.is_ready = True  # type: ignore[method-assign,assignment] # or the lines are over before one is
    stop = Stop()
    deliverer: Deliverer = fakes.Recorder()
    plan: Plan = fakes.plan(grace_s=30.0)
    text = "e:{} skip"
    announce_after = 100
    match scenario:
        case "steady":
            pass
        case "workers":
            plan = fakes.plan(grace_s=30.0, workers=2, workers_after_bytes=1)
            announce_after = 600
        case "busy-workers":
            plan = fakes.plan(grace_s=30.0, workers=2, workers_after_bytes=1)
            text, announce_after = "slow:0.05", 600
        case "silent-server":
            plan = fakes.plan(grace_s=0.5)
            deliverer, announce_after = Silence(), -1
            # The main thread is held up long before the reader would announce anything.
            threading.Timer(0.5, announce).start()
    report = fakes.report()
    with stop.installed():
        send(
            Endless(text, stop, announce_after=announce_after),
            plan,
            deliverer=deliverer,
            dead_letters=fakes.Letters(),
            report=report,
            observer=fakes.Watcher(),
            stop=stop,
            convert_line=fakes.convert,
        )
    say(report.as_dict())
    return int(report.exit_code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
