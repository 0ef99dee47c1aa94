"""`openai-batch`: each row of the table in openai-logs.md 4.3, alone and with the input line inside."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.decoding import decode
from posthog_llm_cli.formats.openai_batch import INPUT_KEY, is_mismatch, joined, model_fit, side_of
from posthog_llm_cli.identity import canonical_sha256, event_uuid
from posthog_llm_cli.timeparse import rfc3339
from posthog_llm_cli.values import replace
from tests.converting import (
    OPTIONS,
    convert_bytes,
    convert_value,
    to_event,
    to_properties,
    to_rejection,
    to_skip,
    wire,
    with_build,
    with_parse,
)
from tests.formats.batch_lines import CREATED, LINE_ID, answered, asked, chat_body, failed, with_input
from tests.streaming import output_text, said, sse

EMPTY = {"status_code": 0, "request_id": "", "body": {}}
EMBEDDING = {
    "object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 2, "total_tokens": 2},
}  # fmt: skip
EMBED: dict[str, Any] = {"url": "/v1/embeddings", "body": {"model": "text-embedding-3-small", "input": ["a", "b"]}}


def warnings_of(record: Any) -> set[str]:
    return set(convert_value(record).warnings)


# ------------------------------------------------------------------------------------------------------------- successes


def test_an_output_line_is_a_call_of_its_body() -> None:
    event = to_event(answered())
    properties = wire(event)["properties"]
    assert (event.name, rfc3339(event.timestamp)) == ("$ai_generation", "2025-06-01T10:05:00.000000Z")
    assert event.uuid == event_uuid(f"openai|chatcmpl-1|{CREATED}")
    assert properties["$ai_model"] == "gpt-4o-mini-2024-07-18"
    assert properties["$ai_http_status"] == 200
    assert (properties["$ai_input_tokens"], properties["$ai_output_tokens"]) == (9, 1)
    assert (properties["openai_batch"], properties["openai_custom_id"]) == (True, "row-7")
    assert not {"$ai_input", "$ai_latency", "$ai_base_url", "$ai_request_url", "$ai_is_error", "requested_model"} & set(
        properties
    )
    assert warnings_of(answered()) >= {"no-input", "batch-price"}


def test_the_input_line_gives_what_was_asked() -> None:
    line = asked(body={
        "model": "gpt-4o-mini", "messages": [{"role": "user", "content": "2+2?"}], "temperature": 0, "user": "u-7",
        "tools": [{"type": "function", "function": {"name": "add"}}], "metadata": {"feature": "sums", "trace_id": "t-7"},
    })  # fmt: skip
    event = to_event(with_input(answered(), line))
    properties = wire(event)["properties"]
    assert event.distinct_id == "u-7"
    assert properties["$ai_input"] == [{"role": "user", "content": "2+2?"}]
    assert properties["$ai_model_parameters"] == {"temperature": 0}
    assert properties["$ai_tools"][0]["function"]["name"] == "add"
    assert (properties["feature"], properties["$ai_trace_id"], properties["requested_model"]) == (
        "sums",
        "t-7",
        "gpt-4o-mini",
    )
    assert not {"$ai_base_url", "$ai_request_url", "$ai_latency"} & set(properties)
    assert "no-input" not in warnings_of(with_input(answered(), line))


@pytest.mark.parametrize(
    "output",
    [
        answered(),
        failed(),
        answered(response=EMPTY),
        {**answered(response=EMPTY), "id": None},
        answered(body={**chat_body(), "id": None}),
        answered(body={**EMBEDDING}),
    ],
    ids=["body id", "failed", "status 0", "no id at all", "body without id", "embedding"],
)
def test_the_identity_is_the_same_with_and_without_the_input_line(output: dict[str, Any]) -> None:
    options = with_parse(default_time=OPTIONS.parse.run_started_at)
    bare = {**output, "model": "gpt-4o-mini"}  # so that a failed line has one without its input
    alone, together = to_event(bare, options), to_event(with_input(bare), options)
    assert (alone.uuid, alone.timestamp, alone.name) == (together.uuid, together.timestamp, together.name)


def test_the_identity_of_a_line_without_an_answer_is_its_id_then_its_content() -> None:
    line = answered(response=EMPTY)
    assert to_event(with_input(line)).uuid == event_uuid(f"openai-batch|{LINE_ID}")
    nameless = {key: value for key, value in line.items() if key != "id"}
    options = with_parse(default_time=OPTIONS.parse.run_started_at)
    assert to_event(with_input(nameless), options).uuid == event_uuid(f"openai-batch|{canonical_sha256(nameless)}")


@pytest.mark.parametrize(
    "body", [{**EMBEDDING}, {"error": {"code": "1301", "message": "unsafe"}}, {**chat_body(), "id": None}]
)
def test_lines_that_all_have_the_batchs_own_id_are_told_apart_by_the_callers(body: Any) -> None:
    options = with_parse(default_time=OPTIONS.parse.run_started_at)
    zhipu = "batch_1791490810192076800"
    status = 400 if "error" in body else 200
    events = [
        to_event(with_input(answered(row, body, status, id=zhipu)), options) for row in ("request-1", "request-2")
    ]
    assert [event.uuid for event in events] == [
        event_uuid(f"openai-batch|{zhipu}|request-{number}") for number in (1, 2)
    ]
    for event in events:
        properties = wire(event)["properties"]
        assert properties["$ai_span_id"] == properties["$ai_trace_id"] == event.distinct_id == event.uuid
        assert properties["$ai_provider"] == "zai"
    alone = answered(None, body, status, id=zhipu, model="m")
    assert to_event(alone, options).uuid == event_uuid(f"openai-batch|{canonical_sha256(alone)}")


@pytest.mark.parametrize("line_id", ["batch_req_abc", "batch_req_out_1", "vllm-1", "batch-1"])
def test_any_other_id_of_a_line_is_its_own(line_id: str) -> None:
    options = with_parse(default_time=OPTIONS.parse.run_started_at)
    event = to_event(answered(body={**EMBEDDING}, id=line_id), options)
    assert event.uuid == event_uuid(f"openai-batch|{line_id}")
    assert wire(event)["properties"]["$ai_span_id"] == line_id


def test_a_batch_line_and_the_bare_answer_are_one_event() -> None:
    assert to_event(answered()).uuid == to_event(chat_body()).uuid


def test_a_responses_body_is_read_as_one() -> None:
    body = {
        "id": "resp_1", "object": "response", "created_at": CREATED, "status": "incomplete", "model": "gpt-4.1-2025-04-14",
        "incomplete_details": {"reason": "max_output_tokens"}, "usage": {"input_tokens": 8, "output_tokens": 4},
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Oder"}]}],
    }  # fmt: skip
    line = asked(url="/v1/responses", body={"model": "gpt-4.1", "input": "A river?", "instructions": "Be brief."})
    properties = to_properties(with_input(answered(body=body), line))
    assert properties["$ai_stop_reason"] == "max_output_tokens"
    assert [message["role"] for message in properties["$ai_input"]] == ["system", "user"]
    assert properties["$ai_output_choices"][0]["content"] == [{"type": "text", "text": "Oder"}]
    assert to_skip(answered(body={**body, "status": "queued"})).code == "pending-response"


def test_a_completions_body_is_read_as_one_even_where_its_finish_reason_is_missing() -> None:
    body = {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": CREATED,
        "model": "davinci-002",
        "choices": [{"text": "a"}],
    }
    assert to_properties(answered(body=body))["$ai_output_choices"][0]["content"] == [{"type": "text", "text": "a"}]


def test_an_embeddings_body_is_an_embedding_dated_by_its_line() -> None:
    event = to_event(with_input(answered(body=EMBEDDING), asked(**EMBED)))
    properties = wire(event)["properties"]
    assert (event.name, rfc3339(event.timestamp)) == ("$ai_embedding", "2025-06-01T10:05:20.000000Z")
    assert properties["$ai_input"] == ["a", "b"]
    assert "$ai_output_tokens" not in properties
    assert b"0.5" not in event.properties
    assert "time-from-id" in warnings_of(answered(body=EMBEDDING))


# -------------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("output", "status", "message", "kind"),
    [
        (failed(), 429, "slow down", "rate_limit"),
        (failed(status=0), 0, "slow down", "rate_limit"),
        (answered(response=EMPTY), 0, "unknown error", None),
        (answered(response={**EMPTY, "status_code": 502}), 502, "HTTP 502", None),
        (answered(response={"status_code": 502, "body": "<html>"}), 502, "HTTP 502", None),
        (answered(response={"status_code": 200, "body": {}}), 200, "HTTP 200", None),
        (answered(response={"status_code": 200, "body": None}), 200, "HTTP 200", None),
        (answered(response={}), None, "unknown error", None),
        (answered(response=None), None, "unknown error", None),
        (answered(response=None, error={"code": None, "message": None}), None, "unknown error", None),
        (answered(response=None, error={"code": "request_timeout", "message": "late"}), None, "late", "request_timeout"),
        ({"custom_id": "row-7", "id": LINE_ID, "error": {"code": "BadRequest", "message": "no"}}, None, "no", "BadRequest"),
        (answered(body={"error": {"message": "odd", "code": "x"}}), 200, "odd", "x"),
        (answered(body={"detail": "Not Found"}, status=404), 404, "Not Found", None),
        (failed(error={"code": "outer", "message": "outer"}), 429, "slow down", "rate_limit"),
    ],
)  # fmt: skip
def test_a_failed_line_is_a_failed_call_of_the_model_that_was_asked(
    output: dict[str, Any], status: int | None, message: str, kind: str | None
) -> None:
    event = to_event(with_input(output))
    properties = wire(event)["properties"]
    assert properties["$ai_is_error"] is True
    assert properties.get("$ai_http_status") == status
    assert properties["$ai_error"] == message
    assert properties.get("$ai_error_type") == kind
    assert properties["$ai_model"] == "gpt-4o-mini"
    assert properties["$ai_input"] == [{"role": "user", "content": "2+2?"}]
    assert rfc3339(event.timestamp) == "2025-06-01T10:05:20.000000Z"
    assert not [name for name in properties if "tokens" in name]
    assert not {"batch-price", "no-usage"} & warnings_of(with_input(output))


def test_a_failed_line_without_its_input_is_rejected_and_says_what_to_give() -> None:
    error = to_rejection(answered(response=EMPTY))
    assert (error.code, error.path, error.hint) == (
        "missing-field",
        "$.model",
        "give the batch's input file in the same run",
    )
    nameless = to_rejection(with_input(answered(response=EMPTY), asked(body={"messages": []})))
    assert (nameless.code, nameless.path, nameless.hint) == ("missing-field", "$.model", None)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (asked(**EMBED), "$ai_embedding"),
        (asked(url="/v1/embeddings?x=1"), "$ai_embedding"),
        (asked(url=None, body={"model": "text-embedding-3-small", "input": "a"}), "$ai_embedding"),
        (asked(), "$ai_generation"),
        (asked(url="/v1/responses", body={"model": "gpt-4o", "input": "a"}), "$ai_generation"),
    ],
)
def test_a_failed_line_is_an_embedding_where_its_input_asks_for_one(line: dict[str, Any], name: str) -> None:
    assert to_event(with_input(failed(), line)).name == name


@pytest.mark.parametrize("code", ["batch_expired", "batch_cancelled"])
def test_what_never_reached_a_model_is_skipped(code: str) -> None:
    output = answered(response=None, error={"code": code, "message": "…"})
    assert to_skip(output).code == "not-run"
    assert to_skip(with_input(output)).code == "not-run"


@pytest.mark.parametrize(
    ("output", "url"),
    [
        (answered(body={"id": "modr-1", "model": "omni-moderation-latest", "results": []}), None),
        (answered(body={"created": CREATED, "data": [{"url": "https://x.example/a.png"}]}), None),
        (answered(body={"id": "video_1", "object": "video", "status": "queued"}), None),
        (answered(body={"object": "list", "data": [{"object": "model"}]}), None),
        (answered(body={"text": "hello"}), None),
        (failed(), "/v1/moderations"),
        (failed(), "/v1/images/generations"),
        (failed(), "/v4/videos/generations"),
        (answered(response=EMPTY), "/v1/videos"),
        (answered(response=None), "/v1/moderations/"),
    ],
)
def test_moderations_images_and_videos_are_no_calls_of_a_language_model(
    output: dict[str, Any], url: str | None
) -> None:
    assert to_skip(output if url is None else with_input(output, asked(url=url))).code == "not-a-model-call"


def test_an_answer_of_a_language_model_is_sent_whatever_its_route_says() -> None:
    assert to_event(with_input(answered(), asked(url="/v1/moderations"))).name == "$ai_generation"
    route = "/openai/deployments/images/chat/completions"
    assert to_properties(with_input(failed(), asked(url=route)))["$ai_is_error"] is True


def test_the_answer_of_another_api_is_refused_by_name() -> None:
    body = {"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn", "model": "claude-x"}
    error = to_rejection(answered(body=body))
    assert (error.code, error.path) == ("unsupported-format", "$.response.body")
    assert "Anthropic" in error.message


@pytest.mark.parametrize("response", ["the answer as a text", {"text": "an answer"}, ["a"], 7])
def test_a_custom_id_beside_something_else_is_no_failed_call(response: Any) -> None:
    error = to_rejection(with_input({"custom_id": "a", "response": response}))
    assert (error.code, error.path) == ("unknown-format", "$.response")
    assert "answer as a text" not in error.message


# -------------------------------------------------------------------------------------------------------------- variants


def test_zhipu_writes_no_object_and_no_error_and_a_path_for_the_url() -> None:
    body = {key: value for key, value in chat_body("8668", "glm-4").items() if key != "object"}
    line = {
        "response": {"status_code": 200, "body": {**body, "request_id": "row-7"}},
        "custom_id": "row-7",
        "id": "batch_17910",
    }
    request = {"custom_id": "row-7", "path": "/v4/embeddings", "body": {"model": "embedding-3", "input": "a"}}
    assert to_properties(line)["$ai_provider"] == "zai"
    assert to_event(line).uuid == event_uuid(f"openai|8668|{CREATED}")
    gone = with_input({**line, "response": {"status_code": 500, "body": {}}}, request)
    event = to_event(gone, with_parse(default_time=OPTIONS.parse.run_started_at))
    assert event.name == "$ai_embedding"
    assert wire(event)["properties"]["$ai_provider"] == "zai"


def test_groq_is_told_by_the_line_and_has_no_latency_in_a_batch() -> None:
    body = chat_body(
        model="llama-3.1-8b-instant",
        usage={"prompt_tokens": 9, "completion_tokens": 1, "queue_time": 1.0, "total_time": 2.0},
    )
    properties = to_properties(answered(body=body, id="batch_req_out_01jpthh170e7387j2e0r03p825"))
    assert properties["$ai_provider"] == "groq"
    assert "$ai_latency" not in properties
    plain = {key: value for key, value in body.items() if key != "usage"}
    assert to_properties(answered(body=plain, id="batch_req_out_01jpthh1"))["$ai_provider"] == "groq"


def test_azure_leaves_ids_and_fields_out() -> None:
    body = chat_body(model="gpt-4o-2024-08-06", prompt_filter_results=[])
    line = {"custom_id": "task-0", "response": {"body": body, "status_code": 200}}
    properties = to_properties(with_input(line, asked("task-0", "my-deployment", url="/chat/completions")))
    assert (properties["$ai_provider"], properties["requested_model"]) == ("azure", "my-deployment")
    content_filter = {"custom_id": "a", "error": {"code": "400", "message": "filtered", "innererror": {"code": "x"}}}
    assert to_rejection(content_filter).path == "$.model"


@pytest.mark.parametrize("spelled", [json.dumps(chat_body()), chat_body()])
def test_the_body_may_be_a_text_of_json_or_stand_without_its_envelope(spelled: Any) -> None:
    expected = to_event(answered()).uuid
    assert to_event(answered(body=spelled)).uuid == expected
    assert to_event(answered(response=spelled)).uuid == expected
    assert to_event(answered(response=json.dumps({"status_code": 200, "body": spelled}))).uuid == expected
    line = asked(body=json.dumps(asked()["body"]))
    assert to_properties(with_input(answered(body=spelled), line))["$ai_input"] == [{"role": "user", "content": "2+2?"}]


@pytest.mark.parametrize(
    ("status", "expected"), [("200", 200), (200.0, 200), (None, None), (True, None), (-1, None), (9999, None)]
)
def test_a_status_that_is_none_is_left_out(status: Any, expected: int | None) -> None:
    assert to_properties(answered(status=status)).get("$ai_http_status") == expected


@pytest.mark.parametrize(
    "line_id",
    [
        "batch_req_out_01jpthh170e7387j2e0r03p825",
        "batch_req_wnaDys5NGWJHVcOmGDxRVHA3",
        "batch_req_00000000" + "a" * 24,
        "x",
        None,
        7,
    ],
)
def test_an_id_without_a_time_leaves_the_line_undated(line_id: Any) -> None:
    error = to_rejection(with_input(failed(id=line_id)))
    assert (error.code, error.path) == ("missing-field", "$.timestamp")


def test_a_number_is_a_custom_id_and_none_is_none() -> None:
    assert to_properties(answered(7))["openai_custom_id"] == "7"
    assert "openai_custom_id" not in to_properties(answered(None))


def test_a_logged_cost_needs_no_warning_of_the_price() -> None:
    body = chat_body(usage={"prompt_tokens": 9, "completion_tokens": 1, "cost": 0.5})
    assert to_properties(answered(body=body))["$ai_total_cost_usd"] == 0.5
    assert "batch-price" not in warnings_of(answered(body=body))


def test_privacy_mode_keeps_both_sides_here() -> None:
    event = to_event(with_input(answered(), asked(prompt="a secret question")), with_build(privacy_mode=True))
    assert b"secret" not in event.properties
    assert "$ai_output_choices" not in wire(event)["properties"]


@pytest.mark.parametrize("inside", [None, "text", [], 7])
def test_what_is_no_input_line_under_the_key_is_ignored(inside: Any) -> None:
    assert to_event({**answered(), INPUT_KEY: inside}).uuid == to_event(answered()).uuid


# ---------------------------------------------------------------------------------------------------------------- models


@pytest.mark.parametrize(
    ("requested", "returned", "expected"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", False),
        ("gpt-4o", "gpt-4o", False),
        ("gpt-4.1", "gpt-4o-2024-08-06", True),
        ("gpt-4o-mini", "o1-2024-12-17", True),
        ("my-deployment", "gpt-4o-2024-08-06", False),
        ("openrouter/auto", "openai/gpt-4-turbo", False),
        ("llama-3.1-8b-instant", "llama-3.3-70b-versatile", True),
        ("meta-llama/Llama-3.1-8B", "llama-3.3-70b", True),
        (None, "gpt-4o", False),
        ("gpt-4o", None, False),
    ],
)
def test_a_model_of_the_same_vendor_that_was_not_asked_for_is_a_mismatch(
    requested: str | None, returned: str | None, expected: bool
) -> None:
    assert is_mismatch(requested, returned) is expected


def test_the_longer_prefix_fits_better() -> None:
    returned = "gpt-4o-mini-2024-07-18"
    assert 0 == model_fit("gpt-4", "gpt-3.5-turbo") < model_fit("gpt-4o", returned) < model_fit("gpt-4o-mini", returned)
    assert model_fit("gpt-4o-mini", returned) < model_fit(returned, returned)


def test_another_model_than_the_one_asked_for_is_warned_of() -> None:
    assert "batch-model-mismatch" in warnings_of(with_input(answered(), asked(model="gpt-4.1")))
    assert "batch-model-mismatch" not in warnings_of(with_input(answered()))


# ----------------------------------------------------------------------------------------------------------- joined lines


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
RECORDS = st.dictionaries(st.text(), JSON_VALUES, max_size=4).map(lambda record: {**record, "custom_id": "a"})


@given(RECORDS, RECORDS, st.sampled_from([b"", b" ", b"\xef\xbb\xbf", b"\0 \0"]), st.booleans())
def test_a_joined_line_is_one_record_that_holds_both(
    output: dict[str, Any], line: dict[str, Any], padding: bytes, twice: bool
) -> None:
    raw = orjson.dumps(output)
    if twice:
        raw = orjson.dumps(raw.decode())
    found = decode(joined(padding + raw + padding.removeprefix(b"\xef\xbb\xbf"), orjson.dumps(line))).value
    assert found == {**decode(raw).value, INPUT_KEY: decode(orjson.dumps(line)).value}


@given(st.fixed_dictionaries({}, optional={
    "custom_id": JSON_VALUES, "response": JSON_VALUES, "error": JSON_VALUES, "body": JSON_VALUES, "id": JSON_VALUES,
    "url": JSON_VALUES, INPUT_KEY: JSON_VALUES | st.fixed_dictionaries({}, optional={"body": JSON_VALUES, "url": JSON_VALUES}),
}))  # fmt: skip
def test_any_values_under_the_keys_of_a_batch_give_a_result_and_no_crash(record: dict[str, Any]) -> None:
    (converted,) = convert_bytes(orjson.dumps(record))
    side = side_of(decode(orjson.dumps(record)).value)
    assert converted.format == "openai-batch" or side is None


def test_an_input_line_is_skipped_and_named_as_the_format_it_is_of() -> None:
    converted = convert_value(asked())
    assert (converted.format, to_skip(asked()).code) == ("openai-batch", "batch-input")
    assert to_skip(asked(), replace(OPTIONS, format="openai-batch")).code == "batch-input"


def test_an_answer_in_the_place_of_a_body_is_an_output_line() -> None:
    assert to_properties({"custom_id": "row-7", "body": chat_body()})["openai_custom_id"] == "row-7"


def test_an_output_line_may_hold_its_own_request() -> None:
    properties = to_properties({**answered(), "body": asked(prompt="mine")["body"]})
    assert properties["$ai_input"] == [{"role": "user", "content": "mine"}]
    side = side_of({**answered(), "body": asked()["body"]})
    assert side is not None
    assert side.is_joined


# ----------------------------------------------------------------------------------- calls that are no lines of a batch

AT = "2025-06-01T10:00:00Z"
BODY = asked()["body"]


@pytest.mark.parametrize("custom_id", [None, "r1"])
@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"latency": 1.2, "request": BODY, "response": chat_body()}, "openai-chat"),
        ({"latency": 1.2, **BODY, "response": chat_body(), "error": None}, "openai-chat"),
        ({"latency": 1.2, "request": BODY, "result": chat_body()}, "openai-chat"),
        ({"latency": 1.2, "body": BODY, "output": chat_body()}, "openai-chat"),
        ({"latency": 1.2, "params": BODY, "output": chat_body()}, "openai-chat"),
        ({"latency": 1.2, "request": BODY, "response": [chat_body()]}, "openai-chat"),
        ({"latency": 1.2, "request": BODY, "response": "4", "error": None}, "openai-flat"),
        ({"latency": 1.2, "body": BODY, "output": "4"}, "openai-flat"),
        ({"latency": 1.2, "request": BODY, "sse": sse(*said("4"))}, "openai-stream"),
        ({"latency": 1.2, "request": BODY, "response": sse(*said("4"))}, "openai-stream"),
    ],
    ids=["pair", "messages", "result", "body", "params", "list", "text", "text of a body", "stream", "stream's text"],
)
def test_a_call_of_somebodys_own_is_one_whatever_its_custom_id(custom_id: Any, record: Any, name: str) -> None:
    record = {"custom_id": custom_id, "timestamp": AT, **record}
    assert convert_value(record).format == name
    properties = to_properties(record)
    assert properties["$ai_input"] == [{"role": "user", "content": "2+2?"}]
    assert (output_text(properties), properties["$ai_latency"]) == ("4", 1.2)
    assert not {"openai_batch", "openai_custom_id", "$ai_is_error"} & set(properties)
    assert "batch-price" not in warnings_of(record)
    assert side_of(record) is None


def test_a_prompt_and_a_text_are_a_flat_record_whatever_its_custom_id() -> None:
    record = {"custom_id": "r1", "timestamp": AT, "model": "gpt-4o", "prompt": "p", "response": "text answer"}
    assert (convert_value(record).format, output_text(to_properties(record))) == ("openai-flat", "text answer")


def test_a_failed_call_of_somebodys_own_has_a_time_and_what_was_asked() -> None:
    for key in ("request", "body"):
        record = {"custom_id": "r1", "timestamp": AT, key: BODY, "response": None, "error": {"message": "no"}}
        properties = to_properties(record)
        assert (properties["$ai_error"], "$ai_input" in properties) == ("no", True)
        assert "openai_batch" not in properties


def test_a_line_may_hold_what_was_asked_as_its_request() -> None:
    for request in (BODY, {"url": "/v1/chat/completions", "body": BODY}, json.dumps(BODY)):
        line = {**answered(), "request": request, "timestamp": AT}
        properties = to_properties(line)
        assert properties["$ai_input"] == [{"role": "user", "content": "2+2?"}]
        assert (properties["openai_batch"], properties["requested_model"]) == (True, "gpt-4o-mini")
        side = side_of(line)
        assert side is not None
        assert side.is_joined
        assert to_event(line).uuid == to_event(answered()).uuid
    no_answer = {**failed(response=None, error={"message": "no"}), "request": BODY}
    assert to_properties(no_answer)["$ai_input"] == [{"role": "user", "content": "2+2?"}]


@pytest.mark.parametrize(
    "record",
    [
        {"custom_id": "a", "response": chat_body()},
        {"custom_id": "a", "timestamp": AT, "response": chat_body()},
        {"custom_id": "a", "body": BODY, "response": chat_body()},
        {"id": LINE_ID, "custom_id": None, "response": {"status_code": 200, "body": chat_body()}},
        {**answered(), "timestamp": AT, "prompt": "p", "output": "text"},
        {**answered(response=json.dumps(answered()["response"])), "prompt": "p"},
        {"custom_id": "a", "response": None, "error": {"message": "no"}, "timestamp": AT, "model": "m"},
        {"custom_id": "a", "response": {"status_code": 500, "body": "Internal Server Error"}, "prompt": "p"},
    ],
)
def test_what_a_server_wrote_into_a_batch_is_a_line_of_it(record: Any) -> None:
    assert convert_value(record).format == "openai-batch"


@pytest.mark.parametrize("more", [{}, {"answer": "4"}, {"metadata": {"row": 1}, "output": "4"}, {"timestamp": AT}])
def test_an_input_line_is_one_whatever_stands_beside(more: dict[str, Any]) -> None:
    assert to_skip({**asked(), **more}).code == "batch-input"


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"params": {"model": "claude-3", "max_tokens": 9, "messages": []}}, "Anthropic batch input"),
        ({"result": {"type": "succeeded", "message": {"type": "message", "content": []}}}, "Anthropic batch result"),
        ({"result": {"type": "errored", "error": {"type": "api_error", "message": "no"}}}, "Anthropic batch result"),
        ({"result": {"type": "expired"}}, "Anthropic batch result"),
    ],
)
def test_anthropics_batches_are_refused_by_name(record: Any, name: str) -> None:
    refused = to_rejection({"custom_id": "a", **record})
    assert (refused.code, name in refused.message) == ("unsupported-format", True)
