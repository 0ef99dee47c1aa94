"""What comes from sketches is exact while there is little of it, and within the stated error beyond."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable

import pytest

from posthog_llm_cli.preview.sketches import EXACT_DISTINCT, EXACT_QUANTILES, RANK_ERROR, DistinctTexts, Durations
from tests.preview.making import nearest_rank


def test_quantiles_of_few_values_are_exact() -> None:
    values = [random.Random(3).lognormvariate(0, 1) for _ in range(EXACT_QUANTILES)]
    durations = Durations()
    for value in values:
        durations.add(value)
    latency = durations.latency
    assert (latency.p50_s, latency.p95_s) == (nearest_rank(values, 0.5), nearest_rank(values, 0.95))
    assert (latency.calls, latency.max_s) == (len(values), max(values))


def test_quantiles_of_many_values_have_nearly_their_rank() -> None:
    chance = random.Random(5)
    values = [chance.lognormvariate(0, 2) for _ in range(60_000)]
    durations = Durations()
    for value in values:
        durations.add(value)
    ordered = sorted(values)
    for share, found in ((0.5, durations.latency.p50_s), (0.95, durations.latency.p95_s)):
        assert found is not None
        below, upto = bisect_left(ordered, found) / len(ordered), bisect_right(ordered, found) / len(ordered)
        # 99 % confidence for one error, so that three of them are given.
        assert below - 3 * RANK_ERROR <= share <= upto + 3 * RANK_ERROR


def test_the_same_values_have_the_same_quantiles_in_every_run() -> None:
    first, again = Durations(), Durations()
    for value in [random.Random(7).lognormvariate(0, 2) for _ in range(10_000)]:
        first.add(value)
        again.add(value)
    assert first.latency == again.latency


@pytest.mark.parametrize("order", [sorted, lambda values: sorted(values, reverse=True)])
def test_quantiles_do_not_rest_on_the_order_and_the_longest_is_never_lost(
    order: Callable[[list[float]], list[float]],
) -> None:
    durations = Durations()
    for value in order([float(number) for number in range(100_000)]):
        durations.add(value)
    latency = durations.latency
    assert (latency.calls, latency.max_s) == (100_000, 99_999)
    assert latency.p50_s == pytest.approx(50_000, abs=3 * RANK_ERROR * 100_000)
    assert latency.p95_s == pytest.approx(95_000, abs=3 * RANK_ERROR * 100_000)


def test_a_sketch_of_many_values_holds_few_of_them() -> None:
    durations = Durations()
    for number in range(300_000):
        durations.add(float(number))
    assert sum(map(len, durations._levels)) < 27_000 / 8


def test_no_duration_has_no_quantile() -> None:
    assert Durations().latency.p95_s is None


@pytest.mark.parametrize("number", [0, 1, EXACT_DISTINCT])
def test_few_different_texts_are_counted_exactly(number: int) -> None:
    texts = DistinctTexts()
    for text in range(number):
        texts.add(f"u-{text}")
        texts.add(f"u-{text}")
    assert (texts.distinct.about, texts.distinct.least, texts.distinct.most) == (number, number, number)
    assert texts.distinct.calls == 2 * number


def test_many_different_texts_are_counted_nearly_and_the_bounds_say_how_nearly() -> None:
    texts = DistinctTexts()
    for number in range(100_000):
        texts.add(f"ü-{number}")
    found = texts.distinct
    assert found.least < found.about < found.most
    assert abs(found.about - 100_000) < 3_000
    assert found.most - found.least < 5_000


def test_texts_that_are_no_unicode_are_counted_all_the_same() -> None:
    texts = DistinctTexts()
    texts.add("\ud800")
    assert texts.distinct.about == 1
