"""JSON values: reading fields that may be of the wrong type, and telling whether two values are the same."""

import json
import math
from collections.abc import Mapping
from typing import Any, TypeGuard

Json = Any

ABSENT = "<absent>"
"""Stands for a property that an event does not have; no logged text is this."""


def object_of(value: Json) -> dict[str, Json]:
    """Return `value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: Json) -> list[Json]:
    """Return `value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def is_number(value: Json) -> TypeGuard[float]:
    """Whether `value` is a finite number; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_said(value: Json) -> TypeGuard[str]:
    """Whether `value` is a text that is not empty."""
    return isinstance(value, str) and bool(value)


def compact(value: Json) -> str:
    """Return a value as compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def same(one: Json, other: Json) -> bool:
    """Whether two JSON values are the same: 1 and 1.0 are, 1 and true are not, the order of keys does not matter."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if is_number(one) and is_number(other):
        return bool(one == other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)
