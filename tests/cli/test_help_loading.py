"""What `plh --help` loads, in processes of their own: modules stay loaded in this one."""

import subprocess
import sys

_HELP = """
import sys
from posthog_llm_cli.cli.app import run
run(["send", "--help"])
print("loaded:", *sorted({name.split(".")[0] for name in sys.modules}))
"""
_REAL = """
import io
from posthog_llm_cli.cli.help import load_lean
load_lean()
from rich.console import Console
from rich.markdown import Markdown
from rich.traceback import Traceback
text = io.StringIO()
console = Console(file=text, width=80)
console.print(Markdown("* one"))
try:
    1 / 0
except ZeroDivisionError:
    console.print(Traceback())
from rich.markdown import Markdown as Real
print("• one" in text.getvalue(), "ZeroDivisionError" in text.getvalue(), hasattr(Real, "elements"))
"""


def _printed(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_help_loads_neither_markdown_nor_a_highlighter_nor_pydantic() -> None:
    printed = _printed(_HELP)
    loaded = set(printed.rsplit("loaded:", 1)[1].split())
    assert "--dry-run" in printed
    assert "rich" in loaded
    assert loaded.isdisjoint({"markdown_it", "pygments", "pydantic", "httpx"})


def test_whoever_uses_what_was_left_out_gets_the_real_thing() -> None:
    assert _printed(_REAL).strip() == "True True True"


_MORE = """
import importlib.util
from posthog_llm_cli.cli.help import load_lean
load_lean()
import rich.markdown
from rich.traceback import Traceback, install
print(importlib.util.find_spec("rich.markdown") is not None, callable(Traceback.extract), callable(install),
      rich.markdown.Heading.__name__)
"""


def test_whatever_else_is_asked_of_what_was_left_out_is_there() -> None:
    assert _printed(_MORE).strip() == "True True True Heading"
