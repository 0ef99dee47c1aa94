"""Items of the reader → what became of each line, in order: in this process, and in workers once there is much."""

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterator

from posthog_llm_cli.committed import AlreadyRead
from posthog_llm_cli.convert import to_hold
from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.model import Converted, Idle, LogLine
from posthog_llm_cli.pipeline.plan import ConvertLine, Plan
from posthog_llm_cli.pipeline.stop import Stop
from posthog_llm_cli.pipeline.workers import Task, WorkerPool
from posthog_llm_cli.values import Value

BATCH_BYTES = 512 * 1024
BATCH_LINES = 256
BATCH_AGE_S = 0.2
"""A batch for a worker leaves when it weighs this much, has so many lines, or its first line waits for so long."""

READ_AHEAD_BYTES = 4 * 1024 * 1024
"""How much may be read before its results are asked for; more only where so many workers have a full batch each.

Longer lines are so converted one at a time: each takes several times its length in its worker, and here.
"""

Item = LogLine | SourceError | Idle | AlreadyRead


class Done(Value, frozen=True):
    """A line, and what became of its records."""

    line: LogLine
    conversions: list[Converted]


def convert_all(
    items: Iterator[Item], plan: Plan, *, convert_line: ConvertLine, stop: Stop
) -> Generator[Done | SourceError | Idle | AlreadyRead]:
    """Convert every line, lazily; errors and pauses of the source keep their places between the lines.

    Workers need a quarter of a second until they can convert: until then this process goes on by itself.
    """
    read = 0
    pool: WorkerPool | None = None
    with contextlib.ExitStack() as while_converting:
        for item in items:
            if not isinstance(item, LogLine):
                yield item
                continue
            yield Done(item, list(map(to_hold, convert_line(item, plan.convert))))
            read += len(item.raw)
            if pool is None and plan.workers >= 2 and read >= plan.workers_after_bytes:
                pool = while_converting.enter_context(WorkerPool(convert_line, plan.convert, workers=plan.workers))
                while_converting.enter_context(stop.at_once(pool.kill))
            if pool is not None and pool.is_ready:
                yield from convert_in_workers(items, pool, max_batches=2 * plan.workers)
                return


def convert_in_workers(
    items: Iterator[Item], pool: WorkerPool, *, max_batches: int
) -> Generator[Done | SourceError | Idle | AlreadyRead]:
    """Convert every line in the pool, at most `max_batches` read ahead; the order is that of `items`."""
    ahead = _ReadAhead(pool, max_batches=max_batches)
    for item in items:
        match item:
            case LogLine():
                if ahead.add(item):
                    yield from ahead.take_ready()
            case SourceError() | AlreadyRead():
                ahead.add_other(item)
            case Idle():
                yield from ahead.take_all()
                yield item
    yield from ahead.take_all()


class _ReadAhead:
    """Lines that are with the workers, and the results in the order of the lines."""

    def __init__(self, pool: WorkerPool, *, max_batches: int) -> None:
        self._pool = pool
        self._max_batches = max_batches
        self._max_bytes = max(READ_AHEAD_BYTES, max_batches * BATCH_BYTES)
        self._pending: deque[Task | SourceError | AlreadyRead] = deque()
        self._pending_bytes = 0
        self._batch: list[LogLine] = []
        self._batch_bytes = 0
        self._batch_due_s = 0.0

    def add(self, line: LogLine) -> bool:
        """Take a line into the batch, and send the batch off if it is due; return whether it was."""
        now_s = time.monotonic()
        if not self._batch:
            self._batch_due_s = now_s + BATCH_AGE_S
        self._batch.append(line)
        self._batch_bytes += len(line.raw)
        if self._batch_bytes >= BATCH_BYTES or len(self._batch) >= BATCH_LINES or now_s >= self._batch_due_s:
            self._send_batch()
            return True
        return False

    def add_other(self, item: SourceError | AlreadyRead) -> None:
        """Take what a source says, which comes out after the lines before it."""
        self._send_batch()
        self._pending.append(item)

    def take_ready(self) -> Iterator[Done | SourceError | AlreadyRead]:
        """Yield what is converted; waits only where too much is pending."""
        while self._pending and (self._is_full or self._is_ready(self._pending[0])):
            yield from self._take()

    def take_all(self) -> Iterator[Done | SourceError | AlreadyRead]:
        """Yield everything that was added, waiting for it."""
        self._send_batch()
        while self._pending:
            yield from self._take()

    @property
    def _is_full(self) -> bool:
        return len(self._pending) > self._max_batches or self._pending_bytes > self._max_bytes

    def _is_ready(self, head: Task | SourceError | AlreadyRead) -> bool:
        return not isinstance(head, Task) or head.is_done or self._pool.is_broken

    def _send_batch(self) -> None:
        if self._batch:
            self._pending.append(self._pool.submit(self._batch))
            self._pending_bytes += self._batch_bytes
            self._batch = []
            self._batch_bytes = 0

    def _take(self) -> Iterator[Done | SourceError | AlreadyRead]:
        head = self._pending.popleft()
        if not isinstance(head, Task):
            yield head
            return
        yield from map(Done, head.lines, self._pool.results(head))
        self._pending_bytes -= head.size
