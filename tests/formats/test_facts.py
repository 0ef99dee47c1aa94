"""`plh` against what the real logs say, fact by fact, and against `facts`, which reads them with other code."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from posthog_llm_cli.convert import convert
from posthog_llm_cli.model import LogLine, SourceRef
from posthog_llm_cli.values import replace
from tests.converting import OPTIONS
from tests.formats.facts import FOLDERS, Call, Fact, NoCall, differences, observed, undated
from tests.formats.shared import OPENAI_LOGS, needs_openai_logs

NOW = datetime(2026, 11, 25, tzinfo=UTC)
DEFAULT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = replace(OPTIONS, parse=replace(OPTIONS.parse, run_started_at=NOW))
DATED = replace(LATER, parse=replace(LATER.parse, default_time=DEFAULT))


def lines(folder: str) -> list[tuple[str, bytes]]:
    """Every line of a folder, with its place."""
    return [
        (f"{path.name}:{number}", raw)
        for path in sorted((OPENAI_LOGS / folder).glob("*.jsonl"))
        for number, raw in enumerate(path.read_bytes().split(b"\n"), 1)
        if raw.strip()
    ]


def compare(raw: bytes, expected: Fact) -> dict[str, tuple[Any, Any]]:
    """What differs: the record alone, and where it has no time, once more with a default time."""
    line = LogLine(SourceRef("x", 1, 0), raw)
    (converted,) = convert(line, LATER)
    if not undated(expected):
        return differences(expected, observed(converted, dated=True))
    assert isinstance(expected, Call)
    refused = NoCall("missing-field", expected.format, "$.timestamp")
    (later,) = convert(line, DATED)
    return differences(refused, observed(converted, dated=True)) or differences(expected, observed(later, dated=False))


@needs_openai_logs
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_fact_of_a_real_record_is_right(folder: str) -> None:
    found = lines(folder)
    assert found
    wrong = [(place, diff) for place, raw in found if (diff := compare(raw, FOLDERS[folder](orjson.loads(raw))))]
    assert wrong == []


def test_the_check_would_see_a_wrong_fact() -> None:
    """A check that finds nothing must be able to."""
    record = {
        "id": "c", "object": "chat.completion", "created": 1748772000, "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"content": "ho"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }  # fmt: skip
    expected = FOLDERS["chat_completion"](record)
    assert compare(orjson.dumps(record), expected) == {}
    for change, name in (
        ({"model": "x"}, "model"),
        ({"created": 1748772001}, "time"),
        ({"usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 7}}, "tokens"),
        ({"choices": [{"index": 0, "message": {"content": "no"}, "finish_reason": "stop"}]}, "text"),
        ({"choices": [{"index": 0, "message": {"content": "ho"}, "finish_reason": None}]}, "stop_reason"),
        ({"error": {"message": "no"}}, "is_error"),
    ):
        assert name in compare(orjson.dumps({**record, **change}), expected)


def table() -> None:
    """Print the closing table, a folder a line: `PLH_SHARED=… python -m tests.formats.test_facts`."""
    for folder in sorted(path.name for path in OPENAI_LOGS.iterdir() if path.name != "LICENSES" and path.is_dir()):
        counts: Counter[str] = Counter()
        checked = wrong = 0
        for _, raw in lines(folder):
            for converted in convert(LogLine(SourceRef("x", 1, 0), raw), LATER):
                fact = observed(converted, dated=True)
                counts["converted" if isinstance(fact, Call) else f"{fact.code} {fact.path}"] += 1
            if folder in FOLDERS:
                checked += 1
                wrong += bool(compare(raw, FOLDERS[folder](orjson.loads(raw))))
        print(f"{folder:20} {sum(counts.values()):5}  {dict(counts)}  facts checked {checked}, wrong {wrong}")  # noqa: T201


if __name__ == "__main__":
    table()
