"""Dead letters: the records that did not become accepted events, kept whole with the reason, one JSON line each.

A dead-letter file is itself a source: `plh send FILE` takes its records up again (cli.md, "Dead letters").
"""

import base64
import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, ClassVar

import orjson

from posthog_llm_cli.decoding import MAX_DEPTH, is_deeper
from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.model import SourceRef
from posthog_llm_cli.values import Value

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_NOT_SYNCABLE = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EROFS})
"""What a pipe or a device answers, which cannot be synced, and needs it no more than it can."""

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


class DeadLetter(Value, frozen=True):
    """One rejected record and why. `raw` is None where the record was not held in memory (over `--max-record`)."""

    hidden: ClassVar = frozenset({"raw"})

    ref: SourceRef
    code: str
    path: str
    message: str
    uuid: str | None
    raw: bytes | None


class DeadLetterFile:
    """Appends letters to a file that it creates (mode 0600) at the first one; `add` writes each of them at once.

    With `own=True` the file is this run's alone: where the path is taken, `-2`, `-3`, … are tried, and `path` says
    which it became. Otherwise lines are added to what is there.
    """

    def __init__(self, path: Path, *, own: bool = False) -> None:
        self.path = path
        self.count = 0
        self.unwritten = 0
        self.failure: ConfigError | None = None
        self._own = own
        self._file: FileIO | None = None
        self._unsynced = 0
        self._is_lost = False
        self._is_torn = False

    @property
    def added_to(self) -> Path | None:
        """The file that may be there already and grows; None where the run makes one of its own."""
        return None if self._own else self.path

    def add(self, letter: DeadLetter) -> bool:
        """Write one letter and return True; where that fails, count it under `unwritten` and keep why in `failure`.

        The run goes on: what can be delivered is, and its report says what became of every record.
        """
        if self._is_lost:
            self.unwritten += 1
            return False
        try:
            if self._file is None:
                self._file = self._open()
            self._write(self._file, encode_letter(letter))
        except OSError as error:
            self.failure = self.failure or _unwritable(self.path, error.strerror or str(error))
            self.unwritten += 1
        except ConfigError as error:
            self.failure = self.failure or error
            self.unwritten += 1
        else:
            self.count += 1
            self._unsynced += 1
            return True
        return False

    def sync(self) -> bool:
        """Put what was written on disk; False where that fails, which `failure` then explains.

        From then on no letter is taken: of a disk that failed once, or a file that was removed, nothing more is known.
        """
        if self._file is not None and self._unsynced:
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                if error.errno not in _NOT_SYNCABLE:
                    self._lose(error.strerror or str(error))
            if not os.fstat(self._file.fileno()).st_nlink:
                self._lose("it was removed")
            self._unsynced = 0
        return not self._is_lost

    def _lose(self, reason: str) -> None:
        self._is_lost = True
        self.failure = self.failure or _unwritable(self.path, reason)
        self.count -= self._unsynced
        self.unwritten += self._unsynced
        self._unsynced = 0

    def close(self) -> None:
        """Put what was written on disk, and close the file if there is one."""
        if self._file is not None:
            self.sync()
            with suppress(OSError):  # what could not be written was reported by `add`
                self._file.close()
            self._file = None

    def _write(self, file: FileIO, line: bytes) -> None:
        """Write one line, on a line of its own: of the one before, a disk that filled up may have taken a part."""
        left = memoryview(b"\n" + line if self._is_torn else line)
        self._is_torn = True
        while left:
            left = left[file.write(left) :]
        self._is_torn = False

    def _open(self) -> FileIO:
        _make_folder(self.path.parent)
        if not self._own:
            file = _create(self.path, os.O_APPEND)
            _end_cut_off_line(file, self.path)
            return file
        stem, attempt = self.path.stem, 1
        while True:
            with suppress(FileExistsError):
                return _create(self.path, os.O_EXCL)
            attempt += 1
            self.path = self.path.with_name(f"{stem}-{attempt}{self.path.suffix}")


