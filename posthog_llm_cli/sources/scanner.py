"""Where a JSON value ends, told from its brackets and strings alone, across any cut between two blocks.

Nothing is parsed here: numbers and words are passed over, and brackets are not matched by kind, so that what the
structure calls a value may still be refused by `decoding.decode`.
"""

import re
from enum import Enum
from functools import lru_cache

from posthog_llm_cli.patterns import lazily

Buffer = bytes | bytearray

_QUOTE, _NEWLINE, _BACKSLASH = b'"'[0], b"\n"[0], b"\\"[0]
_COMMA, _ARRAY = b","[0], b"["[0]
_OPENERS, _CLOSERS, _BLANKS = b"{[", b"}]", b" \t\r\n\0"
_MAX_STACK = 4096

# What follows an opening quote, up to the closing one, the end of the buffer or a line break: no log that was ever
# seen has a raw line break inside a JSON string, and taking it for the end confines a cut record to its own line.
_STRING_REST = lazily(rb'[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+')


class Scan(Enum):
    """What `Structure.advance` came upon."""

    MORE = "more"
    """The value goes on in bytes that have not come yet."""
    CLOSED = "closed"
    CUT = "cut"
    """A line break inside a string."""
    NEXT = "next"
    """A line that starts like another value, where the grammar of this one has no place for it."""


@lru_cache(maxsize=128)
def _passed_over(column: int) -> re.Pattern[bytes]:
    """All that changes no depth, strings included; a line break only if no `{` follows it at `column`."""
    string = rb'"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+"'
    line_break = rb"\n(?! {%d}\{| {0,%d}\Z)" % (column, column)
    plain = rb'[^"\[\]{}\n]*+'
    return re.compile(plain + rb"(?:(?:" + string + rb"|" + line_break + rb")" + plain + rb")*+")


class Structure:
    """The depth inside one value, fed from its first byte (`{`, `[` or `"`) on.

    `column` is where on its line the next value's `{` may stand. `children` counts the containers that closed one level
    below the top, `first_child_end` is where the first of them ended in the buffer of that call. Memory does not grow
    with the depth.
    """

    __slots__ = ("_beyond", "_in_string", "_pattern", "_stack", "children", "column", "first_child_end")

    def __init__(self, *, column: int = 0) -> None:
        self.column = column
        self._pattern = _passed_over(column)
        self._stack = bytearray()
        self._beyond = 0
        self._in_string = False
        self.children = 0
        self.first_child_end = -1

    def advance(self, buffer: Buffer, position: int, *, final: bool = False) -> tuple[Scan, int]:
        """Scan from `position`; returns what was met and where.

        MORE: call again with this position when the buffer has grown. CLOSED: just behind the value. CUT and NEXT: at
        the line break. `final` says that the buffer will not grow.
        """
        match = self._pattern.match
        length = len(buffer)
        if not self._stack and not self._in_string and position < length:
            self._open(buffer[position])
            position += 1
        while True:
            if self._in_string:
                position, scan = self._string(buffer, position)
                if scan is not None:
                    return scan, position
            found = match(buffer, position)
            assert found is not None  # noqa: S101 -- every part of the pattern is optional
            position = found.end()
            if position >= length:
                return Scan.MORE, position
            byte = buffer[position]
            if byte == _QUOTE or byte in _OPENERS:
                self._open(byte)
            elif byte in _CLOSERS:
                if self._pop(position):
                    return Scan.CLOSED, position + 1
            elif (scan := self._line_break(buffer, position, final=final)) is not None:
                return scan, position
            position += 1

    def _string(self, buffer: Buffer, position: int) -> tuple[int, Scan | None]:
        found = _STRING_REST.match(buffer, position)
        assert found is not None  # noqa: S101 -- every part of the pattern is optional
        end = found.end()
        if end == len(buffer) or (buffer[end] == _BACKSLASH and end + 1 == len(buffer)):
            return end, Scan.MORE
        if buffer[end] != _QUOTE:
            return end + (buffer[end] == _BACKSLASH), Scan.CUT
        self._in_string = False
        return end + 1, None if self._stack else Scan.CLOSED

    def _open(self, byte: int) -> None:
        if byte == _QUOTE:
            self._in_string = True
        elif len(self._stack) < _MAX_STACK:
            self._stack.append(byte)
        else:
            self._beyond += 1

    def _pop(self, position: int) -> bool:
        """Close the innermost container; true if that was the value itself."""
        if self._beyond:
            self._beyond -= 1
            return False
        self._stack.pop()
        if len(self._stack) == 1:
            self.children += 1
            if self.children == 1:
                self.first_child_end = position + 1
        return not self._stack

    def _line_break(self, buffer: Buffer, position: int, *, final: bool) -> Scan | None:
        seen = buffer[position + 1 : position + 2 + self.column]
        if not final and len(seen) <= self.column and not seen.strip(b" "):
            return Scan.MORE
        return Scan.NEXT if self._starts_another(buffer, position) else None

    def _starts_another(self, buffer: Buffer, position: int) -> bool:
        if buffer[position + 1 + self.column : position + 2 + self.column] != b"{":
            return False
        before = position - 1
        while before >= 0 and buffer[before] in _BLANKS:
            before -= 1
        if before < 0:
            return True
        previous = buffer[before]
        return not (previous in b":[" or (previous == _COMMA and self._stack[-1] == _ARRAY))
