"""Lines that are one call together → the one line that stands for it.

Some formats need several records for a call: the parts of a stream, the input and the output of a batch. A `Joiner`
stands between the reader and the conversion, on the main thread. Whatever it takes it gives again: a line that stands
for the whole call, whose `raw` is one record that a format reads by itself (so that workers, dead letters and replays
need no joiner), and for every other record of the call a line that is `skipped`. Nothing is counted here.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from types import TracebackType
from typing import Protocol, Self

from posthog_llm_cli import formats
from posthog_llm_cli.committed import AlreadyRead
from posthog_llm_cli.decoding import decode, encode, split_documents
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.formats._openai_shapes import PART_KEYS
from posthog_llm_cli.formats.dead_letter import MARK, in_letter, is_dead_letter, open_letter
from posthog_llm_cli.formats.dead_letter import NAME as LETTER_FORMAT
from posthog_llm_cli.formats.openai_batch import side_of
from posthog_llm_cli.joining.batches import Batches
from posthog_llm_cli.joining.streams import Streams
from posthog_llm_cli.model import Idle, Json, LogLine, Mark, SourceRef
from posthog_llm_cli.values import replace

__all__ = ["Join", "Joiner"]

Item = LogLine | SourceError | Idle | AlreadyRead

MAX_RECORD = 32 * 1024 * 1024
_PLACES = frozenset({"$", *(f"$.{key}" for key in PART_KEYS)})
"""Where the record of a line lies; under a key for parts it may be the last one of a stream."""


class Join(Protocol):
    """One way in which records belong together. Used from one thread."""

    formats: frozenset[str]
    """Names of formats; with another `--format` there is nothing to join."""

    def may_take(self, raw: bytes) -> bool:
        """Whether a record may be of this kind: a cheap look at every line, before it is decoded."""

    def take(self, line: LogLine, record: Json) -> Iterator[LogLine] | None:
        """Return the lines that go on in place of this one, at once or by and by; None if it is not of this kind."""

    def mark(self, mark: Mark) -> Iterator[LogLine]:
        """The lines that can go on now that a stream or a source has ended."""

    def pause(self) -> Iterator[LogLine]:
        """The lines that can go on while a live source has nothing."""

    def finish(self) -> Iterator[LogLine]:
        """The lines that are left at the end of all sources, which was reached."""

    def close(self) -> None:
        """Let go of what is held."""


class Joiner:
    """Brings together the lines that are one call; everything else passes as it is, in its order.

    Memory is bounded by what each join holds (see there); `max_record` is the ceiling for one record in bytes.
    `on_joined` is told the place of each line that is not passed on as it is: what becomes of it depends on others. Use
    it as a context manager.
    """

    def __init__(
        self,
        *,
        format_name: str | None = None,
        max_record: int = MAX_RECORD,
        joins: tuple[Join, ...] | None = None,
        on_joined: Callable[[SourceRef], None] = lambda _ref: None,
    ) -> None:
        self._records = 0
        self._on_joined = on_joined
        known = joins
        if known is None:
            known = (Streams(max_bytes=max_record, records_read=lambda: self._records), Batches())
        self._of_letters = format_name == LETTER_FORMAT
        asked = {None, LETTER_FORMAT}
        self._joins = tuple(join for join in known if format_name in asked or format_name in join.formats)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for join in self._joins:
            join.close()

    def join(self, items: Iterator[Item | Mark], *, is_cut: Callable[[], bool]) -> Iterator[Item]:
        """Yield the lines as they go on; where letters were announced, what is made of several is a letter, too.

        `is_cut` says that a signal came or that the time is over. What is open then was not read whole, and stays out.
        """
        for item in items:
            match item:
                case LogLine():
                    self._records += 1
                    joins = self._joins_of(item)
                    if joins:
                        yield from self._given(self._take(item, joins))
                    else:
                        yield item
                case Mark():
                    yield from _until(is_cut, self._given(chain.from_iterable(join.mark(item) for join in self._joins)))
                case Idle():
                    yield from _until(is_cut, self._given(chain.from_iterable(join.pause() for join in self._joins)))
                    yield item
                case _:
                    yield item
        if not is_cut():
            yield from _until(is_cut, self._given(chain.from_iterable(join.finish() for join in self._joins)))

    def _given(self, lines: Iterator[LogLine]) -> Iterator[LogLine]:
        return map(_in_letter, lines) if self._of_letters else lines

    def _joins_of(self, line: LogLine) -> list[Join]:
        """The joins that a line may be for: of most lines, none."""
        if line.problem is not None:
            return []
        raw = line.raw
        if self._of_letters and MARK not in raw:
            return []
        return [join for join in self._joins if join.may_take(raw)]

    def _take(self, line: LogLine, joins: list[Join]) -> Iterator[LogLine]:
        pieces = _records_of(line)
        if len(pieces) > 1:
            self._on_joined(line.ref)
        for piece, record in pieces:
            yield from self._taken(joins, piece, record, line.ref)

    def _taken(self, joins: list[Join], line: LogLine, record: Json, read_at: SourceRef) -> Iterator[LogLine]:
        if record is not None:
            for join in joins:
                try:
                    taken = join.take(line, record)
                except RecordError:  # a text in it is too deep to be looked into: conversion says so in its place
                    break
                if taken is not None:
                    self._on_joined(read_at)
                    yield from taken
                    return
        yield line


def _in_letter(line: LogLine) -> LogLine:
    """Return a line that stands for several letters as a letter, which is the format that was announced."""
    try:
        is_letter = line.problem is not None or line.skipped is not None or is_dead_letter(decode(line.raw).value)
    except RecordError:  # several letters glued, or damage
        is_letter = True
    return line if is_letter else replace(line, raw=in_letter(line.raw))


def _until(is_cut: Callable[[], bool], lines: Iterator[LogLine]) -> Iterator[LogLine]:
    """The lines that go on before the run is cut: what waited may be as much as was read, and take as long."""
    for line in lines:
        if is_cut():
            return
        yield line


def _records_of(line: LogLine) -> list[tuple[LogLine, Json]]:
    """The line with its record, or the documents that stand glued on it; None for no record, and for several."""
    try:
        record = _record_of(line.raw)
    except RecordError:
        pieces = []
    else:
        return [(line, record)] if record is not None else _elements_of(line)
    for start, raw in split_documents(line.raw):
        ref = SourceRef(line.ref.uri, line.ref.line + line.raw.count(b"\n", 0, start), line.ref.offset + start)
        piece = replace(line, ref=ref, raw=raw)
        try:
            pieces.append((piece, _record_of(raw)))
        except RecordError:
            pieces.append((piece, None))
    return pieces or [(line, None)]


def _elements_of(line: LogLine) -> list[tuple[LogLine, Json]]:
    """The lines of a batch that stand in one array, each as a line of its own; any other line as it is."""
    elements = [record for _, record in formats.rows(decode(line.raw).value)] if b"custom_id" in line.raw else []
    try:
        are_lines = bool(elements) and all(side_of(element) is not None for element in elements)
    except RecordError:  # a text in one of them is too deep to be looked into
        are_lines = False
    if not are_lines:
        return [(line, None)]
    return [(replace(line, raw=encode(element)), element) for element in elements]


def _record_of(raw: bytes) -> Json:
    """The one record of a line, of a dead letter the one in it; None where there are several.

    Raises:
        RecordError: the line, or what the letter holds, is no JSON.
    """
    value = decode(raw).value
    if is_dead_letter(value):
        opened = open_letter(value)
        if opened is None:
            return None
        value = opened[1]
    records = list(formats.expand(value))
    return value if len(records) == 1 and records[0][0] in _PLACES else None
