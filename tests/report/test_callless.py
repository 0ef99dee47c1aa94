"""A source that holds nothing but console or audit logs is named, with what to collect instead."""

import pytest

from posthog_llm_cli.report.callless import Callless

CONSOLE = "these are LiteLLM's console logs; export with an s3, gcs_bucket or generic_api callback, or SpendLogs"
AUDIT = "these are LiteLLM's audit logs, which hold no call"


def notes(*records: tuple[str, str | None]) -> list[str]:
    callless = Callless()
    for uri, code in records:
        callless.add(uri, code)
    return list(callless.notes())


def test_a_source_of_console_lines_alone_is_named_with_what_to_collect() -> None:
    assert notes(("a.log", "console-log"), ("a.log", "console-log")) == [f"note: a.log: {CONSOLE}"]


def test_empty_records_change_nothing_wherever_they_stand() -> None:
    for codes in (["empty-record", "console-log"], ["console-log", "empty-record"]):
        assert notes(*(("a.log", code) for code in codes)) == [f"note: a.log: {CONSOLE}"]


@pytest.mark.parametrize(
    "codes",
    [
        [None, "console-log"],
        ["console-log", None],
        ["audit-log", "console-log"],
        ["empty-record"],
        ["health-check"],
        ["console-log", None, "console-log"],
    ],
)
def test_a_source_of_anything_else_too_is_not(codes: list[str | None]) -> None:
    assert notes(*(("a.log", code) for code in codes)) == []


def test_many_sources_are_one_line_for_each_kind() -> None:
    found = notes(("a", "audit-log"), ("b", None), ("c", "audit-log"), ("d", "console-log"), ("e", "audit-log"))
    assert found[0].startswith(f"note: a and 2 other sources: {AUDIT}")
    assert found[1:] == [f"note: d: {CONSOLE}"]


def test_no_record_is_no_note() -> None:
    assert notes() == []
