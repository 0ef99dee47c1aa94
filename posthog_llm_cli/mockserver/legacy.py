"""The routes `/i/v0/ai/batch/` and `/batch/`: one answer for all (posthog-ingestion.md, section 3). Pure."""

import uuid
from collections.abc import Mapping
from datetime import datetime

import orjson

from posthog_llm_cli.mockserver.answers import Refusal, json_answer, text_answer
from posthog_llm_cli.mockserver.body import GZIP_MAGIC, decompress, parse
from posthog_llm_cli.mockserver.judging import Incoming, Judged, Posted
from posthog_llm_cli.mockserver.rules import (
    AI_EVENTS,
    MAX_AI_EVENT_BYTES,
    MAX_BATCH_AI_EVENT_BYTES,
    MAX_FUTURE,
    MAX_ID_LENGTH,
    MAX_MESSAGE_BYTES,
    canonical_uuid,
    check_key,
    expect_batch,
    expect_bool,
    expect_object,
    expect_string,
    legacy_time,
    type_error,
)
from posthog_llm_cli.model import Endpoint, Json


def judge_legacy(posted: Posted) -> Judged:
    """Judge a request on `ai-batch` or `batch`: 200 for all of its events, or a plain-text error for all of them.

    One exception, as with PostHog: on `batch`, a message that the broker refuses (413) leaves the events before it
    stored, which is why a resend must carry the same uuids.
    """
    try:
        # These routes look at the first bytes and at no header: other encodings are a parse error.
        body = decompress(posted.body, "gzip" if posted.body.startswith(GZIP_MAGIC) else "")
        envelope = expect_object(parse(body), "the body")
        key = _key(envelope)
        historical = _historical(envelope)
        batch = [expect_object(event, "an event") for event in expect_batch(envelope)]
        shifted = _sent_at(envelope)
        events = tuple(_read_event(event, posted, shifted=shifted) for event in batch)
        _check_sizes(events, posted.route, len(body))
    except Refusal as refusal:
        return Judged(text_answer(refusal.status, refusal.text))
    stored, answer = events, json_answer(200, {"status": "Ok"})
    guilty = _too_large_message(events, len(body)) if posted.route is Endpoint.BATCH else None
    if guilty is not None:
        stored = events[:guilty]
        answer = text_answer(413, f"expected a message of at most {MAX_MESSAGE_BYTES} bytes: event {guilty} is larger")
    return Judged(answer, key, historical, stored, count=len(batch), body_bytes=len(body))


def _key(envelope: dict[str, Json]) -> str:
    for name in ("api_key", "token"):
        if envelope.get(name) is not None:
            return check_key(expect_string(envelope[name], name))
    found = {key for event in expect_batch(envelope) if (key := _event_key(event)) is not None}
    if len(found) > 1:
        raise Refusal(401, "invalid_api_token", "expected one key in all events and found several")
    return check_key(found.pop() if found else "")


def _event_key(event: Json) -> str | None:
    if not isinstance(event, dict):
        return None
    properties = event.get("properties")
    inner = properties.get("token") if isinstance(properties, dict) else None
    for key in (event.get("api_key"), event.get("token"), inner):
        if isinstance(key, str):
            return key
    return None


def _historical(envelope: dict[str, Json]) -> bool:
    value = envelope.get("historical_migration")
    return False if value is None else expect_bool(value, "historical_migration")


def _sent_at(envelope: dict[str, Json]) -> bool:
    value = envelope.get("sent_at")
    return value is not None and bool(expect_string(value, "sent_at"))


def _read_event(raw: dict[str, Json], posted: Posted, *, shifted: bool) -> Incoming:
    name = expect_string(raw.get("event"), "event")
    if not name:
        raise Refusal(400, "missing_event_name", "expected a name in event and found an empty string")
    if posted.route is Endpoint.AI_BATCH and name not in AI_EVENTS:
        raise Refusal(400, "invalid_batch", "expected AI events only and found another event name")
    properties = raw.get("properties")
    properties = {} if properties is None else expect_object(properties, "properties")
    _check_optional_types(raw, properties)
    distinct_id, cut = _distinct_id(raw.get("distinct_id"))
    time, was_read = _time(raw.get("timestamp"), posted.received_at)
    notes = []
    if cut:
        notes.append(f"distinct id cut to {MAX_ID_LENGTH} characters")
    if not was_read:
        notes.append("timestamp missing or not readable: PostHog takes now")
    if shifted and properties.get("$ignore_sent_at") is not True:
        notes.append("sent_at given: PostHog moves the timestamp by the measured clock skew")
    event = {
        "event": name,
        "uuid": _uuid(raw.get("uuid"), notes),
        "distinct_id": distinct_id,
        "timestamp": raw.get("timestamp"),
        "properties": properties,
    }
    return Incoming(raw, event, time, tuple(notes))


def _check_optional_types(raw: Mapping[str, Json], properties: Mapping[str, Json]) -> None:
    for name in ("$set", "$set_once"):
        if raw.get(name) is not None:
            expect_object(raw[name], name)
    offset = raw.get("offset")
    if offset is not None and (isinstance(offset, bool) or not isinstance(offset, int)):
        raise type_error("offset", "a whole number", offset)
    cookieless = properties.get("$cookieless_mode")
    if cookieless is not None:
        expect_bool(cookieless, "$cookieless_mode")


def _uuid(value: Json, notes: list[str]) -> str:
    if value is None or value == "":
        notes.append("no uuid: PostHog makes a random one, so a resend is a second event")
        return str(uuid.uuid4())
    canonical = canonical_uuid(expect_string(value, "uuid"))
    if canonical is None:
        raise Refusal(400, "invalid_event_uuid", "expected a UUID in uuid and found other text")
    return canonical


def _distinct_id(value: Json) -> tuple[str, bool]:
    text = value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()
    text = text.replace("\0", "\ufffd").strip()
    if not text:
        raise Refusal(400, "missing_distinct_id", "expected a distinct_id and found none")
    return text[:MAX_ID_LENGTH], len(text) > MAX_ID_LENGTH


def _time(value: Json, now: datetime) -> tuple[datetime, bool]:
    time = None if value is None else legacy_time(expect_string(value, "timestamp"))
    if time is None or time > now + MAX_FUTURE:
        return now, False
    return time, True


def _check_sizes(events: tuple[Incoming, ...], route: Endpoint, body_bytes: int) -> None:
    ceiling = MAX_BATCH_AI_EVENT_BYTES if route is Endpoint.BATCH else MAX_AI_EVENT_BYTES
    if body_bytes <= ceiling:
        return
    for incoming in events:
        if incoming.event["event"] in AI_EVENTS:
            size = len(orjson.dumps(incoming.raw))
            if size > ceiling:
                text = f"AI event {incoming.event['uuid']} has {size} bytes, expected at most {ceiling}"
                raise Refusal(413, "ai_event_too_big", text)


def _too_large_message(events: tuple[Incoming, ...], body_bytes: int) -> int | None:
    """Return the index of the first event that the broker refuses."""
    if body_bytes * 2 <= MAX_MESSAGE_BYTES:  # a second encoding at most doubles an event's JSON
        return None
    for index, incoming in enumerate(events):
        once = orjson.dumps(incoming.raw)
        if len(orjson.dumps(once.decode())) > MAX_MESSAGE_BYTES:
            return index
    return None
