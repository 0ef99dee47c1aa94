"""The usual call, read from its bytes: never anything but what reading the record in full says of the same bytes."""

import copy
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.generate import CORPORA, lines
from posthog_llm_cli import formats
from posthog_llm_cli.convert import convert
from posthog_llm_cli.decoding import decode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats import _litellm_usual, litellm
from posthog_llm_cli.formats._litellm_output import SENTINEL
from posthog_llm_cli.model import Event, LLMCall, LogLine, SourceRef
from tests.converting import OPTIONS, SAMPLES, with_build
from tests.formats.test_facts import LATER
from tests.formats.test_random_edits import JUNK, parent_of, paths
from tests.laws import examples

LITELLM_LOGS = Path(__file__).parents[3] / "shared" / "data" / "litellm"
KEY_HASH = "a" * 64

USUAL: dict[str, Any] = {
    "id": "chatcmpl-1",
    "litellm_call_id": "5a3e1f00-0000-4000-8000-000000000001",
    "trace_id": "b7c1d2e3-0000-4000-8000-000000000001",
    "session_id": "s-1",
    "call_type": "acompletion",
    "cache_hit": None,
    "stream": True,
    "status": "success",
    "status_fields": {"llm_api_status": "success", "guardrail_status": "not_run"},
    "custom_llm_provider": "openai",
    "saved_cache_cost": 0.0,
    "startTime": 1748772060.25,
    "endTime": 1748772061.75,
    "completionStartTime": 1748772060.5,
    "model": "openai/gpt-4o",
    "metadata": {
        "user_api_key_hash": KEY_HASH,
        "user_api_key_alias": "team",
        "user_api_key_user_id": "owner",
        "requester_metadata": {
            "user_id": "u-1", "feature": "search", "tags": ["a"], "depth": {"of": [1, None]}, "session_id": "s-2",
            "generation_name": "summarise", "$ai_trace_name": "wished", "$groups": {"company": "c"},
        },
        "usage_object": {
            "prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25, "cache_creation_input_tokens": 0,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": None},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        "attempted_retries": 0,
        "additional_usage_values": {},
    },
    "response_cost": 0.000225,
    "cost_breakdown": {"input_cost": 2.5e-05, "output_cost": 0.0002, "total_cost": 0.000225},
    "total_tokens": 25,
    "prompt_tokens": 20,
    "completion_tokens": 5,
    "request_tags": ["User-Agent: x", "b"],
    "end_user": "customer",
    "api_base": "https://api.openai.com/v1/",
    "model_group": "gpt",
    "model_id": "deployment",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": 'Grüße \U0001f600 "?"\n'}],
    "response": {
        "id": "chatcmpl-1",
        "model": "gpt-4o",
        "service_tier": "default",
        "choices": [
            {
                "finish_reason": "stop",
                "index": 0,
                "message": {
                    "content": "Ja.", "role": "assistant", "tool_calls": None, "function_call": None,
                    "annotations": [], "provider_specific_fields": {"refusal": None},
                },
            }
        ],
        "usage": {"completion_tokens": 5, "prompt_tokens": 20, "total_tokens": 25},
    },
    "error_str": None,
    "model_parameters": {
        "temperature": 0.2, "max_tokens": 64, "user": "u-1001", "stream": True,
        "tools": [{"type": "function", "function": {"name": "f"}, "headers": {"authorization": "x"}}],
    },
    "hidden_params": {"additional_headers": {"x-request-id": "r"}},
    "model_map_information": {"model_map_key": "gpt-4o", "model_map_value": {"max_tokens": 16384}},
}  # fmt: skip
CALLING = {
    "content": None,
    "reasoning_content": "First, …",
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
}


def usual(**changes: Any) -> dict[str, Any]:
    """A usual record with other members."""
    return {**copy.deepcopy(USUAL), **changes}


def with_member(path: str, value: Any) -> dict[str, Any]:
    """A usual record with another value at a dotted path."""
    record = usual()
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    holder: Any = record
    for key in parents:
        holder = holder[key]
    holder[last] = value
    return record


