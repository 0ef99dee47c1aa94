"""Help that comes at once: without what Typer imports beside it and `plh` never prints, Markdown and tracebacks in
colour.

A parser of Markdown and the highlighter of code take longer to load than all the rest of `plh --help`.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

_UNUSED = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}
"""Modules that `typer.rich_utils` imports, and the class that it takes from each."""


class _Unread(ModuleType):
    """Stands for a module that nobody has used yet."""


def load_lean() -> None:
    """Have these modules loaded when something of them is made, and not when they are imported."""
    for module, name in _UNUSED.items():
        if module not in sys.modules:
            stand_in = _Unread(module)
            setattr(stand_in, name, _stand_in(module, name))
            sys.modules[module] = stand_in


def _stand_in(module: str, name: str) -> type:
    """Return a class, for Typer's annotations need one, whose instances are of the real one."""

    def new(_: type, *arguments: Any, **options: Any) -> Any:
        if isinstance(sys.modules.get(module), _Unread):
            del sys.modules[module]
        return getattr(importlib.import_module(module), name)(*arguments, **options)

    return type(name, (), {"__new__": new})
