"""Worker processes change nothing but the time it takes: same results, same order, whatever dies."""

import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.model import Converted, ConvertOptions, Event, Idle, LogLine, Skipped
from posthog_llm_cli.pipeline import Plan, Stop, conversion, send, validate
from posthog_llm_cli.pipeline.conversion import Done, Item, convert_all, convert_in_workers
from posthog_llm_cli.pipeline.workers import WorkerPool
from posthog_llm_cli.report import RunReport
from posthog_llm_cli.values import replace
from tests.laws import examples
from tests.pipeline import fakes
from tests.pipeline.fakes import Entry, Letters, Recorder, Source, Watcher


@pytest.fixture(scope="module", autouse=True)
def ready_at_once() -> Iterator[None]:
    """Have lines wait for workers that are still starting, or most tests would be over before one has converted any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerPool, "is_ready", True)
        yield


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(fakes.convert, fakes.OPTIONS, workers=2) as pool:
        yield pool
        assert not pool.is_broken


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "BATCH_LINES", 3)


def run(source: Source, plan: Plan, stop: Stop | None = None) -> tuple[RunReport, Recorder, Letters, Watcher]:
    recorder, letters, watcher, report = Recorder(), Letters(), Watcher(), fakes.report()
    before = fakes.workers()
    send(
        source,
        plan,
        deliverer=recorder,
        dead_letters=letters,
        report=report,
        observer=watcher,
        stop=stop or Stop(),
        convert_line=fakes.convert,
    )
    assert fakes.workers() == before, "no worker outlives its run"
    return report, recorder, letters, watcher


def with_workers(**changes: object) -> Plan:
    """A plan whose workers start after the first line."""
    return fakes.plan(workers=2, workers_after_bytes=1, **changes)


WORD = st.one_of(
    st.integers(0, 30).map("e:{}".format), st.sampled_from(["skip", "bad", "filtered", "e:1:b", "e:2:a:99"])
)
ITEM = st.one_of(
    st.lists(WORD, min_size=1, max_size=3).map(lambda words: fakes.line(" ".join(words))),
    st.just(Idle()),
    st.integers(0, 9).map(lambda number: SourceError("source-damaged", f"{number}.gz", "cut off")),
)


@given(items=st.lists(ITEM, max_size=60))
@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("small_batches")
def test_any_mix_of_items_comes_out_as_without_workers(pool: WorkerPool, items: list[Item]) -> None:
    def seen_from_outside(item: Done | Item) -> object:
        # Errors compare by identity, and those of conversions come from another process.
        return repr(item) if isinstance(item, Done) else item

    here = [Done(item, fakes.convert(item, fakes.OPTIONS)) if isinstance(item, LogLine) else item for item in items]
    there = list(convert_in_workers(iter(items), pool, max_batches=4))
    assert list(map(seen_from_outside, there)) == list(map(seen_from_outside, here))


def test_what_a_rejection_says_survives_the_way_back(pool: WorkerPool) -> None:
    ((converted,),) = pool.results(pool.submit([fakes.line("bad")]))
    ((expected,),) = [fakes.convert(fakes.line("bad"), fakes.OPTIONS)]
    assert repr(converted.result) == repr(expected.result)
    assert vars(converted.result) == vars(expected.result)


def test_lines_are_converted_in_other_processes_and_not_in_this_one(pool: WorkerPool) -> None:
    found = [next(pool.results(pool.submit([fakes.line("pid")])))[0].result for _ in range(4)]
    pids = {int(result.message) for result in found if isinstance(result, Skipped)}
    assert pids <= set(pool.pids)
    assert os.getpid() not in pids


def test_a_run_with_workers_reports_and_delivers_what_one_without_does() -> None:
    texts = [f"e:{number % 700} e:{number}:b bad" if number % 3 else "skip" for number in range(2_000)]
    runs = []
    for plan in (fakes.plan(concurrency=0), with_workers(concurrency=0)):
        report, recorder, letters, watcher = run(Source(fakes.lines(texts)), plan)
        counts = {**report.as_dict(), "elapsed_s": 0}
        runs.append((counts, recorder.chunks, letters.letters, watcher.rejected))
    assert runs[0] == runs[1]


def test_small_inputs_never_start_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pool(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a pool was started")

    monkeypatch.setattr(conversion, "WorkerPool", no_pool)
    report, *_ = run(Source(fakes.lines(["e:1"] * 100)), fakes.plan(workers=2))
    assert report.records == 100
    with pytest.raises(AssertionError, match="a pool was started"):
        run(Source([fakes.line(" " * 5_000_000 + "skip"), fakes.line("skip")]), fakes.plan(workers=2))


def test_until_a_worker_is_ready_this_process_converts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def is_ready(_pool: WorkerPool) -> bool:
        asked.append(len(asked) == 500)
        return asked[-1]

    monkeypatch.setattr(WorkerPool, "is_ready", property(is_ready))
    given_lines: list[Item] = [*fakes.lines(["pid"] * 2_000)]
    found = convert_all(iter(given_lines), with_workers(), convert_line=fakes.convert, stop=Stop())
    results = [item.conversions[0].result for item in found if isinstance(item, Done)]
    pids = [int(result.message) for result in results if isinstance(result, Skipped)]
    assert len(pids) == 2_000
    assert pids[:501] == [os.getpid()] * 501
    assert os.getpid() not in pids[501:]
    assert asked == [False] * 500 + [True]


@pytest.mark.parametrize("is_lost", [False, True], ids=["no workers", "workers that are lost"])
def test_events_that_are_made_in_this_process_are_held_in_the_memory_that_they_say(*, is_lost: bool) -> None:
    lines = fakes.lines(orjson.dumps({"id": n, "text": "word " * 600}).decode() for n in range(200))
    tracemalloc.start()
    try:
        if is_lost:
            with WorkerPool(roomy_event, fakes.OPTIONS, workers=1) as pool:
                pool._broken.set()
                held = [found for task in [pool.submit(lines)] for found in pool.results(task)]
        else:
            items: Iterator[Item] = iter(lines)
            found = convert_all(items, fakes.plan(), convert_line=roomy_event, stop=Stop())
            held = [item.conversions for item in found if isinstance(item, Done)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    events = [result for (conversion,) in held if isinstance(result := conversion.result, Event)]
    said = sum(len(event.properties) for event in events)
    assert said > 600_000
    assert taken < 2 * said


def roomy_event(line: LogLine, _options: ConvertOptions) -> list[Converted]:
    """An event as the payload builder makes it: `orjson` keeps ten times the room."""
    event = fakes.event(f"of line {line.ref.line}", ref=line.ref, raw=line.raw)
    return [Converted(line.ref, replace(event, properties=orjson.dumps(orjson.loads(line.raw))))]


def test_a_worker_says_that_it_is_ready() -> None:
    with WorkerPool(fakes.convert, fakes.OPTIONS, workers=1) as pool:
        assert pool._ready.wait(30)
        assert not pool.is_broken


def test_validate_uses_workers_too() -> None:
    report = fakes.report()
    plan = with_workers()
    texts = ["e:1 e:2", "e:1", "bad", "skip"] * 300
    validate(
        Source(fakes.lines(texts)), plan, report=report, observer=Watcher(), stop=Stop(), convert_line=fakes.convert
    )
    assert (report.records, report.accepted, report.duplicates) == (1500, 2, 898)


@pytest.mark.parametrize("limit", [1, 700])
def test_reading_ahead_is_not_counted_when_the_limit_is_reached(limit: int) -> None:
    source = Source(fakes.lines([f"e:{number} skip" for number in range(5_000)]))
    report, recorder, *_ = run(source, with_workers(limit=limit))
    assert report.accepted == len(recorder.uuids) == limit
    assert report.records == 2 * limit - 1
    assert source.taken < 5_000


def test_a_run_that_has_enough_does_not_wait_for_busy_workers() -> None:
    texts = ["skip"] + [f"e:{number}" for number in range(256)] + ["slow:30"] * 1_000
    began_s = time.monotonic()
    report, *_ = run(Source(fakes.lines(texts)), with_workers(limit=100))
    assert report.accepted == 100
    assert time.monotonic() - began_s < 20  # each of those that are not waited for takes 30


def test_reading_ahead_is_bounded() -> None:
    stop = Stop()
    ahead: list[int] = []
    watcher, report = Watcher(), fakes.report()

    def reading(number: int) -> Callable[[], LogLine]:
        def read() -> LogLine:
            ahead.append(number - report.records)
            return fakes.line("slow:0.0001", number)

        return read

    source = Source(reading(number) for number in range(5_000))
    validate(source, with_workers(), report=report, observer=watcher, stop=stop, convert_line=fakes.convert)
    assert report.records == 5_000
    assert 256 < max(ahead) <= (2 * 2 + 2) * conversion.BATCH_LINES


def test_a_pause_brings_out_everything_that_was_read() -> None:
    report = fakes.report()
    counted: list[int] = []
    items: list[Entry] = [
        *fakes.lines(["skip"] * 10),
        Idle(),
        lambda: counted.append(report.records),
        fakes.line("skip"),
    ]
    validate(Source(items), with_workers(), report=report, observer=Watcher(), stop=Stop(), convert_line=fakes.convert)
    assert counted == [10]


def test_a_slow_source_that_never_pauses_is_converted_as_it_comes() -> None:
    report = fakes.report()
    behind: list[int] = []

    def trickle(number: int) -> Callable[[], LogLine]:
        def read() -> LogLine:
            time.sleep(0.05)
            behind.append(number - report.records)
            return fakes.line("skip", number)

        return read

    source = Source(trickle(number) for number in range(40))
    validate(source, with_workers(), report=report, observer=Watcher(), stop=Stop(), convert_line=fakes.convert)
    assert report.records == 40
    assert min(behind[-10:]) <= 12, "lines wait for 0.2 s, not for a full batch"


def test_a_stop_converts_and_delivers_what_was_read_ahead() -> None:
    stop = Stop()
    items: list[Entry] = [*fakes.lines([f"e:{number}" for number in range(1_000)])]
    items.insert(900, lambda: stop.request(15))
    source = Source(items)
    report, recorder, *_ = run(source, with_workers(grace_s=30.0), stop)
    assert report.accepted == report.records == source.taken == len(recorder.uuids) == 901


# --------------------------------------------------------------------------------------------------------------- faults


def test_a_worker_killed_from_outside_loses_no_record_and_no_order(pool: WorkerPool) -> None:
    killed: list[int] = []

    def kill_one() -> None:
        victim = min(fakes.workers() - set(pool.pids))
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)

    items: list[Entry] = [*fakes.lines([f"e:{number}" for number in range(3_000)])]
    items.insert(1_500, kill_one)
    report, recorder, *_ = run(Source(items), with_workers(concurrency=0))
    assert len(killed) == 1
    assert report.accepted == report.records == 3_000
    assert recorder.uuids == [fakes.event_uuid(str(number)) for number in range(3_000)]


def test_a_worker_killed_over_a_batch_has_the_batch_converted_here(tmp_path: Path) -> None:
    marker = tmp_path / "killed"
    texts = [f"e:{number}" for number in range(2_000)]
    texts[1_000] = f"killed-in-worker:{marker}"
    report, recorder, *_ = run(Source(fakes.lines(texts)), with_workers(concurrency=0))
    assert int(marker.read_text()) != os.getpid(), "a worker took the line and died of it"
    assert (report.records, report.accepted, report.skipped) == (2_000, 1_999, 1)
    assert recorder.uuids == [fakes.event_uuid(text[2:]) for text in texts if text.startswith("e:")]


def test_a_bug_in_a_worker_is_raised_here_and_is_no_dead_letter() -> None:
    letters, report = Letters(), fakes.report()
    texts = ["e:1"] * 600
    texts[500] = "bug"
    with pytest.raises(ZeroDivisionError, match="a bug in conversion"):
        send(
            Source(fakes.lines(texts)),
            with_workers(),
            deliverer=Recorder(),
            dead_letters=letters,
            report=report,
            observer=Watcher(),
            stop=Stop(),
            convert_line=fakes.convert,
        )
    assert letters.letters == []
    assert report.records == 500, "all lines before it were taken first"


def test_without_processes_to_be_had_this_one_converts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(*args: object, **_kwargs: object) -> int:
        asked.append(args)
        raise BlockingIOError("no more processes")

    monkeypatch.setattr("subprocess.Popen", refuse)
    report, *_ = run(Source(fakes.lines(["e:1", "bad", "skip"] * 300)), with_workers())
    assert asked
    assert report.records == 900


def test_without_a_thread_for_its_second_worker_a_run_converts_alone_and_leaves_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where the processes of a container are numbered, which counts threads."""
    pools, start = [], threading.Thread.start

    def start_one(thread: threading.Thread) -> None:
        if "_serve" in thread.name:
            pools.append(thread)
            if len(pools) == 2:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    with WorkerPool(fakes.convert, fakes.OPTIONS, workers=3) as pool:
        assert pool.is_broken
        assert len(pool.pids) == 2
        assert not any(Path(f"/proc/{pid}").exists() for pid in pool.pids), "they take places that deliveries need"
        assert [found[0].ref for found in pool.results(pool.submit([fakes.line("e:1")]))]
    assert len(pools) == 2


