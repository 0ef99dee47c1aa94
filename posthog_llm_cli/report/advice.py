"""The coverage of a run → what its log lacks, with the numbers and what to do. Pure; the table stands in `lacks.py`."""

from collections.abc import Iterator, Mapping

from posthog_llm_cli.model import Fact
from posthog_llm_cli.report.lacks import REFUSED_ROWS, ROWS, Row
from posthog_llm_cli.values import Value

_NOUNS = {
    Fact.UNREDACTED: "unredacted calls",
    Fact.ANSWERABLE: "successful calls with a prompt",
    Fact.STREAMS: "streams",
    Fact.PRICEABLE: "successful calls with token counts",
    Fact.DIRECT: "calls outside of a proxy",
}
"""What the calls are called that a row is about, where they are not all of them."""


class Advice(Value, frozen=True):
    """What the calls of a format lack: `calls` of `of` lack it. `format` is None where no format was recognised."""

    format: str | None
    missing: str
    calls: int
    of: int
    sentence: str
    text: str


def advise(
    coverage_by_format: Mapping[str, Mapping[str, int]], rejections: Mapping[str, int], *, records: int
) -> Iterator[Advice]:
    """Yield what the log lacks, by format in the order of their first calls, then by the order of the table."""
    for format_, counts in coverage_by_format.items():
        for row in ROWS:
            if format_ in row.formats:
                yield from _judge(row, format_, counts)
    for refused in REFUSED_ROWS:
        number = rejections.get(refused.code, 0)
        if number:
            sentence = f"{number:,} of {records:,} records {refused.says}"
            yield Advice(None, refused.missing, number, records, sentence, refused.advice)


def _judge(row: Row, format_: str, counts: Mapping[str, int]) -> Iterator[Advice]:
    calls, of, number = counts.get(Fact.CALLS, 0), counts.get(row.of, 0), counts.get(row.fact, 0)
    lacking = number if row.is_lack else of - number
    if lacking <= 0 or lacking < row.lacking.value * of or of < row.least_calls or of < row.least_part * calls:
        return
    noun = "calls" if of == calls else _NOUNS.get(row.of, "calls")
    yield Advice(format_, row.missing, lacking, of, f"{number:,} of {of:,} {noun} {row.says}", row.advice)
