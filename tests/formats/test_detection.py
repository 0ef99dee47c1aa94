"""What is asked once, and of all rows together, in place of each row alone: the laws that allow it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli import formats
from posthog_llm_cli.formats import DETECTION, _openai_relatives, litellm
from posthog_llm_cli.model import Json

EARLIER = DETECTION[: DETECTION.index(litellm.FORMAT)]
NEEDED = sorted(frozenset[str]().union(*(row.needs for row in EARLIER)))
HOLDERS = ["data", "Items", "interactions", "calls", "log", "record", "message", "msg", "extra", "plh_dead_letter"]
OTHERS = [
    "id", "call_type", "startTime", "endTime", "model", "trace_id", "response_cost", "model_parameters", "messages",
    "usage", "end_time", "spend", "distinct_id", "properties", "standard_logging_object", "proxy_server_request",
]  # fmt: skip
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 9)
    | st.sampled_from(["", "x", "litellm", "None", '{"id": 1}', '{"model": "m", "messages": []}']),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*NEEDED, *OTHERS, *HOLDERS, "S"]), inner, max_size=5)
    ),
    max_leaves=12,
)
RECORDS = st.dictionaries(st.sampled_from([*NEEDED, *OTHERS, *HOLDERS]), VALUES, max_size=12)


def test_every_row_before_a_payload_says_what_it_needs() -> None:
    for row in EARLIER:
        assert row.needs or row.name == "empty-record", row.name


@given(RECORDS)
def test_an_object_without_what_a_row_needs_is_not_of_its_shape(record: dict[str, Any]) -> None:
    for row in EARLIER:
        lacking = {key: value for key, value in record.items() if key not in row.needs}
        assert not row.matches(lacking), row.name


@given(RECORDS)
def test_the_short_way_finds_what_asking_each_row_finds(record: dict[str, Any]) -> None:
    asked = next((row for row in DETECTION if row.matches(record)), None)
    assert formats.detect(record) is asked


@given(VALUES)
def test_what_is_single_is_opened_to_itself(value: Json) -> None:
    if formats.is_single(value):
        assert list(formats.expand(value)) == [("$", value)]
        assert "plh_dead_letter" not in value


RELATIVES = [
    "schemaType", "output", "stopReason", "resourceSpans", "attributes", "run_type", "inputs", "traceId", "trace_id",
    "startTime", "start_time", "type", "response_id", "request_created_at", "category", "operationName", "run_id",
    "event_id", "data", "event", "candidates", "usageMetadata", "usage", "meta", "message", "context.trace_id",
    "span_kind", "root_span_id", "span_id", "metrics", "info", "role", "stop_reason",
]  # fmt: skip
RELATED = st.dictionaries(
    st.sampled_from(RELATIVES),
    st.sampled_from(["ModelInvocationLog", "SPAN", "model", "message", "assistant", "RequestResponse", "ping", 1, None])
    | st.dictionaries(st.sampled_from(["message", "billed_units", "llm.x", "spans"]), st.just(1), max_size=2)
    | st.lists(st.fixed_dictionaries({"key": st.just("gen_ai.x")}), max_size=1),
    max_size=8,
)


@given(RELATED)
def test_a_relative_is_found_as_by_asking_each(record: dict[str, Any]) -> None:
    asked = next((name for name, matches in _openai_relatives._RELATIVES if matches(record)), None)
    assert _openai_relatives.relative_name(record) == asked
