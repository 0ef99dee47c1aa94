"""What reached PostHog: from LiteLLM's live logger, and from `plh` (litellm-logs.md, 6.18)."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from compat.stand_in import Posted
from compat.values import Json

IN_FLIGHT = "load: logged while a request is in flight"

ONCE = "delivered once"
TWICE = "delivered twice: LiteLLM logged it twice"
LOST_SYNC = "lost: a failure of a sync call, which the logger does not send"
LOST_REFUSED = "lost: PostHog answered 500, and the logger forgot the batch"
LOST_IN_FLIGHT = "lost: logged while the request with an earlier one was in flight"
FATES = (ONCE, TWICE, LOST_SYNC, LOST_REFUSED, LOST_IN_FLIGHT)


@dataclass(slots=True)
class Line:
    """One line of the log: which call it is of, and what LiteLLM's logger makes of it."""

    scenario: str
    phase: str
    uuid: str
    base: Mapping[str, Json]
    random: frozenset[str]
    api_key: str
    host: str
    taken: bool = field(default=False, init=False)
    refused: bool = field(default=False, init=False)

    def matches(self, event: Mapping[str, Json], api_key: str, host: str) -> bool:
        """Whether this is what the logger sends for the line; what is chance in it does not count."""
        return (api_key, host) == (self.api_key, self.host) and _fixed(event, self.random) == _fixed(
            self.base, self.random
        )


_CACHE_HIT_SUFFIX = re.compile(r"_cache_hit[\d.]+\Z")


def _fixed(event: Mapping[str, Json], random: frozenset[str]) -> str:
    """Return what does not depend on chance or on the moment.

    LiteLLM builds the payload of a cache hit twice, in two threads, and takes its clock into the id each time: the
    second may come between two callbacks, which then see two ids of one call.
    """
    properties = {name: value for name, value in event["properties"].items() if name not in random}
    if isinstance(properties.get("$ai_span_id"), str):
        properties["$ai_span_id"] = _CACHE_HIT_SUFFIX.sub("", properties["$ai_span_id"])
    distinct_id = None if "distinct_id" in random else event["distinct_id"]
    return json.dumps([event["event"], distinct_id, properties], sort_keys=True)


def find_senders(lines: list[Line], posted: Iterable[Posted]) -> list[str]:
    """Note on each line whether LiteLLM's logger delivered it; return what it sent that no line gives."""
    problems = []
    for request in posted:
        for event in request.body["batch"]:
            unsent = (line for line in lines if not line.taken and not line.refused)
            line = next((line for line in unsent if line.matches(event, request.body["api_key"], request.host)), None)
            if line is None:
                problems.append(
                    f"LiteLLM's logger sent an event to {request.host} that no log line gives: {event['event']}"
                )
            elif request.taken:
                line.taken = True
            else:
                line.refused = True
    return problems


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
