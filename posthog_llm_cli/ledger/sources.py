"""How far sources were read: rows of the ledger that a run looks up by content, and moves on."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from posthog_llm_cli.committed import Commit, Committed, head_digest, head_digests
from posthog_llm_cli.ledger.files import name_of
from posthog_llm_cli.values import Value

LEAST_RECORDS = 4
"""A source of fewer, all of them calls, is not noted: reading it costs less than the row, and one-call objects may be
millions. One with anything else is, or what is wrong with it would be told, and kept as a letter, by every run."""

MOST_ROWS = 100_000
_MOST_ALIKE = 64
"""How many sources that begin alike are compared with one."""

_FIND = (
    "SELECT id, offset, digest, lines, records, calls, console, is_whole FROM sources "
    "WHERE {} AND settings = ? AND since <= ? ORDER BY run DESC, id DESC LIMIT ?"
)


class Terms(Value, frozen=True):
    """Under which terms records of a source are settled.

    `settings` is a digest of everything that decides which records become events, and which; `since` the filter's time
    as the ledger writes it, empty where there is none. What was filtered is done with as long as that time only grows.
    """

    settings: bytes
    since: str


class SourceRows:
    """The table as one run uses it: rows that it has claimed or written are its own, by name and kind."""

    def __init__(self, file: sqlite3.Connection, terms: Terms) -> None:
        self._file = file
        self._terms = terms
        self._own: dict[tuple[str, bool], int] = {}
        # The numbers of its own rows, and of those that it had before under the same name.
        self._taken: set[int] = set()
        self._found_any: bool | None = None

    def find(self, head: bytes) -> list[Committed]:
        """Return what may be the beginning of a source that begins with `head`; nothing of this run's own."""
        digests = head_digests(head) if self.knows_any else []
        return self._where(f"head IN ({', '.join('?' * len(digests))})", digests) if digests else []

    def unchanged(self, file_state: bytes) -> Committed | None:
        """Return what was noted of a file in this state, which is all of it; nothing of this run's own."""
        return next(iter(self._where("file_state = ?", [file_state])), None) if self.knows_any else None

    @property
    def knows_any(self) -> bool:
        """Whether anything is noted that this run may go on from: a first run over a million objects need not ask."""
        if self._found_any is None:
            asked = "SELECT EXISTS (SELECT 1 FROM sources WHERE settings = ? AND since <= ?)"
            (found,) = self._file.execute(asked, (self._terms.settings, self._terms.since)).fetchone()
            self._found_any = bool(found)
        return self._found_any

    def _where(self, condition: str, values: Sequence[bytes]) -> list[Committed]:
        taken = self._taken
        terms = self._terms.settings, self._terms.since
        rows = self._file.execute(_FIND.format(condition), (*values, *terms, _MOST_ALIKE + len(taken)))
        return [
            Committed(number, offset, digest, lines, records, calls, bool(console), bool(is_whole))
            for number, offset, digest, lines, records, calls, console, is_whole in rows
            if number not in taken
        ]

    def claim(self, uri: str, committed: Committed) -> None:
        """This source goes on where the row says: no other one does, and the row moves on with it."""
        self.add({(uri, committed.is_whole): committed.number})

    def add(self, own: Mapping[tuple[str, bool], int]) -> None:
        """These rows are the run's own from now on."""
        self._own.update(own)
        self._taken.update(own.values())

    def write(self, commits: Sequence[Commit], run: int) -> dict[tuple[str, bool], int]:
        """Note down commits, within a transaction; return the rows that are new, to be `own` once it is on disk."""
        added: dict[tuple[str, bool], int] = {}
        for commit in commits:
            place = commit.reached
            key = place.uri, place.is_whole
            number = self._own.get(key, added.get(key))
            if number is None and commit.records == commit.calls < LEAST_RECORDS:
                continue
            values = {
                "name": str(Path(name_of(Path()), place.uri)),  # as text: the locale may have no bytes for it
                "settings": self._terms.settings,
                "since": self._terms.since,
                "head": head_digest(place),
                "offset": place.offset,
                "digest": place.digest,
                "lines": place.lines,
                "records": commit.records,
                "calls": commit.calls,
                "console": place.console,
                "is_whole": place.is_whole,
                "run": run,
                "file_state": place.file_state,
            }
            if number is None:
                added[key] = int(self._file.execute(_INSERT, values).lastrowid or 0)
            else:
                self._file.execute(_UPDATE, values | {"id": number})
        return added

    def prune(self) -> None:
        """Let go of the rows that were used longest ago, where there are very many; within a transaction."""
        self._file.execute(
            "DELETE FROM sources WHERE run < (SELECT run FROM sources ORDER BY run DESC LIMIT 1 OFFSET ?)", (MOST_ROWS,)
        )


_COLUMNS = (
    "name", "settings", "since", "head", "offset", "digest", "lines", "records", "calls", "console", "is_whole", "run",
    "file_state",
)  # fmt: skip
_NAMES, _VALUES = ", ".join(_COLUMNS), ", ".join(f":{column}" for column in _COLUMNS)
_INSERT = f"INSERT INTO sources ({_NAMES}) VALUES ({_VALUES})"  # noqa: S608 - made of constants
_SINCE = "CASE WHEN offset = :offset AND digest = :digest THEN since ELSE :since END"
"""What was settled without a filter stays so where a later run, with one, has only verified it."""

_UPDATE = f"UPDATE sources SET ({_NAMES}) = ({_VALUES.replace(':since', _SINCE)}) WHERE id = :id"  # noqa: S608
