"""Records inside of a logger's lines, and cassettes of many exchanges."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from posthog_llm_cli.formats import expand
from posthog_llm_cli.model import Event
from posthog_llm_cli.values import replace
from tests.converting import SAMPLES, convert_bytes, convert_value, read_lines, to_event, to_properties, to_rejection
from tests.formats.test_litellm import payload
from tests.formats.test_litellm_spend import row
from tests.formats.test_openai import CREATED, MESSAGES, chat

ASKED = {"model": "gpt-4o", "messages": MESSAGES}
PAIR = {"request": ASKED, "response": chat()}
AT = datetime(2025, 6, 1, 10, tzinfo=UTC) + timedelta(seconds=2)
LATER = "2025-06-01T10:00:02Z"
EPOCH = CREATED + 2


def loguru(**changes: Any) -> dict[str, Any]:
    """A line of loguru's `serialize=True`."""
    record = {
        "extra": {},
        "level": {"name": "INFO"},
        "message": "call",
        "time": {"repr": "…", "timestamp": EPOCH + 0.0},
    }
    return {"text": "…", "record": {**record, **changes}}


LINES: dict[str, Any] = {
    "loguru's extra": loguru(extra=PAIR),
    "loguru's message": loguru(message=json.dumps(PAIR)),
    "structlog": {"level": "info", "timestamp": LATER, "event": PAIR},
    "python-json-logger": {"levelname": "INFO", "asctime": "2025-06-01 10:00:02,000", "message": json.dumps(PAIR)},
    "pino": {"level": 30, "time": EPOCH * 1000, "pid": 1, "msg": json.dumps(PAIR)},
    "CloudWatch": {"timestamp": EPOCH * 1000, "message": json.dumps(PAIR), "logStreamName": "s"},
    "Docker": {"log": json.dumps(PAIR) + "\n", "stream": "stdout", "time": LATER},
    "Google Cloud": {"insertId": "a", "jsonPayload": PAIR, "timestamp": LATER, "severity": "INFO"},
    "Elasticsearch": {"_index": "llm", "_id": "1", "_source": {**PAIR, "@timestamp": LATER}},
    "home-made": {"timestamp": LATER, "data": PAIR},
    "Datadog's archive": {"_id": "a", "date": LATER, "source": "python", "attributes": PAIR, "message": ""},
    "Datadog's archive, as text": {"_id": "a", "date": LATER, "message": json.dumps(PAIR), "attributes": {"a": 1}},
    "Loki": {"labels": {"app": "a"}, "line": json.dumps(PAIR), "timestamp": LATER},
    "Splunk": {"preview": False, "offset": 0, "result": {"_raw": json.dumps(PAIR), "_time": "2025-06-01 10:00:02 UTC"}},
    "Kafka": {"topic": "t", "partition": 0, "offset": 5, "ts": EPOCH * 1000, "key": None, "payload": json.dumps(PAIR)},
    "Kafka, parsed": {"topic": "t", "offset": 5, "timestamp": EPOCH * 1000, "value": PAIR},
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_the_record_in_a_loggers_line_is_a_call_at_the_lines_time(line: Any) -> None:
    event, found = to_event(line), to_properties(line)
    assert convert_value(line).format == "openai-chat"
    assert event.timestamp == AT
    assert (found["$ai_input"], found["$ai_input_tokens"]) == (MESSAGES, 5)
    assert event.uuid == to_event(PAIR).uuid


CLOUDWATCH = {"timestamp": EPOCH * 1000, "message": json.dumps(PAIR)}
PAGES: dict[str, tuple[Any, str]] = {
    "CloudWatch, shipped": (
        {"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": [CLOUDWATCH, {**CLOUDWATCH, "message": "up"}]},
        "$.logEvents[1]",
    ),
    "CloudWatch, asked": ({"events": [CLOUDWATCH, {**CLOUDWATCH, "message": "up"}], "nextToken": "t"}, "$.events[1]"),
    "Elasticsearch": (
        {"took": 1, "hits": {"hits": [{"_source": {**PAIR, "@timestamp": LATER}}, {"_source": {"a": 1}}]}},
        "$.hits.hits[1]",
    ),
    "Datadog": (
        {
            "data": [
                {"id": "a", "type": "log", "attributes": {"timestamp": LATER, "message": "m", "attributes": PAIR}},
                {"id": "b", "type": "log", "attributes": {"timestamp": LATER, "message": "up", "attributes": {}}},
            ]
        },
        "$.data[1]",
    ),
}


@pytest.mark.parametrize(("page", "path"), PAGES.values(), ids=PAGES)
def test_a_page_of_a_log_is_its_lines(page: Any, path: str) -> None:
    call, other = convert_bytes(json.dumps(page).encode())
    assert isinstance(call.result, Event)
    assert (call.result.timestamp, call.result.uuid) == (AT, to_event(PAIR).uuid)
    assert getattr(other.result, "path", None) == path


def test_a_table_that_begins_with_many_rows_of_something_else_is_one_record() -> None:
    assert len(list(expand({"rows": [*[{"a": 1}] * 1000, payload()]}))) == 1
    assert len(list(expand({"rows": [{"a": 1}, payload()]}))) == 2


@pytest.mark.parametrize(
    ("name", "place"),
    [("LiteLLM_SpendLogs", "LiteLLM_SpendLogs"), ('SELECT * FROM "LiteLLM_SpendLogs"', "*"), ("logs", "logs")],
)
def test_rows_under_a_tables_name_are_records(name: str, place: str) -> None:
    found = list(expand({name: [row(), row(request_id="chatcmpl-2"), {"a": 1}]}))
    assert [path for path, _ in found] == [f"$.{place}[{index}]" for index in range(3)]
    call, *_, other = convert_bytes(json.dumps({name: [row(), {"a": 1}]}).encode())
    assert isinstance(call.result, Event)
    assert call.result.uuid == to_event(row()).uuid
    assert getattr(other.result, "code", None) == "unknown-format"


@pytest.mark.parametrize(
    "record",
    [
        {"messages": MESSAGES}, {"choices": chat()["choices"]}, {"resourceSpans": [{"a": 1}]}, {"a": []}, {"a": [1, {}]},
        {"a": {"b": 1}}, {},
    ],
)  # fmt: skip
def test_a_record_of_one_member_stays_one(record: Any) -> None:
    assert [path for path, _ in expand(record)] == ["$"]


def test_the_parts_of_a_stream_under_one_key_are_one_call() -> None:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "h"}, {"content": "o"}, {}]
    parts = [
        {
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED, "model": "gpt-4o",
            "choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}],
        }
        for delta in deltas
    ]  # fmt: skip
    assert [path for path, _ in expand({"logs": parts})] == ["$.logs"]
    (output,) = to_properties({"logs": parts})["$ai_output_choices"]
    assert output["content"] == [{"type": "text", "text": "ho"}]


