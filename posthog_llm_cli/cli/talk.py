"""The two streams: stdout carries data, stderr carries talk."""

import errno
import os
import select
import stat
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import BufferedWriter, FileIO
from typing import IO, TYPE_CHECKING, BinaryIO, TextIO, cast

from posthog_llm_cli.config.display import Display
from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.report.text import fold, harmless, words

if TYPE_CHECKING:
    from typing_extensions import Buffer

_NARROWEST = 20
_COLOURS = {"error:": "31", "warning:": "33", "hint:": "36", "next:": "32"}


class Talk:
    """Lines for a person, on stderr; thread-safe.

    Every line is made harmless (no control characters, no keys). Colour only on a terminal, or where FORCE_COLOR asks
    for it. A stream that is closed or gone is talked to no more: a run does not fail because nobody listens.
    `quiet` leaves only errors, hints and notes that were asked for.
    """

    def __init__(self, stream: TextIO | None, display: Display, *, quiet: bool = False) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._quiet = quiet
        self.is_terminal = stream is not None and stream.isatty()
        self.moves_cursor = self.is_terminal and not display.dumb
        self.colour = display.colour if display.colour is not None else self.is_terminal
        self.through: Callable[[str], None] | None = None
        """Where lines go while a progress bar holds the terminal's last line."""

    @property
    def width(self) -> int | None:
        """The terminal's columns; None where there is no terminal, or one that does not tell."""
        if self._stream is None or not self.is_terminal:
            return None
        with suppress(OSError, ValueError):  # closed, or no file behind it
            columns = os.get_terminal_size(self._stream.fileno()).columns
            return columns if columns >= _NARROWEST else None
        return None

    def say(self, *lines: str) -> None:
        """Print lines that are no errors."""
        if not self._quiet:
            self._print(lines)

    def note(self, line: str) -> None:
        """Print a line that is no error and was asked for, where quiet too."""
        self._print((line,))

    def error(self, message: str, hint: str | None = None) -> None:
        """Print `error: …` and what to do about it, which is prose, and folded to a terminal."""
        hints = () if hint is None else fold(words(f"hint: {hint}"), self.width)
        self._print((f"error: {message}", *hints))

    def _print(self, lines: Iterable[str]) -> None:
        with self._lock:
            for line in lines:
                text = self._coloured(harmless(line))
                if self.through is not None:
                    self.through(text)
                else:
                    self._write(text + "\n")

    def _coloured(self, line: str) -> str:
        word = line.split(" ", 1)[0]
        if not self.colour or word not in _COLOURS:
            return line
        return f"\x1b[{_COLOURS[word]}m{word}\x1b[0m{line[len(word) :]}"

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the reader has gone, or the terminal; ValueError: closed under our feet
            silence(self._stream)
            self._stream = None


def data_stream() -> BinaryIO:
    """Return stdout for bytes, each of which it takes. Raises: ConfigError where it is closed."""
    if sys.stdout is None:
        raise ConfigError("expected an open stdout and found it closed")
    return _whole(sys.stdout)


def talk_stream() -> BinaryIO | None:
    """Return stderr for bytes, each of which it takes; None where it is closed."""
    return None if sys.stderr is None else _whole(sys.stderr)


def _whole(stream: TextIO) -> BinaryIO:
    """Return a stream for bytes: with PYTHONUNBUFFERED Python's own drops what one write does not take."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream.buffer  # no file behind it
    stream.flush()
    return BufferedWriter(_Patient(descriptor, "wb", closefd=False))


class _Patient(FileIO):
    """A file that waits for room also where it may not: another process that has it, too, can have said so."""

    def write(self, data: "Buffer", /) -> int:
        while (written := cast("int | None", super().write(data))) is None:
            waiting = select.poll()
            waiting.register(self.fileno(), select.POLLOUT)
            waiting.poll()
        return written


def print_data(data: bytes, stream: BinaryIO | None) -> bool:
    """Print data that a reader may do without: if it has gone (`| head`), the run's own result still counts.

    Return whether there is a reader.
    """
    if stream is None:
        return False
    try:
        stream.write(data)
        stream.flush()
    except OSError as error:
        # A terminal that was closed says what a failing disk says, too.
        is_terminal = error.errno == errno.EIO and stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)
        if not isinstance(error, BrokenPipeError) and not is_terminal:
            raise
        silence(stream)
        return False
    return True


def silence(stream: IO[str] | IO[bytes]) -> None:
    """Point a stream whose reader has gone at nothing, so that the interpreter's last flush does not fail."""
    with suppress(OSError, ValueError):  # no file behind it, or closed
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
