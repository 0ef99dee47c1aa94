import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.decoding import decode
from posthog_llm_cli.model import LogLine
from posthog_llm_cli.sources import SourceReader
from posthog_llm_cli.sources.framing import LOOK_AHEAD, Framer
from posthog_llm_cli.sources.postgres import unescape
from tests.formats.shared import LITELLM_LOGS, needs_litellm_logs
from tests.laws import examples
from tests.sources.framed import MAX_RECORD, frame, lines_of, raws, said

WARNED = ("copy-escaped",)


def row(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "request_id": f"r-{number}",
        "call_type": "acompletion",
        "startTime": "2026-11-23T19:02:33.05",
        "spend": 0.1,
        **more,
    }


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def copied(text: str) -> bytes:
    """One line as COPY writes it (PostgreSQL, `CopyAttributeOutText`)."""
    for character, letter in (
        ("\\", "\\"),
        ("\b", "b"),
        ("\f", "f"),
        ("\n", "n"),
        ("\r", "r"),
        ("\t", "t"),
        ("\v", "v"),
    ):
        text = text.replace(character, "\\" + letter)
    return text.encode() + b"\n"


def copy_of(*rows: Any) -> bytes:
    return b"".join(copied(compact(value)) for value in rows)


def values(lines: list[LogLine]) -> list[Any]:
    return [decode(line.raw).value for line in lines]


PROOF = row(0, messages='say "hi"')
"""No JSON when it is escaped."""
AMBIGUOUS = row(1, messages="a\nb")
"""JSON that says something else when it is escaped."""
BARE = row(2, messages="plain")

# ------------------------------------------------------------------------------------------------------------- laws

texts = st.text(alphabet=st.sampled_from('a"\\{}[]:,nrtux01\n\r\t\x08\x0b\x0c\u2028é😀'), max_size=12)


@settings(max_examples=examples(200), deadline=None)
@given(texts)
def test_unescaping_undoes_what_copy_writes(text: str) -> None:
    assert unescape(copied(text).removesuffix(b"\n")) == text.encode()


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(texts, max_size=5), st.integers(0, 5), st.integers(1, 60), st.booleans())
def test_every_row_of_a_copied_file_comes_back_whatever_the_blocks(
    contents: list[str], at: int, size: int, ended: bool
) -> None:
    rows = [row(number, messages=text) for number, text in enumerate(contents)]
    rows.insert(at % (len(rows) + 1), PROOF)
    data = copy_of(*rows)
    found = frame(data if ended else data[:-1], size=size)
    assert values(found) == rows
    assert [line.warnings for line in found] == [WARNED] * len(rows)
    assert [line.ref.line for line in found] == list(range(1, len(rows) + 1))
    assert all(data[line.ref.offset : line.ref.offset + 13] == b'{"request_id"' for line in found)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(texts, max_size=5), st.integers(1, 60))
def test_a_plain_file_with_one_single_backslash_stays_as_it_is(contents: list[str], size: int) -> None:
    rows = [row(number, messages=text) for number, text in enumerate(["\n", *contents])]
    data = "".join(compact(value) + "\n" for value in rows).encode()
    found = frame(data, size=size)
    assert values(found) == rows
    assert {line.warnings for line in found} == {()}


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.text(alphabet=st.sampled_from('a"\\{}n,\n .N'), max_size=12), max_size=5), st.integers(1, 60))
def test_blocks_never_change_what_is_found_in_any_rows(lines: list[str], size: int) -> None:
    head = '{"request_id":"","call_type":"","startTime":"","m":"'
    data = "\n".join([head + lines[0] if lines else head, *(head + line for line in lines[1:]), *lines]).encode()
    assert said(frame(data, size=size)) == said(frame(data))


# ----------------------------------------------------------------------------------------------------- the decision


def test_one_proof_anywhere_in_the_head_unescapes_rows_that_are_json_as_they_stand() -> None:
    found = frame(copy_of(AMBIGUOUS, BARE, AMBIGUOUS, PROOF))
    assert values(found) == [AMBIGUOUS, BARE, AMBIGUOUS, PROOF]
    assert {line.warnings for line in found} == {WARNED}


def test_line_breaks_between_the_parts_of_a_row_are_a_proof() -> None:
    line = copied(compact(row(1)).replace(',"spend"', ',\n\t"spend"'))
    assert values(frame(line)) == [row(1)]


def test_without_a_proof_two_rows_that_show_the_doubling_are_enough_and_one_is_not() -> None:
    assert values(frame(copy_of(AMBIGUOUS, BARE, AMBIGUOUS))) == [AMBIGUOUS, BARE, AMBIGUOUS]
    assert raws(copy_of(AMBIGUOUS, BARE)) == copy_of(AMBIGUOUS, BARE).split(b"\n")[:-1]


