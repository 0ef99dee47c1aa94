"""How far a run is, as lines: for the terminal's last rows, and for logs that nobody watches. Pure.

`Meter` turns what the main thread counts into a `Progress`, which any thread may read; the rest renders one.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from posthog_llm_cli.model import Destination, HostLoad
from posthog_llm_cli.report.counts import MEANT, Mode, RunReport
from posthog_llm_cli.report.text import count, fold, harmless, human_bytes, human_seconds
from posthog_llm_cli.values import State, Value, field

WINDOW_S = 30.0
"""Rates are those of so much time before now: long enough to be calm, short enough to show that a server is slow."""

_MOST_DESTINATIONS = 4
_WIDEST_BAR = 60
_NARROWEST_BAR = 10
_REASON_LENGTH = 60


class DestinedSoFar(Value, frozen=True):
    """The counts of one destination."""

    destination: Destination
    accepted: int
    rejected: int
    unconfirmed: int


class Progress(Value, frozen=True):
    """The counts of a run at one moment. `raw_bytes` are read of `raw_total` on disk, None where that is not known.

    `open` counts events that are read and have no final word yet. Rates are per second, None until they are known.
    `left_s` is how long the rest of the reading takes at that rate.
    """

    mode: Mode
    records: int
    accepted: int
    already_sent: int
    rejected: int
    unconfirmed: int
    open: int
    bytes_read: int
    raw_bytes: int
    raw_total: int | None
    records_per_s: float | None = None
    bytes_per_s: float | None = None
    left_s: float | None = None
    destinations: tuple[DestinedSoFar, ...] = ()

    @property
    def share(self) -> float | None:
        """The part of the bytes on disk that was read, from 0 to 1; None where their number is not known."""
        if self.raw_total is None:
            return None
        return min(1.0, self.raw_bytes / self.raw_total) if self.raw_total else 1.0


class RetrySoFar(Value, frozen=True):
    """What is known of a host's last retry: it leaves in `wait_s` (0: it has left), for the reason it gives."""

    host: str
    attempt: int
    max_retries: int
    wait_s: float
    reason: str


class Underway(Value, frozen=True):
    """What deliveries that are under way do at this moment; empty where nothing is sent over a network."""

    loads: tuple[HostLoad, ...] = ()
    retries: int = 0
    last_retries: tuple[RetrySoFar, ...] = ()


class Meter(State):
    """Takes a run's counts now and then, on the main thread, and knows the rates of the last `WINDOW_S`."""

    raw_total: int | None
    _samples: deque[tuple[float, int, int]] = field(default_factory=deque)

    def read(self, report: RunReport, *, raw_bytes: int) -> Progress:
        """Return the counts as they are, with the rates since the oldest sample of the window."""
        now = (report.elapsed_s, raw_bytes, report.records)
        while len(self._samples) > 1 and self._samples[1][0] <= now[0] - WINDOW_S:
            self._samples.popleft()
        self._samples.append(now)
        took_s = now[0] - self._samples[0][0]
        bytes_per_s = (raw_bytes - self._samples[0][1]) / took_s if took_s > 0 else None
        known = report.accepted + report.already_sent + report.duplicates + report.filtered + report.skipped
        return Progress(
            mode=report.mode,
            records=report.records,
            accepted=report.accepted,
            already_sent=report.already_sent,
            rejected=report.rejected,
            unconfirmed=report.unconfirmed,
            open=report.records - known - report.rejected - report.unconfirmed,
            bytes_read=report.bytes_read,
            raw_bytes=raw_bytes,
            raw_total=self.raw_total,
            records_per_s=(report.records - self._samples[0][2]) / took_s if took_s > 0 else None,
            bytes_per_s=bytes_per_s,
            left_s=_left_s(self.raw_total, raw_bytes, bytes_per_s),
            destinations=_so_far(report),
        )


def _left_s(raw_total: int | None, raw_bytes: int, bytes_per_s: float | None) -> float | None:
    if raw_total is None or not bytes_per_s or bytes_per_s < 0:
        return None
    return max(0, raw_total - raw_bytes) / bytes_per_s


def _so_far(report: RunReport) -> tuple[DestinedSoFar, ...]:
    return tuple(
        DestinedSoFar(one.destination, one.accepted, one.rejected, one.unconfirmed)
        for one in report.destinations.values()
    )


# ---------------------------------------------------------------------------------------------------------- rendering


def status(now: Progress, under_way: Underway) -> Iterator[str]:
    """Yield how far the run is: one line, and where there are several destinations or retries a line for each."""
    sizes = ", ".join(_sizes(now))
    pieces = [*_counts(now, under_way), sizes, *_concurrency(under_way)]
    yield ", ".join(pieces)
    yield from (f"  {line}" for line in _details(now, under_way))


