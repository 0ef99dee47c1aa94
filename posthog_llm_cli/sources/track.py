"""The place in one source, and what framing has learnt about it so far: the part that all framings share."""

import orjson

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import LogLine, Skipped, SourceRef
from posthog_llm_cli.patterns import lazily

PADDING = b" \t\r\0"
"""What may surround a record on its line: blanks, the `\\r` of CRLF, and the NULs of a preallocated or crashed file."""

_CONSOLE_KEYS = ("message", "level", "timestamp", "component")
_CONSOLE_STARTS = (b'{"message"', b"{\n", b"{\r\n")
_BEFORE_PAYLOAD = b"litellm_logging.py:"
_BEFORE_NOISE = (b" - RAW RESPONSE:", b" - Request received by LiteLLM:")
_NOISE = Skipped("console-log", "a request or an answer that LiteLLM's console log prints")
_FOOTER = lazily(rb"\(\d+ rows?\)")


class Track:
    """Where the next byte of a source stands, and whether the source is a console log; makes its `LogLine`s.

    `titled` is set where psql printed the source, with the column's title above the rows, `before_noise` where the last
    line said that the next one is no record.
    """

    __slots__ = ("before_noise", "console", "line", "max_record", "offset", "titled", "uri")

    def __init__(self, uri: str, *, max_record: int) -> None:
        self.uri = uri
        self.max_record = max_record
        self.offset = 0
        self.line = 1
        self.console = False
        self.titled = False
        self.before_noise = False

    def record(self, raw: bytes, *, offset: int, line: int, warnings: tuple[str, ...] = ()) -> LogLine:
        """The record `raw`, or its refusal where it is over the ceiling.

        What LiteLLM's `--detailed_debug` says before a request or an answer tells that it is no record: its call is
        logged elsewhere, whole and as redacted as it was meant to be.
        """
        if len(raw) > self.max_record:
            return self.too_long(offset=offset, line=line)
        if self.before_noise:
            self.before_noise = False
            if raw.startswith((b"{", b"[")):
                return LogLine(SourceRef(self.uri, line, offset), b"", None, self.console, _NOISE)
        elif raw.endswith(_BEFORE_NOISE):
            self.before_noise = b"LiteLLM" in raw
        if not self.console and raw.startswith(_CONSOLE_STARTS):
            self.console = raw[1:2] != b'"' or is_console_line(raw)
        return LogLine(SourceRef(self.uri, line, offset), raw, None, self.console, warnings=warnings)

    def is_footer(self, raw: bytes) -> bool:
        """Whether this is the `(24 rows)` that psql prints below a table with a title: framing, and no record."""
        return self.titled and _FOOTER.fullmatch(raw) is not None

    def too_long(self, *, offset: int, line: int) -> LogLine:
        """A record over the ceiling: only its place is kept."""
        error = RecordError(
            "record-too-long",
            f"expected a record of at most {self.max_record} bytes and found a longer one",
            hint="raise --max-record if this is one call",
        )
        return LogLine(SourceRef(self.uri, line, offset), b"", error, self.console)


def payload_start(line: bytes | bytearray) -> int | None:
    """Where on a line without its end a payload begins that LiteLLM's logger printed over several; None for no such.

    Before 1.80 it wrote `03:05:43 - LiteLLM:INFO: litellm_logging.py:4500 - {`, later the `{` on a line of its own.
    """
    stripped = line.rstrip(PADDING)
    return len(stripped) - 1 if stripped.endswith(b" - {") and _BEFORE_PAYLOAD in stripped else None


def is_console_line(raw: bytes) -> bool:
    """Whether this is a line of LiteLLM's `json_logs: true`: message, level, timestamp and component at the top."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and all(key in value for key in _CONSOLE_KEYS)