def test_what_nobody_knows_under_one_key_is_one_rejected_record() -> None:
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    assert to_rejection({"conversations": turns}).code == "unknown-format"


MEANWHILE: dict[str, Any] = {
    "events": [{"timestamp": EPOCH, "message": "started"}, {"timestamp": EPOCH + 1, "message": "answered"}],
    "logEvents": [{"timestamp": EPOCH, "message": json.dumps(PAIR)}],
    "hits": {"hits": [{"_id": "1", "_source": {"text": "what was found for the prompt"}}]},
    "data": [{"type": "log", "attributes": {"message": "x"}}],
    "calls": [{"request": {"tool": "search"}, "response": "found"}],
    "interactions": [{"request": {"url": "https://example.com"}, "response": {"status": 200}}],
}


@pytest.mark.parametrize("key", MEANWHILE)
@pytest.mark.parametrize("record", [{"timestamp": LATER, **PAIR}, payload()], ids=["pair", "payload"])
def test_what_a_call_notes_of_its_time_is_no_page_of_others(record: Any, key: str) -> None:
    noted = {**record, key: MEANWHILE[key]}
    assert [path for path, _ in expand(noted)] == ["$"]
    assert to_event(noted).uuid == to_event(record).uuid


@pytest.mark.parametrize("key", MEANWHILE)
@pytest.mark.parametrize("sample", ["openai-batch", "posthog-event", "dead-letter"])
def test_nor_is_what_other_records_note(sample: str, key: str) -> None:
    for record in read_lines(SAMPLES / f"{sample}.jsonl"):
        noted = {**record, key: MEANWHILE[key]}
        assert [path for path, _ in expand(noted)] == ["$"]


