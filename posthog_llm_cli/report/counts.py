"""`RunReport`: every record read is counted exactly once, and the law that says so is checked after every run."""

import signal
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from posthog_llm_cli.committed import Committed
from posthog_llm_cli.errors import DeliveryError, ExitCode, KeyRefused, LedgerError, SourceError, Unreachable
from posthog_llm_cli.model import Delivery, Destination, Endpoint, Event, Verdict
from posthog_llm_cli.report.advice import Advice, advise
from posthog_llm_cli.report.callless import Callless
from posthog_llm_cli.report.models import Models
from posthog_llm_cli.values import State, field

SCHEMA = "plh.report/1"


class Mode(StrEnum):
    """What a run was asked to do; the value stands in the report."""

    SEND = "send"
    DRY_RUN = "dry-run"
    MOCK = "mock"
    VALIDATE = "validate"
    PREVIEW = "preview"


MEANT = {
    Mode.SEND: "accepted",
    Mode.DRY_RUN: "to send",
    Mode.MOCK: "printed",
    Mode.VALIDATE: "convertible",
    Mode.PREVIEW: "to send",
}
"""What an accepted event is called where people read of it: only `send` has a server's word for it."""


class Destined(State):
    """The counts of one destination, in all and by model: what its models say adds up to what it says itself.

    `rejected` are those that the server refused; a record that cannot become an event has no destination. What was not
    read again for it is settled is no part of `already_sent` here, for nobody looked whose it is.
    """

    destination: Destination
    endpoint: Endpoint | None = None
    accepted: int = 0
    unconfirmed: int = 0
    chunks: int = 0
    bytes: int = 0
    concurrency: int = 0
    peak_concurrency: int = 0
    error: DeliveryError | None = None
    rejected: int = 0
    already_sent: int = 0
    duplicates: int = 0
    models: Models = field(default_factory=Models)


class AlreadyReadCounts(State):
    """What was not read again, for an earlier run had settled it as a whole: parts of sources, in decompressed bytes.

    Its `records` are counted as `already_sent`; `calls` are those of them that `--limit` counts.
    """

    sources: int = 0
    records: int = 0
    calls: int = 0
    bytes: int = 0

    def add(self, committed: Committed) -> None:
        """Count one source's part."""
        self.sources += 1
        self.records += committed.records
        self.calls += committed.calls
        self.bytes += committed.offset


