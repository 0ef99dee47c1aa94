"""The ledger's file: made, opened and checked; what SQLite says about it → `LedgerError`."""

import contextlib
import os
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_from_bytes

from posthog_llm_cli.errors import NO_DESCRIPTORS, LedgerError
from posthog_llm_cli.ledger.schema import APPLICATION_ID, OLDER, PAGE_BYTES, SCHEMA_VERSION, TABLES, UPDATE

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_CACHE_KIB = 4 * 1024
"""The inner pages of a ledger of ten million ids; with random uuids no cache holds the leaves."""

_WAL_BYTES = 16 * 1024 * 1024
_BUSY_S = 5.0
_DESCRIPTORS = 5
"""How many file descriptors SQLite needs at most for the ledger, and one that is closed again."""
_NO_SENDING = "name another file with --ledger or PLH_LEDGER, or go without: --no-ledger (the ids stay the same)"


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Return a connection that writes, the ledger made first where there is none; its lock must be held.

    Raises:
        LedgerError: it is damaged, newer, something else, or cannot be written. It is never begun anew in silence.
    """
    with translated(path):
        if not is_there(path):
            _make(path)
        _refuse_non_file(path)
        with contextlib.ExitStack() as on_failure:
            file = _connect(path, "rw")
            on_failure.callback(file.close)
            version = _checked(file, path)
            file.execute("PRAGMA journal_mode=WAL")
            file.execute("PRAGMA synchronous=FULL")
            file.execute(f"PRAGMA wal_autocheckpoint={_WAL_BYTES // PAGE_BYTES}")
            _bring_up_to_date(file, version)
            on_failure.pop_all()
    return file


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """Return a connection that only reads, beside a run that writes; None where there is no ledger.

    Raises: LedgerError.
    """
    with translated(path):
        if not is_there(path):
            _refuse_remains(path)
            return None
        _refuse_non_file(path)
        with contextlib.ExitStack() as on_failure:
            file = _connect(path, _reading_mode(path))
            on_failure.callback(file.close)
            file.execute("PRAGMA query_only=ON")
            _checked(file, path)
            on_failure.pop_all()
    return file


def version_of(file: sqlite3.Connection) -> int:
    """Return the version of a ledger's schema."""
    (version,) = file.execute("PRAGMA user_version").fetchone()
    return int(version)


def make_empty(path: Path) -> None:
    """Make an empty ledger at `path`, which is not taken, whole and on disk. Raises: OSError, sqlite3.Error."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE))
    with contextlib.closing(_connect(path, "rw")) as file:
        file.execute(f"PRAGMA page_size={PAGE_BYTES}")
        file.execute("PRAGMA synchronous=FULL")
        file.execute("BEGIN")
        file.execute(f"PRAGMA application_id={APPLICATION_ID}")
        file.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        for statement in TABLES.values():
            file.execute(statement)
        file.execute("COMMIT")
        file.execute("PRAGMA journal_mode=WAL")


def make_folder(folder: Path) -> None:
    """Make the folder and those above it, for their owner alone."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_there(path: Path) -> bool:
    """Whether there is something at `path`. Raises: OSError where that cannot be told.

    `Path.exists` says no to that from Python 3.14 on, and what is not there would be begun anew.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def uri_of(path: Path) -> str:
    """Return the URI by which SQLite opens a file (`Path.as_uri` loads an HTTP client for it from Python 3.14 on)."""
    return f"file://{quote_from_bytes(os.fsencode(path.absolute()))}"


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files that a ledger consists of while it is open."""
    return (path, *(beside(path, suffix) for suffix in ("-wal", "-shm", ".lock", ".new")))


def beside(path: Path, suffix: str) -> Path:
    """Return the path of a file that belongs to the ledger: `-wal`, `-shm`, `.lock`, …"""
    return path.with_name(path.name + suffix)


