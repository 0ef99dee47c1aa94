"""Example traces: a sample that does not depend on the order of reading, drawn as PostHog's trace view draws them."""

import heapq
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from posthog_llm_cli.model import Event, Glance
from posthog_llm_cli.preview.figures import Node, NotableCall, TraceFigures
from posthog_llm_cli.preview.money import Money
from posthog_llm_cli.values import Value

SAMPLE = 200
"""How many traces are followed: those whose ids have the lowest checksums, from their first event to their last."""

MOST_NODES = 64
"""How many events of one trace are kept, the earliest ones."""


class _Seen(Value, frozen=True):
    starts_at: datetime
    name: str | None
    span_id: str | None
    parent_id: str | None
    event: str
    is_call: bool
    call: NotableCall

    @property
    def key(self) -> tuple[datetime, str]:
        return self.starts_at, self.call.uuid


class _Trace:
    __slots__ = ("calls", "cost", "ends_at", "errors", "events", "left_out", "name", "seen", "starts_at", "tokens")

    def __init__(self) -> None:
        self.name: tuple[datetime, str] | None = None
        self.calls = 0
        self.events = 0
        self.errors = 0
        self.tokens = 0
        self.cost = Money()
        self.starts_at: datetime | None = None
        self.ends_at: datetime | None = None
        self.left_out = 0
        self.seen: list[_Seen] = []


class TraceSample:
    """Follows some traces of all; memory is bounded by the sample."""

    def __init__(self) -> None:
        self._traces: dict[str, _Trace] = {}
        self._highest: list[tuple[int, str]] = []  # a heap of negated checksums

    def add(self, event: Event, glance: Glance, call: NotableCall | None = None) -> None:
        """Take one event, if its trace is one of the sample."""
        trace_id = glance.trace_id
        if trace_id is None:
            return
        trace = self._traces.get(trace_id)
        if trace is None:
            trace = self._begin(trace_id)
        if trace is not None:
            _add(trace, event, glance, call if call is not None else notable(event, glance))

    def examples(self, most: int) -> tuple[TraceFigures, ...]:
        """Return the traces with the most events, then those with errors, then the dearest; ties by id."""

        def rank(item: tuple[str, _Trace]) -> tuple[int, int, float, str]:
            trace_id, trace = item
            return -trace.events, -trace.errors, -trace.cost.usd, trace_id

        return tuple(_figures(*item) for item in sorted(self._traces.items(), key=rank)[:most])

    def _begin(self, trace_id: str) -> _Trace | None:
        key = (-zlib.crc32(trace_id.encode(errors="replace")), trace_id)
        if len(self._highest) < SAMPLE:
            heapq.heappush(self._highest, key)
        elif key <= self._highest[0]:
            return None
        else:
            del self._traces[heapq.heapreplace(self._highest, key)[1]]
        trace = self._traces[trace_id] = _Trace()
        return trace


def notable(event: Event, glance: Glance) -> NotableCall:
    """Return what is shown of one call."""
    return NotableCall(
        ref=event.ref,
        uuid=event.uuid,
        timestamp=event.timestamp,
        trace_id=glance.trace_id,
        model=glance.model,
        latency_s=glance.latency_s,
        tokens=glance.tokens,
        cost_usd=glance.cost_usd,
        size=event.size,
        is_error=glance.is_error,
    )


def starts_at(event: Event, glance: Glance) -> datetime:
    """Return when a call began: PostHog draws its bar from the timestamp less the latency (PostHog/posthog#66466)."""
    if glance.latency_s is None:
        return event.timestamp
    try:
        return event.timestamp - timedelta(seconds=glance.latency_s)
    except OverflowError:  # before year 1
        return event.timestamp


def _add(trace: _Trace, event: Event, glance: Glance, call: NotableCall) -> None:
    began_at = starts_at(event, glance)
    trace.events += 1
    trace.calls += glance.is_call
    trace.errors += glance.is_error
    if glance.is_call:
        trace.tokens += glance.tokens or 0
        trace.cost.add(glance.cost_usd or 0)
    trace.starts_at = began_at if trace.starts_at is None else min(trace.starts_at, began_at)
    trace.ends_at = event.timestamp if trace.ends_at is None else max(trace.ends_at, event.timestamp)
    if glance.trace_name is not None:
        named = (began_at, glance.trace_name)
        trace.name = named if trace.name is None else min(trace.name, named)
    name = glance.span_name
    trace.seen.append(_Seen(began_at, name, glance.span_id, glance.parent_id, event.name, glance.is_call, call))
    if len(trace.seen) > MOST_NODES:
        trace.seen.remove(max(trace.seen, key=lambda seen: seen.key))
        trace.left_out += 1


def _figures(trace_id: str, trace: _Trace) -> TraceFigures:
    assert trace.starts_at is not None  # noqa: S101 - it has an event
    assert trace.ends_at is not None  # noqa: S101
    return TraceFigures(
        trace_id=trace_id,
        name=None if trace.name is None else trace.name[1],
        started_at=trace.starts_at,
        duration_s=(trace.ends_at - trace.starts_at).total_seconds(),
        calls=trace.calls,
        errors=trace.errors,
        tokens=trace.tokens,
        cost_usd=trace.cost.usd,
        nodes=tuple(_nodes(sorted(trace.seen, key=lambda seen: seen.key), trace.starts_at)),
        left_out=trace.left_out,
    )


def _nodes(seen: Sequence[_Seen], began_at: datetime) -> Iterator[Node]:
    """Yield the events in the order of the drawing: each below its parent, what has none in the trace at the top.

    Events that are each other's parents hang in the air; PostHog shows them at the top as well.
    """
    spans = {one.span_id for one in seen if one.span_id is not None}
    below: dict[str | None, list[_Seen]] = {}
    for one in seen:
        is_top = one.parent_id not in spans or one.parent_id == one.span_id
        below.setdefault(None if is_top else one.parent_id, []).append(one)
    drawn: set[int] = set()
    # Whoever is in a circle is reached from no top: it becomes one.
    for top in (*below.get(None, ()), *seen):
        waiting = [(0, top)]
        while waiting:
            depth, one = waiting.pop()
            if id(one) in drawn:
                continue
            drawn.add(id(one))
            yield Node(depth, one.event, one.name, (one.starts_at - began_at).total_seconds(), one.call)
            children = below.get(one.span_id, ()) if one.span_id is not None else ()
            waiting += [(depth + 1, child) for child in reversed(children)]
