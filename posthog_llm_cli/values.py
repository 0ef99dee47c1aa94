"""`quick_value`: frozen dataclasses that are made as fast as plain ones.

A frozen dataclass sets each field through `object.__setattr__`, by name: making one costs several times what its
fields do, and a run makes a dozen for every record.
"""

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quick_value(cls: type[T]) -> type[T]:
    """Give a frozen dataclass with slots, and without `__post_init__`, an `__init__` that sets its fields directly.

    While it runs, the instance is of a twin class with the same slots that is not frozen. Everything else about the
    class stays: its signature, defaults and factories, equality, and that nobody may change a value.
    """
    known: dict[str, Any] = {"set_": object.__setattr__, "own_": cls}
    known["twin_"] = type(f"_{cls.__name__}", (), {"__slots__": cls.__dict__["__slots__"], "__module__": __name__})
    parameters, lines = [], ["set_(self, '__class__', twin_)"]
    for field in fields(cls):  # type: ignore[arg-type]  # a dataclass, which no type says
        default, value = f"{field.name}_", field.name
        if field.default_factory is not MISSING:
            known[f"{field.name}_new_"] = field.default_factory
            value = f"{field.name}_new_() if {field.name} is {default} else {field.name}"
            known[default] = field.default_factory  # a factory is no value that anybody passes
        elif field.default is not MISSING:
            known[default] = field.default
        parameters.append(f"{field.name}={default}" if default in known else field.name)
        lines.append(f"self.{field.name} = {value}")
    lines.append("self.__class__ = own_")
    source = f"def __init__(self, {', '.join(parameters)}):\n" + "".join(f"    {line}\n" for line in lines)
    exec(source, known)  # noqa: S102 - as dataclasses make theirs, of names of fields alone
    made = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = made  # type: ignore[method-assign]
    return cls
