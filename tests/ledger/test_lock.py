"""One writer at a time; the system takes the lock away from whoever dies."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from posthog_llm_cli.errors import LedgerError
from posthog_llm_cli.ledger.lock import Lock
from posthog_llm_cli.model import Settled
from tests.converting import ROOT
from tests.ledger.making import NOW, US, accepted, ids, opened

HOLDER = """
import sys, time
from pathlib import Path
from posthog_llm_cli.ledger.lock import Lock
from tests.ledger.making import NOW
lock = Lock(Path(sys.argv[1]))
lock.take(NOW)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


def holder(path: Path, seconds: float) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(seconds)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_second_run_is_told_at_once_who_holds_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with holder(path, 60) as process:
        began_s = time.monotonic()
        with pytest.raises(LedgerError) as caught:
            opened(path)
        process.kill()
    assert time.monotonic() - began_s < 5
    assert f"pid {process.pid} on {socket.gethostname()}, since 2026-11-24T12:00:00Z" in caught.value.message
    assert "--lock-wait" in (caught.value.hint or "")


def test_a_killed_holder_leaves_nothing_stale(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with holder(path, 60) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert str(process.pid) in (tmp_path / "ledger.sqlite.lock").read_text()  # and yet it is free
    with opened(path) as ledger:
        ledger.settle([Settled(US, accepted(ids(1)))])


def test_waiting_takes_the_lock_once_it_is_free_and_says_for_whom_it_waits(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    told: list[str] = []
    lock = Lock(path)
    with holder(path, 60) as process:
        threading.Timer(0.5, process.kill).start()
        lock.take(NOW, wait_s=30, on_wait=told.append)
        lock.release()
    assert len(told) == 1
    assert f"pid {process.pid} " in told[0]


def test_waiting_ends(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Lock(path) as first, Lock(path) as second:
        first.take(NOW)
        with pytest.raises(LedgerError, match=f"pid {os.getpid()} "):
            second.take(NOW, wait_s=0.3)
