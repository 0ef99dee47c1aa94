from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A folder of its own; processes that a test leaves behind end with it."""
    made = Bench(tmp_path)
    yield made
    made.stop_all()
