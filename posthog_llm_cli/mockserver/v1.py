"""The route `/i/v1/ai/events`: a verdict for each event (posthog-ingestion.md, section 4). Pure, but for the dice."""

import re
from collections import Counter
from collections.abc import Callable, Mapping

import orjson

from posthog_llm_cli.mockserver.answers import Answer, Refusal, json_answer, v1_error
from posthog_llm_cli.mockserver.body import decompress, parse
from posthog_llm_cli.mockserver.faults import Fault
from posthog_llm_cli.mockserver.judging import Incoming, Judged, Posted
from posthog_llm_cli.mockserver.rules import (
    AI_EVENTS,
    MAX_AI_EVENT_BYTES,
    MAX_FUTURE,
    MAX_ID_LENGTH,
    MAX_NAME_BYTES,
    NO_PERSON_IDS,
    canonical_uuid,
    check_key,
    expect_batch,
    expect_bool,
    expect_object,
    expect_string,
    rfc3339,
)
from posthog_llm_cli.model import Json
from posthog_llm_cli.values import Value

REQUIRED_HEADERS = ("posthog-sdk-info", "posthog-attempt", "posthog-request-id", "posthog-request-timestamp")

NOT_AN_AI_EVENT = "not_an_ai_event"
"""Our word for it: PostHog's own tag is not established (posthog-ingestion.md, section 13)."""

_SDK_INFO = re.compile(r"([^/\s]+)/(\S+)")
_ATTEMPT = re.compile(r"[1-9][0-9]{0,8}")
_FOLDED = {
    "process_person_profile": "$process_person_profile",
    "disable_skew_correction": "$ignore_sent_at",
    "cookieless_mode": "$cookieless_mode",
    "product_tour_id": "$product_tour_id",
}
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})


class _Verdict(Value, frozen=True):
    result: str
    details: str | None = None

    def as_json(self) -> dict[str, Json]:
        return {"result": self.result} | ({} if self.details is None else {"details": self.details})

    def __str__(self) -> str:
        return self.result if self.details is None else f"{self.result} {self.details}"


def judge_v1(posted: Posted, event_fault: Callable[[], Fault | None]) -> Judged:
    """Judge a request on v1: an error for the whole of it, or 200 with a result for each uuid.

    `event_fault` is asked once for each event that PostHog would store, in the request's order.
    """
    try:
        key = _authorize(posted.headers)
        library = _check_headers(posted.headers)
        body = decompress(posted.body, posted.headers.get("content-encoding", "").strip().lower())
        envelope = _envelope(body)
        historical = _read_envelope(envelope)
        batch = [expect_object(event, "an event") for event in expect_batch(envelope)]
        uuids = _read_events(batch)
    except Refusal as refusal:
        return Judged(v1_error(refusal.status, refusal.tag, refusal.text))
    results: dict[str, _Verdict] = {}
    stored: list[Incoming] = []
    fired: Counter[str] = Counter()
    for uuid, raw in zip(uuids, batch, strict=True):
        verdict, incoming = _judge_event(raw, uuid, posted, library, measured=len(body) > MAX_AI_EVENT_BYTES)
        fault = event_fault() if incoming is not None else None
        if fault is not None:
            fired[fault.kind] += 1
            verdict, incoming = _misjudge(fault, incoming)
        if verdict is not None:
            results[uuid] = verdict
        if incoming is not None:
            stored.append(incoming)
    return Judged(
        _answer(results),
        key,
        historical,
        tuple(stored),
        count=len(batch),
        body_bytes=len(body),
        verdicts=Counter(str(verdict) for verdict in results.values()),
        fired=fired,
    )


def _envelope(body: bytes) -> dict[str, Json]:
    if not body:
        raise Refusal(400, "empty_body", "expected a body and found none")
    return expect_object(parse(body), "the body")


def _answer(results: Mapping[str, _Verdict]) -> Answer:
    document = {"results": {uuid: verdict.as_json() for uuid, verdict in results.items()}}
    if any(verdict.result == "retry" for verdict in results.values()):
        return json_answer(200, document, ("Retry-After", "1"))
    return json_answer(200, document)


def _misjudge(fault: Fault, incoming: Incoming | None) -> tuple[_Verdict | None, Incoming | None]:
    match fault.kind:
        case "retry":
            return _Verdict("retry", "not_persisted"), None
        case "drop":
            return _Verdict("drop", fault.tag), None
        case _:  # unmentioned
            return None, incoming


def _authorize(headers: Mapping[str, str]) -> str:
    scheme, _, key = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer":
        raise Refusal(401, "missing_authorization", "expected the header Authorization: Bearer with a project key")
    return check_key(key)


