"""A glance says of an event what PostHog will read from its properties, and no more."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.glance import MAX_MESSAGE, PROPERTIES, known_properties
from posthog_llm_cli.model import ConvertOptions, Glance, Pricing
from posthog_llm_cli.values import replace
from tests.converting import OPTIONS, SAMPLES, convert_value, read_lines, with_build
from tests.preview.making import event, seen

GLANCING = replace(OPTIONS, glance=True)


def glance(**properties: Any) -> Glance:
    return seen(event(1, {f"$ai_{name}": value for name, value in properties.items()}))[1]


def of_sample(number: int, options: ConvertOptions = GLANCING, name: str = "litellm") -> Glance:
    found = convert_value(read_lines(SAMPLES / f"{name}.jsonl")[number - 1], options).glance
    assert found is not None
    return found


def test_nobody_who_does_not_ask_gets_one() -> None:
    assert convert_value(read_lines(SAMPLES / "litellm.jsonl")[0]).glance is None


def test_a_calls_facts_are_those_of_its_event() -> None:
    found = of_sample(1)
    assert (found.format, found.model, found.provider, found.is_call) == ("litellm", "gpt-4o", "openai", True)
    assert (found.input_tokens, found.output_tokens, found.tokens, found.latency_s) == (10, 20, 30, 1.5)
    assert (found.cost_usd, found.pricing, found.has_user, found.has_content) == (0.000225, Pricing.LOGGED, True, True)
    assert {"model", "input", "output", "user", "cost", "latency"} <= {
        row.name for row in known_properties(found.known)
    }


def test_privacy_mode_leaves_nothing_to_see() -> None:
    options = replace(with_build(privacy_mode=True), glance=True)
    found = of_sample(1, options)
    assert not found.has_content
    assert {"input", "output"}.isdisjoint(row.name for row in known_properties(found.known))
    assert of_sample(3, options, "openai-error").error_message is None


@pytest.mark.parametrize(
    ("properties", "cost_usd", "pricing"),
    [
        ({"total_cost_usd": 0.5}, 0.5, Pricing.LOGGED),
        ({"total_cost_usd": 0}, 0.0, Pricing.LOGGED),
        ({"input_cost_usd": 0.25, "output_cost_usd": 0.5}, 0.75, Pricing.LOGGED),
        ({"input_token_price": 1e-6, "output_token_price": 2e-6, "input_tokens": 3}, None, Pricing.LOGGED),
        ({"input_tokens": 3}, None, Pricing.ESTIMATED),
        ({"output_tokens": 0}, None, Pricing.ESTIMATED),
        ({"total_cost_usd": 1e300, "input_tokens": 1e300, "output_tokens": 3}, None, Pricing.ESTIMATED),
        ({"total_cost_usd": "0.5", "input_tokens": 3}, None, Pricing.ESTIMATED),
        ({}, None, Pricing.NONE),
    ],
)
def test_where_the_cost_comes_from(properties: dict[str, Any], cost_usd: float | None, pricing: Pricing) -> None:
    found = glance(**properties)
    assert (found.cost_usd, found.pricing) == (cost_usd, pricing)


@pytest.mark.parametrize("odd", ["1", True, -1, None, [1]])
def test_a_number_of_another_type_is_not_said(odd: Any) -> None:
    found = glance(latency=odd, input_tokens=odd, http_status=odd)
    assert (found.latency_s, found.input_tokens, found.http_status) == (None, None, None)


def test_an_errors_message_is_kept_to_its_beginning() -> None:
    assert glance(error="x" * 1000).error_message == "x" * MAX_MESSAGE


def test_a_trace_of_its_own_is_no_known_trace() -> None:
    own = {row.name for row in known_properties(glance(trace_id="s-1", span_id="s-1").known)}
    named = {row.name for row in known_properties(glance(trace_id="t-1", span_id="s-1").known)}
    assert ("own trace" in own, "own trace" in named) == (False, True)


@given(st.sets(st.sampled_from([row for row in PROPERTIES if row.key is not None])))
def test_what_is_known_is_what_is_there(rows: set[Any]) -> None:
    _, found = seen(event(1, {row.key: "x" for row in rows}, distinct_id="u-1"))
    assert {row.key for row in known_properties(found.known)} - {None} == {row.key for row in rows}


def test_every_row_has_a_name_and_a_title_of_its_own() -> None:
    assert len({row.name for row in PROPERTIES}) == len({row.title for row in PROPERTIES}) == len(PROPERTIES)
