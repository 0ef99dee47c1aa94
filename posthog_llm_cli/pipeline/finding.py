"""The line of a source that holds a record, joined as in every run: `plh explain` asks for one by its number."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.model import LogLine, Mark
from posthog_llm_cli.pipeline.plan import Plan, Reader
from posthog_llm_cli.pipeline.stop import Stop
from posthog_llm_cli.sources.resuming import Read


@dataclass(slots=True)
class Found:
    """The lines that begin at `begins_at`, the number of the line that was asked for or of the record around it.

    Empty where the source has no such line; `errors` are the source's own.
    """

    begins_at: int | None = None
    lines: list[LogLine] = field(default_factory=list)
    errors: list[SourceError] = field(default_factory=list)


def find(reader: Reader, plan: Plan, number: int, *, stop: Stop) -> Found:
    """Return the records of the line `number` of the one source of `reader`, or those of the record that lies over it.

    Reads no further than it must: to the next line, where the record is no part of a stream or a batch.
    """
    found = Found()
    with Joiner(format_name=plan.convert.format, max_record=plan.max_record) as joiner:
        for item in joiner.join(_noting(iter(reader), number, found), is_cut=stop.should_stop):
            if isinstance(item, SourceError):
                found.errors.append(item)
            if not isinstance(item, LogLine):
                continue
            if item.ref.line <= number and (not found.lines or item.ref.line >= found.lines[-1].ref.line):
                if found.lines and item.ref.line > found.lines[-1].ref.line:
                    found.lines.clear()
                found.lines.append(item)
            elif item.ref.line > number and found.lines and found.lines[-1].ref.line == found.begins_at:
                break
    return found


def _noting(items: Iterator[Read], number: int, found: Found) -> Iterator[LogLine | SourceError | Mark]:
    """Pass a source's lines on, and note where the record begins that lies over the line `number`."""
    for item in items:
        if isinstance(item, LogLine) and item.ref.line <= number:
            found.begins_at = max(item.ref.line, found.begins_at or 0)
        if isinstance(item, LogLine | SourceError | Mark):
            yield item
