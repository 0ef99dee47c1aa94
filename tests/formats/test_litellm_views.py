"""One call in every view that LiteLLM writes: one identity, and what each envelope does to it (litellm-logs.md 1, 8)."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.model import Event, Skipped
from tests.converting import convert_bytes, convert_value, to_event, to_properties, to_rejection
from tests.formats.test_litellm import payload

CUT = "...truncated by litellm, this logger does not support large content"


def datadog(inner: Any, **around: Any) -> dict[str, Any]:
    """LiteLLM's payload in the envelope that it sends to Datadog."""
    message = inner if isinstance(inner, str) else json.dumps(inner)
    return {"ddsource": "litellm", "ddtags": "env:x", "hostname": "", "service": "s", "status": "info", "message": message, **around}  # fmt: skip


def spend_row(slo: dict[str, Any], *, start: str, end: str) -> dict[str, Any]:
    """The row that LiteLLM writes of the same call; its times are the database's."""
    return {
        "request_id": slo["id"], "call_type": slo["call_type"], "spend": slo["response_cost"], "startTime": start,
        "endTime": end, "model": slo["model"], "status": slo["status"], "metadata": {}, "session_id": slo["trace_id"],
        **{key: slo[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens", "custom_llm_provider")},
    }  # fmt: skip


def only_event(value: Any) -> Event:
    (converted,) = convert_bytes(orjson.dumps(value))
    assert isinstance(converted.result, Event), converted.result
    return converted.result


@pytest.mark.parametrize(
    "envelope",
    [
        datadog,
        lambda slo: [datadog(slo)],
        lambda slo: {"attributes": datadog(slo), "id": "AAAA", "timestamp": "2025-06-01T10:00:00Z"},
        lambda slo: {"attributes": {"ddsource": "litellm"}, "message": json.dumps(slo)},
        lambda slo: {"source": "litellm", "message": json.dumps(slo), "attributes": {}},
        lambda slo: {"_id": "AAAA", "service": "s", "source": "litellm", "attributes": slo},
    ],
)
def test_a_payload_in_datadogs_envelope_is_the_payload(envelope: Any) -> None:
    slo = payload()
    found = only_event(envelope(slo))
    assert (found.uuid, found.properties, found.timestamp) == (to_event(slo).uuid, to_event(slo).properties, to_event(slo).timestamp)  # fmt: skip


def test_fields_that_the_logger_cut_are_sent_as_text_and_said_so() -> None:
    messages, response = f"[{{'role': 'user', 'content': 'yyy{CUT}", f"ModelResponse(id='c', choices=[Choices({CUT}"
    (converted,) = convert_bytes(orjson.dumps(datadog(payload(messages=messages, response=response))))
    found = to_properties(payload(messages=messages, response=response))
    assert converted.warnings.count("truncated-content") == 1
    assert found["$ai_input"] == [{"role": "user", "content": messages}]
    assert found["$ai_output_choices"] == [{"role": "assistant", "content": [{"type": "text", "text": response}]}]
    assert found["$ai_input_tokens"] == 10


def test_base64_in_a_cut_answer_stays_here() -> None:
    response = f"ImageResponse(data=[ImageObject(b64_json='{'iVBORw0KGgo' * 40}'){CUT}"
    sent = to_event(payload(call_type="image_generation", response=response)).properties
    assert b"iVBORw0KGgo" not in sent
    assert b"[base64 image redacted]" in sent


@pytest.mark.parametrize("message", ['{"id": "c-1", "call', "plain words", "", "[]", "7"])
def test_a_message_that_datadog_cut_is_rejected_by_name(message: str) -> None:
    (converted,) = convert_bytes(orjson.dumps([None, datadog(message)]))[1:]
    rejected = converted.result
    assert rejected == to_rejection(datadog(message)) or rejected.path == "$[1].message"  # type: ignore[union-attr]
    assert (rejected.code, "Datadog" in rejected.message) == ("invalid-json", True)  # type: ignore[union-attr]


def test_a_message_that_is_too_deep_says_so() -> None:
    assert to_rejection(datadog('{"a":' * 150 + "1" + "}" * 150)).code == "too-deep"


@given(
    start_us=st.integers(1_700_000_000_000_000, 1_748_000_000_000_000),
    took_us=st.integers(0, 10_000_000),
    failed=st.booleans(),
    hit=st.booleans(),
)
def test_every_view_of_a_call_has_one_uuid(start_us: int, took_us: int, failed: bool, hit: bool) -> None:
    """Prisma truncates to milliseconds, JSON floats carry microseconds, cache hits get a suffix from each logger's own clock."""
    from posthog_llm_cli.timeparse import from_us

    def naive(us: int) -> str:
        return from_us(us).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")

    def cut(us: int) -> str:
        return (
            from_us(us // 1000 * 1000).replace(tzinfo=None).isoformat(timespec="milliseconds").rstrip("0").rstrip(".")
        )

    end_us = start_us + took_us
    suffix = f"_cache_hit{end_us / 1e6}" if hit else ""
    slo = payload(
        id=f"chatcmpl-7{suffix}", startTime=start_us / 1e6, endTime=end_us / 1e6, status="failure" if failed else "success"
    )  # fmt: skip
    row = spend_row({**slo, "id": f"chatcmpl-7{'_cache_hit' + str(end_us / 1e6 + 0.01) if hit else ''}"}, start=cut(start_us), end=cut(end_us))  # fmt: skip
    views = [slo, {"standard_logging_object": slo}, {"kwargs": {"standard_logging_object": slo}}, datadog(slo), row]
    views.append({**row, "startTime": from_us(start_us).isoformat(), "metadata": json.dumps(row["metadata"])})
    if not failed:
        views.append({
            "id": slo["id"], "call_type": "acompletion", "startTime": naive(start_us), "endTime": naive(end_us),
            "model": "gpt-4o", "modelParameters": "{}", "messages": "[]", "usage": "Usage(total_tokens=30)",
        })  # fmt: skip
    assert len({only_event(view).uuid for view in views}) == 1


def test_a_richer_view_that_was_seen_first_makes_the_poorer_a_duplicate_only_by_uuid() -> None:
    slo = payload(startTime=1748772000.250999, end_user="u-1")
    row = spend_row(slo, start="2025-06-01T10:00:00.25", end="2025-06-01T10:00:02.25")
    assert only_event(row).uuid == only_event(slo).uuid
    assert only_event(row).distinct_id != only_event(slo).distinct_id


# ------------------------------------------------------------------------------------------------ what is no log, by name


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"raw_request": "curl -X POST", "raw_response": '{"choices": [{"message": {"content": "x"}}]}'}, "log_raw_request_response"),
        ({"raw_request": "curl -X POST"}, "log_raw_request_response"),
        ({"api_key": "phc_x", "batch": [{"event": "$ai_generation", "properties": {}}]}, "/batch/"),
    ],
)  # fmt: skip
def test_what_is_no_log_is_refused_by_name(record: Any, words: str) -> None:
    rejected = to_rejection(record)
    assert rejected.code == "unknown-format"
    assert words in rejected.message


