"""Reports to render."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from posthog_llm_cli.errors import DeliveryError
from posthog_llm_cli.model import Destination, Endpoint, Event, SourceRef
from posthog_llm_cli.report import Destined, Mode, RunReport

US = Destination("https://us.i.posthog.com", "phc_abcdefghijklmnopwxyz")
EU = Destination("https://eu.i.posthog.com", "phc_zyxwvutsrqponmlkabcd")


def report(mode: Mode = Mode.SEND, **changes: Any) -> RunReport:
    found = RunReport("run-1", mode)
    for name, value in changes.items():
        setattr(found, name, Counter(value) if isinstance(getattr(found, name), Counter) else value)
    return found


def event(model: str = "gpt-4o", destination: Destination = US) -> Event:
    return Event(
        uuid="0198f0e0-0000-5000-8000-000000000001",
        name="$ai_generation",
        distinct_id="u-1",
        timestamp=datetime(2026, 5, 1, tzinfo=UTC),
        destination=destination,
        properties=b"{}",
        legacy_properties=b'"$lib":"plh"',
        v1_members=b'"options":{}',
        ref=SourceRef("app.jsonl", 1, 0),
        model=model,
    )


def destined(
    destination: Destination = US,
    *,
    accepted: int = 1190,
    unconfirmed: int = 0,
    endpoint: Endpoint | None = Endpoint.V1,
    error: DeliveryError | None = None,
) -> Destined:
    return Destined(destination, endpoint, accepted, unconfirmed, chunks=3, bytes=9_876_543, error=error)
