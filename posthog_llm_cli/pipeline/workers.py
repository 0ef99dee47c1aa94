"""Conversion in worker processes: lines go out in batches, results come back in their order.

Not a `ProcessPoolExecutor`: that one ends its processes with SIGTERM when one of them dies, and then waits for them;
these ignore SIGTERM, because a service manager sends it to all processes of a run, and what was read is still to be
converted. Nor does `multiprocessing` start them: it would start one more, to tidy up what none of them has.
"""

import contextlib
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from posthog_llm_cli.convert import to_hold
from posthog_llm_cli.model import Converted, ConvertOptions, LogLine
from posthog_llm_cli.pipeline.buffers import SharedBuffer
from posthog_llm_cli.pipeline.memory import WORKER_KEPT_BYTES, WORKER_LARGE_BYTES, collect_rarely, give_back_early
from posthog_llm_cli.pipeline.stop import UNHEARD
from posthog_llm_cli.pipeline.wire import Unpacker, dumps, loads, pack_lines, pack_results, unpack_lines

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from posthog_llm_cli.pipeline.plan import ConvertLine  # what a plan imports, no worker needs

_TURN_S = 0.001
"""So long a thread that serves a worker waits for one that computes (usually 5 ms); its worker has no work then."""

_POLL_S = 0.2
_JOIN_S = 2.0
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[4:]; from posthog_llm_cli.pipeline.workers import work; "
    "work(*map(int, sys.argv[1:4]))"
)
"""What a worker runs, with its descriptors and where its modules are found: where this process finds them."""


