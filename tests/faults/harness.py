"""Real `plh` processes against real mock servers: start, limit, kill, wait, and see what was stored where.

    bench = Bench(tmp_path)
    calls = bench.write("app.jsonl", count=60, keys=KEYS)
    with MockServer(faults=Faults.parse("503:0.2")) as server:
        ran = bench.run("send", "app.jsonl", server=server)
        assert fired(server, "503")
        check_stored(bench.expected(calls, "app.jsonl"), server)

A test that kills holds a `Running` (`bench.start`): `wait_for(predicate)`, `kill()`, `end()`. What is right is never
taken from the run under test: the uuids come from `plh send --mock` on the same files.
"""

import resource
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from posthog_llm_cli.mockserver import MockServer
from posthog_llm_cli.model import mask_key
from tests.cli.forked import Forked
from tests.cli.running import PLH, environment, record

KEYS = ("phc_first_project_aaaaaaaaaaaaaaaaaaaa1111", "phc_second_project_bbbbbbbbbbbbbbbbbbb2222")
COUNTED = ("accepted", "already_sent", "duplicates", "filtered", "skipped", "rejected", "unconfirmed")
TIMEOUT_S = 200.0

_PRINTED: dict[tuple[str | bytes, ...], list[str]] = {}

Limits = Mapping[int, int]
"""Of the child process: `resource.RLIMIT_…` → the soft and hard limit."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a log: under which key it belongs, and at which host, None where the configuration decides.

    Its prompt is `padding` bytes longer than it need be.
    """

    number: int
    key: str
    host: str | None = None
    padding: int = 0

    def line(self) -> bytes:
        """Return its record: a callback's kwargs, which can name key and host."""
        dynamic = {"posthog_api_key": self.key, **({} if self.host is None else {"posthog_host": self.host})}
        more: dict[str, object] = (
            {"messages": [{"role": "user", "content": "x" * self.padding}]} if self.padding else {}
        )
        payload = record(self.number, **more)
        kwargs = {"standard_callback_dynamic_params": dynamic, "litellm_params": {}, "standard_logging_object": payload}
        return orjson.dumps(kwargs) + b"\n"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process left behind. `report` is None where it did not come to print one."""

    code: int
    out: bytes
    err: str
    seconds: float

    @property
    def report(self) -> dict[str, Any] | None:
        """The report of `--json`."""
        return orjson.loads(self.out) if self.out.startswith(b'{"schema"') else None

    @property
    def told(self) -> dict[str, Any]:
        """The report, which there must be."""
        found = self.report
        assert found is not None, f"no report; exit {self.code}: {self.err}"
        return found


class Process(Protocol):
    """What `subprocess.Popen` and `Forked` have in common."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit code. Raises subprocess.TimeoutExpired."""
        ...

    def send_signal(self, sig: int, /) -> None:
        """As `kill` does; nothing where it has ended."""
        ...

    def kill(self) -> None:
        """End it as a power failure would."""
        ...


