"""One writer at a time: an advisory lock (flock) on a file beside the ledger.

The system takes the lock away from whoever dies, so a killed run leaves nothing stale. What stands in the file (pid,
host and start of the holder) is for people; whether it is locked does not depend on it. The file stays where it is: a
lock on a file that was removed would exclude nobody.
"""

import fcntl
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from posthog_llm_cli.errors import LedgerError
from posthog_llm_cli.ledger.files import beside, make_folder, translated
from posthog_llm_cli.values import Value, asdict

_POLL_S = 0.1
_INTRODUCTION_S = 0.5
"""How long the holder may take, after it has the lock, to say who it is."""

_FILE_MODE = 0o600
_MOST_BYTES = 4096


class Holder(Value, frozen=True):
    """Who has the lock."""

    pid: int
    host: str
    started_at: str

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}, since {self.started_at}"


class Lock:
    """Holds the lock of the ledger at `path`, from `take` to `release`."""

    def __init__(self, path: Path) -> None:
        self._ledger = path
        self._path = beside(path, ".lock")
        self._descriptor: int | None = None
        self._is_held = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def take(
        self, now: datetime, *, wait_s: float = 0.0, on_wait: Callable[[str], None] = lambda _holder: None
    ) -> None:
        """Take the lock, within `wait_s`; `on_wait` is told once whom we wait for.

        Raises:
            LedgerError: another run holds it, or the file cannot be made.
        """
        with translated(self._ledger):
            make_folder(self._path.parent)
            self._descriptor = descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        try:
            self._wait(descriptor, wait_s, on_wait)
            holder = Holder(os.getpid(), socket.gethostname(), f"{now:%Y-%m-%dT%H:%M:%SZ}")
            with translated(self._ledger):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, orjson.dumps(asdict(holder)) + b"\n", 0)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let the next one have it."""
        if self._descriptor is not None:
            if self._is_held:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, 0)
            self._is_held = False
            os.close(self._descriptor)
            self._descriptor = None

    def _wait(self, descriptor: int, wait_s: float, on_wait: Callable[[str], None]) -> None:
        until_s = time.monotonic() + wait_s
        told = False
        while not self._try(descriptor):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise self._held(descriptor)
            if not told:
                on_wait(_holder(descriptor))
                told = True
            time.sleep(min(_POLL_S, left_s))

    def _try(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            with translated(self._ledger):
                raise error from None
        self._is_held = True
        return True

    def _held(self, descriptor: int) -> LedgerError:
        return LedgerError(
            f"{self._ledger}: expected the ledger free and found that another run holds it: {_holder(descriptor)}",
            hint="let it finish, or wait for it with --lock-wait SECONDS; nothing was read or sent",
        )


def _holder(descriptor: int) -> str:
    """Say who holds the lock; a holder that has just taken it may need a moment to say so."""
    until_s = time.monotonic() + _INTRODUCTION_S
    while True:
        try:
            return str(Holder(**orjson.loads(os.pread(descriptor, _MOST_BYTES, 0))))
        except (orjson.JSONDecodeError, TypeError):
            if time.monotonic() >= until_s:
                return "it does not say who it is"
            time.sleep(_POLL_S / 2)
