import marshal
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Converted, Destination, Event, Filtered, LogLine, Skipped, SourceRef
from posthog_llm_cli.pipeline.buffers import SharedBuffer
from posthog_llm_cli.pipeline.wire import Unpacker, pack_lines, pack_results, unpack_lines
from posthog_llm_cli.values import replace
from tests.pipeline import fakes

# What orjson makes and writes holds no lone surrogates, and so does what travels.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
REFS = st.builds(SourceRef, TEXTS, st.integers(0, 2**70), st.integers(0, 2**70))


SIZES = st.sampled_from((1, 20, 4096))
"""Of rooms: in which there is none for most, for some, for all."""


def sent(given_lines: Sequence[LogLine], *, size: int = 4096) -> Sequence[LogLine]:
    """Lines as they come to a worker."""
    with closing(SharedBuffer(size)) as buffer:
        return list(unpack_lines(pack_lines(given_lines, buffer), buffer))


def answered(results: Sequence[list[Converted]], to: Sequence[LogLine], *, size: int = 4096) -> list[list[Converted]]:
    """Results as they come back from one."""
    with closing(SharedBuffer(size)) as buffer:
        return Unpacker().results(pack_results(zip(to, results, strict=True), buffer), to, buffer)


def lines(is_plain: bool) -> st.SearchStrategy[LogLine]:
    raw, console = st.binary(), st.booleans()
    if is_plain:
        return st.builds(LogLine, REFS, raw, console=console)
    return st.builds(
        LogLine,
        REFS,
        raw,
        st.none() | st.just(RecordError("record-too-long", "too long", path="$", hint="more")),
        console,
        st.none() | st.just(Skipped("batch-input", "an input line")),
        st.none() | TEXTS,
        st.tuples(TEXTS),
    )


def conversions(line: LogLine) -> st.SearchStrategy[Converted]:
    refs = st.just(line.ref) | REFS

    def of(ref: SourceRef, raw: bytes | None) -> st.SearchStrategy[Converted]:
        event = st.builds(
            Event,
            TEXTS,
            TEXTS,
            TEXTS,
            TIMES,
            st.builds(Destination, TEXTS, TEXTS),
            st.binary(),
            st.binary(),
            st.binary(),
            st.just(ref),
            st.just(line.raw if raw is None else raw),
        )
        other = st.just(Filtered()) | st.just(Skipped("health-check", "a probe"))
        return st.builds(
            Converted, st.just(ref), event | other, st.none() | TEXTS, st.tuples(TEXTS), st.just(raw), st.tuples(TEXTS)
        )

    return st.tuples(refs, st.none() | st.binary()).flatmap(lambda made: of(*made))


@given(st.booleans().flatmap(lambda is_plain: st.lists(lines(is_plain), max_size=5)), SIZES)
def test_lines_come_out_as_they_went_in(given_lines: list[LogLine], size: int) -> None:
    came = sent(given_lines, size=size)
    assert list(map(fakes_repr, came)) == list(map(fakes_repr, given_lines))


@given(st.data(), SIZES)
def test_results_come_out_as_they_went_in(data: st.DataObject, size: int) -> None:
    given_lines = data.draw(st.lists(lines(is_plain=True), max_size=4))
    results = [data.draw(st.lists(conversions(line), min_size=1, max_size=2)) for line in given_lines]
    assert answered(results, given_lines, size=size) == results


@given(st.data())
def test_plain_and_pickled_results_are_the_same(data: st.DataObject) -> None:
    line = data.draw(lines(is_plain=True))
    one = data.draw(conversions(line))
    together = answered([[one], [one, one]], [line, line])
    alone = answered([[one]], [line])
    assert together == [*alone, [one, one]]


def test_a_record_that_is_its_line_does_not_travel_back() -> None:
    raw = b'{"a": "' + b"x" * 100_000 + b'"}'
    line = LogLine(SourceRef("app.jsonl", 1, 0), raw)
    event = fakes.event("a", ref=line.ref, raw=raw)
    for results in ([[Converted(line.ref, event)]], [[Converted(line.ref, event), Converted(line.ref, event)]]):
        with closing(SharedBuffer(4096)) as buffer:
            packed = pack_results([(line, results[0])], buffer)
            assert len(packed) < 2_000
            assert Unpacker().results(packed, [line], buffer) == results


def test_what_no_plain_value_holds_travels_all_the_same() -> None:
    line = LogLine(SourceRef("app.jsonl", 1, 0), b"{}")
    event = fakes.event("a", ref=line.ref, raw=b"{}")
    odd: Any = (Destination("https://a.example", "k"),)
    results = [[Converted(line.ref, event, coverage=odd)]]
    assert answered(results, [line]) == results


def fakes_repr(line: LogLine) -> object:
    problem = None if line.problem is None else (line.problem.code, line.problem.message, line.problem.hint)
    return (line.ref, line.raw, problem, line.console, line.skipped, line.format, line.warnings)


@given(st.data())
def test_only_what_is_no_plain_event_is_pickled(data: st.DataObject) -> None:
    line = data.draw(lines(is_plain=True))
    event = data.draw(conversions(line).filter(lambda one: isinstance(one.result, Event) and one.ref is line.ref))
    with closing(SharedBuffer(4096)) as buffer:
        packed = pack_results([(line, [event]), (line, [Converted(line.ref, Filtered())]), (line, [event])], buffer)
    assert [type(row) for row in marshal.loads(packed)] == [tuple, bytes, tuple]


def test_what_is_large_lies_in_the_room() -> None:
    raw = b'{"a": "' + b"x" * 10_000 + b'"}'
    line = LogLine(SourceRef("app.jsonl", 1, 0), raw)
    event = replace(fakes.event("a", ref=line.ref, raw=raw), properties=raw)
    with closing(SharedBuffer()) as buffer:
        assert len(pack_lines([line] * 50, buffer)) < 5_000
        assert len(pack_results([(line, [Converted(line.ref, event)])] * 50, buffer)) < 20_000


def test_a_room_is_used_again() -> None:
    line = LogLine(SourceRef("app.jsonl", 1, 0), b"x" * 900)
    with closing(SharedBuffer(1000)) as buffer:
        for _ in range(3):
            packed = pack_lines([line], buffer)
            assert len(packed) < 100
            assert list(unpack_lines(packed, buffer)) == [line]
