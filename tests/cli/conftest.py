"""A home of its own for every test, a real server, and `plh` in this process where a process of its own adds nothing."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from posthog_llm_cli.cli import app
from posthog_llm_cli.mockserver import MockServer
from tests.cli.running import Called, Ran, environment


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture
def called(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Called:
    """Return `plh` as a function: the same boundary and streams, without a terminal, four times as quick."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # the boundary sets it
    monkeypatch.chdir(home)

    def call(*arguments: str, env: Mapping[str, str] | None = None) -> Ran:
        wanted = environment(home, env)
        with monkeypatch.context() as patch:
            for name in list(os.environ):
                patch.delenv(name)
            for name, value in wanted.items():
                patch.setenv(name, value)
            code = app.run(arguments)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call
