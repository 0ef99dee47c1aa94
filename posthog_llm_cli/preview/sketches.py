"""Percentiles and distinct counts of any number of values in bounded memory.

Quantiles are those of KLL sketches: exact up to 1,024 values (nearest rank), beyond that a value whose rank is at most
0.3 % of all values off, with 99 % confidence; 25 KB each. Which values a sketch keeps is chance, so that two runs over
a long log may differ by that much. Distinct counts are those of theta sketches: exact up to 16,384 different values,
then within 1.6 % with 95 % confidence; 256 KB each, and the same in every run.
"""

from datasketches import kll_doubles_sketch, update_theta_sketch

from posthog_llm_cli.preview.figures import Distinct, Latency

EXACT_QUANTILES = 1024
EXACT_DISTINCT = 1 << 14
RANK_ERROR = 0.003
_95_PERCENT = 2  # standard deviations


class Durations:
    """Quantiles of seconds."""

    __slots__ = ("_sketch", "add")

    def __init__(self) -> None:
        self._sketch = kll_doubles_sketch(EXACT_QUANTILES)
        self.add = self._sketch.update
        """Take one duration; bound once, for it is called for every call."""

    @property
    def latency(self) -> Latency:
        """What was taken so far."""
        if self._sketch.is_empty():
            return Latency(0, None, None, None)
        p50_s, p95_s = (self._sketch.get_quantile(rank, True) for rank in (0.5, 0.95))  # noqa: FBT003 - positional only
        return Latency(self._sketch.n, p50_s, p95_s, self._sketch.get_max_value())


class DistinctTexts:
    """How many different texts there are."""

    __slots__ = ("_calls", "_sketch")

    def __init__(self) -> None:
        self._sketch = update_theta_sketch(EXACT_DISTINCT.bit_length() - 1)
        self._calls = 0

    def add(self, text: str) -> None:
        """Take one text, which is not empty."""
        self._calls += 1
        self._sketch.update(text if text.isascii() else text.encode(errors="replace").decode())

    @property
    def distinct(self) -> Distinct:
        """What was taken so far."""
        if not self._sketch.is_estimation_mode():
            number = round(self._sketch.get_estimate())
            return Distinct(number, number, number, self._calls)
        return Distinct(
            about=round(self._sketch.get_estimate()),
            least=round(self._sketch.get_lower_bound(_95_PERCENT)),
            most=round(self._sketch.get_upper_bound(_95_PERCENT)),
            calls=self._calls,
        )