def test_the_events_of_a_stream_are_no_page_of_a_log() -> None:
    parts = [{"type": "response.created", "response": {}}, {"type": "message", "message": "x", "timestamp": LATER}]
    assert [path for path, _ in expand({"request": ASKED, "events": parts})] == ["$"]


def test_a_records_own_time_goes_before_the_lines() -> None:
    line = {
        "message": json.dumps({**PAIR, "timestamp": CREATED - 5}),
        "timestamp": LATER,
        "user_id": "u",
        "level": "info",
    }
    assert to_event(line).timestamp == AT - timedelta(seconds=7)
    assert to_event(line).distinct_id == "u"


def test_a_flat_record_in_a_line_is_told_by_its_content_and_time() -> None:
    flat = {"model": "gpt-4o", "prompt": "hi", "response": "ho"}
    lines = [{"message": json.dumps(flat), "timestamp": CREATED + second} for second in (0, 1)]
    assert len({to_event(line).uuid for line in lines}) == 2


@pytest.mark.parametrize(
    "inner",
    [
        {"hello": "world"},
        {"model": "m", "latency": 3},
        {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "h"}}], "id": "c"},
        {"model": "m", "created_at": LATER, "message": {"role": "assistant", "content": "h"}, "done": False},
        {"custom_id": "a", "body": ASKED},
        {"messages": MESSAGES},
    ],
)
def test_what_is_no_whole_call_stays_in_its_line(inner: Any) -> None:
    line = {"level": "info", "timestamp": LATER, "message": json.dumps(inner)}
    assert list(expand(line)) == [("$", line)]
    assert to_rejection(line).code == "unknown-format"


def test_a_relative_in_a_line_is_told_by_its_name() -> None:
    answer = {"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn", "model": "m"}
    error = to_rejection({"level": "info", "message": json.dumps(answer)})
    assert error.code == "unsupported-format"
    assert "Anthropic" in error.message


def test_a_line_that_cannot_be_opened_is_no_crash() -> None:
    deep = "[" * 200 + "]" * 200
    assert to_rejection({"level": "info", "message": deep}).code == "unknown-format"
    assert to_rejection({"message": '{"request": ', "level": "info"}).code == "unknown-format"


SENT = {"method": "POST", "uri": "https://api.openai.com/v1/chat/completions", "body": json.dumps(ASKED)}
GOT = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": json.dumps(chat())}}
OTHER = {
    "request": {"method": "GET", "uri": "https://example.com"},
    "response": {"status": {"code": 200}, "body": "hello"},
}
EXCHANGE = {"request": SENT, "response": GOT}
POSTED = {"url": SENT["uri"], "method": "POST", "postData": {"mimeType": "application/json", "text": SENT["body"]}}
LOADED = {"status": 200, "content": {"mimeType": "application/json", "text": json.dumps(chat())}}