CALLING_RECORD = with_member("response.choices.0.message", CALLING)
PLAIN_RECORD = usual(
    metadata={"usage_object": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}},
    session_id="",
    stream=None,
    end_user=None,
    request_tags=[],
    model_parameters={},
    response_cost=0.0,
)


@pytest.fixture(autouse=True)
def _always_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has tried in vain is not passed over in the next."""
    monkeypatch.setattr(_litellm_usual, "_MOST_VAIN", 10**9)


def in_full(raw: bytes, options: Any = OPTIONS) -> Any:
    """What reading every member of the record says; an error's code where that cannot be read."""
    try:
        value = decode(raw).value
        if not formats.is_single(value):
            return "several"
        return formats.parse(value, options.parse)
    except RecordError as error:
        return error.code


def check(raw: bytes, options: Any = OPTIONS) -> LLMCall | None:
    """The law; return the call where it is a usual one."""
    found = formats.usual_call(raw, options.parse)
    if found is not None:
        whole = in_full(raw, options)
        assert whole == (formats.USUAL, found)
        # Equal values may be written differently: the order of members, and 1 as 1.0.
        assert written(found) == written(whole[1])
    return found


def written(call: LLMCall) -> bytes:
    """All of a call that may go into an event's JSON."""
    of_usage = [call.usage.raw, call.usage.kinds]
    told = [call.input, call.output, call.tools, call.parameters, call.metadata, call.properties, call.groups]
    return orjson.dumps(
        [*told, *of_usage, call.cost and [call.cost.total, call.cost.input, call.cost.output]], default=dict
    )


@pytest.mark.parametrize("record", [USUAL, CALLING_RECORD, PLAIN_RECORD])
def test_a_usual_record_is_read_at_once(record: dict[str, Any]) -> None:
    assert check(orjson.dumps(record)) is not None


@pytest.mark.parametrize("corpus", ["litellm", "litellm-priced"])
def test_what_proxies_log_is_usual(corpus: str) -> None:
    assert all(check(line) is not None for line in lines(CORPORA[corpus], 50, 7))


NEVER: tuple[Any, ...] = (0, 1, -1, 1.0, 2**63, "", "\0 never", True, [], {})
"""Of each kind of value what might pass for one that says nothing."""
UNUSUAL: dict[str, list[Any]] = {
    "call_type": ["aembedding", "aresponses", "anthropic_messages", "pass_through_endpoint", None, 1],
    "id": ["", " ", "None", " x ", "1_cache_hit1748772060.1", None, 7],
    "status": ["failure", 1],
    "status_fields": [{"guardrail_status": "guardrail_intervened"}, "x"],
    "custom_llm_provider": ["", None],
    "model": ["", None],
    "saved_cache_cost": [0.5, "0"],
    "cache_hit": [True, "True"],
    "startTime": [1748772060, "2025-06-01T10:00:00Z", None, 1748772062.5, 0.0, 1748772060250.0],
    "endTime": [1748772061, "2025-06-01T10:00:00Z", None, 1748772060.0, 9748772061.75],
    "completionStartTime": [1748772061, "x"],
    "messages": [
        [], "a text", None, [{"content": "x", "role": "user"}], [{"role": "user", "content": ["x"]}],
        [{"role": "user", "content": "x", "name": "y"}], [{"role": "user", "content": SENTINEL}],
        [{"role": "user", "content": "default-message-value"}],
    ],
    "response.choices": [[], USUAL["response"]["choices"] * 2, None],
    "response.output": [[], None],
    "response.text": ["x", None],
    "response.citations": [["https://example.com"]],
    "response.usage": [{"search_context_size": "low"}],
    "response.choices.0.text": ["x"],
    "response.choices.0.message": [None, {}, {"content": ""}, {"content": SENTINEL}, "x"],
    "response.choices.0.message.refusal": ["No."],
    "response.choices.0.message.reasoning_content": [SENTINEL],
    "response.choices.0.message.tool_calls": [[{"function": {"name": "f", "arguments": SENTINEL}}]],
    "response.choices.0.message.annotations": [[{"type": "url_citation"}]],
    "response.choices.0.message.provider_specific_fields": [{"refusal": "No."}],
    "metadata.user_api_key_alias": [litellm.HEALTH_CHECK],
    "metadata.usage_object": [None, {}, "x", {"cache_creation_input_tokens": 5}],
    "metadata.additional_usage_values": [{"a": 1}],
    "metadata.attempted_retries": [2, "2"],
    "request_tags": [[litellm.HEALTH_CHECK], "['a']"],
    "model_parameters": [{"instructions": "Be brief."}],
    "error_str": ["x"],
    "prompt_tokens": [-1, "20", 20.0, 10**10],
    "data": [[], None, 1],
    "message": ["x"],
    "standard_logging_object": [{}, None, *NEVER],
    "plh_dead_letter": [1, *NEVER],
}  # fmt: skip
"""Of each member what makes the record an unusual one, that is to be read in full; or no call at all."""


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, values in UNUSUAL.items() for value in values])
def test_an_unusual_record_is_read_in_full(path: str, value: Any) -> None:
    assert formats.usual_call(orjson.dumps(with_member(path, value)), OPTIONS.parse) is None


