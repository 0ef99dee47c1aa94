from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.identity import NAMESPACE
from posthog_llm_cli.payload import shorten_distinct_id
from tests.converting import RUN_STARTED_AT, convert_value, to_event, to_properties, to_rejection, wire, with_build
from tests.formats.test_litellm import kwargs, payload


def passed(**changes: Any) -> dict[str, Any]:
    """A PostHog event as a record."""
    base = {
        "event": "$ai_generation", "distinct_id": "u-1", "uuid": "0190A3B400007000A000000000000001",
        "timestamp": "2025-06-01T12:00:00.5+02:00", "properties": {"$ai_model": "m", "$ai_trace_id": "t"},
    }  # fmt: skip
    return {**base, **changes}


def test_the_namespace_is_pinned() -> None:
    """Changing it makes every replay a duplicate; so this value never changes."""
    assert str(NAMESPACE) == "4aa45a0d-3934-5612-94d3-a0d6a13c0764"


def test_what_legacy_keeps_in_properties_goes_elsewhere_on_v1() -> None:
    event = to_event(kwargs({"$session_id": "web-1"}))
    legacy = orjson.loads(b"{" + event.legacy_properties + b"}")
    v1 = orjson.loads(b"{" + event.v1_members + b"}")
    assert legacy == {
        "$ignore_sent_at": True, "$process_person_profile": False, "$session_id": "web-1", "$lib": "posthog-llm-cli",
        "$lib_version": legacy["$lib_version"],
    }  # fmt: skip
    assert v1 == {"options": {"disable_skew_correction": True, "process_person_profile": False}, "session_id": "web-1"}
    assert not set(legacy) & set(orjson.loads(event.properties))


def test_a_call_with_a_user_says_nothing_of_person_profiles() -> None:
    event = to_event(kwargs({"user_id": "u"}))
    assert b"process_person_profile" not in event.legacy_properties + event.v1_members


@pytest.mark.parametrize(
    ("record", "model"),
    [
        (payload(model="gpt-4o"), "gpt-4o"),
        (passed(), "m"),
        (passed(event="$ai_span", properties={"$ai_trace_id": "t"}), ""),
        (passed(properties={"$ai_model": 7}), ""),
    ],
)
def test_an_event_tells_its_model_to_the_report(record: dict[str, Any], model: str) -> None:
    assert to_event(record).model == model


def test_no_property_is_ever_null() -> None:
    assert None not in to_properties(payload()).values()


def test_the_configured_user_is_for_calls_that_name_none() -> None:
    options = with_build(distinct_id="batch")
    assert to_event(payload(), options).distinct_id == "batch"
    assert to_event(kwargs({"user_id": "u"}), options).distinct_id == "u"


@given(st.text(min_size=1, max_size=400), st.text(min_size=1, max_size=400))
def test_a_shortened_id_has_at_most_200_bytes_and_two_stay_two(first: str, second: str) -> None:
    warnings: dict[str, None] = {}
    short, other = shorten_distinct_id(first, warnings), shorten_distinct_id(second, {})
    assert len(short.encode()) <= 200
    assert ("distinct-id-shortened" in warnings) is (len(first.replace("\0", "\ufffd").strip().encode()) > 200)
    same = first.replace("\0", "\ufffd").strip() == second.replace("\0", "\ufffd").strip()
    assert (short == other) is same


def test_own_properties_and_the_import_id_are_added_and_overwrite_nothing_built() -> None:
    found = to_properties(kwargs({"team": "a"}), with_build(properties={"team": "b", "run": "1"}, import_id="imp"))
    assert (found["team"], found["run"], found["plh_import_id"]) == ("b", "1", "imp")


@pytest.mark.parametrize(("age", "expired"), [(timedelta(days=29), False), (timedelta(days=31), True)])
def test_content_that_posthog_will_not_keep_is_warned_of(age: timedelta, expired: bool) -> None:
    at = (RUN_STARTED_AT - age).timestamp()
    assert ("content-expired" in convert_value(payload(startTime=at, endTime=at)).warnings) is expired


def test_a_key_that_is_no_project_key_is_warned_of() -> None:
    assert "odd-api-key" in convert_value(kwargs(dynamic={"posthog_api_key": "custom"})).warnings


