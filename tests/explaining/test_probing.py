"""Where a fact comes from is found out by changing fields: on conversions that are known, nothing else is found."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.explaining.paths import at, leaves, removed, replaced, shown, steps
from posthog_llm_cli.explaining.probing import Facts, Prober, candidates, marked
from tests.laws import examples

SCALARS = st.one_of(st.booleans(), st.integers(-(10**9), 10**9), st.text(min_size=1, max_size=8))
RECORDS = st.recursive(
    st.dictionaries(st.text("abc", min_size=1, max_size=2), SCALARS, min_size=1, max_size=4),
    lambda inner: st.dictionaries(st.text("xyz", min_size=1, max_size=2), st.one_of(SCALARS, inner), min_size=1, max_size=4),
    max_leaves=12,
)  # fmt: skip


def paths_of(record: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = []
    for step in steps(record):
        inner = at(record, (step,))
        found += paths_of(inner, (*before, step)) if list(steps(inner)) else [(*before, step)]
    return found


def lookup(record: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        if not isinstance(record, dict) or step not in record:
            return None
        record = record[step]
    return record


@settings(max_examples=examples(50))
@given(RECORDS, st.data())
def test_a_copied_field_is_found_and_no_other(record: Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths_of(record)))

    def convert(other: Any) -> Facts:
        value = lookup(other, path)
        return {"constant": 1} if value is None else {"constant": 1, "copied": value}

    found = Prober(record, convert(record), convert).find()
    assert found.followed == {"copied": [path]}
    assert found.is_whole


@given(RECORDS)
def test_what_is_not_used_is_left_out_whole(record: Any) -> None:
    found = Prober(record, {"constant": 1}, lambda _: {"constant": 1}).find()
    assert found.followed == {}
    assert sorted(map(shown, found.unused)) == sorted(shown((step,)) for step in steps(record))


def test_a_sum_comes_from_its_parts() -> None:
    record = {"begin": 1.0, "end": 3.5, "other": 9}

    def convert(other: Any) -> Facts:
        return {"latency": other["end"] - other["begin"]} if {"begin", "end"} <= other.keys() else {}

    found = Prober(record, convert(record), convert).find()
    assert found.followed == {"latency": [("begin",), ("end",)]}


def test_a_field_that_decides_whether_there_is_an_event_at_all() -> None:
    record = {"kind": "call", "model": "m"}

    def convert(other: Any) -> Facts | None:
        return {"model": other.get("model")} if other.get("kind") == "call" else None

    found = Prober(record, {"model": "m"}, convert).find()
    assert found.deciding == [("kind",)]
    assert found.followed == {"model": [("model",)]}


def test_the_budget_is_kept_and_told() -> None:
    taken = []

    def convert(other: Any) -> Facts:
        taken.append(other)
        return {"all": sum(other.values())}

    record = {f"k{number}": number for number in range(1, 100)}
    found = Prober(record, {"all": sum(record.values())}, convert, budget=20).find()
    assert not found.is_whole
    assert len(taken) <= 25


def test_of_a_long_stream_less_is_tried_and_its_end_early() -> None:
    """Each try takes what the whole record takes: with as many as a short record has, it would be minutes."""
    taken = []

    def convert(other: Any) -> Facts:
        taken.append(other)
        parts = other.get("parts") or [{}]
        texts = [str(part.get("text")) for part in parts]
        return {"id": parts[0].get("id"), "texts": texts, "end": parts[-1].get("end")}

    part = {"id": "c-1", "created": 1748772000, "model": "m", "text": "word "}
    record = {"parts": [*({**part} for _ in range(2000)), {**part, "end": "stop"}]}
    found = Prober(record, convert(record), convert).find()
    assert not found.is_whole
    assert len(taken) * leaves(record) < 4_000_000
    assert found.followed["id"] == [("parts", 0, "id")]
    assert found.followed["end"] == [("parts", 2000, "end")]


def test_texts_of_json_are_looked_into_and_stay_texts() -> None:
    record = {"meta": '{"user": {"id": "u-1"}, "n": 1}'}
    assert at(record, ("meta", "user", "id")) == "u-1"
    assert replaced(record, ("meta", "user", "id"), "u-2") == {"meta": '{"user":{"id":"u-2"},"n":1}'}
    assert removed(record, ("meta", "user")) == {"meta": '{"n":1}'}
    assert leaves(record) == 2
    assert record == {"meta": '{"user": {"id": "u-1"}, "n": 1}'}


@given(SCALARS)
def test_every_candidate_is_another_value_of_the_same_kind(value: Any) -> None:
    for candidate in candidates(value):
        assert candidate != value
        assert isinstance(candidate, type(value)) or isinstance(value, int)


@given(RECORDS)
def test_marking_changes_every_field_and_keeps_the_shape(record: Any) -> None:
    changed = marked(record)
    for path in paths_of(record):
        assert at(changed, path) != at(record, path)


def test_paths_read_as_json_paths() -> None:
    assert shown(("choices", 0, "message", "odd key")) == "$.choices[0].message['odd key']"
