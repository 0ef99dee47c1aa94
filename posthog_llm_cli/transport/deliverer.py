"""The seam between the pipeline and whatever takes its chunks."""

from typing import Protocol

from posthog_llm_cli.model import Chunk, Delivery
from posthog_llm_cli.values import Value


class Deliverer(Protocol):
    """Takes chunks. `Capture` sends them, `Printer` prints them, `Rehearsal` only weighs them."""

    def deliver(self, chunk: Chunk) -> Delivery:
        """Return one outcome for each event, in order. Called from pool threads; a failed request raises nothing."""
        ...

    def stop(self) -> None:
        """End every wait: what has no final word by then is unconfirmed. Called from the main thread."""
        ...

    def close(self) -> None:
        """Release connections; nothing is delivered afterwards."""
        ...


class RetryNotice(Value, frozen=True):
    """A request failed and goes out again after `wait_s` seconds; `attempt` counts the retries from 1."""

    host: str
    attempt: int
    max_retries: int
    wait_s: float
    reason: str


class LimitNotice(Value, frozen=True):
    """A host may now have `limit` requests in flight, of the `ceiling` that `--concurrency` allows, and why."""

    host: str
    limit: int
    ceiling: int
    reason: str