def panel(now: Progress, under_way: Underway, *, width: int, bar: Callable[[float, int], str]) -> Iterator[str]:
    """Yield the rows that a terminal shows of a run under way, none wider than `width` where words allow it.

    `bar(share, columns)` draws a bar.
    """
    sizes = "  ".join(_sizes(now))
    share = now.share
    room = min(_WIDEST_BAR, width - len(sizes) - 2)
    if share is not None and room >= _NARROWEST_BAR:
        yield f"{bar(share, room)}  {sizes}"
    else:
        yield sizes
    *most, last = [*_counts(now, under_way), *_concurrency(under_way)]
    yield from fold([*(f"{piece}," for piece in most), last], width)
    for line in _details(now, under_way):
        yield _cut(f"  {harmless(line)}", width)


def _sizes(now: Progress) -> Iterator[str]:
    share = now.share
    if share is None:
        yield f"{human_bytes(now.raw_bytes)} read"
    else:
        yield f"{int(100 * share)} %"
        yield f"{human_bytes(now.raw_bytes)} of {human_bytes(now.raw_total or 0)}"
    if now.bytes_per_s is not None:
        yield f"{human_bytes(round(now.bytes_per_s))}/s"
    if now.left_s is not None:
        yield f"{_about(now.left_s)} left" if share is None or share < 1 else "all read"


def _counts(now: Progress, under_way: Underway) -> Iterator[str]:
    rate = f" ({now.records_per_s:,.0f}/s)" if now.records_per_s is not None else ""
    yield f"{count(now.records, 'record')}{rate}"
    yield f"{now.accepted:,} {MEANT[now.mode]}"
    if now.already_sent:
        yield f"{now.already_sent:,} already sent"
    yield f"{now.rejected:,} rejected"
    if now.mode is not Mode.SEND:
        return
    yield f"{under_way.retries:,} retried"
    yield f"{now.unconfirmed:,} unconfirmed"
    if now.open:
        yield f"{now.open:,} under way"


def _concurrency(under_way: Underway) -> Iterator[str]:
    """Say how many requests are under way, where one host has them all; several have a line each."""
    if len(under_way.loads) == 1:
        yield _load(under_way.loads[0])


def _load(load: HostLoad) -> str:
    if load.is_asleep:
        return "spared requests, tried now and then"
    if load.limit == load.ceiling:
        return f"{load.in_flight} of {load.ceiling} requests at once"
    return f"{count(load.in_flight, 'request')} at once (limit {load.limit} of {load.ceiling})"


def _details(now: Progress, under_way: Underway) -> Iterator[str]:
    loads = {load.host: load for load in under_way.loads}
    if len(now.destinations) > 1 or len(loads) > 1:
        ranked = sorted(now.destinations, key=lambda one: -(one.accepted + one.rejected + one.unconfirmed))
        for one in ranked[:_MOST_DESTINATIONS]:
            yield _destination(one)
        if len(ranked) > _MOST_DESTINATIONS:
            yield f"… and {count(len(ranked) - _MOST_DESTINATIONS, 'more destination')}"
    if len(loads) > 1:
        for load in under_way.loads[:_MOST_DESTINATIONS]:
            yield f"{load.host}: {_load(load)}"
        if len(loads) > _MOST_DESTINATIONS:
            yield f"… and {count(len(loads) - _MOST_DESTINATIONS, 'more host')}"
    yield from _retries(under_way.last_retries, loads)


def _destination(one: DestinedSoFar) -> str:
    others = ((one.rejected, "rejected"), (one.unconfirmed, "unconfirmed"))
    pieces = [f"{one.accepted:,} accepted", *(f"{number:,} {what}" for number, what in others if number)]
    return f"{one.destination.host} {one.destination.masked_key}: {', '.join(pieces)}"


def _retries(retries: Sequence[RetrySoFar], loads: dict[str, HostLoad]) -> Iterator[str]:
    """Yield what hosts are retried for, as long as that is news: until a request to them is answered well."""
    for retry in retries[:_MOST_DESTINATIONS]:
        load = loads.get(retry.host)
        if retry.wait_s <= 0 and (load is None or not load.failed_in_row):
            continue
        when = f" in {_about(retry.wait_s)}" if retry.wait_s > 0 else ""
        failed = f", {load.failed_in_row:,} requests in a row" if load is not None and load.failed_in_row > 1 else ""
        yield f"retry {retry.attempt} of {retry.max_retries}{when}: {_cut(retry.reason, _REASON_LENGTH)}{failed}"


def _about(seconds: float) -> str:
    """Return a span that is an estimate: without tenths of seconds, which would only flicker."""
    return human_seconds(seconds) if seconds >= 60 else f"{math.ceil(seconds)} s"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
