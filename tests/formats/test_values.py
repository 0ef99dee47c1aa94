"""Answers and prompts that are no messages: values, prints and cut texts, without media, vectors and secrets."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.formats._values import is_print, value_part, without_bulk
from posthog_llm_cli.model import Media
from tests.converting import convert_value, to_event, to_properties, with_build
from tests.formats.test_litellm import payload
from tests.formats.test_litellm_legacy import item

BASE64 = "iVBORw0KGgo" * 30
LINES = "\n".join(["iVBORw0KGgo" * 6 + "abcd"] * 5)
NUMBERS = [0.123] * 20
CUT = "...truncated by litellm, this logger does not support large content"


def answered(response: Any) -> dict[str, Any]:
    return payload(call_type="pass_through_endpoint", response=response)


def said(record: Any) -> str:
    (message,) = to_properties(record)["$ai_output_choices"]
    text: str = message["content"][0]["text"]
    return text


@pytest.mark.parametrize(
    "printed",
    [
        str([{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": BASE64}}]}]),
        json.dumps([{"content": [{"type": "image_url", "image_url": f"data:image/png;base64,{BASE64}"}]}]),
        repr({"data": LINES}),
        f"[Message(content=None, audio=Audio(data='{BASE64}'))]",
        f"[{{'values': {NUMBERS}}}]",
        f"[{{'values': [{', '.join(map(str, NUMBERS))}",
    ],
)
def test_a_print_is_sent_without_its_base64_and_vectors(printed: str) -> None:
    records = (
        payload(messages=printed + CUT),
        payload(response=printed + CUT),
        payload(response=printed),
        item(messages=printed + " <cut"),
    )
    for record in records:
        event = to_event(record)
        assert b"iVBO" not in event.properties
        assert b"0.123" not in event.properties
        assert b"redacted]" in event.properties or b"[vector]" in event.properties


def test_a_text_that_is_no_print_stays_whole() -> None:
    text = f"decode {BASE64} and add [{', '.join(map(str, NUMBERS))}]"
    assert said(payload(response=text)) == text
    assert to_properties(payload(messages=text))["$ai_input"] == [{"role": "user", "content": text}]
    assert to_properties(item(messages=text))["$ai_input"] == [{"role": "user", "content": text}]


@pytest.mark.parametrize("kept", ["[1, 2, 3]", "{'id': 'resp_abc', 'at': '2025-06-01T10:00:00Z'}", "f(x=1)", "[" * 99])
def test_a_print_without_them_stays_as_it_is(kept: str) -> None:
    assert is_print(kept)
    assert without_bulk(kept) == kept


@given(st.text(alphabet="ab/+=1, .[]-\n\\n'{", max_size=300))
def test_bulk_is_gone_at_once(text: str) -> None:
    once = without_bulk(text)
    assert without_bulk(once) == once


@pytest.mark.parametrize(
    "response",
    [
        {"response": json.dumps({"embedding": [0.123, 0.5], "kept": 1})},
        {"response": json.dumps({"nested": json.dumps({"odd": NUMBERS}), "kept": 1})},
        {"embeddings": {"float": [[0.123]], "base64": [BASE64]}, "kept": 1},
        {"embeddings": [BASE64], "kept": 1},
        {"kept": 1, "content": [{"image": {"format": "png", "source": {"bytes": BASE64}}}]},
        {"response": json.dumps({"audioContent": BASE64, "kept": 1})},
        {"response": f"(kept, '{BASE64}')"},
        [{"type": "response.audio.delta", "delta": BASE64}, {"kept": 1}],
    ],
)
def test_vectors_and_media_of_any_answer_stay_here(response: Any) -> None:
    event = to_event(answered(response))
    assert b"iVBO" not in event.properties
    assert b"0.123" not in event.properties
    assert b"kept" in event.properties


def test_an_answer_of_unknown_shape_keeps_no_secrets_and_nothing_of_litellms_own() -> None:
    response = {
        "_hidden_params": {"api_base": "s3cret"}, "_response_ms": "s3cret", "answer": {"_source": 1, "api_key": "s3cret"},
        "headers": {"a": "s3cret"}, "list": [{"client_secret": "s3cret", "_response_headers": {"b": "s3cret"}}],
        "raw": json.dumps({"Authorization": "s3cret", "kept": [1]}), "plain": '{"as": "it was"}',
    }  # fmt: skip
    found = json.loads(said(answered(response)))
    assert "s3cret" not in repr(found)
    assert found == {"answer": {"_source": 1}, "list": [{}], "raw": '{"kept":[1]}', "plain": '{"as": "it was"}'}


def test_a_deep_text_in_an_answer_is_text_and_no_crash() -> None:
    deep = "[" * 200 + "]" * 200
    assert json.loads(said(answered({"odd": deep}))) == {"odd": deep}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(alphabet="abc {[\"']}", max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="abc", max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_a_plain_answer_is_sent_as_it_is(value: Any) -> None:
    assert value_part(value)["value"] == value


@pytest.mark.parametrize(
    "messages",
    [
        {"query": "which?", "image": BASE64},
        [[{"type": "input_audio", "input_audio": {"data": BASE64}, "n": "which?"}]],
    ],
)
def test_media_in_an_object_as_the_input_are_found_by_their_keys(messages: Any) -> None:
    (message,) = to_properties(payload(messages=messages))["$ai_input"]
    text = message["content"]
    assert ("which?" in text, "redacted]" in text) == (True, True)
    assert b"iVBO" not in to_event(payload(messages=messages)).properties
    (kept,) = to_properties(payload(messages=messages), with_build(media=Media.KEEP))["$ai_input"]
    assert json.loads(kept["content"]) == (messages if isinstance(messages, dict) else messages[0])


def test_in_privacy_mode_a_note_that_quotes_an_object_as_the_input_goes_too() -> None:
    record = {"standard_logging_object": payload(messages={"query": "the quick brown fox jumps over"})}
    record["litellm_params"] = {"metadata": {"note": "asked: the quick brown fox jumps"}}
    assert "note" not in to_properties(record, with_build(privacy_mode=True))
    assert "no-input" not in convert_value(record).warnings
