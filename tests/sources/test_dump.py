"""Plain SQL of pg_dump: SpendLogs among statements and other tables."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.decoding import decode
from posthog_llm_cli.sources.framing import Framer
from tests.converting import to_event, to_properties
from tests.laws import examples
from tests.sources.framed import frame, said

BEGIN = b"--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n\nSET statement_timeout = 0;\n\n"
OTHER = b'COPY public."LiteLLM_BudgetTable" (budget_id, max_budget) FROM stdin;\nb-1\t{"a": 1}\n\\.\n\n'
TABLE = b'COPY public."LiteLLM_SpendLogs" (request_id, call_type, spend, "startTime", model, metadata) FROM stdin;\n'
END = b"\\.\n\n--\n-- PostgreSQL database dump complete\n--\n"
ROW = b'r-1\tacompletion\t0.1\t2025-05-23 19:02:33.05\tgpt-4o\t{"a": "b\\\\"c\\\\n"}\n'
VALUE = {
    "request_id": "r-1", "call_type": "acompletion", "spend": "0.1", "startTime": "2025-05-23 19:02:33.05",
    "model": "gpt-4o", "metadata": '{"a": "b\\"c\\n"}',
}  # fmt: skip


def messages(data: bytes) -> list[tuple[int, str | None]]:
    return [(line.ref.line, None if line.problem is None else line.problem.message) for line in frame(data)]


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 18])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_rows_of_spend_logs_are_the_records_of_a_dump(size: int, line_end: bytes) -> None:
    dump = (BEGIN + OTHER + TABLE + ROW + ROW.replace(b"r-1", b"\\N") + END).replace(b"\n", line_end)
    found = frame(dump, size=size)
    assert [decode(line.raw).value for line in found] == [VALUE, VALUE | {"request_id": None}]
    assert [line.ref.line for line in found] == [14, 15]
    assert dump[found[0].ref.offset :].startswith(b"r-1\t")


def test_a_dump_of_all_databases_is_one_too() -> None:
    dump = BEGIN.replace(b"database dump", b"database cluster dump") + BEGIN + TABLE + ROW + END
    assert [decode(line.raw).value for line in frame(dump)] == [VALUE]


def test_a_row_of_a_dump_is_the_call_that_it_is_as_json() -> None:
    line = frame(BEGIN + TABLE + ROW + END)[0]
    row: dict[str, Any] = json.loads(line.raw)
    plain = {**VALUE, "spend": 0.1, "metadata": {"a": 'b"c\n'}}
    assert to_properties(row) == to_properties(plain)
    assert to_event(row).uuid == to_event(plain).uuid


def test_a_dump_without_rows_of_spend_logs_says_so_once() -> None:
    assert messages(BEGIN + OTHER + END) == [(1, "a PostgreSQL dump that holds no rows of LiteLLM_SpendLogs")]


def test_an_empty_table_is_nothing() -> None:
    assert frame(BEGIN + TABLE + END) == []


def test_rows_as_statements_are_refused_one_by_one() -> None:
    insert = b"INSERT INTO public.\"LiteLLM_SpendLogs\" VALUES ('r-1', 'acompletion');\n"
    expected = "a statement that inserts rows of LiteLLM_SpendLogs"
    assert messages(BEGIN + insert + insert) == [(9, expected), (10, expected)]


def test_a_row_of_another_length_costs_itself_only() -> None:
    found = messages(BEGIN + TABLE + b"r-0\tx\n" + ROW + b"\xff" + ROW + END)
    assert [message for _, message in found] == [
        "expected a row of 6 cells, as its table has, and found 2",
        None,
        "expected UTF-8 and found bytes that are not UTF-8 at byte 1 of a cell",
    ]


def test_sql_of_another_kind_is_lines_of_text() -> None:
    framer = Framer("a.sql", max_record=1 << 20)
    list(framer.feed(b"-- my notes\n{}\n"))
    list(framer.finish())
    assert framer.reads_lines


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.sampled_from([BEGIN, OTHER, TABLE, ROW, END, b"\\.\n", b"x\ty\n"]), max_size=8), st.integers(1, 50))
def test_blocks_never_change_what_is_found_in_a_dump(parts: list[bytes], size: int) -> None:
    data = BEGIN + b"".join(parts)
    assert said(frame(data, size=size)) == said(frame(data))
