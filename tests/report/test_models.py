"""What becomes of the calls of each model: bounded, and always adding up to what their destination counts."""

from collections.abc import Callable

import orjson
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.model import Chunk, Delivery, Destination, Event, Outcome, Verdict
from posthog_llm_cli.report import Destined, RunReport
from posthog_llm_cli.report.json import render_json
from posthog_llm_cli.report.models import MOST_CHARACTERS, MOST_MODELS, Models, Tally
from posthog_llm_cli.values import asdict
from tests.report.making import EU, US, event, report

NAMES = st.one_of(st.sampled_from(["gpt-4o", "", "other models", "m" * 300, "m" * 300 + "x"]), st.text(max_size=8))
EVENTS = st.builds(event, NAMES, st.sampled_from([US, EU]))
WAYS: tuple[Callable[[RunReport, Event], None], ...] = (
    RunReport.add_unconfirmed,
    RunReport.add_already_sent,
    RunReport.add_duplicate,
    RunReport.add_convertible,
)
COUNTS = tuple(asdict(Tally()))


def total(tallies: Models, name: str) -> int:
    return sum(getattr(tally, name) for tally in tallies)


def deliver(found: RunReport, events: list[Event], verdicts: list[Verdict]) -> None:
    """One chunk for each destination, as the chunker makes them."""
    for destination in (US, EU):
        pairs = [
            (one, Outcome(verdict))
            for one, verdict in zip(events, verdicts, strict=True)
            if one.destination == destination
        ]
        chunk = Chunk(destination, historical=False, events=tuple(one for one, _ in pairs), size=1)
        found.add_delivery(Delivery(chunk, tuple(outcome for _, outcome in pairs)))


@given(
    sent=st.lists(st.tuples(EVENTS, st.sampled_from(list(Verdict)))),
    counted=st.lists(st.tuples(EVENTS, st.sampled_from(WAYS))),
)
def test_the_models_add_up_to_their_destination_and_the_destinations_to_the_run(
    sent: list[tuple[Event, Verdict]], counted: list[tuple[Event, Callable[[RunReport, Event], None]]]
) -> None:
    found = report()
    deliver(found, [one for one, _ in sent], [verdict for _, verdict in sent])
    for one, way in counted:
        way(found, one)
    for counts in found.destinations.values():
        assert {name: total(counts.models, name) for name in COUNTS} == {name: getattr(counts, name) for name in COUNTS}
    for name in COUNTS:
        assert sum(getattr(counts, name) for counts in found.destinations.values()) == getattr(found, name)


@given(st.lists(NAMES, max_size=200))
def test_what_is_kept_is_bounded_and_nothing_is_left_out(names: list[str]) -> None:
    models = Models()
    for name in names:
        models.of(name).accepted += 1
    assert len(models.named) <= MOST_MODELS
    assert all(len(name) <= MOST_CHARACTERS for name in models.named)
    assert total(models, "accepted") == len(names)


def test_models_after_the_fiftieth_are_counted_together() -> None:
    models = Models()
    for number in range(MOST_MODELS + 7):
        models.of(f"m-{number}").rejected += 1
    models.of("m-0").accepted += 1
    models.of(f"m-{MOST_MODELS}").accepted += 1
    assert models.named["m-0"] == Tally(accepted=1, rejected=1)
    assert models.others == Tally(accepted=1, rejected=7)


def entry(models: Models, destination: Destination = US) -> dict[str, object]:
    counts = Destined(destination, accepted=3, models=models)
    found: dict[str, object] = orjson.loads(render_json(report(destinations={destination: counts})))["destinations"][0]
    return found


def test_the_json_report_has_the_models_most_events_first() -> None:
    models = Models({"a": Tally(accepted=1), "": Tally(unconfirmed=1), "b": Tally(accepted=1, duplicates=2)})
    found = entry(models)
    assert found["models"] == [
        {"model": "b", "accepted": 1, "rejected": 0, "unconfirmed": 0, "already_sent": 0, "duplicates": 2},
        {"model": None, "accepted": 0, "rejected": 0, "unconfirmed": 1, "already_sent": 0, "duplicates": 0},
        {"model": "a", "accepted": 1, "rejected": 0, "unconfirmed": 0, "already_sent": 0, "duplicates": 0},
    ]
    assert "other_models" not in found
    assert entry(Models(others=Tally(rejected=4)))["other_models"] == {**asdict(Tally()), "rejected": 4}
