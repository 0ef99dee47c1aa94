"""The input and the output lines of batches → one line for each call (openai-logs.md 4.3, "Join").

Which input line an output line answers is certain only when every source has been read: a later file may cover more of
its ids. So all lines of batches wait, on disk, until the sources end, and then come in this order: the output lines,
file by file, each with its input line inside where it has one; then the input lines, which are skipped, and say whether
they were answered. A run that is cut short gives none of them: none was sent, none is counted, the next run reads all.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson

from posthog_llm_cli.decoding import decode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats import detect, openai_batch
from posthog_llm_cli.formats.dead_letter import is_dead_letter, letter_bytes
from posthog_llm_cli.joining._batch_choice import Chooser, Request
from posthog_llm_cli.joining._batch_store import BatchStore, Input, Output
from posthog_llm_cli.model import Json, LogLine, Mark

_MAX_LETTERS_DEEP = 5


class Batches:
    """Joins the lines of batches by their `custom_id`, over all sources of a run; those in dead letters too.

    The temporary file lies in `directory` (None: the system's, which TMPDIR names). Memory: 8 MiB of that file, one
    line, and some hundred bytes for each source.
    """

    formats: frozenset[str] = frozenset({openai_batch.NAME})

    def __init__(self, *, directory: Path | None = None) -> None:
        self._directory = directory
        self._store: BatchStore | None = None

    def may_take(self, raw: bytes) -> bool:
        """Whether a record may be a line of a batch."""
        return b"custom_id" in raw

    def take(self, line: LogLine, record: Json) -> Iterator[LogLine] | None:
        """Hold a line of a batch until the end; None for any other line."""
        raw, source = line.raw, line.ref.uri
        letter = decode(raw).value if b"plh_dead_letter" in raw else None
        if is_dead_letter(letter):
            opened = _open_letter(letter)
            if opened is None:
                return None
            raw, record, source = opened[0], opened[1], opened[2] or source
        side = openai_batch.side_of(record)
        if side is None or detect(record) is not openai_batch.FORMAT:
            return None
        if self._store is None:
            self._store = BatchStore(directory=self._directory)
        self._store.add(side, line, source=source, raw=orjson.dumps(record) if side.is_input else raw)
        return iter(())

    def mark(self, mark: Mark) -> Iterator[LogLine]:  # noqa: ARG002 - as Join names it
        """Nothing: what a source ends with may belong to the next one."""
        return iter(())

    def finish(self) -> Iterator[LogLine]:
        """All that was held; see the module."""
        store = self._store
        if store is None:
            return
        store.seal()
        for source, name in store.output_sources():
            chooser = _chooser(store, source, name)
            for output in store.outputs(source):
                yield _joined(store, chooser, output)
        for line in store.inputs():
            yield _skipped(line)

    def close(self) -> None:
        """Let go of what is held."""
        if self._store is not None:
            self._store.close()
            self._store = None


def _chooser(store: BatchStore, source: int, name: str) -> Chooser:
    """What knows the input lines of one output file."""
    chooser = Chooser(name, store.inputs_by_kind, partial(_requests_by_id, store, source))
    if len(store.inputs_by_kind) > 1:
        for custom_id, model, requests in _answers(store, source):
            chooser.learn(custom_id, model, requests)
    return chooser


def _answers(store: BatchStore, source: int) -> Iterator[tuple[bytes, str | None, Sequence[Request]]]:
    """Every line of an output file in the order of the ids, with the input lines of its id."""
    last: bytes | None = None
    requests: Sequence[Request] = ()
    for custom_id, model in store.answers(source):
        if custom_id != last:
            last, requests = custom_id, store.requests(custom_id)
        yield custom_id, model, requests


def _requests_by_id(store: BatchStore, source: int) -> Iterable[Sequence[Request]]:
    return (requests for _, _, requests in _answers(store, source))


def _joined(store: BatchStore, chooser: Chooser, output: Output) -> LogLine:
    """An output line as it goes on: one record with its input line, where it has one."""
    choice = chooser.choose(output.model, store.requests(output.custom_id))
    if choice is None:
        return output.line
    request, source, is_ambiguous = choice
    store.mark_answered(output.custom_id, source)
    if output.is_joined:
        return output.line
    line, asked = output.line, store.input_line(request, output.custom_id, source)
    warnings = (*line.warnings, "ambiguous-batch-input") if is_ambiguous else line.warnings
    return replace(line, raw=openai_batch.joined(line.raw, asked), warnings=warnings)


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


def _open_letter(letter: Json) -> tuple[bytes, Json, str | None] | None:
    """The record in a dead letter, if it has one: its bytes, its value, and the source that it was first read from."""
    source: str | None = None
    record, raw = letter, b""
    for _ in range(_MAX_LETTERS_DEEP):
        try:
            raw = letter_bytes(record)
            source = record["source"] if isinstance(record.get("source"), str) else None
            record = decode(raw).value
        except RecordError:
            return None
        if not is_dead_letter(record):
            return raw, record, source
    return None
