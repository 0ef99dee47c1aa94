import csv
import io
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from posthog_llm_cli.decoding import decode
from posthog_llm_cli.model import LogLine
from posthog_llm_cli.sources.framing import CONSOLE_HEAD, Framer
from tests.laws import examples
from tests.sources.framed import MAX_RECORD, frame, lines_of, said

NAMES = ["request_id", "call_type", "spend", "startTime", "metadata"]
HEADER = b"request_id,call_type,spend,startTime,metadata\n"
ROW = b'r-1,acompletion,0.1,2026-11-23 19:02:33.05,"{""a"": ""b""}"\n'
VALUE = {
    "request_id": "r-1",
    "call_type": "acompletion",
    "spend": "0.1",
    "startTime": "2026-11-23 19:02:33.05",
    "metadata": '{"a": "b"}',
}


def values(data: bytes, *, size: int = 1 << 18) -> list[Any]:
    found = frame(data, size=size)
    assert [line.problem for line in found] == [None] * len(found)
    return [decode(line.raw).value for line in found]


def problems(lines: list[LogLine]) -> list[str | None]:
    return [None if line.problem is None else line.problem.message for line in lines]


# ------------------------------------------------------------------------------------------------------------- laws

cells = st.text(alphabet=st.sampled_from('a,;"\n\r\t \\{}[]:\u2028\x85é😀1-'), max_size=8)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], bytes]:
    """Rows, and the CSV that Python writes of them, every cell in quotes."""
    rows = draw(st.lists(st.lists(cells, min_size=len(NAMES), max_size=len(NAMES)), max_size=6))
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=draw(st.sampled_from(",;\t")),
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=csv.QUOTE_ALL,
    )
    writer.writerows([NAMES, *rows])
    return rows, draw(st.sampled_from([b"", b"\xef\xbb\xbf", b"\n"])) + text.getvalue().encode()


@settings(max_examples=examples(150), deadline=None)
@given(tables(), st.integers(1, 50))
def test_any_rows_come_back_at_their_places_whatever_the_blocks(
    table: tuple[list[list[str]], bytes], size: int
) -> None:
    rows, data = table
    found = frame(data, size=size)
    assert [decode(line.raw).value for line in found] == [dict(zip(NAMES, row, strict=True)) for row in rows]
    for line in found:
        assert data.count(b"\n", 0, line.ref.offset) + 1 == line.ref.line
        assert line.ref.offset == 0 or data[line.ref.offset - 1 : line.ref.offset] == b"\n"


@settings(max_examples=examples(150), deadline=None)
@given(
    st.text(alphabet=st.sampled_from('a,"\n\r\0é2'), max_size=80), st.integers(1, 50), st.sampled_from([10, MAX_RECORD])
)
@example('a,"\n' + "2" * 90 + '\n"', 7, 10)
def test_blocks_never_change_what_is_found_in_any_rows(text: str, size: int, max_record: int) -> None:
    data = HEADER + text.encode()
    assert said(frame(data, size=size, max_record=max_record)) == said(frame(data, max_record=max_record))


@settings(max_examples=examples(200), deadline=None)
@given(st.text(alphabet=st.sampled_from('a,"\n{}é2'), max_size=60))
def test_every_row_of_any_text_is_a_record_or_says_what_is_wrong_with_it(text: str) -> None:
    found = frame(HEADER + text.encode())
    if any(line.problem for line in found):
        assert all(line.raw for line in found)
    kept = sum(line.raw.count("é".encode()) for line in found)
    assert kept == text.encode().count("é".encode())


# ------------------------------------------------------------------------------------------------------------- rows


def test_a_row_is_one_json_object_of_texts_with_its_place() -> None:
    found = frame(HEADER + ROW + ROW)
    assert [decode(line.raw).value for line in found] == [VALUE, VALUE]
    assert [(line.ref.line, line.ref.offset) for line in found] == [(2, len(HEADER)), (3, len(HEADER + ROW))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoted", [False, True])
def test_the_delimiter_is_told_from_the_header(delimiter: str, quoted: bool) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=1 if quoted else 0).writerows([NAMES, VALUE.values()])
    assert values(text.getvalue().encode()) == [VALUE]


def test_nothing_between_delimiters_is_null_and_quotes_around_nothing_are_an_empty_text() -> None:
    row = b'r-1,"",,2026-11-23,""\n"",x,"a,"",b",,\n'
    assert values(HEADER + row) == [
        {"request_id": "r-1", "call_type": "", "spend": None, "startTime": "2026-11-23", "metadata": ""},
        {"request_id": "", "call_type": "x", "spend": 'a,",b', "startTime": None, "metadata": None},
    ]


def test_cells_hold_line_breaks_and_doubled_quotes_and_rows_end_with_crlf() -> None:
    row = b'r-1,"a\r\nb ""c"", d",0.1,2026-11-23,"{\n  ""x"": 1\n}"\r\n'
    (first, second) = frame(HEADER.replace(b"\n", b"\r\n") + row + ROW)
    assert decode(first.raw).value["call_type"] == 'a\r\nb "c", d'
    assert decode(first.raw).value["metadata"] == '{\n  "x": 1\n}'
    assert (first.ref.line, second.ref.line) == (2, 6)