# ------------------------------------------------------------------------------------------------------- older payloads


def older(**changes: Any) -> dict[str, Any]:
    """A payload of an old LiteLLM: fields absent, others of another type."""
    absent = (
        "litellm_call_id",
        "session_id",
        "status_fields",
        "cost_breakdown",
        "model_group",
        "error_information",
        "stream",
    )
    return {key: value for key, value in payload().items() if key not in absent} | changes


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"trace_id": None},
        {"guardrail_information": {"guardrail_name": "pii", "guardrail_response": "secret words"}},
        {"messages": "redacted-by-litellm", "response": "redacted-by-litellm"},
        {"messages": {"text": "redacted-by-litellm"}, "response": {"text": "redacted-by-litellm"}},
        {"metadata": None, "model_parameters": None, "hidden_params": None, "request_tags": None},
        {"status": None},
    ],
)
def test_an_older_payload_converts(changes: Any) -> None:
    event, found = to_event(older(**changes)), to_properties(older(**changes))
    assert found["$ai_trace_id"] == ("chatcmpl-1" if changes.get("trace_id", "trace-1") is None else "trace-1")
    assert found["$ai_total_cost_usd"] == 0.5
    assert b"secret words" not in event.properties
    assert ("litellm_redacted" in found) == ("redacted" in json.dumps(changes))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("guardrail_intervened", "guardrail_intervened"), ("guardrail_flagged", "guardrail_flagged"),
        ("guardrail_failed_to_respond", "guardrail_failed_to_respond"), ("not_run", None), ("success", None), (None, None), (7, None), ([], None),
        ("blocked: my card is 4111", None), (["guardrail_flagged"], None),
    ],
)  # fmt: skip
def test_a_guardrail_that_did_something_is_a_property(status: Any, expected: str | None) -> None:
    assert (
        to_properties(payload(status_fields={"guardrail_status": status})).get("litellm_guardrail_status") == expected
    )


def test_retries_and_fallbacks_of_one_request_are_siblings_in_order() -> None:
    """A fallback keeps the call id: the attempts share a trace and are two events."""
    failed = payload(id="call-1", status="failure", endTime=1748772001.0, error_str="429", total_tokens=0)
    answered = payload(id="chatcmpl-9", startTime=1748772001.5, endTime=1748772003.0, trace_id="trace-1")
    events = [to_event(failed), to_event(answered)]
    assert len({event.uuid for event in events}) == 2
    assert {to_properties(call)["$ai_trace_id"] for call in (failed, answered)} == {"trace-1"}
    assert events[0].timestamp < events[1].timestamp
    assert not any("$ai_parent_id" in to_properties(call) for call in (failed, answered))


def test_a_detected_view_is_counted_under_its_format() -> None:
    assert convert_value(datadog(payload())).format == "litellm"


@pytest.mark.parametrize(
    "inner",
    [
        {"is_error": True, "error": "down", "service": "redis", "duration": 0.5, "call_type": "async_get_cache"},
        {
            "exception": "no key", "error_class": "ProxyException", "status_code": 401, "traceback": "",
            "user_api_key_dict": {"user_api_key_hash": "ab"},
        },
    ],
)  # fmt: skip
def test_what_litellm_tells_datadog_of_itself_is_no_call(inner: Any) -> None:
    (converted,) = convert_bytes(orjson.dumps(datadog(inner)))
    assert isinstance(converted.result, Skipped), converted.result
    assert converted.result.code == "not-a-model-call"


def test_somebodys_own_record_with_the_keys_of_a_service_is_a_call() -> None:
    own = {
        "is_error": False, "service": "chat", "duration": 0.5, "call_type": "chat", "model": "gpt-4o", "prompt": "hi",
        "response": "ho", "timestamp": "2025-06-01T10:00:00Z",
    }  # fmt: skip
    assert convert_value(own).format == "openai-flat"
    assert to_properties(own)["$ai_model"] == "gpt-4o"
