"""One stream whose parts lie line by line, or a fragment of it: its parts as JSON, and the line that stands for it."""

from posthog_llm_cli.formats.stream_parts import Kind, Progress
from posthog_llm_cli.model import Json, LogLine, Skipped
from posthog_llm_cli.values import State, field, replace

FORMAT = "openai-stream"

Key = tuple[Kind, bool, str | None]


class Stream(State):
    """A stream that is open: its parts as JSON, and what tells which further parts are its own."""

    key: Key
    first: LogLine
    order: int
    last: int
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    progress: Progress = field(default_factory=Progress)
    items: set[str] = field(default_factory=set)
    number: int | None = None
    is_done: bool = False
    has_failed: bool = False
    is_backwards: bool = False
    has_usage: bool = False
    opened: set[int] = field(default_factory=set)
    opens_again: bool = False
    has_created: bool = False
    model: Json = None

    @property
    def begins(self) -> bool:
        """Whether its first part begins the answer: one that says a role, or the event of that name."""
        return self.progress.has_begun or self.has_created

    @property
    def is_first_piece(self) -> bool:
        """Whether it may be the first part of a stream whose every part has an id of its own."""
        is_chunk = self.key[0] is Kind.CHUNK and len(self.parts) == 1
        return is_chunk and self.progress.has_begun and not self.has_ended

    def is_followed_by(self, other: "Stream", pieces: "list[Stream]", *, max_bytes: int) -> bool:
        """Whether another is the next part of such a stream, of which the pieces came before: one that begins nothing.

        What is behind the part that ends it can only be the usage; or that went to the last part already.
        """
        is_piece = len(other.parts) == 1 or (len(other.parts) == 2 and other.has_ended and other.has_usage)
        is_alike = other.key[:2] == self.key[:2] and other.model == self.model and not other.progress.has_begun
        is_over = bool(pieces) and (pieces[-1].has_ended or pieces[-1].has_usage)
        size = self.size + other.size + sum(piece.size for piece in pieces)
        if is_over and (other.has_ended or not other.has_usage):
            return False
        return is_piece and is_alike and size <= max_bytes

    @property
    def has_ended(self) -> bool:
        """Whether it came to an end by itself; further parts (its usage) may follow."""
        return bool(self.progress.closed) or self.has_failed

    def go_on_with(self, rest: "Stream") -> None:
        """Take the parts of another one, which are the further parts of this."""
        self.parts += rest.parts
        self.size += rest.size
        self.last = max(self.last, rest.last)
        self.progress.closed |= rest.progress.closed
        self.is_done = self.is_done or rest.is_done
        self.has_failed = self.has_failed or rest.has_failed
        self.has_usage = self.has_usage or rest.has_usage
        self.opens_again = self.opens_again or rest.opens_again

    def as_merged(self) -> LogLine:
        """The line of its first part, where that is a further part of another one."""
        return merged(self.first)

    def line(self) -> LogLine:
        """The line that stands for the call; a part that is alone is the record that it was."""
        # The last event of a response holds it whole, with or without what came before.
        beginning = b"" if self.key[0] is Kind.EVENT else self.parts[-1 if self.is_backwards else 0]
        if len(self.parts) == 1 and not self.is_done:
            return replace(self.first, beginning=beginning)
        done = [b'"[DONE]"'] if self.is_done else []
        parts = self.parts[::-1] if self.is_backwards else self.parts
        raw = b'{"chunks":[' + b",".join([*parts, *done]) + b"]}"
        return replace(self.first, raw=raw, beginning=beginning)


def merged(line: LogLine, *warnings: str) -> LogLine:
    """The line of a further part of a stream."""
    skipped = Skipped("merged", "a further part of a stream")
    return LogLine(line.ref, b"", None, line.console, skipped, FORMAT, warnings)
