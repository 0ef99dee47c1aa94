"""The page is the table."""

from compat.corrections import CORRECTIONS
from compat.document import PAGE, render


def test_the_page_is_what_the_table_renders() -> None:
    assert PAGE.read_text() == render(), "run .venv/bin/python -m compat.document"


def test_the_page_names_every_correction() -> None:
    text = PAGE.read_text()
    assert all(f"| {correction.title} |" in text and correction.rule in text for correction in CORRECTIONS)
