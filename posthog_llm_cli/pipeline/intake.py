"""Reading, converting and counting: what `send` and `validate` have in common."""

import hashlib
import math
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from enum import Enum, auto
from typing import assert_never

from posthog_llm_cli.committed import AlreadyRead, Reached, SourceStart
from posthog_llm_cli.deadletter import DeadLetter
from posthog_llm_cli.errors import LedgerError, RecordError, SourceError
from posthog_llm_cli.formats.dead_letter import MARK
from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.model import (
    Converted,
    Destination,
    Event,
    Filtered,
    Idle,
    LogLine,
    Mark,
    Settlement,
    Skipped,
    SourceRef,
)
from posthog_llm_cli.pipeline.conversion import Done, Item, convert_all
from posthog_llm_cli.pipeline.plan import ConvertLine, DeadLetters, Ledger, Observer, Onlooker, Plan, Reader
from posthog_llm_cli.pipeline.stop import Stop
from posthog_llm_cli.pipeline.tracker import Tracker
from posthog_llm_cli.report import RunReport
from posthog_llm_cli.resending import as_whole, note_of
from posthog_llm_cli.seen import SeenIds
from posthog_llm_cli.values import Value, field

TICK_S = 0.1

_TRUNCATED = "stream-truncated"

_MOST_LEFT = 100_000
"""How many rejected events are held in memory for letters that may follow; letters in a run of their own need none."""

_MOST_COPIED = 100_000
"""Of how many letters that are rejected again it is known that further copies need not be kept."""


class Beat(Enum):
    """A moment to look after what is open: at least every `TICK_S` of a busy source, or when a live one has paused."""

    TICK = auto()
    IDLE = auto()