CLOSED = """
import os, sys
for number in map(int, sys.argv[1]):
    os.close(number)
from posthog_llm_cli.pipeline.workers import WorkerPool
from tests.pipeline import fakes
with WorkerPool(fakes.convert, fakes.OPTIONS, workers=2) as pool:
    results = [next(pool.results(pool.submit([fakes.line("pid")])))[0].result for _ in range(4)]
    os._exit(0 if not pool.is_broken and {int(result.message) for result in results} <= set(pool.pids) else 1)
"""


@pytest.mark.parametrize("closed", ["0", "1", "2", "012"])
def test_workers_start_without_standard_streams(closed: str) -> None:
    """Cron and service managers may leave them out; their numbers then are those of other descriptors."""
    done = subprocess.run([sys.executable, "-c", CLOSED, closed], check=False, timeout=60)
    assert done.returncode == 0


def test_a_worker_does_not_hold_the_runs_stdin() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stdin, os.fdopen(write, "wb") as out:
        program = CLOSED.replace("os._exit(0 if", "print(*pool.pids, flush=True); sys.stdin.read(); os._exit(0 if")
        process = subprocess.Popen([sys.executable, "-c", program, ""], stdin=stdin, stdout=subprocess.PIPE)
        assert process.stdout is not None
        pids = process.stdout.readline().split()
        assert len(pids) == 2
        held = {Path(f"/proc/{int(pid)}/fd/0") for pid in pids}
        until_s = time.monotonic() + 30
        while held and time.monotonic() < until_s:  # the one that got no line may still be starting
            held = {stdin_of for stdin_of in held if str(stdin_of.readlink()) != os.devnull}
            time.sleep(0.01)
        assert not held
        out.close()
        assert process.wait(30) == 0
        process.stdout.close()


