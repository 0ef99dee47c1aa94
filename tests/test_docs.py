"""The documents say what the program does: every command, flag, exit code and record code, and the reverse."""

import ast
import inspect
import io
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from posthog_llm_cli import codes
from posthog_llm_cli.errors import ExitCode
from posthog_llm_cli.formats import FORMAT_NAMES
from posthog_llm_cli.mockserver import MockServer
from posthog_llm_cli.version import __version__
from scripts import pages
from tests.cli.running import KEY, lines, record, run
from tests.converting import ROOT, convert_value, to_event, to_properties, with_parse
from tests.report.lacks_table import table

README = (ROOT / "README.md").read_text()
FORMATS = (ROOT / "docs" / "formats.md").read_text()
DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
LEDGER = [("ledger", name) for name in ("status", "runs", "show", "check", "repair", "forget")]


@cache
def help_of(*command: str) -> str:
    ran = run(ROOT, *command, "--help", env={"COLUMNS": "200", "TERM": "dumb"})
    assert ran.code == 0
    return ran.out


def flags_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def test_the_readme_lists_every_option_of_send_and_no_other() -> None:
    table = README.partition("## Options of `send`")[2].partition("## ")[0]
    assert flags_in(table) == flags_in(help_of("send")) - {"--help"}


@pytest.mark.parametrize("command", ["send", "validate", "preview"])
def test_help_and_readme_agree_that_sources_may_be_several(command: str) -> None:
    assert f"| `plh {command} [SOURCE…]`" in README
    assert f"Usage: plh {command} [OPTIONS] [SOURCE]..." in help_of(command)


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


TROUBLE = DOCS["troubleshooting.md"]
ERRORS = {"ConfigError", "SourceError", "LedgerError", "Problem", "DeliveryError", "Retryable", "Refused", "KeyRefused",
          "Unreachable", "TimedOut", "NoSockets", "Asleep", "Halted", "wrong"}  # fmt: skip


@pytest.mark.parametrize("table", [codes.REJECTIONS, codes.SKIPS, codes.SOURCE_PROBLEMS, codes.WARNINGS])
def test_every_code_has_its_entry_in_troubleshooting(table: dict[str, str]) -> None:
    for code in table:
        rows = re.findall(rf"^\|[^|]*`{code}`[^|]*\|(.+)\|$", TROUBLE, flags=re.MULTILINE)
        assert rows, code
        assert all(len(row) > 15 for row in rows), code


