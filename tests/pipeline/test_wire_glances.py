"""The glances of a preview go between processes as they are, and without pickling."""

import marshal
from contextlib import closing

from posthog_llm_cli.convert import convert
from posthog_llm_cli.model import LogLine, SourceRef
from posthog_llm_cli.pipeline.buffers import SharedBuffer
from posthog_llm_cli.pipeline.wire import Unpacker, pack_results
from posthog_llm_cli.values import replace
from tests.converting import OPTIONS, SAMPLES


def test_events_with_glances_and_facts_are_plain_values() -> None:
    options = replace(OPTIONS, glance=True, coverage=True)
    records = (SAMPLES / "litellm.jsonl").read_bytes().splitlines()
    lines = [LogLine(SourceRef("litellm.jsonl", number, 0), raw) for number, raw in enumerate(records, 1)]
    results = [convert(line, options) for line in lines]
    assert any(converted.glance is not None for found in results for converted in found)
    whole = [place for place, found in enumerate(results) if found[0].glance is not None]
    lines, results = [lines[place] for place in whole], [results[place] for place in whole]
    with closing(SharedBuffer()) as buffer:
        packed = pack_results(zip(lines, results, strict=True), buffer)
        assert all(isinstance(row, tuple) for row in marshal.loads(packed))
        assert Unpacker().results(packed, lines, buffer) == results
