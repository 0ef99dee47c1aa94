"""What became of the calls of each model, for one destination: bounded, however many names a log holds."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from posthog_llm_cli.values import State, field

MOST_MODELS = 50
"""So many models of a destination are counted by name, in the order of their first calls."""

MOST_CHARACTERS = 200
"""A longer name is cut: a log may hold anything in its place."""


class Tally(State):
    """Counts of events by what became of them."""

    NAMES: ClassVar = ("accepted", "rejected", "unconfirmed", "already_sent", "duplicates")

    accepted: int = 0
    rejected: int = 0
    unconfirmed: int = 0
    already_sent: int = 0
    duplicates: int = 0

    @property
    def total(self) -> int:
        """How many events there were."""
        return self.accepted + self.rejected + self.unconfirmed + self.already_sent + self.duplicates

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name, those of zero too."""
        return {name: getattr(self, name) for name in self.NAMES}


def total(tallies: Iterable[Tally]) -> Tally:
    """Return what several count together."""
    counts = [tally.as_dict() for tally in tallies]
    return Tally(**{name: sum(one[name] for one in counts) for name in Tally.NAMES})


class Models(State):
    """The tallies of the first `MOST_MODELS` models by name (empty: the event names none), and of all others."""

    named: dict[str, Tally] = field(default_factory=dict)
    others: Tally | None = None

    def of(self, model: str) -> Tally:
        """Return the tally that counts the events of `model`."""
        tally = self.named.get(model)
        return tally if tally is not None else self._begin(model)

    def __iter__(self) -> Iterator[Tally]:
        yield from self.named.values()
        if self.others is not None:
            yield self.others

    def ranked(self) -> list[tuple[str, Tally]]:
        """Return the named ones, most events first."""
        return sorted(self.named.items(), key=lambda item: (-item[1].total, item[0]))

    def as_list(self) -> list[dict[str, Any]]:
        """Return the named ones as the report has them, most events first; a model without a name is null."""
        return [{"model": model or None, **tally.as_dict()} for model, tally in self.ranked()]

    def _begin(self, model: str) -> Tally:
        name = model[:MOST_CHARACTERS]
        if name in self.named or len(self.named) < MOST_MODELS:
            return self.named.setdefault(name, Tally())
        if self.others is None:
            self.others = Tally()
        return self.others
