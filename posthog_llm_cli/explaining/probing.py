"""Which fields of a record decide which facts of its event, found out by changing them one after the other. Pure."""

import string
from collections.abc import Callable, Iterator, Mapping, Sequence

import orjson

from posthog_llm_cli.explaining.paths import Path, Step, at, leaves, opened, removed, replaced, steps
from posthog_llm_cli.model import Json
from posthog_llm_cli.values import State, Value, field

Facts = Mapping[str, Json]
"""An event as names and values: its properties, and its envelope."""

Convert = Callable[[Json], Facts | None]
"""A record → the facts of its event; None where it becomes none."""

BUDGET = 4_000
"""How many conversions one explanation may take: some seconds for a record of the usual size."""

_MOST_VALUES = 2_000_000
"""How many plain values all conversions of one explanation may hold: some seconds for a long stream, too."""

_LEAST_BUDGET = 100
_TRIES_OF_PART = 25
"""About how many conversions it takes to find out what each field of a part decides."""


class Effect(Value, frozen=True):
    """What another record makes of the event: `followed` facts have another value, `vanished` ones are gone.

    `broke` is set where there is no event any more.
    """

    followed: frozenset[str] = frozenset()
    vanished: frozenset[str] = frozenset()
    appeared: frozenset[str] = frozenset()
    broke: bool = False

    @property
    def is_any(self) -> bool:
        """Whether the event is another one."""
        return self.broke or bool(self.followed or self.vanished or self.appeared)


class Findings(State):
    """Facts by the paths that they follow and need; paths that the event itself needs; those that nothing comes from.

    `is_whole` is False where the budget was spent before everything was tried.
    """

    followed: dict[str, list[Path]] = field(default_factory=dict)
    needed: dict[str, list[Path]] = field(default_factory=dict)
    deciding: list[Path] = field(default_factory=list)
    unused: list[Path] = field(default_factory=list)
    empty: int = 0
    is_whole: bool = True


