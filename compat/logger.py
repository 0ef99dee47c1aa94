"""LiteLLM's own PostHog logger, and what it built for each call. Needs LiteLLM, as `asking` and `generate` do.

LiteLLM goes on writing into a call's kwargs while its callbacks run: it takes the clock into the id of a cache hit a
second time, for one. What the next callback finds may therefore be another payload than this logger took, so what it
took is kept.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from litellm.integrations.posthog import PostHogLogger
from litellm.litellm_core_utils.safe_json_dumps import safe_dumps

from compat.values import Json

PATIENCE_S = 10.0
_PAUSE_S = 0.001

Read = TypeVar("Read")


class KeptLogger(PostHogLogger):  # type: ignore[misc]  # LiteLLM is not installed where the types are checked
    """LiteLLM's logger, which keeps the events that it builds while it logs, and sends them as they were then."""

    def __init__(self) -> None:
        super().__init__()
        self._built: defaultdict[str, list[Json]] = defaultdict(list)

    def create_posthog_event_payload(self, kwargs: Mapping[str, Any]) -> Json:
        """Build the event of a call that is logged."""
        event = settled(lambda: self.event_of(kwargs))
        self._built[kwargs["litellm_call_id"]].append(event)
        return event

    def event_of(self, kwargs: Mapping[str, Any]) -> Json:
        """Return what LiteLLM makes of kwargs, as it goes over the wire."""
        return json.loads(safe_dumps(super().create_posthog_event_payload(kwargs)))

    def built_for(self, call_id: str) -> list[Json]:
        """Return the events that were built while a call was logged, one for each time."""
        return self._built.get(call_id, [])


def settled(read: Callable[[], Read]) -> Read:
    """Read what another thread may be writing, again where it changed meanwhile (RuntimeError), but not for ever."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return read()
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_S)  # lets the other thread go on
