"""What a `send` would do, counted event by event: what PostHog will not keep, must price itself, or gives no person."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

from posthog_llm_cli.chunking import HISTORICAL_AFTER
from posthog_llm_cli.identity import RESERVED_IDS
from posthog_llm_cli.model import Destination, Event, Glance, Pricing
from posthog_llm_cli.payload import CONTENT_DAYS
from posthog_llm_cli.preview.figures import DestinationForecast, Forecast, Rate, RateSource, UnpricedModel
from posthog_llm_cli.values import State

_MOST_MODELS = 500
_LEAST_ACCEPTED = 500


class _Sums(State):
    events: int = 0
    bytes: int = 0
    already_sent: int = 0
    expired: int = 0
    expired_content: int = 0
    historical: int = 0
    estimated: int = 0
    no_tokens: int = 0
    no_user: int = 0
    shortened_ids: int = 0
    reserved_ids: int = 0
    over_ceiling: int = 0


class ForecastFold:
    """Counts the events of a run by destination; memory grows with destinations only.

    `now` is when the run began, from which ages are measured; `takes` says whether a route takes an event of its size.
    """

    def __init__(self, *, now: datetime, takes: Callable[[Event], bool]) -> None:
        self._expires_before = now - CONTENT_DAYS
        self._historical_until = now - HISTORICAL_AFTER
        self._takes = takes
        self._sums: dict[Destination, _Sums] = {}
        self._unpriced: Counter[str] = Counter()

    def see(self, event: Event, glance: Glance, *, is_open: bool) -> None:
        """Take one event that is no duplicate; `is_open` is False where an earlier run has settled it."""
        sums = self._sums.get(event.destination)
        if sums is None:
            sums = self._sums[event.destination] = _Sums()
        if not is_open:
            sums.already_sent += 1
            return
        sums.events += 1
        sums.bytes += event.size
        sums.over_ceiling += not self._takes(event)
        if event.timestamp <= self._historical_until:
            sums.historical += 1
            if event.timestamp < self._expires_before:
                sums.expired += 1
                sums.expired_content += glance.has_content
        if glance.is_call and glance.pricing is not Pricing.LOGGED and not glance.is_error:
            self._count_unpriced(sums, glance)
        if not glance.has_user:
            sums.no_user += 1
        elif event.distinct_id.lower() in RESERVED_IDS:
            sums.reserved_ids += 1
        sums.shortened_ids += glance.is_id_shortened

    def forecast(
        self,
        rate: Rate | None,
        *,
        already_read: int = 0,
        sample_bytes: int | None = None,
        sources_per_sample: float = 1.0,
    ) -> Forecast:
        """Return what a `send` would do; `already_read` records lie where the ledger says that nothing is read again.

        `sample_bytes` is set where not all was looked at; the time is for `sources_per_sample` times as much.
        """
        events = sum(sums.events for sums in self._sums.values())
        return Forecast(
            destinations=tuple(_destination(destination, sums) for destination, sums in self._sums.items()),
            models_without_cost=tuple(
                UnpricedModel(model, number)
                for model, number in sorted(self._unpriced.items(), key=lambda pair: (-pair[1], pair[0]))
            ),
            already_read=already_read,
            rate=rate,
            time_s=events * sources_per_sample / rate.events_per_s if rate is not None else None,
            sample_bytes=sample_bytes,
        )

    def _count_unpriced(self, sums: _Sums, glance: Glance) -> None:
        if glance.pricing is Pricing.NONE:
            sums.no_tokens += 1
        else:
            sums.estimated += 1
        if glance.model is not None and (glance.model in self._unpriced or len(self._unpriced) < _MOST_MODELS):
            self._unpriced[glance.model] += 1


def expected_rate(
    runs: Iterable[tuple[int, float]], *, events: int, elapsed_s: float, rate_limit: float | None
) -> Rate | None:
    """Return the rate of earlier sends (events accepted, seconds), else that of this run's conversion, or None.

    Sends of a few events say nothing: they are made of waiting. No rate is above `rate_limit`.
    """
    sends = [(accepted, seconds) for accepted, seconds in runs if accepted >= _LEAST_ACCEPTED and seconds > 0]
    if sends:
        accepted, seconds = (sum(column) for column in zip(*sends, strict=True))
        rate = Rate(accepted / seconds, RateSource.LEDGER)
    elif events and elapsed_s > 0:
        rate = Rate(events / elapsed_s, RateSource.CONVERSION)
    else:
        return None
    return Rate(rate_limit, RateSource.LIMIT) if rate_limit is not None and rate_limit < rate.events_per_s else rate


def _destination(destination: Destination, sums: _Sums) -> DestinationForecast:
    return DestinationForecast(
        host=destination.host,
        masked_key=destination.masked_key,
        events=sums.events,
        bytes=sums.bytes,
        already_sent=sums.already_sent,
        expired=sums.expired,
        expired_content=sums.expired_content,
        historical=sums.historical,
        estimated=sums.estimated,
        no_tokens=sums.no_tokens,
        no_user=sums.no_user,
        shortened_ids=sums.shortened_ids,
        reserved_ids=sums.reserved_ids,
        over_ceiling=sums.over_ceiling,
    )
