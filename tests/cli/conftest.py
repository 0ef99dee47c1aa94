"""A home of its own for every test, and a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from posthog_llm_cli.mockserver import MockServer


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running
