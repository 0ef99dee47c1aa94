import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.errors import DeliveryError, KeyRefused, Refused, Retryable, Unreachable
from posthog_llm_cli.model import Destination, Endpoint, Verdict
from posthog_llm_cli.transport.answers import (
    Answer,
    NotServed,
    Reading,
    Taken,
    Verdicts,
    clean,
    read_legacy,
    read_v1,
    to_code,
)
from posthog_llm_cli.transport.routes import ROUTES
from tests.transport.making import KEY

HOST = "https://us.i.posthog.com"
DESTINATION = Destination(HOST, KEY)
READERS = [pytest.param(route.read, id=endpoint) for endpoint, route in ROUTES.items()]


def v1_error(tag: str) -> bytes:
    return json.dumps({"error": tag, "error_description": "words", "error_uri": "https://x"}).encode()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, KeyRefused),
        (402, KeyRefused),
        (403, KeyRefused),
        (408, Retryable),
        (413, Refused),
        (425, Retryable),
        (429, Retryable),
        (500, Retryable),
        (502, Retryable),
        (503, Retryable),
        (504, Retryable),
        (529, Retryable),
        (301, Unreachable),
        (302, Unreachable),
        (304, Unreachable),
        (307, Unreachable),
        (308, Unreachable),
        (409, DeliveryError),
        (410, DeliveryError),
        (418, DeliveryError),
        (451, DeliveryError),
    ],
)
def test_a_status_says_what_follows(read: Any, status: int, kind: type[DeliveryError]) -> None:
    with pytest.raises(DeliveryError) as caught:
        read(Answer(status, "text/plain", body=b"words"), DESTINATION)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert str(status) in caught.value.message
    assert HOST in caught.value.message


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("status", [404, 405])
def test_404_and_405_are_for_the_host_to_judge(read: Any, status: int) -> None:
    assert read(Answer(status), DESTINATION) == NotServed(status)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("body", [b"", b'{"status":1}', b'{"status":"Ok"}', b"\xff", b'{"status":0}'])
def test_a_legacy_success_is_judged_by_its_status(status: int, body: bytes) -> None:
    assert read_legacy(Answer(status, "application/json", body=body), DESTINATION) == Taken()


@pytest.mark.parametrize("content_type", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_legacy_success_with_a_web_page_confirms_nothing(content_type: str) -> None:
    with pytest.raises(Retryable, match="web page"):
        read_legacy(Answer(200, content_type, body=b"<html>"), DESTINATION)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/octet-stream"])
@pytest.mark.parametrize("body", [b"<!doctype html><html>", b"\r\n <HTML><body>Sign in"])
def test_a_web_page_without_its_header_confirms_nothing_either(content_type: str, body: bytes) -> None:
    with pytest.raises(Retryable, match="web page"):
        read_legacy(Answer(200, content_type, body=body), DESTINATION)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"status":1}', b"<html>", b'{"results":[]}', b'{"results":null}', b"[]", b"\xff", b'{"resu']
)
def test_a_v1_success_without_results_confirms_nothing(body: bytes) -> None:
    with pytest.raises(Retryable, match="without the results"):
        read_v1(Answer(200, "application/json", retry_after_s=2.0, body=body), DESTINATION)


@pytest.mark.parametrize("tag", ["missing_required_headers", "invalid_header_value"])
def test_v1_stops_at_header_errors_which_no_split_can_cure(tag: str) -> None:
    with pytest.raises(Unreachable, match=tag):
        read_v1(Answer(400, body=v1_error(tag)), DESTINATION)


@pytest.mark.parametrize("tag", ["unsupported_content_type", "unsupported_encoding"])
def test_v1_stops_at_415(tag: str) -> None:
    with pytest.raises(Unreachable, match=tag):
        read_v1(Answer(415, body=v1_error(tag)), DESTINATION)


def test_415_on_a_legacy_route_is_one_more_4xx() -> None:
    with pytest.raises(DeliveryError) as caught:
        read_legacy(Answer(415), DESTINATION)
    assert type(caught.value) is DeliveryError


@pytest.mark.parametrize(
    "tag",
    [
        "request_decoding_error",
        "request_parsing_error",
        "empty_body",
        "empty_batch",
        "invalid_batch",
        "missing_event_uuid",
        "invalid_event_uuid",
        "duplicate_event_uuid",
    ],
)
def test_other_400s_of_v1_are_halved_and_name_their_tag(tag: str) -> None:
    with pytest.raises(Refused, match=f"{tag}: words"):
        read_v1(Answer(400, body=v1_error(tag)), DESTINATION)


def read_one(result: Any) -> Verdicts:
    body = json.dumps({"results": {"u": result}}).encode()
    reading = read_v1(Answer(200, retry_after_s=1.0, body=body), DESTINATION)
    assert isinstance(reading, Verdicts)
    return reading


@pytest.mark.parametrize("result", [{"result": "ok"}, {"result": "ok", "details": "person_processing_disabled"}])
def test_ok_is_accepted(result: Any) -> None:
    assert read_one(result).outcomes["u"].verdict is Verdict.ACCEPTED
    assert read_one(result).outcomes["u"].warning is None


