"""The documents say what the program does: every command, flag, exit code and record code, and the reverse."""

import re
import subprocess
import sys

import orjson
import pytest

from posthog_llm_cli import codes
from posthog_llm_cli.errors import ExitCode
from posthog_llm_cli.formats import FORMAT_NAMES
from posthog_llm_cli.version import __version__
from tests.converting import ROOT, to_event
from tests.report.lacks_table import table

README = (ROOT / "README.md").read_text()
FORMATS = (ROOT / "docs" / "formats.md").read_text()
DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}


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
    known = {
        flag for command in ((), ("send",), ("validate",), ("mock-server",)) for flag in flags_in(help_of(*command))
    }
    text = README if name == "README.md" else DOCS[name]
    commands = "\n".join(re.findall(r"^.*\bplh\b.*$|`--[^`]*`", text, flags=re.MULTILINE))
    assert flags_in(commands) <= known | {"--ledger"}


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
