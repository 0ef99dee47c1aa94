"""Deliverers that send nothing: `--mock` prints the events, `--dry-run` weighs them."""

from typing import BinaryIO

from posthog_llm_cli.model import Chunk, Delivery, Endpoint, Event, Outcome, Verdict
from posthog_llm_cli.transport.routes import ROUTES, SMALL_EVENT, candidates, encode_legacy, oversize_message

_ACCEPTED = Outcome(Verdict.ACCEPTED)


class Printer:
    """Prints every event as one JSON line, the object that a request on the `batch` route would carry, in order."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def deliver(self, chunk: Chunk) -> Delivery:
        """Print the chunk and flush. Raises: OSError where the stream is closed or full (BrokenPipeError: `| head`)."""
        self._stream.write(b"".join(bytes(encode_legacy(event)) + b"\n" for event in chunk.events))
        self._stream.flush()
        return Delivery(chunk, (_ACCEPTED,) * len(chunk.events))

    def stop(self) -> None:
        """Do nothing: a printer never waits."""

    def close(self) -> None:
        """Do nothing: the stream is the caller's."""


class Rehearsal:
    """Takes every event but those that the route would not; `auto` is judged by v1, its first choice."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._route = ROUTES[candidates(endpoint)[0]]

    def deliver(self, chunk: Chunk) -> Delivery:
        """Return what would have been sent as accepted."""
        return Delivery(chunk, tuple(self._weigh(event) for event in chunk.events))

    def stop(self) -> None:
        """Do nothing: a rehearsal never waits."""

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def takes(self, event: Event) -> bool:
        """Whether the route would take an event of this size; quick, for most are far below every limit."""
        return event.size <= SMALL_EVENT or self._weigh(event) is _ACCEPTED

    def _weigh(self, event: Event) -> Outcome:
        message = oversize_message(self._route, event, self._route.encode(event))
        return _ACCEPTED if message is None else Outcome(Verdict.REJECTED, "event-too-large", message)
