import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.mockserver.faults import ANSWER_KINDS, EVENT_KINDS, Dice, Fault, Faults


def test_the_list_of_the_manual_is_read() -> None:
    faults = Faults.parse("429:0.1,503:0.05, reset:0.02 ,slow:0.1,retry:0.3,drop:0.1:llm_events_over_quota")
    assert [(fault.kind, fault.rate) for fault in faults.of_answer] == [("429", 0.1), ("503", 0.05), ("reset", 0.02)]
    assert faults.slow is not None
    assert (faults.slow.rate, faults.slow.delay_s) == (0.1, 2.0)
    assert [(fault.kind, fault.tag) for fault in faults.of_event] == [("retry", ""), ("drop", "llm_events_over_quota")]


def test_slow_with_seconds_alone_is_every_answer() -> None:
    assert Faults.parse("429:0.1,500:0.05,drop:0.01,slow:2s").slow == Fault("slow", 1.0, delay_s=2.0)


@pytest.mark.parametrize(
    ("spec", "delay_s"), [("slow:1", 2.0), ("slow:1:5s", 5.0), ("slow:1:0.25", 0.25), ("slow:1:0s", 0.0)]
)
def test_slow_names_its_seconds(spec: str, delay_s: float) -> None:
    assert Dice(Faults.parse(spec), 0).roll().delay_s == delay_s


@pytest.mark.parametrize("spec", ["", " ", ",", " , "])
def test_nothing_on_order_means_no_faults(spec: str) -> None:
    assert Faults.parse(spec).kinds == ()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("teapot:0.1", "expected a status from 400 to 599 or one of .* and found 'teapot'"),
        ("200:0.1", "and found '200'"),
        ("600:0.1", "and found '600'"),
        ("429", "expected 429:RATE with a rate from 0 to 1 and found '429'"),
        ("429:", "with a rate from 0 to 1"),
        ("429:often", "with a rate from 0 to 1"),
        ("429:1.1", "with a rate from 0 to 1"),
        ("429:-0.1", "with a rate from 0 to 1"),
        ("429:nan", "with a rate from 0 to 1"),
        ("429:0.1,429:0.2", "expected each kind of fault once and found '429' 2 times"),
        ("429:0.6,reset:0.5", "the rates for a request to add up to at most 1 and found 1.1"),
        ("retry:0.6,drop:0.5", "the rates for an event to add up to at most 1 and found 1.1"),
        ("slow:0.1:long", "expected seconds from 0 to 3600, as in 5s, and found 'long'"),
        ("slow:0.1:5000s", "expected seconds"),
        ("reset:0.1:5s", "expected reset:RATE and nothing more"),
        ("drop:0.1:No Tag", "expected a drop tag"),
        ("429:0.1:soon", "expected seconds from 0 to 3600, as in 5s, and found 'soon'"),
        ("200-html:0.1", "and found '200-html'"),
        ("hang-html:0.1", "and found 'hang-html'"),
        ("429:0,1", "and found '1'"),
    ],
)
def test_a_bad_list_is_refused_by_what_is_wrong_with_it(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Faults.parse(spec)


_rates = st.floats(0, 0.05)
_specs = st.dictionaries(
    st.sampled_from([*sorted(ANSWER_KINDS | EVENT_KINDS), "slow", "429", "503", "404-html"]), _rates
).map(lambda rates: ",".join(f"{kind}:{rate!r}" for kind, rate in rates.items()))


@given(_specs, st.integers(), st.lists(st.integers(0, 5), max_size=30))
def test_one_seed_gives_one_sequence_whatever_the_requests_hold(spec: str, seed: int, sizes: list[int]) -> None:
    first, second = Dice(Faults.parse(spec), seed), Dice(Faults.parse(spec), seed)
    for size in sizes:
        here, there = first.roll(), second.roll()
        assert (here.delay_s, here.fault) == (there.delay_s, there.fault)
        assert [here.event_fault() for _ in range(size)] == [there.event_fault() for _ in range(size)]
        there.event_fault()  # a longer request of the second run must not move the next roll


@given(st.text(max_size=20))
def test_any_text_is_a_list_of_faults_or_a_value_error(spec: str) -> None:
    try:
        faults = Faults.parse(spec)
    except ValueError:
        with pytest.raises(ValueError, match=r"^expected "):
            Faults.parse(spec)
    else:
        assert len(faults.kinds) == len([part for part in spec.split(",") if part.strip()])


def test_rates_are_kept() -> None:
    dice = Dice(Faults.parse("429:0.1,reset:0.2,slow:0.5:1s"), 7)
    rolls = [dice.roll() for _ in range(10_000)]
    kinds = [roll.fault.kind if roll.fault else None for roll in rolls]
    assert 900 < kinds.count("429") < 1100
    assert 1850 < kinds.count("reset") < 2150
    assert 4800 < sum(roll.delay_s > 0 for roll in rolls) < 5200


def test_a_rate_of_one_always_fires_and_a_rate_of_zero_never() -> None:
    dice = Dice(Faults.parse("429:0,503:1"), 7)
    assert {roll.fault.kind if roll.fault else None for roll in (dice.roll() for _ in range(1000))} == {"503"}


def test_every_kind_on_order_is_counted_from_zero() -> None:
    dice = Dice(Faults.parse("429:0.1,slow:0.1,retry:0.1"), 7)
    dice.count("retry", 3)
    assert dice.fired == {"429": 0, "slow": 0, "retry": 3}


def test_other_faults_can_be_ordered_and_what_has_fired_stays_counted() -> None:
    dice = Dice(Faults.parse("503:1"), 7)
    assert dice.roll().fault == Faults.parse("503:1").of_answer[0]
    dice.count("503")
    dice.change(Faults.parse("hang:1"))
    fault = dice.roll().fault
    assert fault is not None
    assert fault.kind == "hang"
    dice.change(Faults())
    assert dice.roll().fault is None
    assert dice.fired == {"503": 1, "hang": 0}
