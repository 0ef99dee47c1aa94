"""Deliveries on threads that never keep the process alive: each destination has its own lane."""

import queue
import threading
import time
from collections.abc import Iterator

from posthog_llm_cli.errors import DeliveryError
from posthog_llm_cli.model import Chunk, Delivery, Destination, Outcome, Verdict
from posthog_llm_cli.pipeline.lanes import Lanes
from posthog_llm_cli.pipeline.shelf import Shelf
from posthog_llm_cli.transport import Deliverer

_JOIN_S = 0.5


class DeliveryPool:
    """Hands chunks to daemon threads and collects their deliveries; used from the main thread.

    Not a `ThreadPoolExecutor`, whose threads the interpreter joins at exit: a hung server would hold the process. With
    `threads=0` a chunk is delivered where it is submitted.

    What is under way is bounded for each destination (`lanes.py`). A chunk over that bound waits on disk (`shelf.py`)
    while others could use what is read meanwhile; where nobody could, or the shelf is full, `submit()` refuses it, and
    the reader waits. So a destination that hangs costs the others neither time nor memory.
    """

    def __init__(self, deliverer: Deliverer, *, threads: int, shelf: Shelf | None = None) -> None:
        self._deliverer = deliverer
        self._is_inline = threads == 0
        self._lanes = Lanes(concurrency=threads)
        self._shelf = shelf if shelf is not None else Shelf()
        self._threads: list[threading.Thread] = []
        self._results: queue.SimpleQueue[tuple[int, Delivery | BaseException]] = queue.SimpleQueue()
        # What is waited for in place of the queue, whose `get(timeout)` has no end where a signal comes as the time is
        # over (Python before 3.13).
        self._has_result = threading.Event()
        self._unsettled: dict[int, Chunk] = {}
        self._submitted = 0
        self._stopped = threading.Event()
        self._has_abandoned = False

    @property
    def unsettled(self) -> int:
        """How many chunks were submitted and not collected yet."""
        return len(self._unsettled) + len(self._shelf)

    @property
    def is_inline(self) -> bool:
        """Whether deliveries happen on the main thread."""
        return self._is_inline

    def meet(self, destination: Destination) -> None:
        """Take note that there are events for `destination`, so that others do not hold up the reading for it."""
        self._lanes.meet(destination)

    def is_busy(self, destination: Destination) -> bool:
        """Whether a further chunk of `destination` would wait for a thread."""
        return not self._is_inline and (self._shelf.has(destination) or self._lanes.is_busy(destination))

    def submit(self, chunk: Chunk) -> bool:
        """Deliver `chunk` as soon as its turn comes; return False where a delivery must be collected before."""
        destination = chunk.destination
        self._lanes.meet(destination)
        if self._is_inline:
            number = self._note(chunk)
            self._results.put((number, self._deliverer.deliver(chunk)))
            return True
        if not self._shelf.has(destination) and self._lanes.has_room(destination):
            self._queue(chunk)
            return True
        return self._shelf.has_room and self._lanes.starves_others(destination) and self._shelf.put(chunk)

    def collect(self, *, timeout_s: float = 0.0) -> Delivery | None:
        """Return a finished delivery, None if there is none within `timeout_s`.

        Raises: whatever `deliver()` raised, which is a bug.
        """
        if timeout_s:
            self._has_result.clear()
            if self._results.empty():
                self._has_result.wait(timeout_s)
        try:
            number, result = self._results.get_nowait()
        except queue.Empty:
            return None
        chunk = self._unsettled.pop(number, None)
        if chunk is None:
            return None  # abandoned, and counted as such
        if isinstance(result, BaseException):
            raise result
        if not self._is_inline:
            self._lanes.settle(chunk)
            self._unshelve()
        return result

    def stop(self) -> None:
        """Begin no delivery any more and end the retries; what was submitted comes back as unconfirmed."""
        self._stopped.set()
        self._deliverer.stop()

    def take_shelved(self) -> Iterator[Chunk]:
        """Take back what still waits on disk."""
        return self._shelf.take_all()

    def abandon(self) -> Iterator[Chunk]:
        """Give up on what has no result yet, and yield it; a late result is dropped."""
        chunks = list(self._unsettled.values())
        self._has_abandoned = bool(chunks)
        self._unsettled.clear()
        for chunk in chunks:
            if not self._is_inline:
                self._lanes.settle(chunk)
            yield chunk
        yield from self._shelf.take_all()

    def close(self) -> None:
        """End the threads; those that hang are left behind, after a moment if none was waited for before."""
        self._stopped.set()
        self._lanes.close()
        deadline = time.monotonic() + (0.0 if self._has_abandoned else _JOIN_S)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._shelf.close()

    def _note(self, chunk: Chunk) -> int:
        self._submitted += 1
        self._unsettled[self._submitted] = chunk
        return self._submitted

    def _queue(self, chunk: Chunk) -> None:
        self._lanes.add(self._note(chunk), chunk)
        if self._lanes.needs_thread:
            thread = threading.Thread(target=self._work, name=f"deliver-{len(self._threads)}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads: those that there are do it
                if not self._threads:
                    raise
            else:
                self._threads.append(thread)

    def _unshelve(self) -> None:
        """Take chunks up from disk for the lanes that have room again, a whole lane's worth at once."""
        for destination in list(self._shelf.destinations):
            if self._lanes.is_full:
                return
            while self._shelf.has(destination) and self._lanes.has_room(destination):
                self._queue(self._shelf.take(destination))

    def _work(self) -> None:
        while (task := self._lanes.take()) is not None:
            number, chunk = task
            result = self._deliver(chunk)
            self._lanes.give_back(chunk)
            self._results.put((number, result))
            self._has_result.set()

    def _deliver(self, chunk: Chunk) -> Delivery | BaseException:
        if self._stopped.is_set():
            return unconfirmed(chunk)
        try:
            return self._deliverer.deliver(chunk)
        except BaseException as error:  # noqa: BLE001 - a bug: carried to the main thread, where collect() raises it
            return error


def unconfirmed(chunk: Chunk, reason: str = "the run was interrupted before the server had answered") -> Delivery:
    """Return the delivery of a chunk that the run's end left without an answer."""
    outcome = Outcome(Verdict.UNCONFIRMED)
    error = DeliveryError(reason, hint="run it again")
    return Delivery(chunk, (outcome,) * len(chunk.events), error=error)
