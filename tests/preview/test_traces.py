"""Traces: a sample that any order of reading gives, and trees in which every event stands once, below its parent."""

import random
from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.preview.figures import TraceFigures
from posthog_llm_cli.preview.traces import MOST_NODES, SAMPLE, TraceSample
from tests.preview.making import NOW, Seen, event, seen

PARENTS = st.lists(st.one_of(st.none(), st.integers(0, 15)), min_size=1, max_size=15)


def call(number: int, parent: int | str | None, trace: str = "t", **properties: object) -> Seen:
    given_parent = {} if parent is None else {"$ai_parent_id": f"s-{parent}" if isinstance(parent, int) else parent}
    own = {"$ai_trace_id": trace, "$ai_span_id": f"s-{number}", "$ai_latency": 1.0, **given_parent, **properties}
    return seen(event(number, own, age=timedelta(seconds=100 - number)))


def drawn(met: list[Seen]) -> TraceFigures:
    sample = TraceSample()
    for one in met:
        sample.add(*one)
    (trace,) = sample.examples(1)
    return trace


@given(PARENTS)
def test_every_event_stands_once_whatever_is_whose_parent(parents: list[int | None]) -> None:
    nodes = drawn([call(number, parent) for number, parent in enumerate(parents)]).nodes
    assert sorted(node.call.uuid for node in nodes) == sorted({node.call.uuid for node in nodes})
    assert len(nodes) == len(parents)


@given(PARENTS)
def test_a_child_stands_one_deeper_right_below_its_parents_branch(parents: list[int | None]) -> None:
    nodes = drawn([call(number, parent) for number, parent in enumerate(parents)]).nodes
    assert nodes[0].depth == 0
    for above, node in pairwise(nodes):
        assert 0 <= node.depth <= above.depth + 1
        if node.depth:
            place = nodes.index(node)
            branch = next(other for other in reversed(nodes[:place]) if other.depth == node.depth - 1)
            number = int(node.call.ref.line) - 1
            assert parents[number] == branch.call.ref.line - 1


def test_a_tree_is_drawn_by_time() -> None:
    nodes = drawn([call(3, 0), call(1, 0), call(0, "t"), call(2, 1)]).nodes
    assert [(node.depth, node.call.ref.line - 1) for node in nodes] == [(0, 0), (1, 1), (2, 2), (1, 3)]
    assert [node.starts_s for node in nodes] == [0.0, 1.0, 2.0, 3.0]


def test_events_that_are_each_others_parents_are_shown_all_the_same() -> None:
    assert len(drawn([call(0, 1), call(1, 0), call(2, 2)]).nodes) == 3


def test_a_trace_has_the_name_that_was_given_first_in_time() -> None:
    trace = drawn([call(1, None, **{"$ai_trace_name": "second"}), call(0, None, **{"$ai_trace_name": "first"})])
    assert (trace.name, trace.calls, trace.duration_s) == ("first", 2, 2.0)
    assert trace.started_at == NOW - timedelta(seconds=101)


def test_a_long_trace_keeps_its_beginning_and_says_how_much_is_left_out() -> None:
    met = [call(number, None) for number in range(MOST_NODES + 5)]
    random.Random(1).shuffle(met)
    trace = drawn(met)
    assert (trace.calls, len(trace.nodes), trace.left_out) == (MOST_NODES + 5, MOST_NODES, 5)
    assert [node.call.ref.line - 1 for node in trace.nodes] == list(range(MOST_NODES))


def test_the_sample_is_the_same_in_any_order_and_its_traces_are_whole() -> None:
    met = [call(2 * number + again, None, f"trace-{number}") for number in range(3 * SAMPLE) for again in (0, 1)]
    one, other = TraceSample(), TraceSample()
    for each in met:
        one.add(*each)
    random.Random(2).shuffle(met)
    for each in met:
        other.add(*each)
    examples = one.examples(SAMPLE)
    assert examples == other.examples(SAMPLE)
    assert len(examples) == SAMPLE
    assert {trace.calls for trace in examples} == {2}


def test_the_richest_traces_are_the_examples() -> None:
    sample = TraceSample()
    for one in (call(1, None, "small"), call(2, None, "large"), call(3, None, "large")):
        sample.add(*one)
    assert [trace.trace_id for trace in sample.examples(2)] == ["large", "small"]
