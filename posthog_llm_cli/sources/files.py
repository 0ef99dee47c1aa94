"""What the operator typed → the files it names, and their bytes in blocks."""

import errno
import fnmatch
import glob
import hashlib
import os
import select
import stat
import time
from collections.abc import Callable, Generator, Iterator

from posthog_llm_cli.committed import DIGEST_BYTES
from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.values import Value

BLOCK = 240 * 1024
"""Below the size whose pages the system gives and takes back each time (`pipeline/memory.py`)."""

_SMALL_BLOCK = 64 * 1024
"""What a small file is read in: room for a block is asked of the system and given back each time, 40 µs a file."""

_POLL_S = 0.2
_STILL_S = 60.0
_COARSE_NS = 10_000_000
"""The finest time that exFAT keeps; FAT and sshfs keep seconds. A finer clock hits such a time once in millions."""

_RECURSIVE = "**"
_STDIN = "-"


class Stopped(Exception):
    """The run is to end: what has been read of the current record is not wanted any more."""


class Source(Value, frozen=True):
    """A file to read, or stdin where `path` is None; `uri` is its name in messages, always valid Unicode."""

    path: str | None
    uri: str


def expand(spec: str) -> Iterator[Source | SourceError]:
    """The sources that a path, directory, glob or `-` names; a SourceError where there is nothing, or nothing to read.

    A name that exists is taken as it is, even if it could be a glob. Of a directory: every regular file below it but
    hidden ones, in the order of their paths, each directory once.
    """
    if spec == _STDIN:
        yield Source(None, _STDIN)
        return
    try:
        mode = os.stat(spec).st_mode  # noqa: PTH116 -- names are str throughout, and may be no UTF-8
    except OSError as error:
        if glob.has_magic(spec):
            yield from _or_nothing(_expand_glob(spec), spec, "matches no file")
        else:
            yield _failure(spec, error)
        return
    if stat.S_ISDIR(mode):
        yield from _or_nothing(_walk(spec, set()), spec, "holds no file")
    else:
        yield source_of(spec)


