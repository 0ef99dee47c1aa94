"""Deliveries on a bounded pool of threads that never keep the process alive."""

import queue
import threading
import time

from posthog_llm_cli.errors import DeliveryError
from posthog_llm_cli.model import Chunk, Delivery, Outcome, Verdict
from posthog_llm_cli.transport import Deliverer

QUEUED_CHUNKS = 2
"""How many chunks may wait for a free thread: enough to keep all busy, and what memory is bounded by."""

UNSETTLED_BYTES = 24 * 1024 * 1024
"""How many bytes of events and of the records behind them may be under way, if that is fewer chunks."""

_JOIN_S = 0.5


def _weight(chunk: Chunk) -> int:
    return chunk.size + sum(len(event.raw) for event in chunk.events)


class DeliveryPool:
    """Hands chunks to daemon threads and collects their deliveries; used from the main thread.

    Not a `ThreadPoolExecutor`, whose threads the interpreter joins at exit: a hung server would hold the process. With
    `threads=0` a chunk is delivered where it is submitted.
    """

    def __init__(self, deliverer: Deliverer, *, threads: int) -> None:
        self._deliverer = deliverer
        self._threads_wanted = threads
        self._threads: list[threading.Thread] = []
        self._tasks: queue.SimpleQueue[tuple[int, Chunk] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[int, Delivery | BaseException]] = queue.SimpleQueue()
        self._unsettled: dict[int, Chunk] = {}
        self._submitted = 0
        self._stopped = threading.Event()

    @property
    def unsettled(self) -> int:
        """How many chunks were submitted and not collected yet."""
        return len(self._unsettled)

    @property
    def is_inline(self) -> bool:
        """Whether deliveries happen on the main thread."""
        return self._threads_wanted == 0

    @property
    def is_busy(self) -> bool:
        """Whether a further chunk would wait for a thread."""
        return not self.is_inline and self.unsettled >= self._threads_wanted

    @property
    def is_full(self) -> bool:
        """Whether a delivery must be collected before the next chunk is submitted."""
        if self.unsettled >= self._threads_wanted + QUEUED_CHUNKS:
            return True
        return self.unsettled > 1 and sum(map(_weight, self._unsettled.values())) >= UNSETTLED_BYTES

    def submit(self, chunk: Chunk) -> None:
        """Deliver `chunk` on a free thread, or as soon as there is one."""
        number = self._submitted
        self._submitted += 1
        self._unsettled[number] = chunk
        if self.is_inline:
            self._results.put((number, self._deliverer.deliver(chunk)))
            return
        if len(self._threads) < min(self.unsettled, self._threads_wanted):
            thread = threading.Thread(target=self._work, name=f"deliver-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._tasks.put((number, chunk))

    def collect(self, *, timeout_s: float = 0.0) -> Delivery | None:
        """Return a finished delivery, None if there is none within `timeout_s`.

        Raises: whatever `deliver()` raised, which is a bug.
        """
        try:
            number, result = self._results.get(timeout=timeout_s) if timeout_s else self._results.get_nowait()
        except queue.Empty:
            return None
        if self._unsettled.pop(number, None) is None:
            return None  # abandoned, and counted as such
        if isinstance(result, BaseException):
            raise result
        return result

    def stop(self) -> None:
        """Begin no delivery any more and end the retries; what was submitted comes back as unconfirmed."""
        self._stopped.set()
        self._deliverer.stop()

    def abandon(self) -> list[Chunk]:
        """Give up on what has no result yet, and return it; a late result is dropped."""
        chunks = list(self._unsettled.values())
        self._unsettled.clear()
        return chunks

    def close(self) -> None:
        """End the threads; those that hang are left behind after a moment."""
        self._stopped.set()
        for _ in self._threads:
            self._tasks.put(None)
        deadline = time.monotonic() + _JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            number, chunk = task
            self._results.put((number, self._deliver(chunk)))

    def _deliver(self, chunk: Chunk) -> Delivery | BaseException:
        if self._stopped.is_set():
            return unconfirmed(chunk)
        try:
            return self._deliverer.deliver(chunk)
        except BaseException as error:  # noqa: BLE001 - a bug: carried to the main thread, where collect() raises it
            return error


def unconfirmed(chunk: Chunk) -> Delivery:
    """Return the delivery of a chunk that the run's end left without an answer."""
    outcome = Outcome(Verdict.UNCONFIRMED)
    error = DeliveryError("the run was interrupted before the server had answered", hint="run it again")
    return Delivery(chunk, (outcome,) * len(chunk.events), error=error)
