"""What is asked once, and of all rows together, in place of each row alone: the laws that allow it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli import formats
from posthog_llm_cli.formats import DETECTION, _openai_answers, _openai_relatives, litellm
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


ANSWERED = [
    *RELATIVES, "generation_id", "object", "choices", "results", "embedding", "embeddings", "done", "detail", "error",
    "model", "created", "prompt_filter_results", "delta", "text", "response", "status", "total_duration", "messages",
    "input", "id", "code",
]  # fmt: skip
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "object": st.just("embedding"), "embedding": st.just([0.5]), "flagged": st.just(False), "url": st.just("u"),
        "delta": st.just({}), "message": st.just({"role": "assistant"}), "text": st.just("a"), "code": st.just("c"),
        "index": st.just(0), "input_tokens": st.just(1), "billed_units": st.just({}), "gen_ai.x": st.just(1),
    },
)  # fmt: skip
OBJECTS = [
    "chat.completion", "chat.completion.chunk", "text_completion", "response", "list", "event", "file.deleted",
    "thread.message", "trace", "error", "SPAN", "RequestResponse", "response.created", "message", "queued", "text",
    True, 1, None,
]  # fmt: skip
SHAPED = st.lists(st.sampled_from(ANSWERED), max_size=4, unique=True).flatmap(
    lambda keys: st.fixed_dictionaries(
        {key: st.sampled_from(OBJECTS) | PARTS | st.lists(PARTS, max_size=2) for key in keys}
    )
)


SMALLEST: list[dict[str, Any]] = [
    {"usage": {"billed_units": {}}, "generation_id": "g"}, {"meta": {"billed_units": {}}, "message": "m"},
    {"schemaType": "ModelInvocationLog"}, {"stopReason": "end_turn", "output": {"message": {}}}, {"resourceSpans": []},
    {"resourceLogs": []}, {"resourceMetrics": []}, {"attributes": {"gen_ai.x": 1}}, {"run_type": "llm", "inputs": {}},
    {"response_id": "r", "request_created_at": 1}, {"category": "RequestResponse", "operationName": "o"},
    {"event": "model", "output": {}}, {"candidates": [], "usageMetadata": {}}, {"context.trace_id": 1, "span_kind": 1},
    {"root_span_id": 1, "span_id": 1, "metrics": {}}, {"info": {}, "data": {"spans": []}}, {"type": "ping"},
    {"object": "chat.completion"}, {"object": "list", "data": []}, {"choices": [{"delta": {}}]},
    {"choices": [{"message": {}}]}, {"choices": [], "prompt_filter_results": []}, {"results": [{"flagged": False}]},
    {"data": [{"url": "u"}], "created": 1}, {"data": [{"embedding": [0.5]}]},
    {"output": [], "usage": {"input_tokens": 1}}, {"embeddings": [[0.5]], "total_duration": 1}, {"embedding": [0.5]},
    {"done": True, "response": "a"}, {"detail": "Not Found"}, {"object": "error", "message": "m"},
    {"error": {"message": "m"}},
]  # fmt: skip


@pytest.mark.parametrize("record", SMALLEST)
def test_the_least_that_a_row_needs_may_be_an_answer(record: dict[str, Any]) -> None:
    asked = [shape for _, row in _openai_answers.ANSWER_ROWS if (shape := row(record)) is not None]
    assert asked
    assert _openai_answers.classify_response(record) == asked[0]


@given(SHAPED)
def test_the_shape_of_an_answer_is_found_as_by_asking_each_row(record: dict[str, Any]) -> None:
    asked = (row(record) for _, row in _openai_answers.ANSWER_ROWS)
    assert _openai_answers.classify_response(record) == next((shape for shape in asked if shape is not None), None)
