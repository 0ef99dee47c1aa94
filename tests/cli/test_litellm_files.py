"""LiteLLM's logs as its writers leave them, handed to `plh` as they are: every call is found, whatever lies around it."""

import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from posthog_llm_cli.mockserver import MockServer
from tests.cli.running import KEY, Called, lines, record, run

SPEND_HEADER = "request_id,call_type,startTime,spend,metadata\n"


def report_of(called: Called, *arguments: str, mode: tuple[str, ...] = ("send", "-n")) -> dict[str, Any]:
    ran = called(*mode, "--json", *arguments)
    found: dict[str, Any] = orjson.loads(ran.out)
    return found


def counts(report: dict[str, Any]) -> tuple[int, int, int, int]:
    return report["records"], report["accepted"], report["skipped"], report["rejected"]


def bare(number: int, **changes: object) -> bytes:
    return orjson.dumps(record(number, **changes))


# ---------------------------------------------------------------------------------------------------------- writers


def test_a_bucket_of_one_object_for_each_call_is_read_whatever_the_keys(home: Path, called: Called) -> None:
    keys = [
        "litellm/2026-11-23/time-19-00-05-598955_9b79dd04-042a.json",
        "litellm/team-a/key alias é/2026-11-23/19/time-19-00-05-1_chatcmpl-1.json",
        "litellm/2026-11-23/time-19_resp_" + "x" * 200 + ".json",
        "2026-11-23/chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",  # GCS once gave its objects no extension
        "2026-11-23/failure-1f2e3d",
        "2026-11-23/a[1]*?.JSON",
        "azure/2026-11-23/chatcmpl-7.json",
    ]
    for number, key in enumerate(keys):
        path = home / "bucket" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bare(number) + (b"\n" if "azure" in key else b""))
    assert counts(report_of(called, "bucket")) == (7, 7, 0, 0)
    assert counts(report_of(called, "bucket/**/*")) == (7, 7, 0, 0)
    assert counts(report_of(called, str(home / "bucket" / keys[5]))) == (1, 1, 0, 0)


def test_audit_logs_in_the_same_bucket_are_skipped(home: Path, called: Called) -> None:
    (home / "audit_logs").mkdir()
    audit = {"id": "1", "updated_at": "t", "changed_by": "c", "action": "created", "table_name": "t", "object_id": "o"}
    (home / "audit_logs" / "a.json").write_bytes(orjson.dumps(audit))
    (home / "call.json").write_bytes(bare(1))
    assert report_of(called, "audit_logs", "call.json")["skips"] == {"audit-log": 1}
    assert (
        "note: audit_logs/a.json: these are LiteLLM's audit logs" in called("send", "-n", "audit_logs", "call.json").err
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"[" + bare(1) + b",null," + bare(2) + b"]", (3, 2, 1, 0)),
        (bare(1) + b"\n" + bare(2), (2, 2, 0, 0)),
        (bare(1), (1, 1, 0, 0)),
        (bare(1) + bare(2) + b"\n" + bare(3), (3, 3, 0, 0)),
        (bare(1) + b"\n" + bare(2) + bare(3) + b"\n", (3, 3, 0, 0)),
        (b"[" + bare(1) + b"][" + bare(2) + b"]", (2, 2, 0, 0)),
        (b"[" + bare(1) + b"]\n[" + bare(2) + b", null]\n", (3, 2, 1, 0)),
        (orjson.dumps([record(1), record(2)], option=orjson.OPT_INDENT_2), (2, 2, 0, 0)),
        (b"null", (1, 0, 1, 0)),
        (b"[]", (0, 0, 0, 0)),
    ],
    ids=[
        "array with null", "ndjson", "single", "cat of batches", "glued in the middle", "cat of arrays", "lines of arrays",
        "pretty array", "null", "empty array",
    ],
)  # fmt: skip
def test_bodies_of_every_framing_give_their_calls(
    home: Path, called: Called, content: bytes, found: tuple[int, int, int, int], pack: Any
) -> None:
    (home / "body").write_bytes(pack(content))
    assert counts(report_of(called, "body")) == found


def test_lines_that_hold_raw_line_separators_stay_whole(home: Path, called: Called) -> None:
    text = json.dumps(record(1, messages=[{"role": "user", "content": "a\u2028b\u0085c"}]), ensure_ascii=False)
    (home / "batch.ndjson").write_bytes(text.encode() + b"\r\n" + text.encode())
    assert counts(report_of(called, "batch.ndjson"))[:2] == (2, 1)


# ------------------------------------------------------------------------------------------------------------- tables


def test_rows_of_a_table_are_records_and_a_damaged_one_is_kept_as_it_is(
    home: Path, called: Called, server: MockServer
) -> None:
    cell = '"{""a"": ""b\nc""}"'
    (home / "spend.csv").write_text(SPEND_HEADER + f"r-1,acompletion,2026-11-23 19:02:33,0.1,{cell}\nr-2,x\n")
    env = {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url}
    ran = called("send", "--dead-letter", "dead.jsonl", "spend.csv", env=env)
    assert "send: 2 records read (litellm-spend 1)" in ran.err
    assert "spend.csv:4: expected a row of 5 cells, as its header has, and found 2 [invalid-json]" in ran.err
    letters = [orjson.loads(line) for line in (home / "dead.jsonl").read_bytes().splitlines()]
    assert letters[-1]["record"] == "r-2,x"
    assert (letters[-1]["line"], letters[-1]["code"]) == (4, "invalid-json")
    assert report_of(called, "dead.jsonl")["rejections"]["invalid-json"] == 1