class Task:
    """One batch of lines; `results` has one list for each line once `is_done`, None if the worker was lost."""

    def __init__(self, lines: Sequence[LogLine]) -> None:
        self.lines = lines
        self.size = sum(len(line.raw) for line in lines)
        self.results: list[list[Converted]] | None = None
        self._done = threading.Event()

    @property
    def is_done(self) -> bool:
        """Whether a worker has answered, or was lost over it."""
        return self._done.is_set()

    def finish(self, results: list[list[Converted]] | None) -> None:
        """Set the results; called from the thread of the worker."""
        self.results = results
        self._done.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the results; return whether they are there."""
        return self._done.wait(timeout_s)


class WorkerPool:
    """Processes that convert batches. Use it as a context manager, from the main thread.

    A worker that dies (out of memory, killed), or that meets a bug, breaks the pool: its batch and all later ones are
    converted in this process, where a bug shows with its own traceback. Nothing is lost and the order stays.
    """

    def __init__(self, convert_line: "ConvertLine", options: ConvertOptions, *, workers: int) -> None:
        self._convert_line = convert_line
        self._options = options
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._ready = threading.Event()
        self._broken = threading.Event()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._threads: list[threading.Thread] = []
        self._turn_s = sys.getswitchinterval()
        sys.setswitchinterval(_TURN_S)
        try:
            with _signals_blocked():
                for _ in range(workers):
                    self._start_worker()
        except (OSError, RuntimeError):  # no more processes, threads or descriptors: this process converts alone
            self._broken.set()
            self._end_processes()  # which takes up no place that deliveries need

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(_JOIN_S)
        self._end_processes()
        sys.setswitchinterval(self._turn_s)

    @property
    def is_ready(self) -> bool:
        """Whether a worker has started, or was lost."""
        return self._ready.is_set() or self.is_broken

    @property
    def is_broken(self) -> bool:
        """Whether a worker was lost, and conversion is back in this process."""
        return self._broken.is_set()

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [process.pid for process in self._processes]

    def submit(self, lines: Sequence[LogLine]) -> Task:
        """Have a batch converted by the next free worker."""
        task = Task(lines)
        if not self.is_broken:  # nobody would take it, and the queue would hold it
            self._tasks.put(task)
        return task

    def results(self, task: Task) -> Iterator[list[Converted]]:
        """Wait for a batch and yield what became of each line; converts it here if its worker was lost."""
        while not task.is_done and not self.is_broken:
            task.wait(_POLL_S)
        if task.results is not None:
            yield from task.results
        else:
            for line in task.lines:
                yield list(map(to_hold, self._convert_line(line, self._options)))

    def kill(self) -> None:
        """End the processes at once. They hold nothing: what they convert is still here. Safe in a signal handler."""
        for process in self._processes:
            process.kill()

    def _end_processes(self) -> None:
        self.kill()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_JOIN_S)

    def _start_worker(self) -> None:
        from multiprocessing.connection import Pipe  # noqa: PLC0415 - where there is much to convert

        # A new program: a forked copy of a process with threads may deadlock on a lock that one of them held.
        with contextlib.ExitStack() as on_failure:
            there, back = (on_failure.enter_context(contextlib.closing(SharedBuffer())) for _ in range(2))
            ours, theirs = Pipe()
            on_failure.callback(ours.close)
            with contextlib.closing(theirs):  # so that the worker's death is the end of the pipe
                handed = (theirs.fileno(), there.fileno(), back.fileno())
                process = subprocess.Popen(  # noqa: S603 - this program
                    [sys.executable, "-c", _PROGRAM, *map(str, handed), *sys.path], pass_fds=handed
                )
            on_failure.pop_all()
        there.handed_over()
        back.handed_over()
        self._processes.append(process)
        thread = threading.Thread(target=self._serve, args=(ours, there, back), daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve(self, connection: "Connection[Any, Any]", there: SharedBuffer, back: SharedBuffer) -> None:
        """Feed one worker; its thread reads while the worker writes, so neither waits for the other."""
        unpacker = Unpacker()
        with connection, contextlib.closing(there), contextlib.closing(back):
            try:
                connection.send_bytes(dumps((self._convert_line, self._options)))
                connection.recv_bytes()
            except (EOFError, OSError):
                self._broken.set()
                return
            self._ready.set()
            while (task := self._tasks.get()) is not None:
                results = None
                try:
                    connection.send_bytes(pack_lines(task.lines, there))
                    results = unpacker.results(connection.recv_bytes(), task.lines, back)
                except (EOFError, OSError):
                    return
                finally:
                    if results is None:
                        self._broken.set()
                    task.finish(results)


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Start processes that never see the run's signals, not even before they can say so: the mask is inherited."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, UNHEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ------------------------------------------------------------------------------------------- in the worker process


def work(connection_descriptor: int, there_descriptor: int, back_descriptor: int) -> None:
    """Convert what comes until nothing comes any more; the first message says how, and is answered."""
    for number in UNHEARD:
        signal.signal(number, signal.SIG_IGN)
    # Whatever goes wrong here ends the worker in silence: the main process converts the batch again, meets the bug
    # itself, and its traceback is the one to read.
    with contextlib.suppress(Exception):
        _let_go_of_stdin(connection_descriptor, there_descriptor, back_descriptor)
        threading.Thread(target=_end_with_parent, args=(connection_descriptor,), daemon=True).start()
        from multiprocessing import connection as connections  # noqa: PLC0415 - for workers only

        connection: Connection[Any, Any] = connections.Connection(connection_descriptor)
        there, back = SharedBuffer.of(there_descriptor), SharedBuffer.of(back_descriptor)
        give_back_early(WORKER_LARGE_BYTES, kept_bytes=WORKER_KEPT_BYTES)
        convert_line, options = loads(connection.recv_bytes())
        collect_rarely()
        connection.send_bytes(b"ready")
        while True:
            lines = unpack_lines(connection.recv_bytes(), there)
            connection.send_bytes(pack_results(((line, convert_line(line, options)) for line in lines), back))


def _let_go_of_stdin(*handed: int) -> None:
    """Have nothing in place of the run's stdin, whose writer must see when the run has ended.

    Not while the worker is started: in a run without stdin, 0 may be one of the descriptors that it is handed.
    """
    if 0 not in handed:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        if nothing:
            os.close(nothing)


def _end_with_parent(connection_descriptor: int) -> None:
    """End at once when the other end of the connection does, over whatever batch."""
    waiting = select.poll()
    waiting.register(connection_descriptor, 0)  # an end is told to everybody, asked for or not
    waiting.poll()
    os._exit(1)
