"""A look at the sources before a send asks: a forecast by their first part, within seconds."""

from contextlib import closing
from datetime import datetime

import typer

from posthog_llm_cli import pipeline
from posthog_llm_cli.cli.previews import rate_of
from posthog_llm_cli.cli.survey import Survey
from posthog_llm_cli.cli.wiring import plan_of, reader_of
from posthog_llm_cli.config.settings import Settings
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.ledger import NoLedger, RunStart, view
from posthog_llm_cli.model import SourceRef
from posthog_llm_cli.preview.figures import Forecast
from posthog_llm_cli.preview.forecasting import ForecastFold
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.sources import SourceReader
from posthog_llm_cli.transport import Rehearsal
from posthog_llm_cli.values import replace

MOST_BYTES = 32_000_000
MOST_S = 5.0


class _Silence:
    """Watches without a word: the run itself tells what is wrong with records."""

    def on_rejected(self, ref: SourceRef, error: RecordError) -> None:
        """Say nothing."""

    def on_passed(self, ref: SourceRef, /) -> None:
        """Say nothing."""

    def on_source_error(self, error: SourceError) -> None:
        """Say nothing."""

    def on_progress(self, report: RunReport) -> None:
        """Say nothing."""


def look_ahead(sources: Survey, settings: Settings, *, now: datetime) -> Forecast | None:
    """Return a forecast by at most 32 MB or 5 s of the sources; None where one of them can't be read twice (a pipe).

    The ledger is asked without its lock, and nothing is counted in it. Raises: typer.Abort for Ctrl-C; LedgerError.
    """
    if sources.size is None:
        return None
    report, stop = RunReport("look", Mode.DRY_RUN), pipeline.Stop()
    fold = ForecastFold(now=now, takes=Rehearsal(settings.endpoint).takes)
    ledger = NoLedger() if settings.ledger is None else view(settings.ledger, _start(settings, now))
    with closing(ledger):
        memory = None if isinstance(ledger, NoLedger) else ledger
        reader: SourceReader = reader_of(
            sources.specs,
            settings,
            lambda: stop.should_stop() or reader.bytes_read >= MOST_BYTES,
            memory=memory,
        )
        plan = replace(plan_of(settings, report, now=now), max_duration_s=MOST_S)
        with stop.installed():
            pipeline.validate(reader, plan, report=report, observer=_Silence(), stop=stop, ledger=ledger, onlooker=fold)
    if stop.signal is not None:
        raise typer.Abort
    return _forecast(fold, report, reader, sources.size, settings)


def _start(settings: Settings, now: datetime) -> RunStart:
    return RunStart("look", now, settings.distinct_id, settings=settings.reading_digest(), since=settings.since)


def _forecast(fold: ForecastFold, report: RunReport, reader: SourceReader, size: int, settings: Settings) -> Forecast:
    is_sample = report.out_of_time or reader.bytes_read >= MOST_BYTES
    already_read = report.already_read
    return fold.forecast(
        rate_of(settings, report, events=report.accepted + report.already_sent - already_read.records),
        already_read=already_read.records,
        sample_bytes=reader.bytes_read if is_sample else None,
        sources_per_sample=size / reader.raw_bytes_read if is_sample and reader.raw_bytes_read else 1.0,
    )