def _check_headers(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the name and version of the sending library."""
    missing = [name for name in REQUIRED_HEADERS if not headers.get(name, "").strip()]
    if missing:
        raise Refusal(400, "missing_required_headers", f"expected the headers {', '.join(missing)}")
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Refusal(415, "unsupported_content_type", "expected Content-Type application/json")
    library = _SDK_INFO.fullmatch(headers["posthog-sdk-info"].strip())
    if library is None:
        raise _bad_header("PostHog-Sdk-Info", "name/version")
    if not _ATTEMPT.fullmatch(headers["posthog-attempt"].strip()):
        raise _bad_header("PostHog-Attempt", "a whole number from 1")
    if canonical_uuid(headers["posthog-request-id"].strip()) is None:
        raise _bad_header("PostHog-Request-Id", "a UUID")
    if rfc3339(headers["posthog-request-timestamp"].strip()) is None:
        raise _bad_header("PostHog-Request-Timestamp", "a time of RFC 3339 with offset")
    return library[1], library[2]


def _bad_header(name: str, expected: str) -> Refusal:
    return Refusal(400, "invalid_header_value", f"expected {name} to be {expected} and found another value")


def _read_envelope(envelope: dict[str, Json]) -> bool:
    """Return whether the request is a historical migration."""
    historical = expect_bool(envelope.get("historical_migration", False), "historical_migration")
    if rfc3339(expect_string(envelope.get("created_at"), "created_at")) is None:
        raise Refusal(400, "invalid_batch", "expected created_at to be a time of RFC 3339 with offset")
    return historical


def _read_events(batch: list[dict[str, Json]]) -> list[str]:
    """Return the events' uuids in canonical form, after the checks that fail a request as a whole."""
    uuids: list[str] = []
    for raw in batch:
        for name in ("event", "distinct_id", "timestamp"):
            expect_string(raw.get(name), name)
        for name in ("session_id", "window_id"):
            if raw.get(name) is not None:
                expect_string(raw[name], name)
        given = raw.get("uuid")
        if given is None or given == "":
            raise Refusal(400, "missing_event_uuid", "expected a uuid in each event and found one without")
        uuid = canonical_uuid(expect_string(given, "uuid"))
        if uuid is None:
            raise Refusal(400, "invalid_event_uuid", "expected a UUID in uuid and found other text")
        uuids.append(uuid)
    if len(set(uuids)) < len(uuids):
        raise Refusal(400, "duplicate_event_uuid", "expected each uuid once in a request and found one twice")
    return uuids


def _judge_event(
    raw: dict[str, Json], uuid: str, posted: Posted, library: tuple[str, str], *, measured: bool
) -> tuple[_Verdict | None, Incoming | None]:
    problem = _problem(raw, measured=measured)
    options = None if problem else _options(raw.get("options"))
    time = rfc3339(raw["timestamp"])
    if problem or options is None or time is None:
        return _Verdict("drop", problem or "invalid_options"), None
    notes = []
    if options.get("disable_skew_correction") is not True:
        notes.append("no disable_skew_correction: PostHog moves the timestamp by the measured clock skew")
        if time > posted.received_at + MAX_FUTURE:
            notes.append("timestamp in the future: PostHog takes now")
            time = posted.received_at
    distinct_id = raw["distinct_id"].strip()
    event = {
        "event": raw["event"],
        "uuid": uuid,
        "distinct_id": distinct_id,
        "timestamp": raw["timestamp"],
        "properties": _folded(raw, options, library),
    }
    verdict = _Verdict("warning", "person_processing_disabled") if distinct_id.lower() in NO_PERSON_IDS else None
    return verdict or _Verdict("ok"), Incoming(raw, event, time, tuple(notes))


def _problem(raw: dict[str, Json], *, measured: bool) -> str | None:
    """Return the tag of what drops this event, None if nothing does (its options are looked at elsewhere)."""
    name, distinct_id, properties = raw["event"], raw["distinct_id"].strip(), raw.get("properties")
    if not name:
        return "missing_event_name"
    if len(name.encode()) > MAX_NAME_BYTES:
        return "event_name_too_long"
    if name not in AI_EVENTS:
        return NOT_AN_AI_EVENT
    if not distinct_id:
        return "missing_distinct_id"
    if len(distinct_id.encode()) > MAX_ID_LENGTH:
        return "distinct_id_too_large"
    if rfc3339(raw["timestamp"]) is None:
        return "invalid_event_timestamp"
    if not isinstance(properties, dict):
        return "malformed_event_properties"
    if measured and len(orjson.dumps(properties)) > MAX_AI_EVENT_BYTES:
        return "ai_event_too_big"
    return None


def _options(value: Json) -> dict[str, Json] | None:
    """Return the options that are known and given, None where one of them cannot be read."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        return None
    options: dict[str, Json] = {}
    for name in _FOLDED:
        given = value.get(name)
        if given is None:
            continue
        read = _lenient_bool(given) if name != "product_tour_id" else given if isinstance(given, str) else None
        if read is None:
            return None
        options[name] = read
    return options


def _lenient_bool(value: Json) -> bool | None:
    match value:
        case bool():
            return value
        case int() if value in (0, 1):
            return bool(value)
        case str() if value.strip().lower() in _TRUE:
            return True
        case str() if value.strip().lower() in _FALSE:
            return False
        case _:
            return None


def _folded(raw: dict[str, Json], options: Mapping[str, Json], library: tuple[str, str]) -> dict[str, Json]:
    """Return the properties with what v1 carries elsewhere put back, as the legacy routes have them."""
    folded = dict(raw["properties"])
    folded |= {_FOLDED[name]: value for name, value in options.items()}
    for name in ("session_id", "window_id"):
        if raw.get(name):
            folded[f"${name}"] = raw[name]
    folded["$lib"], folded["$lib_version"] = library
    return folded
