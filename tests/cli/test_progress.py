"""How far a run is: told every minute, and whenever SIGUSR1 asks, whatever the run waits for."""

import io
import os
import pty
import re
import select
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import orjson
import pyte
import pytest

from posthog_llm_cli.cli.progress import Gauge, Retries, Teller
from posthog_llm_cli.cli.talk import Talk
from posthog_llm_cli.config.display import Display
from posthog_llm_cli.mockserver import Faults, MockServer
from posthog_llm_cli.model import HostLoad
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.transport import RetryNotice
from tests.cli.running import KEY, PLH, Ran, environment, lines, record, run, write_log

PLAIN = Display(colour=None, dumb=True)
DATED = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ send: "
TIMEOUT_S = 60.0


class Asked:
    """`plh` under way, its stdin an open pipe; what it says is read as it comes."""

    def __init__(self, home: Path, *arguments: str, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [*PLH, *arguments], cwd=home, env=environment(home, env), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self.err = ""
        self._heard = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._heard:
                self.err += line.decode()
                self._heard.notify_all()

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until it has said that."""
        with self._heard:
            found = self._heard.wait_for(lambda: re.search(pattern, self.err), timeout=TIMEOUT_S)
        assert found is not None, self.err
        return found

    def ask_until(self, pattern: str) -> None:
        """Ask again and again, until the answer is that."""
        wait_for(lambda: catches(self.process.pid, signal.SIGUSR1))  # not before the interpreter itself has begun
        until_s = time.monotonic() + TIMEOUT_S
        while re.search(pattern, self.err) is None:
            assert time.monotonic() < until_s, self.err
            assert self.process.poll() is None, self.err
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(0.1)

    def end(self) -> Ran:
        """End its input, and wait for it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.stdout is not None
        out = self.process.stdout.read().decode()
        code = self.process.wait(TIMEOUT_S)
        self._reader.join()
        return Ran(code, out, self.err)


@contextmanager
def asked(home: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Asked]:
    running = Asked(home, *arguments, env=env or {})
    try:
        yield running
    finally:
        running.process.kill()
        running.end()
        for stream in (running.process.stdout, running.process.stderr):
            assert stream is not None
            stream.close()


def to(server: MockServer) -> dict[str, str]:
    return {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url}


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal (Linux)."""
    caught = re.search(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    assert caught is not None
    return bool(int(caught[1], 16) >> (number - 1) & 1)


def wait_for(condition: Callable[[], object]) -> None:
    until_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.01)


# ---------------------------------------------------------------------------------------------------- real processes


@pytest.mark.parametrize("wish", [("--json",), ("--quiet",)])
def test_it_answers_while_it_waits_for_a_silent_pipe_and_stdout_stays_clean(
    home: Path, server: MockServer, wish: tuple[str, ...]
) -> None:
    with asked(home, "send", "-", *wish, env=to(server)) as running:
        running.write(lines(record(1), b"{broken"))
        running.ask_until(DATED + r"2 records.*, [01] accepted, 1 rejected, 0 retried, 0 unconfirmed")
        ran = running.end()
    assert ran.code == 3
    if wish == ("--json",):
        assert orjson.loads(ran.out)["accepted"] == 1
    else:
        assert ran.out == ""


def test_it_answers_while_it_waits_for_a_server_and_tells_what_is_retried(home: Path) -> None:
    write_log(home, 3)
    with (
        MockServer(faults=Faults.parse("503:1:20s")) as server,
        asked(home, "send", "app.jsonl", env=to(server)) as running,
    ):
        running.ask_until(
            DATED + r"3 records.*, 0 accepted, .*, 1 retried, .*, 3 under way, .*, \d requests? at once.*\n"
            r"  retry 1 of 8 in \d+ s: http://127.0.0.1:\d+ answered 503"
        )
        assert len(server.requests) >= 1


def test_it_answers_while_it_waits_for_the_ledgers_lock(home: Path, server: MockServer) -> None:
    write_log(home, 1)
    with asked(home, "send", "-", env=to(server)) as first:
        first.write(lines(record(7)))
        first.ask_until(DATED + "1 record")
        with asked(home, "send", "app.jsonl", "--lock-wait", "60", env=to(server)) as second:
            second.until("waiting for another run that holds the ledger")
            second.ask_until(DATED + "nothing read yet")
            assert first.end().code == 0
            assert second.end().code == 0


def test_the_signal_to_the_whole_group_ends_no_worker(home: Path, server: MockServer) -> None:
    numbers = count()
    with asked(home, "send", "-", "--workers", "2", env=to(server)) as running:
        for _ in range(60):
            running.write(lines(record(next(numbers), note="x" * 100_000)))
        wait_for(lambda: len(children(running.process.pid)) >= 2)
        before = children(running.process.pid)
        os.killpg(running.process.pid, signal.SIGUSR1)
        running.until(DATED)
        running.write(lines(record(next(numbers))))
        ran_before = children(running.process.pid)
        ran = running.end()
    assert ran_before == before
    assert (ran.code, len(server.events)) == (0, next(numbers))
    assert "tracker" not in ran.err


def children(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


@pytest.mark.parametrize("arguments", [("formats",), ("--version",), ("validate", "app.jsonl")])
def test_a_command_that_is_no_run_is_not_ended_by_it(home: Path, arguments: tuple[str, ...]) -> None:
    write_log(home, 1)
    assert run(home, *arguments, env={"PYTHONSTARTUP": ""}).code == 0
    code = (
        "import os, signal, sys; from posthog_llm_cli import __main__ as m; w = sys.stdout.write; "
        "sys.argv[1:] = sys.argv[1:]; before = signal.signal; "
        "signal.signal = lambda n, h: (before(n, h), n == signal.SIGUSR1 and os.kill(os.getpid(), n))[0]; m.main()"
    )
    ended = subprocess.run(
        [PLH[0], "-c", code, *arguments], cwd=home, env=environment(home), capture_output=True, timeout=60, check=False
    )
    assert ended.returncode == 0


# ------------------------------------------------------------------------------------------------ without a process


def gauge_of(
    report: RunReport, *, loads: Callable[[], Sequence[HostLoad]] = tuple, retries: Retries | None = None
) -> Gauge:
    gauge = Gauge(total=10_000, read_so_far=lambda: 5_000, loads=loads, retries=retries)
    gauge(report)
    return gauge


def test_off_a_terminal_a_dated_line_comes_again_and_again_without_being_asked() -> None:
    stream = io.StringIO()
    gauge = gauge_of(RunReport("r", Mode.SEND, records=1204, accepted=1190, unconfirmed=14))
    with Teller(Talk(stream, PLAIN), Mode.SEND, every_s=0.01) as teller, teller.of(gauge, is_regular=True):
        wait_for(lambda: stream.getvalue().count("\n") >= 2)
    for line in stream.getvalue().splitlines():
        assert re.fullmatch(DATED + r"1,204 records, 1,190 accepted, .*, 50 %, 5\.0 kB of 10\.0 kB", line)


def test_beside_a_bar_and_in_a_quiet_run_no_line_comes_without_being_asked() -> None:
    for quiet, is_regular in ((True, True), (False, False)):
        stream = io.StringIO()
        talk = Talk(stream, PLAIN, quiet=quiet)
        teller = Teller(talk, Mode.SEND, every_s=0.001)
        with teller, teller.of(gauge_of(RunReport("r", Mode.SEND, records=7)), is_regular=is_regular):
            signal.raise_signal(signal.SIGUSR1)
            wait_for(stream.getvalue)
            signal.raise_signal(signal.SIGUSR1)
            wait_for(lambda stream=stream: stream.getvalue().count("\n") >= 2)  # type: ignore[misc]
        assert len(stream.getvalue().splitlines()) == 2


def test_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with Teller(Talk(io.StringIO(), PLAIN), Mode.SEND):
        assert signal.getsignal(signal.SIGUSR1) != before
    assert signal.getsignal(signal.SIGUSR1) == before


def test_the_gauge_takes_the_counts_a_few_times_a_second_however_often_it_is_told() -> None:
    now_s = 0.0
    asked_for_bytes = 0

    def read_so_far() -> int:
        nonlocal asked_for_bytes
        asked_for_bytes += 1
        return 0

    gauge = Gauge(total=None, read_so_far=read_so_far, monotonic=lambda: now_s)
    for _ in range(10_000):
        now_s += 0.001
        gauge(RunReport("r", Mode.SEND))
    assert 10 <= asked_for_bytes <= 51


def test_a_retry_is_told_with_what_is_left_of_its_wait() -> None:
    now_s = 100.0
    retries = Retries(monotonic=lambda: now_s)
    retries.add(RetryNotice("https://a.example", 1, 8, 4.0, "answered 503"))
    retries.add(RetryNotice("https://a.example", 2, 8, 4.0, "answered 503"))
    now_s = 103.0
    number, (last,) = retries.so_far()
    assert (number, last.attempt, last.wait_s) == (2, 2, 1.0)
    now_s = 200.0
    assert retries.so_far()[1][0].wait_s == 0.0


# ------------------------------------------------------------------------------------------------------ on a terminal


class OnTerminal:
    """`plh` under way on a pseudo-terminal, and what the terminal shows, emulated."""

    def __init__(self, home: Path, *arguments: str, columns: int, env: dict[str, str]) -> None:
        self._leader, follower = pty.openpty()
        termios.tcsetwinsize(follower, (40, columns))
        self.process = subprocess.Popen(
            [*PLH, *arguments], cwd=home, env=environment(home, {**env, "TERM": "xterm-256color"}), stdin=subprocess.DEVNULL,
            stdout=follower, stderr=follower, start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        self.screen = pyte.Screen(columns, 40)
        self._stream = pyte.ByteStream(self.screen)

    @property
    def rows(self) -> list[str]:
        return [row.rstrip() for row in self.screen.display if row.strip()]

    def until(self, pattern: str) -> None:
        """Read on until the terminal shows it."""
        until_s = time.monotonic() + TIMEOUT_S
        while re.search(pattern, "\n".join(self.rows)) is None:
            assert time.monotonic() < until_s, self.rows
            assert self._read(), self.rows

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        while self._read():
            pass
        return self.process.wait(TIMEOUT_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._leader)

    def _read(self) -> bool:
        if not select.select([self._leader], [], [], 0.2)[0]:
            return True
        try:
            self._stream.feed(os.read(self._leader, 65536))
        except OSError:  # Linux: the other side has closed
            return False
        return True


@pytest.mark.parametrize("columns", [80, 160])
def test_the_last_rows_of_a_terminal_tell_what_is_retried_and_go_away(home: Path, columns: int) -> None:
    write_log(home, 3)
    with MockServer(faults=Faults.parse("503:1:20s")) as server:
        running = OnTerminal(home, "send", "-y", "app.jsonl", columns=columns, env=to(server))
        with closing(running):
            running.until(r"━.* 100 % .*\n(.*\n)*.*3 under way,(.*\n)*.* retry 1 of 8 in \d+ s: http")
            assert len(running.rows) <= (5 if columns == 80 else 4)
            running.process.send_signal(signal.SIGUSR1)
            running.until(DATED + r"3 records")
            running.until(r"\n━.* 100 % ")
            dated = next(at for at, row in enumerate(running.rows) if re.match(DATED, row))
            assert dated < next(at for at, row in enumerate(running.rows) if row.startswith("━"))
            assert len(server.requests) >= 1
            if columns == 80:  # once: what is in flight gets its seconds
                running.process.send_signal(signal.SIGTERM)
                assert running.end() == 143
                assert not any("━" in row for row in running.rows)
                assert any(row.startswith("next: the same again") for row in running.rows)
                assert not running.screen.cursor.hidden
