"""What a run is asked to do, and what it needs from its neighbours."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from posthog_llm_cli.chunking import Bounds
from posthog_llm_cli.committed import AlreadyRead, Commit, Reached, SourceStart
from posthog_llm_cli.deadletter import DeadLetter
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.model import (
    Converted,
    ConvertOptions,
    Destination,
    Event,
    Glance,
    Historical,
    Idle,
    LogLine,
    Mark,
    Settled,
    Settlement,
    SourceRef,
)
from posthog_llm_cli.report import RunReport
from posthog_llm_cli.values import Value

ConvertLine = Callable[[LogLine, ConvertOptions], list[Converted]]
"""`convert.convert`, or a stand-in that worker processes can import by its name."""

WORKERS_AFTER_BYTES = 4 * 1024 * 1024
"""Worker processes take a fifth of a second to start: less input than this is done sooner without them."""


class Plan(Value, frozen=True):
    """How one run goes.

    `concurrency` is the number of requests in flight, 0 delivers on the main thread (mock, dry run). `workers` is
    the number of processes that convert, 1 converts in this one; they start once `workers_after_bytes` of records
    were read. `max_record` is the ceiling for one record in bytes, and so for a call that several make up. `limit`
    counts events that are no duplicates, those too that an earlier run has sent, so that the same command again sends
    no more. `linger_s` is how long an event of a slow source waits for company, `grace_s` how long deliveries may go on
    after a signal (`docker stop` kills ten seconds behind it), `late_s` how long after `max_duration_s`: as long as a
    request may take, and no retries.
    """

    convert: ConvertOptions
    bounds: Bounds
    historical: Historical
    concurrency: int = 4
    workers: int = 1
    limit: int | None = None
    max_duration_s: float | None = None
    max_record: int = 32 * 1024 * 1024
    grace_s: float = 7.0
    late_s: float = 30.0
    linger_s: float = 5.0
    workers_after_bytes: int = WORKERS_AFTER_BYTES


class Reader(Protocol):
    """Where records come from: `sources.SourceReader`, iterated on the main thread."""

    def __iter__(self) -> Iterator[LogLine | SourceError | Idle | Mark | SourceStart | AlreadyRead | Reached]: ...

    @property
    def bytes_read(self) -> int:
        """How many bytes were read so far, after decompression."""


class DeadLetters(Protocol):
    """What keeps the records that did not become accepted events: `deadletter` has two."""

    def add(self, letter: DeadLetter, /) -> bool:
        """Keep one, which is counted afterwards; return whether that has worked."""

    def sync(self) -> bool:
        """Put all of them on disk, and return whether that has worked."""


class Ledger(Protocol):
    """What earlier runs have settled: `ledger` has three. On the main thread only; everything may raise LedgerError."""

    def outcome_of(self, destination: Destination, uuid: str, /) -> Settlement | None:
        """Return how an earlier run settled an event; None: it is to be sent."""

    def note_on(self, destination: Destination, uuid: str, /) -> int:
        """Return the note (`resending.py`) on what an earlier run sent of a truncated call, 0 if there is none."""

    def is_settled(self, destination: Destination, uuid: str, /) -> bool:
        """Return whether an event is settled, by an earlier run or by this one."""

    def settle(self, settled: Sequence[Settled], commits: Sequence[Commit], /) -> None:
        """Note down what deliveries have settled, and how far sources are with it; for good when this returns."""


class Onlooker(Protocol):
    """Who makes a preview or a forecast of what a run meets: `preview` has two. On the main thread, once an event."""

    def see(self, event: Event, glance: Glance, *, is_open: bool) -> None:
        """An event that is no duplicate; `is_open` is False where an earlier run has settled it."""


class Observer(Protocol):
    """Who watches a run, on the main thread; it throttles by itself what it prints."""

    def on_rejected(self, ref: SourceRef, error: RecordError) -> None:
        """A record was rejected, by conversion or by the server."""

    def on_passed(self, ref: SourceRef, /) -> None:
        """A record was not rejected by conversion: it is an event, skipped or filtered. Called for each: be quick."""

    def on_source_error(self, error: SourceError) -> None:
        """A source ended before its end."""

    def on_progress(self, report: RunReport) -> None:
        """Some time has passed, or a delivery was settled."""
