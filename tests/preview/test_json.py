"""`plh preview --json`: one object with every figure, no key in it."""

import orjson
from hypothesis import given, settings

from posthog_llm_cli.preview.json import SCHEMA, render_json
from tests.laws import examples
from tests.preview.making import Seen, event, events, fold, seen


@settings(max_examples=examples(30))
@given(events())
def test_it_is_one_line_of_json_with_the_figures(met: list[Seen]) -> None:
    preview = fold(met)
    text = render_json(preview, exit_code=3)
    assert (text.count(b"\n"), text.endswith(b"\n")) == (1, True)
    found = orjson.loads(text)
    assert (found["schema"], found["exit_code"]) == (SCHEMA, 3)
    assert found["counts"]["calls"] == preview.counts.calls
    assert [model["cost_usd"] for model in found["models"]] == [model.cost_usd for model in preview.models]
    assert found["timeline"]["unit"] == preview.timeline.unit
    assert len(found["examples"]) == len(preview.examples)


def test_places_are_source_and_line_and_times_are_utc() -> None:
    found = orjson.loads(render_json(fold([seen(event(6, {"$ai_latency": 1}))]), exit_code=0))
    assert found["slowest"][0]["ref"] == "app.jsonl:7"
    assert found["timeline"]["first_at"] == "2026-06-01T12:00:00Z"


def test_no_key_is_whole() -> None:
    found = render_json(fold([seen(event(1, {"$ai_model": "phc_abcdefghijklmnop"}))]), exit_code=0)
    assert b"phc_abcdefghijklmnop" not in found
    assert "phc_…mnop".encode() in found
