"""Figures are the sums and ranks of what was met, in whatever order it was met."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.model import Destination, Event, Glance
from posthog_llm_cli.preview.figures import Preview
from posthog_llm_cli.preview.folding import MOST_MODELS, PreviewFold
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.values import replace
from tests.laws import examples
from tests.preview.making import NOW, Seen, event, events, fold, nearest_rank, seen


def ignoring_first_met(preview: Preview) -> Preview:
    """Formats and destinations are told in the order in which they were met."""
    return replace(
        preview,
        coverage=tuple(sorted(preview.coverage, key=lambda one: one.format)),
        forecast=replace(
            preview.forecast, destinations=tuple(sorted(preview.forecast.destinations, key=lambda one: one.host))
        ),
    )


@settings(max_examples=examples(30))
@given(events(), st.randoms(use_true_random=False))
def test_the_order_of_reading_is_no_matter(met: list[Seen], chance: object) -> None:
    shuffled = list(met)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' Random
    assert ignoring_first_met(fold(shuffled)) == ignoring_first_met(fold(met))


@settings(max_examples=examples(30))
@given(events())
def test_the_figures_are_those_of_plain_lists(met: list[Seen]) -> None:
    preview = fold(met)
    calls = [(one, glance) for one, glance in met if one.name != "$ai_span"]
    assert (preview.counts.calls, preview.counts.others) == (len(calls), len(met) - len(calls))
    assert preview.errors == sum(glance.is_error for _, glance in calls)
    assert preview.input_tokens == sum(glance.input_tokens or 0 for _, glance in calls)
    assert preview.output_tokens == sum(glance.output_tokens or 0 for _, glance in calls)
    assert preview.cost_usd == pytest.approx(sum(glance.cost_usd or 0 for _, glance in calls))
    assert preview.users.about == len({one.distinct_id for one, glance in calls if glance.has_user})
    assert preview.sessions.about == len({glance.session_id for _, glance in calls if glance.session_id})
    assert preview.traces.about == len({glance.trace_id for _, glance in met if glance.trace_id})
    latencies = [glance.latency_s for _, glance in calls if glance.latency_s is not None]
    assert preview.latency.calls == len(latencies)
    if latencies:
        assert preview.latency.p50_s == nearest_rank(latencies, 0.5)
        assert preview.latency.p95_s == nearest_rank(latencies, 0.95)
        assert preview.latency.max_s == max(latencies)


@settings(max_examples=examples(30))
@given(events())
def test_the_parts_add_up(met: list[Seen]) -> None:
    preview = fold(met)
    calls = preview.counts.calls
    assert sum(model.calls for model in preview.models) == calls
    assert sum(model.errors for model in preview.models) == preview.errors
    assert sum(kind.calls for kind in preview.error_kinds) == preview.errors
    assert sum(one.calls for one in preview.timeline.bars) == calls
    assert sum(one.errors for one in preview.timeline.bars) == preview.errors
    assert sum(one.cost_usd for one in preview.timeline.bars) == pytest.approx(preview.cost_usd)
    assert sum(one.calls for one in preview.coverage) == calls
    assert preview.forecast.events == len(met)


@settings(max_examples=examples(30))
@given(events())
def test_the_calls_that_stand_out_do(met: list[Seen]) -> None:
    preview = fold(met)
    calls = [(one, glance) for one, glance in met if one.name != "$ai_span"]
    slowest = sorted((glance.latency_s for _, glance in calls if glance.latency_s is not None), reverse=True)
    assert [call.latency_s for call in preview.slowest] == slowest[:10]
    assert [call.size for call in preview.largest] == sorted((one.size for one, _ in calls), reverse=True)[:10]
    dearest = sorted((glance.cost_usd for _, glance in calls if glance.cost_usd), reverse=True)
    assert [call.cost_usd for call in preview.dearest] == dearest[:10]


@settings(max_examples=examples(30))
@given(events())
def test_models_come_by_cost_and_each_once(met: list[Seen]) -> None:
    models = fold(met).models
    assert [model.cost_usd for model in models] == sorted((model.cost_usd for model in models), reverse=True)
    assert len({(model.model, model.provider) for model in models}) == len(models)


def test_models_beyond_the_bound_are_one_row_at_the_end() -> None:
    met = [seen(event(number, {"$ai_model": f"m-{number}"})) for number in range(MOST_MODELS + 7)]
    *named, rest = fold(met).models
    assert (len(named), rest.is_rest, rest.calls, rest.model) == (MOST_MODELS, True, 7, None)


def test_the_example_of_a_kind_of_error_is_its_first_call_in_time() -> None:
    failed = {"$ai_is_error": True, "$ai_error_type": "Timeout", "$ai_http_status": 408}
    met = [
        seen(event(1, {**failed, "$ai_error": "later"}, age=timedelta(hours=1))),
        seen(event(2, {**failed, "$ai_error": "first", "$ai_model": "m"}, age=timedelta(hours=2))),
        seen(event(3, {**failed, "$ai_error": "last"})),
    ]
    (kind,) = fold(met).error_kinds
    assert (kind.type, kind.http_status, kind.calls, kind.message) == ("Timeout", 408, 3, "first")
    assert (str(kind.example.ref), kind.models) == ("app.jsonl:3", ("m",))
    assert (kind.first_at, kind.last_at) == (NOW - timedelta(hours=2), NOW)


def test_the_same_call_for_two_destinations_is_two_events() -> None:
    first = event(1, {"$ai_latency": 2.0, "$ai_total_cost_usd": 1.0})
    second = replace(first, destination=Destination("https://eu.i.posthog.com", "phc_other000000000"))
    preview = fold([seen(first), seen(second)])
    assert (preview.counts.calls, len(preview.slowest)) == (2, 2)
    assert [one.events for one in preview.forecast.destinations] == [1, 1]


def test_content_is_given_every_event_in_the_order_of_reading() -> None:
    class Kept:
        def __init__(self) -> None:
            self.events: list[tuple[Event, Glance]] = []

        def add(self, one: Event, glance: Glance, /) -> None:
            self.events.append((one, glance))

    met = [seen(event(number, {}, name="$ai_span" if number == 1 else "$ai_generation")) for number in range(3)]
    kept = Kept()
    made = PreviewFold(now=NOW, takes=lambda _: True, content=kept)
    for one, glance in met:
        made.see(one, glance, is_open=False)
    assert kept.events == met


def test_coverage_counts_what_is_known_by_format() -> None:
    met = [
        seen(event(1, {"$ai_model": "m", "$ai_latency": 1}), "litellm"),
        seen(event(2, {"$ai_model": "m"}), "litellm"),
        seen(event(3, {"$ai_model": "m"}), "ollama"),
    ]
    litellm, ollama = fold(met).coverage
    assert (litellm.format, litellm.calls, ollama.format, ollama.calls) == ("litellm", 2, "ollama", 1)
    known = Counter({row.property: row.known for row in litellm.properties})
    assert (known["model"], known["latency"], known["cost"]) == (2, 1, 0)
    fields = {row.property: row.fields for row in litellm.properties}
    assert (fields["latency"], fields["cost"]) == ((), ("response_cost",))


def test_coverage_has_the_advice_of_validate() -> None:
    report = RunReport("run", Mode.PREVIEW)
    report.records = 4
    report.coverage_by_format = {"litellm": Counter({"calls": 4, "unredacted": 4})}
    (coverage,) = fold([seen(event(1, {"$ai_model": "m"}))], report=report).coverage
    advice = {row.property: row.advice for row in coverage.properties}
    assert advice["user"] is not None
    assert "x-litellm-end-user-id" in advice["user"]
    assert advice["model"] is None
