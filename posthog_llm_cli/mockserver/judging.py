"""The values of the judgement: what a route is asked, and what it makes of it. No behaviour but small ones."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from posthog_llm_cli.mockserver.answers import Answer
from posthog_llm_cli.model import Endpoint, Json
from posthog_llm_cli.values import Value, field


class Posted(Value, frozen=True):
    """One request to a capture route: its headers with names in lower case, its body as sent."""

    hidden: ClassVar = frozenset({"headers", "body"})

    route: Endpoint
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


class Incoming(Value, frozen=True):
    """One event on its way to the store.

    `raw` is the event as it was sent, `event` the same in one shape for all routes (see `store.py`). `time` is the one
    that PostHog would store; `notes` say what it would change in silence.
    """

    hidden: ClassVar = frozenset({"raw", "event"})

    raw: dict[str, Json]
    event: dict[str, Json]
    time: datetime
    notes: tuple[str, ...] = ()


class Judged(Value, frozen=True):
    """What a route makes of a request: the answer, and the events to store (none where it is refused).

    `count` is how many events the request held, None where that was not to be learnt. `verdicts` counts v1's results by
    word and detail (`drop ai_event_too_big`). `fired` counts the events' own faults.
    """

    hidden: ClassVar = frozenset({"key"})

    answer: Answer
    key: str = ""
    historical: bool = False
    events: tuple[Incoming, ...] = ()
    count: int | None = None
    body_bytes: int | None = None
    verdicts: Mapping[str, int] = field(default_factory=dict)
    fired: Mapping[str, int] = field(default_factory=dict)
