"""Shell completion: what it offers, that it is current, and that real shells get it."""

import os
import pty
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.cli.completion import Kind, complete
from posthog_llm_cli.cli.completion_scripts import Shell
from posthog_llm_cli.formats import FORMAT_NAMES
from posthog_llm_cli.mockserver import MockServer
from tests.cli.running import KEY, PLH, ROOT, Called, environment, lines, record, run, write_log


def words(*typed: str) -> list[str]:
    found = complete(typed)
    assert found.kind is Kind.WORDS
    return [word for word, _ in found.candidates]


def test_commands_and_their_commands() -> None:
    assert {"send", "validate", "formats", "ledger", "mock-server", "completion"} <= set(words(""))
    assert words("s") == ["send"]
    assert words("ledger", "r") == ["runs", "repair"]
    assert dict(complete([""]).candidates)["send"].startswith("Read LLM call logs")


def test_options_by_their_beginning_and_each_once_but_for_those_that_repeat() -> None:
    assert words("send", "--max-") == ["--max-record", "--max-retries", "--max-duration"]
    assert words("send", "--dry-run", "--dry") == words("send", "-n", "--dry") == []
    assert words("send", "--property", "a=b", "--prop") == ["--property"]
    assert words("ledger", "status", "--l") == ["--ledger"]
    assert words("--v") == ["--version"]


def test_the_values_of_an_option_in_every_way_to_write_it() -> None:
    assert words("send", "--format", "litellm-") == [name for name in FORMAT_NAMES if name.startswith("litellm-")]
    assert words("send", "--endpoint", "") == ["auto", "v1", "ai-batch", "batch"]
    assert words("send", "--media=") == ["--media=redact", "--media=keep"]
    assert words("send", "--media", "=", "k") == ["--media=keep"]
    assert words("send", "--media", "=") == ["--media=redact", "--media=keep"]
    assert "Europe/Berlin" in words("send", "--timezone", "Europe/")
    assert words("send", "--limit", "") == []
    assert words("send", "--nothing=") == words("send", "--json=x") == []


def test_files_are_left_to_the_shell() -> None:
    for typed in (
        ("send", ""),
        ("send", "--ledger", "a"),
        ("send", "--ledger=a"),
        ("send", "-n", "logs/"),
        ("send", "--", "--f"),
    ):
        assert complete(typed).kind is Kind.FILES
    assert words("formats", "olla") == ["ollama"]


def test_runs_destinations_and_sources_of_the_ledger(
    home: Path, called: Called, server: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "app.jsonl").write_bytes(lines(record(1), b"{broken"))
    ledger = str(home / "l.sqlite")
    called("send", "app.jsonl", "--ledger", ledger, env={"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url})
    (run_id,) = words("ledger", "show", "--ledger", ledger, "")
    assert len(run_id) == 32
    assert words("ledger", "show", "--ledger", ledger, run_id[:4]) == [run_id]
    found = complete(["ledger", "forget", "--ledger", ledger, "--destination", ""]).candidates
    assert [word for word, _ in found] == ["1"]
    assert KEY not in found[0][1]
    assert words("ledger", "forget", "--ledger", ledger, "--source", "") == ["1"]


def test_where_there_is_no_ledger_nothing_is_offered(home: Path) -> None:
    assert words("ledger", "show", "--ledger", str(home / "none.sqlite"), "") == []
    (home / "bad.sqlite").write_bytes(b"no ledger")
    assert words("ledger", "show", "--ledger", str(home / "bad.sqlite"), "") == []


WORDS = st.sampled_from(
    ["send", "ledger", "show", "forget", "--format", "--fo", "=", "-n", "--", "-", "", "x", "--media=", "completion"]
)


@given(st.lists(WORDS, max_size=6).filter(lambda typed: typed[-2:] != ["show", ""]))
def test_whatever_is_typed_has_an_answer_that_begins_so(typed: list[str]) -> None:
    found = complete(typed)
    current = typed[-1] if typed else ""
    if "=" not in typed and found.kind is Kind.WORDS:
        assert all(word.startswith(current) for word, _ in found.candidates)


def test_an_answer_loads_nothing_of_the_command_line(home: Path) -> None:
    script = (
        "import sys; from posthog_llm_cli.__main__ import main; main(); "
        "heavy = {'typer', 'rich', 'orjson', 'httpx', 'pydantic', 'sqlite3', 'posthog_llm_cli.model'}; "
        "sys.exit(f'loaded {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, "send", "--format", "lite"], env=environment(home, {"_PLH_COMPLETE": "fish"}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[0] == "words"
    assert "litellm\t" in ended.stdout


def test_every_shell_has_a_script_and_another_is_told_those_that_have(home: Path) -> None:
    for shell in Shell:
        ran = run(home, "completion", shell)
        assert ran.code == 0
        assert f"_PLH_COMPLETE={shell} plh" in ran.out
    ran = run(home, "completion", "tcsh")
    assert ran.code == 2
    assert "bash" in ran.err


# ------------------------------------------------------------------------------------------------------- real shells

SETUPS = {
    "bash": ("--norc", "--noprofile"),
    "zsh": ("-f",),
    "fish": ("--no-config",),
}
SOURCES = {
    "bash": "PS1='$ '; source <(plh completion bash)\n",
    "zsh": "autoload -U compinit; compinit -u -D; source <(plh completion zsh)\n",
    "fish": "plh completion fish | source\n",
}

CLEAR = "\x15"
"""Ctrl-U: the line is empty again."""


def typed_into(shell: str, home: Path, typed: Mapping[str, str]) -> None:
    """Type into a real shell on a pseudo-terminal, each line until it shows what is expected of it."""
    (home / "bin").mkdir(exist_ok=True)
    plh = home / "bin" / "plh"
    plh.write_text(f'#!/bin/sh\nexec {PLH[0]} -m posthog_llm_cli "$@"\n')
    plh.chmod(0o755)
    env = environment(home, {"TERM": "xterm", "PATH": f"{home / 'bin'}:{os.environ['PATH']}"})
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        # Who leads a session and opens a terminal has it as its own, as a shell that is at work on one needs it.
        ["sh", "-c", 'exec "$@" <"$TTY" >"$TTY" 2>&1', "sh", str(shutil.which(shell)), *SETUPS[shell], "-i"],
        cwd=home, env={**env, "TTY": os.ttyname(follower)}, start_new_session=True,
    )  # fmt: skip
    steps = {SOURCES[shell]: "", "echo rea''dy\n": "ready", **typed}
    try:
        for keys, shown in steps.items():
            os.write(leader, keys.encode())
            seen = ""
            while shown not in seen:
                assert select.select([leader], [], [], 60)[0], f"no {shown!r} after {keys!r} in {seen!r}"
                seen += os.read(leader, 65536).decode(errors="replace")
            os.write(leader, CLEAR.encode())
    finally:
        process.kill()
        process.wait()
        os.close(leader)
        os.close(follower)


@pytest.mark.parametrize("shell", list(SETUPS))
def test_a_real_shell_completes(home: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    write_log(home, 1)
    typed_into(
        shell,
        home,
        {
            "plh send --hist\t": "--historical-migration",
            "plh send --media=k\t": "--media=keep",
            "plh send app.j\t": "app.jsonl",
        },
    )


def test_what_is_written_from_the_commands_is_current(home: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.pages", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
