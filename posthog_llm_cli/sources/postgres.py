"""What PostgreSQL and psql put around and into rows of JSON.

`COPY (SELECT row_to_json(…)) TO …` writes one row a line and escapes it: every backslash is doubled, line breaks and
tabs between the JSON's parts become `\\n` and `\\t`. Some rows are no JSON as they stand then, and the others may be,
but say something else: `"a\\\\nb"` for `"a\\nb"`. So it is told once for each source, by `Evidence`, and undone in
every row by `CopyText` (litellm-logs.md 1; PostgreSQL, COPY, "Text Format"). `title_end` finds what psql prints above.
"""

import re
from collections.abc import Iterable, Iterator

import orjson

from posthog_llm_cli.decoding import decode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Json, LogLine
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.sources.lines import Splitter
from posthog_llm_cli.sources.track import PADDING, Track

ROW_NAMES = ("request_id", "call_type", "startTime")
FOLDED_NAMES = frozenset(name.lower() for name in ROW_NAMES)
"""What every SpendLogs row has (litellm-logs.md 1, detection rule 4), and what its table's header must name."""

COPY_WARNINGS = ("copy-escaped",)
COPY_END = b"\\."
COPY_NULL = b"\\N"

Buffer = bytes | bytearray

_ROW_KEYS = tuple(f'"{name}"'.encode() for name in ROW_NAMES)
_BACKSLASH, _PAIR = b"\\", b"\\\\"

