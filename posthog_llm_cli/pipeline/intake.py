"""Reading, converting and counting: what `send` and `validate` have in common."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import assert_never

from posthog_llm_cli.deadletter import DeadLetter
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.model import Converted, Event, Filtered, Idle, LogLine, Mark, Skipped
from posthog_llm_cli.pipeline.conversion import Done, Item, convert_all
from posthog_llm_cli.pipeline.plan import ConvertLine, DeadLetters, Observer, Plan, Reader
from posthog_llm_cli.pipeline.stop import Stop
from posthog_llm_cli.report import RunReport
from posthog_llm_cli.seen import SeenIds

TICK_S = 0.1


class Beat(Enum):
    """A moment to look after what is open: at least every `TICK_S` of a busy source, or when a live one has paused."""

    TICK = auto()
    IDLE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What becomes of records before delivery. Everything but new events is counted here and is then done with."""

    reader: Reader
    plan: Plan
    report: RunReport
    observer: Observer
    dead_letters: DeadLetters
    stop: Stop
    convert_line: ConvertLine
    joiner: Joiner
    seen: SeenIds
    began_s: float

    def events(self) -> Generator[Event | Beat]:
        """Yield the events to deliver, with their raw record, and beats between them; ends exactly at the limit."""
        if self.plan.limit == 0:
            self.report.limit_reached = True
            return
        taken = 0
        tick_s = time.monotonic()
        converted = convert_all(self._items(), self.plan, convert_line=self.convert_line, stop=self.stop)
        with closing(converted):
            for item in converted:
                match item:
                    case Done():
                        for conversion in item.conversions:
                            event = self._count(item.line, conversion)
                            if event is None:
                                continue
                            yield event
                            taken += 1
                            if taken == self.plan.limit:
                                self.report.limit_reached = True
                                return
                    case SourceError():
                        self.report.source_errors.append(item)
                        self.observer.on_source_error(item)
                    case Idle():
                        self.progress()
                        yield Beat.IDLE
                    case _:
                        assert_never(item)
                if (now_s := time.monotonic()) >= tick_s:
                    tick_s = now_s + TICK_S
                    self.progress()
                    yield Beat.TICK

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
        for item in self.reader:
            yield item
            if self._is_cut():
                return

    def _is_cut(self) -> bool:
        """Whether the run is to take no more lines: a signal came, or the time is over."""
        if self.plan.max_duration_s is not None and time.monotonic() - self.began_s >= self.plan.max_duration_s:
            self.report.out_of_time = True
        return self.report.out_of_time or self.stop.should_stop()

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
        match converted.result:
            case Event() as event:
                if self.seen.add(event.destination, event.uuid):
                    return replace(event, raw=line.raw if converted.raw is None else converted.raw)
                report.duplicates += 1
            case Skipped(code=code):
                report.skips[code] += 1
            case Filtered():
                report.filtered += 1
            case RecordError() as error:
                self._reject(line, converted, error)
            case _ as never:
                assert_never(never)
        return None

    def _reject(self, line: LogLine, converted: Converted, error: RecordError) -> None:
        raw = line.raw if converted.raw is None else converted.raw
        letter = DeadLetter(
            converted.ref,
            code=error.code,
            path=error.path,
            message=error.message,
            uuid=None,
            raw=None if line.problem is not None and not raw else raw,
        )
        self.dead_letters.add(letter)
        self.report.rejections[error.code] += 1
        self.observer.on_rejected(converted.ref, error)