class Prober:
    """Tries the fields of one record. `facts` are those of the record as it is."""

    def __init__(self, record: Json, facts: Facts, convert: Convert, *, budget: int = BUDGET) -> None:
        self._record = record
        self._facts = facts
        self._convert = convert
        self._left = min(budget, max(_LEAST_BUDGET, _MOST_VALUES // max(1, leaves(record))))

    def find(self) -> Findings:
        """Return what every field decides."""
        found = Findings()
        for step in steps(self._record):
            self._explore((step,), found)
        return found

    def find_needs(self, facts: Sequence[str], found: Findings) -> None:
        """Add, for facts that follow no single field, the parts of the record without which they would be others."""
        if not facts:
            return
        for step in steps(self._record):
            effect = self.effect(removed(self._record, (step,)))
            for fact in facts:
                if effect.broke or fact in effect.vanished or fact in effect.followed:
                    found.needed.setdefault(fact, []).append((step,))

    def effect(self, record: Json) -> Effect:
        """Return what another record makes of the event."""
        self._left -= 1
        facts = self._convert(record)
        if facts is None:
            return Effect(broke=True)
        differing = {name for name, value in facts.items() if name in self._facts and value != self._facts[name]}
        return Effect(
            frozenset(differing),
            frozenset(self._facts.keys() - facts.keys()),
            frozenset(facts.keys() - self._facts.keys()),
        )

    def first_that(self, paths: Sequence[Path], fact: str) -> Path | None:
        """Return the first of some paths that a fact follows, by halving them; None where it follows none of them."""
        if not paths or self._left <= 0 or not self._moves(paths, fact):
            return None
        if len(paths) == 1:
            return paths[0]
        half = len(paths) // 2
        first = self.first_that(paths[:half], fact)
        return first if first is not None else self.first_that(paths[half:], fact)

    def _moves(self, paths: Sequence[Path], fact: str) -> bool:
        record = self._record
        for path in paths:
            record = replaced(record, path, marked(at(record, path)))
        effect = self.effect(record)
        return fact in effect.followed or fact in effect.vanished

    def _explore(self, path: Path, found: Findings) -> None:
        value = at(self._record, path)
        if self._left <= 0:
            found.is_whole = False
        elif value is None or value in ("", [], {}):
            found.empty += 1
        elif opened(value) is None:
            self._note(path, self._effect_of(path, value), found)
        else:
            self._explore_inside(path, value, found)

    def _explore_inside(self, path: Path, value: Json, found: Findings) -> None:
        effect = self.effect(replaced(self._record, path, marked(value)))
        if not effect.is_any and not self.effect(removed(self._record, path)).is_any:
            found.unused.append(path)
        elif self._is_one_whole(effect) and self._is_of_several(path, value):
            self._note(path, effect, found)
        else:
            for step in self._in_turn(value):
                self._explore((*path, step), found)

    def _in_turn(self, value: Json) -> Sequence[Step]:
        """Return the steps of a value; of more than can be tried the last come early, as a stream's end and usage."""
        found = list(steps(value))
        is_too_many = len(found) > max(4, self._left // _TRIES_OF_PART)
        return [found[0], *found[-3:], *found[1:-3]] if is_too_many else found

    def _is_one_whole(self, effect: Effect) -> bool:
        """Whether all of it goes into one fact that has parts itself: messages, parameters, a usage object."""
        names = effect.followed | effect.vanished
        is_one = len(names) == 1 and not effect.broke and not effect.appeared
        return is_one and isinstance(self._facts[next(iter(names))], dict | list)

    def _is_of_several(self, path: Path, value: Json) -> bool:
        """Whether more than one part of an object has an effect: if only one has, that one is where it comes from."""
        if isinstance(value, list):
            return True
        parts = 0
        for step in steps(value):
            part = at(value, (step,))
            parts += self.effect(replaced(self._record, (*path, step), marked(part))).is_any
            if parts > 1 or self._left <= 0:
                return True
        return False

    def _effect_of(self, path: Path, value: Json) -> Effect:
        """Return the effect of the first change that some fact follows, else of any that has one."""
        if _is_notation(value):  # Python's print: what goes with it came from it
            gone = self.effect(removed(self._record, path))
            return gone if gone.broke else Effect(gone.followed | gone.vanished)
        best = Effect()
        for candidate in candidates(value):
            effect = self.effect(replaced(self._record, path, candidate))
            if effect.followed:
                return effect
            if effect.is_any and not best.is_any:
                best = effect
        return best if best.is_any else self.effect(removed(self._record, path))

    def _note(self, path: Path, effect: Effect, found: Findings) -> None:
        if not effect.is_any:
            found.unused.append(path)
        if effect.broke:
            found.deciding.append(path)
        for fact in effect.followed:
            found.followed.setdefault(fact, []).append(path)
        for fact in effect.vanished:
            found.needed.setdefault(fact, []).append(path)


def candidates(value: Json) -> Iterator[Json]:
    """Yield other values of the same kind, the ones first that differ least: a time stays a time, an id an id."""
    match value:
        case bool():
            yield not value
        case int() | float():
            yield value + 1
            yield value * 1.5 + 0.25
        case str():
            for place in _last_places(value):
                yield value[:place] + _next(value[place]) + value[place + 1 :]
            yield f"{value}x"
            if value.isalpha() and value.islower():  # one of a few words, perhaps: a status
                yield "failure" if value != "failure" else "success"
        case _:
            return


def _is_notation(value: Json) -> bool:
    """Whether a text holds values in a way that is not JSON: changing a character would say little."""
    return isinstance(value, str) and value[:1] in {"{", "[", "("}


def marked(value: Json) -> Json:
    """Return a value with each plain value in it changed."""
    members = opened(value)
    if members is None:
        return next(candidates(value), value)
    if isinstance(members, dict):
        changed: Json = {key: marked(member) for key, member in members.items()}
    else:
        changed = [marked(member) for member in members]
    return orjson.dumps(changed).decode() if isinstance(value, str) else changed


def _last_places(text: str) -> Iterator[int]:
    """Yield where the last digit and the last letter stand."""
    for kind in (string.digits, string.ascii_letters):
        place = max(map(text.rfind, kind))
        if place >= 0:
            yield place


def _next(character: str) -> str:
    """Return the next digit, or the next letter of the same case."""
    for kind in (string.digits, string.ascii_lowercase, string.ascii_uppercase):
        if character in kind:
            return kind[(kind.index(character) + 1) % len(kind)]
    return character