def size_of(source: Source, stdin_fd: int) -> int | None:
    """Bytes on disk; None where that is not known before the end (a pipe), 0 where there is nothing to read."""
    try:
        found = os.stat(stdin_fd if source.path is None else source.path)  # noqa: PTH116
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def open_source(source: Source, stdin_fd: int) -> int:
    """A descriptor to read the source from, never waiting for a FIFO's writer. Raises SourceError."""
    if source.path is None:
        return stdin_fd
    try:
        return os.open(source.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _failure(source.path, error) from None


def state_of(descriptor: int, path: str) -> bytes | None:
    """Return what stands for a file in the state it is in; None where that says too little, or no file is.

    The same state is the same content: whoever writes sets the time of the last change (ctime), which nobody can set
    back. Within a minute a second change may have the same time, on a clock that is coarse or another machine's. Where
    times are coarse the system often has no such time of its own, and tells that of the writing, which anybody sets.
    """
    try:
        found, where = os.fstat(descriptor), os.fsencode(os.path.abspath(path))  # noqa: PTH100
    except OSError:  # the folder that a path is relative to may be gone, too
        return None
    is_young = time.time() - found.st_ctime < _STILL_S
    if not stat.S_ISREG(found.st_mode) or is_young or found.st_ctime_ns % _COARSE_NS == 0:
        return None
    said = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return hashlib.sha256(b"%d %d %d %d " % said + where).digest()[:DIGEST_BYTES]


def is_live(descriptor: int, uri: str) -> bool:
    """Whether reading may have to wait (a pipe, a terminal). Raises SourceError."""
    return not stat.S_ISREG(_status(descriptor, uri).st_mode)


def _status(descriptor: int, uri: str) -> os.stat_result:
    try:
        return os.fstat(descriptor)
    except OSError as error:
        raise _failure(uri, error) from None


def read_blocks(
    descriptor: int, uri: str, *, live: bool, should_stop: Callable[[], bool], idle_s: float, block_size: int = BLOCK
) -> Generator[bytes, None, None]:
    """The bytes, block by block; an empty block whenever a live source had nothing for `idle_s`.

    Raises: SourceError `source-unreadable`; Stopped within 0.2 s of `should_stop`.
    """
    if not live and _status(descriptor, uri).st_size < _SMALL_BLOCK:
        block_size = min(block_size, _SMALL_BLOCK)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    heard_at = time.monotonic()
    while not should_stop():
        try:
            if live and not poll.poll(1000 * min(_POLL_S, idle_s)):
                if time.monotonic() - heard_at >= idle_s:
                    heard_at = time.monotonic()
                    yield b""
                continue
            block = os.read(descriptor, block_size)
        except BlockingIOError:
            continue
        except OSError as error:
            raise _failure(uri, error) from None
        if not block:
            return
        yield block
        heard_at = time.monotonic()
    raise Stopped


# ------------------------------------------------------------------------------------------------------------ names


def source_of(path: str) -> Source:
    """The file at a path."""
    return Source(path, _uri(path))


def _uri(path: str) -> str:
    return os.fsencode(path).decode(errors="replace")


def _failure(path: str, error: OSError) -> SourceError:
    reason = os.strerror(error.errno).lower() if error.errno else "an error"
    uri = _uri(path) or "''"  # what a shell makes of "$LOGS" where it is unset
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return SourceError("source-not-found", uri, "expected a file, a directory or a glob and found nothing")
    return SourceError("source-unreadable", uri, f"expected a readable source and found: {reason}")


def _or_nothing(found: Iterator[Source | SourceError], spec: str, finding: str) -> Iterator[Source | SourceError]:
    empty = True
    for item in found:
        empty = False
        yield item
    if empty:
        yield SourceError("source-not-found", _uri(spec), f"expected files and found none: it {finding}")


def _walk(directory: str, seen: set[tuple[int, int]]) -> Iterator[Source | SourceError]:
    """Every file below; `seen` holds the directories that were walked, so that links in a circle end."""
    waiting: list[tuple[str, str | OSError]] = [(directory, "directory")]
    while waiting:
        path, kind = waiting.pop()
        if kind == "directory":
            try:
                kinds = _kinds_in(path, seen)
            except OSError as error:
                yield _failure(path, error)
                continue
            names = _in_order({name: kind == "directory" for name, kind in kinds.items()})
            waiting += [(os.path.join(path, name), kinds[name]) for name in reversed(names)]  # noqa: PTH118
        elif kind == "file":
            yield source_of(path)
        elif isinstance(kind, OSError):
            yield _failure(path, kind)
        # sockets, devices and pipes are no logs


def _kinds_in(directory: str, seen: set[tuple[int, int]]) -> dict[str, str | OSError]:
    """What is in a directory, by its names but hidden ones; nothing where it is in `seen`, which it is from now on."""
    found = os.stat(directory)  # noqa: PTH116
    if (found.st_dev, found.st_ino) in seen:
        return {}
    seen.add((found.st_dev, found.st_ino))
    with os.scandir(directory) as entries:
        return {entry.name: _kind(entry) for entry in entries if not entry.name.startswith(".")}


def _in_order(is_directory: dict[str, bool]) -> list[str]:
    """By path: a directory sorts with the slash behind its name, as the paths below it do."""
    return sorted(is_directory, key=lambda name: f"{name}/" if is_directory[name] else name)


def _kind(path: "os.DirEntry[str] | str") -> str | OSError:
    try:
        if not isinstance(path, str) and not path.is_symlink():
            # What the directory says, mostly without asking the file.
            return "directory" if path.is_dir() else "file" if path.is_file() else "other"
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError as error:
        return error
    if stat.S_ISDIR(mode):
        return "directory"
    return "file" if stat.S_ISREG(mode) else "other"


def _expand_glob(pattern: str) -> Iterator[Source | SourceError]:
    """Files that match; a directory that matches is walked, as a shell's expansion would be, but not behind `**`.

    Sockets, devices and pipes are passed over as in a directory: nobody has named them, and a pipe may never end.
    """
    parts = pattern.split("/")
    if _RECURSIVE in parts:
        at = parts.index(_RECURSIVE)
        base = "/".join(parts[:at]) or pattern[: pattern.startswith("/")]
        yield from _expand_recursive(base, [part for part in parts[at:] if part])
        return
    seen: set[tuple[int, int]] = set()
    is_directory: dict[str, bool] = {}
    for match in _matches_of(pattern):
        if isinstance(match, SourceError):
            yield match
        else:
            is_directory.update([match])
    for path in _in_order(is_directory):
        if is_directory[path]:
            yield from _walk(path, seen)
        elif not pattern.endswith("/"):
            yield source_of(path)


def _matches_of(pattern: str) -> Iterator[tuple[str, bool] | SourceError]:
    """What matches a pattern without `**`, and whether it is a directory."""
    base = "/" if pattern.startswith("/") else ""
    for match in _match(base, [part for part in pattern.split("/") if part]):
        if isinstance(match, SourceError):
            yield match
            continue
        kind = _kind(match)
        if isinstance(kind, OSError):
            if kind.errno not in (errno.ENOENT, errno.ENOTDIR) or os.path.islink(match):  # noqa: PTH114
                yield _failure(match, kind)
        elif kind in {"directory", "file"}:
            yield match, kind == "directory"


def _match(base: str, parts: list[str]) -> Iterator[str | SourceError]:
    """What may lie below `base` by a pattern's parts, as of `glob`, which passes over what it may not look into."""
    if not parts:
        yield base
        return
    part, rest = parts[0], parts[1:]
    if not glob.has_magic(part):
        yield from _match(os.path.join(base, part), rest)  # noqa: PTH118
        return
    try:
        found = os.listdir(base or ".")  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield _failure(base or ".", error)
        return
    for name in fnmatch.filter(found, part):
        if part.startswith(".") or not name.startswith("."):
            yield from _match(os.path.join(base, name), rest)  # noqa: PTH118


def _expand_recursive(base: str, parts: list[str]) -> Iterator[Source | SourceError]:
    # Walked here and not by glob, which follows links in a circle until the system's limit.
    bases = [base]
    if glob.has_magic(base):
        found_bases = list(_matches_of(base))
        yield from (found for found in found_bases if isinstance(found, SourceError))
        bases = sorted(f"{found[0]}/" for found in found_bases if not isinstance(found, SourceError) and found[1])
    for found in bases:
        below = len(os.path.join(found or ".", ""))  # noqa: PTH118
        for item in _walk(found or ".", set()):
            if isinstance(item, SourceError):
                yield item
            elif item.path is not None and _matches(item.path[below:].split("/"), parts):
                yield item if found else source_of(item.path[below:])


def _matches(names: list[str], parts: list[str]) -> bool:
    """Whether a path below a directory matches the rest of a pattern that starts with `**`."""
    if not parts:
        return not names
    if parts == [_RECURSIVE]:
        return True
    if parts[0] == _RECURSIVE:
        return any(_matches(names[skipped:], parts[1:]) for skipped in range(len(names)))
    return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and _matches(names[1:], parts[1:])
