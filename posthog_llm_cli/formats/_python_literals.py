"""Python's print of plain values → those values. Parsed as literals, never evaluated."""

import ast
import math
import warnings
from collections.abc import Callable
from datetime import date

from posthog_llm_cli.decoding import MAX_DEPTH, is_deeper
from posthog_llm_cli.formats._fields import decoded
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily

_MAX_CHARACTERS = 8 * 1024 * 1024
_MAX_STRUCTURE = 100_000
"""Characters outside of texts: Python's parser takes some 500 bytes of memory for each."""

_TEXT = lazily(r"""'(?:[^'\\\n]|\\[^\n])*+(')?|"(?:[^"\\\n]|\\[^\n])*+(")?""")
_SHOWN = r"\0\1\2"
# What no print of plain values has, and what would hide values in what looks like a text: one that is open or of
# several, goes on behind a line break, or is formatted.
_HIDING = lazily(r"""\0(?!['"])|\0['"]\0|\\|[fF][rR]?\0""")
_NOTHING = object()
_SPECIAL = {"nan": None, "inf": None}
_SAFE_INTEGER = 2**63


def read_print(value: Json, warn: Callable[[str], None] | None = None) -> Json:
    """Return what a text prints, JSON or Python's print of a list or an object of plain values; None for another print.

    Any other text is one: of a prompt `12345` or `'hi'` nobody can tell that it was printed. A print that is too large
    to be read is warned of.
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in {"[", "{"}:
        return value
    found = decoded(value)
    if found is not value:
        return found
    if warn is not None and is_too_large(value):
        warn("truncated-content")
    return python_literal(value)


def with_lists(value: Json) -> Json:
    """Return an object with the lists in it that were printed, on every level above them; any other value as it is."""
    if isinstance(value, dict):
        return {key: with_lists(member) for key, member in value.items()}
    if not isinstance(value, str) or not value.startswith("["):
        return value
    found = read_print(value)
    return value if found is None else found


def python_literal(text: str, *, objects: bool = False) -> Json:
    """Return the value that `text` prints as JSON knows it; None where it is no print of plain values.

    Tuples and sets become lists, keys become texts, NaN and bytes become null. A member of a dictionary that is no
    literal (an object's print, a call) is left out, and the others stay. `objects`: the print of an object by its
    fields (`Choice(index=0, …)`) is a dictionary of them.
    """
    if is_too_large(text):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in somebody's text is no concern of the operator
            tree = ast.parse(text.strip(), mode="eval")
        found = _value(tree.body, objects=objects)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    if found is _NOTHING or is_deeper(found, MAX_DEPTH):
        return None
    return found


def is_too_large(text: str) -> bool:
    """Whether a print is not read for what it would cost: 8 MiB, or 100,000 characters outside of its texts."""
    if len(text) <= _MAX_STRUCTURE:
        return False
    if len(text) > _MAX_CHARACTERS:
        return True
    structure = _TEXT.sub(_SHOWN, text)
    return len(structure) > _MAX_STRUCTURE or _HIDING.search(structure) is not None


def _value(node: ast.expr, *, objects: bool = False) -> Json:
    match node:
        case ast.Constant(value=value):
            return _constant(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if number is not True:
            return _constant(-number)
        case ast.Name(id=name) if name in _SPECIAL:
            return _SPECIAL[name]
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            values = [_value(element, objects=objects) for element in elements]
            return _NOTHING if any(value is _NOTHING for value in values) else values
        case ast.Dict(keys=keys, values=members):
            return _members(keys, members, objects=objects)
        case ast.Call(args=[], keywords=fields) if objects and all(field.arg is not None for field in fields):
            names = [ast.Constant(field.arg) for field in fields]
            return _members([*names], [field.value for field in fields], objects=objects)
        case _:
            return _NOTHING


def _members(keys: list[ast.expr | None], members: list[ast.expr], *, objects: bool) -> Json:
    found: dict[str, Json] = {}
    for key, member in zip(keys, members, strict=True):
        name = _NOTHING if key is None else _value(key)
        value = _value(member, objects=objects)
        if isinstance(name, (str, int, float)) and value is not _NOTHING:
            found[name if isinstance(name, str) else str(name)] = value
    return found


def _constant(value: object) -> Json:
    """A constant as JSON knows it; what `orjson` could not write becomes null or a float."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_SAFE_INTEGER <= value < _SAFE_INTEGER else _as_float(value)
    if isinstance(value, float):
        return _finite(value)
    return str(value) if isinstance(value, date) else None


def _as_float(value: int) -> float | None:
    """An integer beyond 64 bits; beyond what a float holds it is no number, as with JSON's (`decoding`)."""
    try:
        return float(value)
    except OverflowError:
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
