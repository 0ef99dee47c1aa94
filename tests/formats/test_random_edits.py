"""Records with random edits: nothing crashes, and no number is sent that the record does not hold (see `oracle`)."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posthog_llm_cli import codes
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Event, Skipped
from tests.converting import OPTIONS, SAMPLES, convert_bytes, read_lines, to_properties, wire, with_parse
from tests.formats import oracle
from tests.formats.oracle import wrong_numbers
from tests.formats.shared import OPENAI_LOGS, needs_openai_logs
from tests.formats.test_facts import LATER
from tests.laws import examples

Path = tuple[str | int, ...]
SAMPLE_FILES = sorted([*SAMPLES.glob("openai-*.jsonl"), *SAMPLES.glob("ollama*.jsonl")])
METADATA_ONLY = with_parse(metadata_only=True)
MOST_BYTES = 20_000
TELLING = frozenset({
    *(key for keys in oracle.COUNTS.values() for key in keys), *oracle.COSTS, *oracle.STATUSES, *oracle.MILLISECONDS,
    *oracle.UNITLESS, *oracle.SECONDS, *oracle.FIRST_MILLISECONDS, *oracle.FIRST_SECONDS, *oracle.TIMES, *oracle.STARTS,
    "usage", "total_duration", "queue_time", "error", "response", "request", "choices", "object", "done",
})  # fmt: skip
"""Keys that decide about numbers: half of the edits are there."""

JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.integers(-3, 3000), st.floats(allow_nan=False),
    st.sampled_from(["", "x", "None", "12", "-1", "2025-06-01T10:00:00", "2025-06-01 10:00", "1748772000", 1748772000123, 1500, 0, "{", '{"a": 1}', "data: {}", "error"]),
    st.just([]), st.just({}), st.just([None]), st.just([[]]), st.just({"message": "x"}), st.just(1748772000), st.just(1e300),
)  # fmt: skip


def paths(value: Any, at: Path = ()) -> list[Path]:
    """Every place in a value, the root left out."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value[:20]))
    return [path for key, member in inner for path in ((*at, key), *paths(member, (*at, key)))]


def parent_of(value: Any, path: Path) -> Any:
    """The container that holds a place."""
    for key in path[:-1]:
        value = value[key]
    return value


@st.composite
def edited(draw: Callable[[Any], Any], records: Callable[[], list[Any]]) -> Any:
    """A record with one to four edits: a key removed, a value of another type, two values swapped."""
    known = records()
    record = copy.deepcopy(known[draw(st.integers(0, len(known) - 1))])
    for _ in range(draw(st.integers(1, 4))):
        places = paths(record)
        if not places:
            break
        telling = [place for place in places if place[-1] in TELLING]
        path = draw(st.sampled_from(telling if telling and draw(st.booleans()) else places))
        match draw(st.sampled_from(["remove", "change", "swap"])):
            case "remove":
                del parent_of(record, path)[path[-1]]
            case "change":
                parent_of(record, path)[path[-1]] = copy.deepcopy(draw(JUNK))
            case _:
                other = draw(st.sampled_from([place for place in places if not _inside(place, path)] or [path]))
                one, two = parent_of(record, path), parent_of(record, other)
                one[path[-1]], two[other[-1]] = two[other[-1]], one[path[-1]]
    return record


def _inside(one: Path, two: Path) -> bool:
    length = min(len(one), len(two))
    return one[:length] == two[:length]


def check(record: Any, options: Any) -> None:
    """The law: an event whose numbers are the record's, or a coded answer."""
    raw = orjson.dumps(record)
    for converted in convert_bytes(raw, options):
        result = converted.result
        assert set(converted.warnings) <= set(codes.WARNINGS)
        if isinstance(result, RecordError):
            assert result.code in codes.REJECTIONS
        elif isinstance(result, Skipped):
            assert result.code in codes.SKIPS
        else:
            assert isinstance(result, Event)
            of = record if converted.raw is None else orjson.loads(converted.raw)
            assert wrong_numbers(of, wire(result), run_started_at=options.parse.run_started_at) == []


@cache
def samples() -> list[Any]:
    """Every sample record of the OpenAI formats."""
    return [record for path in SAMPLE_FILES for record in read_lines(path)]


@cache
def real_records() -> list[Any]:
    """Every real record that is not huge (vectors and images only slow the edits down)."""
    lines = (raw for path in sorted(OPENAI_LOGS.glob("*/*.jsonl")) for raw in path.read_bytes().split(b"\n"))
    return [orjson.loads(raw) for raw in lines if raw.strip() and len(raw) < MOST_BYTES]