class RunReport(State):
    """The counts of one run, filled by the pipeline on the main thread only.

    The law: `records = accepted + already_sent + duplicates + filtered + skipped + rejected + unconfirmed`.
    """

    run_id: str
    mode: Mode
    records: int = 0
    accepted: int = 0
    already_sent: int = 0
    duplicates: int = 0
    filtered: int = 0
    unconfirmed: int = 0
    bytes_read: int = 0
    requests: int = 0
    retries: int = 0
    elapsed_s: float = 0.0
    already_read: AlreadyReadCounts = field(default_factory=AlreadyReadCounts)
    formats: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    skips: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    coverage_by_format: dict[str, Counter[str]] = field(default_factory=dict)
    destinations: dict[Destination, Destined] = field(default_factory=dict)
    source_errors: list[SourceError] = field(default_factory=list)
    callless: Callless = field(default_factory=Callless)
    dead_letter: str | None = None
    letters_unwritten: int = 0
    import_id: str | None = None
    interrupted_by: int | None = None
    out_of_time: bool = False
    limit_reached: bool = False
    ledger_error: LedgerError | None = None
    forecast: dict[str, Any] | None = None
    """Of a rehearsal: what the send will do, as JSON (`preview.figures.Forecast`)."""

    @property
    def to_mend(self) -> str | None:
        """What must be in order before the same run again can end in another way; None where time alone may do it."""
        errors = [counts.error for counts in self.destinations.values()]
        if any(isinstance(error, KeyRefused) for error in errors):
            return "the key or the quota"
        return "the host" if any(isinstance(error, Unreachable) for error in errors) else None

    @property
    def rejected(self) -> int:
        """How many records cannot become an event, or were refused for good."""
        return self.rejections.total()

    @property
    def skipped(self) -> int:
        """How many records were understood and are no call to send."""
        return self.skips.total()

    @property
    def calls_known(self) -> int:
        """How many calls an earlier run has settled, of what was read and of what was not."""
        return self.already_sent - self.already_read.records + self.already_read.calls

    def destined(self, destination: Destination) -> Destined:
        """Return the counts of `destination`, begun at its first mention."""
        return self.destinations.setdefault(destination, Destined(destination))

    @property
    def coverage(self) -> Counter[str]:
        """The facts of all calls, whatever their format."""
        return sum(self.coverage_by_format.values(), Counter())

    @property
    def advice(self) -> list[Advice]:
        """What the log lacks, and where it is switched on: for the modes that collect coverage."""
        if self.mode not in (Mode.VALIDATE, Mode.PREVIEW):
            return []
        return list(advise(self.coverage_by_format, self.rejections, records=self.records))

    def add_facts(self, format_: str, facts: Iterable[str]) -> None:
        """Count the facts of one call (`model.Fact`) under its format."""
        self.coverage_by_format.setdefault(format_, Counter()).update(facts)

    def add_already_read(self, committed: Committed) -> None:
        """Count a part of a source that is not read again: its records are settled."""
        self.records += committed.records
        self.already_sent += committed.records
        self.already_read.add(committed)

    def add_unconfirmed(self, event: Event) -> None:
        """Count one event that is neither sent nor known to be settled."""
        self.unconfirmed += 1
        counts = self.destined(event.destination)
        counts.unconfirmed += 1
        counts.models.of(event.model).unconfirmed += 1

    def add_already_sent(self, event: Event) -> None:
        """Count one event that an earlier run has settled."""
        self.already_sent += 1
        counts = self.destined(event.destination)
        counts.already_sent += 1
        counts.models.of(event.model).already_sent += 1

    def add_duplicate(self, event: Event) -> None:
        """Count one event that this run has met before."""
        self.duplicates += 1
        counts = self.destined(event.destination)
        counts.duplicates += 1
        counts.models.of(event.model).duplicates += 1

    def add_convertible(self, event: Event) -> None:
        """Count one event as accepted that nobody delivers (`validate`)."""
        self.accepted += 1
        self.events[event.name] += 1
        counts = self.destined(event.destination)
        counts.accepted += 1
        counts.models.of(event.model).accepted += 1

    def add_delivery(self, delivery: Delivery) -> None:
        """Count a chunk's outcomes; rejected ones by their code."""
        counts = self.destined(delivery.chunk.destination)
        counts.chunks += 1
        counts.bytes += delivery.chunk.size
        counts.endpoint = delivery.endpoint or counts.endpoint
        counts.error = _graver(counts.error, delivery.error)
        counts.concurrency = delivery.concurrency or counts.concurrency
        counts.peak_concurrency = max(counts.peak_concurrency, delivery.peak_concurrency)
        self.requests += delivery.requests
        self.retries += delivery.retries
        for event, outcome in zip(delivery.chunk.events, delivery.outcomes, strict=True):
            tally = counts.models.of(event.model)
            match outcome.verdict:
                case Verdict.ACCEPTED:
                    self.accepted += 1
                    counts.accepted += 1
                    tally.accepted += 1
                    self.events[event.name] += 1
                case Verdict.REJECTED:
                    self.rejections[outcome.code or "server-refused"] += 1
                    counts.rejected += 1
                    tally.rejected += 1
                case Verdict.UNCONFIRMED:
                    self.unconfirmed += 1
                    counts.unconfirmed += 1
                    tally.unconfirmed += 1
            if outcome.warning is not None:
                self.warnings["server-warning"] += 1

    def assert_law(self) -> None:
        """Raise AssertionError unless every record read was counted exactly once."""
        counted = (
            self.accepted
            + self.already_sent
            + self.duplicates
            + self.filtered
            + self.skipped
            + self.rejected
            + self.unconfirmed
        )
        if counted != self.records:
            raise AssertionError(f"the report's law is broken: {self.records} records read, {counted} counted")

    @property
    def exit_code(self) -> ExitCode:
        """The run's exit code; when several apply: 7, a signal, 6, 5, 4, 3; 2 where letters could not be written."""
        if self.ledger_error is not None:
            return ExitCode.LEDGER
        if self.interrupted_by is not None:
            return ExitCode.INTERRUPTED if self.interrupted_by == signal.SIGINT else ExitCode.TERMINATED
        if any(isinstance(counts.error, KeyRefused) for counts in self.destinations.values()):
            return ExitCode.KEY_REFUSED
        if self.unconfirmed or self.out_of_time:
            return ExitCode.INCOMPLETE
        if self.letters_unwritten:
            return ExitCode.USAGE
        if self.source_errors:
            return ExitCode.SOURCE
        if self.rejected:
            return ExitCode.REJECTED
        return ExitCode.OK

    def as_dict(self) -> dict[str, Any]:
        """Return the report as `--json` prints it. Keys are only ever added; counts of zero are left out of objects."""
        return {
            "schema": SCHEMA,
            "run_id": self.run_id,
            "mode": self.mode.value,
            "exit_code": int(self.exit_code),
            "records": self.records,
            "accepted": self.accepted,
            "already_sent": self.already_sent,
            "duplicates": self.duplicates,
            "filtered": self.filtered,
            "skipped": self.skipped,
            "rejected": self.rejected,
            "unconfirmed": self.unconfirmed,
            "already_read": {
                "sources": self.already_read.sources,
                "records": self.already_read.records,
                "bytes": self.already_read.bytes,
            },
            "bytes_read": self.bytes_read,
            "requests": self.requests,
            "retries": self.retries,
            "elapsed_s": round(self.elapsed_s, 3),
            "formats": _nonzero(self.formats),
            "events": _nonzero(self.events),
            "rejections": _nonzero(self.rejections),
            "skips": _nonzero(self.skips),
            "warnings": _nonzero(self.warnings),
            "coverage": _nonzero(self.coverage),
            "coverage_by_format": {name: _nonzero(counts) for name, counts in sorted(self.coverage_by_format.items())},
            "advice": [_advice(advice) for advice in self.advice],
            "destinations": [_destination(counts) for counts in self.destinations.values()],
            "source_errors": [
                {"code": error.code, "source": error.uri, "message": error.message} for error in self.source_errors
            ],
            "import_id": self.import_id,
            "dead_letter": self.dead_letter,
            "letters_unwritten": self.letters_unwritten,
            **({} if self.forecast is None else {"forecast": self.forecast}),
        }


