"""Events → chunks → deliveries → settled: dead letters first, then the ledger, then the report."""

import time
from collections.abc import Sequence
from itertools import islice

from posthog_llm_cli.chunking import Chunker
from posthog_llm_cli.committed import Commit
from posthog_llm_cli.deadletter import DeadLetter
from posthog_llm_cli.errors import LedgerError, RecordError
from posthog_llm_cli.model import Chunk, Delivery, Event, Outcome, Settled, Settlement, Verdict
from posthog_llm_cli.pipeline.deliveries import DeliveryPool, unconfirmed
from posthog_llm_cli.pipeline.intake import Beat, Intake
from posthog_llm_cli.transport import Deliverer
from posthog_llm_cli.values import replace

_POLL_S = 0.2
"""How long the main thread may wait without looking whether a signal came."""

_LAST_WAIT_S = 2.0
"""How long deliveries may take to come back once they were told to stop."""

_OUT_OF_TIME = "--max-duration was over before it could be sent"

_COMMIT_S = 2.0
"""How often sources are committed where nothing is sent, which would take them along."""

_MOST_TOGETHER = 4
"""So many deliveries that came back meanwhile are settled by one transaction: for each, the disk is waited for."""


class Outbox:
    """Takes events, has them delivered, and settles every one of them, whatever happens; the main thread's.

    At most `concurrency` + 2 chunks of a destination are under way, so `add()` waits when the server is slow; where
    only one of several is, its chunks wait on disk instead. After a signal, deliveries have the grace period, then they
    are told to stop, and what still does not come back is unconfirmed. Where the ledger fails they are told to stop at
    once: what it cannot take would only be sent again. They are told so, too, some time after `--max-duration`.
    """

    def __init__(self, intake: Intake, deliverer: Deliverer) -> None:
        plan = intake.plan
        self._intake = intake
        self._chunker = Chunker(
            plan.bounds, historical=plan.historical, run_started_at=plan.convert.build.run_started_at
        )
        self._pool = DeliveryPool(deliverer, threads=plan.concurrency)
        self._told_to_stop_s: float | None = None
        self._committed_s = time.monotonic()

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
        if time.monotonic() - self._committed_s >= _COMMIT_S:
            self._commit()
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
                self._settle(self._given_up(chunk))
        while self._pool.unsettled:
            self._wait()
        self._commit()

    def stop(self) -> None:
        """End the retries of what is under way: nobody will settle it any more."""
        self._pool.stop()

    def close(self) -> None:
        """End the threads."""
        self._pool.close()

    def _submit(self, chunk: Chunk) -> None:
        self._settle_ready()
        while self._is_over or not self._pool.submit(chunk):
            if self._is_over:
                self._settle(self._given_up(chunk))
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
        now_s = time.monotonic()
        since_s = self._intake.stop.since_s
        if since_s is not None and now_s - since_s >= self._intake.plan.grace_s:
            self._tell_to_stop()
        if self._intake.report.ledger_error is not None:
            self._tell_to_stop()
        if self._intake.overtime_s >= self._intake.plan.late_s:
            self._intake.report.out_of_time = True
            self._tell_to_stop()
        if self._told_to_stop_s is not None and now_s - self._told_to_stop_s >= _LAST_WAIT_S:
            for chunk in self._pool.abandon():
                self._settle(self._given_up(chunk))

    def _given_up(self, chunk: Chunk) -> Delivery:
        return unconfirmed(chunk, _OUT_OF_TIME) if self._intake.overtime_s >= 0 else unconfirmed(chunk)

    @property
    def _is_over(self) -> bool:
        """Whether nothing is sent any more."""
        return self._told_to_stop_s is not None or self._intake.report.ledger_error is not None

    def _tell_to_stop(self) -> None:
        if self._told_to_stop_s is None:
            self._told_to_stop_s = time.monotonic()
            self._pool.stop()

    def _settle_ready(self) -> None:
        while deliveries := list(islice(iter(self._pool.collect, None), _MOST_TOGETHER)):
            self._settle(*deliveries)

    def _settle(self, *deliveries: Delivery) -> None:
        """Settle what came back: dead letters first, then one transaction, then the report."""
        answered = [self._answered(delivery) for delivery in deliveries]
        # What is not safe in a dead letter is not settled either: the next run meets it again.
        is_safe = not any(rejected for _, rejected in answered) or self._intake.dead_letters.sync()
        settled = [
            replace(accepted, outcomes=[*accepted.outcomes, *rejected]) if rejected and is_safe else accepted
            for accepted, rejected in answered
        ]
        for delivery, part in zip(deliveries, settled, strict=True):
            self._track(delivery, part)
        self._note(settled)
        for delivery in deliveries:
            self._intake.report.add_delivery(delivery)
        self._intake.progress()

    def _answered(self, delivery: Delivery) -> tuple[Settled, list[tuple[str, Settlement]]]:
        """Return what was accepted, and what was rejected and is kept as a dead letter."""
        edge = delivery.endpoint is not None and delivery.endpoint.is_legacy
        destination = delivery.chunk.destination
        accepted: list[tuple[str, Settlement]] = []
        notes: dict[str, int] = {}
        rejected: list[tuple[str, Settlement]] = []
        truncated = self._intake.truncated
        for event, outcome in zip(delivery.chunk.events, delivery.outcomes, strict=True):
            note = truncated.pop((destination, event.uuid), None) if truncated else None
            if outcome.verdict is Verdict.ACCEPTED:
                accepted.append((event.uuid, _accepted(edge=edge, is_truncated=note is not None)))
                if note is not None:
                    notes[event.uuid] = note
            elif outcome.verdict is Verdict.REJECTED and self._reject(event, outcome):
                rejected.append((event.uuid, Settlement.REJECTED))
        return Settled(destination, accepted, notes), rejected

    def _track(self, delivery: Delivery, settled: Settled) -> None:
        """Tell how far sources are settled with a delivery."""
        tracker, destination = self._intake.tracker, settled.destination
        done = {uuid for uuid, _ in settled.outcomes}
        for event in delivery.chunk.events:
            if event.uuid in done:
                tracker.settle((destination, event.uuid))
            else:
                tracker.give_up((destination, event.uuid))

    def _note(self, settled: Sequence[Settled]) -> None:
        """Note down what was settled, and how far sources are with it."""
        report = self._intake.report
        if report.ledger_error is not None:
            return
        try:
            self._intake.ledger.settle(settled, self._commits())
        except LedgerError as error:
            report.ledger_error = error
            self._tell_to_stop()

    def _commit(self) -> None:
        """Note down how far sources are settled, where nothing is sent that would take it along."""
        self._committed_s = time.monotonic()
        self._note(())

    def _commits(self) -> list[Commit]:
        """Return how far sources are settled: no further than their dead letters are on disk."""
        commits = self._intake.tracker.commits()
        return commits if not commits or self._intake.dead_letters.sync() else []

    def _reject(self, event: Event, outcome: Outcome) -> bool:
        """Keep a rejected event as a dead letter; return whether it is kept."""
        error = RecordError(outcome.code or "server-refused", outcome.message)
        letter = DeadLetter(
            event.ref, code=error.code, path=error.path, message=error.message, uuid=event.uuid, raw=event.raw
        )
        is_kept = self._intake.dead_letters.add(letter)
        self._intake.observer.on_rejected(event.ref, error)
        return is_kept


def _accepted(*, edge: bool, is_truncated: bool) -> Settlement:
    if is_truncated:
        return Settlement.EDGE_TRUNCATED if edge else Settlement.TRUNCATED
    return Settlement.EDGE if edge else Settlement.ACCEPTED