REQUIRED = (
    "id",
    "call_type",
    "startTime",
    "endTime",
    "model",
    "custom_llm_provider",
    "metadata",
    "messages",
    "response",
)


@pytest.mark.parametrize("key", REQUIRED)
def test_what_is_missing_is_not_usual(key: str) -> None:
    record = usual()
    del record[key]
    assert formats.usual_call(orjson.dumps(record), OPTIONS.parse) is None


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        (b'"max_tokens":16384', b'"max_tokens":"\xff"'),
        (b'"max_tokens":16384', b'"max_tokens":' + b"[" * 101 + b"]" * 101),
        (b'"max_tokens":16384', b'"max_tokens":' + b"[" * 5000 + b"]" * 5000),
        (b'"max_tokens":16384', b'"max_tokens":1.'),
        (b"0.000225", b"1e999"),
        (b'"cached_tokens":4', b'"cached_tokens":' + b"4" * 30),
        (b'"u-1"', b'"\\ud800"'),
        (b'"temperature":0.2', b'"temperature":NaN'),
    ],
)
def test_bytes_that_are_read_tolerantly_or_not_at_all_are_not_usual(found: bytes, instead: bytes) -> None:
    raw = orjson.dumps(USUAL)
    assert raw.count(found) >= 1
    assert formats.usual_call(raw.replace(found, instead), OPTIONS.parse) is None


def test_what_an_older_msgspec_raises_for_broken_utf_8_stops_nothing() -> None:
    """Up to 0.22 that is Python's own error, from 0.23 on one of msgspec's."""
    reader = _litellm_usual.Reader(frozenset())
    reader._decoder = Mock(decode=Mock(side_effect=UnicodeDecodeError("utf-8", b"\x80", 0, 1, "invalid start byte")))
    assert reader.read(orjson.dumps(USUAL), OPTIONS.parse) is None


def test_a_long_line_is_read_once() -> None:
    short, long = (orjson.dumps(usual(end_user="\U0001f600" * count)) for count in (200_000, 300_000))
    assert formats.usual_call(short, OPTIONS.parse) is not None
    assert formats.usual_call(long, OPTIONS.parse) is None


@pytest.mark.parametrize("depth", [101, 300, 5000])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.requester_metadata.user_id", "HERE"),
        ("metadata.requester_metadata.depth", "HERE"),
        ("model_parameters.user", "HERE"),
        ("model_parameters.tools", "HERE"),
        ("response.choices.0.message", {"tool_calls": [{"function": {"name": "f", "arguments": "HERE"}}]}),
    ],
)
def test_what_is_too_deep_is_not_usual_wherever_it_is(path: str, value: Any, depth: int) -> None:
    raw = orjson.dumps(with_member(path, value)).replace(b'"HERE"', b"[" * depth + b"]" * depth)
    assert formats.usual_call(raw, OPTIONS.parse) is None


