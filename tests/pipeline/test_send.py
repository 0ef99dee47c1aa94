"""`send()` on this process alone: counting, order, bounds, endings that are no signals."""

import threading
import time
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.chunking import Bounds
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.model import Chunk, Delivery, Event, Historical, Idle, LogLine, Outcome, SourceRef, Verdict
from posthog_llm_cli.pipeline import Plan, Stop, deliveries, outbox, send
from posthog_llm_cli.report import RunReport
from posthog_llm_cli.report.models import Tally
from posthog_llm_cli.transport import Deliverer
from tests.laws import examples
from tests.pipeline import fakes
from tests.pipeline.fakes import Entry, Letters, Recorder, Source, Watcher


def run(
    source: Source,
    plan: Plan | None = None,
    *,
    deliverer: Deliverer | None = None,
    letters: Letters | None = None,
    watcher: Watcher | None = None,
    stop: Stop | None = None,
) -> RunReport:
    report = fakes.report()
    send(
        source,
        plan or fakes.plan(),
        deliverer=deliverer or Recorder(),
        dead_letters=letters or Letters(),
        report=report,
        observer=watcher or Watcher(),
        stop=stop or Stop(),
        convert_line=fakes.convert,
    )
    return report


def names(texts: list[str]) -> list[str]:
    return [fakes.event_uuid(text) for text in texts]


# ------------------------------------------------------------------------------------------------------------- counting


def test_every_record_lands_in_exactly_one_count() -> None:
    letters, watcher = Letters(), Watcher()
    refused = fakes.event_uuid("no")
    recorder = Recorder(judge=lambda event: fakes.REFUSED if event.uuid == refused else fakes.ACCEPTED)
    source = Source(fakes.lines(["e:1 e:2", "e:1", "skip", "filtered", "bad", "e:no", "e:1:b"]))

    report = run(source, deliverer=recorder, letters=letters, watcher=watcher)

    assert (report.records, report.accepted, report.duplicates) == (8, 3, 1)
    assert (report.skipped, report.filtered, report.rejected, report.unconfirmed) == (1, 1, 2, 0)
    assert report.rejections == {"missing-field": 1, "server-refused": 1}
    assert report.skips == {"health-check": 1}
    assert report.formats == {"litellm": 6, "openai-chat": 1}
    assert report.warnings == {"no-user": 5}
    assert report.coverage == {"model": 5}
    assert report.events == {"$ai_generation": 3}
    first, second = report.destinations.values()
    assert first.models.named == {
        "model-1": Tally(accepted=1, duplicates=1), "model-2": Tally(accepted=1), "model-no": Tally(rejected=1),
    }  # fmt: skip
    assert second.models.named == {"model-1": Tally(accepted=1)}
    assert report.bytes_read == source.bytes_read > 0
    assert report.elapsed_s > 0


def test_a_rejected_record_is_kept_whole_with_its_place_and_reason() -> None:
    letters, watcher = Letters(), Watcher()
    run(Source([fakes.line("bad", 7)]), letters=letters, watcher=watcher)
    (letter,) = letters.letters
    assert (str(letter.ref), letter.code, letter.path, letter.uuid) == ("app.jsonl:7", "missing-field", "$.t", None)
    assert (letter.message, letter.raw) == ("expected a time and found none", b"bad")
    assert watcher.rejected == [("app.jsonl:7", "missing-field")]


def test_a_record_that_is_part_of_a_line_is_kept_alone() -> None:
    letters = Letters()
    run(Source([fakes.line("e:1 bad skip")]), letters=letters)
    assert [letter.raw for letter in letters.letters] == [b"bad"]


def test_a_line_that_was_too_long_is_kept_without_its_bytes() -> None:
    letters = Letters()
    too_long = LogLine(SourceRef("app.jsonl", 1, 0), b"", problem=RecordError("record-too-long", "expected less"))
    report = run(Source([too_long]), letters=letters)
    assert [letter.raw for letter in letters.letters] == [None]
    assert report.rejections == {"record-too-long": 1}


