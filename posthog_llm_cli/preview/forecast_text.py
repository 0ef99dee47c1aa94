"""A forecast in words, for the summary of a dry run, the question before a send, and the preview. Pure."""

from collections.abc import Iterator, Sequence

from posthog_llm_cli.preview.figures import DestinationForecast, Forecast, RateSource, UnpricedModel
from posthog_llm_cli.report.text import count, fold, human_bytes, human_seconds, words

_MOST_DESTINATIONS = 4
_MOST_MODELS = 4

_RATE = {
    RateSource.LEDGER: "the rate of earlier sends, by the ledger",
    RateSource.LIMIT: "which --rate-limit allows",
    RateSource.CONVERSION: "the rate of reading and converting in this run: the network is not in it",
}


def forecast_lines(forecast: Forecast, width: int | None) -> Iterator[str]:
    """Yield what a `send` would do, at most `width` columns wide (None: each statement on one line)."""
    yield _headline(forecast)
    if not forecast.destinations and not forecast.already_read:
        yield "  nothing: there is no call to send"
    shown = forecast.destinations[:_MOST_DESTINATIONS]
    for destination in shown:
        yield from fold(words(_destination(destination)), width, indent="  ")
        for remark in (*_surprises(destination), *_remarks(destination)):
            yield from fold(words(remark), width, indent="    ")
    if len(forecast.destinations) > len(shown):
        yield f"  … and {count(len(forecast.destinations) - len(shown), 'more destination')} (--json has all)"
    if forecast.models_without_cost:
        yield from fold(words(f"models without a cost: {_models(forecast.models_without_cost)}"), width, indent="  ")
    if forecast.already_read:
        already = f"{count(forecast.already_read, 'record')} not read again: an earlier run has settled them"
        yield from fold(words(already), width, indent="  ")
    if forecast.rate is not None and forecast.time_s is not None:
        yield from fold(words(_time(forecast)), width, indent="  ")


def matters(forecast: Forecast) -> bool:
    """Whether it says something that an operator may want to know before anything is sent."""
    return any(True for destination in forecast.destinations for _ in _surprises(destination))


def _headline(forecast: Forecast) -> str:
    if forecast.sample_bytes is None:
        return "what a send will do:"
    return f"what a send will do, by the first {human_bytes(forecast.sample_bytes)} of the sources:"


def _destination(destination: DestinationForecast) -> str:
    key = "" if destination.masked_key == "(no key)" else f" with key {destination.masked_key}"
    sent = f", {destination.already_sent:,} already sent" if destination.already_sent else ""
    size = human_bytes(destination.bytes)
    return f"{destination.host}{key}: {count(destination.events, 'event')} to send, {size} before compression{sent}"


def _remarks(destination: DestinationForecast) -> Iterator[str]:
    """Yield what is as it should be, and good to know."""
    if destination.historical:
        yield f"{destination.historical:,} at least 48 h old: sent as historical"


def _surprises(destination: DestinationForecast) -> Iterator[str]:
    """Yield what an operator may not expect."""
    if destination.expired:
        content = f" ({destination.expired_content:,} carry some)" if destination.expired_content else ""
        yield f"{destination.expired:,} over 30 days old: PostHog keeps no prompts and answers of theirs{content}"
    if destination.estimated:
        yield f"{destination.estimated:,} without a cost: PostHog estimates at today's prices, if it knows the model"
    if destination.no_tokens:
        yield f"{destination.no_tokens:,} without cost and tokens: PostHog shows no cost"
    if destination.no_user:
        yield f"{destination.no_user:,} name no user: the trace id stands in, and no person is made"
    if destination.shortened_ids:
        yield f"{destination.shortened_ids:,} with a distinct id over 200 bytes: shortened, or PostHog would drop them"
    if destination.reserved_ids:
        yield f"{destination.reserved_ids:,} with a distinct id that PostHog gives no person, such as anonymous"
    if destination.over_ceiling:
        yield f"{destination.over_ceiling:,} larger than PostHog takes: they will be rejected"


def _models(models: Sequence[UnpricedModel]) -> str:
    named = [f"{one.model} {one.events:,}" for one in models[:_MOST_MODELS]]
    if len(models) > _MOST_MODELS:
        named.append(f"{len(models) - _MOST_MODELS:,} others {sum(one.events for one in models[_MOST_MODELS:]):,}")
    return ", ".join(named)


def _time(forecast: Forecast) -> str:
    assert forecast.rate is not None  # noqa: S101 - asked before
    assert forecast.time_s is not None  # noqa: S101
    per_s = (
        f"{forecast.rate.events_per_s:,.3g} events/s"
        if forecast.rate.events_per_s < 10
        else (f"{forecast.rate.events_per_s:,.0f} events/s")
    )
    return f"about {human_seconds(forecast.time_s)} at {per_s}, {_RATE[forecast.rate.source]}"
