"""Help off a terminal, from real processes: what is written is what would be drawn, and is printed without drawing."""

import json
import os
import shutil
import subprocess
import sys
import zipapp
from collections.abc import Mapping
from pathlib import Path

import pytest

from posthog_llm_cli.cli.help import written_help
from scripts import pages
from tests.cli.running import ROOT

PATHS = [path for path, _ in pages.commands()]
LOADED = """
import sys
from posthog_llm_cli.__main__ import main
sys.argv = ["plh", "send", "--help"]
main()
print("loaded:", *sorted({name.split(".")[0] for name in sys.modules}))
"""


def helped(*words: str, **environment: str) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    ended = subprocess.run(
        [sys.executable, "-m", "posthog_llm_cli", *words],
        env={**kept, "PYTHONUTF8": "1", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    return ended.stdout.decode()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path or "plh")
def test_the_help_of_every_command_is_written(path: str) -> None:
    found = written_help([*path.split(), "-h"], {}, encoding="UTF-8")
    assert found is not None
    assert f"Usage: plh {path}".rstrip() in found


@pytest.mark.parametrize("words", [("--help",), ("ledger", "show", "-h")], ids=" ".join)
def test_what_is_printed_is_what_would_be_drawn(words: tuple[str, ...]) -> None:
    drawn = helped(*words, TYPER_USE_RICH="1")
    assert sorted(helped(*words).split()) == sorted(drawn.split())


def test_help_off_a_terminal_loads_nothing_that_draws() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOADED], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        env={name: value for name, value in os.environ.items() if name not in {"COLUMNS", "GITHUB_ACTIONS"}}
        | {"PYTHONUTF8": "1"},
    )  # fmt: skip
    loaded = set(ended.stdout.rsplit("loaded:", 1)[1].split())
    assert "--dry-run" in ended.stdout
    assert loaded.isdisjoint({"typer", "rich", "msgspec"})


def test_a_width_that_is_given_is_kept() -> None:
    assert max(map(len, helped("send", "--help", COLUMNS="60").splitlines())) == 60


@pytest.mark.parametrize(
    ("words", "environment", "encoding"),
    [
        ([], {}, "utf-8"),
        (["send", "--dry-run", "--help"], {}, "utf-8"),
        (["sned", "--help"], {}, "utf-8"),
        (["--help"], {}, "ascii"),
        (["--help"], {}, None),
        (["--help"], {"FORCE_COLOR": "1"}, "utf-8"),
        (["--help"], {"TYPER_USE_RICH": "0"}, "utf-8"),
    ],
)
def test_anything_else_is_drawn(words: list[str], environment: Mapping[str, str], encoding: str | None) -> None:
    assert written_help(words, environment, encoding=encoding) is None


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "posthog_llm_cli", "send", "--help"],
        stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "environment", "expected"),
    [
        (["send", "--help"], {}, "Usage: plh send"),
        (["val"], {"_PLH_COMPLETE": "bash"}, "validate"),
    ],
    ids=["help", "completion"],
)
def test_in_an_archive_it_is_found_too(
    tmp_path: Path, words: list[str], environment: Mapping[str, str], expected: str
) -> None:
    archive, folder = tmp_path / "plh.pyz", tmp_path / "plh"
    shutil.copytree(ROOT / "posthog_llm_cli", folder / "posthog_llm_cli", ignore=shutil.ignore_patterns("__pycache__"))
    zipapp.create_archive(folder, archive, main="posthog_llm_cli.__main__:main")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ended = subprocess.run(
        [sys.executable, archive, *words],
        env={**kept, "PYTHONUTF8": "1", **environment},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert expected in ended.stdout


def test_words_in_one_argument_are_no_command() -> None:
    assert written_help(["ledger status", "--help"], {}, encoding="utf-8") is None
    assert written_help(["", "--help"], {}, encoding="utf-8") is None


def test_no_room_for_help_is_told_as_ever() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "posthog_llm_cli", "--help"],
            stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, check=False, text=True,
        )  # fmt: skip
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)
    assert "No space left" in ended.stderr


def test_help_of_which_two_texts_were_exchanged_is_not_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = tmp_path / "help.json"
    monkeypatch.setattr(pages, "TEXTS", texts)
    texts.write_text(json.dumps({"send": "--json  prints a report\n--quiet  says nothing\n"}), "utf-8")
    assert pages.is_current(texts, json.dumps({"send": "│ --json prints a report │ --quiet says nothing"}))
    assert not pages.is_current(texts, json.dumps({"send": "--json says nothing --quiet prints a report"}))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("words", [("--help",), ("send", "--help"), ("formats", "litellm"), ("completion", "fish")])
def test_a_terminal_without_unicode_gets_what_it_can_show(words: tuple[str, ...], encoding: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "posthog_llm_cli", *words],
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding},
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"plh" in ended.stdout or b"litellm" in ended.stdout
