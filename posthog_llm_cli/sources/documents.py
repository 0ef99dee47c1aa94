"""Framing by structure: concatenated and pretty-printed documents, the elements of an array, blocks in a console log.

A value that its writer did not finish ends where the next one can be told apart, so that it costs no neighbour: at a
line that starts with `{` in the column of its own `{` (unless its grammar has a place for one), or, where a line break
cuts a string, at the end of that line and of the indented lines that go with it.
"""

import re
from collections.abc import Callable, Iterator
from enum import Enum
from functools import lru_cache

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import LogLine, SourceRef
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.sources.scanner import Scan, Structure
from posthog_llm_cli.sources.track import PADDING, Track, payload_start

_SEPARATORS = lazily(rb"(?:[\s\0,]|\xef\xbb\xbf)*+")
# psql marks a line that goes on with a plus at its end, which is what stands between the rows of its json_agg.
_ALIGNED_SEPARATORS = lazily(rb"(?:[\s\0,]|\xef\xbb\xbf|\+(?=[ \t\r]*(?:\n|\Z)))*+")
_BLANKS = lazily(rb"(?:[\s\0]|\xef\xbb\xbf)*+")
_LINE_END = lazily(rb"\n")
_ITEM_END = lazily(rb"[,\]\n]")
_ONLY_BRACE = lazily(rb"\{[ \t\r]*+\n")
_MAYBE_ONLY_BRACE = lazily(rb"\{[ \t\r]{0,4096}+\Z")
_UNDECIDED = lazily(rb"\n[ \t]*+(?:\{[ \t\r]*+)?\Z")
_PATIENCE = 4096
"""Blanks that are waited for to see what a line holds; memory is bounded, whatever a source is made of."""
_TAIL = 1024
"""Bytes that stay of a value over the ceiling: enough to see what stands before a line break."""
_MAX_COLUMN = 64

Reach = Callable[[bool], int | None]


class Flow(Enum):
    """What may stand between the values of a source."""

    DOCUMENTS = "documents"
    ARRAY = "array"
    CONSOLE = "console"
    """Lines, among which a line that is only `{` starts a document, or one that LiteLLM's logger ends so."""


@lru_cache(maxsize=128)
def _goes_on(column: int) -> re.Pattern[bytes]:
    """A line break behind which an indented rest of a cut document stands, and no other value at `column`."""
    return re.compile(rb'\n(?! {%d}\{)(?:[}\]"]|[ \t]++(?:[^{\s]|\{[ \t\r]*+\n))' % column)