@pytest.mark.parametrize(
    "other",
    [
        compact(row(3, messages="x\ty")).encode(),
        compact(row(3, path="C:\\Users")).encode(),
        b'{"a": 1}',
        compact(row(3))[:-1].encode(),
        b"text",
    ],
)
def test_without_a_proof_every_row_must_be_able_to_be_copy_text(other: bytes) -> None:
    lines = [*copy_of(AMBIGUOUS, AMBIGUOUS).split(b"\n")[:-1], other]
    found = frame(b"\n".join(lines))
    assert [line.raw for line in found] == lines
    assert {line.warnings for line in found} == {()}


@pytest.mark.parametrize(
    "bad",
    [
        rb'{"request_id":"","call_type":"","startTime":"","m":"\d"}',
        rb'{"request_id":"","call_type":"","startTime":"","m":"a\\"\"}',
    ],
)
def test_a_broken_escape_in_a_plain_file_is_no_proof(bad: bytes) -> None:
    plain = compact(row(1, path="C:\\new\\table")).encode()
    assert raws(bad + b"\n" + plain) == [bad, plain]


def test_other_sources_are_not_looked_at_and_give_their_first_line_at_once() -> None:
    framer = Framer("a", max_record=MAX_RECORD)
    line = b'{"a": "' + b"x" * 70_000 + b'\\\\n"}\n'
    assert [found.raw for found in lines_of(framer.feed(line))] == [line.strip()]


def test_rows_without_any_backslash_wait_for_the_look_ahead_and_no_longer() -> None:
    framer = Framer("a", max_record=MAX_RECORD)
    line = compact(row(1, messages="x" * 10_000)).encode() + b"\n"
    fed, given_at = 0, 0
    while not given_at:
        fed += len(line)
        given_at = fed if list(framer.feed(line)) else 0
    assert LOOK_AHEAD <= given_at < LOOK_AHEAD + 2 * len(line)


def test_a_proof_behind_the_look_ahead_comes_too_late_and_the_rows_stay_plain() -> None:
    filling = compact(row(1, messages="x" * 100_000)).encode() + b"\n"
    found = frame(filling * 43 + copy_of(AMBIGUOUS, PROOF))
    assert [line.raw + b"\n" for line in found[43:]] == copy_of(AMBIGUOUS, PROOF).splitlines(keepends=True)
    assert {line.warnings for line in found} == {()}


def test_a_live_source_settles_by_the_lines_that_are_there() -> None:
    line = copy_of(AMBIGUOUS)
    for rows, warnings in ((1, ()), (2, WARNED)):  # one row that shows it is not enough
        framer = Framer("-", max_record=MAX_RECORD)
        assert list(framer.feed(line * rows + line[:9])) == []
        assert [found.warnings for found in lines_of(framer.settle())] == [warnings] * rows
        assert [found.warnings for found in lines_of(framer.feed(line[9:]))] == [warnings]


def test_a_live_source_that_is_silent_within_its_first_row_is_not_decided_yet() -> None:
    framer = Framer("-", max_record=MAX_RECORD)
    data = copy_of(PROOF, AMBIGUOUS)
    assert list(framer.feed(data[:60])) == []
    assert list(framer.settle()) == []
    assert values(lines_of(framer.feed(data[60:])) + lines_of(framer.settle())) == [PROOF, AMBIGUOUS]


# ------------------------------------------------------------------------------------------------------ in the data


def test_a_damaged_row_is_one_record_and_the_unescaping_goes_on() -> None:
    data = copy_of(PROOF) + b'{"request_id":"cut\\\\n\n' + copy_of(AMBIGUOUS)
    first, cut, last = frame(data)
    assert values([first, last]) == [PROOF, AMBIGUOUS]
    assert (cut.raw, cut.problem, cut.warnings) == (b'{"request_id":"cut\\n', None, WARNED)


def test_the_end_of_the_data_is_framing_and_a_null_row_is_null() -> None:
    found = frame(copy_of(PROOF) + b"\\N\n" + copy_of(AMBIGUOUS) + b"\\.\n\n")
    assert values(found) == [PROOF, None, AMBIGUOUS]
    assert [line.ref.line for line in found] == [1, 2, 3]


def test_octal_and_hexadecimal_escapes_are_undone() -> None:
    assert unescape(rb"\101\x42\x4a\7\q\\x41") == b"ABJ\x07q\\x41"


def test_a_plain_row_that_was_put_behind_copy_text_is_left_alone() -> None:
    plain = compact(row(5, messages="x\ny")).encode()
    found = frame(copy_of(PROOF, AMBIGUOUS) + plain + b"\n")
    assert values(found) == [PROOF, AMBIGUOUS, row(5, messages="x\ny")]
    assert found[-1].warnings == ()


