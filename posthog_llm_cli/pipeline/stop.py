"""How a run is interrupted: the first signal asks it to end well, the second ends it at once.

A terminal that is closed says so by SIGHUP, to the run and through its shell, and service managers send that along with
SIGTERM: it asks as SIGTERM does, and is never the second signal. Where it was ignored (`nohup`), it stays so.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

UNHEARD = (*SIGNALS, signal.SIGUSR1)
"""What the processes of a run leave to its main one, though it may be sent to all of them: to stop, and to tell."""


class Stop:
    """Says whether a signal has asked the run to stop: `signal` is its number, `since_s` when (monotonic seconds).

    A second one that is no SIGHUP leaves by `os._exit(128 + number)`, after the actions given to `at_once`.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.since_s: float | None = None
        self._at_once: list[Callable[[], None]] = []

    def should_stop(self) -> bool:
        """Whether reading should end; cheap, for the reader to ask often."""
        return self.signal is not None

    def request(self, number: int) -> None:
        """Ask the run to stop, as the first signal does."""
        if self.signal is None:
            self.since_s = time.monotonic()
            self.signal = number

    @contextmanager
    def at_once(self, action: Callable[[], None]) -> Iterator[None]:
        """Run `action` before the process leaves at once, within this context.

        It runs inside a signal handler: it must not wait or take a lock.
        """
        self._at_once.append(action)
        try:
            yield
        finally:
            self._at_once.remove(action)

    @contextmanager
    def installed(self) -> Iterator["Stop"]:
        """Listen to the signals within this context; the main thread only."""
        is_deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        heard = [number for number in SIGNALS if number is not signal.SIGHUP or not is_deaf]
        before = {number: signal.signal(number, self._on_signal) for number in heard}
        try:
            yield self
        finally:
            for number, handler in before.items():
                # None: installed by something that is not Python, which can't be put back.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is None:
            self.request(number)
            return
        if number == signal.SIGHUP:
            return
        for action in self._at_once:
            action()
        os._exit(128 + number)
