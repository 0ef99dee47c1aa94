"""Framing of what `pg_dump` writes as plain SQL: the rows of SpendLogs among statements and other tables' rows.

    COPY public."LiteLLM_SpendLogs" (request_id, call_type, …, "startTime", …) FROM stdin;
    <a row a line, cells between tabs, escaped as COPY escapes them>
    \\.

A row becomes the JSON object of its cells, as `Table` makes it. All else is framing, but for what would have held rows:
a dump without any is refused once, and so is each statement that inserts rows (`pg_dump --inserts`).
"""

import re
from collections.abc import Iterator, Sequence

from posthog_llm_cli.decoding import encode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import LogLine, SourceRef
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.sources.lines import Splitter
from posthog_llm_cli.sources.postgres import COPY_END, COPY_WARNINGS, are_columns, copied_cells
from posthog_llm_cli.sources.track import Track

_HEAD = lazily(rb"--\r?\n-- PostgreSQL database (?:cluster )?dump\b")
_LONGEST_HEAD = 64
_COPY = lazily(rb"COPY [^(]{1,200}\(([^)]{1,8192})\) FROM stdin;\s*\Z")
_INSERT = lazily(rb'INSERT INTO (?:[\w$"]{1,100}\.)?"?LiteLLM_SpendLogs"?[ (]', re.IGNORECASE)
_EXPORT = "pg_dump -a -t '\"LiteLLM_SpendLogs\"', without its option for INSERT statements, writes what plh reads"


def begins_dump(head: bytes | bytearray, *, final: bool) -> bool | None:
    """Whether a source is a dump; None while its head is too short to tell."""
    if not final and len(head) < _LONGEST_HEAD and b"--".startswith(head[:2]):
        return None
    return _HEAD.match(head) is not None


class Dump:
    """Records by the rows of SpendLogs in a dump; see the module. Holds one line under the ceiling."""

    rest: bytes | None = None

    def __init__(self, track: Track) -> None:
        track.console = False
        self._track = track
        self._splitter = Splitter(track, padding=b"\0")
        self._columns: Sequence[str] | None = None
        self._is_foreign = False  # within the rows of another table
        self._begun = (track.offset, track.line)
        self._has_rows = False

    def feed(self, block: bytes) -> Iterator[LogLine]:
        """The records that end in this block."""
        for offset, number, line in self._splitter.feed(block):
            yield from self._take(offset, number, line)

    def finish(self) -> Iterator[LogLine]:
        """The last line, where it has no line end; and that there was no row, if there was none."""
        for offset, number, line in self._splitter.finish():
            yield from self._take(offset, number, line)
        if not self._has_rows:
            offset, number = self._begun
            yield self._refused("a PostgreSQL dump that holds no rows of LiteLLM_SpendLogs", b"", offset, number)

    def _take(self, offset: int, number: int, line: bytes | None) -> Iterator[LogLine]:
        row = None if line is None else line.rstrip(b"\r")
        if row == COPY_END:
            self._columns, self._is_foreign = None, False
        elif self._is_foreign:
            return
        elif self._columns is not None:
            self._has_rows = True
            yield self._row(row, self._columns, offset, number)
        elif row is not None:
            yield from self._statement(row, offset, number)

    def _statement(self, line: bytes, offset: int, number: int) -> Iterator[LogLine]:
        if (copied := _COPY.match(line)) is not None:
            columns = [name.strip().strip('"') for name in copied[1].decode(errors="replace").split(",")]
            is_spend_logs = are_columns(columns)
            self._columns, self._is_foreign = (columns, False) if is_spend_logs else (None, True)
            self._has_rows = self._has_rows or is_spend_logs
        elif _INSERT.match(line) is not None:
            self._has_rows = True
            yield self._refused("a statement that inserts rows of LiteLLM_SpendLogs", line, offset, number)

    def _row(self, row: bytes | None, columns: Sequence[str], offset: int, number: int) -> LogLine:
        if row is None:
            return self._track.too_long(offset=offset, line=number)
        ref = SourceRef(self._track.uri, number, offset)
        if (found := row.count(b"\t") + 1) != len(columns):
            message = f"expected a row of {len(columns)} cells, as its table has, and found {found}"
            return LogLine(ref, row, RecordError("invalid-json", message, hint="the file may be cut off"))
        try:
            cells = copied_cells(row)
        except UnicodeDecodeError as error:
            message = f"expected UTF-8 and found bytes that are not UTF-8 at byte {error.start + 1} of a cell"
            return LogLine(ref, row, RecordError("invalid-json", message))
        return self._track.record(
            encode(dict(zip(columns, cells, strict=True))), offset=offset, line=number, warnings=COPY_WARNINGS
        )

    def _refused(self, message: str, raw: bytes, offset: int, number: int) -> LogLine:
        ref = SourceRef(self._track.uri, number, offset)
        return LogLine(ref, raw, RecordError("invalid-json", message, hint=_EXPORT))
