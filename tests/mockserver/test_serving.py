import io
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from posthog_llm_cli.mockserver import MockServer, serve
from posthog_llm_cli.mockserver.show import main
from tests.mockserver.posting import KEY, PATHS, event, post

_SERVE = """
import sys
from posthog_llm_cli.mockserver import serve
serve("127.0.0.1", 0, sys.argv[1], 7, sys.stdout)
"""


@contextmanager
def served(fail: str = "", *, program: str = _SERVE) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A mock server in a process of its own, its output a pipe: the process, and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, fail],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={"PYTHONIOENCODING": "utf-8"},
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.match(r"listening on (http://127\.0\.0\.1:\d+) \(seed 7", first)
        assert found, first
        yield process, found[1]
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_0_and_a_tally(number: signal.Signals) -> None:
    with served() as (process, url):
        for route in PATHS:
            assert post(url, route, event(), event()).status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (0, "")
    lines = out.splitlines()
    assert [line for line in lines if line.startswith("    $ai_generation  gpt-4o")] == lines[1:3] + lines[4:6] + lines[
        7:9
    ]
    assert lines[9:11] == ["stopped", lines[10]]
    assert lines[10].startswith("6 events in 3 requests")
    assert all(line.isprintable() for line in lines)
    assert KEY not in out


def test_a_signal_ends_it_while_requests_hang() -> None:
    with served("hang:1") as (process, url):
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as waiting:
            waiting.sendall(b"POST /batch/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            assert process.stdout is not None
            assert "hang on order" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (0, "")
        assert "faults fired: hang 1" in out


_HEARD_BY_ANOTHER_THREAD = """
import signal
import sys
from posthog_llm_cli.mockserver import serve

class Deaf:
    encoding = "utf-8"
    flush = sys.stdout.flush

    def write(self, text):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        return sys.stdout.write(text)

serve("127.0.0.1", 0, sys.argv[1], 7, Deaf())
"""


def test_a_signal_that_does_not_wake_the_main_thread_ends_it_too() -> None:
    """It came as the waiting began, or to another thread."""
    with served(program=_HEARD_BY_ANOTHER_THREAD) as (process, _):
        time.sleep(0.5)  # until it waits
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (0, "")
    assert out.startswith("stopped")


def test_lines_are_flushed_as_they_come() -> None:
    with served() as (process, url):
        assert process.stdout is not None
        for _ in range(3):
            post(url, "batch", event())
            assert "/batch/" in process.stdout.readline()
            assert "gpt-4o" in process.stdout.readline()


def test_the_first_line_names_the_faults_and_the_tally_counts_them() -> None:
    with served("503:1") as (process, url):
        assert post(url, "batch", event()).status_code == 503
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
    assert "503 (503 on order)" in out
    assert "faults fired: 503 1" in out


def test_a_reader_that_goes_away_ends_it() -> None:
    with served() as (process, url):
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        assert post(url, "batch", event()).status_code == 200
        process.wait(timeout=10)
        assert process.stderr is not None
        assert "BrokenPipeError" in process.stderr.read()  # the command's error boundary ends it quietly


@pytest.mark.parametrize("fail", ["teapot:1", "429:2"])
def test_bad_faults_are_a_value_error_before_anything_listens(fail: str) -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="expected"):
        serve("127.0.0.1", 0, fail, 7, out)
    assert out.getvalue() == ""


def test_a_taken_port_is_an_os_error_and_the_signals_are_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with MockServer() as server, pytest.raises(OSError, match="in use"):
        serve("127.0.0.1", urlsplit(server.url).port or 0, "", 7, io.StringIO())
    assert signal.getsignal(signal.SIGINT) is before


# -------------------------------------------------------------------------------------------------------------- show


def test_show_lists_what_arrived(server: MockServer) -> None:
    for route in PATHS:
        post(server.url, route, event(), event())
    out, errors = io.StringIO(), io.StringIO()
    assert main([server.url + "/"], out, errors) == 0
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines[1:7]] == ["v1", "v1", "ai-batch", "ai-batch", "batch", "batch"]
    assert lines[7].startswith("  6 events in 3 requests (")
    assert errors.getvalue() == ""
    assert KEY not in out.getvalue()


def test_show_says_how_many_came_before(server: MockServer) -> None:
    post(server.url, "batch", *(event() for _ in range(50)))
    out = io.StringIO()
    assert main([server.url], out, io.StringIO()) == 0
    assert "… 10 before these" in out.getvalue()


def test_show_fails_where_nothing_arrived_or_nobody_listens(server: MockServer) -> None:
    out, errors = io.StringIO(), io.StringIO()
    assert main([server.url], out, errors) == 1
    with MockServer() as gone:
        url = gone.url
    assert main([url], out, errors) == 1
    assert "expected a mock server and found none" in errors.getvalue()
    assert main([], out, errors) == main(["ftp://x"], out, errors) == 2


def test_time_passes_only_where_it_must() -> None:
    took_s: list[float] = []
    for _ in range(5):  # one of them is not held up by what else the machine does
        began_s = time.monotonic()
        with MockServer():
            pass
        took_s.append(time.monotonic() - began_s)
    assert min(took_s) < 0.5