def test_a_damaged_row_that_framing_refused_is_kept_with_its_bytes() -> None:
    letters = Letters()
    damaged = LogLine(SourceRef("app.csv", 2, 9), b"r-1,x", problem=RecordError("invalid-json", "expected 3 cells"))
    report = run(Source([damaged]), letters=letters)
    assert [letter.raw for letter in letters.letters] == [b"r-1,x"]
    assert report.rejections == {"invalid-json": 1}


def test_what_the_server_refuses_is_kept_with_its_uuid_and_original_bytes() -> None:
    letters, watcher = Letters(), Watcher()
    refused = fakes.event_uuid("no")
    recorder = Recorder(judge=lambda event: fakes.REFUSED if event.uuid == refused else fakes.ACCEPTED)
    source = Source([fakes.line("e:yes", 1), fakes.line("e:no", 2), fakes.line("e:also e:no:b", 3)])
    run(source, deliverer=recorder, letters=letters, watcher=watcher)
    kept = [(str(letter.ref), letter.code, letter.uuid, letter.raw) for letter in letters.letters]
    assert sorted(kept) == [
        ("app.jsonl:2", "server-refused", refused, b"e:no"),
        ("app.jsonl:3", "server-refused", refused, b"e:no:b"),
    ]
    assert sorted(watcher.rejected) == [("app.jsonl:2", "server-refused"), ("app.jsonl:3", "server-refused")]


def test_a_dead_letter_is_kept_before_its_record_is_counted() -> None:
    report = fakes.report()
    counted: list[int] = []

    class Noting(Letters):
        def add(self, letter: object) -> bool:
            counted.append(report.rejected)
            return True

    recorder = Recorder(judge=lambda _event: fakes.REFUSED)
    send(
        Source(fakes.lines(["bad", "e:1"])),
        fakes.plan(),
        deliverer=recorder,
        dead_letters=Noting(),
        report=report,
        observer=Watcher(),
        stop=Stop(),
        convert_line=fakes.convert,
    )
    assert (counted, report.rejected) == ([0, 1], 2)


def test_a_source_that_fails_is_reported_and_the_run_goes_on() -> None:
    watcher, recorder = Watcher(), Recorder()
    damage = SourceError("source-damaged", "a.gz", "cut off")
    report = run(Source([fakes.line("e:1"), damage, fakes.line("e:2", 2)]), deliverer=recorder, watcher=watcher)
    assert report.source_errors == watcher.source_errors == [damage]
    assert recorder.uuids == names(["1", "2"])


@given(
    texts=st.lists(
        st.lists(
            st.one_of(
                st.integers(0, 20).map("e:{}".format), st.sampled_from(["skip", "bad", "filtered", "e:1:b", "e:x:a:99"])
            ),
            min_size=1,
            max_size=4,
        ).map(" ".join),
        max_size=40,
    ),
    seed=st.integers(0, 3),
    concurrency=st.integers(0, 3),
    limit=st.none() | st.integers(0, 12),
    stop_after=st.none() | st.integers(0, 40),
)
@settings(max_examples=examples(150), deadline=None)
def test_the_law_holds_for_any_mix_of_results_limits_and_stops(
    texts: list[str], seed: int, concurrency: int, limit: int | None, stop_after: int | None
) -> None:
    stop, letters = Stop(), Letters()
    items: list[Entry] = [*fakes.lines(texts)]
    if stop_after is not None:
        items.insert(stop_after, lambda: stop.request(15))
    recorder = Recorder(judge=fakes.judge_by(seed))
    plan = fakes.plan(concurrency=concurrency, limit=limit, bounds=Bounds(3, 2_000))
    report = run(Source(items), plan, deliverer=recorder, letters=letters, stop=stop)
    report.assert_law()
    assert report.rejected == len(letters.letters)
    delivered = [(chunk.destination, event.uuid) for chunk in recorder.chunks for event in chunk.events]
    assert len(delivered) == len(set(delivered)), "nothing twice"
    assert len(delivered) == report.accepted + report.unconfirmed + report.rejections["server-refused"]
    if stop_after is None and limit is None:
        assert report.records == sum(len(text.split()) for text in texts)


