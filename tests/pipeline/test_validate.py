"""`validate()` counts what `send()` would accept, and delivers nothing."""

from itertools import count

from posthog_llm_cli.model import Destination
from posthog_llm_cli.pipeline import Plan, Stop, send, validate
from posthog_llm_cli.report import Mode, RunReport
from tests.pipeline import fakes
from tests.pipeline.fakes import Entry, Letters, Recorder, Source, Watcher

TEXTS = ["e:1 e:2", "e:1", "skip", "filtered bad", "e:3:b", "e:1:b"]


def run(
    source: Source, plan: Plan | None = None, *, watcher: Watcher | None = None, stop: Stop | None = None
) -> RunReport:
    report = RunReport("run-1", Mode.VALIDATE)
    validate(
        source,
        plan or fakes.plan(),
        report=report,
        observer=watcher or Watcher(),
        stop=stop or Stop(),
        convert_line=fakes.convert,
    )
    return report


def test_events_count_as_accepted_by_name_and_destination() -> None:
    watcher = Watcher()
    report = run(Source(fakes.lines(TEXTS)), watcher=watcher)
    assert (report.records, report.accepted, report.duplicates, report.rejected) == (8, 4, 1, 1)
    assert report.events == {"$ai_generation": 4}
    accepted = {destination: counts.accepted for destination, counts in report.destinations.items()}
    assert accepted == {
        Destination("https://a.example", "phc_aaaaaaaa"): 2,
        Destination("https://b.example", "phc_bbbbbbbb"): 2,
    }
    assert watcher.rejected == [("app.jsonl:4", "missing-field")]
    assert watcher.passed == [f"app.jsonl:{line}" for line in (1, 1, 2, 3, 4, 5, 6)]
    assert watcher.progressed > 0


def test_it_counts_records_as_a_send_that_succeeds_does() -> None:
    sent = fakes.report()
    send(
        Source(fakes.lines(TEXTS)),
        fakes.plan(),
        deliverer=Recorder(),
        dead_letters=Letters(),
        report=sent,
        observer=Watcher(),
        stop=Stop(),
        convert_line=fakes.convert,
    )
    validated = run(Source(fakes.lines(TEXTS)))
    for name in (
        "records",
        "accepted",
        "duplicates",
        "filtered",
        "rejections",
        "skips",
        "formats",
        "events",
        "bytes_read",
    ):
        assert getattr(validated, name) == getattr(sent, name), name


def test_the_limit_holds() -> None:
    report = run(Source(fakes.line(f"skip e:{number}", number) for number in count()), fakes.plan(limit=4))
    assert (report.accepted, report.records, report.limit_reached) == (4, 8, True)


def test_a_stop_ends_it_after_the_line_at_hand() -> None:
    stop = Stop()
    items: list[Entry] = [*fakes.lines(["e:1"]), lambda: stop.request(15), fakes.line("e:2"), fakes.line("e:never")]
    report = run(Source(items), stop=stop)
    assert (report.accepted, report.interrupted_by) == (2, 15)
