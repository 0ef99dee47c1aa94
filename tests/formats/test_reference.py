"""`plh` against LiteLLM's own PostHog logger, property by property: only the named corrections may differ.

The pairs are records and the events that LiteLLM's logger made of them. `make compat` does the same with calls that it generates.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from compat.baseline import DEFAULT_HOST, baseline_destination, baseline_event
from compat.comparison import Compared, Tally, compare, flat
from compat.corrections import CORRECTIONS, Expected, correct
from compat.laws import Fields
from compat.mutations import missed
from compat.record import Record, Setting
from compat.values import same
from posthog_llm_cli.model import BuildOptions, ConvertOptions, Destination, ParseContext
from posthog_llm_cli.timeparse import rfc3339
from posthog_llm_cli.values import replace
from posthog_llm_cli.version import __version__
from tests.converting import ROOT, read_lines, to_event, to_rejection, wire
from tests.formats.shared import LITELLM_LOGS, needs_litellm_logs

PAIRS = read_lines(ROOT / "tests" / "data" / "litellm_reference_pairs.jsonl")
LATER = datetime(2026, 11, 25, tzinfo=UTC)
KEY = "phc_test"
FILES = {
    "reference_pairs.jsonl": DEFAULT_HOST,
    "reference_pairs_proxy.jsonl": "http://127.0.0.1:18098/ph",
    "reference_pairs_synthetic.jsonl": DEFAULT_HOST,
}
"""The shared pairs, and the host that LiteLLM was configured with."""


def options(host: str) -> ConvertOptions:
    """How `plh` is run: with what LiteLLM was configured with, and a time for records that have none."""
    allowed = frozenset({"https://eu.i.posthog.com"})
    return ConvertOptions(
        parse=ParseContext(LATER, UTC, default_time=LATER),
        build=BuildOptions(Destination(host, KEY), host, LATER, allowed_hosts=allowed),
    )


def setting(host: str) -> Setting:
    return Setting(__version__, KEY, host, default_time=rfc3339(LATER))


def both(pair: dict[str, Any], host: str = DEFAULT_HOST) -> tuple[Fields, Fields, Expected]:
    """LiteLLM's event of a pair, that of `plh`, and what the corrections expect."""
    event = to_event(pair["input"], options(host))
    ours = flat(wire(event), event.destination.api_key, event.destination.host)
    destination = baseline_destination(pair["input"], KEY, host)
    base = flat(pair["event"], pair.get("api_key", destination[0]), pair.get("api_url", destination[1]))
    return base, ours, correct(base, Record(pair["input"]), setting(host))


def compared(pair: dict[str, Any], host: str = DEFAULT_HOST) -> list[Compared]:
    base, ours, _ = both(pair, host)
    return compare(base, ours, Record(pair["input"]), setting(host))


def unexplained(pair: dict[str, Any], host: str = DEFAULT_HOST) -> list[tuple[Any, ...]]:
    return [(one.name, one.base, one.ours, one.expected) for one in compared(pair, host) if not one.is_explained]


def converted(name: str) -> list[dict[str, Any]]:
    """The pairs of a shared file that LiteLLM's logger and `plh` both make an event of."""
    pairs = read_lines(LITELLM_LOGS / name)
    return [pair for pair in pairs if "event" in pair and pair["scenario"] not in {"model_absent", "slo_empty"}]


@pytest.mark.parametrize("pair", PAIRS, ids=[pair["scenario"] for pair in PAIRS])
def test_only_the_named_corrections_differ(pair: dict[str, Any]) -> None:
    assert unexplained(pair) == []


@pytest.mark.parametrize("pair", PAIRS, ids=[pair["scenario"] for pair in PAIRS])
def test_every_wrong_value_in_an_event_is_found(pair: dict[str, Any]) -> None:
    base, ours, expected = both(pair)
    count, unfound = missed(expected, base, ours)
    assert count > 3 * len(ours)
    assert unfound == []


