"""The README's pictures: all there, of this program, and with nothing of the machine that drew them."""

import getpass
import re
import socket
from pathlib import Path
from xml.etree import ElementTree as ET

import pyte
import pytest
from rich.terminal_theme import MONOKAI

from scripts import page_pictures
from scripts.pictures import PICTURES, Shot, as_svg, as_text, drawn, shoot
from tests.converting import ROOT

README = (ROOT / "README.md").read_text()
FILES = sorted(PICTURES.glob("*.svg"))


def words(svg: str) -> str:
    return " ".join("".join(ET.fromstring(svg).itertext()).replace("\u00a0", " ").split())


def test_every_shot_is_there_in_light_and_dark_and_no_other() -> None:
    assert {path.name for path in FILES} == {
        f"{shot.name}-{theme}.svg" for shot in drawn() for theme in ("light", "dark")
    }


def test_the_readme_shows_pictures_that_are_there_each_in_both() -> None:
    shown = set(re.findall(r"docs/pictures/([a-z-]+)-(light|dark)\.svg", README))
    assert {name for name, _ in shown} >= {"summary", "progress", "validate"}
    assert all((PICTURES / f"{name}-{theme}.svg").exists() for name, theme in shown)
    assert {(name, "dark") for name, _ in shown} | {(name, "light") for name, _ in shown} == shown


def test_the_page_is_shown_in_light_and_dark() -> None:
    for name in page_pictures.NAMES:
        assert (PICTURES / name).read_bytes().startswith(b"\x89PNG")
        assert f"docs/pictures/{name}" in README
    assert {path.name for path in PICTURES.glob("*.png")} == set(page_pictures.NAMES)


def test_the_page_of_the_pictures_names_no_machine(tmp_path: Path) -> None:
    page = page_pictures.make_page(tmp_path).read_text()
    assert str(tmp_path) not in page
    assert "app.jsonl" in page


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_picture_names_no_machine_and_loads_nothing(path: Path) -> None:
    svg = path.read_text()
    said = words(svg)
    assert "$ plh " in said
    assert not re.search(r"/(?:tmp|home|root|work|usr|Users)/", said)
    assert socket.gethostname() not in said
    assert getpass.getuser() not in re.sub(r"\bplh\b", "", said).split()
    assert "@font-face" not in svg
    assert "@import" not in svg


def test_what_was_drawn_over_is_not_in_the_picture_and_colour_is() -> None:
    screen = pyte.Screen(40, 5)
    pyte.Stream(screen).feed("10 %\r20 %\r\n\x1b[31merror:\x1b[0m no\r\n")
    svg = as_svg(as_text(screen), "x", columns=40, theme=MONOKAI)
    assert "10 %" not in words(svg)
    assert "20 %" in words(svg)
    assert "error: no" in words(svg)
    assert "fill: #f4005f" in svg


def test_a_shot_is_what_the_program_prints() -> None:
    shown = shoot(Shot("formats", ("formats", "ollama"), 80, calls=1), port=0).plain
    assert shown.startswith("$ plh formats ollama\nollama: ")
    assert "recognised by" in shown
