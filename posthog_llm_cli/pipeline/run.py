"""The two runs: `send()` delivers what the intake yields, `validate()` only counts it."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from posthog_llm_cli.deadletter import NoDeadLetters
from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.ledger import NoLedger
from posthog_llm_cli.pipeline.intake import Beat, Intake
from posthog_llm_cli.pipeline.memory import collecting_what_is_new, give_back_early
from posthog_llm_cli.pipeline.outbox import Outbox
from posthog_llm_cli.pipeline.plan import ConvertLine, DeadLetters, Ledger, Observer, Onlooker, Plan, Reader
from posthog_llm_cli.pipeline.stop import Stop
from posthog_llm_cli.pipeline.tracker import Tracker
from posthog_llm_cli.report import RunReport
from posthog_llm_cli.seen import SeenIds
from posthog_llm_cli.transport import Deliverer


def send(  # noqa: PLR0913 - a neighbour each
    reader: Reader,
    plan: Plan,
    *,
    deliverer: Deliverer,
    dead_letters: DeadLetters,
    report: RunReport,
    observer: Observer,
    stop: Stop,
    ledger: Ledger | None = None,
    onlooker: Onlooker | None = None,
    convert_line: ConvertLine | None = None,
) -> None:
    """Read, convert and deliver what is not settled; fills `report`, whose law holds afterwards however the run ended.

    Memory is bounded by the open chunks and `plan.concurrency` + 2 under way, whatever the input's size. `convert_line`
    stands in for `convert.convert`; with worker processes it must be importable by its name. A ledger that fails
    ends the run; `report.ledger_error` says why.

    Raises:
        ConfigError: there is no room for temporary data.
        Anything else is a bug, or the output's end (`BrokenPipeError` of a printer): deliveries are then ended at once.
    """
    kept = ledger if ledger is not None else NoLedger()
    with _intake(reader, plan, dead_letters, report, observer, stop, convert_line, kept, onlooker) as intake:
        outbox = Outbox(intake, deliverer)
        try:
            with closing(intake.events()) as events:
                for event in events:
                    if isinstance(event, Beat):
                        outbox.look_after(event)
                    else:
                        outbox.add(event)
            outbox.finish()
        except BaseException:
            outbox.stop()
            raise
        finally:
            outbox.close()


def validate(
    reader: Reader,
    plan: Plan,
    *,
    report: RunReport,
    observer: Observer,
    stop: Stop,
    ledger: Ledger | None = None,
    onlooker: Onlooker | None = None,
    convert_line: ConvertLine | None = None,
) -> None:
    """Read and convert everything; an event counts as accepted. Fills `report` as `send()` does.

    With a `ledger`, what an earlier run has settled counts as already sent. The `onlooker` sees both.
    """
    kept = ledger if ledger is not None else NoLedger()
    with (
        _intake(reader, plan, NoDeadLetters(), report, observer, stop, convert_line, kept, onlooker) as intake,
        closing(intake.events()) as events,
    ):
        for event in events:
            if not isinstance(event, Beat):
                report.add_convertible(event)


@contextmanager
def _intake(  # noqa: PLR0913, PLR0917 - a neighbour each
    reader: Reader,
    plan: Plan,
    dead_letters: DeadLetters,
    report: RunReport,
    observer: Observer,
    stop: Stop,
    convert_line: ConvertLine | None,
    ledger: Ledger,
    onlooker: Onlooker | None,
) -> Iterator[Intake]:
    """Begin a run, and complete its report at the end."""
    give_back_early()
    tracker = Tracker()
    joined = Joiner(format_name=plan.convert.format, max_record=plan.max_record, on_joined=tracker.hold)
    with collecting_what_is_new(), SeenIds() as seen, joined as joiner:
        intake = Intake(
            reader=reader,
            plan=plan,
            report=report,
            observer=observer,
            dead_letters=dead_letters,
            ledger=ledger,
            stop=stop,
            convert_line=convert_line or _converter(),
            joiner=joiner,
            seen=seen,
            tracker=tracker,
            began_s=time.monotonic(),
            onlooker=onlooker,
        )
        yield intake
        report.interrupted_by = stop.signal
        intake.progress()
        report.assert_law()


def _converter() -> ConvertLine:
    from posthog_llm_cli.convert import convert  # noqa: PLC0415 - the formats: a run with a stand-in needs none

    return convert