# -------------------------------------------------------------------------------------------------------- pass-through


def test_a_passed_through_event_stays_but_for_uuid_and_time() -> None:
    assert wire(to_event(passed())) == {
        "event": "$ai_generation", "uuid": "0190a3b4-0000-7000-a000-000000000001", "distinct_id": "u-1",
        "timestamp": "2025-06-01T10:00:00.500000Z",
        "properties": {
            "$ai_model": "m", "$ai_trace_id": "t", "$geoip_disable": True, "$ignore_sent_at": True,
            "$lib": "posthog-llm-cli", "$lib_version": to_properties(passed())["$lib_version"],
        },
    }  # fmt: skip


def test_what_is_printed_passes_through_unchanged() -> None:
    first = wire(to_event(kwargs({"$session_id": "w", "a": 1})))
    assert wire(to_event(first)) == first


def test_what_it_has_is_not_replaced() -> None:
    own = {"$lib": "mine", "$geoip_disable": False, "$ignore_sent_at": False, "$process_person_profile": True, "x": 1}
    found = to_properties(passed(properties=own), with_build(properties={"x": "2"}, import_id="i"))
    assert found == {**own, "plh_import_id": "i"}


def test_without_a_uuid_the_content_gives_one() -> None:
    first, again = to_event(passed(uuid=None)), to_event(passed(uuid=None))
    other = to_event(passed(uuid=None, distinct_id="u-2"))
    assert first.uuid == again.uuid != other.uuid


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"event": ""}, "invalid-event", "$.event"),
        ({"event": "e" * 201}, "invalid-event", "$.event"),
        ({"distinct_id": " "}, "invalid-event", "$.distinct_id"),
        ({"uuid": "no"}, "invalid-event", "$.uuid"),
        ({"uuid": 7}, "invalid-event", "$.uuid"),
        ({"properties": {"$set": 1}}, "invalid-event", "$.properties.$set"),
        ({"timestamp": None}, "missing-field", "$.timestamp"),
        ({"timestamp": "1970-01-01"}, "missing-field", "$.timestamp"),
        ({"event": "$pageview"}, "not-an-ai-event", "$.event"),
    ],
)
def test_an_event_that_cannot_be_taken_is_rejected(changes: Any, code: str, path: str) -> None:
    error = to_rejection(passed(**changes))
    assert (error.code, error.path) == (code, path)


def test_other_events_go_on_the_batch_route_only() -> None:
    from posthog_llm_cli.model import Endpoint

    assert to_event(passed(event="$pageview"), with_build(endpoint=Endpoint.BATCH)).name == "$pageview"


def test_times_are_utc_with_microseconds() -> None:
    assert to_event(passed()).timestamp == datetime(2025, 6, 1, 10, 0, 0, 500_000, tzinfo=UTC)


# ---------------------------------------------------------------------------------------------- what PostHog's page shows

CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"bird":"wren"}'}}


def answered(**message: Any) -> list[Any]:
    """The output of a chat completion with such a message."""
    answer: list[Any] = to_properties(payload(response={"choices": [{"index": 0, "message": message}]}))[
        "$ai_output_choices"
    ]
    return answer


def test_reasoning_text_and_function_calls_are_parts_of_one_message() -> None:
    """Also beside reasoning: not every version of PostHog counts the calls that stand beside a content."""
    assert answered(content="I look.", reasoning_content="Which bird?", tool_calls=[CALL]) == [
        {
            "role": "assistant",
            "content": [{"type": "reasoning", "text": "Which bird?"}, {"type": "text", "text": "I look."}, CALL],
        }
    ]