class Running:
    """A process under way; what it prints goes to files."""

    def __init__(self, process: Process, out: Path, talk: Path) -> None:
        self.process = process
        self._out = out
        self._talk = talk
        self._began_s = time.monotonic()

    @property
    def err(self) -> str:
        """What it has said on stderr so far."""
        return self._talk.read_text()

    def wait_for(self, predicate: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
        """Wait until something is so; the process must not end before."""
        until_s = time.monotonic() + timeout_s
        while not predicate():
            assert time.monotonic() < until_s, "it did not come to that"
            assert self.process.poll() is None or predicate(), "the process ended before"
            time.sleep(0.005)

    def signal(self, number: int) -> None:
        """As `kill -NUMBER` does."""
        self.process.send_signal(number)

    def kill(self) -> Ran:
        """End it as a power failure would, and see what is left."""
        self.signal(signal.SIGKILL)
        return self.end()

    def end(self) -> Ran:
        """Wait for the end."""
        try:
            code = self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it never ended; stderr: {self.err}") from None
        return Ran(code, self._out.read_bytes(), self.err, time.monotonic() - self._began_s)


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with logs, and `plh` in it."""

    home: Path
    options: Sequence[str] = ("--json", "--chunk-events", "5", "--timeout", "2", "--workers", "1")
    started: list[Running] = field(default_factory=list)

    def write(self, name: str, *, count: int, keys: Sequence[str] = KEYS, start: int = 0) -> list[Call]:
        """Write a log of `count` calls, their keys in turn."""
        return self.write_calls(name, [Call(start + at, keys[at % len(keys)]) for at in range(count)])

    def write_calls(self, name: str, calls: Iterable[Call]) -> list[Call]:
        """Write a log of these calls; lines are added to what is there."""
        written = list(calls)
        with (self.home / name).open("ab") as file:
            file.writelines(call.line() for call in written)
        return written

    def start(
        self,
        *arguments: str,
        server: MockServer | str | None = None,
        env: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        stdin: bytes | None = None,
        command: Sequence[str] = (),
        module: str = "posthog_llm_cli",
    ) -> Running:
        """Start `plh` with `--json` and small chunks; its configured key is the first of `KEYS`.

        It is forked off (`forked.py`), which is quick; a program of its own where `limits` or another `command` are asked for. `module` is
        what runs in place of `plh`, with the same words.
        """
        url = server.url if isinstance(server, MockServer) else server
        wanted = {"POSTHOG_API_KEY": KEYS[0], **({} if url is None else {"POSTHOG_HOST": url}), **(env or {})}
        number = len(self.started)
        out, talk = self.home / f".stdout-{number}", self.home / f".stderr-{number}"
        words = [*arguments, *(self.options if "send" in arguments else ())]
        whole = environment(self.home, wanted)
        process: Process
        if resource.RLIMIT_FSIZE in (
            limits or {}
        ):  # Python writes the modules that it compiles up to the limit, and reads them so the next time
            whole["PYTHONDONTWRITEBYTECODE"] = "1"
        if limits or command:
            with out.open("wb") as out_file, talk.open("wb") as err_file:
                popen = subprocess.Popen(
                    [*_within(limits or {}), *(command or PLH), *words], cwd=self.home, env=whole,
                    stdin=subprocess.PIPE, stdout=out_file, stderr=err_file,
                )  # fmt: skip
            assert popen.stdin is not None
            with popen.stdin:
                popen.stdin.write(stdin or b"")
            process = popen
        else:
            process = Forked(words, cwd=self.home, env=whole, stdin=stdin, out=out, err=talk, module=module)
        running = Running(process, out, talk)
        self.started.append(running)
        return running

    def run(self, *arguments: str, **options: Any) -> Ran:
        """Run to the end; every report is checked for its law."""
        ran = self.start(*arguments, **options).end()
        assert "Traceback" not in ran.err, ran.err
        for key in KEYS:
            assert key not in ran.err, "no key is ever printed whole"
            assert key.encode() not in ran.out
        if ran.report is not None:
            check_law(ran.report)
            assert ran.report["exit_code"] == ran.code
        return ran

    def printed(self, calls: Sequence[Call], *names: str) -> list[str]:
        """Return the uuids that `--mock` prints of these files, which hold these calls; each once, in order.

        What it printed of the same files in another test is not asked for again.
        """
        out = self.home / ".stdout-mock"
        words = ["send", "--mock", "-q", "--allow-host", "http://127.0.0.1", *_allowed(calls), *names]
        asked = (*words, *self._contents(names))
        if asked not in _PRINTED:
            _PRINTED[asked] = self._print(words, out)
        return _PRINTED[asked]

    def _contents(self, names: Sequence[str]) -> Iterator[str | bytes]:
        for name in names:
            path = self.home / name
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                yield str(file.relative_to(self.home))
                yield file.read_bytes() if file.is_file() else b""

    def _print(self, words: Sequence[str], out: Path) -> list[str]:
        mock = Forked(words, cwd=self.home, env=environment(self.home), out=out, err=self.home / ".stderr-mock")
        assert mock.wait(TIMEOUT_S) == 0
        return [orjson.loads(line)["uuid"] for line in out.read_bytes().splitlines()]

    def expected(self, calls: Sequence[Call], *names: str) -> dict[str, set[str]]:
        """Return what must be stored in the end, masked key → uuids, as `--mock` prints the same files."""
        uuids = self.printed(calls, *names)
        assert len(uuids) == len(calls) == len(set(uuids))
        found: dict[str, set[str]] = defaultdict(set)
        for call, uuid in zip(calls, uuids, strict=True):
            found[mask_key(call.key)].add(uuid)
        return dict(found)

    def stop_all(self) -> None:
        """Leave no process behind."""
        for running in self.started:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()


def stored(*servers: MockServer) -> dict[str, Counter[str]]:
    """Return what arrived, masked key → uuids and how often."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for server in servers:
        for entry in server.events:
            found[entry["api_key"]][entry["event"]["uuid"]] += 1
    return dict(found)


def fired(server: MockServer, *kinds: str) -> bool:
    """Whether every one of these faults has fired."""
    faults = server.tally["faults"]
    return all(faults.get(kind, 0) > 0 for kind in kinds)


def check_law(report: Mapping[str, Any]) -> None:
    """Every record read is counted exactly once."""
    assert report["records"] == sum(report[name] for name in COUNTED), report


def check_identical_copies(*servers: MockServer) -> None:
    """What arrived twice must be what PostHog collapses: the same uuid, timestamp, name and distinct id."""
    seen: dict[tuple[str, str], tuple[str, str, str]] = {}
    for server in servers:
        for entry in server.events:
            event = entry["event"]
            rest = (event["event"], event["timestamp"], event["distinct_id"])
            assert seen.setdefault((entry["api_key"], event["uuid"]), rest) == rest


def check_stored(expected: Mapping[str, set[str]], *servers: MockServer) -> None:
    """Exactly the expected events are there, each under its own key, and copies are identical."""
    assert {key: set(uuids) for key, uuids in stored(*servers).items()} == dict(expected)
    check_identical_copies(*servers)


def check_nothing_foreign(expected: Mapping[str, set[str]], *servers: MockServer) -> None:
    """Nothing is there that should not be, under whichever key."""
    for key, uuids in stored(*servers).items():
        assert set(uuids) <= expected.get(key, set())
    check_identical_copies(*servers)


def _allowed(calls: Iterable[Call]) -> list[str]:
    hosts = sorted({call.host for call in calls if call.host is not None})
    return [word for host in hosts for word in ("--allow-host", host)]


def _within(limits: Limits) -> list[str]:
    """Return the words of a command that sets the limits and becomes what follows: no fork of a process with threads."""
    program = "import os,resource,sys;{};os.execv(sys.argv[1],sys.argv[1:])".format(
        ";".join(f"resource.setrlimit({what},({most},{most}))" for what, most in limits.items())
    )
    return [sys.executable, "-c", program] if limits else []
