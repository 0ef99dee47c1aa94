"""The bookkeeping of one chunk while it is delivered: which events have their final word, and why others do not."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from posthog_llm_cli.errors import DeliveryError, Refused
from posthog_llm_cli.model import Chunk, Delivery, Endpoint, Event, Outcome, Verdict
from posthog_llm_cli.transport.routes import Encoded, Route, oversize_message
from posthog_llm_cli.values import Value

ACCEPTED = Outcome(Verdict.ACCEPTED)

_QUOTE_LENGTH = 24
"""A run of so many characters from an event makes a server's text unfit for a message."""


class Part(Value, frozen=True):
    """One encoded event: its place in the chunk, and its bytes on the route in use."""

    hidden: ClassVar = frozenset({"encoded"})

    index: int
    encoded: Encoded


class Work:
    """One chunk on its way; used by one thread."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.requests = 0
        self.retries = 0
        self.endpoint: Endpoint | None = None
        self._outcomes: list[Outcome | None] = [None] * len(chunk.events)
        self._error: DeliveryError | None = None

    def encode(self, route: Route) -> list[Part]:
        """Encode the events that have no final word yet; those too large for the route are rejected here."""
        parts = []
        for index, event in enumerate(self.chunk.events):
            if self._outcomes[index] is not None:
                continue
            encoded = route.encode(event)
            message = oversize_message(route, event, encoded)
            if message is None:
                parts.append(Part(index, encoded))
            else:
                self._outcomes[index] = Outcome(Verdict.REJECTED, "event-too-large", message)
        return parts

    def open(self, parts: Sequence[Part]) -> list[Part]:
        """Return those of `parts` that have no final word yet."""
        return [part for part in parts if self._outcomes[part.index] is None]

    def accept(self, parts: Sequence[Part]) -> None:
        """The server took all of `parts`."""
        for part in parts:
            self._outcomes[part.index] = ACCEPTED

    def settle(self, parts: Sequence[Part], outcomes: Mapping[str, Outcome]) -> int:
        """Take over the final outcomes that the server gave by uuid; return how many."""
        settled = 0
        for part in parts:
            outcome = outcomes.get(self._event(part).uuid)
            if outcome is not None:
                self._outcomes[part.index] = outcome
                settled += 1
        return settled

    def reject(self, part: Part, refusal: Refused) -> None:
        """The server refused a request with this event alone: 413 for its size, 400 for something else in it."""
        code = "event-too-large" if refusal.status == 413 else "server-refused"
        message = refusal.message
        if _quotes(message, self._event(part)):
            message = f"{self.chunk.destination.host} answered {refusal.status}"
        self._outcomes[part.index] = Outcome(Verdict.REJECTED, code, message)

    def fail(self, error: DeliveryError) -> None:
        """Remember why events stay without a final word; what ended the chunk comes last and outweighs the rest."""
        self._error = error

    def delivery(self) -> Delivery:
        """Return the result; whatever has no outcome by now is unconfirmed."""
        unconfirmed = Outcome(Verdict.UNCONFIRMED, message=self._error.message if self._error else "")
        outcomes = tuple(outcome or unconfirmed for outcome in self._outcomes)
        return Delivery(
            self.chunk,
            outcomes,
            requests=self.requests,
            retries=self.retries,
            endpoint=self.endpoint,
            error=self._error,
        )

    def _event(self, part: Part) -> Event:
        return self.chunk.events[part.index]


def _quotes(message: str, event: Event) -> bool:
    """Whether a server's text repeats a piece of the event's properties: a prompt must not end up in a message."""
    said = message.encode()
    starts = range(max(0, len(said) - _QUOTE_LENGTH + 1))
    return any(said[start : start + _QUOTE_LENGTH] in event.properties for start in starts)