def test_interrupts_from_the_terminal_do_not_reach_the_workers() -> None:
    with WorkerPool(fakes.convert, fakes.OPTIONS, workers=1) as pool:
        # At once, while it still starts: Ctrl-C goes to the whole process group.
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pool.pids[0], number)
        (found,) = pool.results(pool.submit([fakes.line("pid")]))
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pool.pids[0], number)
        (again,) = pool.results(pool.submit([fakes.line("pid")]))
        assert not pool.is_broken
        assert found == again
        assert found[0].result == Skipped("not-a-model-call", str(pool.pids[0]))


def test_large_lines_do_not_pile_up_although_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "READ_AHEAD_BYTES", 3_000_000)
    report = fakes.report()
    ahead: list[int] = []

    def reading(number: int) -> Callable[[], LogLine]:
        def read() -> LogLine:
            ahead.append(number - report.records)
            return fakes.line(" " * 1_000_000 + "skip", number)

        return read

    source = Source(reading(number) for number in range(12))
    plan = replace(with_workers(), workers=4)
    validate(source, plan, report=report, observer=Watcher(), stop=Stop(), convert_line=fakes.convert)
    assert report.records == 12
    assert max(ahead) <= 4


def test_workers_are_found_while_threads_come_and_go() -> None:
    before, over = fakes.workers(), threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            threading.Thread(target=int).start()

    coming = threading.Thread(target=come_and_go)
    coming.start()
    try:
        assert all(fakes.workers() == before for _ in range(500))
    finally:
        over.set()
        coming.join()
