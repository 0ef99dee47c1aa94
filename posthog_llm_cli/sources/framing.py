"""Which bytes of a source make one record.

`Framer` decides by the head of a source how its records lie, with a bounded look-ahead, and hands the bytes to `Lines`,
`ServerSentEvents`, `Documents`, `CopyText`, `Dump`, `Table` or `Foreign`. Physical lines end at `\\n` only. Offsets
count bytes of the decompressed stream.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial

from posthog_llm_cli.decoding import MAX_DEPTH, decode, is_whole_object
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.model import Json, LogLine, Mark
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.sources.binaries import refuse_binary
from posthog_llm_cli.sources.documents import Documents, Flow
from posthog_llm_cli.sources.dump import Dump, begins_dump
from posthog_llm_cli.sources.lines import SSE_STARTS, Lines, ServerSentEvents
from posthog_llm_cli.sources.postgres import CopyText, Evidence, has_row_keys, title_end
from posthog_llm_cli.sources.scanner import Scan, Structure
from posthog_llm_cli.sources.table import Foreign, Table, delimiter_of_table, spend_logs_header
from posthog_llm_cli.sources.track import PADDING, Track, is_console_line

LOOK_AHEAD = 4 * 1024 * 1024
"""Bytes of a head that are held to see whether more lines follow an array, or whether rows are COPY text."""
CONSOLE_HEAD = 64 * 1024
"""Bytes in which a console log shows itself, and a table its header."""

_MAX_PARTS = 3
_OF_CALLS = ("response", "completion", "output", "error")
"""What a request has not, and a record of a call has beside its prompt."""
_BOM = b"\xef\xbb\xbf"
_GIT_LFS = b"version https://git-lfs.github.com/spec/v1"
_LEADING = lazily(rb"[\s\0]*+")
_LINE_REST = lazily(rb"[ \t\r\0]*+")
_GLUED = lazily(rb"[ \t\r\0]*+[{\[,]")
_ARRAY_START = lazily(rb'\[[\s\0]*+(?:["{\[\]tfnNI\d-]|\Z)')
_FIRST_CONTENT = lazily(rb"\[[\s\0]*+([^\s\0])")
_ONE_BRACE = lazily(rb"\{[ \t\r]*+(?:\n|\Z)")
_LINES_OF_ONE_BRACE = (
    lazily(rb"\n\{[ \t\r]*+(?:\n|\Z)"),
    lazily(rb"litellm_logging\.py:\d{1,6} - \{[ \t\r]*+(?:\n|\Z)"),
)
"""Two, for a pattern that begins with bytes leaps to them, and one with a choice tries every place."""

Mode = Lines | ServerSentEvents | Documents | CopyText | Dump | Table | Foreign
NewMode = Callable[[Track], Mode]


class First(Enum):
    """What the first element of an array says about the array."""

    UNKNOWN = "unknown"
    MESSAGE = "message"
    REQUEST = "request"
    OTHER = "other"


class Framer:
    """Takes a source's bytes in blocks of any size and gives its records in order.

    Feed every block, then `finish`. `settle` says that nothing more may come for a while: what can be decided by the
    head that is there is decided. Holds the head until then, and one record under `max_record`.
    """

    def __init__(self, uri: str, *, max_record: int) -> None:
        self._track = Track(uri, max_record=max_record)
        self._head = bytearray()
        self._mode: Mode | None = None
        self._chosen: NewMode | None = None
        self._probe = Structure()
        self._probed = 0
        self._scan = Scan.MORE
        self._first = First.UNKNOWN
        self._started = False
        self._has_rows: bool | None = None
        self._evidence = Evidence(look_ahead=LOOK_AHEAD)

    def feed(self, block: bytes) -> Iterator[LogLine | Mark]:
        """The records that are complete with this block. Like the others, raises SourceError for what is no log."""
        if self._mode is not None:
            return self._run(block)
        self._head += block
        return self._try(final=False, settling=False)

    def settle(self) -> Iterator[LogLine | Mark]:
        """Decide by what is there: a live source is silent, and its first records should not wait."""
        return iter(()) if self._mode is not None else self._try(final=False, settling=True)

    def finish(self) -> Iterator[LogLine | Mark]:
        """What is left at the end of the source."""
        if self._mode is None:
            yield from self._try(final=True, settling=True)
        if self._mode is not None:
            yield from self._mode.finish()

    @property
    def is_undecided(self) -> bool:
        """Whether the head has not shown yet how the records lie."""
        return self._mode is None

    @property
    def reads_lines(self) -> bool:
        """Whether records are physical lines, by what came so far."""
        return isinstance(self._mode, Lines)

    @property
    def may_stop(self) -> bool:
        """Whether what comes next can be told without what came last: records are whole lines, each for itself."""
        return isinstance(self._mode, Lines) and not self._track.before_noise and not self._mode.is_holding

    @property
    def is_console(self) -> bool:
        """Whether this is a console log, by what came so far."""
        return self._track.console

    def go_on(self, *, offset: int, lines: int, console: bool) -> None:
        """Leave out what lies before an offset, where a line begins: `lines` line breaks, and whether it showed one."""
        assert self.reads_lines  # noqa: S101 -- elsewhere a record's end depends on what comes before
        self._track.offset, self._track.line = offset, lines + 1
        self._track.console = self._track.console or console
        self._mode = Lines(self._track)

    def _try(self, *, final: bool, settling: bool) -> Iterator[LogLine | Mark]:
        if not settling and len(self._head) < CONSOLE_HEAD:
            return  # a small source is looked at once, when it is whole
        if self._chosen is None and self._skip_leading(final=final):
            self._chosen = self._choose(final=final, settling=settling)
        if self._chosen is None or not (settling or len(self._head) >= CONSOLE_HEAD):
            return
        self._track.console = _shows_console(bytes(self._head[:CONSOLE_HEAD]))
        self._mode = self._chosen(self._track)
        head, self._head = self._head, bytearray()
        yield from self._run(head)

    def _run(self, block: bytes | bytearray) -> Iterator[LogLine | Mark]:
        assert self._mode is not None  # noqa: S101 -- for the type checker
        if isinstance(self._mode, Documents):
            yield from self._mode.feed(block)
            return
        yield from self._mode.feed(bytes(block))
        if self._mode.rest is not None:
            rest = self._mode.rest
            self._mode = Documents(self._track, Flow.CONSOLE)
            yield from self._mode.feed(rest)

    def _skip_leading(self, *, final: bool) -> bool:
        """Drop a byte order mark and what is blank; true when the first character of the content is there."""
        if not self._started:
            if not final and len(self._head) < len(_BOM) and _BOM.startswith(self._head):
                return False
            self._started = True
            if self._head.startswith(_BOM):
                self._drop(len(_BOM))
        found = _LEADING.match(self._head)
        self._drop(0 if found is None else found.end())
        return bool(self._head)

    def _drop(self, size: int) -> None:
        self._track.line += self._head.count(b"\n", 0, size)
        self._track.offset += size
        del self._head[:size]

    # ---------------------------------------------------------------------------------------------- the decision

    def _choose(self, *, final: bool, settling: bool) -> NewMode | None:
        """The framing that the head shows; None while it may be one or another."""
        head = self._head
        if not final and any(start.startswith(head) for start in (*SSE_STARTS, _GIT_LFS)):
            return None
        if head.startswith(_GIT_LFS):
            head.clear()
            raise SourceError(
                "git-lfs-pointer",
                self._track.uri,
                "expected a log and found a Git LFS pointer: this is a pointer, not the file",
                hint="run `git lfs pull`",
            )
        if head.startswith(SSE_STARTS):
            return ServerSentEvents
        if not head.startswith((b"{", b"[")):
            refuse_binary(head, self._track.uri)
            return self._choose_for_text(final=final, settling=settling)
        if self._is_hopelessly_deep():
            return Lines
        if head.startswith(b"{") or _ARRAY_START.match(head):
            return self._choose_for_json(final=final, settling=settling)
        return Lines

    def _choose_for_text(self, *, final: bool, settling: bool) -> NewMode | None:
        """By line 1, which is no JSON: a dump's, a table's header, a title of psql's, or a line like any other."""
        is_dump = begins_dump(self._head, final=final)
        if is_dump is not False:
            return Dump if is_dump else None
        if not self._track.titled:
            title = title_end(self._head, final=final or len(self._head) >= LOOK_AHEAD)
            if title is None:
                return None
            if title:
                self._track.titled = True
                self._drop(title)
                return self._choose(final=final, settling=settling) if self._skip_leading(final=final) else None
        end = self._head.find(b"\n", 0, CONSOLE_HEAD)
        if end < 0 and len(self._head) >= CONSOLE_HEAD:
            return Lines
        if end < 0 and not final:
            return None
        line = bytes(self._head) if end < 0 else bytes(self._head[:end])
        if (header := spend_logs_header(line)) is not None:
            self._drop(min(len(line) + 1, len(self._head)))
            return partial(Table, header=header)
        if (delimiter := delimiter_of_table(line)) is not None:
            return partial(Foreign, delimiter=delimiter)
        return Lines

    def _choose_for_json(self, *, final: bool, settling: bool) -> NewMode | None:
        self._advance_probe(final=final)
        is_copied = self._is_copied(final=final, settling=settling)
        if is_copied is None:
            return None
        if is_copied:
            return CopyText
        if self._head.startswith(b"{"):
            return self._choose_for_object(final=final)
        return self._choose_for_array(final=final, settling=settling)

    def _is_copied(self, *, final: bool, settling: bool) -> bool | None:
        """Whether the rows carry COPY's escaping; only asked where line 1 may be a SpendLogs row."""
        if self._has_rows is None:
            end = self._head.find(b"\n", 0, LOOK_AHEAD)
            ends = [end] if end >= 0 else [min(len(self._head), LOOK_AHEAD)] if final else []
            if self._scan is Scan.CLOSED and _GLUED.match(self._head, self._probed):
                ends.append(self._probed)
            if len(self._head) >= LOOK_AHEAD:
                ends.append(LOOK_AHEAD)
            if not ends:
                # What closes within line 1 may only seem to, where its quotes are escaped.
                return None if self._scan is Scan.CLOSED else False
            self._has_rows = has_row_keys(self._head[: min(ends)])
        return self._has_rows and self._evidence.verdict(self._head, final=final, settling=settling)

    def _is_hopelessly_deep(self) -> bool:
        """Whether line 1 leaves more open than any record may nest: its end is not worth the lines after it."""
        end = self._head.find(b"\n")
        if end < 0 or not self._head.startswith((b"{", b"[")):
            return False
        opened = self._head.count(b"[", 0, end) + self._head.count(b"{", 0, end)
        if opened <= MAX_DEPTH:
            return False
        return opened - self._head.count(b"]", 0, end) - self._head.count(b"}", 0, end) > MAX_DEPTH

    def _choose_for_object(self, *, final: bool) -> NewMode | None:
        if self._spans_lines():
            return self._choose_by_second_line(final=final)
        match self._scan:
            case Scan.MORE:
                return Lines if final or self._probed > self._longest_head() else None
            case Scan.CLOSED:
                return self._choose_by_rest(Lines, _documents, final=final)
            case Scan.CUT | Scan.NEXT:
                return Lines

    def _choose_by_second_line(self, *, final: bool) -> NewMode | None:
        """Line 1 leaves an object open: by whether line 2 goes on with it.

        No document goes on with an object that is whole and has another one, or nothing, on the line behind it: then
        line 1 is one that its writer did not finish.
        """
        start = self._head.find(b"\n") + 1
        if not self._head.startswith(b"{", start):
            return _documents
        most = start + self._longest_head()
        end = self._head.find(b"\n", start, most)
        if end < 0 and not final:
            return None if len(self._head) < most else _documents
        if end < 0:
            end = len(self._head)
        if not is_whole_object(bytes(self._head[start:end]).strip(PADDING)):
            return _documents
        behind = bytes(self._head[end + 1 : end + 2])
        if not behind and not final:
            return None
        return Lines if behind in (b"", b"{") else _documents

    def _choose_for_array(self, *, final: bool, settling: bool) -> NewMode | None:
        match self._scan:
            case Scan.MORE:
                return self._choose_for_open_array(final=final)
            case Scan.CLOSED if self._spans_lines():
                return self._choose_for_closed_array()
            case Scan.CLOSED if self._head.find(b"\n", self._probed) < 0:
                alone = self._choose_for_closed_array() if final else Lines
                return self._choose_by_rest(alone, _elements, final=final or settling)
            case Scan.CLOSED:
                return self._choose_by_next_line(final=final, settling=settling)
            case Scan.CUT | Scan.NEXT:
                following = self._head[self._probed + 1 : self._probed + 2]
                if not following and not final:
                    return None
                return Lines if following == b"[" and not self._spans_lines() else _elements

    def _choose_for_open_array(self, *, final: bool) -> NewMode | None:
        first = self._first_element()
        whole = first is First.MESSAGE
        if final or (self._spans_lines() and (whole or first is First.OTHER)):
            return _whole_array if whole else _elements
        # Few elements so far may yet be one record, whose parts are large; many can only be a long first line.
        few = self._probe.children <= _MAX_PARTS and first is not First.OTHER
        if not few and self._spans_lines():
            return _elements
        if self._probed > (self._longest_head() if few else LOOK_AHEAD):
            return _whole_array if whole else _elements
        return None

    def _choose_for_closed_array(self) -> NewMode:
        first = self._first_element()
        if first is First.MESSAGE:
            return _whole_array
        if first is First.REQUEST and self._probe.children <= _MAX_PARTS:
            value = _json_of(self._head[: self._probed])
            return _whole_array if is_request_with_answer(value) else _elements
        return _elements

    def _choose_by_next_line(self, *, final: bool, settling: bool) -> NewMode | None:
        """Line 1 is a complete array: more lines make the source lines, none make it one document."""
        found = _LEADING.match(self._head, self._probed)
        end = self._probed if found is None else found.end()
        if self._head.find(b"\n", self._probed, end) < 0:
            return self._choose_by_rest(Lines, _elements, final=final)
        if end < len(self._head):
            return Lines
        if final or end - self._probed > LOOK_AHEAD:
            return self._choose_for_closed_array()
        return Lines if settling else None

    def _choose_by_rest(self, alone: NewMode, followed: NewMode, *, final: bool) -> NewMode | None:
        """By what stands behind the document that is complete on line 1: its line's end, or another document."""
        found = _LINE_REST.match(self._head, self._probed)
        end = self._probed if found is None else found.end()
        if end == len(self._head):
            return alone if final or end - self._probed > LOOK_AHEAD else None
        if bytes(self._head[end : end + 1]) in (b"{", b"[", b",") and _json_of(self._head[: self._probed]) is not None:
            return followed
        return alone

    def _advance_probe(self, *, final: bool) -> None:
        if not self._probed and self._head.startswith(b"{"):
            end = self._head.find(b"\n", 0, CONSOLE_HEAD)
            line = bytes(self._head[: end if end >= 0 else len(self._head) if final else 0]).rstrip()
            if is_whole_object(line):  # the parser is several times faster than the probe
                self._scan, self._probed = Scan.CLOSED, len(line)
        if self._scan is Scan.MORE:
            self._scan, self._probed = self._probe.advance(self._head, self._probed, final=final)

    def _longest_head(self) -> int:
        """Never so short that the decision on a small source depends on how its blocks are cut."""
        return max(self._track.max_record, LOOK_AHEAD)

    def _spans_lines(self) -> bool:
        """Whether the first document goes on behind line 1."""
        return self._head.find(b"\n", 0, self._probed) >= 0

    def _first_element(self) -> First:
        if self._first is First.UNKNOWN and (found := _FIRST_CONTENT.match(self._head)):
            if found[1] != b"{":
                self._first = First.OTHER
            elif self._probe.children:
                self._first = _first_of(_json_of(self._head[found.start(1) : self._probe.first_child_end]))
        return self._first


