"""`plh` against LiteLLM's own PostHog logger, property by property: only the named corrections may differ."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from posthog_llm_cli.model import ConvertOptions
from tests.converting import OPTIONS, ROOT, read_lines, to_event, wire
from tests.formats.baseline import ABSENT, CORRECTIONS, Case, baseline_event, explain, explain_distinct_id
from tests.formats.shared import SHARED

PAIRS = read_lines(ROOT / "tests" / "data" / "litellm_reference_pairs.jsonl")
LATER = replace(OPTIONS, parse=replace(OPTIONS.parse, run_started_at=datetime(2026, 11, 25, tzinfo=UTC)))
LITELLM_LOGS = SHARED / "data" / "litellm"


def differences(
    kwargs: Mapping[str, Any], base: Mapping[str, Any], options: ConvertOptions = OPTIONS
) -> Iterator[tuple[Case, str | None]]:
    """Every property that differs, and the correction that allows it."""
    ours = wire(to_event(kwargs, options))
    names = sorted({*base["properties"], *ours["properties"]})
    for name in names:
        case = Case(name, base["properties"].get(name, ABSENT), ours["properties"].get(name, ABSENT), kwargs, ours)
        same = case.base == case.ours or (
            isinstance(case.base, float) and isinstance(case.ours, float) and abs(case.base - case.ours) < 1e-4
        )
        if not same:
            yield case, explain(case)
    if base["event"] != ours["event"]:
        item = "4 aembedding" if kwargs["standard_logging_object"]["call_type"] == "aembedding" else None
        yield Case("event", base["event"], ours["event"], kwargs, ours), item
    if base["distinct_id"] != ours["distinct_id"]:
        case = Case("distinct_id", base["distinct_id"], ours["distinct_id"], kwargs, ours)
        yield case, explain_distinct_id(case)


@pytest.mark.parametrize("pair", PAIRS, ids=[pair["scenario"] for pair in PAIRS])
def test_only_the_named_corrections_differ(pair: dict[str, Any]) -> None:
    unexplained = [
        (case.name, case.base, case.ours) for case, item in differences(pair["input"], pair["event"]) if item is None
    ]
    assert unexplained == []


def test_the_sample_uses_the_corrections() -> None:
    """A table that explains away everything would show here: most corrections are exercised, and most values agree."""
    used = {item for pair in PAIRS for _, item in differences(pair["input"], pair["event"])}
    assert len(used & {correction.item for correction in CORRECTIONS}) >= 20
    agreeing = Counter(
        name
        for pair in PAIRS
        for name, value in pair["event"]["properties"].items()
        if wire(to_event(pair["input"]))["properties"].get(name) == value
    )
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


def test_the_transcribed_baseline_gives_the_sample() -> None:
    for pair in PAIRS:
        assert baseline_event(pair["input"]) == pair["event"]


@pytest.mark.skipif(not LITELLM_LOGS.exists(), reason="the real logs are not beside this checkout")
@pytest.mark.parametrize("name", ["reference_pairs.jsonl", "reference_pairs_proxy.jsonl"])
def test_the_real_reference_pairs_differ_only_by_the_named_corrections(name: str) -> None:
    pairs = read_lines(LITELLM_LOGS / name)
    assert len(pairs) >= 24
    for number, pair in enumerate(pairs, 1):
        found = differences(pair["input"], pair["event"], LATER)
        unexplained = [(case.name, case.base, case.ours) for case, item in found if item is None]
        assert unexplained == [], f"{name}:{number}"


@pytest.mark.skipif(not LITELLM_LOGS.exists(), reason="the real logs are not beside this checkout")
def test_the_transcribed_baseline_gives_the_real_events() -> None:
    for number, pair in enumerate(read_lines(LITELLM_LOGS / "reference_pairs.jsonl"), 1):
        assert baseline_event(pair["input"]) == pair["event"], number


def table(path: Path) -> None:
    """Print the comparison's figures for a file of pairs: `python -m tests.formats.test_reference FILE`."""
    used: Counter[str] = Counter()
    compared = same = 0
    for pair in read_lines(path):
        found = list(differences(pair["input"], pair["event"], LATER))
        names = {*pair["event"]["properties"], *wire(to_event(pair["input"], LATER))["properties"]}
        compared += len(names)
        same += len(names) - sum(case.name not in {"event", "distinct_id"} for case, _ in found)
        used.update(item or f"UNEXPLAINED {case.name}" for case, item in found)
    print(json.dumps({"file": path.name, "compared": compared, "equal": same, "corrected": dict(used)}, indent=1))  # noqa: T201


if __name__ == "__main__":
    import sys

    for argument in sys.argv[1:]:
        table(Path(argument))