def test_every_row_of_copy_text_carries_the_warning_once(home: Path, called: Called) -> None:
    rows = [
        bare(number, request_id=f"r-{number}", messages=text) for number, text in enumerate(['say "hi"', "a\nb", "c"])
    ]
    (home / "copy.txt").write_bytes(b"\n".join(row.replace(b"\\", b"\\\\") for row in rows) + b"\n\\.\n")
    report = report_of(called, "copy.txt", "--format", "litellm")
    assert counts(report) == (3, 3, 0, 0)
    assert report["warnings"]["copy-escaped"] == 3
    ran = called("send", "--mock", "copy.txt", "--format", "litellm")
    assert [orjson.loads(line)["properties"]["$ai_input"][0]["content"] for line in ran.out.splitlines()] == [
        'say "hi"',
        "a\nb",
        "c",
    ]


def test_files_that_are_no_logs_are_refused_by_what_they_are(home: Path, called: Called) -> None:
    (home / "README.md").write_text("# Logs\n\n| a | b |\n")
    (home / "index.tsv").write_text("line\tscenario\n1\tmock\n")
    ran = called("validate", "README.md", "index.tsv")
    assert ran.code == 3
    assert "README.md:1: text, not JSON [invalid-json]" in ran.err
    assert "hint: name the log files alone" in ran.err
    assert "index.tsv:2: a row of a table without the header request_id, call_type, startTime [invalid-json]" in ran.err
    assert "CSV HEADER" in ran.err
    assert counts(report_of(called, "README.md", "index.tsv")) == (4, 0, 0, 4)


# ------------------------------------------------------------------------------------------------------- console logs

CONSOLE = {"message": "m", "level": "INFO", "timestamp": "t", "component": "c"}
NOTE = "these are LiteLLM's console logs; export with an s3, gcs_bucket or generic_api callback, or SpendLogs"


@pytest.mark.parametrize("mode", [("send", "-n"), ("validate",), ("send", "--mock")])
def test_a_source_of_console_lines_alone_says_what_to_collect(
    home: Path, called: Called, mode: tuple[str, ...]
) -> None:
    (home / "console.jsonl").write_bytes(lines(CONSOLE, b"INFO: text", CONSOLE))
    ran = called(*mode, "console.jsonl")
    assert (ran.code, f"note: console.jsonl: {NOTE}" in ran.err) == (0, True)


def test_a_send_says_so_too(home: Path) -> None:
    (home / "console.jsonl").write_bytes(lines(CONSOLE, CONSOLE))
    ran = run(home, "send", "--yes", "--api-key", KEY, "console.jsonl")
    assert (ran.code, NOTE in ran.err) == (0, True)


def test_payloads_between_console_lines_are_calls_and_no_note_is_made(home: Path, called: Called) -> None:
    pretty = orjson.dumps(record(1), option=orjson.OPT_INDENT_2)
    (home / "proxy.log").write_bytes(b"INFO: started\n" + pretty + b"\nINFO: done\n")
    assert counts(report_of(called, "proxy.log")) == (3, 1, 2, 0)
    assert "note:" not in called("send", "-n", "proxy.log").err


def test_text_in_a_source_without_console_lines_is_damage(home: Path, called: Called) -> None:
    (home / "app.jsonl").write_bytes(bare(1) + b"\nINFO: text\n" + bare(2))
    assert counts(report_of(called, "app.jsonl")) == (3, 2, 0, 1)


# ------------------------------------------------------------------------------------------------------------ the order


@pytest.mark.parametrize("typed", [["bare.jsonl", "kwargs.jsonl"], ["kwargs.jsonl", "bare.jsonl"], ["."], ["*.jsonl"]])
def test_of_two_views_of_a_call_the_richer_one_is_sent_however_they_are_typed(
    home: Path, called: Called, typed: list[str]
) -> None:
    (home / "bare.jsonl").write_bytes(bare(1) + b"\n" + bare(2))
    metadata = {"litellm_params": {"metadata": {"user_id": "u-1"}}}
    (home / "kwargs.jsonl").write_bytes(orjson.dumps({"standard_logging_object": record(1), **metadata}))
    ran = called("send", "--mock", *typed)
    assert [orjson.loads(line)["distinct_id"] for line in ran.out.splitlines()] == ["u-1", "trace-2"]
    assert counts(report_of(called, *typed))[:2] == (3, 2)


def test_a_richer_view_in_a_pipe_is_sent_too(home: Path) -> None:
    (home / "bare.jsonl").write_bytes(bare(1))
    wrapped = orjson.dumps({"standard_logging_object": record(1), "litellm_params": {"metadata": {"user_id": "u-1"}}})
    ran = run(home, "send", "--mock", "bare.jsonl", "-", stdin=wrapped)
    assert orjson.loads(ran.out)["distinct_id"] == "u-1"
    assert "1  the same call" in ran.err


def test_within_one_source_the_first_view_is_sent(home: Path, called: Called) -> None:
    wrapped = orjson.dumps({"standard_logging_object": record(1), "litellm_params": {"metadata": {"user_id": "u-1"}}})
    (home / "mixed.jsonl").write_bytes(bare(1) + b"\n" + wrapped)
    ran = called("send", "--mock", "mixed.jsonl")
    assert orjson.loads(ran.out)["distinct_id"] == "trace-1"
