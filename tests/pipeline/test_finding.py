"""One record by the number of a line, as far as the source must be read for it."""

from collections.abc import Iterator

import pytest

from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.model import LogLine, Mark, SourceRef
from posthog_llm_cli.pipeline import Stop
from posthog_llm_cli.pipeline.finding import Found, find
from tests.pipeline import fakes

RECORDS = {1: b"{}", 3: b'{\n"a": 1\n}', 7: b"{}"}


class Counted:
    """A reader that counts how many lines were asked of it."""

    def __init__(self, lines: list[LogLine | SourceError]) -> None:
        self.bytes_read = 0
        self.asked = 0
        self._lines = lines

    def __iter__(self) -> Iterator[LogLine | SourceError | Mark]:
        for line in self._lines:
            self.asked += 1
            yield line
        yield Mark.SOURCE_END


def lines(records: dict[int, bytes] = RECORDS) -> list[LogLine | SourceError]:
    return [LogLine(SourceRef("app.jsonl", number, 0), raw) for number, raw in records.items()]


def found(reader: Counted, number: int) -> Found:
    return find(reader, fakes.plan(), number, stop=Stop())


@pytest.mark.parametrize(
    ("number", "begins_at", "there"),
    [(1, 1, True), (2, 1, False), (3, 3, True), (4, 3, True), (5, 3, True), (6, 3, False), (7, 7, True), (8, 7, False)],
)
def test_a_record_lies_over_its_lines_and_no_others(number: int, begins_at: int, there: bool) -> None:
    it = found(Counted(lines()), number)
    assert (it.begins_at, [line.ref.line for line in it.lines]) == (begins_at, [begins_at] if there else [])


def test_nothing_is_read_behind_the_next_record() -> None:
    reader = Counted(lines(dict.fromkeys(range(1, 100), b"{}")))
    assert found(reader, 5).lines[0].ref.line == 5
    assert reader.asked == 6


def test_all_records_of_a_line_are_found() -> None:
    reader = Counted(lines() + lines({7: b'{"b": 2}'}))
    assert [line.raw for line in found(reader, 7).lines] == [b"{}", b'{"b": 2}']


def test_a_sources_error_is_kept() -> None:
    error = SourceError("source-damaged", "app.jsonl", "cut off")
    it = found(Counted([*lines(), error]), 9)
    assert (it.errors, it.lines) == ([error], [])


def test_a_source_without_records_has_no_place() -> None:
    assert found(Counted([]), 1).begins_at is None
