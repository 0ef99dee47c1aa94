"""How far a run is: rows at the foot of a terminal, one dated line a minute elsewhere, and at SIGUSR1 at once.

The main thread only counts: now and then it leaves a `Progress` in the gauge, and other threads print it. So a run that
waits (for a server, a silent pipe, the ledger's lock) answers, and printing costs it nothing.
"""

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import Enum, auto
from types import FrameType
from typing import IO, Any, Self, TextIO, cast

from posthog_llm_cli.cli.talk import Talk, silence
from posthog_llm_cli.model import HostLoad
from posthog_llm_cli.pipeline.stop import UNHEARD
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.report.progress import Meter, Progress, RetrySoFar, Underway, panel, status
from posthog_llm_cli.transport import RetryNotice

SIGNAL = signal.SIGUSR1
"""Asks a run how far it is."""

_EVERY_S = 60.0
_READ_EVERY_S = 0.2
_FRAMES_PER_S = 4
_JOIN_S = 1.0
_WIDTH = 80
"""Of a terminal that does not tell its columns."""

_SHOW_CURSOR = b"\x1b[?25h"
_FULL, _HALF, _EMPTY = "━", "╸", "─"
_PLAIN = {_FULL: "=", _HALF: "-", _EMPTY: "."}


class Retries:
    """What is known of retries while their deliveries are under way. Thread-safe."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._number = 0
        self._last: dict[str, tuple[RetryNotice, float]] = {}

    def add(self, notice: RetryNotice) -> None:
        """Take note of a request that failed and goes out again."""
        with self._lock:
            self._number += 1
            self._last[notice.host] = notice, self._monotonic() + notice.wait_s

    def so_far(self) -> tuple[int, tuple[RetrySoFar, ...]]:
        """Return how many there were, and the last one of each host."""
        now_s = self._monotonic()
        with self._lock:
            return self._number, tuple(_retry(notice, due_s - now_s) for notice, due_s in self._last.values())


def _retry(notice: RetryNotice, wait_s: float) -> RetrySoFar:
    return RetrySoFar(notice.host, notice.attempt, notice.max_retries, max(0.0, wait_s), notice.reason)


class Gauge:
    """Holds how far a run is: the main thread writes, any thread reads. Called for each progress of the pipeline.

    `read_so_far` tells the bytes read on disk of `total` (None: not known), `retries` and `loads` what deliveries do.
    """

    def __init__(
        self,
        *,
        total: int | None,
        read_so_far: Callable[[], int],
        retries: Retries | None = None,
        loads: Callable[[], Sequence[HostLoad]] = tuple,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._meter = Meter(total)
        self._read_so_far = read_so_far
        self._retries = retries if retries is not None else Retries()
        self._loads = loads
        self._monotonic = monotonic
        self._due_s = 0.0
        self.latest: Progress | None = None
        """None before the first record."""

    def __call__(self, report: RunReport) -> None:
        """Take the counts, if some time has passed since they were taken."""
        now_s = self._monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + _READ_EVERY_S
            self.latest = self._meter.read(report, raw_bytes=self._read_so_far())

    @property
    def under_way(self) -> Underway:
        """What deliveries do at this moment."""
        return Underway(tuple(self._loads()), *self._retries.so_far())


# ------------------------------------------------------------------------------------------------------ dated lines


class _Word(Enum):
    """What the thread that prints is told."""

    TELL = auto()
    END = auto()


class Teller:
    """Prints how far the run is, from a thread of its own: whenever SIGUSR1 comes, and every minute without a bar.

    A context for the main thread. The signal's handler only puts a word into a queue that is made for it, so that it
    may come at any moment, also inside of itself. What was asked for is printed where `talk` is quiet, too.
    """

    def __init__(self, talk: Talk, mode: Mode, *, every_s: float = _EVERY_S) -> None:
        self._talk = talk
        self._mode = mode
        self._every_s = every_s
        self._gauge: Gauge | None = None
        self._is_regular = False
        self._asked: queue.SimpleQueue[_Word] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._tell, name="progress", daemon=True)
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = signal.signal(SIGNAL, self._on_signal)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(SIGNAL, signal.SIG_DFL if self._before is None else self._before)
        self._asked.put(_Word.END)
        self._thread.join(_JOIN_S)

    @contextmanager
    def of(self, gauge: Gauge, *, is_regular: bool) -> Iterator[None]:
        """Tell what `gauge` holds; `is_regular` also without being asked, every minute."""
        self._gauge, self._is_regular = gauge, is_regular
        try:
            yield
        finally:
            self._is_regular = False

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._asked.put(_Word.TELL)

    def _tell(self) -> None:
        # Before Python 3.13, `get(timeout)` has no end where a signal comes to its thread as the time is over.
        signal.pthread_sigmask(signal.SIG_BLOCK, UNHEARD)
        while True:
            try:
                word = self._asked.get(timeout=self._every_s)
            except queue.Empty:
                if self._is_regular:
                    self._talk.say(*self._lines()[:1])
                continue
            if word is _Word.END:
                return
            for line in self._lines():
                self._talk.note(line)

    def _lines(self) -> list[str]:
        """Return the line of now, dated, and what stands below it."""
        gauge = self._gauge
        latest = gauge.latest if gauge is not None else None
        told = ["nothing read yet"] if gauge is None or latest is None else [*status(latest, gauge.under_way)]
        return [f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {self._mode.value}: {told[0]}", *told[1:]]


# --------------------------------------------------------------------------------------------- the terminal's last rows


@contextmanager
def bar(talk: Talk, gauge: Gauge) -> Iterator[None]:
    """Show what the gauge holds in the last rows of the terminal, until the context ends; they go away then."""
    from rich.console import Console  # noqa: PLC0415 - loaded only where there is a terminal to draw on
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(
        file=cast("IO[str]", _Terminal(sys.stderr)), force_terminal=True, no_color=not talk.colour, highlight=False
    )
    plain = not _can_show(getattr(sys.stderr, "encoding", None))

    def rows() -> Text:
        now = gauge.latest
        if now is None:
            return Text("looking at the sources …")
        width = talk.width or _WIDTH
        lines = panel(now, gauge.under_way, width=width, bar=lambda share, columns: _bar(share, columns, plain=plain))
        return Text.from_ansi("\n".join(lines), no_wrap=True, overflow="ellipsis")

    live = Live(
        get_renderable=rows,
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        refresh_per_second=_FRAMES_PER_S,
    )
    talk.through = lambda line: console.print(Text.from_ansi(line), soft_wrap=True)
    try:
        with live:
            yield
    finally:
        talk.through = None


def show_cursor() -> None:
    """Give the terminal its cursor back, from inside a signal handler."""
    with suppress(OSError):  # the terminal is gone
        os.write(2, _SHOW_CURSOR)


class _Terminal:
    """stderr as a terminal that may be closed at any time, which stops no run: from then on nothing is drawn."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding
        self.isatty, self.fileno = stream.isatty, stream.fileno

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            silence(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            silence(self._stream)


def _bar(share: float, columns: int, *, plain: bool) -> str:
    """Draw a bar; what is done and what is left are told apart by their strokes, and by colour where there is any."""
    halves = int(2 * columns * share)
    done = _FULL * (halves // 2) + _HALF * (halves % 2)
    left = _EMPTY * (columns - len(done))
    if plain:
        done, left = ("".join(_PLAIN[stroke] for stroke in part) for part in (done, left))
    return f"\x1b[32m{done}\x1b[0m\x1b[2m{left}\x1b[0m"


def _can_show(encoding: str | None) -> bool:
    try:
        (_FULL + _HALF + _EMPTY).encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
