"""The matrix of README.md names tests that there are, and leaves none of this folder out."""

import re
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (HERE / "README.md").read_text())


def names_in(path: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", path.read_text(), flags=re.MULTILINE))


def test_every_row_of_the_matrix_names_a_test() -> None:
    rows = [row for row in (HERE / "README.md").read_text().splitlines() if row.startswith("| ")][2:]
    assert len(rows) > 60
    assert [row for row in rows if "::test_" not in row] == []
    assert [(path, name) for path, name in NAMED if name not in names_in(ROOT / path)] == []


def test_every_fault_test_stands_in_the_matrix() -> None:
    here = {name for path in HERE.glob("test_*.py") if path != Path(__file__) for name in names_in(path)}
    assert here - {name for _, name in NAMED} == set()
