"""LiteLLM's event, the corrections, and what `plh` sent: field by field."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from compat.corrections import Correction, Expected, correct
from compat.laws import API_KEY, DISTINCT_ID, EVENT, HOST, TIMESTAMP, UUID, Fields
from compat.record import Record, Setting
from compat.values import ABSENT, Json, is_number, same

_CLOCK_S = 1e-6
"""Times are logged in whole microseconds; LiteLLM subtracts them as floats."""
_BESIDE = {EVENT: "event", DISTINCT_ID: "distinct_id", UUID: "uuid", TIMESTAMP: "timestamp"}


@dataclass(frozen=True, slots=True)
class Compared:
    """One field of one call."""

    name: str
    base: Json
    ours: Json
    expected: Json
    corrections: tuple[Correction, ...]

    @property
    def is_explained(self) -> bool:
        """Whether `plh` sent what LiteLLM's event and the corrections say."""
        return same(self.ours, self.expected)

    @property
    def is_equal(self) -> bool:
        """Whether `plh` sent what LiteLLM's logger sends."""
        if self.name == "$ai_latency" and is_number(self.base) and is_number(self.ours):
            return bool(abs(self.base - self.ours) < _CLOCK_S)
        return same(self.base, self.ours)


def flat(event: Mapping[str, Json], api_key: str, host: str) -> Fields:
    """Return an event's properties and its other fields as one object."""
    others = {name: event[key] for name, key in _BESIDE.items() if key in event}
    return {**event["properties"], **others, API_KEY: api_key, HOST: host.rstrip("/")}


def compare(base: Fields, ours: Fields, record: Record, setting: Setting) -> list[Compared]:
    """Compare every field that either has or that is expected."""
    return against(correct(base, record, setting), base, ours)


def against(expected: Expected, base: Fields, ours: Fields) -> list[Compared]:
    """Compare with what the corrections expect."""
    return list(_compared(expected, base, ours))


def _compared(expected: Expected, base: Fields, ours: Fields) -> Iterator[Compared]:
    for name in sorted({*base, *ours, *expected.fields}):
        was, sent, due = (source.get(name, ABSENT) for source in (base, ours, expected.fields))
        yield Compared(name, was, sent, due, tuple(expected.trail.get(name, ())))


@dataclass(slots=True)
class Tally:
    """The counts of a comparison."""

    compared: int = 0
    equal: int = 0
    corrected: int = 0
    by_correction: Counter[str] = field(default_factory=Counter)
    unexplained: list[tuple[str, Compared]] = field(default_factory=list)

    def add(self, where: str, found: list[Compared]) -> None:
        """Count one call's fields."""
        for one in found:
            self.compared += 1
            if not one.is_explained:
                self.unexplained.append((where, one))
            elif one.is_equal:
                self.equal += 1
            else:
                self.corrected += 1
                self.by_correction.update({correction.name for correction in one.corrections})