@pytest.mark.parametrize(
    "call", [{"function": {"name": "f", "arguments": SENTINEL}}, {"custom": {"name": "f", "input": [SENTINEL]}}]
)
def test_a_redacted_call_is_not_usual_however_it_is_written(call: dict[str, Any]) -> None:
    raw = orjson.dumps(with_member("response.choices.0.message", {"content": "private", "tool_calls": [call]}))
    for redacted in (SENTINEL, SENTINEL.replace("-", "\\u002d")):
        assert formats.usual_call(raw.replace(SENTINEL.encode(), redacted.encode()), OPTIONS.parse) is None


def test_numbers_beyond_64_bits_are_read_as_everywhere() -> None:
    raw = orjson.dumps(with_member("metadata.requester_metadata.depth", "HERE")).replace(b'"HERE"', b"1" * 30)
    found = check(raw)
    assert found is not None
    assert isinstance(found.metadata["depth"], float)


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    raw = orjson.dumps(USUAL)
    for again in (b'"model":"other"', b'"end_user":null', b'"messages":[{"role":"user","content":"x","role":"tool"}]'):
        assert check(raw[:-1] + b"," + again + b"}") is not None


def test_another_format_that_was_asked_for_is_not_usual() -> None:
    raw = orjson.dumps(USUAL)
    assert formats.usual_call(raw, OPTIONS.parse, name="openai-chat") is None
    assert formats.usual_call(raw, OPTIONS.parse, name="litellm") is not None


def test_no_part_of_a_payload_shows_what_is_private() -> None:
    private = usual(
        messages=[{"role": "user", "content": "private"}],
        model_parameters={"user": "private"},
        request_tags=["private"],
        end_user="private",
        api_base="https://private@example.com/?key=private",
        metadata={
            "user_api_key_hash": "private",
            "user_api_key": "private",
            "user_api_key_user_id": "private",
            "requester_ip_address": "private",
            "user_agent": "private",
            "requester_metadata": {"user_id": "private"},
        },
        response={
            "choices": [{"message": {"content": "private", "reasoning_content": "private", "tool_calls": ["private"]}}]
        },
    )
    payload = _litellm_usual.Reader(frozenset())._decoder.decode(orjson.dumps(private))
    for part in (payload, payload.metadata, payload.response, payload.response.choices[0].message):
        assert "private" not in repr(part)


def test_a_log_without_usual_calls_is_not_always_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_litellm_usual, "_MOST_VAIN", 3)
    tried = Mock(side_effect=_litellm_usual._call)
    monkeypatch.setattr(_litellm_usual, "_call", tried)
    read = _litellm_usual.Reader(frozenset()).read
    odd, good = orjson.dumps(usual(cache_hit=True)), orjson.dumps(USUAL)
    for _ in range(100):
        assert read(odd, OPTIONS.parse) is None
    assert 3 < tried.call_count < 15
    found = [read(good, OPTIONS.parse) for _ in range(40)]
    assert None in found[:1]
    assert all(found[20:])


class Asked(dict[str, Any]):
    """An object that notes which of its members it is asked for."""

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(members)
        self.keys_asked: set[Any] = set()

    def get(self, key: Any, default: Any = None) -> Any:
        self.keys_asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: Any) -> Any:
        self.keys_asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: Any) -> bool:
        self.keys_asked.add(key)
        return super().__contains__(key)


def test_nothing_is_passed_over_that_reading_in_full_asks_for() -> None:
    """A member that `litellm.parse` comes to ask for is to be read, or to be refused, here too."""
    payload, metadata, response = Asked(usual()), Asked(USUAL["metadata"]), Asked(USUAL["response"])
    payload["metadata"], payload["response"] = metadata, response
    assert formats.parse(payload, OPTIONS.parse)[0] == formats.USUAL
    read = (_litellm_usual._Payload, payload), (_litellm_usual._Metadata, metadata), (_litellm_usual._Answer, response)
    for fields, asked in read:
        assert len(asked.keys_asked) > 5
        assert asked.keys_asked <= {*fields.__struct_fields__}


# ------------------------------------------------------------------------------------------------------------- laws


