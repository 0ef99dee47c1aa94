import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli import privacy
from posthog_llm_cli.model import Json, Media
from posthog_llm_cli.privacy import redact_media, without_quotes
from tests.converting import to_event, to_properties, with_build
from tests.formats.test_litellm import FAILURE, kwargs, payload

BASE64 = "iVBORw0KGgo" * 30
CUT = (
    "(litellm_truncated skipped 9 chars. Full, untruncated data is logged to logging callbacks (OTEL, Datadog, etc.). "
    "To increase the truncation limit, set `MAX_STRING_LENGTH_PROMPT_IN_DB` in your env.) ..."
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("part", "redacted"),
    [
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64}"}}, "[base64 image redacted]"),
        ({"type": "input_image", "image_url": f"data:image/jpeg;base64,{BASE64}"}, "[base64 image redacted]"),
        ({"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}}, "[base64 audio redacted]"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": BASE64}},
            "[base64 image redacted]",
        ),
        ({"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{BASE64}"}}, "[base64 video redacted]"),
        ({"inlineData": {"mimeType": "audio/mp3", "data": BASE64}}, "[base64 audio redacted]"),
        ({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{BASE64}"}}, "[base64 file redacted]"),
        ({"type": "file", "file": {"file_data": BASE64}}, "[base64 file redacted]"),
        ({"type": "image_generation_call", "result": BASE64}, "[base64 image redacted]"),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,[base64_data truncated: 466B]"}},
            "[base64 image redacted]",
        ),
        ({"type": "text", "text": f"see ![x](data:image/png;base64,{BASE64}) here"}, "[base64 image redacted]"),
        ({"image": {"format": "png", "source": {"bytes": BASE64}}}, "[base64 image redacted]"),
        ({"pages": [{"images": [{"id": "i", "image_base64": BASE64}]}]}, "[base64 image redacted]"),
        ({"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": BASE64}]}, "[base64 image redacted]"),
        ({"type": "resource", "resource": {"uri": "x://y", "blob": BASE64}}, "[base64 file redacted]"),
        ({"type": "response.audio.delta", "delta": BASE64}, "[base64 audio redacted]"),
        ({"type": "response.output_audio.delta", "delta": BASE64}, "[base64 audio redacted]"),
        ({"arguments": json.dumps({"image": BASE64, "n": 1})}, '{"image": "[base64 image redacted]", "n": 1}'),
        ({"content": json.dumps([{"type": "image", "data": BASE64}])}, '"data": "[base64 file redacted]"}]'),
        ({"content": json.dumps(json.dumps({"data": BASE64.replace("R", "/")}))}, "[base64 file redacted]"),
        ({"content": json.dumps({"data": BASE64 + "//=="}).replace("/", r"\\/")}, '{"data": "[base64 file redacted]"}'),
        ({"data": f"{BASE64}... {CUT}{BASE64}"}, "[base64 file redacted]"),
        (
            {"text": f"a data:image/png;base64,{BASE64}... {CUT}{BASE64} b"},
            "a [base64 image redacted] b",
        ),
        (
            {"text": f"a data:image/png;base64,{BASE64[:76]}\n{BASE64[:76]}\n{BASE64[:76]}\nb"},
            "a [base64 image redacted]",
        ),
    ],
)
def test_base64_media_become_placeholders(part: Any, redacted: str) -> None:
    found = repr(redact_media([part]))
    assert redacted in found
    assert BASE64[:60] not in found


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/bird.jpg"}},
        {"type": "text", "text": BASE64},
        {"data": "short"},
        {"function": {"arguments": '{"data": "x"}'}},
        {"function": {"arguments": json.dumps({"data": "two words " * 40, "text": BASE64})}},
        {"type": "response.audio_transcript.delta", "delta": "two words " * 40},
        {"type": "response.output_text.delta", "delta": BASE64},
        {"image": "https://example.com/" + "long/" * 80},
    ],
)
def test_what_is_no_media_stays_as_it_is(part: Any) -> None:
    assert redact_media(part) is part