def test_a_cell_of_many_megabytes_is_read() -> None:
    big = b"x" * 5_000_000
    (value,) = values(HEADER + b"r-1,c,1,2026-11-23," + big, size=1 << 16)
    assert len(value["metadata"]) == 5_000_000


def test_blank_lines_and_padding_are_no_rows() -> None:
    assert values(HEADER + b"\n\r\n" + ROW + b"  \n\0\0\0\n" + ROW + b"\0" * 100) == [VALUE, VALUE]


def test_a_second_header_in_the_middle_is_framing_and_counts_from_there() -> None:
    data = HEADER + ROW + HEADER + ROW + b"startTime,request_id,call_type\n2026-11-24,r-2,c\n"
    assert values(data) == [VALUE, VALUE, {"startTime": "2026-11-24", "request_id": "r-2", "call_type": "c"}]


@pytest.mark.parametrize("fold", [bytes.lower, bytes.upper])
@pytest.mark.parametrize("size", [1, 7, 1 << 18])
def test_a_header_whose_case_a_warehouse_folded_is_one_also_the_second_time(fold: Any, size: int) -> None:
    header = fold(HEADER)
    found = values(header + ROW + header + ROW.replace(b"r-1", b"r-2"), size=size)
    names = header.decode().strip().split(",")
    assert found == [dict(zip(names, [key, *list(VALUE.values())[1:]], strict=True)) for key in ("r-1", "r-2")]


def test_an_open_quote_ends_at_the_next_row_also_behind_a_folded_header() -> None:
    found = frame(HEADER.lower() + b'r-0,acompletion,0.1,2026-11-23 19:02:33.05,"{""a\n' + ROW)
    assert [line.problem is None for line in found] == [False, True]


def test_a_header_without_rows_is_nothing() -> None:
    assert frame(HEADER) == frame(HEADER.strip()) == []


def test_a_cell_of_one_brace_a_line_makes_no_console_log() -> None:
    row = b'r-1,"\n{\n",0.1,2026-11-23,\n'
    assert [line.console for line in frame(HEADER + row + b"text\n")] == [False, False]


# ---------------------------------------------------------------------------------------------------------- damages


def test_a_row_of_another_length_says_both_numbers_and_is_kept_for_the_dead_letter() -> None:
    found = frame(HEADER + b"r-1,c,2\n" + ROW)
    assert problems(found) == ["expected a row of 5 cells, as its header has, and found 3", None]
    assert found[0].raw == b"r-1,c,2"
    assert found[0].problem is not None
    assert found[0].problem.code == "invalid-json"


@pytest.mark.parametrize("size", [1, 7, 1 << 18])
def test_a_quote_that_is_never_closed_costs_its_own_row_only(size: int) -> None:
    data = HEADER + ROW + b'r-2,c,0.1,2026-11-23,"{""cut\n' + ROW + b'r-3,"open,0.1,2026-11-23,x\nmore\n' + ROW
    found = frame(data, size=size)
    message = "a quoted cell of the row is not closed before the next row"
    assert problems(found) == [None, message, None, message, None]
    assert [line.ref.line for line in found] == [2, 3, 4, 5, 7]
    assert found[3].raw == b'r-3,"open,0.1,2026-11-23,x\nmore'


def test_a_file_that_is_cut_off_in_a_cell_says_so_and_keeps_what_is_there() -> None:
    found = frame(HEADER + ROW + b'r-2,c,0.1,2026-11-23,"{""cut\nof')
    assert problems(found) == [None, "a quoted cell of the row is not closed at the end of the file"]
    assert found[1].raw == b'r-2,c,0.1,2026-11-23,"{""cut\nof'
    assert found[1].problem is not None
    assert found[1].problem.hint == "the file may be cut off"


def test_a_quote_out_of_its_place_and_bytes_that_are_no_text_are_told() -> None:
    found = frame(HEADER + b'r-1,"a"b"c",1,2026-11-23,x\nr-2,\xff,1,2026-11-23,x\n' + ROW)
    assert problems(found) == [
        "expected a row of CSV and found a quote or a line break out of its place",
        "expected UTF-8 and found bytes that are not UTF-8 at byte 5 of the row",
        None,
    ]


