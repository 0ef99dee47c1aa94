"""Events → chunks → deliveries → settled: dead letters first, then the report."""

import time

from posthog_llm_cli.chunking import Chunker
from posthog_llm_cli.deadletter import DeadLetter
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Chunk, Delivery, Event, Outcome, Verdict
from posthog_llm_cli.pipeline.deliveries import DeliveryPool, unconfirmed
from posthog_llm_cli.pipeline.intake import Beat, Intake
from posthog_llm_cli.transport import Deliverer

_POLL_S = 0.2
"""How long the main thread may wait without looking whether a signal came."""

_LAST_WAIT_S = 2.0
"""How long deliveries may take to come back once they were told to stop."""


class Outbox:
    """Takes events, has them delivered, and settles every one of them, whatever happens; the main thread's.

    At most `concurrency` + 2 chunks of a destination are under way, so `add()` waits when the server is slow; where
    only one of several is, its chunks wait on disk instead. After a signal, deliveries have the grace period, then they
    are told to stop, and what still does not come back is unconfirmed.
    """

    def __init__(self, intake: Intake, deliverer: Deliverer) -> None:
        plan = intake.plan
        self._intake = intake
        self._chunker = Chunker(
            plan.bounds, historical=plan.historical, run_started_at=plan.convert.build.run_started_at
        )
        self._pool = DeliveryPool(deliverer, threads=plan.concurrency)
        self._told_to_stop = False

    def add(self, event: Event) -> None:
        """Take one event; waits while too many chunks are under way."""
        self._pool.meet(event.destination)
        for chunk in self._chunker.add(event, now_s=time.monotonic()):
            self._submit(chunk)

    def look_after(self, beat: Beat) -> None:
        """Settle what came back, and send off what has lingered.

        A chunk lingers on while its destination is busy, for it would only wait elsewhere: on a slow server, small
        chunks would make it slower. Nor does time alone close one that is delivered on the main thread, so that what
        `--mock` prints of a file is the same each time.
        """
        self._settle_ready()
        if self._pool.is_inline and beat is not Beat.IDLE:
            return
        begun_until_s = time.monotonic() - self._intake.plan.linger_s
        for chunk in self._chunker.flush(begun_until_s=begun_until_s, unless=self._pool.is_busy):
            self._submit(chunk)

    def finish(self) -> None:
        """Send off what is open and wait until everything is settled, or the grace period is over.

        When the time is over (`--max-duration`), what is in flight is finished, and what still waits on disk is not.
        """
        for chunk in self._chunker.flush():
            self._submit(chunk)
        if self._intake.report.out_of_time:
            for chunk in self._pool.take_shelved():
                self._settle(unconfirmed(chunk, "--max-duration was over before it could be sent"))
        while self._pool.unsettled:
            self._wait()

    def stop(self) -> None:
        """End the retries of what is under way: nobody will settle it any more."""
        self._pool.stop()

    def close(self) -> None:
        """End the threads."""
        self._pool.close()

    def _submit(self, chunk: Chunk) -> None:
        self._settle_ready()
        while self._told_to_stop or not self._pool.submit(chunk):
            if self._told_to_stop:
                self._settle(unconfirmed(chunk))
                return
            self._wait()
        self._settle_ready()

    def _wait(self) -> None:
        """Settle one delivery, or see to it that the waiting ends after a signal."""
        delivery = self._pool.collect(timeout_s=_POLL_S)
        if delivery is not None:
            self._settle(delivery)
        else:
            self._intake.progress()  # a hanging server is no reason to fall silent
        if self._intake.stop.since_s is None:
            return
        over_s = time.monotonic() - self._intake.stop.since_s - self._intake.plan.grace_s
        if over_s >= 0 and not self._told_to_stop:
            self._told_to_stop = True
            self._pool.stop()
        if over_s >= _LAST_WAIT_S:
            for chunk in self._pool.abandon():
                self._settle(unconfirmed(chunk))

    def _settle_ready(self) -> None:
        while (delivery := self._pool.collect()) is not None:
            self._settle(delivery)

    def _settle(self, delivery: Delivery) -> None:
        for event, outcome in zip(delivery.chunk.events, delivery.outcomes, strict=True):
            if outcome.verdict is Verdict.REJECTED:
                self._reject(event, outcome)
        self._intake.report.add_delivery(delivery)
        self._intake.progress()

    def _reject(self, event: Event, outcome: Outcome) -> None:
        error = RecordError(outcome.code or "server-refused", outcome.message)
        letter = DeadLetter(
            event.ref, code=error.code, path=error.path, message=error.message, uuid=event.uuid, raw=event.raw
        )
        self._intake.dead_letters.add(letter)
        self._intake.observer.on_rejected(event.ref, error)