@given(JSON)
def test_redaction_is_idempotent_and_leaves_plain_values_alone(value: Any) -> None:
    assert redact_media(value) == value
    assert redact_media(redact_media(value)) == redact_media(value)


def test_media_can_be_kept() -> None:
    messages = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64}"}}]}
    ]
    kept = to_properties(payload(messages=messages), with_build(media=Media.KEEP))
    assert kept["$ai_input"] == messages
    assert BASE64.encode() not in to_event(payload(messages=messages)).properties


def test_an_audio_answer_is_its_transcript_unless_media_are_kept() -> None:
    audio = {"id": "a", "data": BASE64, "transcript": "hello", "expires_at": 1}
    message = {"content": None, "audio": audio}
    record = payload(response={"choices": [{"message": message}]})
    assert to_properties(record)["$ai_output_choices"][0]["content"] == [{"type": "text", "text": "hello"}]
    kept = to_properties(record, with_build(media=Media.KEEP))["$ai_output_choices"][0]["content"]
    assert kept == [{"type": "text", "text": "hello"}, {"type": "audio", **audio}]


# ------------------------------------------------------------------------------------------------------- privacy mode

SECRET = "the quick brown fox jumps over the lazy dog"


def test_in_privacy_mode_no_content_leaves_in_any_field() -> None:
    caller = {
        "summary": f"about: {SECRET}", "nested": {"deep": [SECRET]}, "kept": "short", "generation_name": SECRET,
        "$groups": {"company": SECRET}, SECRET: 1,
    }  # fmt: skip
    record = kwargs(
        caller,
        messages=[{"role": "user", "content": SECRET}],
        response={"choices": [{"message": {"content": SECRET}}]},
        model_parameters={
            "temperature": 1,
            "tools": [{"name": SECRET}],
            "stop": SECRET,
            "response_format": {"d": SECRET},
        },
    )
    event = to_event(record, with_build(privacy_mode=True))
    found = to_properties(record, with_build(privacy_mode=True))
    assert SECRET.encode() not in event.properties
    assert found["kept"] == "short"
    assert found["$ai_model_parameters"] == {"temperature": 1}
    assert not {"$ai_input", "$ai_output_choices", "$ai_tools"} & set(found)
    assert found["$ai_input_tokens"] == 10


def test_in_privacy_mode_an_error_keeps_its_type_and_status() -> None:
    record = payload(**FAILURE, error_str=SECRET, error_information={"error_class": "E", "error_code": "400"})
    found = to_properties(record, with_build(privacy_mode=True))
    assert (found["$ai_error_type"], found["$ai_http_status"], found["$ai_is_error"]) == ("E", 400, True)
    assert "$ai_error" not in found


@pytest.mark.parametrize("name", ["error_type", "type", "code"])
def test_in_privacy_mode_the_text_of_an_error_in_the_place_of_its_type_stays_here(name: str) -> None:
    error = {"message": "no"} if name == "error_type" else {"message": "no", name: "Rejected: the prompt"}
    record = {"timestamp": "2025-06-01T10:00:00Z", "request": {"model": "m", "prompt": "Hi"}, "error": error}
    record |= {name: "Rejected: the prompt"} if name == "error_type" else {}
    assert to_properties(record)["$ai_error_type"] == "Rejected: the prompt"
    found = to_properties(record, with_build(privacy_mode=True))
    assert (found["$ai_is_error"], found.get("$ai_error_type")) == (True, None)