@cache
def records() -> list[Any]:
    """Usual ones, most of all, and every other payload of the samples."""
    samples = [orjson.loads(line) for line in (SAMPLES / "litellm.jsonl").read_bytes().splitlines() if line.strip()]
    return [USUAL, CALLING_RECORD, PLAIN_RECORD, *samples]


FOREIGN = sorted({*formats._EARLIER_KEYS, *formats._HOLDERS, "instructions", "text", "output", "delta", "refusal"})
WORDS = JUNK | st.sampled_from([
    SENTINEL, "default-message-value", litellm.HEALTH_CHECK, "failure", "guardrail_failed_to_respond", "user", True,
    2**63, 1748772060.25, 1748772061, 0.0, -0.0, 5, {"refusal": "No."}, {"cached_tokens": 30}, ["a", "User-Agent: b"],
    KEY_HASH, "sk-1", [{"role": "user", "content": "x"}], {"role": "user", "content": "x"}, "\0", " padded ", "null",
    "data:image/png;base64,AAAA", {"session_id": "s-3"}, '{"user_id": "u"}', "openai/", "$ai_x",
])  # fmt: skip


@st.composite
def changed(draw: Callable[[Any], Any]) -> bytes:
    """A record as bytes, with one to three changes at any place: gone, another value, one more member."""
    record = copy.deepcopy(draw(st.sampled_from(records())))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(paths(record)))
        holder = parent_of(record, path)
        match draw(st.sampled_from(["remove", "change", "change", "add"])):
            case "remove":
                del holder[path[-1]]
            case "change":
                holder[path[-1]] = copy.deepcopy(draw(WORDS))
            case _ if isinstance(holder, dict):
                holder[draw(st.sampled_from([*FOREIGN, *holder]))] = copy.deepcopy(draw(WORDS))
            case _:
                holder.append(copy.deepcopy(draw(WORDS)))
    return orjson.dumps(record)


PIECES = (
    b"01", b"1.", b".5", b"-", b"1e999", b"NaN", b"\\x", b"\\u12", b"\\ud800", b"\\u0000", b"\x00", b"\x1f", b"\n",
    b"\xff", b"\xc3", b"\xed\xa0\x80", b",", b":", b"}", b"]", b'"', b"null", b"\\", b"9" * 400, b"-0", b"1E5", b"\t", b" ",
    b"[" * 120, b'{"a":' * 120, b"\xef\xbb\xbf", b'"data":1,', b'"id":"2",', b"\\u0069d", b"true", b"{}", b"[]",
)  # fmt: skip


@st.composite
def damaged(draw: Callable[[Any], Any]) -> bytes:
    """A record whose bytes were changed at any place."""
    raw = bytearray(orjson.dumps(draw(st.sampled_from(records()))))
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(raw)))
        raw[at : at + draw(st.integers(0, 4))] = draw(st.sampled_from(PIECES) | st.binary(max_size=3))
    return bytes(raw)


@given(changed() | damaged())
@settings(max_examples=examples(400), deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_changed_it_says_what_reading_in_full_says(raw: bytes) -> None:
    check(raw)


def logged() -> Iterator[bytes]:
    """The lines of all samples, and of real logs where they are."""
    for path in [*sorted(SAMPLES.glob("*.jsonl")), *sorted(LITELLM_LOGS.glob("*.jsonl"))]:
        yield from (line for line in path.read_bytes().split(b"\n") if line.strip())


def test_it_says_of_every_logged_line_what_reading_in_full_says() -> None:
    found = [check(line, LATER) for line in logged()]
    assert any(found)


@pytest.mark.parametrize(
    "options",
    [OPTIONS, with_build(privacy_mode=True), with_build(import_id="i", distinct_id="d", properties={"p": 1})],
)
def test_events_are_the_same_byte_for_byte(options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for _ in range(2):
        made.append(
            [
                convert(LogLine(SourceRef("s", 1, 0), orjson.dumps(record), warnings=("mixed-formats",)), options)
                for record in records()
            ]
        )
        monkeypatch.setattr(formats, "usual_call", lambda *_, **__: None)
    assert made[0] == made[1]
    assert sum(isinstance(found.result, Event) for (found,) in made[0]) > 3
