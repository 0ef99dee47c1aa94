"""The values of the judgement: what a route is asked, and what it makes of it. No behaviour but small ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from posthog_llm_cli.mockserver.answers import Answer
from posthog_llm_cli.model import Endpoint, Json


@dataclass(frozen=True, slots=True)
class Posted:
    """One request to a capture route: its headers with names in lower case, its body as sent."""

    route: Endpoint
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event on its way to the store.

    `raw` is the event as it was sent, `event` the same in one shape for all routes (see `store.py`). `time` is the one
    that PostHog would store; `notes` say what it would change in silence.
    """

    raw: dict[str, Json] = field(repr=False)
    event: dict[str, Json] = field(repr=False)
    time: datetime
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """What a route makes of a request: the answer, and the events to store (none where it is refused).

    `count` is how many events the request held, None where that was not to be learnt. `verdicts` counts v1's results by
    word and detail (`drop ai_event_too_big`). `fired` counts the events' own faults.
    """

    answer: Answer
    key: str = field(default="", repr=False)
    historical: bool = False
    events: tuple[Incoming, ...] = ()
    count: int | None = None
    body_bytes: int | None = None
    verdicts: Mapping[str, int] = field(default_factory=dict)
    fired: Mapping[str, int] = field(default_factory=dict)