def test_a_cost_that_is_not_believed_is_not_left_to_posthog_in_the_usage() -> None:
    """It takes a number under `cost` in the usage for what was paid, zero too, and then prices nothing."""
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30, "cost": 0}
    sent = to_properties(payload(response_cost=0.0, metadata={"usage_object": usage}))
    assert "$ai_total_cost_usd" not in sent
    assert sent["$ai_usage"] == {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
    paid = to_properties(payload(response_cost=0.5, metadata={"usage_object": {**usage, "cost": 0.5}}))
    assert paid["$ai_usage"]["cost"] == 0.5


@pytest.mark.parametrize("asked", [False, True])
def test_reasoning_in_a_content_alone_is_where_posthogs_page_looks(asked: bool) -> None:
    """Of an item with a summary, an empty one too, it shows the summary: gpt-oss's reasoning was a blank."""
    item = {
        "type": "reasoning", "id": "rs_1", "summary": [],
        "content": [{"type": "reasoning_text", "text": "Which bird?"}, {"type": "reasoning_text", "text": "A wren."}],
    }  # fmt: skip
    shown = {"type": "reasoning", "id": "rs_1", "text": "Which bird?\nA wren."}
    if asked:
        assert to_properties(payload(messages=[item, {"role": "user", "content": "hi"}]))["$ai_input"][0] == shown
    else:
        answer = to_properties(payload(call_type="aresponses", response={"output": [item]}))["$ai_output_choices"]
        assert answer == [{"role": "assistant", "content": [shown]}]


def test_reasoning_with_a_summary_stays_as_it_came() -> None:
    item = {
        "type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Birds."}],
        "content": [{"type": "reasoning_text", "text": "Which bird?"}],
    }  # fmt: skip
    answer = to_properties(payload(call_type="aresponses", response={"output": [item]}))["$ai_output_choices"]
    assert answer == [{"role": "assistant", "content": [item]}]


def counted(usage: dict[str, Any], model: str = "gpt-4o", cost: float = 0.0) -> dict[str, Any]:
    """The counts that are sent of a call with such usage, but for those that every call has."""
    record = payload(
        model=model, response_cost=cost, metadata={"usage_object": usage},
        **{key: usage[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")},
    )  # fmt: skip
    usual = {"$ai_input_tokens", "$ai_output_tokens", "$ai_total_tokens"}
    return {key: n for key, n in to_properties(record).items() if key.endswith("_tokens") and key not in usual}


CHAT = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}


@pytest.mark.parametrize(
    ("usage", "sent"),
    [
        (
            {
                "prompt_tokens_details": {
                    "audio_tokens": 40, "cached_tokens": 30, "cached_tokens_details": {"audio_tokens": 10},
                },
                "completion_tokens_details": {"audio_tokens": 20, "text_tokens": 30},
            },
            {
                "$ai_audio_input_tokens": 40, "$ai_cache_read_input_tokens": 30, "$ai_cache_read_audio_tokens": 10,
                "$ai_audio_output_tokens": 20,
            },
        ),
        ({"completion_tokens_details": {"image_tokens": 45}}, {"$ai_image_output_tokens": 45}),
        ({"completion_tokens_details": {"image_tokens": 51, "audio_tokens": 0}}, {}),
        (
            {
                "prompt_tokens_details": {
                    "cache_creation_tokens": 30,
                    "cache_creation_token_details": {
                        "ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20,
                    },
                },
            },
            {
                "$ai_cache_creation_input_tokens": 30,
                "$ai_cache_creation_5m_input_tokens": 10, "$ai_cache_creation_1h_input_tokens": 20,
            },
        ),
        (
            {
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 20},
            },
            {"$ai_cache_creation_input_tokens": 30},
        ),
    ],
)  # fmt: skip
def test_kinds_of_tokens_that_posthog_prices_apart_are_named(usage: dict[str, Any], sent: dict[str, Any]) -> None:
    assert counted({**CHAT, **usage}) == sent


@pytest.mark.parametrize(
    ("model", "total", "text"),
    [
        ("gemini-2.5-pro", 150, 20), ("gemini-3-flash-preview", 150, 20), ("google/gemini-3.1-pro-preview", 150, 20),
        ("gemini-2.5-pro", 180, None),  # PostHog adds what is not in it
        ("gemini-2.0-flash", 150, None), ("o3", 150, None),
        ("grok-4", 180, 80),  # PostHog adds nothing
    ],
)  # fmt: skip
def test_reasoning_is_priced_once_where_posthog_must_estimate(model: str, total: int, text: int | None) -> None:
    """PostHog adds reasoning to the output of Gemini 2.5 and 3 and to no other, whatever the log counts."""
    usage = {**CHAT, "total_tokens": total, "completion_tokens_details": {"reasoning_tokens": 30}}
    assert counted(usage, model).get("$ai_text_output_tokens") == text
    assert "$ai_text_output_tokens" not in counted(usage, model, 0.5)


