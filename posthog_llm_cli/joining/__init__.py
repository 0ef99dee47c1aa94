"""Lines that are one call together → the one line that stands for it.

Some formats need several records for a call: the parts of a stream, the input and the output of a batch. A `Joiner`
stands between the reader and the conversion, on the main thread. Whatever it takes it gives again: a line that stands
for the whole call, whose `raw` is one record that a format reads by itself (so that workers, dead letters and replays
need no joiner), and for every other record of the call a line that is `skipped`. Nothing is counted here.
"""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, Self

from posthog_llm_cli import formats
from posthog_llm_cli.decoding import decode
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.joining.batches import Batches
from posthog_llm_cli.model import Idle, Json, LogLine, Mark

__all__ = ["Join", "Joiner"]

Item = LogLine | SourceError | Idle


class Join(Protocol):
    """One way in which records belong together. Used from one thread."""

    markers: tuple[bytes, ...]
    """Bytes of which at least one is in every record that this join may take; a cheap look before it is decoded."""

    formats: frozenset[str]
    """Names of formats; with another `--format` there is nothing to join."""

    def take(self, line: LogLine, record: Json) -> Iterator[LogLine] | None:
        """Return the lines that go on in place of this one, at once or by and by; None if it is not of this kind."""

    def mark(self, mark: Mark) -> Iterator[LogLine]:
        """The lines that can go on now that a stream or a source has ended."""

    def finish(self) -> Iterator[LogLine]:
        """The lines that are left at the end of all sources, which was reached."""

    def close(self) -> None:
        """Let go of what is held."""


class Joiner:
    """Brings together the lines that are one call; everything else passes as it is, in its order.

    Memory is bounded by what each join holds (see there). Use it as a context manager.
    """

    def __init__(self, *, format_name: str | None = None, joins: tuple[Join, ...] | None = None) -> None:
        known = _joins() if joins is None else joins
        self._joins = tuple(join for join in known if format_name is None or format_name in join.formats)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for join in self._joins:
            join.close()

    def join(self, items: Iterator[Item | Mark], *, is_cut: Callable[[], bool]) -> Iterator[Item]:
        """Yield the lines as they go on.

        `is_cut` says that a signal came or that the time is over. What is open then was not read whole, and stays out.
        """
        for item in items:
            match item:
                case LogLine():
                    yield from self._take(item)
                case Mark():
                    for join in self._joins:
                        yield from join.mark(item)
                case _:
                    yield item
        if is_cut():
            return
        for join in self._joins:
            for line in join.finish():
                if is_cut():  # what waited for this end may be as much as was read, and take as long
                    return
                yield line

    def _take(self, line: LogLine) -> Iterator[LogLine]:
        raw = line.raw
        joins = [join for join in self._joins if any(marker in raw for marker in join.markers)]
        if joins and line.problem is None:
            record = _record_of(raw)
            for join in joins:
                taken = None if record is None else join.take(line, record)
                if taken is not None:
                    yield from taken
                    return
        yield line


def _record_of(raw: bytes) -> Json:
    """The one record of a line; None where it is none, or several."""
    try:
        value = decode(raw).value
    except RecordError:
        return None
    records = list(formats.expand(value))
    return records[0][1] if len(records) == 1 and records[0][0] == "$" else None


def _joins() -> tuple[Join, ...]:
    return (Batches(),)