@pytest.mark.parametrize("size", [1, 64, 1 << 18])
def test_a_row_over_the_ceiling_is_named_and_its_neighbours_come_whole(size: int) -> None:
    one_line = b'r-2,"' + b'x""' * 500 + b'",0.1,2026-11-23,\n'
    many_lines = b'r-3,"' + b'x,\n""' * 500 + b'",0.1,2026-11-23,\n'
    open_line = b'r-4,"' + b'y"",' * 500 + b",0.1,2026-11-23,\n"
    found = frame(HEADER + ROW + one_line + ROW + many_lines + ROW + open_line + ROW, size=size, max_record=300)
    codes = [line.problem and line.problem.code for line in found]
    assert codes == [None, "record-too-long", None, "record-too-long", None, "record-too-long", None]
    assert [line.ref.line for line in found] == [2, 3, 4, 5, 506, 507, 508]
    assert [len(line.raw) > 0 for line in found] == [line.problem is None for line in found]


def test_a_row_of_just_the_ceiling_is_no_problem() -> None:
    limit = len(ROW) - 1
    for size in (1, 64, 1000):
        assert problems(frame(HEADER + ROW, size=size, max_record=limit)) == [None]
        assert problems(frame(HEADER + ROW.replace(b"\n", b"\r\n"), size=size, max_record=limit)) == [None]
        assert problems(frame(HEADER + b"x" + ROW, size=size, max_record=limit)) != [None]


# ---------------------------------------------------------------------------------------------- telling what it is


def test_a_silent_source_gives_its_first_rows_when_it_settles() -> None:
    framer = Framer("-", max_record=MAX_RECORD)
    assert list(framer.feed(HEADER[:20])) == []
    assert list(framer.settle()) == []
    assert list(framer.feed(HEADER[20:] + ROW + ROW[:9])) == []
    assert [decode(line.raw).value for line in lines_of(framer.settle())] == [VALUE]
    assert [decode(line.raw).value for line in lines_of(framer.feed(ROW[9:]))] == [VALUE]


def test_copy_text_with_columns_is_told_from_tab_separated_csv_and_unescaped() -> None:
    header = HEADER.replace(b",", b"\t")
    copied = (
        header
        + rb'r-1	\N	0.1	2026-11-23	{"a": "x\\"y\\nz \\\\w"}'
        + b"\n"
        + rb"r-2	a\tb		2026-11-24	{}"
        + b"\n\\.\n"
    )
    found = frame(copied)
    assert [decode(line.raw).value for line in found] == [
        {"request_id": "r-1", "call_type": None, "spend": "0.1", "startTime": "2026-11-23", "metadata": r'{"a": "x\"y\nz \\w"}'},
        {"request_id": "r-2", "call_type": "a\tb", "spend": "", "startTime": "2026-11-24", "metadata": "{}"},
    ]  # fmt: skip
    assert [line.warnings for line in found] == [("copy-escaped",)] * 2
    quoted = header + b'r-1\t"a\t{""b"": ""\\\\n""}"\t\t2026-11-23\t\n'
    (value,) = values(quoted)
    assert value["call_type"] == 'a\t{"b": "\\\\n"}'


@pytest.mark.parametrize(
    "data",
    [
        b"line\tscenario\tphase\n1\tmock\tsync\n",
        b"id,model,cost\n1,gpt-4o,0.1\n",
        b'"id";"model";"cost"\n"1";"gpt-4o";"0.1"\n',
        b"request_id,call_type,start\nr-1,c,2026-11-23\n",
    ],
)
def test_a_table_without_the_header_is_named_line_by_line(data: bytes) -> None:
    found = frame(data)
    message = "a row of a table without the header request_id, call_type, startTime"
    assert problems(found) == [message] * 2
    assert [line.raw for line in found] == data.splitlines()
    assert found[0].problem is not None
    assert "CSV HEADER" in str(found[0].problem.hint)


def test_json_behind_the_header_of_some_table_is_still_read() -> None:
    lines = [b'{"a": 1, "b": 2, "c": 3}', b'"{\\"a\\": 1,2,3}"', b"[1, 2, 3]", b"text"]
    found = frame(b"time,level,message\n" + b"\n".join(lines))
    assert [line.raw for line in found if line.problem is None] == lines


@pytest.mark.parametrize(
    "data",
    [
        b"started, waiting, done and over\nsecond line\n",
        b"# A heading\n\n| a | b |\n",
        b"2026-11-23\tINFO\tstarted\n",
        b"request_id,call_type,startTime," + b"a" * CONSOLE_HEAD + b"\nr,c,s\n",
        b"",
        b"a,b",
    ],
)
def test_other_text_stays_lines_without_a_problem(data: bytes) -> None:
    for size in (1 << 12, 1 << 18):
        found = frame(data, size=size)
        assert [line.problem for line in found] == [None] * len(found)
        assert [line.raw for line in found] == [line for line in data.split(b"\n") if line]


def test_json_cells_hold_the_same_values_as_the_objects() -> None:
    nested = {"text": 'say "hi"\n{', "list": [1, "", None], "é": "\u2028"}
    row = [json.dumps(nested) if name == "metadata" else "x" for name in NAMES]
    text = io.StringIO()
    csv.writer(text).writerows([NAMES, row])
    for size in (1, 1 << 18):
        (value,) = values(text.getvalue().encode(), size=size)
        assert json.loads(value["metadata"]) == nested
