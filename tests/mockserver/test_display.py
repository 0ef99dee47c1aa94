from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.mockserver.display import clean, event_line, last_user_message, request_lines, tally_lines
from posthog_llm_cli.mockserver.judging import Posted
from posthog_llm_cli.mockserver.legacy import judge_legacy
from posthog_llm_cli.mockserver.store import SeenRequest, Store
from posthog_llm_cli.model import Endpoint
from tests.mockserver.posting import envelope, event

NOW = datetime(2026, 11, 23, 19, 2, 33, tzinfo=UTC)

CALL = {
    "$ai_model": "gpt-4o",
    "$ai_input_tokens": 1200,
    "$ai_output_tokens": 20,
    "$ai_total_cost_usd": 0.000225,
    "$ai_latency": 0.261,
    "$ai_trace_id": "trace-1",
    "$ai_input": [
        {"role": "user", "content": "An earlier question"},
        {"role": "assistant", "content": "An answer"},
        {"role": "user", "content": [{"type": "text", "text": "Which\nbird\tis \x1b[31mthis?"}]},
    ],
}


def _seen(**changed: Any) -> SeenRequest:
    found: dict[str, Any] = {
        "received_at": NOW,
        "method": "POST",
        "path": "/i/v1/ai/events",
        "route": Endpoint.V1,
        "api_key": "phc_…wxyz",
        "status": 200,
        "answer": "",
        "faults": (),
        "events": 2,
        "stored": 2,
        "historical": True,
        "sent_bytes": 4400,
        "body_bytes": 2 * 1024 * 1024,
        "body_digest": "",
        "verdicts": {"ok": 2},
        "headers": {"posthog-attempt": "2"},
    }
    return SeenRequest(**(found | changed))


def test_an_event_is_one_line_with_what_the_list_of_generations_shows() -> None:
    line = event_line({"event": "$ai_generation", "distinct_id": "user-7", "properties": CALL})
    assert line == (
        "$ai_generation  gpt-4o  1,200→20 tokens  $0.000225  0.26 s  trace trace-1  user user-7  "
        '"Which bird is [31mthis?"'
    )


def test_a_tiny_cost_is_not_shown_as_zero() -> None:
    lines = [event_line({"properties": {"$ai_total_cost_usd": cost}}) for cost in (2.8e-7, 0.0)]
    assert "under $0.000001" in lines[0]
    assert "$0.000000" in lines[1]


def test_a_request_is_one_line_with_its_answer() -> None:
    [line] = request_lines(_seen(), [], [])
    assert line == (
        "19:02:33  POST  /i/v1/ai/events  phc_…wxyz  2 events  4.3 KiB (2.0 MiB unpacked)  historical  attempt 2"
        "  →  200: 2 ok"
    )


def test_a_fault_and_a_refusal_are_told() -> None:
    [line] = request_lines(_seen(status=None, faults=("slow", "reset"), verdicts={}, events=None), [], [])
    assert line.endswith("→  no answer (slow, reset on order)")
    assert "events ?" in line
    [line] = request_lines(_seen(status=400, verdicts={}, answer="expected\nevents"), [], [])
    assert line.endswith("→  400: expected events")


def test_of_more_than_20_events_the_first_five_are_shown() -> None:
    def lines(count: int) -> list[str]:
        events = [event() for _ in range(count)]
        posted = Posted(Endpoint.BATCH, {}, orjson.dumps(envelope("batch", *events)), NOW)
        judged = judge_legacy(posted)
        return request_lines(_seen(), judged.events, Store().add_events(posted, judged))

    assert len(lines(20)) == 21
    assert len(lines(21)) == 7
    assert lines(21)[-1] == "    … and 16 more"


def test_the_last_user_message_is_found_in_every_form() -> None:
    assert last_user_message("raw text of an embedding") == "raw text of an embedding"
    assert last_user_message(["first text", "second"]) == "first text"
    assert last_user_message([{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]) == "a"
    assert last_user_message([{"role": "system", "content": "a"}]) == ""
    assert last_user_message(None) == last_user_message([]) == last_user_message(7) == ""


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_properties = st.dictionaries(st.sampled_from([*CALL, "$ai_is_error"]), _json)


@given(_json | _properties, st.text())
def test_any_event_is_one_printable_line(properties: object, name: str) -> None:
    line = event_line({"event": name, "distinct_id": name, "properties": properties}, notes=["a note"], duplicate=True)
    assert line.isprintable()


@given(st.text(), st.integers(1, 80))
def test_clean_text_is_short_and_printable(text: str, length: int) -> None:
    assert clean(text, length).isprintable()
    assert len(clean(text, length)) <= length


def test_the_tally_names_events_answers_and_fired_faults() -> None:
    store = Store()
    posted = Posted(Endpoint.BATCH, {}, orjson.dumps(envelope("batch", event(), event())), NOW)
    store.add_events(posted, judge_legacy(posted))
    store.add_request(_seen(status=503, verdicts={}))
    assert tally_lines({**store.tally(), "faults": {"503": 1, "reset": 0}}) == [
        "2 events in 1 request (4.3 KiB as sent)",
        "events: $ai_generation 2",
        "routes: v1 1",
        "answers: 503 1",
        "faults fired: 503 1, reset 0",
    ]