def test_a_row_over_the_ceiling_is_named() -> None:
    found = frame(copy_of(PROOF, row(1, messages="x" * 500), PROOF), max_record=200)
    assert [line.problem and line.problem.code for line in found] == [None, "record-too-long", None]


@pytest.mark.parametrize("size", [1, 1 << 18])
def test_a_copied_aggregate_is_one_line_of_rows(size: int) -> None:
    text = "[" + ", \n ".join(compact(value) for value in (BARE, AMBIGUOUS, PROOF)) + "]"
    (line,) = frame(copied(text), size=size)
    assert decode(line.raw).value == [BARE, AMBIGUOUS, PROOF]
    assert line.warnings == WARNED


def test_a_copied_aggregate_that_is_longer_than_the_look_ahead_is_told_all_the_same() -> None:
    text = "[" + ", \n ".join(compact(row(number, messages="y" * 50_000)) for number in range(100)) + "]"
    (line,) = frame(copied(text))
    assert len(decode(line.raw).value) == 100
    plain = "[" + ", \n ".join(compact(row(number, messages="y" * 50_000)) for number in range(100)) + "]"
    assert len(frame(plain.replace("\n", "").encode())) == 100


# ------------------------------------------------------------------------------------------------------ psql's frame

ROWS = (AMBIGUOUS, row(3))


def aligned(name: str, lines: list[str]) -> bytes:
    """As psql prints one column without -A and -t."""
    width = max(len(line) for line in lines) + 2
    return "\n".join(
        [name.center(width), "-" * width, *(f" {line}" for line in lines), f"({len(lines)} rows)", "", ""]
    ).encode()


@pytest.mark.parametrize("size", [1, 9, 1 << 18])
@pytest.mark.parametrize(
    "data",
    [
        aligned("row_to_json", [compact(value) for value in ROWS]),
        aligned("my_column", [compact(value) for value in ROWS]),
        b"row_to_json\n" + b"".join(compact(value).encode() + b"\n" for value in ROWS) + b"(2 rows)\n",
        b"row_to_json\n" + copy_of(*ROWS, PROOF),
        aligned("json_agg", ["[" + compact(ROWS[0]) + ",  +", " " + compact(ROWS[1]) + "]"]).replace(
            b"(2 rows)", b"(1 row)"
        ),
    ],
    ids=["aligned", "named", "unaligned", "COPY with a header", "aligned aggregate"],
)
def test_what_psql_prints_around_the_rows_is_framing(data: bytes, size: int) -> None:
    found = frame(data, size=size)
    assert values(found)[:2] == list(ROWS)
    assert len(found) == 3 if b"hi" in data else 2
    assert all(data[line.ref.offset : line.ref.offset + 13] == b'{"request_id"' for line in found)


@pytest.mark.parametrize("data", [b"row_to_json\n-----\n(0 rows)\n", b" row_to_json \n---"])
def test_a_table_of_no_rows_gives_nothing_but_what_is_cut(data: bytes) -> None:
    for size in (1, 1 << 18):
        assert raws(data, size=size) == ([] if b"(" in data else [b"row_to_json", b"---"])


@pytest.mark.parametrize(
    "data",
    [
        b'started\n{"a": 1}\n(2 rows)\n',
        b"title\n\n----\n",
        b"title",
        b"title\n",
        b"row_to_json\ntext\n",
        b"a-b\n---\nc\n",
    ],
)
def test_other_text_above_records_is_a_record_and_so_is_what_looks_like_a_footer(data: bytes) -> None:
    for size in (1, 1 << 18):
        assert raws(data, size=size) == [line for line in data.split(b"\n") if line]


# -------------------------------------------------------------------------------------------------------- real data


@needs_litellm_logs
def test_real_exports_give_row_by_row_the_same_values() -> None:
    def read(name: str) -> list[LogLine]:
        return [item for item in SourceReader([str(LITELLM_LOGS / name)]) if isinstance(item, LogLine)]

    plain = values(read("spendlogs_row_to_json.jsonl"))
    copy_text, table = read("spendlogs_copy_rowjson_raw.txt"), values(read("spendlogs_copy.csv"))
    assert len(plain) == 24
    assert values(copy_text) == plain
    assert {line.warnings for line in copy_text} == {WARNED}
    assert values(read("spendlogs_json_agg.json")) == plain[:3]
    assert len(table) == 24
    for found, expected in zip(table, plain, strict=True):
        assert {key: as_json(key, cell, expected[key]) for key, cell in found.items()} == expected


def as_json(key: str, cell: str | None, expected: Any) -> Any:
    """A cell of CSV, which is text, as a value of the type that row_to_json wrote."""
    if cell is None or isinstance(expected, str):
        return cell.replace(" ", "T") if cell is not None and key.endswith(("Time", "_at")) else cell
    return json.loads(cell)
