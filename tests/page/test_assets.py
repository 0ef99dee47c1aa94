"""The page's own files: what is vendored is what was recorded, and the modules can stand in one script."""

import hashlib
import re
from importlib.resources import files

import pytest

from posthog_llm_cli.page import assets

STATIC = files("posthog_llm_cli.page") / "static"
MODULES = {name: (STATIC / name).read_text("utf-8") for name in assets.MODULES}
_NAMES = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", re.MULTILINE)
_IMPORTS = re.compile(r'^import \{ ([^}]*) \} from "\./([a-z]+\.js)";$', re.MULTILINE)


def test_the_plotting_library_is_the_one_that_was_recorded() -> None:
    found = (STATIC / "vendor" / assets.vendored().path).read_bytes()
    assert hashlib.sha256(found).hexdigest() == assets.vendored().sha256
    assert f"Chart.js v{assets.vendored().version}".encode() in found[:200]


def test_its_licence_comes_with_it() -> None:
    assert "MIT License" in (STATIC / "vendor" / "chart.LICENSE.md").read_text()


def test_every_module_is_in_the_script_and_in_the_package() -> None:
    assert {found.name for found in STATIC.iterdir() if found.name.endswith(".js")} == set(assets.MODULES)


def test_no_two_modules_have_a_name_in_common() -> None:
    names = [name for text in MODULES.values() for name in _NAMES.findall(text)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", assets.MODULES)
def test_a_module_imports_what_an_earlier_one_exports_and_uses_it(name: str) -> None:
    earlier = assets.MODULES[: assets.MODULES.index(name)]
    assert len(_IMPORTS.findall(MODULES[name])) == len(re.findall(r"^import ", MODULES[name], re.MULTILINE))
    body = _IMPORTS.sub("", MODULES[name])
    for imported, source in _IMPORTS.findall(MODULES[name]):
        assert source in earlier
        for what in imported.split(", "):
            assert re.search(
                rf"^export (?:async )?(?:function|const|let|class) {what}\b", MODULES[source], re.MULTILINE
            )
            assert re.search(rf"\b{what}\b", body), f"{name} does not use {what}"


def test_the_script_has_no_module_syntax_left() -> None:
    assert not re.search(r"^(import|export)\b", assets.script().text, re.MULTILINE)


@pytest.mark.parametrize("name", assets.MODULES)
def test_no_module_makes_markup_or_code_of_text(name: str) -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setTimeout\(['\"`]|javascript:|fetch\(|XMLHttpRequest|WebSocket|import\("
    assert not re.search(ways, MODULES[name])


@pytest.mark.parametrize("asset", [assets.style(), assets.script(), assets.plotting()])
def test_no_text_of_the_page_ends_its_element_or_asks_for_a_file(asset: assets.Asset) -> None:
    assert not re.search(r"</(script|style)|<!--", asset.text, re.IGNORECASE)
    assert not re.search(r"sourceMappingURL|@import|\burl\(", asset.text)


def channel(value: str) -> float:
    share = int(value, 16) / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def luminance(colour: str) -> float:
    red, green, blue = (channel(colour[at : at + 2]) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [":root {", ':root[data-theme="dark"] {'])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("ink", "ground"), ("ink", "paper"), ("dim", "ground"), ("dim", "paper"), ("dim", "sunk"), ("accent", "paper"), ("bad", "paper"),
        ("bad", "bad-soft"), ("warm", "warm-soft"), ("user", "paper"), ("assistant", "sunk"), ("system", "paper"), ("tool", "paper"), ("ink", "accent-soft"),
    ],
)  # fmt: skip
def test_text_can_be_read_on_its_ground(theme: str, ink: str, ground: str) -> None:
    """WCAG 2.2 AA: 4.5 to 1; the dots and labels of roles, which are set bold, are held to the same."""
    colours = dict(
        re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", assets.style().text.partition(theme)[2].partition("}")[0])
    )
    light, dark = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