def test_the_sample_uses_the_corrections_and_most_values_agree() -> None:
    tally = Tally()
    for pair in PAIRS:
        tally.add(pair["scenario"], compared(pair))
    assert len(tally.by_correction) >= len(CORRECTIONS) // 2
    agreeing = Counter(one.name for pair in PAIRS for one in compared(pair) if one.is_equal)
    for name in (
        "$ai_model",
        "$ai_provider",
        "$ai_input",
        "$ai_input_tokens",
        "$ai_total_cost_usd",
        "$ai_trace_id",
        "$ai_span_id",
    ):
        assert agreeing[name] >= len(PAIRS) // 3, name


def test_the_transcribed_logger_gives_the_sample() -> None:
    for pair in PAIRS:
        assert baseline_event(pair["input"]) == pair["event"]


@needs_litellm_logs
@pytest.mark.parametrize(("name", "host"), FILES.items())
def test_the_shared_pairs_differ_only_by_the_named_corrections(name: str, host: str) -> None:
    pairs = converted(name)
    assert len(pairs) >= 19
    for number, pair in enumerate(pairs, 1):
        assert unexplained(pair, host) == [], f"{name}:{number} {pair['scenario']}"


@needs_litellm_logs
@pytest.mark.parametrize(("name", "host"), FILES.items())
def test_every_wrong_value_in_an_event_of_the_shared_pairs_is_found(name: str, host: str) -> None:
    for pair in converted(name):
        base, ours, expected = both(pair, host)
        assert missed(expected, base, ours)[1] == [], pair["scenario"]


@needs_litellm_logs
@pytest.mark.parametrize("name", ["reference_pairs.jsonl", "reference_pairs_synthetic.jsonl"])
def test_the_transcribed_logger_gives_the_shared_events(name: str) -> None:
    """Not those of the proxy: there LiteLLM writes "CircularReference Detected" for objects that it has written before."""
    for pair in read_lines(LITELLM_LOGS / name):
        if "event" not in pair:
            continue
        random, real_event, written = pair.get("random_fields", []), pair["event"], baseline_event(pair["input"])
        assert real_event["event"] == written["event"]
        assert "distinct_id" in random or real_event["distinct_id"] == written["distinct_id"]
        for key in {*real_event["properties"], *written["properties"]} - set(random):
            assert same(real_event["properties"].get(key), written["properties"].get(key)), (pair["scenario"], key)
        assert baseline_destination(pair["input"], KEY, FILES[name]) == (pair["api_key"], pair["api_url"])


@needs_litellm_logs
def test_hand_made_records_that_litellms_logger_or_plh_refuses_are_known() -> None:
    """What the logger raises at, and what has no event without a guess: each is converted or rejected by name."""
    pairs = {pair["scenario"]: pair for pair in read_lines(LITELLM_LOGS / "reference_pairs_synthetic.jsonl")}
    refused = {
        name: to_rejection(pairs[name]["input"], options(DEFAULT_HOST))
        for name in ("model_absent", "slo_empty", "slo_null")
    }
    assert {name: (error.code, error.path) for name, error in refused.items()} == {
        "model_absent": ("missing-field", "$.standard_logging_object.model"),
        "slo_empty": ("missing-field", "$.standard_logging_object"),
        "slo_null": ("missing-field", "$.standard_logging_object"),
    }
    raising = {name for name, pair in pairs.items() if "error" in pair}
    assert raising == {"slo_null", "md_list"}
    record = pairs["md_list"]["input"]
    assert unexplained({"scenario": "md_list", "input": record, "event": baseline_event(record)}) == []


@needs_litellm_logs
def test_without_the_configured_time_the_hand_made_records_are_rejected() -> None:
    """Their times lie in 1970, which is none."""
    given = options(DEFAULT_HOST)
    undated = replace(given, parse=replace(given.parse, default_time=None))
    for pair in converted("reference_pairs_synthetic.jsonl"):
        assert to_rejection(pair["input"], undated).path == "$.standard_logging_object.startTime"