# ---------------------------------------------------------------------------------------------------------- limit, time


@pytest.mark.parametrize("limit", [0, 1, 3, 5])
def test_reading_stops_exactly_at_the_limit(limit: int) -> None:
    recorder = Recorder()
    source = Source(fakes.line(f"skip e:{number} e:{number}", number) for number in count(1))
    report = run(source, fakes.plan(limit=limit), deliverer=recorder)
    assert recorder.uuids == names([str(number) for number in range(1, limit + 1)])
    assert report.limit_reached
    assert source.taken == limit
    # Of the last line, what stands behind the last event was not read.
    assert (report.records, report.duplicates) == (max(0, 3 * limit - 1), max(0, limit - 1))


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    report = run(Source(fakes.lines(["e:1", "e:2"])), fakes.plan(limit=3))
    assert (report.accepted, report.limit_reached) == (2, False)


def test_the_longest_duration_ends_the_reading_and_finishes_what_was_read() -> None:
    source = Source(fakes.delayed(0.02, fakes.line(f"e:{number}", number)) for number in count(1))
    report = run(source, fakes.plan(max_duration_s=0.2))
    assert report.out_of_time
    assert 1 <= report.accepted == report.records == source.taken <= 11


def test_a_run_that_ends_in_time_is_not_out_of_time() -> None:
    assert not run(Source(fakes.lines(["e:1"])), fakes.plan(max_duration_s=60)).out_of_time


# ------------------------------------------------------------------------------------------------------------ delivery


def test_at_most_two_chunks_more_than_requests_in_flight_are_unsettled() -> None:
    recorder = Recorder(takes_s=0.02)
    ahead: list[int] = []

    def reading(number: int) -> Callable[[], LogLine]:
        def read() -> LogLine:
            # What is read and not yet delivered: two unsettled chunks wait, one is open, and the line at hand.
            ahead.append(number - len(recorder.uuids))
            return fakes.line(f"e:{number}", number)

        return read

    plan = fakes.plan(concurrency=3, bounds=Bounds(4, 100_000))
    report = run(Source(reading(number) for number in range(200)), plan, deliverer=recorder)
    assert report.accepted == 200
    assert recorder.peak == 3, "all threads were busy"
    assert 4 * (3 + 1) <= max(ahead) <= 4 * (3 + 2) + 4


def test_chunks_are_delivered_on_threads_and_settled_on_the_main_one() -> None:
    recorder, watcher = Recorder(takes_s=0.005), Watcher()
    run(Source(fakes.line(f"e:{number} bad") for number in range(100)), deliverer=recorder, watcher=watcher)
    assert len(recorder.threads) == 2
    assert threading.get_ident() not in recorder.threads
    assert watcher.threads == {threading.get_ident()}
    assert watcher.progressed >= len(recorder.chunks)


def test_without_concurrency_everything_happens_on_the_main_thread_in_order() -> None:
    recorder = Recorder()
    run(Source(fakes.lines([f"e:{number}" for number in range(95)])), fakes.plan(concurrency=0), deliverer=recorder)
    assert recorder.threads == {threading.get_ident()}
    assert recorder.uuids == names([str(number) for number in range(95)])


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    run(Source(fakes.lines(["e:1", "e:2:b"])))
    assert threading.active_count() == before


@pytest.mark.parametrize("concurrency", [0, 2])
def test_a_paused_source_sends_off_what_has_lingered(concurrency: int) -> None:
    recorder = Recorder()

    def has_left() -> None:
        time.sleep(0.05)
        assert recorder.uuids == names(["1"]), "before the source goes on"

    def not_yet() -> None:
        assert recorder.uuids == []

    items: list[Entry] = [
        fakes.line("e:1"),
        Idle(),
        not_yet,
        lambda: time.sleep(0.1),
        Idle(),
        has_left,
        fakes.line("e:2"),
    ]
    run(Source(items), fakes.plan(linger_s=0.1, concurrency=concurrency), deliverer=recorder)
    assert recorder.uuids == names(["1", "2"])