def _graver(before: DeliveryError | None, after: DeliveryError | None) -> DeliveryError | None:
    """Return why a destination has unconfirmed events: what ended it outweighs what came of requests under way."""
    if isinstance(before, KeyRefused) or (isinstance(before, Unreachable) and not isinstance(after, KeyRefused)):
        return before
    return after or before


def _nonzero(counts: Counter[str]) -> dict[str, int]:
    return {key: counts[key] for key in sorted(counts) if counts[key]}


def _advice(advice: Advice) -> dict[str, Any]:
    return {
        "format": advice.format,
        "missing": advice.missing,
        "calls": advice.calls,
        "of": advice.of,
        "advice": advice.text,
    }


def _destination(counts: Destined) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "host": counts.destination.host,
        "api_key": counts.destination.masked_key,
        "endpoint": counts.endpoint.value if counts.endpoint else None,
        "accepted": counts.accepted,
        "unconfirmed": counts.unconfirmed,
        "rejected": counts.rejected,
        "already_sent": counts.already_sent,
        "duplicates": counts.duplicates,
        "models": counts.models.as_list(),
    }
    if counts.models.others is not None:
        entry["other_models"] = counts.models.others.as_dict()
    if counts.peak_concurrency:
        entry["concurrency"] = counts.concurrency
        entry["peak_concurrency"] = counts.peak_concurrency
    if counts.error is not None:
        entry["error"] = counts.error.message
    return entry
