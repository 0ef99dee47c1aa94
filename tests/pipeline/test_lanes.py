"""Several destinations: one that fails or hangs costs the others neither time nor memory, and itself no event."""

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.chunking import Bounds
from posthog_llm_cli.model import Chunk, Delivery, Destination, Event, LogLine
from posthog_llm_cli.pipeline import Plan, Stop, lanes, send, shelf
from posthog_llm_cli.pipeline.deliveries import DeliveryPool
from posthog_llm_cli.pipeline.shelf import Shelf
from posthog_llm_cli.report import RunReport
from posthog_llm_cli.transport import Deliverer
from posthog_llm_cli.values import replace
from tests.pipeline import fakes
from tests.pipeline.fakes import Letters, Recorder, Source, Watcher

SMALL = Bounds(5, 100_000)


def run(source: Source, deliverer: Deliverer, plan: Plan | None = None, stop: Stop | None = None) -> RunReport:
    report = fakes.report()
    send(
        source,
        plan or fakes.plan(bounds=SMALL),
        deliverer=deliverer,
        dead_letters=Letters(),
        report=report,
        observer=Watcher(),
        stop=stop or Stop(),
        convert_line=fakes.convert,
    )
    return report


@dataclass
class Uneven(Recorder):
    """Takes nothing of the destinations in `held` until `let_go()`, and everything of the others at once."""

    held: frozenset[str] = frozenset({"a"})
    gate: threading.Event = field(default_factory=threading.Event)
    seen: Counter[str] = field(default_factory=Counter)
    blocked: int = 0

    def deliver(self, chunk: Chunk) -> Delivery:
        where = chunk.destination.api_key[-1]
        if where in self.held and not self.gate.is_set():
            with self._lock:
                self.blocked += 1
            self.gate.wait(30)
        with self._lock:
            self.seen[where] += len(chunk.events)
        return super().deliver(chunk)

    def let_go(self) -> None:
        self.gate.set()


def interleaved(count: int, *wheres: str) -> Iterator[LogLine]:
    for number in range(count):
        yield fakes.line(" ".join(f"e:{number}:{where}" for where in wheres), number)


def counted(report: RunReport) -> dict[str, int]:
    return {destination.api_key[-1]: counts.accepted for destination, counts in report.destinations.items()}


def test_while_one_destination_hangs_all_events_of_the_other_go() -> None:
    uneven = Uneven()
    read_all: list[int] = []

    def lines() -> Iterator[LogLine]:
        yield from interleaved(500, "a", "b")
        read_all.append(uneven.seen["b"])
        uneven.let_go()

    report = run(Source(lines()), uneven)
    assert uneven.blocked == 2, "as many as --concurrency"
    assert read_all[0] >= 500 - 5 * (2 + 2) - 5, "the reader was at the end, and only chunks under way were left"
    assert counted(report) == {"a": 500, "b": 500}
    assert report.unconfirmed == 0


def test_a_destination_keeps_its_order_on_its_way_over_the_disk() -> None:
    uneven = Uneven()

    def lines() -> Iterator[LogLine]:
        yield from interleaved(200, "a", "b")
        uneven.let_go()

    run(Source(lines()), uneven, fakes.plan(bounds=SMALL, concurrency=1))
    sent = [
        event.distinct_id for chunk in uneven.chunks if "aaa" in chunk.destination.api_key for event in chunk.events
    ]
    assert sent == [str(number) for number in range(200)]


def test_a_destination_alone_holds_up_the_reader_and_nothing_is_written_to_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: pytest.fail("nobody gains by it"))
    uneven = Uneven()
    taken: list[int] = []
    source = Source(interleaved(200, "a"))

    def release() -> None:
        time.sleep(0.5)
        taken.append(source.taken)
        uneven.let_go()

    threading.Thread(target=release).start()
    report = run(source, uneven)
    assert taken[0] <= 5 * (2 + 2) + 5
    assert report.accepted == 200


