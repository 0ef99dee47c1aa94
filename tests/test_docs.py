"""The documents say what the program does: every command, flag, exit code and record code, and the reverse."""

import io
import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
import pytest

from posthog_llm_cli import codes
from posthog_llm_cli.errors import ExitCode
from posthog_llm_cli.formats import FORMAT_NAMES
from posthog_llm_cli.version import __version__
from tests.converting import ROOT, convert_value, to_event, to_properties, with_parse
from tests.report.lacks_table import table

README = (ROOT / "README.md").read_text()
FORMATS = (ROOT / "docs" / "formats.md").read_text()
DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
LEDGER = [("ledger", name) for name in ("status", "runs", "show", "check", "repair", "forget")]


@cache
def help_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "posthog_llm_cli", *command, "--help"],
        capture_output=True, text=True, check=True, env={"COLUMNS": "200", "TERM": "dumb", "PATH": "/usr/bin:/bin"}, cwd=ROOT,
    )  # fmt: skip
    return done.stdout


def flags_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def test_the_readme_lists_every_option_of_send_and_no_other() -> None:
    table = README.partition("## Options of `send`")[2].partition("## ")[0]
    assert flags_in(table) == flags_in(help_of("send")) - {"--help"}


@pytest.mark.parametrize("name", [*DOCS, "README.md"])
def test_a_document_names_only_options_that_exist(name: str) -> None:
    commands = ((), ("send",), ("validate",), ("preview",), ("explain",), ("mock-server",), *LEDGER)
    known = {flag for command in commands for flag in flags_in(help_of(*command))}
    text = README if name == "README.md" else DOCS[name]
    told = "\n".join(re.findall(r"^.*\bplh\b.*$|`--[^`]*`", text, flags=re.MULTILINE))
    assert flags_in(told) <= known


def test_the_readme_lists_every_command() -> None:
    listed = set(re.findall(r"^\| `plh ([a-z-]+)", README, flags=re.MULTILINE))
    shown = set(re.findall(r"^[│|] ([a-z][a-z-]+)  ", help_of(), flags=re.MULTILINE))
    assert listed == shown


def test_the_readme_lists_every_code_with_its_meaning() -> None:
    table = README.partition("codes: begin")[2].partition("codes: end")[0]
    listed = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", table, flags=re.MULTILINE))
    assert listed == {**codes.REJECTIONS, **codes.SKIPS, **codes.SOURCE_PROBLEMS, **codes.WARNINGS}


def test_the_readme_lists_every_exit_code() -> None:
    table = README.partition("## Exit codes")[2].partition("## ")[0]
    listed = {
        int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, flags=re.MULTILINE) for code in row.split(",")
    }
    assert listed == {int(code) for code in ExitCode}


def test_readme_and_formats_page_name_every_format() -> None:
    assert set(
        re.findall(r"^\| `([a-z-]+)` \|", README.partition("## What it reads")[2].partition("## ")[0], re.MULTILINE)
    ) == set(FORMAT_NAMES)
    for name in FORMAT_NAMES:
        assert f"`{name}`" in FORMATS


def test_the_page_on_what_a_log_lacks_has_the_table_of_the_code() -> None:
    page = DOCS["what-a-log-lacks.md"]
    assert page.partition("lacks.py) -->\n")[2].partition("<!-- lacks: end")[0] == table()


def test_the_changelog_has_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_recommended_record_is_an_event() -> None:
    record = orjson.loads(re.search(r"```json\n(.*?)```", FORMATS, flags=re.DOTALL)[1])  # type: ignore[index]
    answer = {"model": "gpt-4o", "choices": [{"index": 0, "message": {"content": "ho"}}], "created": 1748772000}
    record = {**record, "timestamp": "2025-06-01T10:00:00.250Z", "response": {**record["response"], **answer}}
    assert to_event(record).distinct_id == "u-17"


class Answered:
    """What the OpenAI client returns, as far as the example needs it."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        assert mode == "json"
        return {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1748772000, "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
        }  # fmt: skip


class SlowDownError(Exception):
    status_code = 429


class Stub:
    """A client whose `chat.completions.create` answers, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.chat = self.completions = self

    def create(self, **request: Any) -> Answered:
        assert request.keys() == {"model", "messages", "temperature"}
        assert request["messages"][0] == {"role": "user", "content": "hi"}
        if self.error is not None:
            raise self.error
        return Answered()


def logged_line(client: Stub, **changes: Any) -> dict[str, Any]:
    """The line that the example of the formats page writes of a call."""
    example: dict[str, Any] = {}
    exec(re.search(r"```python\n(.*?)```", FORMATS, flags=re.DOTALL)[1], example)  # type: ignore[index]
    log = io.StringIO()
    about = {"user": "u-17", "trace_id": "t-1", "session_id": "s-1"}
    try:
        request = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "temperature": 0, **changes}
        answer = example["logged"](client, log, about, **request)
        assert isinstance(answer, Answered)
    except SlowDownError:
        assert client.error is not None
    (line,) = log.getvalue().splitlines()
    return dict(orjson.loads(line))


def test_what_the_example_writes_converts_completely() -> None:
    began = datetime.now(UTC)
    options = with_parse(run_started_at=began)
    line = logged_line(Stub())
    event, found = to_event(line, options), to_properties(line, options)
    assert event.distinct_id == "u-17"
    assert began <= event.timestamp <= datetime.now(UTC)
    assert 0 <= found.pop("$ai_latency") < 60
    assert {key: value for key, value in found.items() if key.startswith("$ai_") and key != "$ai_usage"} == {
        "$ai_trace_id": "t-1",
        "$ai_session_id": "s-1",
        "$ai_span_id": "chatcmpl-1",
        "$ai_model": "gpt-4o-2024-08-06",
        "$ai_provider": "openai",
        "$ai_stop_reason": "stop",
        "$ai_input_tokens": 5,
        "$ai_output_tokens": 2,
        "$ai_total_tokens": 7,
        "$ai_model_parameters": {"temperature": 0},
        "$ai_input": [{"role": "user", "content": "hi"}],
        "$ai_output_choices": [{"role": "assistant", "content": [{"type": "text", "text": "ho"}]}],
    }
    assert found["requested_model"] == "gpt-4o"
    assert convert_value(line, options).warnings == ()


def test_the_example_writes_messages_of_earlier_answers_as_json_and_of_a_stream_no_answer() -> None:
    earlier = Answered()
    line = logged_line(Stub(), messages=[{"role": "user", "content": "hi"}, earlier])
    assert line["request"]["messages"][1] == earlier.model_dump(mode="json")
    example: dict[str, Any] = {}
    exec(re.search(r"```python\n(.*?)```", FORMATS, flags=re.DOTALL)[1], example)  # type: ignore[index]
    assert example["as_json"](iter([])) is None


def test_what_the_example_writes_of_a_failure_converts_completely() -> None:
    options = with_parse(run_started_at=datetime.now(UTC))
    line = logged_line(Stub(SlowDownError("slow down")))
    found = to_properties(line, options)
    assert (found["$ai_is_error"], found["$ai_error"], found["$ai_error_type"]) == (True, "slow down", "SlowDownError")
    assert (found["$ai_http_status"], found["$ai_model"], found["$ai_trace_id"]) == (429, "gpt-4o", "t-1")
    assert found["$ai_input"] == [{"role": "user", "content": "hi"}]
    assert convert_value(line, options).warnings == ()