class Intake(Value, frozen=True, kw_only=True):
    """What becomes of records before delivery. Everything but new events is counted here and is then done with."""

    reader: Reader
    plan: Plan
    report: RunReport
    observer: Observer
    dead_letters: DeadLetters
    ledger: Ledger
    stop: Stop
    convert_line: ConvertLine
    joiner: Joiner
    seen: SeenIds
    tracker: Tracker
    began_s: float
    onlooker: Onlooker | None = None
    """Sees events where `plan.convert.glance` is set."""
    left_rejected: set[tuple[Destination, str]] = field(default_factory=set)
    """Events that stay rejected, unless a dead letter in this run takes them up again."""
    copied: set[bytes] = field(default_factory=set)
    """Digests of records from letters that are kept again: of copies, of which folders of letters are full, one is."""
    truncated: dict[tuple[Destination, str], int] = field(default_factory=dict)
    """Events that are under way, of calls whose stream has no end yet, with the notes on them (`resending.py`)."""

    def events(self) -> Generator[Event | Beat]:
        """Yield the events to deliver, with their raw record, and beats between them; ends exactly at the limit."""
        if self.plan.limit == 0:
            self.report.limit_reached = True
            return
        yielded = 0
        tick_s = time.monotonic()
        converted = convert_all(self._items(), self.plan, convert_line=self.convert_line, stop=self.stop)
        with closing(converted):
            for item in converted:
                match item:
                    case Done():
                        for event in self._open_events(item, yielded):
                            yield event
                            yielded += 1
                    case AlreadyRead():
                        self.report.add_already_read(item.committed)
                    case SourceError():
                        # Its traceback would hold what was being read, for as long as the report lives.
                        self.report.source_errors.append(item.with_traceback(None))
                        self.observer.on_source_error(item)
                    case Idle():
                        self.progress()
                        yield Beat.IDLE
                    case _:
                        assert_never(item)
                if self._is_enough(yielded):
                    self.report.limit_reached = True
                    return
                if (now_s := time.monotonic()) >= tick_s:
                    tick_s = now_s + TICK_S
                    self.progress()
                    yield Beat.TICK

    def _open_events(self, done: Done, yielded: int) -> Iterator[Event]:
        """Count the records of a line, and yield the events that are to be sent; ends exactly at the limit."""
        for conversion in done.conversions:
            event = self._count(done.line, conversion)
            if event is not None:
                yield event
                yielded += 1
            if self._is_enough(yielded):
                return
        self.tracker.done(done.line.ref)

    def progress(self) -> None:
        """Bring the report's clock and byte count up to date, and tell the observer."""
        self.report.bytes_read = self.reader.bytes_read
        self.report.elapsed_s = time.monotonic() - self.began_s
        self.observer.on_progress(self.report)

    def _items(self) -> Iterator[Item]:
        """Bring lines together that are one call; the parts of one whose end was not read any more are left out."""
        return self.joiner.join(self._read(), is_cut=self._is_cut)

    def _read(self) -> Iterator[Item | Mark]:
        """Read until the end, a signal, or the end of the time; what was read by then is still converted."""
        items = iter(self.reader)
        while True:
            try:
                item = next(items, None)
            except LedgerError as error:  # it was asked how far a source was read
                self.report.ledger_error = error
                return
            match item:
                case LogLine():
                    self.tracker.read(item)
                case None:
                    return
                case SourceStart():
                    self.tracker.begin(item.uri)
                    continue
                case Reached():
                    self.tracker.reach(item)
                    continue
                case AlreadyRead():
                    self.tracker.skip(item.uri, item.committed)
            yield item
            if self._is_cut():
                return

    @property
    def overtime_s(self) -> float:
        """How long `--max-duration` has been over: negative before that, and where there is none."""
        longest_s = self.plan.max_duration_s
        return -math.inf if longest_s is None else time.monotonic() - self.began_s - longest_s

    def _is_cut(self) -> bool:
        """Whether the run is to take no more lines: a signal came, the time is over, or the ledger has failed."""
        if self.overtime_s >= 0:
            self.report.out_of_time = True
        return self.report.out_of_time or self.stop.should_stop() or self.report.ledger_error is not None

    def _is_enough(self, yielded: int) -> bool:
        return self.plan.limit is not None and yielded + self.report.calls_known >= self.plan.limit

    def _count(self, line: LogLine, converted: Converted) -> Event | None:
        """Count one record, and return its event if it is one and new."""
        report = self.report
        report.records += 1
        report.callless.add(line.ref.uri, converted.result.code if isinstance(converted.result, Skipped) else None)
        if converted.format is not None:
            report.formats[converted.format] += 1
            if converted.coverage:
                report.add_facts(converted.format, converted.coverage)
        for code in converted.warnings:
            report.warnings[code] += 1
        if not isinstance(converted.result, RecordError):
            self.observer.on_passed(converted.ref)
        if converted.from_letter:  # letters are taken up whenever they are given: none of them is ever done with
            self.tracker.hold(line.ref)
        match converted.result:
            case Event() as event:
                return self._take(line, converted, event)
            case Skipped(code=code):
                report.skips[code] += 1
            case Filtered():
                report.filtered += 1
            case RecordError() as error:
                self._reject(line, converted, error)
            case _ as never:
                assert_never(never)
        self.tracker.count(line.ref, is_call=False)
        return None

    def _take(self, line: LogLine, converted: Converted, event: Event) -> Event | None:
        """Count a record that is an event, and return that if it is to be sent."""
        duplicates = self.report.duplicates
        is_truncated = _TRUNCATED in converted.warnings
        opened = self._opened(event, line, from_letter=converted.from_letter, is_truncated=is_truncated)
        is_new = self.report.duplicates == duplicates
        self.tracker.count(line.ref, is_call=is_new)
        if converted.glance is not None and is_new and self.onlooker is not None:
            self.onlooker.see(event, converted.glance, is_open=opened is not None)
        return opened

    def _opened(self, event: Event, line: LogLine, *, from_letter: bool, is_truncated: bool) -> Event | None:
        """Return an event of a line as it is still to be sent; None, once it is counted, where it is not."""
        key, ref = (event.destination, event.uuid), line.ref
        if not self.seen.add(*key) and not (from_letter and key in self.left_rejected):
            self.report.add_duplicate(event)
            self._wait_for_first(key, ref)
            return None
        whole: Event | None = None
        try:
            outcome = None if self.report.ledger_error is not None else self.ledger.outcome_of(*key)
            if outcome is not None and outcome.is_truncated and not is_truncated:
                whole = as_whole(event, self.ledger.note_on(*key), line.beginning)
        except LedgerError as error:
            self.report.ledger_error = error
        if self.report.ledger_error is not None:
            self.report.add_unconfirmed(event)
            self.tracker.hold(ref)
            return None
        if outcome is None or whole is not None or (from_letter and outcome is Settlement.REJECTED):
            self.left_rejected.discard(key)
            if is_truncated:
                self.truncated[key] = note_of(event, line.beginning)
            self.tracker.send(ref, key)
            return event if whole is None else whole
        self.report.add_already_sent(event)
        if outcome is Settlement.REJECTED and len(self.left_rejected) < _MOST_LEFT:
            self.left_rejected.add(key)
        return None

    def _wait_for_first(self, key: tuple[Destination, str], ref: SourceRef) -> None:
        """Have a duplicate settled with the event that was met first, which may come to nothing in this run."""
        if self.tracker.is_under_way(key):
            self.tracker.send(ref, key)
            return
        if not self.tracker.follows(ref):
            return
        try:
            is_settled = self.report.ledger_error is None and self.ledger.is_settled(*key)
        except LedgerError as error:
            self.report.ledger_error = error
            is_settled = False
        if not is_settled:
            self.tracker.hold(ref)

    def _reject(self, line: LogLine, converted: Converted, error: RecordError) -> None:
        raw = line.raw if converted.raw is None else converted.raw
        if MARK in line.raw:  # in a wrapper that is not opened, or broken: its record was never taken up
            self.tracker.hold(line.ref)
        letter = DeadLetter(
            converted.ref,
            code=error.code,
            path=error.path,
            message=error.message,
            uuid=None,
            raw=None if line.problem is not None and not raw else raw,
        )
        copy = hashlib.blake2b(raw, digest_size=16, key=error.code.encode()).digest() if converted.from_letter else None
        if copy is None or copy not in self.copied:
            if not self.dead_letters.add(letter):
                self.tracker.hold(line.ref)
            elif copy is not None and len(self.copied) < _MOST_COPIED:
                self.copied.add(copy)
        self.report.rejections[error.code] += 1
        self.observer.on_rejected(converted.ref, error)