def test_warning_is_accepted_with_the_servers_words() -> None:
    outcome = read_one({"result": "warning", "details": "person_processing_disabled"}).outcomes["u"]
    assert outcome.verdict is Verdict.ACCEPTED
    assert outcome.warning == "person_processing_disabled"


@pytest.mark.parametrize(
    ("details", "code"),
    [
        ("ai_event_too_big", "ai-event-too-big"),
        ("invalid_event_timestamp", "invalid-event-timestamp"),
        ("A tag, of 2027!", "a-tag-of-2027"),
        ("\x1b[31m", "31m"),
        ("", "server-refused"),
        ("…", "server-refused"),
        (None, "server-refused"),
        (7, "server-refused"),
    ],
)
def test_drop_is_rejected_with_its_tag(details: Any, code: str) -> None:
    outcome = read_one({"result": "drop", "details": details}).outcomes["u"]
    assert (outcome.verdict, outcome.code) == (Verdict.REJECTED, code)
    assert code in outcome.message


@pytest.mark.parametrize("word", ["drop", "warning", "ok", "retry"])
def test_over_quota_is_nobodys_fault_whatever_the_word(word: str) -> None:
    reading = read_one({"result": word, "details": "llm_events_over_quota"})
    assert reading.outcomes == {}
    assert reading.over_quota == {"u"}
    assert isinstance(reading.refusal, KeyRefused)
    assert "over its quota (llm-events-over-quota)" in reading.refusal.message


@pytest.mark.parametrize(
    "result",
    [
        {"result": "retry", "details": "not_persisted"},
        {"result": "drop", "details": "ai_byte_rate_limited"},
        {"result": "pending"},
        {"result": 1},
        {},
        None,
        "ok",
        [],
    ],
)
def test_retry_and_unknown_words_are_no_verdict(result: Any) -> None:
    reading = read_one(result)
    assert reading.outcomes == {}
    assert reading.refusal is None
    assert reading.retry_after_s == 1.0


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://u:secret@eu.posthog.com/batch/?api_key=secret#secret", "https://eu.posthog.com/batch/"),
        ("/login?next=secret", "/login"),
        ("//other.example/x", "other.example/x"),
        ("https://[", "an unreadable place"),
        (None, "nowhere"),
        (f"https://x.example/{KEY}", "https://x.example/phc_…6789"),
    ],
)
def test_a_redirect_names_its_place_without_what_may_be_secret(location: str | None, shown: str) -> None:
    with pytest.raises(Unreachable) as caught:
        read_legacy(Answer(301, location=location), DESTINATION)
    assert caught.value.message.endswith(f"to {shown}")
    assert "secret" not in caught.value.message


def test_a_servers_text_is_cut_cleaned_and_redacted() -> None:
    said = f'invalid type: string "my secret prompt", expected\na map\x1b at {KEY} ' + "x" * 500
    text = clean(said, DESTINATION)
    assert text.startswith('invalid type: string "…", expected a map at phc_…6789 xxx')
    assert len(text) == 200


def test_an_unclosed_quotation_is_left_out_too() -> None:
    assert clean('invalid "my secret prompt that was cut', DESTINATION) == 'invalid "…"'


@pytest.mark.parametrize("endpoint", list(ROUTES))
@given(
    status=st.integers(100, 599),
    content_type=st.sampled_from(["", "text/html", "application/json", ";;"]),
    location=st.none() | st.text(max_size=30),
    body=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.text(max_size=9) | st.integers(),
        lambda inner: st.dictionaries(
            st.sampled_from(["results", "u", "result", "details", "error", "error_description"]), inner
        ),
    ).map(lambda value: json.dumps(value).encode()),
)
def test_any_answer_is_a_reading_or_a_delivery_error(
    endpoint: Endpoint, status: int, content_type: str, location: str | None, body: bytes
) -> None:
    answer = Answer(status, content_type, location=location, body=body)
    reading = reading_or_error(endpoint, answer)
    if isinstance(reading, DeliveryError):
        assert not answer.is_success or isinstance(reading, Retryable)
        assert KEY not in reading.message
        assert len(reading.message) < 500
        assert reading.message.isprintable()
    else:
        assert isinstance(reading, NotServed) == (status in {404, 405})


def reading_or_error(endpoint: Endpoint, answer: Answer) -> Reading | DeliveryError:
    try:
        return ROUTES[endpoint].read(answer, DESTINATION)
    except DeliveryError as error:
        return error


@given(st.text())
def test_a_code_is_kebab_case_whatever_the_tag(tag: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", to_code(tag, DESTINATION))
    assert len(to_code(tag, DESTINATION)) <= 64


def test_a_tag_that_repeats_the_key_is_no_code() -> None:
    assert to_code(f"refused_for_{KEY.upper()} !", DESTINATION) == "server-refused"


def test_no_body_shows_in_a_repr() -> None:
    assert "secret" not in repr(Answer(200, body=b"secret"))
