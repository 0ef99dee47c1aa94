"""Help that comes at once: what is already written where nobody draws it, and lean where it is drawn.

Off a terminal help is plain text of 80 columns, the same each time: `make pages` writes it into `help.json`, and a test
holds it to the commands. On a terminal it is drawn as Typer and rich do, but without what Typer imports beside it and
`plh` never prints, Markdown and tracebacks in colour: a parser of Markdown and the highlighter of code take longer to
load than all the rest.
"""

import importlib
import json
import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

TEXTS = Path(__file__).with_name("help.json")

_FLAGS = frozenset({"--help", "-h"})
_SETTINGS = ("COLUMNS", "TERMINAL_WIDTH", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TTY_COMPATIBLE")
"""Variables by which rich and Typer draw help otherwise, terminal or not; and Typer's own, of which there are more."""
_OF_TYPER = ("TYPER_", "_TYPER_")

_UNUSED = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}
"""Modules that `typer.rich_utils` imports, and the class that it takes from each."""


def written_help(arguments: Sequence[str], environment: Mapping[str, str], *, encoding: str | None) -> str | None:
    """Return the help that is asked for and nothing else, as it is off a terminal; None where it must be drawn."""
    if not arguments or arguments[-1] not in _FLAGS or (encoding or "").lower().replace("-", "") != "utf8":
        return None
    if not all(word and " " not in word for word in arguments):
        return None  # no command
    if any(name in environment for name in _SETTINGS) or any(name.startswith(_OF_TYPER) for name in environment):
        return None
    # By the package's loader, for in a zipapp there is no such file.
    texts = pkgutil.get_data("posthog_llm_cli.cli", TEXTS.name)
    found = None if texts is None else json.loads(texts).get(" ".join(arguments[:-1]))
    return found if isinstance(found, str) else None


def print_written(arguments: Sequence[str]) -> bool:
    """Print the written help to stdout, if it is that which is asked for; return whether it was."""
    text = written_help(arguments, os.environ, encoding=sys.stdout.encoding)
    if text is None:
        return False
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has gone; no second try when Python ends
        os._exit(0)
    except OSError:  # no room: drawing it meets the same, and says so
        return False
    return True


class _Unread(ModuleType):
    """Stands for a module that nobody has used yet."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


def load_lean() -> None:
    """Have these modules loaded when something of them is used, and not when Typer imports them."""
    rich = importlib.import_module("rich")
    for module, name in _UNUSED.items():
        if module not in sys.modules:
            stand_in = _Unread(module)
            stand_in.__spec__ = ModuleSpec(module, None)
            setattr(stand_in, name, _stand_in(module, name))
            sys.modules[module] = stand_in
            setattr(rich, module.rpartition(".")[2], stand_in)


def _real(module: str) -> ModuleType:
    if isinstance(sys.modules.get(module), _Unread):
        del sys.modules[module]
    return importlib.import_module(module)


class _Used(type):
    """Of a class that stands for another: whatever is asked of it is asked of the real one."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(getattr(_real(cls.__module__), cls.__name__), name)


def _stand_in(module: str, name: str) -> type:
    """Return a class, for Typer's annotations need one, whose instances are of the real one."""

    def new(_: type, *arguments: Any, **options: Any) -> Any:
        return getattr(_real(module), name)(*arguments, **options)

    return _Used(name, (), {"__new__": new, "__module__": module})
