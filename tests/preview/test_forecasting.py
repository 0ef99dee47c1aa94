"""A forecast counts what a send would do, event by event; its words say it, and only what there is to say."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings

from posthog_llm_cli.identity import RESERVED_IDS
from posthog_llm_cli.preview.figures import DestinationForecast, Forecast, Rate, RateSource
from posthog_llm_cli.preview.forecast_text import forecast_lines, matters
from posthog_llm_cli.preview.forecasting import ForecastFold, expected_rate
from tests.laws import examples
from tests.preview.making import NOW, Seen, event, events, seen

CONTENT = {"$ai_input": [{"role": "user", "content": "Hi"}]}
USER: dict[str, Any] = {"distinct_id": "u-1"}


def foretold(*met: Seen, already_sent: bool = False, takes: bool = True, rate: Rate | None = None) -> Forecast:
    fold = ForecastFold(now=NOW, takes=lambda _: takes)
    for one, glance in met:
        fold.see(one, glance, is_open=not already_sent)
    return fold.forecast(rate)


def only(*met: Seen, **changes: Any) -> DestinationForecast:
    (destination,) = foretold(*met, **changes).destinations
    return destination


def test_events_and_bytes_are_those_of_the_destination() -> None:
    met = [seen(event(number, {"$ai_model": "m" * number}, **USER)) for number in range(3)]
    found = only(*met)
    assert (found.events, found.bytes) == (3, sum(one.size for one, _ in met))
    assert (found.host, found.masked_key) == ("https://us.i.posthog.com", "phc_…mnop")


@pytest.mark.parametrize(
    ("age", "historical", "expired"),
    [
        (timedelta(hours=47, minutes=59), 0, 0),
        (timedelta(hours=48), 1, 0),
        (timedelta(days=30), 1, 0),
        (timedelta(days=30, seconds=1), 1, 1),
    ],
)
def test_age_decides_what_is_historical_and_what_loses_its_content(
    age: timedelta, historical: int, expired: int
) -> None:
    found = only(seen(event(1, CONTENT, age=age)))
    assert (found.historical, found.expired, found.expired_content) == (historical, expired, expired)
    assert only(seen(event(1, {}, age=timedelta(days=40)))).expired_content == 0


def test_models_without_a_cost_are_named_with_their_number() -> None:
    tokens = {"$ai_input_tokens": 3}
    found = foretold(
        seen(event(1, {"$ai_model": "b", **tokens})),
        seen(event(2, {"$ai_model": "a", **tokens})),
        seen(event(3, {"$ai_model": "b"})),
        seen(event(4, {"$ai_model": "c", "$ai_total_cost_usd": 1})),
        seen(event(5, {"$ai_model": "failed", "$ai_is_error": True})),
        seen(event(6, {"$ai_model": "span"}, name="$ai_span")),
    )
    assert [(one.model, one.events) for one in found.models_without_cost] == [("b", 2), ("a", 1)]
    assert (found.destinations[0].estimated, found.destinations[0].no_tokens) == (2, 1)


@pytest.mark.parametrize("word", sorted(RESERVED_IDS))
def test_a_reserved_word_is_no_person(word: str) -> None:
    assert only(seen(event(1, {}, distinct_id=word.upper()))).reserved_ids == 1


def test_who_is_nobody_and_whose_id_is_too_long() -> None:
    found = only(
        seen(event(1, {"$ai_trace_id": "t-1"})),
        seen(event(2, {}, **USER), warnings=("distinct-id-shortened",)),
        seen(event(3, {}, **USER)),
    )
    assert (found.no_user, found.shortened_ids, found.reserved_ids) == (1, 1, 0)


def test_what_an_earlier_run_has_settled_counts_nowhere_else() -> None:
    found = only(seen(event(1, CONTENT, age=timedelta(days=40))), already_sent=True)
    assert (found.already_sent, found.events, found.bytes, found.expired) == (1, 0, 0, 0)


def test_what_the_route_would_not_take_is_told() -> None:
    found = foretold(seen(event(1, {}, **USER)), takes=False)
    assert found.destinations[0].over_ceiling == 1
    assert any("larger than PostHog takes" in line for line in forecast_lines(found, 80))


@settings(max_examples=examples(30))
@given(events())
def test_every_event_is_to_send_or_was_sent(met: list[Seen]) -> None:
    fold = ForecastFold(now=NOW, takes=lambda _: True)
    for place, (one, glance) in enumerate(met):
        fold.see(one, glance, is_open=place % 3 > 0)
    found = fold.forecast(None)
    assert found.events + sum(one.already_sent for one in found.destinations) == len(met)


def test_the_rate_of_earlier_sends_comes_before_that_of_this_run() -> None:
    def expected(runs: list[tuple[int, float]], rate_limit: float | None = None) -> Rate | None:
        return expected_rate(runs, events=100, elapsed_s=2.0, rate_limit=rate_limit)

    assert expected([(9_000, 3.0), (1_000, 2.0), (3, 60.0)]) == Rate(2_000.0, RateSource.LEDGER)
    assert expected([]) == Rate(50.0, RateSource.CONVERSION)
    assert expected([], rate_limit=10) == Rate(10, RateSource.LIMIT)
    assert expected([], rate_limit=1000) == Rate(50.0, RateSource.CONVERSION)
    assert expected_rate([], events=0, elapsed_s=1.0, rate_limit=None) is None


def test_the_time_is_for_all_of_the_sources() -> None:
    fold = ForecastFold(now=NOW, takes=lambda _: True)
    fold.see(*seen(event(1, {}, **USER)), is_open=True)
    rate = Rate(0.5, RateSource.CONVERSION)
    found = fold.forecast(rate, sample_bytes=1_000_000, sources_per_sample=10.0)
    assert found.time_s == 20.0
    assert next(forecast_lines(found, 80)) == "what a send will do, by the first 1.0 MB of the sources:"
    assert any("about 20.0 s at 0.5 events/s" in line for line in forecast_lines(found, None))


def test_a_send_without_surprises_is_not_worth_a_question() -> None:
    plain = {"$ai_model": "m", "$ai_total_cost_usd": 1}
    assert not matters(foretold(seen(event(1, plain, age=timedelta(hours=60), **USER))))
    assert matters(foretold(seen(event(1, plain, age=timedelta(days=31), **USER))))


@settings(max_examples=examples(30))
@given(events())
def test_its_lines_keep_to_the_width_and_to_the_numbers(met: list[Seen]) -> None:
    found = foretold(*met)
    lines = list(forecast_lines(found, 80))
    assert max(map(len, lines)) <= 80
    for one in found.destinations:
        assert f"{one.expired:,} over 30 days old" in "\n".join(lines) or not one.expired
