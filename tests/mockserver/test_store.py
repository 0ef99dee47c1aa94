from datetime import UTC, datetime
from typing import Any

import orjson

from posthog_llm_cli.mockserver.judging import Judged, Posted
from posthog_llm_cli.mockserver.legacy import judge_legacy
from posthog_llm_cli.mockserver.store import Store
from posthog_llm_cli.model import Endpoint
from tests.mockserver.posting import envelope, event

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def _judged(*events: dict[str, Any]) -> tuple[Posted, Judged]:
    posted = Posted(Endpoint.BATCH, {}, orjson.dumps(envelope("batch", *events)), NOW)
    return posted, judge_legacy(posted)


def test_beyond_its_bytes_the_oldest_bodies_go_and_their_places_stay() -> None:
    store = Store(max_event_bytes=30_000)
    sent = [event(properties={"$ai_input": "x" * 5000}) for _ in range(10)]  # stored about twice: folded and raw
    for one in sent:
        store.add_events(*_judged(one))
    listed = store.events()
    assert [entry["event"]["uuid"] for entry in listed] == [one["uuid"] for one in sent]
    dropped = [entry.get("dropped", False) for entry in listed]
    assert dropped == [True] * 8 + [False] * 2
    assert set(listed[0]["event"]) == {"event", "uuid", "distinct_id", "timestamp"}
    assert "raw" not in listed[0]
    assert listed[-1]["raw"] == sent[-1]
    assert (store.tally()["events"], store.tally()["dropped_bodies"]) == (10, 8)


def test_beyond_its_number_the_oldest_events_go() -> None:
    store = Store(max_events=3)
    sent = [event() for _ in range(10)]
    store.add_events(*_judged(*sent))
    assert [entry["event"]["uuid"] for entry in store.events()] == [one["uuid"] for one in sent[-3:]]
    assert (store.tally()["events"], store.tally()["dropped_events"]) == (10, 7)


def test_both_bounds_hold_together() -> None:
    store = Store(max_events=3, max_event_bytes=25_000)
    sent = [event(properties={"$ai_input": "x" * 5000}) for _ in range(10)]
    for one in sent:
        store.add_events(*_judged(one))
    assert [entry.get("dropped", False) for entry in store.events()] == [True, False, False]
    for one in [event() for _ in range(10)]:
        store.add_events(*_judged(one))
    assert [entry.get("dropped", False) for entry in store.events()] == [False, False, False]


def test_one_event_over_the_bound_is_kept() -> None:
    store = Store(max_event_bytes=100)
    store.add_events(*_judged(event()))
    assert "raw" in store.events()[0]


def test_a_duplicate_is_known_when_its_first_is_forgotten() -> None:
    store = Store(max_events=1)
    sent = event()
    assert store.add_events(*_judged(sent, event(), event())) == (False, False, False)
    assert store.add_events(*_judged(sent)) == (True,)
