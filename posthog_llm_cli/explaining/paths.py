"""Places inside a JSON value, those too that lie inside of a text of JSON. Pure: nothing is changed in place."""

import re
from collections.abc import Callable, Iterator

import orjson

from posthog_llm_cli.model import Json

Step = str | int
Path = tuple[Step, ...]

_Edit = Callable[[Json, Step], Json]

_PLAIN = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)


def shown(path: Path) -> str:
    """Return a path as it is printed: `$.choices[0].message`, `$['odd key']`."""
    parts = ["$"]
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            parts.append(f".{step}" if _PLAIN.fullmatch(step) else f"[{step!r}]")
    return "".join(parts)


def opened(value: Json) -> dict[str, Json] | list[Json] | None:
    """Return the members of an object or a list, or of one that a text holds; None for a plain value."""
    if isinstance(value, dict | list):
        return value
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            inner = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        return inner if isinstance(inner, dict | list) else None
    return None


def steps(value: Json) -> Iterator[Step]:
    """Yield the keys or the places of what `opened` returns."""
    members = opened(value)
    if isinstance(members, dict):
        yield from members
    elif members is not None:
        yield from range(len(members))


def at(value: Json, path: Path) -> Json:
    """Return what lies at a path that is there."""
    for step in path:
        members = opened(value)
        value = members[step]  # type: ignore[index]  # the path was made by `steps`
    return value


def replaced(value: Json, path: Path, new: Json) -> Json:
    """Return the value with another one at a path; a text of JSON on the way stays a text."""
    return _edited(value, path, lambda members, step: _with(members, step, new))


def removed(value: Json, path: Path) -> Json:
    """Return the value without what lies at a path."""
    return _edited(value, path, _without)


def leaves(value: Json) -> int:
    """Return how many plain values there are in a value."""
    members = opened(value)
    if members is None:
        return 1
    return sum(leaves(member) for member in (members.values() if isinstance(members, dict) else members))


def _edited(value: Json, path: Path, edit: _Edit) -> Json:
    members = opened(value)
    assert members is not None  # noqa: S101 - the path leads into it
    if len(path) == 1:
        changed = edit(members, path[0])
    else:
        inner = members[path[0]]  # type: ignore[index]  # the path was made by `steps`
        changed = _with(members, path[0], _edited(inner, path[1:], edit))
    return orjson.dumps(changed).decode() if isinstance(value, str) else changed


def _with(members: Json, step: Step, new: Json) -> Json:
    copy = members.copy()
    copy[step] = new
    return copy


def _without(members: Json, step: Step) -> Json:
    copy = members.copy()
    del copy[step]
    return copy
