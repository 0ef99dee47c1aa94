"""What reached PostHog: from LiteLLM's live logger, and from `plh` (litellm-logs.md, 6.18)."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from compat.comparison import flat
from compat.stand_in import Posted
from compat.values import Json

IN_FLIGHT = "load: logged while a request is in flight"

ONCE = "delivered once"
TWICE = "delivered twice: LiteLLM logged it twice"
LOST_SYNC = "lost: a failure of a sync call, which the logger does not send"
LOST_REFUSED = "lost: PostHog answered 500, and the logger forgot the batch"
LOST_IN_FLIGHT = "lost: logged while the request with an earlier one was in flight"
FATES = (ONCE, TWICE, LOST_SYNC, LOST_REFUSED, LOST_IN_FLIGHT)

Texts = dict[str, str]
"""The fields of an event and its destination, each as JSON."""


@dataclass(slots=True)
class Line:
    """One line of the log: which call it is of, what LiteLLM's logger makes of it, and the events that the logger built
    while LiteLLM logged the call."""

    scenario: str
    phase: str
    uuid: str
    base: Mapping[str, Json]
    random: frozenset[str]
    api_key: str
    host: str
    built: Sequence[Mapping[str, Json]] = ()
    taken: bool = field(default=False, init=False)
    refused: bool = field(default=False, init=False)
    apart: bool = field(default=False, init=False)
    _base: Texts = field(init=False, repr=False)
    _built: list[Texts] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._base = _texts(self.base, self.api_key, self.host)
        self._built = [_texts(event, self.api_key, self.host) for event in self.built]

    @property
    def is_free(self) -> bool:
        """Whether no event is known yet that the logger sent for it."""
        return not self.taken and not self.refused

    def differences(self, sent: Texts) -> list[str]:
        """Return the names of the fields in which an event is not what the logger makes of the line; what is chance in
        it does not count."""
        names = {*sent, *self._base} - self.random
        return sorted(name for name in names if sent.get(name) != self._base.get(name))

    def was_built(self, sent: Texts) -> bool:
        """Whether the logger built this very event for the call, maybe at another moment than the line's."""
        return sent in self._built


def _texts(event: Mapping[str, Json], api_key: str, host: str) -> Texts:
    return {name: json.dumps(value, sort_keys=True) for name, value in flat(event, api_key, host).items()}


def find_senders(lines: list[Line], posted: Iterable[Posted]) -> list[str]:
    """Note on each line whether LiteLLM's logger delivered it; return what it sent that no line gives."""
    problems = []
    for request in posted:
        for event in request.body["batch"]:
            sent = _texts(event, request.body["api_key"], request.host)
            line = _sender(lines, sent)
            if line is None:
                problems.append(
                    f"LiteLLM's logger sent an event to {request.host} that no log line gives: {event['event']}"
                    f"{_nearest(lines, sent)}"
                )
                continue
            line.apart = bool(line.differences(sent))
            if request.taken:
                line.taken = True
            else:
                line.refused = True
    return problems


def _sender(lines: list[Line], sent: Texts) -> Line | None:
    """Return the line that an event is of: the one that gives it, else one of the call that it was built for."""
    free = [line for line in lines if line.is_free]
    given = (line for line in free if not line.differences(sent))
    return next(given, None) or next((line for line in free if line.was_built(sent)), None)


def _nearest(lines: list[Line], sent: Texts) -> str:
    """Return what differs from the line that is most like an event: names alone, for an error shows no contents."""
    found = [(line.differences(sent), line) for line in lines if line.is_free]
    if not found:
        return "; every line has its event"
    names, line = min(found, key=lambda pair: len(pair[0]))
    return f"; the nearest is {line.scenario} ({line.phase}), which differs in {', '.join(names)}"


def live_fates(lines: list[Line]) -> tuple[Counter[str], list[str]]:
    """Return how many calls the live logger delivered or lost, and those whose fate has no known reason."""
    calls: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        calls[line.uuid].append(line)
    fates, problems = Counter[str](), []
    for found in calls.values():
        fate = _fate(found)
        if fate is None:
            problems.append(f"{found[0].scenario}: LiteLLM's logger lost it for no known reason")
        else:
            fates[fate] += 1
    return fates, problems


def _fate(lines: list[Line]) -> str | None:
    taken = sum(line.taken for line in lines)
    if taken:
        return ONCE if taken == 1 else TWICE
    if all(line.phase == "sync failure" for line in lines):
        return LOST_SYNC
    if any(line.refused for line in lines):
        return LOST_REFUSED
    return LOST_IN_FLIGHT if lines[0].scenario == IN_FLIGHT else None