def test_a_key_that_hangs_does_not_hold_up_another_key_of_the_same_host() -> None:
    """As where a proxy limits by key: the host answers well, but not for this one."""

    class OneHost(Uneven):
        pass

    def convert(line: LogLine, options: object) -> list[object]:
        found = fakes.convert(line, fakes.OPTIONS)
        return [
            replace(one, result=replace(one.result, destination=Destination("https://one.example", one.result.destination.api_key)))
            for one in found
            if isinstance(one.result, Event)
        ]  # fmt: skip

    uneven = OneHost()
    read_all: list[int] = []

    def lines() -> Iterator[LogLine]:
        yield from interleaved(300, "a", "b")
        read_all.append(uneven.seen["b"])
        uneven.let_go()

    report = fakes.report()
    began_s = time.monotonic()
    send(
        Source(lines()),
        fakes.plan(bounds=SMALL),
        deliverer=uneven,
        dead_letters=Letters(),
        report=report,
        observer=Watcher(),
        stop=Stop(),
        convert_line=convert,  # type: ignore[arg-type]  # it returns what `convert` returns, loosely typed
    )
    assert read_all[0] >= 300 - 25
    assert counted(report) == {"a": 300, "b": 300}
    assert time.monotonic() - began_s < 5, "a lane that does not move is waited for once"


def test_many_keys_of_a_dead_host_do_not_hold_up_another_host() -> None:
    letters = "acdefghijklmn"
    uneven = Uneven(held=frozenset(letters))
    read_all: list[int] = []

    def lines() -> Iterator[LogLine]:
        yield from interleaved(100, *letters, "b")
        read_all.append(uneven.seen["b"])
        uneven.let_go()

    report = run(Source(lines()), uneven)
    assert read_all[0] >= 100 - 25
    assert counted(report) == dict.fromkeys([*letters, "b"], 100)


def test_what_waits_on_disk_is_unconfirmed_when_the_time_is_over() -> None:
    uneven = Uneven()

    def lines() -> Iterator[LogLine]:
        yield from interleaved(200, "a", "b")
        time.sleep(0.3)
        uneven.let_go()
        yield fakes.line("skip")
        yield fakes.line("skip")

    report = run(Source(lines()), uneven, fakes.plan(bounds=SMALL, max_duration_s=0.2, late_s=1.0, concurrency=1))
    counts = counted(report)
    assert report.out_of_time
    assert counts["b"] >= 1
    assert counts["a"] + report.unconfirmed >= counts["b"] - 5
    assert report.accepted + report.unconfirmed == report.records - report.skipped


def test_a_stop_with_chunks_on_disk_leaves_them_unconfirmed_within_the_grace_period() -> None:
    hung = fakes.Hung(deaf=True)
    stop = Stop()

    class HalfHung(Recorder):
        def deliver(self, chunk: Chunk) -> Delivery:
            return hung.deliver(chunk) if chunk.destination.api_key.endswith("a") else super().deliver(chunk)

    def lines() -> Iterator[LogLine]:
        yield from interleaved(200, "a", "b")
        stop.request(15)
        yield fakes.line("skip")

    began_s = time.monotonic()
    report = run(Source(lines()), HalfHung(), stop=stop)
    hung.let_go()
    assert time.monotonic() - began_s < 5
    assert counted(report)["b"] == 200
    assert report.unconfirmed == 200