def test_in_privacy_mode_a_passed_through_event_loses_what_says_something_of_its_content() -> None:
    event = {
        "event": "$ai_evaluation", "distinct_id": "u", "timestamp": "2025-06-01T10:00:00Z",
        "properties": {
            "$ai_evaluation_reasoning": "It is rude.", "$ai_evaluation_result": True, "$ai_error_type": "You said no",
            "$ai_model_parameters": {"temperature": 1, "response_format": {"a": 1}, "tool_choice": "auto"},
        },
    }  # fmt: skip
    found = to_properties(event, with_build(privacy_mode=True))
    assert {key: value for key, value in found.items() if key.startswith("$ai_")} == {
        "$ai_evaluation_result": True,
        "$ai_model_parameters": {"temperature": 1, "tool_choice": "auto"},
    }


def test_in_privacy_mode_a_passed_through_event_loses_its_content() -> None:
    event = {
        "event": "$ai_generation", "distinct_id": "u", "timestamp": "2025-06-01T10:00:00Z",
        "properties": {"$ai_input": SECRET, "$ai_error": SECRET, "note": SECRET, "$ai_model": "m", "$ai_tools": [1]},
    }  # fmt: skip
    found = to_properties(event, with_build(privacy_mode=True))
    assert {key for key in found if not key.startswith("$l")} == {"$ai_model", "$geoip_disable", "$ignore_sent_at"}


@given(st.text(min_size=20, max_size=60), st.text(max_size=200), st.integers(0, 40))
def test_any_twenty_characters_of_the_content_are_found(content: str, around: str, start: int) -> None:
    quoted = content[start : start + 20]
    if len(quoted) == 20:
        assert without_quotes({"k": f"{around}{quoted}{around}"}, [{"content": content}]) == {}
    assert without_quotes({"k": content}, [content]) == {}


def test_a_long_value_is_searched_the_other_way_round() -> None:
    values = {"long": "".join(map(str, range(500))), "quoting": "x" * 500 + SECRET, SECRET: "y"}
    assert without_quotes(values, [SECRET]) == {"long": values["long"]}


def test_a_value_that_is_too_long_to_be_searched_counts_as_repeating() -> None:
    assert without_quotes({"vast": "x" * 300_000, "kept": "y" * 30}, [SECRET]) == {"kept": "y" * 30}
    assert without_quotes({"vast": "x" * 300_000}, None) == {"vast": "x" * 300_000}


@pytest.mark.parametrize(
    "url",
    [
        f"DATA:image/png;BASE64,{BASE64}",
        f'data:image/png;name="a b.png";base64,{BASE64}',
        f" data:image/png;base64,{BASE64[:100]}",
        f" {BASE64} ",
    ],
)
def test_odd_spellings_of_media_are_media(url: str) -> None:
    found = redact_media({"image_url": {"url": url}})
    assert found == {"image_url": {"url": "[base64 image redacted]"}}


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_in_privacy_mode_content_that_metadata_hold_as_json_goes_too(ensure_ascii: bool) -> None:
    prompt = 'ab\n"cd" ef\n"gh" ij\n"kl" — Größe Straße Übung'
    record = kwargs(
        {"note": json.dumps({"p": prompt}, ensure_ascii=ensure_ascii)}, messages=[{"role": "user", "content": prompt}]
    )
    assert "note" not in to_properties(record, with_build(privacy_mode=True))
    assert "note" in to_properties(record)


MEDIA_TEXTS = st.sampled_from([
    "hello", "x" * 300, "[" + "A" * 300, '{"data": "' + "A" * 300 + '"}', "data:image/png;base64," + "A" * 80,
    "see data:image/png;base64," + "A" * 80, "base64,", "A" * 400, "",
])  # fmt: skip
ITEMS = st.recursive(
    MEDIA_TEXTS | st.none() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "data", "url", "image_url", "name"]),
            inner | st.sampled_from(["text", "user", "image", "audio"]),
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(ITEMS)
def test_what_is_passed_over_as_plain_would_have_stayed(value: Json) -> None:
    if privacy.is_plain(value):
        assert privacy._redact_object(value, None, in_media=True) is value
        assert privacy._redact_object(value, "audio", in_media=False) is value