def messages() -> Iterator[tuple[str, str]]:
    """Yield the longest fixed part of every message that an exception of the program carries, with its place."""
    for path in sorted((ROOT / "posthog_llm_cli").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id not in ERRORS:
                continue
            at = {"SourceError": 2, "wrong": 1}.get(call.func.id, 0)
            if len(call.args) > at:
                texts = [part.value for part in ast.walk(call.args[at]) if isinstance(part, ast.Constant)]
                yield (
                    f"{path.name}:{call.lineno}",
                    max((text for text in texts if isinstance(text, str)), key=len, default=""),
                )


def test_every_message_that_stops_something_is_found_in_troubleshooting() -> None:
    told = {place: text.strip(" :(") for place, text in messages()}
    assert len(told) > 50
    missing = {place: text for place, text in told.items() if text not in TROUBLE and text != "the record's host"}
    assert not missing


def test_links_within_the_documents_lead_somewhere() -> None:
    for name, text in {**DOCS, "README.md": README}.items():
        for target in re.findall(r"\]\(([^)#]*(?:#[^)]*)?)\)", text):
            path, _, anchor = target.partition("#")
            if path.startswith(("http:", "https:")):
                continue
            file = ((ROOT if name == "README.md" else ROOT / "docs") / path) if path else ROOT / "docs" / name
            assert file.exists(), f"{name}: {target}"
            if anchor:
                heads = re.findall(r"^#+ (.*)$", file.read_text(), flags=re.MULTILINE)
                assert anchor in {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}, (
                    f"{name}: {target}"
                )


@pytest.mark.parametrize(("path", "command"), [pytest.param(*pair, id=pair[0] or "plh") for pair in pages.commands()])
def test_the_help_of_every_command_leads_with_examples_of_what_there_is(path: str, command: Any) -> None:
    paragraphs = inspect.cleandoc(command.help).split("\n\n")
    title, *examples = paragraphs[1].replace("\b", "").splitlines()
    assert title in {"Examples:", ""}
    assert any(f"plh {path}".strip() in example for example in examples)
    assert max(map(len, examples)) <= 77
    known = {flag for _, one in pages.commands() for option in one.params for flag in option.opts}
    assert flags_in("\n".join(examples)) <= known


def test_the_readme_lists_every_code_with_its_meaning() -> None:
    table = README.partition("codes: begin")[2].partition("codes: end")[0]
    listed = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", table, flags=re.MULTILINE))
    assert listed == {**codes.REJECTIONS, **codes.SKIPS, **codes.SOURCE_PROBLEMS, **codes.WARNINGS}


@pytest.mark.parametrize("name", ["README.md", "codes.md"])
def test_what_is_said_of_exit_codes_is_the_same_everywhere(name: str) -> None:
    table = (README if name == "README.md" else DOCS[name]).partition("## Exit codes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([\d, ]+) \|", table, flags=re.MULTILINE)
    assert rows == [code for code, _ in pages.EXIT_CODES]
    assert {int(code) for row in rows for code in row.split(",")} == {int(code) for code in ExitCode}
    script = re.search(r"```sh\n(.*?)```", table, flags=re.DOTALL)
    if script is not None:
        assert subprocess.run(["sh", "-n"], input=script[1], text=True, check=False).returncode == 0


def test_readme_and_formats_page_name_every_format() -> None:
    assert set(
        re.findall(r"^\| `([a-z-]+)` \|", README.partition("## What it reads")[2].partition("## ")[0], re.MULTILINE)
    ) == set(FORMAT_NAMES)
    for name in FORMAT_NAMES:
        assert f"`{name}`" in FORMATS


def test_the_page_of_the_report_has_its_keys_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "app.jsonl").write_bytes(lines(*(record(number, model=f"m{number}") for number in range(52)), b"{"))
    with MockServer() as server:
        env = {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url}
        sent = orjson.loads(run(tmp_path, "send", "--json", "app.jsonl", "nowhere", env=env).out)
    dead = {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": "http://127.0.0.1:1"}
    arguments = ("send", "--json", "--no-ledger", "--max-retries", "0", "app.jsonl")
    failed = orjson.loads(run(tmp_path, *arguments, env=dead).out)
    rehearsed = orjson.loads(run(tmp_path, "send", "-n", "--json", "app.jsonl").out)
    tables = re.findall(r"\n\| key \| holds \|\n((?:\|.*\n)+)", DOCS["report.md"])
    report, destination = (set(re.findall(r"`(\w+)`", re.sub(r"\|[^|]*\|\n", "\n", table))) for table in tables)
    assert sent.keys() | rehearsed.keys() == report
    places = sent["destinations"] + failed["destinations"]
    assert set().union(*places) == destination | {"models", "other_models"}
    for keys in (sent["already_read"], sent["source_errors"][0]):
        assert set(keys) <= set(re.findall(r"`(\w+)`", DOCS["report.md"]))


@pytest.mark.parametrize("command", ["status", "runs", "sources", "check", "repair"])
def test_the_page_of_the_report_has_what_ledgers_print(command: str, tmp_path: Path) -> None:
    (tmp_path / "app.jsonl").write_bytes(lines(*map(record, range(5))))
    with MockServer() as server:
        assert run(tmp_path, "send", "app.jsonl", env={"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url}).code == 0
    printed = orjson.loads(run(tmp_path, "ledger", command, "--json").out)
    (row,) = re.findall(rf"^\| `{command}` \|(.*)$", DOCS["report.md"], flags=re.MULTILINE)
    row += (
        "".join(re.findall(r"^\| `show` \|(.*)$", DOCS["report.md"], flags=re.MULTILINE)) if command == "runs" else ""
    )
    nested = [item for value in printed.values() if isinstance(value, list) for item in value if isinstance(item, dict)]
    assert printed.keys() | set().union(*nested) <= set(re.findall(r"`(\w+)`", row))


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
