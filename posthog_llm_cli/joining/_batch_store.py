"""The lines of batches that a run has read, on disk: more than a few MiB of them never lie in memory."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from posthog_llm_cli.formats.openai_batch import Side
from posthog_llm_cli.joining._batch_choice import Request, Twins
from posthog_llm_cli.model import LogLine, SourceRef
from posthog_llm_cli.scratch import CACHE_KIB, Room, open_scratch
from posthog_llm_cli.values import Value

_TABLES = """
CREATE TABLE inputs (
    seq INTEGER PRIMARY KEY, source INTEGER NOT NULL, custom_id BLOB NOT NULL, model TEXT NOT NULL,
    place INTEGER NOT NULL, line INTEGER NOT NULL, offset INTEGER NOT NULL, warnings TEXT NOT NULL, raw BLOB NOT NULL
);
CREATE TABLE outputs (
    seq INTEGER PRIMARY KEY, source INTEGER NOT NULL, custom_id BLOB NOT NULL, model TEXT NOT NULL,
    place INTEGER NOT NULL, line INTEGER NOT NULL, offset INTEGER NOT NULL, warnings TEXT NOT NULL,
    is_joined INTEGER NOT NULL, raw BLOB NOT NULL
);
-- The input files; `is_first`: it is the first of its twins.
CREATE TABLE kinds (source INTEGER PRIMARY KEY, is_first INTEGER NOT NULL);
-- Of equal ids in one file, the last one for each model.
CREATE TABLE requests (
    is_first INTEGER NOT NULL, custom_id BLOB NOT NULL, source INTEGER NOT NULL, model TEXT NOT NULL,
    seq INTEGER NOT NULL, times INTEGER NOT NULL, PRIMARY KEY (is_first, custom_id, source, model)
) WITHOUT ROWID;
CREATE TABLE answered (
    custom_id BLOB NOT NULL, source INTEGER NOT NULL, PRIMARY KEY (custom_id, source)
) WITHOUT ROWID;
"""
_INDEX = """INSERT INTO requests
    SELECT is_first, custom_id, source, model, MAX(seq) AS seq, COUNT(*) FROM inputs JOIN kinds USING (source)
    WHERE seq > ? GROUP BY is_first, custom_id, source, model ORDER BY is_first, custom_id, source, model
    ON CONFLICT DO UPDATE SET seq = excluded.seq, times = times + excluded.times"""
_SORTED = (
    "CREATE INDEX outputs_by_id ON outputs (source, custom_id, model)",
    "CREATE INDEX outputs_in_order ON outputs (source, seq)",
)
_OUTPUTS = """SELECT custom_id, model, is_joined, place, line, offset, warnings, raw FROM outputs
    WHERE source = ? AND seq > ? ORDER BY seq"""
_ANSWERS = "SELECT custom_id, model FROM outputs WHERE source = ? AND seq > ? ORDER BY custom_id, model"
_FRESH = "SELECT DISTINCT source, place FROM outputs WHERE seq > ?"
_NEWER = """SELECT seq, custom_id, model, is_joined, place, line, offset, warnings, raw FROM outputs
    WHERE seq > ? ORDER BY seq"""
_REQUESTS = "SELECT source, seq, model, times FROM requests WHERE is_first = 1 AND custom_id = ? ORDER BY source, seq"
_TWIN = "SELECT seq FROM requests WHERE is_first = 0 AND custom_id = ? AND source = ? AND model = ?"
_INPUTS = """SELECT place, line, offset, warnings,
    seq < (SELECT MAX(seq) FROM requests WHERE requests.is_first = kinds.is_first
           AND requests.custom_id = inputs.custom_id AND requests.source = inputs.source),
    EXISTS (SELECT 1 FROM answered WHERE answered.custom_id = inputs.custom_id AND answered.source = inputs.source)
    FROM inputs JOIN kinds USING (source) ORDER BY inputs.seq"""
_ROOM = Room("bringing the lines of a batch together", "about the size of the batch's files")


class Output(Value, frozen=True):
    """An output line that waits for its input; `is_joined` where it holds it already."""

    line: LogLine
    custom_id: bytes
    model: str | None
    is_joined: bool


class Input(Value, frozen=True):
    """An input line: its place, what framing warned of, and what the run found out about it.

    `is_superseded`: its file has the same id once more, further down. `is_answered`: an output line belongs to its id.
    """

    ref: SourceRef
    warnings: tuple[str, ...]
    is_superseded: bool
    is_answered: bool


class BatchStore:
    """Takes the lines of batches, then finds them: `add` all, `seal`, then ask. On one thread.

    What is known of the inputs can be asked before, after `index_inputs`, and the outputs that were added last be taken
    out again (`fresh`, `drop`). Each call may raise ConfigError: the temporary file cannot be made or has no room.
    """

    def __init__(self, *, directory: Path | None = None, cache_kib: int = CACHE_KIB) -> None:
        with _ROOM:
            self._file = open_scratch(_TABLES, directory=directory, cache_kib=cache_kib)
        self._seq = 0
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._output_sources: dict[int, int] = {}  # and the place of its first line
        self._contents: dict[int, hashlib.blake2b] = {}
        self._is_indexed = True
        self._indexed = 0
        self.inputs_by_kind: dict[int, Twins] = {}
        """The input files, under the number of the first of each kind; known once they are indexed."""

    def close(self) -> None:
        """Forget everything, and give the file's space back."""
        self._file.close()

    def add(self, side: Side, line: LogLine, *, source: str, raw: bytes) -> None:
        """Take one line; `raw` is its record, `source` the file that the record was first read from."""
        number, custom_id, model = self._number(source), side.custom_id.encode(), side.model or ""
        place = (self._number(line.ref.uri), line.ref.line, line.ref.offset, ",".join(line.warnings))
        self._seq += 1
        row = (self._seq, number, custom_id, model, *place)
        with _ROOM:
            if side.is_input:
                self._file.execute("INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, raw))
            else:
                is_joined = int(side.is_joined)
                self._file.execute("INSERT INTO outputs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, is_joined, raw))
        if side.is_input:
            self._is_indexed = False
            content = self._contents.setdefault(number, hashlib.blake2b(digest_size=16))
            content.update(b"%d %d %b%b" % (len(custom_id), len(model), custom_id, model.encode()))
        else:
            self._output_sources.setdefault(number, self._seq)

    def _number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._names)
            self._names.append(name)
        return number

    # ------------------------------------------------------------------------------------------------- once all is read

    def index_inputs(self) -> None:
        """Sort the input lines, so that they can be found. Sorting is done on disk; what comes in one file, once."""
        if self._is_indexed:
            return
        goes_on = self._indexed if len(self._contents) == 1 else 0
        self._is_indexed, self._indexed = True, self._seq
        self.inputs_by_kind.clear()
        first_of: dict[bytes, int] = {}
        for source, content in self._contents.items():
            kind = first_of.setdefault(content.digest(), source)
            self.inputs_by_kind.setdefault(kind, Twins()).add(self._names[source], source)
        kinds = ((source, source in self.inputs_by_kind) for source in self._contents)
        with _ROOM:
            self._file.execute("DELETE FROM kinds")
            if not goes_on:  # which files are twins may have changed
                self._file.execute("DELETE FROM requests")
            self._file.executemany("INSERT INTO kinds VALUES (?, ?)", kinds)
            self._file.execute(_INDEX, (goes_on,))

    def seal(self) -> None:
        """Sort all that was taken and is left."""
        self.index_inputs()
        with _ROOM:
            for statement in _SORTED:
                self._file.execute(statement)

    @property
    def mark(self) -> int:
        """The place of the last line that was taken; `fresh`, `outputs` and others take it for where to begin."""
        return self._seq

    def fresh(self, since: int) -> tuple[int, str] | None:
        """The output file, number and name, that is all that was added since a mark, and was not before; else None."""
        found = list(self._rows(_FRESH, since))
        if len(found) != 1:
            return None
        source, place = found[0]
        if source != place or self._output_sources[source] <= since:
            return None
        return source, self._names[source]

    def newer(self, since: int) -> Iterator[tuple[int, Output]]:
        """The output lines that were added since a mark, each with its place in the order of reading."""
        for seq, *rest in self._rows(_NEWER, since):
            yield seq, self._output(*rest)

    def drop(self, source: int, since: int) -> None:
        """Forget the output file that was added since a mark: its lines went on."""
        del self._output_sources[source]
        with _ROOM:
            self._file.execute("DELETE FROM outputs WHERE seq > ?", (since,))

    def drop_lines(self, lines: Iterable[int]) -> None:
        """Forget output lines, by their places: they went on."""
        with _ROOM:
            self._file.executemany("DELETE FROM outputs WHERE seq = ?", ((seq,) for seq in lines))

    def output_sources(self) -> Iterator[tuple[int, str]]:
        """The output files, in the order of reading: number and name."""
        for source in self._output_sources:
            yield source, self._names[source]

    def outputs(self, source: int, since: int = 0) -> Iterator[Output]:
        """The lines of an output file, those added since a mark, in their order."""
        for row in self._rows(_OUTPUTS, source, since):
            yield self._output(*row)

    def _output(
        self,
        custom_id: bytes,
        model: str,
        is_joined: int,
        place: int,
        line: int,
        offset: int,
        warnings: str,
        raw: bytes,
    ) -> Output:
        ref = SourceRef(self._names[place], line, offset)
        log_line = LogLine(ref, raw, warnings=_split(warnings))
        return Output(log_line, custom_id, model or None, is_joined=bool(is_joined))

    def answers(self, source: int, since: int = 0) -> Iterator[tuple[bytes, str | None]]:
        """The id and the model of every line of an output file, in the order of the ids."""
        for custom_id, model in self._rows(_ANSWERS, source, since):
            yield custom_id, model or None

    def requests(self, custom_id: bytes) -> list[Request]:
        """The input lines with an id, of the first file of each kind; of equal models in one file the last."""
        return [
            Request(source, seq, model or None, times) for source, seq, model, times in self._rows(_REQUESTS, custom_id)
        ]

    def input_line(self, request: Request, custom_id: bytes, source: int) -> bytes:
        """The input line that was chosen: that of `request`, or the same one of another file of its kind."""
        seq = request.seq
        if source != request.source:
            ((seq,),) = self._rows(_TWIN, custom_id, source, request.model or "")
        ((raw,),) = self._rows("SELECT raw FROM inputs WHERE seq = ?", seq)
        found: bytes = raw
        return found

    def mark_answered(self, custom_id: bytes, source: int) -> None:
        """Note that an output line belongs to an id of an input file."""
        with _ROOM:
            self._file.execute("INSERT OR IGNORE INTO answered VALUES (?, ?)", (custom_id, source))

    def inputs(self) -> Iterator[Input]:
        """Every input line, in the order of reading."""
        for place, line, offset, warnings, is_superseded, is_answered in self._rows(_INPUTS):
            ref = SourceRef(self._names[place], line, offset)
            yield Input(ref, _split(warnings), is_superseded=bool(is_superseded), is_answered=bool(is_answered))

    def _rows(self, query: str, *values: int | str | bytes) -> Iterator[tuple[Any, ...]]:
        with _ROOM:
            yield from self._file.execute(query, values)


def _split(warnings: str) -> tuple[str, ...]:
    return tuple(warnings.split(",")) if warnings else ()
