"""What an outline and a label say, and that no text makes them fail."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.glance import glance_of
from posthog_llm_cli.page.facts import OUTLINE, label, outline, plain, preview, storable
from tests.converting import to_event
from tests.page.making import call, said

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"input": [{"role": "user", "content": "one"}, {"role": "user", "content": " two \n three "}]}, "two three"),
        ({"input": [{"role": "user", "content": "asked"}, {"role": "assistant", "content": "said"}]}, "asked"),
        ({"input": [{"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": "see"}]}]}, "see"),
        ({"input": [{"role": "system", "content": "rules"}]}, "rules"),
        ({"input": "embedded text"}, "embedded text"),
        ({"input": ["first", "second"]}, "first"),
        ({"output_choices": [{"role": "assistant", "content": [{"type": "text", "text": "answer"}]}]}, "answer"),
        ({"input": [{"role": "user", "content": "x" * 500}]}, "x" * 159 + "…"),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_trace_is_known_by_what_its_user_said_last(given_: dict[str, Any], expected: str) -> None:
    assert preview(to_event(call(**given_)).properties) == expected


@given(JSON, JSON)
def test_any_content_has_a_preview(asked: object, answered: object) -> None:
    properties = orjson.dumps({"$ai_input": asked, "$ai_output_choices": answered})
    assert len(preview(properties)) <= 160


def test_an_outline_has_a_value_for_each_of_its_names() -> None:
    event = to_event(
        call(4, latency=1.5, total_cost_usd=0.25, is_error=True, http_status=429, error_type="RateLimitError")
    )
    named = dict(zip(OUTLINE, orjson.loads(outline(event, glance_of(event, None, ()))), strict=True))
    assert named["kind"] == "generation"
    assert (named["span"], named["latency_s"], named["cost_usd"]) == ("span-4", 1.5, 0.25)
    assert (named["error"], named["status"], named["source"]) == ("RateLimitError", 429, "test.jsonl:1")


def test_without_content_a_label_has_no_preview() -> None:
    event = to_event(call())
    assert orjson.loads(label(event, glance_of(event, None, ())))[2] == ""
    event = to_event(call(**said("hello", "hi")))
    assert orjson.loads(label(event, glance_of(event, None, ())))[2] == "hello"


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=60))
def test_any_text_becomes_one_that_utf_8_can_hold(text: str) -> None:
    assert plain(text).encode().decode() == plain(text)


def test_a_key_is_masked_and_a_count_that_is_none_is_dropped() -> None:
    assert plain("my phc_abcdefghijklmnop") == "my phc_…mnop"
    assert (storable(12), storable(10**30), storable(None)) == (12, None, None)
