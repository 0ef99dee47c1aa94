"""What a run comes to where its requests came to different things."""

from itertools import permutations

import pytest

from posthog_llm_cli.errors import DeliveryError, ExitCode, KeyRefused, Retryable, Unreachable
from posthog_llm_cli.model import Chunk, Delivery, Outcome, Verdict
from tests.report.making import US, event, report

LATE = Retryable("answered 503", status=503)
STOPPED = Unreachable("a redirect", status=307)
REFUSED = KeyRefused("over its quota", status=402)


@pytest.mark.parametrize("errors", list(permutations([LATE, None, STOPPED, REFUSED])))
def test_what_ended_a_destination_is_told_whatever_was_still_under_way(
    errors: tuple[DeliveryError | None, ...],
) -> None:
    found = report()
    for at, error in enumerate(errors):
        chunk = Chunk(US, historical=False, events=(event(f"gpt-{at}", US),), size=1)
        found.add_delivery(Delivery(chunk, (Outcome(Verdict.UNCONFIRMED),), error=error))
    assert found.destinations[US].error is REFUSED
    assert found.exit_code is ExitCode.KEY_REFUSED


@pytest.mark.parametrize("errors", [(STOPPED, LATE), (LATE, STOPPED), (STOPPED, None)])
def test_a_host_that_was_stopped_is_to_be_mended_whatever_was_still_under_way(
    errors: tuple[DeliveryError | None, ...],
) -> None:
    found = report()
    for error in errors:
        chunk = Chunk(US, historical=False, events=(event("gpt", US),), size=1)
        found.add_delivery(Delivery(chunk, (Outcome(Verdict.UNCONFIRMED),), error=error))
    assert (found.to_mend, found.exit_code) == ("the host", ExitCode.INCOMPLETE)