def is_request_with_answer(value: Json) -> bool:
    """Whether an array is one call: `[request, response or list of errors(, metadata)]`.

    OpenAI's cookbook, `api_request_parallel_processor.py`. Stricter than its readers need, for two home-made records
    side by side have a prompt and an output each: the answer's parts must have the types of an API's answer.
    """
    if not isinstance(value, list) or not 2 <= len(value) <= _MAX_PARTS or _first_of(value[0]) is not First.REQUEST:
        return False
    answer = value[1]
    if isinstance(answer, list):
        return all(isinstance(error, str) for error in answer)
    return isinstance(answer, dict) and (
        any(isinstance(answer.get(key), list) for key in ("choices", "output", "data"))
        or isinstance(answer.get("error"), dict)
        or isinstance(answer.get("object"), str)
    )


def _first_of(value: Json) -> First:
    if not isinstance(value, dict):
        return First.OTHER
    if "role" in value:
        return First.MESSAGE
    if "object" in value or "choices" in value:
        return First.OTHER  # an answer: a Responses object has a `prompt` too
    if any(value.get(key) is not None for key in _OF_CALLS):
        return First.OTHER
    is_request = any(value.get(key) is not None for key in ("messages", "prompt", "input"))
    return First.REQUEST if is_request else First.OTHER


def _json_of(raw: bytes | bytearray) -> Json:
    """The value, or None where it is no JSON (or null)."""
    try:
        return decode(bytes(raw)).value
    except RecordError:
        return None


def _documents(track: Track) -> Documents:
    return Documents(track, Flow.DOCUMENTS)


def _elements(track: Track) -> Documents:
    return Documents(track, Flow.ARRAY)


def _whole_array(track: Track) -> Documents:
    return Documents(track, Flow.ARRAY, whole=True)


def _shows_console(head: bytes) -> bool:
    """Whether a line is only `{` (a pretty-printed payload), or one of LiteLLM's JSON console lines."""
    if _ONE_BRACE.match(head) or any(line.search(head) for line in _LINES_OF_ONE_BRACE):
        return True
    lines = head.split(b"\n") if b'"component"' in head else ()
    return any(b'"component"' in line and is_console_line(line) for line in lines)
