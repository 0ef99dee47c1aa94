"""Stand-ins for the pipeline's neighbours that keep to their interfaces; importable by worker processes."""

import contextlib
import os
import random
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from posthog_llm_cli.chunking import Bounds
from posthog_llm_cli.deadletter import DeadLetter
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.model import (
    BuildOptions,
    Chunk,
    Converted,
    ConvertOptions,
    Delivery,
    Destination,
    Endpoint,
    Event,
    Filtered,
    Historical,
    Idle,
    LogLine,
    Outcome,
    ParseContext,
    Skipped,
    SourceRef,
    Verdict,
)
from posthog_llm_cli.pipeline import Plan
from posthog_llm_cli.pipeline import workers as workers_module
from posthog_llm_cli.report import Mode, RunReport

WORKS = workers_module._PROGRAM
"""What stands in the command line of a worker process."""

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMESPACE = uuid.UUID(int=7)
ACCEPTED = Outcome(Verdict.ACCEPTED)
UNCONFIRMED = Outcome(Verdict.UNCONFIRMED)
REFUSED = Outcome(Verdict.REJECTED, "server-refused", "the server said no")

OPTIONS = ConvertOptions(
    ParseContext(run_started_at=NOW, timezone=UTC),
    BuildOptions(destination=None, default_host="https://a.example", run_started_at=NOW),
)


def plan(**changes: object) -> Plan:
    values: dict[str, object] = {
        "convert": OPTIONS,
        "bounds": Bounds(10, 100_000),
        "historical": Historical.AUTO,
        "concurrency": 2,
        "grace_s": 0.5,
        **changes,
    }
    return Plan(**values)  # type: ignore[arg-type]  # the tests name Plan's own fields


def report() -> RunReport:
    return RunReport("run-1", Mode.SEND)


def line(text: str | bytes, number: int = 1) -> LogLine:
    raw = text.encode() if isinstance(text, str) else text
    return LogLine(SourceRef("app.jsonl", number, number * 100), raw)


def lines(texts: Iterable[str]) -> list[LogLine]:
    return [line(text, number) for number, text in enumerate(texts, 1)]


def event_uuid(name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, name))


def event(name: str, where: str = "a", *, age_h: int = 1, ref: SourceRef | None = None, raw: bytes = b"") -> Event:
    return Event(
        uuid=event_uuid(name),
        name="$ai_generation",
        distinct_id=name,
        timestamp=NOW - timedelta(hours=age_h),
        destination=Destination(f"https://{where}.example", f"phc_{where * 8}"),
        properties=b'{"$ai_model":"m"}',
        legacy_properties=b'"$x":1',
        v1_members=b'"options":{}',
        ref=ref if ref is not None else SourceRef("app.jsonl", 1, 0),
        raw=raw,
        model=f"model-{name}",
    )


def convert(log_line: LogLine, options: ConvertOptions) -> list[Converted]:
    """Words of a line are its records: `e:NAME[:HOST[:AGE_H]]`, `skip`, `filtered`, `bad`; others are commands."""
    if log_line.problem is not None:
        return [Converted(log_line.ref, log_line.problem)]
    words = log_line.raw.decode().split()
    return [_convert(word, log_line, alone=len(words) == 1) for word in words]


def _convert(word: str, log_line: LogLine, *, alone: bool) -> Converted:
    ref = log_line.ref
    raw = None if alone else word.encode()
    match word.split(":"):
        case ["e", name, *rest]:
            where, age_h = (*rest, *("a", "1")[len(rest) :])
            made = event(name, where, age_h=int(age_h), ref=ref, raw=log_line.raw if raw is None else raw)
            return Converted(ref, made, "litellm", ("no-user",), raw, ("model",))
        case ["skip"]:
            return Converted(ref, Skipped("health-check", "a probe"), "litellm", raw=raw)
        case ["filtered"]:
            return Converted(ref, Filtered(), "openai-chat", raw=raw)
        case ["bad"]:
            return Converted(ref, RecordError("missing-field", "expected a time and found none", path="$.t"), raw=raw)
        case ["pid"]:
            return Converted(ref, Skipped("not-a-model-call", str(os.getpid())), raw=raw)
        case ["slow", seconds]:
            time.sleep(float(seconds))
            return Converted(ref, Skipped("not-a-model-call", "slow"), raw=raw)
        case ["killed-in-worker", marker]:
            if WORKS in sys.orig_argv:
                Path(marker).write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            return Converted(ref, Skipped("not-a-model-call", "survived"), raw=raw)
        case ["bug"]:
            raise ZeroDivisionError("a bug in conversion")
    raise AssertionError(f"the fake knows no {word!r}")


