"""Framing of tables: SpendLogs exported as CSV (or as COPY text with its columns), one record a row.

A row becomes the JSON object {column: text of its cell}, null where nothing stands between two delimiters, so that a
dead letter of it is a record by itself. `""` is PostgreSQL's empty text. Rows end at `\\n` outside of quotes.

What is damaged ends where the next row can be told: while a quote is open, at a line that is a row by itself, with the
header's number of cells and a date in its `startTime`.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import orjson

from posthog_llm_cli.decoding import encode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import LogLine, Mark, SourceRef
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.sources.lines import Lines, Splitter
from posthog_llm_cli.sources.postgres import (
    COPY_END,
    COPY_WARNINGS,
    FOLDED_NAMES,
    ROW_NAMES,
    are_columns,
    copied_cells,
)
from posthog_llm_cli.sources.track import Track
from posthog_llm_cli.values import Value, replace

_DELIMITERS = (",", ";", "\t")
_TIME_COLUMN = "starttime"
_DATE = lazily(r"\d{4}-\d\d-\d\d")
_COLUMN = lazily(r"[A-Za-z_][\w .()/-]{0,63}")
_BARE_COLUMN = lazily(r"[A-Za-z_][\w.-]{0,63}")
# What CSV never has behind a tab: JSON whose quotes are not doubled, or without any quotes a null as COPY writes it.
_COPY_CELL = lazily(rb'(?:\A|\t)[\[{]{1,2}"[^"\t\r]|\A(?=[^"]*+\Z)[^"]*(?<![^\t])\\N(?=\t|\r?\Z)')
_ROW_PADDING = b"\0\r"
_BLANK = b" \r\0"
_CUT_OFF = "the file may be cut off"
_EXPORT = (
    'of tables, plh reads LiteLLM\'s SpendLogs with their header: \\copy (SELECT * FROM "LiteLLM_SpendLogs") TO '
    "'spend.csv' CSV HEADER"
)


class Header(Value, frozen=True):
    """The first line of a table: the names of its columns, and what stands between its cells."""

    delimiter: str
    columns: Sequence[str]


def spend_logs_header(line: bytes) -> Header | None:
    """The header that the line is; None unless it is one of SpendLogs. Warehouses fold the case of its names."""
    folded = line.lower()
    if not all(name.encode() in folded for name in FOLDED_NAMES):
        return None
    for delimiter in _DELIMITERS:
        names = _names(line, delimiter)
        if are_columns(names):
            return Header(delimiter, names)
    return None


def _are_header(cells: Sequence[str | None]) -> bool:
    return all(name in cells for name in ROW_NAMES)


def delimiter_of_table(header: bytes) -> str | None:
    """What separates the cells of a line that reads like the header of some table; None where it does not."""
    for delimiter, fewest, column in (("\t", 2, _COLUMN), (",", 3, _BARE_COLUMN), (";", 3, _BARE_COLUMN)):
        names = _names(header, delimiter)
        if len(names) >= fewest and all(column.fullmatch(name) for name in names):
            return delimiter
    return None


def _names(header: bytes, delimiter: str) -> Sequence[str]:
    try:
        cells = _cells(header.strip(_BLANK).decode(), delimiter)
    except (UnicodeDecodeError, csv.Error):
        return ()
    return tuple(cell.strip() for cell in cells)


def _cells(text: str, delimiter: str) -> list[str]:
    """The cells of one row. Raises: csv.Error."""
    return next(csv.reader([text], delimiter=delimiter, strict=True), [])


class Table:
    """Records by the rows behind a header; see the module. A row that is a header itself counts from there on.

    Holds one row under the ceiling.
    """

    rest: bytes | None = None

    def __init__(self, track: Track, *, header: Header) -> None:
        track.console = False  # a cell of several lines may look like one
        csv.field_size_limit(max(csv.field_size_limit(), track.max_record))
        self._track = track
        self._delimiter = header.delimiter
        self._columns = header.columns
        self._splitter = Splitter(track, padding=b"\0")
        self._is_copied: bool | None = None if header.delimiter == "\t" else False
        self._start = (0, 0)  # offset and line of the row
        self._parts: list[bytes] = []
        self._size = 0
        self._is_open = False  # within quotes at the end of the last line
        self._is_dropped = False

    def feed(self, block: bytes) -> Iterator[LogLine]:
        """The records of the rows that end in this block."""
        for offset, number, line in self._splitter.feed(block):
            yield from self._take(offset, number, line)

    def finish(self) -> Iterator[LogLine]:
        """The last row, where it has no line end; a quote that is still open cuts it off."""
        for offset, number, line in self._splitter.finish():
            yield from self._take(offset, number, line)
        if self._is_open:
            yield from self._end_row(problem="a quoted cell of the row is not closed at the end of the file")

    def _take(self, offset: int, number: int, line: bytes | None) -> Iterator[LogLine]:
        if self._is_open and line is not None and self._is_row(line):
            yield from self._end_row(problem="a quoted cell of the row is not closed before the next row")
        if not self._is_open:
            self._start = (offset, number)
        self._add(line)
        if not self._is_open:
            yield from self._end_row()
        # NULs in front of a row are padding, and within one its own.
        self._splitter.padding = b"" if self._is_open else b"\0"

    def _add(self, line: bytes | None) -> None:
        if self._is_copied is None and line is not None and not self._is_open:
            self._is_copied = True if _COPY_CELL.search(line) else False if b'"' in line else None
        quotes = self._splitter.dropped_quotes if line is None else line.count(b'"')
        self._is_open ^= not self._is_copied and quotes % 2 == 1
        self._size += 0 if line is None else len(line) + 1
        if line is None or self._size > self._track.max_record + 2:
            self._is_dropped = True
            self._parts.clear()
        elif not self._is_dropped:
            self._parts.append(line)

    def _end_row(self, *, problem: str | None = None) -> Iterator[LogLine]:
        (offset, number), raw = self._start, b"\n".join(self._parts)
        row = raw.lstrip(b"\0")
        ref = SourceRef(self._track.uri, number, offset + len(raw) - len(row))
        row = row.rstrip(_ROW_PADDING)
        is_too_long = self._is_dropped or len(row) > self._track.max_record
        self._parts, self._size, self._is_open, self._is_dropped = [], 0, False, False
        if is_too_long:
            yield self._track.too_long(offset=ref.offset, line=number)
            return
        if not row.strip(_BLANK) or (self._is_copied and row == COPY_END):
            return
        if problem is not None:
            yield LogLine(ref, row, RecordError("invalid-json", problem, hint=_CUT_OFF))
        else:
            yield from self._record(row, ref)

    def _record(self, row: bytes, ref: SourceRef) -> Iterator[LogLine]:
        try:
            cells = copied_cells(row) if self._is_copied else self._quoted(row)
        except UnicodeDecodeError as error:
            message = f"expected UTF-8 and found bytes that are not UTF-8 at byte {error.start + 1} of the row"
            yield LogLine(ref, row, RecordError("invalid-json", message))
            return
        except csv.Error:
            message = "expected a row of CSV and found a quote or a line break out of its place"
            yield LogLine(ref, row, RecordError("invalid-json", message))
            return
        if self._is_header(cells):
            self._columns = _stripped(cells)
        elif len(cells) != len(self._columns):
            message = f"expected a row of {len(self._columns)} cells, as its header has, and found {len(cells)}"
            yield LogLine(ref, row, RecordError("invalid-json", message, hint=_CUT_OFF))
        else:
            raw = encode(dict(zip(self._columns, cells, strict=True)))
            yield LogLine(ref, raw, warnings=COPY_WARNINGS if self._is_copied else ())

    def _quoted(self, row: bytes) -> list[str | None]:
        """The cells, null where nothing stands. Raises: csv.Error, UnicodeDecodeError."""
        text = row.decode()
        cells = _cells(text, self._delimiter)
        if not _may_hold_quoted_empty(text, self._delimiter):
            return [found or None for found in cells]
        # The reader does not say whether an empty cell had quotes.
        written = _written_cell(self._delimiter).findall(text)
        return [found if found or written[index] else None for index, found in enumerate(cells)]

    def _is_row(self, line: bytes) -> bool:
        """Whether a line is a row, or a header, by itself."""
        delimiter = self._delimiter.encode()
        if line.count(delimiter) + 1 < len(self._columns) or line.count(b'"') % 2:
            return False
        try:
            cells = _cells(line.rstrip(_ROW_PADDING).decode(), self._delimiter)
        except (UnicodeDecodeError, csv.Error):
            return False
        if self._is_header(cells):
            return True
        at = [name.lower() for name in self._columns].index(_TIME_COLUMN)
        return len(cells) == len(self._columns) and _DATE.match(cells[at]) is not None

    def _is_header(self, cells: Sequence[str | None]) -> bool:
        """Whether a row is a header: of SpendLogs' own names, or this table's again."""
        if _are_header(cells):
            return True
        return (cells[0] or "").strip() == self._columns[0] and _stripped(cells) == tuple(self._columns)


def _stripped(cells: Sequence[str | None]) -> tuple[str, ...]:
    return tuple((cell or "").strip() for cell in cells)


def _may_hold_quoted_empty(text: str, delimiter: str) -> bool:
    empty = '""'
    return (
        f"{delimiter}{empty}{delimiter}" in text
        or text.startswith(f"{empty}{delimiter}")
        or text.endswith(f"{delimiter}{empty}")
    )


@lru_cache(maxsize=len(_DELIMITERS))
def _written_cell(delimiter: str) -> re.Pattern[str]:
    return re.compile(rf'((?:[^"{delimiter}]++|"(?:[^"]++|"")*+")*+)(?:{delimiter}|\Z)')


class Foreign(Lines):
    """Lines of a table that is no log: each line is a record, refused by what it is. JSON among them is read."""

    def __init__(self, track: Track, *, delimiter: str) -> None:
        super().__init__(track)
        self._delimiter = delimiter.encode()

    def feed(self, block: bytes) -> Iterator[LogLine | Mark]:
        """The records that end in this block, until `rest` is set."""
        return map(self._named, super().feed(block))

    def finish(self) -> Iterator[LogLine | Mark]:
        """The last line, where it has no line end."""
        return map(self._named, super().finish())

    def _named(self, line: LogLine | Mark) -> LogLine | Mark:
        if isinstance(line, Mark) or line.problem is not None or line.console or not self._is_row(line.raw):
            return line
        message = f"a row of a table without the header {', '.join(ROW_NAMES)}"
        return replace(line, problem=RecordError("invalid-json", message, hint=_EXPORT))

    def _is_row(self, raw: bytes) -> bool:
        if self._delimiter not in raw or raw.startswith((b"{", b"[")):
            return False
        try:
            orjson.loads(raw)
        except orjson.JSONDecodeError:
            return True
        return False