_ESCAPE = lazily(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
# A single backslash that COPY never writes (`\d`, `\"`): the line is no COPY text, whatever is wrong with it.
_NOT_COPY = lazily(rb"\\(?![bfnrtv0-7]|x[0-9A-Fa-f])")
# An escape of JSON's own that COPY has doubled, once it is undone.
_DOUBLED = lazily(rb'\\[nrtu"]')
# What json_agg puts between two rows is `, `, a line break and a blank; only COPY writes the line break like this.
_AGGREGATED = lazily(rb'\}, \\n \{"')

_NAME = lazily(rb"([A-Za-z_][\w$]{0,62})[ \t\r]*+\n")
_NAME_OPEN = lazily(rb"[A-Za-z_][\w$]{0,62}[ \t\r]*+\Z")
_RULE = lazily(rb"-+[ \t\r]*+\n")
_RULE_OPEN = lazily(rb"-*+[ \t\r]*+\Z")
_JSON_FUNCTIONS = frozenset((b"row_to_json", b"to_json", b"to_jsonb", b"json_agg", b"jsonb_agg", b"json_build_object"))


def has_row_keys(raw: Buffer) -> bool:
    """Whether the bytes name what every SpendLogs row has: cheap, and true of some others too."""
    return all(key in raw for key in _ROW_KEYS)


def unescape(raw: bytes) -> bytes:
    """Undo COPY's escaping in one row or cell; a backslash before any other character stands for that one."""
    if _BACKSLASH not in raw:
        return raw
    parts = raw.split(_PAIR)
    return _BACKSLASH.join(_ESCAPE.sub(_unescaped, part) if _BACKSLASH in part else part for part in parts)


def copied_cells(row: bytes) -> list[str | None]:
    """The cells of a row that COPY wrote with its columns. Raises: UnicodeDecodeError."""
    return [None if cell == COPY_NULL else unescape(cell).decode() for cell in row.split(b"\t")]


def are_columns(names: Iterable[str]) -> bool:
    """Whether a table with these columns is SpendLogs; warehouses fold the case of their names."""
    return {name.lower() for name in names} >= FOLDED_NAMES


def _unescaped(found: re.Match[bytes]) -> bytes:
    octal, hexadecimal, other = found.groups()
    if octal is not None:
        return bytes((int(octal, 8) & 0xFF,))
    if hexadecimal is not None:
        return bytes((int(hexadecimal, 16),))
    return _LETTERS.get(other, other)


# --------------------------------------------------------------------------------------------------- COPY or plain?


class Evidence:
    """Whether a source of SpendLogs rows is COPY text, from the first `look_ahead` bytes of its head.

    One line proves it: no JSON as it stands, and a row once it is unescaped. One line disproves it: JSON as it stands,
    with a run of backslashes of odd length, which COPY's output of compact JSON never has. Without a proof it is COPY
    text if every row can be, and two show what COPY makes of JSON's own escapes.
    """

    def __init__(self, *, look_ahead: int) -> None:
        self._look_ahead = look_ahead
        self._weighed = 0
        self._verdict: bool | None = None
        self._shown = 0
        self._possible = True

    def verdict(self, head: Buffer, *, final: bool, settling: bool) -> bool | None:
        """Say True for COPY text and False for plain JSON; None while the head, which grows, may be either.

        `settling` asks for a verdict on the complete lines that are there, if there is one.
        """
        if self._verdict is None:
            self._verdict = self._decide(head, final=final, settling=settling)
        return self._verdict

    def _decide(self, head: Buffer, *, final: bool, settling: bool) -> bool | None:
        while (end := head.find(b"\n", self._weighed, self._look_ahead)) >= 0:
            line = bytes(head[self._weighed : end])
            self._weighed = end + 1
            if (proof := self._weigh(line.strip(PADDING))) is not None:
                return proof
        if len(head) >= self._look_ahead:
            is_aggregate = not self._weighed and _AGGREGATED.search(head, 0, self._look_ahead) is not None
            return is_aggregate or self._is_likely
        if final:
            proof = self._weigh(bytes(head[self._weighed :]).strip(PADDING))
            return self._is_likely if proof is None else proof
        return self._is_likely if settling and self._weighed else None

    @property
    def _is_likely(self) -> bool:
        return self._possible and self._shown >= 2

    def _weigh(self, line: bytes) -> bool | None:
        """The proof that a line is, or None; what it shows is counted."""
        if not line:
            return None
        if line in (COPY_END, COPY_NULL):
            return True
        singles, unescaped = line.replace(_PAIR, b""), unescape(line)
        is_json, is_copied = _value_of(line) is not None, _is_rows(_value_of(unescaped))
        if is_json and _BACKSLASH in singles:
            return False
        if not is_json and is_copied and not _NOT_COPY.search(singles):
            return True
        self._possible = self._possible and is_json and is_copied
        self._shown += _DOUBLED.search(unescaped.replace(_PAIR, b"")) is not None
        return None


def _value_of(raw: bytes) -> Json:
    """The value, or None where it is no JSON (or null)."""
    try:
        return decode(raw).value
    except RecordError:
        return None


def _is_rows(value: Json) -> bool:
    """Whether it is a SpendLogs row, or an array of them."""
    rows = value if isinstance(value, list) else [value]
    return bool(rows) and all(isinstance(row, dict) and all(name in row for name in ROW_NAMES) for row in rows)


class CopyText:
    """One record a line, unescaped, each with the warning `copy-escaped`; `\\.` ends the data, `\\N` is null.

    A line that no COPY can have written, because it is JSON with a single backslash as it stands, is left alone: it
    comes from another file that was put behind this one.
    """

    rest: bytes | None = None

    def __init__(self, track: Track) -> None:
        self._track = track
        self._splitter = Splitter(track)

    def feed(self, block: bytes) -> Iterator[LogLine]:
        """The records that end in this block."""
        for offset, number, line in self._splitter.feed(block):
            yield from self._take(offset, number, line)

    def finish(self) -> Iterator[LogLine]:
        """The last line, where it has no line end."""
        for offset, number, line in self._splitter.finish():
            yield from self._take(offset, number, line)

    def _take(self, offset: int, number: int, line: bytes | None) -> Iterator[LogLine]:
        if line is None:
            yield self._track.too_long(offset=offset, line=number)
            return
        raw = line.strip(PADDING)
        offset += len(line) - len(line.lstrip(PADDING)) if raw else 0
        if not raw or raw == COPY_END or self._track.is_footer(raw):
            return
        if raw == COPY_NULL:
            yield self._track.record(b"null", offset=offset, line=number)
        elif _is_plain(raw):
            yield self._track.record(raw, offset=offset, line=number)
        else:
            yield self._track.record(unescape(raw), offset=offset, line=number, warnings=COPY_WARNINGS)


def _is_plain(raw: bytes) -> bool:
    if _BACKSLASH not in raw or _BACKSLASH not in raw.replace(_PAIR, b""):
        return False
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------ psql's frame


def title_end(head: Buffer, *, final: bool) -> int | None:
    """Where a column's title ends that psql (or COPY's HEADER) put in front of rows of JSON; 0 where there is none.

    None while that can't be told. It is a name and a rule of dashes, or the name of one of PostgreSQL's JSON functions
    in front of an object or an array. Without a rule, a name that the query gave is not told from other text.
    """
    named = _NAME.match(head)
    if named is None:
        return None if not final and _NAME_OPEN.match(head) else 0
    end = named.end()
    if head[end : end + 1] in (b"{", b"["):
        return end if named[1] in _JSON_FUNCTIONS else 0
    ruled = _RULE.match(head, end)
    if ruled is not None:
        return ruled.end()
    return None if not final and _RULE_OPEN.match(head, end) else 0
