"""PostHog's rules for keys, uuids, times and names, which the routes share. Pure.

Facts from posthog-ingestion.md, sections 6, 7, 8 and 11.
"""

import re
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from posthog_llm_cli.mockserver.answers import Refusal
from posthog_llm_cli.model import Json

AI_EVENTS = frozenset(
    {"$ai_generation", "$ai_embedding", "$ai_span", "$ai_trace", "$ai_metric", "$ai_feedback", "$ai_evaluation"}
)
"""The exact names of AI events; another `$ai_…` name is none."""

MAX_AI_EVENT_BYTES = 8 * 1024 * 1024
MAX_BATCH_AI_EVENT_BYTES = 983_040
MAX_MESSAGE_BYTES = 1_000_000
"""The broker's limit on `/batch/`, measured on the event's JSON encoded a second time as a string."""

MAX_KEY_CHARACTERS = 64
MAX_ID_LENGTH = 200
MAX_NAME_BYTES = 200
MAX_FUTURE = timedelta(hours=23)

NO_PERSON_IDS = frozenset(
    {
        "0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous", "anonymous-user", "backend",
        "distinct_id", "distinctid", "email", "false", "guest", "id", "nan", "none", "not_authenticated", "null",
        "system", "true", "undefined", "user",
    }
)  # fmt: skip
"""Distinct ids, lower case, that get no person on v1."""

_HEX = "[0-9a-fA-F]"
_HYPHENED = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_UUID = re.compile(rf"{_HYPHENED}|\{{{_HYPHENED}\}}|urn:uuid:{_HYPHENED}|{_HEX}{{32}}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = re.compile(r"\d{10}(\d{3})?(\.\d+)?", re.ASCII)


def check_key(key: str) -> str:
    """Return the key without white space around it.

    Raises:
        Refusal: 401 for a key that no project can have. Whether one has it, no route asks.
    """
    key = key.strip()
    problem = _key_problem(key)
    if problem:
        raise Refusal(401, "invalid_api_token", f"expected a project key and found {problem}")
    return key


def _key_problem(key: str) -> str | None:
    if not key:
        return "none"
    if len(key) > MAX_KEY_CHARACTERS:
        return f"one of {len(key)} characters"
    if not key.isascii() or "\0" in key:
        return "one with characters that no key has"
    if key.startswith("phx_"):
        return "a personal key"
    return None


def canonical_uuid(text: str) -> str | None:
    """Return a UUID in lower case with hyphens, None where the text is none."""
    return str(uuid.UUID(text)) if _UUID.fullmatch(text) else None


def rfc3339(text: str) -> datetime | None:
    """Return the time of RFC 3339 text with an offset, the only form that v1 takes."""
    return _aware(text.upper()) if _RFC3339.fullmatch(text) else None


def legacy_time(text: str) -> datetime | None:
    """Return the time of any text that the legacy routes read (naive times are UTC), None where they take now."""
    text = text.strip()
    if _EPOCH.fullmatch(text):
        seconds = float(text) / (1000 if len(text.partition(".")[0]) == 13 else 1)
        return datetime.fromtimestamp(seconds, UTC)
    iso = _aware(text)
    if iso is not None:
        return iso
    try:
        return _in_utc(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def _aware(text: str) -> datetime | None:
    try:
        return _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def _in_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def expect_object(value: Json, what: str) -> dict[str, Json]:
    """Return a JSON object. Raises Refusal (400) for another type: serde's typed parse fails as a whole."""
    if not isinstance(value, dict):
        raise type_error(what, "an object", value)
    return value


def expect_string(value: Json, what: str) -> str:
    """Return a JSON string. Raises Refusal (400) for another type, or for none."""
    if not isinstance(value, str):
        raise type_error(what, "a string", value)
    return value


def expect_batch(envelope: dict[str, Json]) -> list[Json]:
    """Return the list of events. Raises Refusal (400) where it is none or empty."""
    batch = envelope.get("batch")
    if not isinstance(batch, list):
        raise type_error("batch", "an array", batch)
    if not batch:
        raise Refusal(400, "empty_batch", "expected events in batch and found an empty array")
    return batch


def expect_bool(value: Json, what: str) -> bool:
    """Return a JSON boolean. Raises Refusal (400) for anything else."""
    if not isinstance(value, bool):
        raise type_error(what, "a boolean", value)
    return value


def type_error(what: str, expected: str, found: Json) -> Refusal:
    """Return the refusal of a value of the wrong type; it names the types and never the value."""
    return Refusal(400, "request_parsing_error", f"expected {what} to be {expected} and found {_type_name(found)}")


def _type_name(value: Json) -> str:
    match value:
        case None:
            return "null or nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"
