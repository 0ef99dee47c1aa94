"""Which chunk a free thread takes next: a lane for each destination, so that one that fails holds up nobody else."""

import threading
import time
from collections import deque

from posthog_llm_cli.model import Chunk, Destination
from posthog_llm_cli.values import State, field

QUEUED_CHUNKS = 2
"""How many chunks of a destination may wait for a free thread: enough to keep all busy."""

UNSETTLED_BYTES = 14 * 1024 * 1024
"""How many bytes of events and of the records behind them may be under way, all hosts together."""

SPARE_THREADS = 16
"""How many threads more than `--concurrency` a host may hold, all its destinations together: some wait for a retry."""

MAX_THREADS = 256
"""How many threads there may be, all hosts together."""

STALLED_S = 1.0
"""A full lane out of which nothing has come for so long holds up others of its host."""


def weight(chunk: Chunk) -> int:
    """Return what a chunk holds in memory: its events, and the records behind them."""
    return chunk.size + sum(len(event.raw) for event in chunk.events)


class _Host(State):
    running: int = 0
    under_way: int = 0
    bytes: int = 0


class _Lane(State):
    """`under_way` counts what was added and not yet settled, `running` what threads hold; `queued` waits for one."""

    host: _Host
    queued: deque[tuple[int, Chunk]] = field(default_factory=deque)
    running: int = 0
    under_way: int = 0
    moved_s: float = field(default_factory=time.monotonic)


class Lanes:
    """Thread-safe: the main thread adds and settles, the threads take.

    A destination has at most `concurrency` chunks on threads and `QUEUED_CHUNKS` waiting; a host has `SPARE_THREADS`
    more at most, and an equal share of `UNSETTLED_BYTES` (but always room for one chunk). Free threads take from the
    lanes in turn.
    """

    def __init__(self, *, concurrency: int) -> None:
        self._concurrency = concurrency
        self._changed = threading.Condition()
        self._hosts: dict[str, _Host] = {}
        self._lanes: dict[Destination, _Lane] = {}
        self._turns: deque[_Lane] = deque()
        self._closed = False
        self._running = 0
        self._under_way = 0
        self._active_hosts = 0
        self._waiting = 0

    def meet(self, destination: Destination) -> None:
        """Take note that there are events for `destination`: it may need chunks soon."""
        if destination not in self._lanes:
            host = self._hosts.setdefault(destination.host, _Host())
            self._lanes[destination] = _Lane(host)

    def has_room(self, destination: Destination) -> bool:
        """Whether a chunk may be added."""
        return self._has_room(self._lanes[destination])

    def is_busy(self, destination: Destination) -> bool:
        """Whether a further chunk would wait for a thread."""
        lane = self._lanes.get(destination)
        return lane is not None and (lane.under_way >= self._concurrency or not self._has_room(lane))

    def starves_others(self, destination: Destination) -> bool:
        """Whether others could use what is read while this full lane is waited for.

        Those are destinations of a host with threads to spare; of its own host only if nothing comes out of this lane,
        for where the host itself is what all wait for, reading on would feed nobody.
        """
        lane = self._lanes[destination]
        if any(host is not lane.host and host.under_way < self._concurrency for host in self._hosts.values()):
            return True
        is_stalled = time.monotonic() - lane.moved_s >= STALLED_S
        return is_stalled and any(
            other is not lane and other.host is lane.host and self._has_room(other) for other in self._lanes.values()
        )

    def add(self, number: int, chunk: Chunk) -> None:
        """Queue a chunk for the next thread that may take it."""
        with self._changed:
            lane = self._lanes[chunk.destination]
            if not lane.under_way:
                lane.moved_s = time.monotonic()
            if not lane.queued:
                self._turns.append(lane)
            lane.queued.append((number, chunk))
            lane.under_way += 1
            self._active_hosts += not lane.host.under_way
            lane.host.under_way += 1
            self._under_way += 1
            lane.host.bytes += weight(chunk)
            self._changed.notify()

    def settle(self, chunk: Chunk) -> None:
        """A chunk is done with: its place and its bytes are free."""
        lane = self._lanes[chunk.destination]
        lane.moved_s = time.monotonic()
        lane.under_way -= 1
        lane.host.under_way -= 1
        self._active_hosts -= not lane.host.under_way
        self._under_way -= 1
        lane.host.bytes -= weight(chunk)

    def take(self) -> tuple[int, Chunk] | None:
        """Wait for a chunk that may be delivered now; None at the end. Called from a thread, which gives it back."""
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    if self._closed:
                        return None
                    if (lane := self._next()) is not None:
                        break
                    self._changed.wait()
            finally:
                self._waiting -= 1
            lane.running += 1
            lane.host.running += 1
            self._running += 1
            task = lane.queued.popleft()
            if lane.queued:
                self._turns.append(lane)
            return task

    def give_back(self, chunk: Chunk) -> None:
        """The thread that took it is free again, and takes next what has become possible: no other need be woken."""
        with self._changed:
            lane = self._lanes[chunk.destination]
            lane.running -= 1
            lane.host.running -= 1
            self._running -= 1

    def close(self) -> None:
        """Let every thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def is_full(self) -> bool:
        """Whether no chunk at all may be added."""
        return self._under_way >= MAX_THREADS + QUEUED_CHUNKS

    @property
    def needs_thread(self) -> bool:
        """Whether there are more chunks that could be delivered now than threads that wait for one."""
        with self._changed:
            idle = self._waiting
            for lane in self._turns:
                if self._may_run(lane):
                    idle -= min(len(lane.queued), self._concurrency - lane.running)
                    if idle < 0:
                        return True
            return False

    def _next(self) -> _Lane | None:
        """Return the lane whose turn it is, taken out of the turns; None where no lane may run another chunk."""
        for _ in range(len(self._turns)):
            lane = self._turns.popleft()
            if self._may_run(lane):
                return lane
            self._turns.append(lane)
        return None

    def _may_run(self, lane: _Lane) -> bool:
        return (
            lane.running < self._concurrency
            and lane.host.running < self._concurrency + SPARE_THREADS
            and self._running < MAX_THREADS
        )

    def _has_room(self, lane: _Lane) -> bool:
        host = lane.host
        if (
            lane.under_way >= self._concurrency + QUEUED_CHUNKS
            or host.under_way >= self._concurrency + SPARE_THREADS + QUEUED_CHUNKS
            or self.is_full
        ):
            return False
        share = UNSETTLED_BYTES // (self._active_hosts + (not host.under_way))
        return host.under_way == 0 or host.bytes < share