def test_a_slow_source_that_never_pauses_does_not_hold_events_back() -> None:
    recorder = Recorder()
    delivered_by: list[int] = []

    def trickle(number: int) -> Callable[[], LogLine]:
        def read() -> LogLine:
            time.sleep(0.05)
            delivered_by.append(len(recorder.uuids))
            return fakes.line(f"e:{number}" if number == 0 else "skip", number)

        return read

    run(Source(trickle(number) for number in range(16)), fakes.plan(linger_s=0.2), deliverer=recorder)
    assert delivered_by[3] == 0
    assert delivered_by[-1] == 1, "sent while lines that are no events still came in"


def test_lingering_events_wait_for_a_free_thread_rather_than_make_small_chunks() -> None:
    recorder = Recorder(takes_s=0.5)
    plan = fakes.plan(linger_s=0.0, concurrency=1, bounds=Bounds(500, 1_000_000))
    trickle = [fakes.delayed(0.01, fakes.line(f"e:{number}", number)) for number in range(60)]
    run(Source(trickle), plan, deliverer=recorder)
    sizes = [len(chunk.events) for chunk in recorder.chunks]
    assert sizes[0] < 15, "the first one found the thread free"
    assert sizes[1] > 20, "the others gathered while it was busy"


def test_recent_and_historical_events_never_share_a_chunk() -> None:
    recorder = Recorder()
    source = Source(fakes.lines(["e:1", "e:2:a:99", "e:3:b", "e:4"]))
    run(source, fakes.plan(concurrency=0), deliverer=recorder)
    flags = {chunk.historical: [event.distinct_id for event in chunk.events] for chunk in recorder.chunks[:2]}
    assert flags == {False: ["1", "4"], True: ["2"]}
    assert len(recorder.chunks) == 3


def test_the_plan_decides_what_is_historical() -> None:
    recorder = Recorder()
    run(Source(fakes.lines(["e:1", "e:2:a:99"])), fakes.plan(historical=Historical.OFF), deliverer=recorder)
    assert [chunk.historical for chunk in recorder.chunks] == [False]


# ---------------------------------------------------------------------------------------------------------------- bugs


class Broken(Recorder):
    def deliver(self, chunk: Chunk) -> Delivery:
        raise BrokenPipeError("stdout was closed")


@pytest.mark.parametrize("concurrency", [0, 2])
def test_an_exception_in_a_delivery_reaches_the_caller(concurrency: int) -> None:
    broken = Broken()
    with pytest.raises(BrokenPipeError):
        run(Source(fakes.line(f"e:{n}") for n in count()), fakes.plan(concurrency=concurrency), deliverer=broken)
    assert broken.stopped == 1


def test_a_bug_in_conversion_reaches_the_caller_although_the_server_hangs() -> None:
    hung = fakes.Hung(deaf=True)
    items: list[Entry] = [*fakes.lines([f"e:{number}" for number in range(20)])]
    items += [lambda: hung.entered.acquire(timeout=5), fakes.line("bug")]
    began_s = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        run(Source(items), deliverer=hung)
    assert time.monotonic() - began_s < 20
    assert hung.stopped_at_s is not None
    hung.let_go()


def test_a_delivery_without_an_outcome_for_each_event_is_a_bug() -> None:
    class Short(Recorder):
        def deliver(self, chunk: Chunk) -> Delivery:
            return Delivery(chunk, ())

    with pytest.raises(ValueError, match="zip"):
        run(Source(fakes.lines(["e:1"])), deliverer=Short())


# ------------------------------------------------------------------------------------------------------------- stopping


@pytest.mark.parametrize("concurrency", [0, 2])
def test_a_stop_sends_off_the_open_chunks_too(concurrency: int) -> None:
    stop, recorder = Stop(), Recorder()
    items: list[Entry] = [
        *fakes.lines(["e:1", "e:2:b"]),
        lambda: stop.request(2),
        fakes.line("e:3"),
        fakes.line("e:never"),
    ]
    report = run(Source(items), fakes.plan(concurrency=concurrency), deliverer=recorder, stop=stop)
    assert sorted(recorder.uuids) == sorted(names(["1", "2", "3"]))
    assert (report.accepted, report.unconfirmed, report.interrupted_by) == (3, 0, 2)