class NoDeadLetters:
    """Counts letters and writes nothing: mock, dry run, validate."""

    path: Path | None = None
    added_to: Path | None = None
    failure: ConfigError | None = None
    unwritten = 0

    def __init__(self) -> None:
        self.count = 0

    def add(self, _: DeadLetter) -> bool:
        """Count one letter."""
        self.count += 1
        return True

    def sync(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Do nothing."""


def plan_file(where: str, run_started_at: datetime, *, specs: Sequence[str] = ()) -> DeadLetterFile:
    """Return the dead-letter file of a run, not yet made: `where` is a folder (existing, or ending in `/`) or a file.

    A file that is one of the sources (`specs`, as typed) is not added to while it is read: the run has one beside it.

    Raises:
        ConfigError: the file could not be made there; found out before anything is read.
    """
    path = Path(where)
    # Of os.path throughout: Path's raise where a folder on the way may not be looked into.
    if where.endswith("/") or os.path.isdir(path):  # noqa: PTH112
        name = run_started_at.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ.jsonl")
        _check_folder(path)
        return DeadLetterFile(path / name, own=True)
    if os.path.exists(path):  # noqa: PTH110
        if not os.access(path, os.W_OK):
            raise _unwritable(path, "no permission to write")
    else:
        _check_folder(path.parent)
    return DeadLetterFile(path, own=any(_is_same(spec, path) for spec in specs))


def _is_same(spec: str, path: Path) -> bool:
    try:
        return os.path.samefile(0 if spec == "-" else spec, path)  # noqa: PTH121
    except (OSError, ValueError):  # a glob, or nothing there
        return False


def encode_letter(letter: DeadLetter) -> bytes:
    """Return the letter as one JSON line, its record byte for byte where that is strict JSON (but for line breaks)."""
    document: dict[str, Any] = {
        "plh_dead_letter": 1,
        "source": _text(letter.ref.uri),
        "line": letter.ref.line,
        "offset": letter.ref.offset,
        "code": letter.code,
        "path": _text(letter.path),
        "message": _text(letter.message),
        "uuid": letter.uuid,
        "record": None,
    }
    if letter.raw is not None:
        document.update(_record(letter.raw))
    return orjson.dumps(document) + b"\n"


def _record(raw: bytes) -> dict[str, Any]:
    if _is_strict_json(raw):
        # Outside of strings a line break is mere space, and strict JSON has none inside of them.
        return {"record": orjson.Fragment(raw.strip().translate(_ONE_LINE))}
    try:
        return {"record": raw.decode()}
    except UnicodeDecodeError:
        return {"record": None, "record_base64": base64.b64encode(raw).decode("ascii")}


def _is_strict_json(raw: bytes) -> bool:
    """Whether any JSON parser takes it: no `NaN`, no lone surrogates, no depth that readers refuse.

    A letter is one level around its record, and must not be too deep where the record is not.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return raw.count(b"[") + raw.count(b"{") < MAX_DEPTH or not is_deeper(value, MAX_DEPTH - 1)


def _text(text: str) -> str:
    """Return text that UTF-8 can carry: file names hold undecodable bytes as lone surrogates."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if _has_escapes(text) else _plain(text)


def _has_escapes(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _create(path: Path, flags: int) -> FileIO:
    # Unbuffered: a buffer would keep what a full disk did not take, and write it after all behind later letters.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, _FILE_MODE)
    return os.fdopen(descriptor, "wb", buffering=0)


def _end_cut_off_line(file: FileIO, path: Path) -> None:
    """End the last line of a file that a crash or a full disk cut off, so that the next letter stands alone."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb") as reader:
        reader.seek(-1, os.SEEK_END)
        if reader.read(1) != b"\n":
            file.write(b"\n")


def _make_folder(folder: Path) -> None:
    """Make the folder and those above it, all for their owner alone (`Path.mkdir` gives parents other modes)."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)


def _check_folder(folder: Path) -> None:
    """Raise ConfigError unless files can be made in `folder`, or it can be made itself."""
    nearest = folder
    while not os.path.exists(nearest) and nearest != nearest.parent:  # noqa: PTH110
        nearest = nearest.parent
    if not os.path.isdir(nearest):  # noqa: PTH112
        raise _unwritable(folder, f"{nearest} is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _unwritable(folder, f"no permission to write in {nearest}")


def _unwritable(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"{path}: expected a place for dead letters and found none: {reason.lower()}",
        hint="name a file or folder that can be written with --dead-letter or PLH_DEAD_LETTER",
    )