class Documents:
    """Records by structure; see the module. With `whole`, the first array is one record and not its elements.

    Holds one value under the ceiling, and the block that it ends in.
    """

    def __init__(self, track: Track, flow: Flow, *, whole: bool = False) -> None:
        self._track = track
        self._flow = flow
        self._whole = whole
        self._buffer = bytearray()
        self._at = 0  # up to here all is framed; an open value starts here
        self._scan = 0  # up to here the open value has been looked at
        self._structure = Structure()
        self._reach: Reach | None = None  # finds the end of the open value
        self._start = (0, 0)  # offset and line of the open value
        self._dropped = False
        self._in_array = False
        self._array_column: int | None = None
        self._line_start = track.offset
        self.rest: bytes | None = None

    def feed(self, block: bytes | bytearray) -> Iterator[LogLine]:
        """The records that end in this block."""
        if not self._buffer and isinstance(block, bytearray):
            self._buffer = block  # a long look-ahead is taken over, not copied
        else:
            self._buffer += block
        yield from self._drain(final=False)
        self._compact()

    def finish(self) -> Iterator[LogLine]:
        """What the end of the source cut off, as one record; an array that was cut between two elements says so."""
        pending = self._reach is not None or self._at < len(self._buffer)
        yield from self._drain(final=True)
        if self._in_array and not pending:
            ref = SourceRef(self._track.uri, self._track.line, self._track.offset + self._at)
            error = RecordError(
                "invalid-json", "the array is not closed: what came before is read", hint="the file may be cut off"
            )
            yield LogLine(ref, b"", problem=error)

    def _drain(self, *, final: bool) -> Iterator[LogLine]:
        while self._reach is not None or self._begin(final=final):
            assert self._reach is not None  # noqa: S101 -- for the type checker
            end = self._reach(final)
            if end is None:
                return
            line = self._take(end)
            if line is not None:
                yield line

    # ------------------------------------------------------------------------------------------ between two values

    def _begin(self, *, final: bool) -> bool:
        """Pass over what separates values; true when one is open then."""
        buffer = self._buffer
        separators = _ALIGNED_SEPARATORS if self._track.titled else _SEPARATORS
        if self._flow is Flow.CONSOLE:
            separators = _BLANKS
        while True:
            found = separators.match(buffer, self._at)
            self._pass_to(self._at if found is None else found.end())
            if self._at == len(buffer):
                return False
            byte = bytes(buffer[self._at : self._at + 1])
            if self._flow is not Flow.ARRAY or not self._crosses_bracket(byte):
                break
        if self._flow is Flow.CONSOLE and not final and _MAYBE_ONLY_BRACE.match(buffer, self._at):
            return False
        self._start = (self._track.offset + self._at, self._track.line)
        self._scan = self._at
        self._reach = self._reach_of(byte)
        self._whole = False
        return True

    def _crosses_bracket(self, byte: bytes) -> bool:
        if not self._in_array and byte == b"[" and not self._whole:
            self._in_array, self._array_column = True, None
        elif self._in_array and byte == b"]":
            self._in_array = False
        else:
            return False
        self._pass_to(self._at + 1)
        return True

    def _reach_of(self, byte: bytes) -> Reach:
        if self._flow is Flow.CONSOLE:
            opens = _ONLY_BRACE.match(self._buffer, self._at) is not None
        elif self._in_array:
            opens = byte in b'{["'
        else:
            opens = byte == b"{" or (byte == b"[" and self._whole)
        if opens:
            self._structure = Structure(column=self._column())
            return self._reach_structure
        return self._reach_item if self._in_array else self._reach_line_end

    def _column(self) -> int:
        """Where on its line the next value's `{` is to be expected."""
        column = self._track.offset + self._at - self._line_start
        if column > _MAX_COLUMN or (self._flow is Flow.DOCUMENTS):
            column = 0
        if not self._in_array:
            return 0 if self._flow is Flow.ARRAY else column
        if self._array_column is None:
            self._array_column = column
        return self._array_column

    # ---------------------------------------------------------------------------------------------- within a value

    def _reach_structure(self, final: bool) -> int | None:  # noqa: FBT001 -- one signature for all that reach an end
        scan, position = self._structure.advance(self._buffer, self._scan, final=final)
        self._scan = position
        match scan:
            case Scan.MORE:
                return len(self._buffer) if final else None
            case Scan.CUT:
                self._reach = self._reach_remainder
                return self._reach_remainder(final)
            case Scan.CLOSED | Scan.NEXT:
                return position

    def _reach_remainder(self, final: bool) -> int | None:  # noqa: FBT001
        """At a line break of a cut document: go along while the lines can only be its own."""
        while True:
            may_go_on = not final and len(self._buffer) - self._scan < _PATIENCE
            if may_go_on and _UNDECIDED.match(self._buffer, self._scan):
                return None
            if not _goes_on(self._structure.column).match(self._buffer, self._scan):
                return self._scan
            self._scan += 1
            if self._find(_LINE_END) is None:
                self._reach = self._reach_remainder_line
                return len(self._buffer) if final else None

    def _reach_remainder_line(self, final: bool) -> int | None:  # noqa: FBT001
        if self._find(_LINE_END) is None:
            return len(self._buffer) if final else None
        self._reach = self._reach_remainder
        return self._reach_remainder(final)

    def _reach_line_end(self, final: bool) -> int | None:  # noqa: FBT001
        end = self._find(_LINE_END)
        if end is not None and self._flow is Flow.CONSOLE and self._buffer.endswith((b"{", b"{\r"), self._at, end):
            start = payload_start(self._buffer[self._at : end])
            if start is not None:
                return self._open_payload(self._at + start, final)
        return len(self._buffer) if end is None and final else end

    def _open_payload(self, start: int, final: bool) -> int | None:  # noqa: FBT001
        """Leave out what the logger put before a payload on its first line."""
        self._pass_to(start)
        self._start = (self._track.offset + start, self._track.line)
        self._scan, self._structure, self._reach = start, Structure(), self._reach_structure
        return self._reach_structure(final)

    def _reach_item(self, final: bool) -> int | None:  # noqa: FBT001
        """To the end of an element that is no container: null, a number, or no JSON at all."""
        end = self._find(_ITEM_END)
        return len(self._buffer) if end is None and final else end

    def _find(self, pattern: re.Pattern[bytes]) -> int | None:
        found = pattern.search(self._buffer, self._scan)
        self._scan = len(self._buffer) if found is None else found.start()
        return None if found is None else self._scan

    # --------------------------------------------------------------------------------------------------- bookkeeping

    def _take(self, end: int) -> LogLine | None:
        offset, line = self._start
        too_long = self._dropped or end - self._at > self._track.max_record + _TAIL
        raw = b"" if too_long else bytes(memoryview(self._buffer)[self._at : end]).strip(PADDING + b"\n")
        self._pass_to(end)
        self._reach = None
        self._dropped = False
        if too_long:
            return self._track.too_long(offset=offset, line=line)
        if not raw or self._track.is_footer(raw):
            return None
        return self._track.record(raw, offset=offset, line=line)

    def _pass_to(self, position: int) -> None:
        breaks = self._buffer.count(b"\n", self._at, position)
        if breaks:
            self._track.line += breaks
            self._line_start = self._track.offset + self._buffer.rfind(b"\n", self._at, position) + 1
        self._at = position

    def _compact(self) -> None:
        """Let go of what is framed, and of a value over the ceiling all but its tail."""
        if self._reach is not None and self._scan - self._at > self._track.max_record + _TAIL:
            self._dropped = True
            self._pass_to(self._scan - _TAIL)
        gone = self._at
        del self._buffer[:gone]
        self._track.offset += gone
        self._at = 0
        self._scan = max(self._scan - gone, 0)
