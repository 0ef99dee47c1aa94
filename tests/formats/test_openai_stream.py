"""Streams that are whole in one record, and parts alone (openai-logs.md, 4.6)."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.converting import convert_value, to_event, to_properties, to_rejection, to_skip, wire
from tests.laws import examples
from tests.streaming import (
    CREATED,
    MODEL,
    chunk,
    message,
    ollama,
    output_text,
    responded,
    response,
    said,
    sse,
    text_part,
    usage_chunk,
)

REQUEST = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
HELLO = said("Hel", "lo")


def warnings_of(record: Any) -> set[str]:
    return set(convert_value(record).warnings)


def first_parts_of(properties: dict[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = properties["$ai_output_choices"][0]["content"]
    return parts


# ----------------------------------------------------------------------------------------------------------- the forms


@pytest.mark.parametrize(
    "record",
    [
        {"request": REQUEST, "sse": sse(*HELLO)},
        {"request": REQUEST, "response": sse(*HELLO)},
        {"request": REQUEST, "response": sse(*HELLO).replace("\n", "\r\n")},
        {"request": REQUEST, "stream": sse(": PROCESSING", *HELLO)},
        {"request": REQUEST, "sse": sse(*HELLO).replace("\n\n", "\n")},
        {"request": REQUEST, "chunks": HELLO},
        {"request": REQUEST, "events": [json.dumps(part) for part in HELLO]},
        {"request": REQUEST, "response": json.dumps(HELLO)},
        {"request": REQUEST, "stream": [f"data: {json.dumps(part)}\n\n" for part in HELLO]},
        {"request": REQUEST, "stream": [f"data: {json.dumps(part)}" for part in HELLO]},
        {"request": REQUEST, "response": {"status": {"code": 200}, "headers": {}, "body": {"string": sse(*HELLO)}}},
        {"chunks": [{"request": REQUEST, "response": part} for part in HELLO]},
        {"request": REQUEST, "response": sse(*HELLO).replace("\n", "\r")},
        {"request": REQUEST, "response": "\n".join(json.dumps(part) for part in HELLO)},
        {"chunks": [{"request": REQUEST, "response": f"data: {json.dumps(part)}\n\n"} for part in HELLO]},
    ],
    ids=range(15),
)  # fmt: skip
def test_a_stream_is_one_call_in_whatever_form_it_was_recorded(record: Any) -> None:
    whole = to_event({"request": REQUEST, "response": whole_chat("Hello")})
    found = to_event(record)
    assert (found.uuid, found.timestamp, found.distinct_id) == (whole.uuid, whole.timestamp, whole.distinct_id)
    properties = dict(wire(found)["properties"])
    assert properties.pop("$ai_stream") is True
    properties.pop("$ai_http_status", None)
    assert properties == wire(whole)["properties"]
    assert convert_value(record).format == "openai-stream"


@pytest.mark.parametrize("record", [HELLO, {"chunks": HELLO}, {"sse": sse(*HELLO)}])
def test_parts_without_anything_around_them_are_a_bare_answer(record: Any) -> None:
    found = to_event(record)
    assert found.uuid == to_event(whole_chat("Hello")).uuid
    assert output_text(wire(found)["properties"]) == "Hello"
    assert warnings_of(record) == {"no-input", "no-usage", "no-user"}


def test_a_part_alone_is_a_call() -> None:
    properties = to_properties(chunk({"role": "assistant", "content": "Hi"}, "stop"))
    assert (output_text(properties), properties["$ai_stop_reason"], properties["$ai_stream"]) == ("Hi", "stop", True)


def whole_chat(text: str, **changes: Any) -> dict[str, Any]:
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": CREATED, "model": MODEL, "choices": choices, **changes,
    }  # fmt: skip


# --------------------------------------------------------------------------------------------------------- chat chunks


def test_texts_reasoning_refusals_and_choices_are_put_together_by_index() -> None:
    record = [
        chunk({"role": "assistant", "reasoning_content": "Hm"}),
        chunk({"reasoning_content": "m.", "content": None}),
        chunk({"role": "assistant", "content": "B"}, index=1),
        chunk({"content": "A", "refusal": None}),
        chunk({"content": "2"}, "length", index=1),
        chunk({"refusal": "No"}),
        chunk({"refusal": "!"}),
        chunk({}, "stop"),
    ]
    properties = to_properties(record)
    assert properties["$ai_output_choices"] == [
        {"role": "assistant", "content": [
            {"type": "reasoning", "text": "Hmm."}, {"type": "text", "text": "A"}, {"type": "text", "text": "No!"},
        ]},
        {"role": "assistant", "content": [{"type": "text", "text": "B2"}]},
    ]  # fmt: skip
    assert properties["$ai_stop_reason"] == "stop"


def call(name: str | None = None, arguments: str | None = None, **fields: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**fields, "function": function}


@pytest.mark.parametrize(
    "fragments",
    [
        [call("tide", "", index=0, id="a"), call(None, '{"p":', index=0), call("wind", "{", index=1, id="b"),
         call(None, "1}", index=0), call(None, "}", index=1)],
        [call("tide", '{"p":', id="a"), call(None, "1}"), call("wind", "{", id="b"), call(None, "}")],
        [call("tide", '{"p":', id="a"), call(None, "1}", id="a"), call("wind", "{}", id="b")],
        [call("tide", '{"p":1}', index=0, id="a"), call("wind", "{}", index=0, id="b")],
        [call("wind", "{}", index=1, id="b"), call("tide", '{"p":1}', index=0, id="a")],
    ],
    ids=["by index", "by a new id", "with the id in every piece", "all with index 0", "in another order"],
)  # fmt: skip
def test_fragments_of_tool_calls_find_their_call(fragments: list[dict[str, Any]]) -> None:
    record = [chunk({"tool_calls": [fragment]}) for fragment in fragments]
    found = first_parts_of(to_properties([*record, chunk({}, "tool_calls")]))
    assert found == [
        {"type": "function", "id": "a", "function": {"name": "tide", "arguments": '{"p":1}'}},
        {"type": "function", "id": "b", "function": {"name": "wind", "arguments": "{}"}},
    ]


def test_a_name_begins_a_call_where_there_is_neither_index_nor_id() -> None:
    fragments = [call("tide", "{"), call(None, "}"), call("wind")]
    found = first_parts_of(to_properties([chunk({"tool_calls": [fragment]}) for fragment in fragments]))
    assert [part["function"] for part in found] == [{"name": "tide", "arguments": "{}"}, {"name": "wind"}]


def test_complete_arguments_end_a_call_where_all_have_index_0_and_no_id() -> None:
    fragments = [
        call("tide", '{"p":1}', index=0, id=""),
        call("tide", '{"p":', index=0, id=""),
        call("tide", "2}", index=0),
    ]
    found = first_parts_of(to_properties([chunk({"tool_calls": [fragment]}) for fragment in fragments]))
    assert [part["function"]["arguments"] for part in found] == ['{"p":1}', '{"p":2}']


def test_a_whole_answer_behind_its_pieces_is_said_once() -> None:
    whole = {**chunk(), "object": "chat.completion"}
    whole["choices"] = [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]
    assert output_text(to_properties({"request": REQUEST, "sse": sse(*HELLO, whole)})) == "Hello"


@pytest.mark.parametrize(
    "text",
    ["data: [DONE]\n\n", sse(*HELLO)[40:], "\n".join(json.dumps(part) for part in HELLO)[40:]],
    ids=["its end alone", "without its beginning", "lines without their beginning"],
)
def test_the_rest_of_a_stream_is_no_answers_text(text: str) -> None:
    found = convert_value({"ts": CREATED, "request": REQUEST, "response": text})
    assert found.format != "openai-flat"


def test_lines_of_json_that_a_model_wrote_are_its_text() -> None:
    text = '{"a": 1}\n{"a": 2}'
    assert output_text(to_properties({"ts": CREATED, "model": "m", "prompt": "p", "response": text})) == text


def test_the_old_function_call_and_a_custom_tool_are_put_together() -> None:
    old = [chunk({"function_call": {"name": "tide"}}), chunk({"function_call": {"arguments": "{}"}})]
    assert first_parts_of(to_properties(old)) == [{"type": "function", "function": {"name": "tide", "arguments": "{}"}}]
    custom = [
        {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "l"}},
        {"index": 0, "custom": {"input": "s"}},
    ]
    found = first_parts_of(to_properties([chunk({"tool_calls": [fragment]}) for fragment in custom]))
    assert found == [{"type": "function", "id": "a", "function": {"name": "sh", "arguments": "ls"}}]


def test_lists_of_parts_in_deltas_are_joined() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "H"}]}
    record = [
        chunk({"content": [thinking]}),
        chunk({"content": [thinking]}),
        chunk({"content": "a"}),
        chunk({"content": "b"}),
    ]
    assert first_parts_of(to_properties(record)) == [
        {"type": "reasoning", "text": "HH"},
        {"type": "text", "text": "ab"},
    ]


def test_spoken_answers_are_their_transcript() -> None:
    record = [chunk({"audio": {"id": "x", "transcript": "He"}}), chunk({"audio": {"transcript": "llo"}}, "stop")]
    assert first_parts_of(to_properties(record)) == [{"type": "text", "text": "Hello"}]


@pytest.mark.parametrize(
    "chunks",
    [
        [*HELLO, usage_chunk()],
        [*HELLO[:-1], chunk({}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7})],
        [*HELLO[:-1], chunk({}, "stop", x_groq={"usage": {"prompt_tokens": 5, "completion_tokens": 2}})],
        [chunk({"content": str(n)}, usage={"prompt_tokens": 5, "completion_tokens": n}) for n in range(3)],
        [usage_chunk(), *HELLO, chunk(choices=[], usage={"prompt_tokens": 0, "completion_tokens": 0})],
        [*HELLO[:-1], chunk(choices=[{"index": 0, "delta": {}, "usage": {"prompt_tokens": 5, "completion_tokens": 2}}])],
    ],
    ids=["a last chunk", "the finishing chunk", "x_groq", "cumulative", "zeros behind", "in the choice"],
)  # fmt: skip
def test_usage_is_the_last_that_says_something_and_never_a_sum(chunks: list[Any]) -> None:
    properties = to_properties(chunks)
    assert (properties["$ai_input_tokens"], properties["$ai_output_tokens"]) == (5, 2)


def test_azures_first_chunk_tells_the_provider_and_its_last_the_durations() -> None:
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{}]}
    note = {"id": "", "object": "", "created": 0, "model": "", "choices": [{"index": 0, "content_filter_offsets": {}}]}
    last = chunk(choices=[], latency_checkpoint={"total_duration_ms": 900, "service_ttft_ms": 250})
    record = [first, *HELLO[:2], note, *HELLO[2:], last]
    properties = to_properties(record)
    assert properties["$ai_provider"] == "azure"
    assert properties["$ai_model"] == MODEL
    assert (properties["$ai_latency"], properties["$ai_time_to_first_token"]) == (0.9, 0.25)
    assert output_text(properties) == "Hello"
    for alone in (first, note):
        assert to_skip(alone).code == "not-a-model-call"


def test_a_stream_without_its_end_says_so() -> None:
    cut = {"request": REQUEST, "sse": sse(*HELLO[:-1], done=False)}
    assert "stream-truncated" in warnings_of(cut)
    assert "$ai_stop_reason" not in to_properties(cut)
    cut_in_a_payload = {"request": REQUEST, "sse": sse(*HELLO, done=False)[:-30]}
    assert "stream-truncated" in warnings_of(cut_in_a_payload)
    assert output_text(to_properties(cut_in_a_payload)) == "Hello"
    assert "stream-truncated" not in warnings_of({"request": REQUEST, "sse": sse(*HELLO[:-1])})


@pytest.mark.parametrize(
    "parts",
    [
        [*HELLO[:-1], chunk({"content": ""}, "error", error={"code": 502, "message": "gone"})],
        [*HELLO[:-1], 'event: error\ndata: {"error": {"message": "gone", "code": 502}}'],
        [*HELLO[:-1], 'event: error\ndata: {"message": "gone", "code": 502}'],
        [*HELLO[:-1], {"error": {"message": "gone", "code": 502}}],
        [*HELLO[:-1], '{"error": {"message": "gone", "code": 502}}'],
    ],
    ids=["in a chunk", "an event", "an event without type", "a payload", "a body behind"],
)
def test_an_error_in_the_midst_fails_the_call_and_keeps_what_came(parts: list[Any]) -> None:
    record = {"request": REQUEST, "sse": sse(*parts, done=False)}
    properties = to_properties(record)
    assert (properties["$ai_is_error"], properties["$ai_error"]) == (True, "gone")
    assert (properties["$ai_error_type"], properties["$ai_http_status"]) == ("502", 502)
    assert output_text(properties) == "Hello"
    assert "stream-truncated" not in warnings_of(record)


def test_groqs_reason_for_stopping_early_is_the_error() -> None:
    stopped = [
        chunk(x_groq={"error": "over capacity"}),
        chunk(choices=None, x_groq={"error": "over capacity"}),
        {key: value for key, value in chunk(x_groq={"error": "over capacity"}).items() if key != "choices"},
    ]
    for last in stopped:
        properties = to_properties({"request": REQUEST, "chunks": [*HELLO[:-1], last]})
        assert (properties["$ai_is_error"], properties["$ai_error"]) == (True, "over capacity")
        assert output_text(properties) == "Hello"
        assert "$ai_stop_reason" not in properties
    went_well = [*HELLO[:-1], chunk(finish="stop", x_groq={"id": "req_1", "error": None})]
    assert "$ai_is_error" not in to_properties({"request": REQUEST, "chunks": went_well})


def test_a_stream_of_mere_error_is_a_failed_call() -> None:
    record = {
        "ts": CREATED,
        "request": REQUEST,
        "sse": sse('event: error\ndata: {"error": {"message": "no"}}', done=False),
    }
    properties = to_properties(record)
    assert (properties["$ai_error"], properties["$ai_model"], properties["$ai_stream"]) == ("no", "gpt-4o", True)


def test_what_a_stream_is_not_stays_what_it_is() -> None:
    asked = {"request": REQUEST}
    anthropic = sse('event: message_start\ndata: {"type": "message_start", "message": {}}', done=False)
    refused = to_rejection({**asked, "sse": anthropic})
    assert refused.code == "unsupported-format"
    assert "Anthropic" in refused.message
    assert to_rejection({**asked, "events": [{"type": "message_start"}]}).code == "unsupported-format"
    assert to_rejection({"type": "content_block_delta", "delta": {}}).code == "unsupported-format"
    assert to_rejection({**asked, "sse": sse({"foo": 1})}).code == "unsupported-format"
    prose = {"prompt": "Show SSE", "response": "data: 5 apples", "model": "m", "ts": CREATED}
    assert convert_value(prose).format != "openai-stream"


def test_a_broken_payload_in_the_midst_is_no_call() -> None:
    text = sse(*HELLO[:2], done=False) + 'data: {"id": "chat\n\n' + sse(*HELLO[2:])
    assert to_rejection({"request": REQUEST, "sse": text}).code == "invalid-json"


@pytest.mark.parametrize(
    "parts",
    [
        [*said("a", id="a"), *said("b", id="b")],
        [*HELLO, *HELLO],
        [*responded("a", "resp_a"), *responded("b", "resp_b")],
    ],
    ids=["two ids", "twice", "two responses"],
)
def test_several_streams_in_one_record_cannot_be_told_apart(parts: list[Any]) -> None:
    refused = to_rejection({"request": REQUEST, "chunks": parts})
    assert refused.code == "unknown-format"
    assert "2" in refused.message


def test_ids_that_change_with_every_chunk_are_one_stream_in_one_record() -> None:
    parts = [{**part, "id": f"chatcmpl-{number}"} for number, part in enumerate(HELLO)]
    event = to_event({"request": REQUEST, "sse": sse(*parts)})
    assert output_text(wire(event)["properties"]) == "Hello"


def test_a_whole_answer_in_a_stream_is_that_answer() -> None:
    assert output_text(to_properties({"request": REQUEST, "sse": sse(whole_chat("Hello"))})) == "Hello"
    done = response(status="completed", output=[message("Hello")])
    assert output_text(to_properties({"request": REQUEST, "sse": sse(done)})) == "Hello"


def test_chunks_with_the_object_of_a_whole_completion_are_chunks() -> None:
    parts = [
        {**part, "object": "chat.completion", "choices": [{**part["choices"][0], "message": {"content": "so far"}}]}
        for part in HELLO
    ]
    assert output_text(to_properties({"request": REQUEST, "sse": sse(*parts)})) == "Hello"


# ----------------------------------------------------------------------------------------- text completions, responses


def test_a_text_completion_is_put_together() -> None:
    properties = to_properties({"sse": sse(text_part("Hel"), text_part("lo"), text_part("", "stop"))})
    assert (output_text(properties), properties["$ai_stop_reason"]) == ("Hello", "stop")
    assert output_text(to_properties([text_part("Hel"), text_part("lo", "stop")])) == "Hello"


def test_the_last_event_of_a_response_is_the_whole_call() -> None:
    events = responded("Hello there")
    whole = to_event({"request": REQUEST, "response": events[-1]["response"]})
    for record in ({"request": REQUEST, "events": events}, {"request": REQUEST, "sse": sse(*events, done=False)}):
        found = to_event(record)
        assert found.uuid == whole.uuid
        assert wire(found)["properties"] == {**wire(whole)["properties"], "$ai_stream": True}
        assert "stream-truncated" not in warnings_of(record)
    alone = to_properties(events[-1])
    assert (output_text(alone), alone["$ai_input_tokens"]) == ("Hello there", 5)


def test_a_response_that_was_cut_off_is_its_items_that_were_done() -> None:
    events = responded("Hello there")[:-1]
    properties = to_properties({"request": REQUEST, "events": events})
    assert output_text(properties) == "Hello there"
    assert "$ai_input_tokens" not in properties
    assert "$ai_stop_reason" not in properties
    assert "stream-truncated" in warnings_of({"request": REQUEST, "events": events})


def test_an_item_that_was_not_done_is_sent_as_far_as_it_came() -> None:
    events = responded("Hello there")
    tool = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "tide", "arguments": ""}
    place = {"item_id": "fc_1", "output_index": 1}
    more = [
        {"type": "response.output_item.added", "output_index": 1, "item": tool},
        {"type": "response.function_call_arguments.delta", **place, "delta": '{"p'},
        {"type": "response.function_call_arguments.delta", **place, "delta": '":'},
    ]
    properties = to_properties([*events[:4], *more])
    assert first_parts_of(properties) == [
        {"type": "text", "text": "Hellothere"},
        {"type": "function", "id": "call_1", "function": {"name": "tide", "arguments": '{"p":'}},
    ]
    assert "stream-truncated" in warnings_of([*events[:4], *more])


def test_events_that_were_logged_twice_are_said_once() -> None:
    events = responded("Hello there")[:4]
    assert output_text(to_properties([events[0], *events, *events[2:]])) == "Hellothere"


def test_done_items_stand_in_their_places_and_once() -> None:
    done = [
        {"type": "response.output_item.done", "output_index": place, "item": message(text)}
        for place, text in ((1, "b"), (0, "a"), (1, "b"))
    ]
    assert output_text(to_properties([responded("")[0], *done])) == "ab"


@pytest.mark.parametrize(
    "error",
    [
        {"type": "error", "code": "server_error", "message": "gone", "param": None, "sequence_number": 7},
        'event: error\ndata: {"code": "server_error", "message": "gone"}',
        {"type": "response.failed", "response": response(status="failed", error={"code": "server_error", "message": "gone"})},
    ],
)  # fmt: skip
def test_a_response_fails_with_the_error_in_its_stream(error: Any) -> None:
    record = {"request": REQUEST, "sse": sse(*responded("Hello there")[:-1], error, done=False)}
    properties = to_properties(record)
    assert (properties["$ai_error"], properties["$ai_error_type"]) == ("gone", "server_error")
    assert output_text(properties) == "Hello there"
    assert "stream-truncated" not in warnings_of(record)


def test_an_events_name_stands_for_a_type_that_is_missing() -> None:
    blocks = []
    for event in responded("Hello there"):
        kind = event.pop("type")
        blocks.append(f"event: {kind}\ndata: {json.dumps(event)}")
    assert output_text(to_properties({"request": REQUEST, "sse": sse(*blocks, done=False)})) == "Hello there"


def test_ollamas_parts_are_one_answer() -> None:
    record = {"chunks": [ollama("Hel"), ollama("lo", second=1), ollama("", done=True, second=2)]}
    event = to_event(record)
    properties = wire(event)["properties"]
    assert (output_text(properties), properties["$ai_stop_reason"]) == ("Hello", "stop")
    assert (properties["$ai_input_tokens"], properties["$ai_output_tokens"]) == (5, 2)
    assert event.timestamp.second == 2
    assert "stream-truncated" in warnings_of({"chunks": [ollama("Hel"), ollama("lo")]})


# -------------------------------------------------------------------------------------------------------------- times


def test_times_of_chunks_give_the_end_and_with_a_start_the_durations() -> None:
    times = ("2025-06-01T10:00:00.500Z", "2025-06-01T10:00:01Z", "2025-06-01T10:00:01.250Z", "2025-06-01T10:00:02Z")
    parts = [{**part, "ts": time} for part, time in zip(HELLO, times, strict=True)]
    started = "2025-06-01T10:00:00Z"
    for record in (
        {"request": REQUEST, "started_at": started, "chunks": parts},
        {"chunks": [{"ts": part["ts"], "started_at": started, "response": part} for part in parts]},
        [{**part, "started_at": started} for part in parts],
    ):
        event = to_event(record)
        properties = wire(event)["properties"]
        assert wire(event)["timestamp"] == "2025-06-01T10:00:02.000000Z"
        assert (properties["$ai_time_to_first_token"], properties["$ai_latency"]) == (1.0, 2.0)


def test_without_a_start_there_is_no_duration_and_without_times_the_end_is_created() -> None:
    timed = [{**part, "ts": CREATED + number} for number, part in enumerate(HELLO)]
    event = to_event(timed)
    assert event.timestamp.timestamp() == CREATED + 3
    assert "$ai_time_to_first_token" not in wire(event)["properties"]
    assert "$ai_latency" not in wire(event)["properties"]
    started = to_event({"started_at": CREATED - 1, "request": REQUEST, "chunks": HELLO})
    assert "$ai_time_to_first_token" not in wire(started)["properties"]


def test_what_the_record_says_of_its_times_wins_over_its_chunks() -> None:
    timed = [{**part, "ts": CREATED + number} for number, part in enumerate(HELLO)]
    record = {"ended_at": CREATED + 9, "started_at": CREATED - 1, "ttft": 0.25, "latency": 4.5, "chunks": timed}
    event = to_event(record)
    properties = wire(event)["properties"]
    assert event.timestamp.timestamp() == CREATED + 9
    assert (properties["$ai_time_to_first_token"], properties["$ai_latency"]) == (0.25, 4.5)


def test_a_duration_in_every_chunk_is_not_believed() -> None:
    assert "$ai_latency" not in to_properties([{**part, "elapsed_ms": 30} for part in HELLO])
    assert to_properties([*HELLO[:-1], {**HELLO[-1], "elapsed_ms": 300}])["$ai_latency"] == 0.3


# ------------------------------------------------------------------------------------------------------------ the law


texts = st.text(alphabet=st.sampled_from('ab "\\\n{}é😀\u2028'), max_size=12)
names = st.sampled_from(["tide", "wind", "moon"])


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    """A whole chat completion."""
    choices = []
    for index in range(draw(st.integers(1, 3))):
        said: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | texts)}
        for key in draw(st.sets(st.sampled_from(["refusal", "reasoning_content", "reasoning"]))):
            said[key] = draw(texts)
        if draw(st.booleans()):
            said["tool_calls"] = [
                {"id": f"call_{index}_{number}", "type": "function", "function": {"name": draw(names), "arguments": draw(texts)}}
                for number in range(draw(st.integers(1, 3)))
            ]  # fmt: skip
        if draw(st.booleans()):
            said["function_call"] = {"name": draw(names), "arguments": draw(texts)}
        finish = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
        choices.append({"index": index, "message": said, "finish_reason": finish})
    counts = st.fixed_dictionaries({"prompt_tokens": st.integers(0, 9), "completion_tokens": st.integers(0, 9)})
    extra = draw(
        st.fixed_dictionaries({}, optional={"service_tier": st.just("flex"), "system_fingerprint": st.just("fp_1")})
    )
    usage = draw(st.none() | counts)
    whole = {"id": "chatcmpl-L", "object": "chat.completion", "created": CREATED, "model": MODEL, **extra}
    return {**whole, "choices": choices, **({} if usage is None else {"usage": usage})}


def cut(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def pieces_of(draw: st.DrawFn, choice: dict[str, Any]) -> list[dict[str, Any]]:
    """A choice's deltas, in an order in which servers may send them."""
    said = choice["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
    for key in ("reasoning_content", "reasoning", "content", "refusal"):
        deltas += [{key: piece} for piece in cut(draw, said[key])] if said.get(key) is not None else []
    fragments = []
    for index, tool_call in enumerate(said.get("tool_calls", [])):
        first, *rest = cut(draw, tool_call["function"]["arguments"])
        fragments.append([
            {"index": index, **tool_call, "function": {"name": tool_call["function"]["name"], "arguments": first}},
            *({"index": index, "function": {"arguments": piece}} for piece in rest),
        ])  # fmt: skip
    deltas += [{"tool_calls": [fragment]} for fragment in interleaved(draw, fragments)]
    if "function_call" in said:
        first, *rest = cut(draw, said["function_call"]["arguments"])
        deltas.append({"function_call": {**said["function_call"], "arguments": first}})
        deltas += [{"function_call": {"arguments": piece}} for piece in rest]
    return deltas


def interleaved(draw: st.DrawFn, rows: list[list[Any]]) -> list[Any]:
    """All items of all rows; within a row the order stays."""
    waiting = [list(row) for row in rows if row]
    found = []
    while waiting:
        row = draw(st.sampled_from(waiting))
        found.append(row.pop(0))
        waiting = [left for left in waiting if left]
    return found


@st.composite
def streams_of(draw: st.DrawFn, whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of a completion, cut at random."""
    frame = {
        **{key: value for key, value in whole.items() if key not in {"choices", "usage"}},
        "object": "chat.completion.chunk",
    }
    rows = []
    for choice in whole["choices"]:
        deltas = pieces_of(draw, choice)
        row = [{"index": choice["index"], "delta": delta, "finish_reason": None} for delta in deltas]
        if draw(st.booleans()):
            row.append({"index": choice["index"], "delta": {}, "finish_reason": None})
        row[-1]["finish_reason"] = choice["finish_reason"]
        rows.append(row)
    chunks = [{**frame, "choices": [choice]} for choice in interleaved(draw, rows)]
    if "usage" in whole:
        match draw(st.sampled_from(["own", "last", "groq", "cumulative"])):
            case "own":
                chunks.append({**frame, "choices": [], "usage": whole["usage"]})
            case "last":
                chunks[-1]["usage"] = whole["usage"]
            case "groq":
                chunks[-1]["x_groq"] = {"usage": whole["usage"]}
            case _:
                chunks = [
                    {**part, "usage": {"prompt_tokens": 1, "completion_tokens": n}} for n, part in enumerate(chunks)
                ]
                chunks[-1]["usage"] = whole["usage"]
    return chunks


@settings(max_examples=examples(80), deadline=None)
@given(st.data(), completions())
def test_whatever_the_cuts_a_stream_is_the_event_of_its_whole_completion(
    data: st.DataObject, whole: dict[str, Any]
) -> None:
    chunks = data.draw(streams_of(whole))
    form = data.draw(st.sampled_from(["list", "sse", "pair"]))
    asked = {"request": REQUEST, "timestamp": "2025-06-01T10:00:00Z"} if form == "pair" else {}
    streamed: Any = {**asked, "sse": sse(*chunks)} if form != "list" else chunks
    expected = wire(to_event({**asked, "response": whole} if asked else whole))
    found = wire(to_event(streamed))
    is_groq = any("x_groq" in part for part in chunks)
    assert found["properties"].pop("$ai_stream") is True
    for event in (found, expected) if is_groq else ():
        event["properties"].pop("$ai_provider")
    # A usage that counts nothing is no usage, so that an earlier one may stand.
    if whole.get("usage") and not any(whole["usage"].values()):
        for name in [
            name for name in found["properties"] if name.startswith("$ai_") and ("token" in name or "usage" in name)
        ]:
            del found["properties"][name]
    assert found == expected


def test_parts_of_two_calls_in_one_record_are_refused() -> None:
    def part(number: int) -> dict[str, object]:
        choices = [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]
        return {
            "id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1748772500, "model": "gpt-4o",
            "choices": choices,
        }  # fmt: skip

    rejected = to_rejection({"chunks": [part(1), part(2)]})
    assert (rejected.code, "2 in one record" in rejected.message) == ("unknown-format", True)