@pytest.mark.parametrize("failure", ["no folder", "no room"])
def test_where_the_disk_takes_nothing_the_reader_waits_and_nothing_is_lost(
    failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fired: list[str] = []

    def fail(*_: object, **__: object) -> None:
        fired.append(failure)
        raise OSError(28, "No space left on device")

    if failure == "no folder":
        monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    else:
        monkeypatch.setattr(shelf, "_write", fail)
    uneven = Uneven()
    threading.Timer(0.5, uneven.let_go).start()
    report = run(Source(interleaved(300, "a", "b")), uneven)
    assert fired
    assert counted(report) == {"a": 300, "b": 300}


def test_a_full_shelf_holds_up_the_reader() -> None:
    uneven = Uneven()
    pool = DeliveryPool(uneven, threads=1, shelf=Shelf(max_bytes=1))
    chunks = {where: a_chunk(where, 1) for where in "ab"}
    try:
        pool.meet(chunks["b"].destination)
        assert all(pool.submit(chunks["a"]) for _ in range(1 + lanes.QUEUED_CHUNKS + 1))
        assert not pool.submit(chunks["a"])
        assert pool.submit(chunks["b"])
        uneven.let_go()
        collected = 0
        while pool.unsettled:
            collected += pool.collect(timeout_s=1) is not None
        assert collected == 1 + lanes.QUEUED_CHUNKS + 1 + 1
        assert pool.submit(chunks["a"])
    finally:
        uneven.let_go()
        pool.close()


def a_chunk(where: str, number: int, *, raw: bytes = b"{}") -> Chunk:
    event = replace(fakes.event(f"{where}{number}", where), raw=raw)
    return Chunk(event.destination, False, (event,), event.size)


def test_the_bytes_under_way_are_bounded_and_shared_between_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "UNSETTLED_BYTES", 10_000)
    uneven = Uneven(held=frozenset("ab"))
    pool = DeliveryPool(uneven, threads=8)
    try:
        pool.meet(a_chunk("b", 0).destination)
        heavy = [a_chunk("a", number, raw=b"x" * 3_000) for number in range(9)]
        for chunk in heavy:
            assert pool.submit(chunk)
        held = [lanes.weight(chunk) for chunk in pool._unsettled.values()]
        assert sum(held) - held[-1] < 10_000
        assert len(pool._shelf) == 9 - len(held) > 0
        assert pool.submit(a_chunk("b", 1)), "the other host has its share"
        assert not pool._shelf.has(a_chunk("b", 1).destination)
    finally:
        uneven.let_go()
        pool.close()


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.integers(0, 3000)), max_size=60))
@settings(deadline=None)
def test_a_shelf_gives_back_what_it_was_given_in_order_for_each_destination(
    steps: list[tuple[bool, str, int]],
) -> None:
    held = Shelf(max_bytes=100_000)
    model: dict[Destination, list[Chunk]] = {}
    for number, (puts, where, size) in enumerate(steps):
        chunk = a_chunk(where, number, raw=b"r" * size)
        waiting = model.setdefault(chunk.destination, [])
        if puts:
            assert held.has_room
            assert held.put(chunk)
            waiting.append(chunk)
        elif waiting:
            assert held.take(chunk.destination) == waiting.pop(0)
        assert len(held) == sum(map(len, model.values()))
        assert held.has(chunk.destination) is bool(model[chunk.destination])
    assert sorted(chunk.events[0].uuid for chunk in held.take_all()) == sorted(
        chunk.events[0].uuid for waiting in model.values() for chunk in waiting
    )
    held.close()


def test_an_empty_shelf_gives_its_room_back() -> None:
    held = Shelf(max_bytes=2_000)
    for number in range(100):
        assert held.put(a_chunk("a", number, raw=b"r" * 3_000))
        assert not held.has_room
        held.take(a_chunk("a", number).destination)
        assert held.has_room
    assert held._file is not None
    assert held._file.seek(0, 2) == 0
    held.close()


def test_what_lies_on_the_shelf_has_no_name_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held = Shelf()
    assert held.put(a_chunk("a", 1))
    assert list(tmp_path.iterdir()) == []
    held.close()


def test_free_threads_take_from_the_lanes_in_turn() -> None:
    """One destination with much does not go before another with little."""
    order: list[str] = []
    gate = threading.Event()
    has_b = threading.Event()

    class Gated(Recorder):
        def deliver(self, chunk: Chunk) -> Delivery:
            order.append(chunk.destination.api_key[-1])
            if chunk.destination.api_key.endswith("b"):
                has_b.set()
            gate.wait(30)
            return super().deliver(chunk)

    pool = DeliveryPool(Gated(), threads=2)
    try:
        for number in range(4):
            assert pool.submit(a_chunk("a", number))
        assert pool.submit(a_chunk("b", 1))
        assert has_b.wait(20)  # however slowly its thread starts
        gate.set()
        while pool.unsettled:
            pool.collect(timeout_s=1)
    finally:
        gate.set()
        pool.close()
    assert order.index("b") < 4
