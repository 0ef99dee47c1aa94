"""`Value`: what the frozen values of this package are made of.

A frozen dataclass sets each field through `object.__setattr__`, by name, and writes, compiles and runs a program for
each class when its module is imported. A run makes a dozen values for every record, and imports a hundred such
classes: `msgspec.Struct` does both in C, ten times as fast.
"""

from typing import Any, ClassVar

import msgspec
from msgspec import field
from msgspec.structs import asdict, astuple, replace

__all__ = ["State", "Value", "asdict", "astuple", "field", "replace"]


class Value(msgspec.Struct, frozen=True):
    """A value that never changes, compared field by field; each class says `frozen=True` again, for its readers.

    `hidden` are fields that stay out of `repr`: those that may hold a prompt, an answer or a key.
    """

    hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        """Return the fields that may be seen."""
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return the fields that may be seen; rich would ask the struct's own, which shows all."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in self.hidden]


class State(msgspec.Struct):
    """What changes while a run goes on. None shows what it holds."""

    __repr__ = object.__repr__

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return nothing."""
        return []