def test_deliveries_that_wait_are_told_to_stop_after_the_grace_period() -> None:
    stop, hung = Stop(), fakes.Hung()
    items: list[Entry] = [
        *fakes.lines([f"e:{number}" for number in range(25)]),
        lambda: stop.request(2),
        fakes.line("e:x"),
    ]
    report = run(Source(items), fakes.plan(grace_s=0.4), deliverer=hung, stop=stop)
    assert (report.unconfirmed, report.records) == (26, 26)
    assert hung.stopped_at_s is not None
    assert stop.since_s is not None
    assert 0.4 <= hung.stopped_at_s - stop.since_s < 20


def test_deliveries_that_never_return_are_counted_as_unconfirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_LAST_WAIT_S", 0.4)
    stop, hung = Stop(), fakes.Hung(deaf=True)
    # More chunks than may be under way: the main thread is held up while it still has lines to take.
    items: list[Entry] = [lambda: threading.Timer(0.2, stop.request, (15,)).start()]
    items += fakes.lines([f"e:{number}" for number in range(200)])
    began_s = time.monotonic()
    report = run(Source(items), fakes.plan(grace_s=0.3), deliverer=hung, stop=stop)
    took_s = time.monotonic() - began_s
    assert hung.entered.acquire(blocking=False), "a delivery did hang"
    assert report.accepted == 0
    assert report.unconfirmed == report.records > 40
    assert 0.8 <= took_s < 20
    assert report.interrupted_by == 15
    hung.let_go()


def test_what_never_returns_is_not_waited_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_LAST_WAIT_S", 0.2)
    monkeypatch.setattr(deliveries, "_JOIN_S", 600.0)
    stop, hung = Stop(), fakes.Hung(deaf=True)
    stop.request(15)
    report = run(Source(fakes.lines(["e:1"])), fakes.plan(grace_s=0.2), deliverer=hung, stop=stop)
    assert report.unconfirmed == report.records == 1
    hung.let_go()


def test_a_stop_leaves_time_until_docker_kills() -> None:
    grace_s = Plan(fakes.OPTIONS, Bounds(10, 100_000), Historical.AUTO).grace_s
    assert grace_s + outbox._LAST_WAIT_S <= 9.0, "of ten seconds: the end is noted down and told, too"


def test_many_open_chunks_do_not_stretch_the_grace_period() -> None:
    stop = Stop()
    recorder = Recorder(takes_s=0.4)
    items: list[Entry] = [fakes.line(" ".join(f"e:{number}:h{number}" for number in range(900))), fakes.line("e:last")]
    stop.request(15)
    began_s = time.monotonic()
    report = run(Source(items), fakes.plan(grace_s=0.5, concurrency=1), deliverer=recorder, stop=stop)
    assert time.monotonic() - began_s < 20, "not 0.4 s for each of 900"
    assert report.accepted > 0
    assert report.unconfirmed > 300
    assert report.records == 900


def test_outcomes_of_a_stopped_destination_are_unconfirmed_with_their_reason() -> None:
    recorder = Recorder(judge=lambda _event: Outcome(Verdict.UNCONFIRMED))
    report = run(Source(fakes.lines(["e:1"])), deliverer=recorder)
    assert report.unconfirmed == report.destined(fakes.event("1").destination).unconfirmed == 1


def test_an_event_carries_its_line_for_the_dead_letter_file() -> None:
    raws: list[bytes] = []

    def judge(event: Event) -> Outcome:
        raws.append(event.raw)
        return fakes.ACCEPTED

    run(Source([fakes.line("e:1"), fakes.line("e:2 e:3", 2)]), deliverer=Recorder(judge=judge))
    assert raws == [b"e:1", b"e:2", b"e:3"]
