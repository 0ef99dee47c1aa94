"""A source is committed no further than everything in it is settled: a law, and the cases behind it."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.committed import Committed, Reached
from posthog_llm_cli.model import Destination, LogLine, SourceRef
from posthog_llm_cli.pipeline.tracker import Tracker

US = Destination("https://us.example", "phc_" + "a" * 40)
LINE = 10


def line(offset: int, *, uri: str = "a") -> LogLine:
    return LogLine(SourceRef(uri, offset // LINE + 1, offset), b"{}")


def place(offset: int, *, uri: str = "a", is_whole: bool = False) -> Reached:
    return Reached(uri, b"head", offset, b"", offset // LINE, is_whole=is_whole)


def begun(uri: str = "a") -> Tracker:
    tracker = Tracker()
    tracker.begin(uri)
    return tracker


def counted(tracker: Tracker, *offsets: int, is_call: bool = False) -> None:
    for offset in offsets:
        tracker.count(line(offset).ref, is_call=is_call)
        tracker.done(line(offset).ref)


def offsets(tracker: Tracker) -> list[int]:
    return [commit.reached.offset for commit in tracker.commits()]


@dataclass
class Model:
    """What a run under way looks like from outside: which lines are not settled."""

    tracker: Tracker = field(default_factory=begun)
    read: int = 0
    unsettled: set[int] = field(default_factory=set)
    converting: list[int] = field(default_factory=list)
    sent: dict[int, list[int]] = field(default_factory=dict)
    reached: list[int] = field(default_factory=list)
    committed: int = 0

    def do(self, what: str, number: int) -> None:
        getattr(self, what)(number)
        for commit in self.tracker.commits():
            assert commit.reached.offset in self.reached
            assert commit.reached.offset > self.committed, "only onwards, and nothing twice"
            self.committed = commit.reached.offset
            assert commit.records == self.committed // LINE
        assert all(offset >= self.committed for offset in self.unsettled)

    def read_line(self, number: int) -> None:
        self.tracker.read(line(self.read))
        self.converting.append(self.read)
        self.unsettled.add(self.read)
        self.read += LINE

    def reach(self, _: int) -> None:
        if self.read > (self.reached[-1] if self.reached else 0):
            self.reached.append(self.read)
            self.tracker.reach(place(self.read))

    def convert(self, number: int) -> None:
        """The next line becomes an event of this number, or a duplicate of one that is out, or nothing."""
        if not self.converting:
            return
        offset = self.converting.pop(0)
        ref = line(offset).ref
        if number == 99:  # it was in a dead letter
            self.tracker.hold(ref)
            self.tracker.count(ref, is_call=False)
        elif number % 3:
            key = (US, str(number % 5))
            if self.tracker.is_under_way(key) or number % 5 not in self.sent:
                self.tracker.send(ref, key)
                self.sent.setdefault(number % 5, []).append(offset)
            else:
                self.tracker.hold(ref)
            self.tracker.count(ref, is_call=True)
        else:
            self.tracker.count(ref, is_call=False)
            self.unsettled.discard(offset)
        self.tracker.done(ref)

    def settle(self, number: int) -> None:
        self.tracker.settle((US, str(number % 5)))
        self.unsettled.difference_update(self.sent.pop(number % 5, ()))

    def give_up(self, number: int) -> None:
        self.tracker.give_up((US, str(number % 5)))
        self.sent.pop(number % 5, None)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(
                ["read_line"] * 4 + ["reach", "convert", "convert", "convert", "settle", "settle", "give_up"]
            ),
            st.integers(0, 99),
        ),
        max_size=150,
    )
)
def test_nothing_unsettled_is_ever_committed(steps: list[tuple[str, int]]) -> None:
    model = Model()
    for what, number in steps:
        model.do(what, number)


def test_a_source_is_committed_once_its_calls_are_settled() -> None:
    tracker = begun()
    tracker.read(line(0))
    tracker.read(line(10))
    tracker.reach(place(20))
    tracker.send(line(0).ref, (US, "one"))
    counted(tracker, 0, 10, is_call=True)
    assert offsets(tracker) == []
    tracker.settle((US, "one"))
    (commit,) = tracker.commits()
    assert (commit.reached.offset, commit.records, commit.calls) == (20, 2, 2)
    assert tracker.commits() == []


def test_what_was_not_read_again_counts_along() -> None:
    tracker = begun()
    tracker.skip("a", Committed(1, 100, b"", 10, records=10, calls=7))
    tracker.read(line(100))
    tracker.reach(place(110))
    counted(tracker, 100)
    (commit,) = tracker.commits()
    assert (commit.records, commit.calls) == (11, 7)


def test_a_line_cut_off_at_the_end_is_committed_apart() -> None:
    tracker = begun()
    tracker.read(line(0))
    tracker.reach(place(10))
    tracker.read(line(10))
    tracker.reach(place(15, is_whole=True))
    counted(tracker, 0, 10)
    assert [(commit.reached.offset, commit.records) for commit in tracker.commits()] == [(10, 1), (15, 2)]


def test_a_duplicate_is_settled_with_the_call_that_was_met_first() -> None:
    tracker = Tracker()
    key = (US, "one")
    for uri in ("a", "b"):
        tracker.begin(uri)
        tracker.read(line(0, uri=uri))
        tracker.reach(place(10, uri=uri))
        tracker.send(line(0, uri=uri).ref, key)
        tracker.done(line(0, uri=uri).ref)
    assert offsets(tracker) == []
    tracker.settle(key)
    assert offsets(tracker) == [10, 10]


def test_what_is_held_back_stays_so_and_what_lay_before_it_goes_on() -> None:
    tracker = begun()
    for offset in (0, 10, 20):
        tracker.read(line(offset))
        tracker.reach(place(offset + LINE))
    tracker.hold(line(10).ref)
    counted(tracker, 0, 10, 20)
    assert offsets(tracker) == [10]


def test_a_line_that_joining_took_apart_holds_back_all_that_is_open() -> None:
    tracker = begun()
    tracker.read(line(0))
    tracker.hold(SourceRef("a", 1, 4))
    tracker.reach(place(10))
    counted(tracker, 0)
    assert offsets(tracker) == []


def test_sources_that_never_began_here_cost_nothing() -> None:
    tracker = Tracker()
    tracker.read(line(0, uri="-"))
    tracker.send(line(0, uri="-").ref, (US, "one"))
    tracker.hold(line(0, uri="-").ref)
    assert not tracker.is_under_way((US, "one"))
    assert tracker.commits() == []