def test_the_numbers_of_every_sample_are_right() -> None:
    for record in samples():
        check(record, OPTIONS)


@needs_openai_logs
def test_the_numbers_of_every_real_record_are_right() -> None:
    for record in real_records():
        check(record, LATER)


@given(edited(samples))
@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_sample_with_random_edits_gives_no_wrong_number(record: Any) -> None:
    check(record, METADATA_ONLY)


@needs_openai_logs
@given(edited(real_records))
@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
def test_a_real_record_with_random_edits_gives_no_wrong_number(record: Any) -> None:
    check(record, LATER)


# ------------------------------------------------------------------------------------- the oracle and the warnings


BASE: dict[str, Any] = {
    "timestamp": "2025-06-01T10:00:00Z", "latency": 1.5, "time_to_first_token": 0.25, "cost_usd": 0.5, "status_code": 200,
    "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]},
    "response": {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1748772000, "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70, "prompt_tokens_details": {"cached_tokens": 40}},
    },
}  # fmt: skip
COUNTED = ("response", "usage")
CACHED = (*COUNTED, "prompt_tokens_details", "cached_tokens")
UNBELIEVED: list[tuple[Path, str, list[Any], str]] = [
    ((*COUNTED, "prompt_tokens"), "$ai_input_tokens", [True, -1, "many", 1.5, [5], 1748772000], "bad-usage"),
    ((*COUNTED, "completion_tokens"), "$ai_output_tokens", [False, -1, "", {}, 1e300], "bad-usage"),
    ((*COUNTED, "total_tokens"), "$ai_total_tokens", [True, -70, "70 tokens"], "bad-usage"),
    (CACHED, "$ai_cache_read_input_tokens", [True, -1, 51], "bad-usage"),
    (("cost_usd",), "$ai_total_cost_usd", [-0.5, "0.5", 1748772000], "no-cost"),
    (("cost_usd",), "$ai_total_cost_usd", [0], "zero-cost"),
    (("latency",), "$ai_latency", [-1.5, 1e300, 1748772000.5], "bad-times"),
    (("latency",), "$ai_latency", [1500], "ambiguous-latency"),
    (("time_to_first_token",), "$ai_time_to_first_token", [-0.25], "bad-times"),
    (("time_to_first_token",), "$ai_time_to_first_token", [1500], "ambiguous-latency"),
]


@pytest.mark.parametrize(
    ("path", "name", "junk", "warning"),
    [(path, name, junk, warning) for path, name, values, warning in UNBELIEVED for junk in values],
)
def test_a_number_that_is_none_is_left_out_with_its_warning(path: Path, name: str, junk: Any, warning: str) -> None:
    assert name in to_properties(BASE)
    record = copy.deepcopy(BASE)
    parent_of(record, path)[path[-1]] = junk
    (converted,) = convert_bytes(orjson.dumps(record))
    assert name not in to_properties(record)
    assert warning in converted.warnings
    check(record, OPTIONS)


@pytest.mark.parametrize("junk", [0, -1, 1234567890, 17487720001, "soon", "2106-01-01T00:00:00Z", 1e300])
def test_a_time_that_is_none_gives_way_to_the_next_with_a_warning(junk: Any) -> None:
    record = {**BASE, "timestamp": junk}
    (converted,) = convert_bytes(orjson.dumps(record))
    assert isinstance(converted.result, Event)
    assert converted.result.timestamp.timestamp() == 1748772000
    assert "bad-timestamp" in converted.warnings


def test_the_oracle_sees_a_number_that_is_not_the_records() -> None:
    """An oracle that finds nothing must be able to: each number of the event, changed or moved, is found."""
    (converted,) = convert_bytes(orjson.dumps(BASE))
    assert isinstance(converted.result, Event)
    event = wire(converted.result)
    start = OPTIONS.parse.run_started_at
    assert wrong_numbers(BASE, event, run_started_at=start) == []
    numbers = [name for name, value in event["properties"].items() if type(value) in (int, float)]
    assert len(numbers) == 8
    for name in numbers:
        changed = {**event, "properties": {**event["properties"], name: event["properties"][name] + 1}}
        assert wrong_numbers(BASE, changed, run_started_at=start), name
    assert wrong_numbers(BASE, {**event, "timestamp": "2025-06-01T10:00:01Z"}, run_started_at=start)
    assert wrong_numbers(BASE, {**event, "timestamp": "2014-06-01T10:00:00Z"}, run_started_at=start)
