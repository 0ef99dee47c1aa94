"""The input and the output lines of batches → one line for each call (openai-logs.md 4.3, "Join").

Which input line an output line answers is certain only when all input lines are known, and then only from the whole
output file. Sources that begin with input lines are read first, and the reader says when it is done with them. From
then on an output line goes on at once where there is one input only, or when its file ends where there are several; and
while a pipe is silent, lines that were asked for in it go on. What is not answered by that waits, on disk, until the
sources end, for a later file may hold its input line all the same. Then come the output lines that are left, file by
file, and the input lines, which are skipped and say whether they were answered. Of what waits when a run is cut short
nothing goes on: none was sent, none is counted, the next run reads all.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import orjson

from posthog_llm_cli.formats import detect, openai_batch
from posthog_llm_cli.formats.dead_letter import in_letter, letter_of, open_letter
from posthog_llm_cli.formats.openai_batch import Side, is_mismatch
from posthog_llm_cli.joining._batch_choice import Chooser, Request
from posthog_llm_cli.joining._batch_store import BatchStore, Input, Output
from posthog_llm_cli.joining._search import holds
from posthog_llm_cli.model import Json, LogLine, Mark
from posthog_llm_cli.values import replace

_DROPPED_AT_ONCE = 1000


class Batches:
    """Joins the lines of batches by their `custom_id`, over all sources of a run; those in dead letters too.

    The temporary file lies in `directory` (None: the system's, which TMPDIR names). Memory: 4 MiB of that file, one
    line, and some hundred bytes for each source.
    """

    formats: frozenset[str] = frozenset({openai_batch.NAME})

    def __init__(self, *, directory: Path | None = None) -> None:
        self._directory = directory
        self._store: BatchStore | None = None
        self._knows_inputs = False
        self._was_wrong = False
        self._since = 0
        self._paused = 0
        self._chooser: tuple[str, Chooser] | None = None

    def may_take(self, raw: bytes) -> bool:
        """Whether a record may be a line of a batch."""
        return holds(raw, b"custom_id")  # without a quote: in a text of JSON it may be written as \u0022

    def take(self, line: LogLine, record: Json) -> Iterator[LogLine] | None:
        """Hold a line of a batch until the end; None for any other line."""
        source = line.ref.uri
        letter = letter_of(line.raw)
        if letter is not None:
            opened = open_letter(letter)
            if opened is None:
                return None
            record, source = opened[1], opened[2] or source
        side = openai_batch.side_of(record)
        if side is None or detect(record) is not openai_batch.FORMAT:
            return None
        if self._store is None:
            self._store = BatchStore(directory=self._directory)
        if side.is_input and self._knows_inputs:
            self._knows_inputs, self._was_wrong = False, True  # a file that began with something else
        if not side.is_input and (found := self._at_once(self._store, side, line, source)) is not None:
            return iter((found,))
        self._store.add(side, line, source=source, raw=orjson.dumps(record) if side.is_input else line.raw)
        return iter(())

    def mark(self, mark: Mark) -> Iterator[LogLine]:
        """The lines of an output file that ended here, if all input lines are known and it has all of its own."""
        store = self._store
        if mark is Mark.RANK_END:
            self._knows_inputs = store is not None and not self._was_wrong
        elif mark is Mark.SOURCE_END and store is not None:
            if self._knows_inputs:
                yield from self._ended_file(store)
            self._since = store.mark

    def pause(self) -> Iterator[LogLine]:
        """The lines of a pipe that was silent for a while, if it holds what each of them answers, once and before it.

        A pipe that is a log has the answer after what was asked; one in which an id comes twice is something else.
        """
        store = self._store
        if store is None or self._knows_inputs or store.mark == self._paused:
            return
        since, self._paused = max(self._paused, self._since), store.mark
        store.index_inputs()
        if len(store.inputs_by_kind) != 1:
            return
        gone = []
        for seq, output in store.newer(since):
            requests = store.requests(output.custom_id)
            if len(requests) == 1 and _is_cause(requests[0], seq, output):
                name = output.line.ref.uri
                yield _joined(store, output, self._only_input(store, name).choose(output.model, requests))
                gone.append(seq)
                if len(gone) == _DROPPED_AT_ONCE:
                    store.drop_lines(gone)
                    gone.clear()
        store.drop_lines(gone)

    def finish(self) -> Iterator[LogLine]:
        """All that was held; see the module."""
        store = self._store
        if store is None:
            return
        store.seal()
        for source, name in store.output_sources():
            chooser = _chooser(store, source, name)
            for output in store.outputs(source):
                yield _joined(store, output, chooser.choose(output.model, store.requests(output.custom_id)))
        for line in store.inputs():
            yield _skipped(line)

    def close(self) -> None:
        """Let go of what is held."""
        if self._store is not None:
            self._store.close()
            self._store = None

    # ------------------------------------------------------------------------------------------- before the sources end

    def _at_once(self, store: BatchStore, side: Side, line: LogLine, source: str) -> LogLine | None:
        """An output line as it goes on where there is but one input, which was read; None where it has to wait."""
        if not self._knows_inputs:
            return None
        store.index_inputs()
        if len(store.inputs_by_kind) != 1:
            return None
        output = Output(line, side.custom_id.encode(), side.model, is_joined=side.is_joined)
        choice = self._only_input(store, source).choose(side.model, store.requests(output.custom_id))
        return None if choice is None else _joined(store, output, choice)

    def _only_input(self, store: BatchStore, name: str) -> Chooser:
        if self._chooser is None or self._chooser[0] != name:
            self._chooser = name, Chooser(name, store.inputs_by_kind, lambda: ())
        return self._chooser[1]

    def _ended_file(self, store: BatchStore) -> Iterator[LogLine]:
        """The lines of the output file that ended, if every one of them has its input line."""
        since = self._since
        fresh = store.fresh(since) if store.mark != since else None
        store.index_inputs()
        if fresh is None or len(store.inputs_by_kind) < 2:
            return
        chooser = _chooser(store, *fresh, since=since)
        chosen = (
            chooser.choose(output.model, store.requests(output.custom_id)) for output in store.outputs(fresh[0], since)
        )
        if any(choice is None for choice in chosen):
            return
        for output in store.outputs(fresh[0], since):
            yield _joined(store, output, chooser.choose(output.model, store.requests(output.custom_id)))
        store.drop(fresh[0], since)


Choice = tuple[Request, int, bool]


def _chooser(store: BatchStore, source: int, name: str, *, since: int = 0) -> Chooser:
    """What knows the input lines of one output file."""
    chooser = Chooser(name, store.inputs_by_kind, partial(_requests_by_id, store, source, since))
    if len(store.inputs_by_kind) > 1:
        for custom_id, model, requests in _answers(store, source, since):
            chooser.learn(custom_id, model, requests)
    return chooser


def _answers(store: BatchStore, source: int, since: int) -> Iterator[tuple[bytes, str | None, Sequence[Request]]]:
    """Every line of an output file in the order of the ids, with the input lines of its id."""
    last: bytes | None = None
    requests: Sequence[Request] = ()
    for custom_id, model in store.answers(source, since):
        if custom_id != last:
            last, requests = custom_id, store.requests(custom_id)
        yield custom_id, model, requests


def _requests_by_id(store: BatchStore, source: int, since: int) -> Iterable[Sequence[Request]]:
    return (requests for _, _, requests in _answers(store, source, since))


def _joined(store: BatchStore, output: Output, choice: Choice | None) -> LogLine:
    """An output line as it goes on: one record with its input line, where it has one."""
    if choice is None:
        return output.line
    request, source, is_ambiguous = choice
    store.mark_answered(output.custom_id, source)
    if output.is_joined:
        return output.line
    line, asked = output.line, store.input_line(request, output.custom_id, source)
    warnings = (*line.warnings, "ambiguous-batch-input") if is_ambiguous else line.warnings
    return replace(line, raw=_with_input(line.raw, asked), warnings=warnings)


def _with_input(raw: bytes, asked: bytes) -> bytes:
    """Return an output line with its input line, in a letter where it came in one: so it is taken up again."""
    letter = letter_of(raw)
    opened = None if letter is None else open_letter(letter)
    return openai_batch.joined(raw, asked) if opened is None else in_letter(openai_batch.joined(opened[0], asked))


def _is_cause(request: Request, seq: int, output: Output) -> bool:
    return request.times == 1 and request.seq < seq and not is_mismatch(request.model, output.model)


def _skipped(line: Input) -> LogLine:
    """An input line as it goes on: its call is where the answer is, so only here can be said that there is none."""
    told: tuple[str, ...] = ()
    if line.is_superseded:
        told = ("duplicate-custom-id",)
    elif not line.is_answered:
        told = ("batch-unanswered",)
    return LogLine(
        line.ref, b"", skipped=openai_batch.input_skip(), format=openai_batch.NAME, warnings=(*line.warnings, *told)
    )
