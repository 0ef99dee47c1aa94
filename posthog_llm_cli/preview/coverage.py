"""In what share of the calls each property is known, by format, and what would raise it. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping

from posthog_llm_cli.glance import PROPERTIES, Property
from posthog_llm_cli.preview.fields import fields_of
from posthog_llm_cli.preview.figures import FormatCoverage, PropertyCoverage
from posthog_llm_cli.report.advice import Advice

_MOST_KINDS = 4_096

_ADVICE = {
    "input": ("input", "content"),
    "output": ("output", "content"),
    "input_tokens": ("tokens",),
    "output_tokens": ("tokens",),
    "cost": ("cost",),
    "latency": ("latency",),
    "ttft": ("time to first token",),
    "user": ("user",),
    "session": ("session",),
    "provider": ("provider",),
}
"""What the advice of `report.lacks` (its `missing`) says about a property."""


class CoverageFold:
    """Counts what is known of each call, by format, as the sets of properties that calls know: these are few."""

    def __init__(self) -> None:
        self._formats: dict[str, Counter[int]] = {}
        self._known: dict[str, Counter[str]] = {}

    def add(self, format_: str, known: int) -> None:
        """Take one call; `known` is its `Glance.known`."""
        kinds = self._formats.setdefault(format_, Counter())
        kinds[known] += 1
        if len(kinds) > _MOST_KINDS:
            self._fold(format_, kinds)

    def coverage(self, advice: Mapping[str, list[Advice]]) -> Iterator[FormatCoverage]:
        """Yield the formats in the order of their first call, with what `advice` says of each."""
        for format_, kinds in self._formats.items():
            self._fold(format_, kinds)
            known = self._known[format_]
            rows = (_row(row, format_, known[row.name], advice.get(format_, [])) for row in PROPERTIES)
            yield FormatCoverage(format_, known[_CALLS], tuple(rows))

    def _fold(self, format_: str, kinds: Counter[int]) -> None:
        known = self._known.setdefault(format_, Counter())
        for kind, calls in kinds.items():
            known[_CALLS] += calls
            for place, row in enumerate(PROPERTIES):
                if kind >> place & 1:
                    known[row.name] += calls
        kinds.clear()


_CALLS = "calls"


def _row(row: Property, format_: str, known: int, advice: list[Advice]) -> PropertyCoverage:
    missing = _ADVICE.get(row.name, ())
    text = next((item.text for item in advice if item.missing in missing), None)
    return PropertyCoverage(row.name, row.title, known, fields_of(format_, row.name) if not known else (), text)
