"""What a log lacks is told with its numbers, from as many calls on as its row says, and with settings that exist."""

import importlib.util
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.codes import REJECTIONS
from posthog_llm_cli.model import Fact
from posthog_llm_cli.report.advice import Advice, advise
from posthog_llm_cli.report.lacks import REFUSED_ROWS, ROWS, Lacking, RefusedRow, Row

NAMES = sorted({name for row in ROWS for name in row.formats})
COUNTS = st.dictionaries(st.sampled_from([fact.value for fact in Fact]), st.integers(0, 5000))


def told(coverage: Mapping[str, Mapping[str, int]], rejections: Mapping[str, int] | None = None) -> list[Advice]:
    return list(advise(coverage, rejections or {}, records=10_000))


def counts_of(row: Row, *, lack: int, of: int) -> dict[str, int]:
    """Counts of `of` calls, all of those that a row is about, of which `lack` lack what it tells of and nothing else."""
    counts = {fact.value: of for fact in Fact}
    for lacks in (Fact.REDACTED, Fact.TRUNCATED):
        counts[lacks] = 0
    counts[row.fact] = lack if row.is_lack else of - lack
    counts[row.of] = of
    return counts


def of_row(row: Row, found: Iterable[Advice]) -> list[Advice]:
    return [advice for advice in found if advice.text == row.advice]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.formats[0]}-{row.missing}")
def test_each_row_speaks_from_its_share_on_and_gives_the_numbers(row: Row) -> None:
    of = 2000
    least = of if row.of is row.fact else max(1, round(row.lacking.value * of))
    for format_ in row.formats:
        (advice,) = of_row(row, told({format_: counts_of(row, lack=least, of=of)}))
        assert (advice.format, advice.missing, advice.calls, advice.of) == (format_, row.missing, least, of)
        number = least if row.is_lack else of - least
        assert advice.sentence == f"{number:,} of 2,000 calls {row.says}"
        if row.of is not row.fact:
            assert of_row(row, told({format_: counts_of(row, lack=least - 1, of=of)})) == []
    assert of_row(row, told({"another-format": counts_of(row, lack=of, of=of)})) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.formats[0]}-{row.missing}")
def test_no_row_speaks_about_calls_that_there_are_not(row: Row) -> None:
    assert told({name: {} for name in row.formats}) == []
    if row.least_calls > 1:
        few = row.least_calls - 1
        assert of_row(row, told({row.formats[0]: counts_of(row, lack=few, of=few)})) == []


@given(
    st.dictionaries(st.sampled_from(NAMES), COUNTS),
    st.dictionaries(st.sampled_from(sorted(REJECTIONS)), st.integers(0, 99)),
)
def test_the_numbers_are_those_of_the_coverage(coverage: dict[str, dict[str, int]], rejections: dict[str, int]) -> None:
    found = told(coverage, rejections)
    assert len({(advice.format, advice.missing, advice.text) for advice in found}) == len(found)
    for advice in found:
        assert advice.calls > 0
        counts = coverage[advice.format].values() if advice.format is not None else [*rejections.values(), 10_000]
        assert advice.of in counts
        number, whole, _ = re.split(r" of | ", advice.sentence.replace(",", ""), maxsplit=2)
        assert int(whole) == advice.of
        assert advice.calls in (int(number), advice.of - int(number))


def test_spend_logs_without_prompts_name_the_setting_and_where_it_lives() -> None:
    (advice,) = told({"litellm-spend": {"calls": 24, "unredacted": 24, "user": 24, "session": 24, "error": 4}})
    assert advice.sentence == "0 of 24 calls have a prompt"
    assert "`general_settings: store_prompts_in_spend_logs: true` in the proxy's config.yaml" in advice.text


def test_spend_logs_without_answers_alone_say_so() -> None:
    counts = {
        "calls": 24,
        "unredacted": 20,
        "unredacted with input": 20,
        "answerable": 18,
        "answered": 2,
        "user": 24,
        "session": 24,
    }
    (advice,) = told({"litellm-spend": counts})
    assert (advice.missing, advice.sentence) == ("output", "2 of 18 successful calls with a prompt have an answer")


