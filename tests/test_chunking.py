from datetime import timedelta
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.chunking import Bounds, Chunker, chunk_events
from posthog_llm_cli.model import Destination, Event, Historical, SourceRef
from tests.converting import RUN_STARTED_AT

HOSTS = [
    Destination("https://us.i.posthog.com", "phc_a"),
    Destination("https://us.i.posthog.com", "phc_b"),
    Destination("https://eu.i.posthog.com", "phc_a"),
]


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    sizes = draw(
        st.lists(
            st.tuples(st.sampled_from(HOSTS), st.integers(0, 5_000), st.integers(0, 100), st.integers(0, 5_000)),
            max_size=60,
        )
    )
    return [
        Event(
            uuid=str(number), name="$ai_generation", distinct_id="u", timestamp=RUN_STARTED_AT - timedelta(hours=age),
            destination=destination, properties=b"x" * size, legacy_properties=b"l", v1_members=b"v",
            ref=SourceRef("a", number, 0), raw=b"r" * held,
        )
        for number, (destination, size, age, held) in enumerate(sizes)
    ]  # fmt: skip


@given(events(), st.integers(1, 10), st.integers(300, 20_000), st.integers(1, 20_000), st.sampled_from(Historical))
def test_chunks_partition_the_events_in_order_and_within_bounds(
    given_events: list[Event], most: int, most_bytes: int, most_held: int, historical: Historical
) -> None:
    chunker = Chunker(Bounds(most, most_bytes, most_held), historical=historical, run_started_at=RUN_STARTED_AT)
    chunks = list(chunk_events(given_events, chunker))
    assert chunker.held == 0
    sent = [event for chunk in chunks for event in chunk.events]
    assert sorted(sent, key=lambda event: int(event.uuid)) == given_events
    for chunk in chunks:
        assert {event.destination for event in chunk.events} == {chunk.destination}
        assert 1 <= len(chunk.events) <= most
        if len(chunk.events) > 1:
            assert chunk.size <= most_bytes
            assert sum(len(event.raw) for event in chunk.events) <= most_held
    ordered = sorted(chunks, key=lambda chunk: (chunk.destination.host, chunk.destination.api_key, chunk.historical))
    for _, group in groupby(ordered, key=lambda chunk: (chunk.destination, chunk.historical)):
        numbers = [int(event.uuid) for chunk in group for event in chunk.events]
        assert numbers == sorted(numbers)


@given(events())
def test_only_chunks_whose_events_are_all_48_hours_old_are_historical(given_events: list[Event]) -> None:
    chunker = Chunker(Bounds(5, 10_000), historical=Historical.AUTO, run_started_at=RUN_STARTED_AT)
    for chunk in chunk_events(given_events, chunker):
        ages = {RUN_STARTED_AT - event.timestamp >= timedelta(hours=48) for event in chunk.events}
        assert ages == {chunk.historical}


def test_the_flag_can_be_fixed() -> None:
    for historical in (Historical.ON, Historical.OFF):
        chunker = Chunker(Bounds(5, 10_000), historical=historical, run_started_at=RUN_STARTED_AT)
        event = Event("1", "e", "u", RUN_STARTED_AT, HOSTS[0], b"{}", b"l", b"v", SourceRef("a", 1, 0))
        (chunk,) = chunk_events([event], chunker)
        assert chunk.historical is (historical is Historical.ON)
