"""When a call of an OpenAI-format log was, and how long it took: forms of times, days alone, units that contradict."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.converting import convert_value, to_event, to_properties, to_rejection, with_parse
from tests.formats.test_openai import CREATED, MESSAGES, chat

TEN = datetime(2025, 6, 1, 10, tzinfo=UTC)
ASKED = {"model": "gpt-4o", "messages": MESSAGES}


def pair(**changes: Any) -> dict[str, Any]:
    """A pair whose answer tells no time."""
    answer = {key: value for key, value in chat().items() if key != "created"}
    return {"request": ASKED, "response": answer, **changes}


def test_a_day_and_a_time_of_day_are_one_time() -> None:
    assert to_event(pair(date="2025-06-01", time="10:00:00")).timestamp == TEN
    assert to_event(pair(date="2025-06-01", time="9:30")).timestamp == TEN.replace(hour=9, minute=30)
    assert to_event(pair(date="2025-06-01", time="12:00:00+02:00")).timestamp == TEN
    berlin = with_parse(timezone=ZoneInfo("Europe/Berlin"))
    assert to_event(pair(date="2025-06-01", time="12:00:00.5"), berlin).timestamp == TEN.replace(microsecond=500_000)
    found = convert_value(pair(date="2025-06-01", time="half past ten"))
    assert "bad-timestamp" in found.warnings


def test_a_day_alone_gives_way_to_whatever_knows_the_hour() -> None:
    known = {"request": ASKED, "response": chat()}
    for key in ("date", "timestamp", "created_at"):
        assert to_event({**known, key: "2025-06-01"}).timestamp == TEN
        assert to_event(pair(**{key: "2025-06-01"})).timestamp == TEN.replace(hour=0)
    assert to_event(pair(date="2025-06-01", started_at="2025-06-01T09:59:58Z", latency=2.0)).timestamp == TEN


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("createdAt", "2025-06-01T10:00:00Z"),
        ("loggedAt", 1748772000000),
        ("finishedAt", "2025-06-01T10:00:00Z"),
        ("@timestamp", "2025-06-01T10:00:00Z"),
        ("@t", "2025-06-01T10:00:00.0000000Z"),
        ("asctime", "2025-06-01 10:00:00,000"),
        ("timestamp_ms", 1748772000000),
        ("created", 1748772000),
        ("recorded_at", "Sun, 01 Jun 2025 10:00:00 GMT"),
        ("timestamp", "Sun, 1 Jun 2025 12:00:00 +0200"),
        ("timestamp", "2025-06-01 10:00:00 GMT"),
        ("timestamp", "20250601T100000Z"),
        ("timestamp", {"$date": "2025-06-01T10:00:00Z"}),
        ("timestamp", {"$date": 1748772000000}),
        ("timestamp", {"$date": {"$numberLong": "1748772000000"}}),
        ("createdAt", {"_seconds": 1748772000, "_nanoseconds": 0}),
        ("timestamp", {"seconds": 1748772000, "nanoseconds": 0}),
    ],
)
def test_more_keys_and_forms_of_a_time_are_read(key: str, value: Any) -> None:
    assert to_event(pair(**{key: value})).timestamp == TEN


@pytest.mark.parametrize(
    "value", ["Sun, 01 Foo 2025 10:00:00 GMT", "20251301T100000Z", {"$date": {}}, {"$date": None}, {}]
)
def test_what_only_looks_like_a_time_is_none(value: Any) -> None:
    assert to_rejection(pair(timestamp=value)).code == "missing-field"


@pytest.mark.parametrize("key", ["latency", "latency_ms", "duration_s", "ttft", "ttft_ms"])
@pytest.mark.parametrize("value", ["1.5s", "1500", True, [1.5], {"seconds": 1}])
def test_a_duration_that_is_no_number_is_left_out_with_a_warning(key: str, value: Any) -> None:
    record = pair(timestamp="2025-06-01T10:00:00Z", **{key: value})
    assert "bad-times" in convert_value(record).warnings
    assert not to_properties(record).keys() & {"$ai_latency", "$ai_time_to_first_token"}


def test_a_duration_without_unit_that_start_and_end_contradict_is_left_out() -> None:
    record = pair(started_at="2025-06-01T09:59:58Z", ended_at="2025-06-01T10:00:00Z", latency=2000.0)
    assert "ambiguous-latency" in convert_value(record).warnings
    assert "$ai_latency" not in to_properties(record)
    assert to_properties({**record, "latency": 2.25})["$ai_latency"] == 2.25
    assert to_properties({**record, "latency_s": 2000.0, "latency": None})["$ai_latency"] == 2000.0


def test_the_time_of_a_browsers_recording_is_in_milliseconds() -> None:
    record = pair(startedDateTime="2025-06-01T09:59:58.5Z", time=1500)
    assert to_event(record).timestamp == TEN
    assert to_properties(record)["$ai_latency"] == 1.5


@pytest.mark.parametrize("key", ["latency", "duration", "elapsed", "response_time"])
@pytest.mark.parametrize(
    ("value", "seconds_later", "believed"),
    [
        (812, 1, False),  # milliseconds of a call that was over within three seconds
        (812.35, 1, False),
        (150, 0, False),
        (99, 1, True),  # too few to tell
        (120, 118, True),  # a long call
        (300.5, 301, True),
        (812, 3600, True),  # a call of a quarter of an hour, in a log that was written an hour later
        (150, 3600, False),  # a log that was written later knows nothing
    ],
)
def test_a_duration_without_unit_is_left_out_unless_the_records_times_bear_it_out(
    key: str, value: float, seconds_later: int, believed: bool
) -> None:
    record = pair(timestamp=CREATED + seconds_later, response=chat(), **{key: value})
    found, warnings = to_properties(record), convert_value(record).warnings
    assert found.get("$ai_latency") == (value if believed else None)
    assert ("ambiguous-latency" in warnings) is not believed


@pytest.mark.parametrize("names", [("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")])
@pytest.mark.parametrize(("tokens", "believed"), [(600, True), (451, True), (450, False), (2, False), (None, False)])
def test_milliseconds_in_which_nobody_writes_so_many_tokens_are_seconds(
    names: tuple[str, str], tokens: int | None, believed: bool
) -> None:
    """A local server says when its answer was complete, and some logs when the call began."""
    response = {**chat(), "usage": dict(zip(names, (5, tokens), strict=True))}
    record = pair(timestamp=CREATED, response=response, latency=150.0)
    assert to_properties(record).get("$ai_latency") == (150.0 if believed else None)


@pytest.mark.parametrize("times", [{"response": chat()}, {"timestamp": CREATED}, {"started_at": CREATED}])
@pytest.mark.parametrize("value", [812, 199.9])
def test_hundreds_without_unit_that_nothing_bears_out_are_left_out(times: Any, value: float) -> None:
    """`Date.now() - start`, `performance.now()`: milliseconds, in most logs under a name that does not say so."""
    record = pair(**{"response": chat(), **times, "latency": value})
    assert "ambiguous-latency" in convert_value(record).warnings
    assert "$ai_latency" not in to_properties(record)
    assert to_event(record).timestamp == TEN
    assert to_properties({**record, "latency": 81.2})["$ai_latency"] == 81.2


@pytest.mark.parametrize("counts", [{"outputTokens": 900}, {"usage": {"completion_tokens": 900}}])
def test_a_long_answer_bears_out_the_seconds_of_a_flat_record(counts: Any) -> None:
    record = {"timestamp": CREATED, "model": "gpt-4o", "prompt": "Hi", "output": "Ho", "latency": 120, **counts}
    assert to_properties(record)["$ai_latency"] == 120.0
    assert "$ai_latency" not in to_properties({**record, "outputTokens": 9, "usage": None})


def test_hundreds_of_seconds_to_a_first_token_alone_are_left_out() -> None:
    record = pair(timestamp=CREATED, ttft=350)
    assert "ambiguous-latency" in convert_value(record).warnings
    assert "$ai_time_to_first_token" not in to_properties(record)
    assert to_properties({**record, "ttft": 0.35})["$ai_time_to_first_token"] == 0.35


def test_a_duration_with_a_unit_is_believed() -> None:
    assert to_properties(pair(timestamp=CREATED + 1, response=chat(), latency_s=812))["$ai_latency"] == 812.0