def test_what_was_redacted_is_no_prompt_that_was_not_logged() -> None:
    counts = {"calls": 24, "redacted": 4, "unredacted": 20, "unredacted with input": 20, "user": 24, "session": 24}
    (advice,) = told({"litellm-spend": counts})
    assert advice.sentence == "4 of 24 calls were redacted by LiteLLM"
    assert "`x-litellm-enable-message-redaction`" in advice.text


@pytest.mark.parametrize(
    ("format_", "keeps"), [("litellm", "`datadog`"), ("litellm-spend", "`MAX_STRING_LENGTH_PROMPT_IN_DB`")]
)
def test_one_cut_text_is_enough_and_each_logger_has_its_own_cure(format_: str, keeps: str) -> None:
    whole = {
        "calls": 9000,
        "unredacted": 9000,
        "unredacted with input": 9000,
        "user": 9000,
        "session": 9000,
        "error": 1,
    }
    (advice,) = told({format_: {**whole, "truncated": 1}})
    assert advice.sentence == "1 of 9,000 calls were cut by LiteLLM"
    assert keeps in advice.text


def test_metadata_of_sdk_calls_is_missed_only_where_most_calls_are_theirs() -> None:
    whole = {"calls": 10, "unredacted": 10, "unredacted with input": 10, "user": 10, "session": 10}
    assert told({"litellm": {**whole, "direct": 4}}) == []
    (advice,) = told({"litellm": {**whole, "direct": 6}})
    assert advice.sentence == "0 of 6 calls outside of a proxy have the caller's metadata"
    assert told({"litellm": {**whole, "direct": 6, "direct with custom metadata": 1}}) == []


def test_legacy_items_lack_their_answer_whatever_else_they_have() -> None:
    (advice,) = told({"litellm-legacy": {fact.value: 8 for fact in Fact if fact is not Fact.REDACTED}})
    assert (advice.missing, advice.calls) == ("output", 8)
    assert "`generic_api_use_v1" in advice.text.replace("litellm_settings: ", "")


@pytest.mark.parametrize("row", REFUSED_ROWS, ids=lambda row: row.code)
def test_records_that_are_written_so_that_no_one_can_read_them(row: RefusedRow) -> None:
    assert row.code in REJECTIONS
    (advice,) = told({}, {row.code: 3, "invalid-json": 2})
    assert (advice.format, advice.calls, advice.of) == (None, 3, 10_000)
    assert advice.sentence == f"3 of 10,000 records {row.says}"


# ----------------------------------------------------------------------------------------------------------- the table


@pytest.mark.parametrize("row", [*ROWS, *REFUSED_ROWS], ids=lambda row: f"{getattr(row, 'code', '')}{row.missing}")
def test_a_text_fits_a_terminal_and_names_its_settings(row: Row | RefusedRow) -> None:
    spans = re.findall(r"`([^`]*)`", row.advice)
    assert row.advice.count("`") % 2 == 0
    assert max(map(len, spans), default=0) <= 72, "a span is never broken: it must fit 80 columns with its indent"
    for setting in row.settings:
        assert any(setting in span for span in spans), setting
    assert "[" not in row.advice.replace('["', ""), "nothing that looks like markup"


def test_of_one_thing_a_format_has_one_row() -> None:
    pairs = [(name, row.missing) for row in ROWS for name in row.formats]
    assert len(pairs) == len(set(pairs))


def test_shares_are_in_the_order_of_their_names() -> None:
    assert [lacking.value for lacking in Lacking] == sorted(lacking.value for lacking in Lacking)


@pytest.mark.skipif(importlib.util.find_spec("litellm") is None, reason="LiteLLM is not installed here")
def test_every_setting_stands_in_litellms_source() -> None:
    """Run it with an interpreter that has litellm: `PYTHONPATH=. …/python -m pytest tests/report/test_advice.py`."""
    found = importlib.util.find_spec("litellm")
    assert found is not None
    assert found.origin is not None
    source = "".join(path.read_text(errors="replace") for path in Path(found.origin).parent.rglob("*.py"))
    rows: list[Row | RefusedRow] = [*ROWS, *REFUSED_ROWS]
    assert [setting for row in rows for setting in row.settings if setting not in source] == []