@pytest.mark.parametrize(
    ("model", "told", "text"),
    [
        ("gemini-2.5-pro", {"total_tokens": 190}, None),  # with 10 of what its tools were asked
        ("o3", {"total_tokens": 190}, None),
        ("grok-4", {"completion_tokens": 4}, 34), ("gemini-2.5-pro", {"completion_tokens": 4}, None),
        ("gemini-2.5-pro", {}, 20), ("o3", {}, None),
        ("claude-opus-4", {"completion_tokens": 20, "total_tokens": 120}, None),  # LiteLLM estimates its reasoning
    ],
)  # fmt: skip
def test_reasoning_is_beside_the_output_where_the_counts_leave_it_no_room(
    model: str, told: dict[str, int], text: int | None
) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "completion_tokens_details": {"reasoning_tokens": 30},
        **told,
    }
    record = {"timestamp": "2025-06-01T10:00:00Z", "model": model, "prompt": "Hi", "response": "Ho", "usage": usage}
    assert to_properties(record).get("$ai_text_output_tokens") == text


@pytest.mark.parametrize(
    ("model", "told", "text"),
    [
        ("gemini-2.5-pro", {"total_tokens": 109}, 74), ("google/gemini-3-pro-preview", {"total_tokens": 109}, 74),
        ("gemini-2.5-pro", {"total_tokens": 47}, None), ("gemini-2.5-pro", {}, None),
        ("gemini-2.5-pro", {"total_tokens": 109, "prompt_tokens_details": {"cached_tokens": 20}}, None),
        ("gemini-2.0-flash", {"total_tokens": 109}, None), ("gpt-4o", {"total_tokens": 109}, None),
    ],
)  # fmt: skip
def test_thoughts_that_google_counts_in_the_total_alone_are_priced(model: str, told: Any, text: int | None) -> None:
    """Its answers in OpenAI's form; what a total holds beside a cache may be the cache."""
    usage = {"prompt_tokens": 35, "completion_tokens": 12, **told}
    record = {"timestamp": "2025-06-01T10:00:00Z", "model": model, "prompt": "Hi", "response": "Ho", "usage": usage}
    found = to_properties(record)
    assert (found.get("$ai_text_output_tokens"), found["$ai_output_tokens"]) == (text, 12)
    assert "$ai_reasoning_tokens" not in found


@pytest.mark.parametrize(("model", "text"), [("o3", None), ("gemini-2.5-pro", 20)])
def test_the_ai_sdks_text_does_not_stand_for_the_whole_output(model: str, text: int | None) -> None:
    """PostHog reads `outputTokenDetails` as Google's, whose text it adds the reasoning to, of any model."""
    usage = {
        "inputTokens": 100, "outputTokens": 50, "totalTokens": 150, "reasoningTokens": 30,
        "outputTokenDetails": {"textTokens": 20, "reasoningTokens": 30},
    }  # fmt: skip
    record = {"timestamp": "2025-06-01T10:00:00Z", "model": model, "prompt": "Hi", "response": "Ho", "usage": usage}
    found = to_properties(record)
    assert found["$ai_usage"] == {key: value for key, value in usage.items() if key != "outputTokenDetails"}
    assert (found["$ai_output_tokens"], found.get("$ai_text_output_tokens")) == (50, text)
    assert to_properties({**record, "cost": 0.5})["$ai_usage"] == usage


def test_a_custom_tools_call_in_the_history_is_a_function_call_as_in_an_answer() -> None:
    """Of `tool_calls` PostHog's page shows those that have a function with a name, and of others nothing at all."""
    custom = {"id": "call_2", "type": "custom", "custom": {"name": "run", "input": "ls"}}
    asked = {"role": "assistant", "content": None, "tool_calls": [CALL, custom]}
    (sent,) = to_properties(payload(messages=[asked]))["$ai_input"]
    assert sent["tool_calls"] == [
        CALL,
        {"id": "call_2", "type": "function", "function": {"name": "run", "arguments": "ls"}},
    ]
