"""Events and chunks for the transport's tests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import orjson

from posthog_llm_cli.model import Chunk, Destination, Event, SourceRef

KEY = "phc_TheWholeKeyMustNeverBeSeen0123456789"
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LEGACY = b'"$lib":"posthog-llm-cli","$lib_version":"0.1.0","$ignore_sent_at":true'
V1_MEMBERS = b'"options":{"disable_skew_correction":true}'


def an_event(
    number: int = 1,
    *,
    host: str = "http://127.0.0.1:9",
    key: str = KEY,
    properties: bytes | None = None,
    timestamp: datetime = datetime(2026, 5, 1, 10, 0, 0, 123000, tzinfo=UTC),
    distinct_id: str = "user-7",
) -> Event:
    if properties is None:
        properties = orjson.dumps({"$ai_model": "gpt-4o", "$ai_input": [{"role": "user", "content": f"Ahoy {number}"}]})
    return Event(
        uuid=str(UUID(int=number)),
        name="$ai_generation",
        distinct_id=distinct_id,
        timestamp=timestamp,
        destination=Destination(host, key),
        properties=properties,
        legacy_properties=LEGACY,
        v1_members=V1_MEMBERS,
        ref=SourceRef("calls.jsonl", number, 0),
        raw=b"{}",
    )


def a_chunk(
    events: int | Sequence[Event] = 1,
    *,
    host: str = "http://127.0.0.1:9",
    key: str = KEY,
    historical: bool = False,
    start: int = 1,
) -> Chunk:
    if isinstance(events, int):
        events = [an_event(number, host=host, key=key) for number in range(start, start + events)]
    destination = events[0].destination
    return Chunk(destination, historical, tuple(events), sum(event.size for event in events))