def name_of(path: Path) -> str:
    """Return a path as the ledger and its reports name it: absolute, and text, though it may be made of any bytes."""
    return os.fsencode(path.absolute()).decode(errors="replace")


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise what the system and SQLite say as `LedgerError`, with what to do about it."""
    try:
        yield
    except sqlite3.Error as error:
        raise _ledger_error(path, error) from error
    except OSError as error:
        if error.errno in NO_DESCRIPTORS:
            raise _no_descriptors(path) from error
        reason = (error.strerror or str(error)).lower()
        raise LedgerError(
            f"{path}: expected a ledger that can be written and found: {reason}", hint=_NO_SENDING
        ) from error


def _make(path: Path) -> None:
    """Make the ledger under another name first: under its own, a ledger is whole, and an empty file is damage."""
    _refuse_remains(path)
    new = beside(path, ".new")
    for suffix in ("", "-wal", "-shm", "-journal"):
        beside(new, suffix).unlink(missing_ok=True)
    make_empty(new)
    new.rename(path)
    sync_folder(path.parent)


def _refuse_remains(path: Path) -> None:
    wal = beside(path, "-wal")
    if is_there(wal) and wal.stat().st_size:
        raise LedgerError(
            f"{path}: expected the ledger and found only its {wal.name}, which holds what was settled last",
            hint="put the ledger back; or remove that file too, and everything is sent again with the same ids",
        )


def _refuse_non_file(path: Path) -> None:
    if not path.is_file():
        raise LedgerError(f"{path}: expected a file and found something else", hint=_NO_SENDING)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    query = "immutable=1" if mode == "immutable" else f"mode={mode}"
    with contextlib.ExitStack() as on_failure:
        file = sqlite3.connect(f"{uri_of(path)}?{query}", uri=True, isolation_level=None, timeout=_BUSY_S)
        on_failure.callback(file.close)
        file.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")  # reads the file's head, and so is the first to find damage
        on_failure.pop_all()
    return file


def _reading_mode(path: Path) -> str:
    """Return SQLite's mode for a reader that leaves nothing behind.

    The last connection to close tidies `-wal` and `-shm` away, if it may write. Where it may not and there is no
    `-wal`, nobody has the ledger open, and it is read as a file that does not change.
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return "rw"
    return "ro" if is_there(beside(path, "-wal")) else "immutable"


def _checked(file: sqlite3.Connection, path: Path) -> int:
    """Return the version of a ledger, this one or an earlier. Pages are not looked through: that takes long.

    Raises: LedgerError where it is none, or newer.
    """
    if path.stat().st_size == 0:
        raise damaged(path, "an empty file")
    file.execute("BEGIN")  # one snapshot: a run beside this one may just bring it up to date
    (application,) = file.execute("PRAGMA application_id").fetchone()
    version = version_of(file)
    found = dict(file.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    file.execute("COMMIT")
    if application != APPLICATION_ID:
        raise LedgerError(
            f"{path}: expected a ledger of plh and found another SQLite database",
            hint="name another file with --ledger or PLH_LEDGER",
        )
    tables = TABLES if version == SCHEMA_VERSION else OLDER.get(version)
    if tables is None:
        raise LedgerError(
            f"{path}: expected a ledger of schema {SCHEMA_VERSION} and found schema {version}",
            hint="a newer plh wrote it: update plh, or name another file with --ledger",
        )
    if found != tables:
        raise damaged(path, "other tables")
    return version


def _bring_up_to_date(file: sqlite3.Connection, version: int) -> None:
    """Make a ledger of an earlier version one of this: whole, or not at all."""
    if version == SCHEMA_VERSION:
        return
    file.execute("BEGIN IMMEDIATE")
    for older in range(version, SCHEMA_VERSION):
        for statement in UPDATE[older]:
            file.execute(statement)
    file.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    file.execute("COMMIT")


def damaged(path: Path, what: str) -> LedgerError:
    """Return the error for a ledger that is not whole."""
    return LedgerError(
        f"{path}: expected a whole ledger and found it damaged: {what}",
        hint="plh ledger check says what is wrong, plh ledger repair saves what can be read and keeps the old file",
    )


def _ledger_error(path: Path, error: sqlite3.Error) -> LedgerError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    match code & 0xFF:
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(path, str(error))
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            reason = "the disk is full" if code == sqlite3.SQLITE_FULL else f"{error} ({error.sqlite_errorname})"
            return LedgerError(
                f"{path}: expected room for the ledger and found: {reason}",
                hint="make room on the disk, then run again: what was delivered and not noted down goes once more, "
                "with the same ids",
            )
        case sqlite3.SQLITE_CANTOPEN if _lacks_descriptors():
            return _no_descriptors(path)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return LedgerError(f"{path}: expected a ledger that can be written and found: {error}", hint=_NO_SENDING)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LedgerError(
                f"{path}: expected the ledger for this run alone and found that another program writes into it",
                hint="close what else writes into it (a database browser?), then run again",
            )
        case _:
            return damaged(path, str(error))


def _lacks_descriptors() -> bool:
    """Whether SQLite may have failed for want of file descriptors: it does not say, and closes again what it had."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        return most != resource.RLIM_INFINITY and most - len(list(Path("/dev/fd").iterdir())) < _DESCRIPTORS
    except OSError as error:
        return error.errno in NO_DESCRIPTORS


def _no_descriptors(path: Path) -> LedgerError:
    return LedgerError(
        f"{path}: expected to open the ledger and found: too many open files",
        hint="raise the limit on open files (ulimit -n), then run again",
    )