@pytest.mark.parametrize(
    ("cassette", "path"),
    [
        ({"version": 1, "interactions": [EXCHANGE, OTHER]}, "$.interactions[0]"),
        ({"http_interactions": [EXCHANGE, OTHER], "recorded_with": "VCR 6.0"}, "$.http_interactions[0]"),
        ({"log": {"version": "1.2", "entries": [{"request": POSTED, "response": LOADED}, OTHER]}}, "$.log.entries[0]"),
        ({"calls": [PAIR, OTHER], "session_id": "s"}, "$.calls[0]"),
    ],
)
def test_a_cassette_is_its_exchanges(cassette: Any, path: str) -> None:
    assert next(iter(expand(cassette)))[0] == path
    first, second = convert_bytes(orjson.dumps(cassette))
    assert isinstance(first.result, Event)
    assert (first.format, first.result.uuid) == ("openai-chat", to_event(PAIR).uuid)
    assert getattr(second.result, "code", None) == "unknown-format"


def test_the_session_around_several_calls_is_that_of_each() -> None:
    calls = {"calls": [PAIR, {**PAIR, "session_id": "own"}], "session_id": "s"}
    assert [item["session_id"] for _, item in expand(calls)] == ["s", "own"]


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "loguru's extra": lambda record: loguru(extra=record),
    "loguru's message": lambda record: loguru(message=json.dumps(record)),
    "structlog": lambda record: {"level": "info", "timestamp": LATER, "event": record},
    "pino": lambda record: {"level": 30, "time": EPOCH * 1000, "pid": 1, "msg": json.dumps(record)},
    "CloudWatch": lambda record: {"timestamp": EPOCH * 1000, "message": json.dumps(record), "logStreamName": "s"},
    "Docker": lambda record: {"log": json.dumps(record) + "\n", "stream": "stdout", "time": LATER},
    "Google Cloud": lambda record: {"insertId": "a", "jsonPayload": record, "timestamp": LATER, "severity": "INFO"},
    "Elasticsearch": lambda record: {"_index": "llm", "_id": "1", "_source": record},
    "home-made": lambda record: {"timestamp": LATER, "data": record},
}
LITELLM_RECORDS = {
    f"{name} {number}": record
    for name in ("litellm", "litellm-kwargs", "litellm-spend", "litellm-legacy")
    for number, record in enumerate(read_lines(SAMPLES / f"{name}.jsonl"), 1)
}
TEXTLESS = {
    "a row without stored text": row(),
    "a row before the database": row(messages="{}", response="{}", metadata="{}", proxy_server_request="{}"),
    "a payload without text": payload(messages=None, response=None),
    "a payload with an empty answer": payload(messages=None, response={}),
    "kwargs around it": {"standard_logging_object": payload(messages=None, response=None)},
    "Datadog's envelope around it": {
        "ddsource": "litellm",
        "message": json.dumps(payload(messages=None, response=None)),
    },
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("record", [*LITELLM_RECORDS.values(), *TEXTLESS.values()], ids=[*LITELLM_RECORDS, *TEXTLESS])
def test_a_litellm_record_in_a_loggers_line_is_what_it_is_alone(record: Any, wrap: Callable[[Any], Any]) -> None:
    alone, inside = convert_value(record), convert_value(wrap(record))
    assert (inside.format, inside.warnings) == (alone.format, alone.warnings)
    if isinstance(alone.result, Event):
        assert isinstance(inside.result, Event), inside.result
        assert replace(inside.result, raw=b"") == replace(alone.result, raw=b"")
    else:
        assert getattr(inside.result, "code", None) == getattr(alone.result, "code", None)


UNDER_OTHER_NAMES: dict[str, Any] = {
    "pino, a key of one's own": {"level": 30, "time": EPOCH * 1000, "llm": PAIR, "msg": "call"},
    "structlog, a key of one's own": {"event": "call", "timestamp": LATER, "openai": PAIR},
    "loguru, bound": loguru(extra={"call": PAIR}),
    "winston's metadata": {"level": "info", "message": "call", "timestamp": LATER, "metadata": PAIR},
    "monolog's context": {"message": "call", "context": PAIR, "level": 200, "channel": "app", "datetime": LATER},
    "tracing": {"timestamp": LATER, "level": "INFO", "fields": {"message": "call", **PAIR}, "target": "app"},
    "filebeat's json": {"@timestamp": LATER, "json": PAIR, "log": {"offset": 1}, "agent": {"type": "filebeat"}},
    "the journal": {"__REALTIME_TIMESTAMP": str(EPOCH * 1_000_000), "MESSAGE": json.dumps(PAIR), "PRIORITY": "6"},
    "CloudWatch Insights": {"@timestamp": "2025-06-01 10:00:02.000", "@message": PAIR},
    "Azure's container log": {"TimeGenerated": LATER, "LogEntry": json.dumps(PAIR)},
    "GELF": {"version": "1.1", "host": "h", "short_message": json.dumps(PAIR), "timestamp": EPOCH + 0.0},
    "an answer under a key of one's own": {"timestamp": LATER, **ASKED, "openai_response": chat()},
    "an answer beside a request": {"timestamp": LATER, "request": ASKED, "data": chat()},
    "a gateway's bodies": {
        "timestamp": LATER,
        "requestBody": json.dumps(ASKED),
        "responseBody": json.dumps(chat()),
        "responseCode": 200,
    },
    "Express's request and response": {
        "time": EPOCH * 1000,
        "req": {"method": "POST", "headers": {}, "body": ASKED},
        "res": {"statusCode": 200, "body": chat()},
    },
    "a request with its path": {"timestamp": LATER, "request": {"path": "/v1/x", "body": ASKED}, "response": chat()},
    "an answer beside messages alone": {"messages": MESSAGES, "timestamp": LATER, "gpt": json.dumps(chat())},
}


@pytest.mark.parametrize("line", UNDER_OTHER_NAMES.values(), ids=UNDER_OTHER_NAMES)
def test_a_call_under_a_name_of_the_writers_own_is_found(line: Any) -> None:
    event, found = to_event(line), to_properties(line)
    assert event.uuid == to_event(PAIR).uuid
    assert event.timestamp == AT
    assert (found["$ai_model"], found["$ai_input"]) == (to_properties(PAIR)["$ai_model"], MESSAGES)


def test_a_flat_call_in_a_payload_is_no_request_without_an_answer() -> None:
    flat = {"model": "gpt-4o", "prompt": "Hi", "response": "Ho", "tokens_in": 3, "tokens_out": 1}
    found = to_properties({"event": "call", "timestamp": LATER, "user_id": "u-1", "payload": flat})
    assert (found["$ai_input_tokens"], found["$ai_output_tokens"]) == (3, 1)
    assert found["$ai_input"] == [{"role": "user", "content": "Hi"}]


QUOTING = {
    "a prompt": {"model": "gpt-4o", "timestamp": LATER, "prompt": json.dumps(PAIR)},
    "a bare answer in an input": {"model": "gpt-4o", "timestamp": LATER, "input": json.dumps(chat())},
    "a question": {"model": "gpt-4o", "timestamp": LATER, "question": json.dumps(PAIR)},
    "a query": {"user_id": "u-1", "timestamp": LATER, "query": json.dumps(PAIR)},
    "a system prompt": {**ASKED, "timestamp": LATER, "system": json.dumps(PAIR)},
    "a tool's message": {"role": "tool", "tool_call_id": "c-1", "content": json.dumps(chat())},
    "another call's context": {**ASKED, "timestamp": LATER, "context": PAIR},
    "a state beside a request": {"request": ASKED, "timestamp": LATER, "state": PAIR},
    "a training example's source": {"messages": MESSAGES, "source": PAIR},
    "a fixture": {"name": "test_call", "fixture": PAIR},
    "a mock": {"name": "test_call", "mock_response": chat()},
    "a stub": {"name": "test_call", "stubbed": PAIR},
    "a fake": {"name": "test_call", "fake_completion": chat()},
    "a baseline": {"item": {"question": "Hi"}, "baseline": chat()},
}


@pytest.mark.parametrize("record", QUOTING.values(), ids=QUOTING)
def test_a_call_that_is_quoted_in_what_was_asked_or_lies_beside_it_is_none(record: Any) -> None:
    assert to_rejection(record).code in {"no-response", "unknown-format", "fine-tuning-data"}


def test_two_calls_under_names_of_their_own_are_no_call() -> None:
    other = {**PAIR, "response": {**chat(), "id": "chatcmpl-2"}}
    assert to_rejection({"timestamp": LATER, "answer_call": PAIR, "judge_call": other}).code == "unknown-format"


@pytest.mark.parametrize(
    "member",
    [
        {"error": {"message": "no", "code": "x"}},
        {"hello": "world"},
        {"messages": MESSAGES},
        {"request": ASKED},
        {"object": "chat.completion.chunk", "id": "c", "choices": [{"delta": {"content": "a"}}]},
        {"object": "file", "id": "file-1"},
        {"model": "gpt-4o", "prompt_tokens": 3},
        '{"custom_id": "a", "response": {"status_code": 200, "body": {}}, "id": "batch_req_1"}',
    ],
)
def test_what_is_no_whole_call_under_a_name_stays_unknown(member: Any) -> None:
    assert to_rejection({"timestamp": LATER, "level": "info", "thing": member}).code == "unknown-format"


@pytest.mark.parametrize("key", ["previous_response", "lastResponse", "cached", "expected_response"])
def test_the_answer_of_another_call_is_no_answer_to_the_request_beside_it(key: str) -> None:
    assert to_rejection({"timestamp": LATER, "request": ASKED, key: chat()}).code == "no-response"


def test_a_message_under_a_name_is_no_answer() -> None:
    """The row of a table of conversations."""
    row = {"id": 1, "created_at": LATER, "model": "gpt-4o", "msg": {"role": "assistant", "content": "Ho"}}
    assert to_rejection(row).code == "unknown-format"


@pytest.mark.parametrize("answered", ["resp", "llm_response", "response", "result"])
@pytest.mark.parametrize("asked", ["req", "llm_request", "openai_request", "requestBody", "apiRequest", "chat_req"])
@pytest.mark.parametrize("as_text", [False, True])
def test_the_one_request_under_another_name_beside_an_answer_is_what_was_asked(
    asked: str, answered: str, *, as_text: bool
) -> None:
    request = {"model": "gpt-4o", "messages": MESSAGES, "temperature": 0.25, "user": "u-7"}
    record = {"ts": CREATED + 2, asked: json.dumps(request) if as_text else request, answered: chat()}
    found = to_properties(record)
    assert (found["$ai_input"], found["requested_model"]) == (MESSAGES, "gpt-4o")
    assert (found["$ai_model_parameters"], to_event(record).distinct_id) == ({"temperature": 0.25}, "u-7")
    assert to_event(record).uuid == to_event(chat()).uuid


@pytest.mark.parametrize(
    "beside",
    [
        {"req": {"model": "m", "messages": MESSAGES}, "retry_req": {"model": "m", "messages": MESSAGES}},
        {"previous_request": {"model": "m", "messages": MESSAGES}},
        {"metadata": {"prompt": "greeting"}},
        {"frequency": {"prompt": "greeting"}},
        {"req": {"id": "r-1", "method": "POST"}},
        {"http_request": {"method": "POST", "url": "/chat", "body": {"prompt": "Hi", "lang": "en"}}},
        {"webhook_payload": {"input": "Hi", "model": "m"}},
        {"payload": {"question": "Hi"}},
        {"next_request": {"model": "m", "messages": MESSAGES}},
        {"embedding_request": {"model": "text-embedding-3-small", "input": "Hi"}},
        {"feedback_request": {"model": "m", "prompt": "How was it?"}},
    ],
)
def test_what_may_be_another_request_is_none_of_an_answers(beside: Any) -> None:
    assert "$ai_input" not in to_properties({"ts": CREATED + 2, "resp": chat(), **beside})