def workers(pid: int | None = None) -> set[int]:
    """Return the worker processes of a process, of this one if none is named."""
    found: set[int] = set()
    for task in Path(f"/proc/{os.getpid() if pid is None else pid}/task").iterdir():
        children = ""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ends just now
            children = (task / "children").read_text()
        for child in map(int, children.split()):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if WORKS.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    found.add(child)
    return found


Entry = LogLine | SourceError | Idle | Callable[[], object]
"""What a source may hold: an item, or what happens in its place, which may return an item."""


def delayed(delay_s: float, item: LogLine) -> Callable[[], LogLine]:
    """Return an entry that takes its time."""

    def arrive() -> LogLine:
        time.sleep(delay_s)
        return item

    return arrive


@dataclass
class Source:
    """A reader over entries."""

    items: Iterable[Entry]
    bytes_read: int = 0
    taken: int = 0

    def __iter__(self) -> Iterator[LogLine | SourceError | Idle]:
        for item in self.items:
            found = item() if callable(item) else item
            if not isinstance(found, LogLine | SourceError | Idle):
                continue
            self.taken += 1
            if isinstance(found, LogLine):
                self.bytes_read += len(found.raw) + 1
            yield found


@dataclass
class Letters:
    letters: list[DeadLetter] = field(default_factory=list)

    def add(self, letter: DeadLetter) -> bool:
        self.letters.append(letter)
        return True

    def sync(self) -> bool:
        return True


@dataclass
class Watcher:
    rejected: list[tuple[str, str]] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    source_errors: list[SourceError] = field(default_factory=list)
    progressed: int = 0
    threads: set[int] = field(default_factory=set)

    def on_rejected(self, ref: SourceRef, error: RecordError) -> None:
        self.threads.add(threading.get_ident())
        self.rejected.append((str(ref), error.code))

    def on_passed(self, ref: SourceRef) -> None:
        self.passed.append(str(ref))

    def on_source_error(self, error: SourceError) -> None:
        self.source_errors.append(error)

    def on_progress(self, report: RunReport) -> None:
        self.threads.add(threading.get_ident())
        self.progressed += 1


@dataclass
class Recorder:
    """Accepts every event, or what `judge` says of it; takes `takes_s` for a chunk."""

    judge: Callable[[Event], Outcome] = lambda _event: ACCEPTED
    takes_s: float = 0.0
    chunks: list[Chunk] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    stopped: int = 0
    at_once: int = 0
    peak: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, chunk: Chunk) -> Delivery:
        with self._lock:
            self.threads.add(threading.get_ident())
            self.at_once += 1
            self.peak = max(self.peak, self.at_once)
        time.sleep(self.takes_s)
        with self._lock:
            self.at_once -= 1
            self.chunks.append(chunk)
        return Delivery(chunk, tuple(self.judge(event) for event in chunk.events), requests=1, endpoint=Endpoint.V1)

    def stop(self) -> None:
        self.stopped += 1

    def close(self) -> None:
        pass

    @property
    def uuids(self) -> list[str]:
        return [event.uuid for chunk in self.chunks for event in chunk.events]


@dataclass
class Hung:
    """Never answers; `stop()` ends the waiting unless it is `deaf`, as a socket without a timeout is."""

    deaf: bool = False
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    stopped_at_s: float | None = None
    _told: threading.Event = field(default_factory=threading.Event)
    _forever: threading.Event = field(default_factory=threading.Event)

    def deliver(self, chunk: Chunk) -> Delivery:
        self.entered.release()
        (self._forever if self.deaf else self._told).wait()
        return Delivery(chunk, (UNCONFIRMED,) * len(chunk.events), requests=1)

    def stop(self) -> None:
        self.stopped_at_s = time.monotonic()
        self._told.set()

    def close(self) -> None:
        pass

    def let_go(self) -> None:
        self._forever.set()


def judge_by(seed: int) -> Callable[[Event], Outcome]:
    """A verdict for each event that depends on its uuid and the seed only."""

    def judge(event: Event) -> Outcome:
        return random.Random(f"{seed}{event.uuid}").choice([ACCEPTED, ACCEPTED, REFUSED, UNCONFIRMED])

    return judge
