"""The store gives back every trace it was given, the ones that matter most first, and forgets only content."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.model import Destination
from posthog_llm_cli.page import store as store_module
from posthog_llm_cli.page.store import PageStore, TraceRow
from posthog_llm_cli.values import replace
from tests.laws import examples
from tests.page.making import call, events, filled, said

CALLS = st.lists(
    st.fixed_dictionaries(
        {"trace_id": st.sampled_from([f"t{number}" for number in range(8)])},
        optional={
            "latency": st.floats(0, 1e4),
            "total_cost_usd": st.floats(0, 1e3),
            "input_tokens": st.integers(0, 10**6),
            "is_error": st.just(value=True),
        },
    ),
    max_size=25,
)


def listed(store: PageStore, records: list[dict[str, Any]]) -> list[tuple[TraceRow, list[bytes]]]:
    filled(store, events(records))
    store.rank()
    return list(store.rows())


def numbered(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [call(number, **given_) for number, given_ in enumerate(calls)]


@given(CALLS)
@settings(max_examples=examples(25))
def test_every_call_is_in_one_trace_and_the_sums_are_those_of_its_calls(calls: list[dict[str, Any]]) -> None:
    with PageStore() as store:
        rows = listed(store, numbered(calls))
        contents = list(store.contents(len(rows)))
        assert store.totals() == (len(rows), len(calls))
    assert Counter({row.trace: row.calls for row, _ in rows}) == Counter(given_["trace_id"] for given_ in calls)
    assert len(contents) == len(calls)
    assert [row.number for row, _ in rows] == list(range(1, len(rows) + 1))
    for row, outlines in rows:
        own = [given_ for given_ in calls if given_["trace_id"] == row.trace]
        assert row.calls == row.events == row.listed == len(outlines) == len(own)
        assert row.errors == sum("is_error" in given_ for given_ in own)
        for name, key in (("latency_s", "latency"), ("cost_usd", "total_cost_usd"), ("input_tokens", "input_tokens")):
            known = [given_[key] for given_ in own if key in given_]
            assert getattr(row, name) == (pytest.approx(sum(known)) if known else None)


def test_errors_the_dearest_and_the_slowest_take_turns_and_a_rare_kind_is_not_last() -> None:
    calls = [{"trace_id": f"plain{number}", "latency": 0.1} for number in range(5)]
    calls += [{"trace_id": f"limit{number}", "is_error": True, "error_type": "RateLimit"} for number in range(9)]
    calls += [{"trace_id": "rare", "is_error": True, "error_type": "Timeout"}]
    calls += [{"trace_id": "dear", "total_cost_usd": 9.0}, {"trace_id": "slow", "latency": 60.0}]
    with PageStore() as store:
        order = [row.trace for row, _ in listed(store, numbered(calls))]
    assert set(order[:4]) == {"dear", "slow", "limit0", "rare"}
    assert order.index("limit8") > order.index("rare")


def test_a_trace_is_called_by_its_name_else_by_its_span_and_tells_its_models_and_errors() -> None:
    records = [
        call(1, trace_id="t", span_name="step", session_id="s1", **said("first", "x")),
        call(
            2,
            trace_id="t",
            trace_name="whole",
            model="o4-mini",
            is_error=True,
            error_type="Timeout",
            **said("then", "y"),
        ),
        call(3, trace_id="u", span_name="alone"),
    ]
    with PageStore() as store:
        rows = {row.trace: row for row, _ in listed(store, records)}
    assert (rows["t"].title, rows["t"].preview, rows["t"].session) == ("whole", "first", "s1")
    assert (rows["t"].models, rows["t"].kinds, rows["t"].user) == (("gpt-4o", "o4-mini"), ("Timeout",), "ada")
    assert rows["u"].title == "alone"


def test_a_span_is_listed_and_counts_neither_as_a_call_nor_into_the_latency() -> None:
    records = [call(1, trace_id="t", latency=2), call(2, event="$ai_span", trace_id="t", latency=5)]
    with PageStore() as store:
        ((row, outlines),) = listed(store, records)
    assert (row.calls, row.events, row.latency_s, len(outlines)) == (1, 2, 2.0, 2)


def test_the_same_trace_for_two_projects_is_two_traces() -> None:
    record = call(1, trace_id="t")
    with PageStore() as store:
        (event,) = events([record])
        other = events([{**record, "distinct_id": "bob"}])[0]
        filled(store, [event, replace(other, destination=Destination("https://eu.i.posthog.com", "phc_other"))])
        store.rank()
        assert sorted((row.destination, row.trace) for row, _ in store.rows()) == [(0, "t"), (1, "t")]


def test_beyond_its_room_the_store_forgets_content_and_keeps_that_of_what_matters() -> None:
    records = [call(number, latency=0.1, **said(f"prompt {number} " + "x" * 2000, "ok")) for number in range(40)]
    records[3]["properties"] |= {"$ai_is_error": True, "$ai_error_type": "Timeout"}
    records[9]["properties"]["$ai_latency"] = 99
    with PageStore(content_bytes=30_000) as store:
        rows = listed(store, records)
        contents = list(store.contents(len(rows)))
    kept = [orjson.loads(body)["$ai_trace_id"] for body in contents if body is not None]
    assert len(rows) == len(contents) == 40
    assert {"trace-3", "trace-9"} <= set(kept)
    assert sum(len(body) for body in contents if body is not None) <= 30_000
    assert None in contents


def test_a_trace_with_too_many_calls_lists_the_first_and_tells_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MOST_CALLS", 3)
    with PageStore() as store:
        ((row, outlines),) = listed(store, [call(number, trace_id="t", latency=1) for number in range(7)])
        assert len(list(store.contents(1))) == 3
    assert (row.events, row.listed, len(outlines), row.latency_s) == (7, 3, 3, 7.0)


def test_without_a_place_for_the_file_the_operator_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="page's content needs a temporary file") as caught:
        PageStore(directory=tmp_path / "missing")
    assert "TMPDIR" in str(caught.value.hint)


def test_nothing_gives_no_traces() -> None:
    with PageStore() as store:
        assert listed(store, []) == []
        assert store.totals() == (0, 0)
