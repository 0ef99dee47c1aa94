"""The line of a source that holds a record, joined as in every run: `plh explain` asks for one by its number."""

from collections.abc import Iterator

from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.model import LogLine, Mark
from posthog_llm_cli.pipeline.plan import Plan, Reader
from posthog_llm_cli.pipeline.stop import Stop
from posthog_llm_cli.sources.resuming import Read
from posthog_llm_cli.values import State, field


class Found(State):
    """The lines whose record begins on the line that was asked for, or lies over it.

    `begins_at` is where that record begins, or, where there is none (`lines` is empty), the last one before it.
    `errors` are the source's own.
    """

    begins_at: int | None = None
    lines: list[LogLine] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)


def find(reader: Reader, plan: Plan, number: int, *, stop: Stop) -> Found:
    """Return the records of the line `number` of the one source of `reader`, or those of the record that lies over it.

    Reads no further than it must: to the next line, where the record is no part of a stream or a batch.
    """
    found = Found()
    held: list[LogLine] = []
    place = _Place(number)
    with Joiner(format_name=plan.convert.format, max_record=plan.max_record) as joiner:
        for item in joiner.join(place.note(iter(reader)), is_cut=stop.should_stop):
            if isinstance(item, SourceError):
                found.errors.append(item)
            if isinstance(item, LogLine):
                if held and held[0].ref.line < item.ref.line <= number:
                    held.clear()
                if item.ref.line <= number and (not held or item.ref.line == held[0].ref.line):
                    held.append(item)
            if place.is_passed and held and held[0].ref.line == place.begins_at:
                break
    found.begins_at = place.begins_at
    if place.begins_at is not None and place.ends_at >= number:
        found.lines = [line for line in held if line.ref.line == place.begins_at]
    return found


class _Place:
    """Where the record begins and ends, in the source, that lies over a line."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.begins_at: int | None = None
        self.ends_at = 0
        self.is_passed = False

    def note(self, items: Iterator[Read]) -> Iterator[LogLine | SourceError | Mark]:
        """Pass a source's lines on, and look where each begins."""
        for item in items:
            if isinstance(item, LogLine):
                self.is_passed = item.ref.line > self._number
                if not self.is_passed:
                    self.begins_at = item.ref.line
                    self.ends_at = item.ref.line + item.raw.count(b"\n")
            if isinstance(item, LogLine | SourceError | Mark):
                yield item
