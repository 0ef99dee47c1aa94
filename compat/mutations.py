"""What `plh` might send wrongly: each event with one field dropped, altered, swapped, put back to LiteLLM's value, or
added.

The comparison must find every one of them. What it does not find, it could not find in `plh` either.
"""

from collections.abc import Iterator

from compat.comparison import against
from compat.corrections import Expected
from compat.laws import Fields
from compat.values import Json, is_number, same


def mutations(base: Fields, ours: Fields) -> Iterator[tuple[str, Fields]]:
    """Yield wrong versions of an event, each with the name of the field that is wrong."""
    names = list(ours)
    for number, name in enumerate(names):
        others = {key: value for key, value in ours.items() if key != name}
        yield name, others
        yield name, {**others, name: altered(ours[name])}
        neighbour = ours[names[number - 1]]
        if not same(neighbour, ours[name]):
            yield name, {**others, name: neighbour}
    for name, value in base.items():
        if name not in ours or not same(value, ours[name]):
            yield name, {**ours, name: value}
    yield "invented", {**ours, "invented": 1}


def altered(value: Json) -> Json:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if is_number(value):
        return value + 1
    if isinstance(value, str):
        return f"{value}x"
    if isinstance(value, list):
        return [*value[:-1], altered(value[-1])] if value else [1]
    if isinstance(value, dict) and value:
        first = next(iter(value))
        return {**value, first: altered(value[first])}
    return {"invented": 1}


def missed(expected: Expected, base: Fields, ours: Fields) -> tuple[int, list[str]]:
    """Return how many mutations of an event there are, and the fields of those that the comparison does not find."""
    count, unfound = 0, []
    for name, wrong in mutations(base, ours):
        count += 1
        if not any(one.name == name and not one.is_explained for one in against(expected, base, wrong)):
            unfound.append(name)
    return count, unfound
