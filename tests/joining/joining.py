"""Lines of sources through a `Joiner`, for tests."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.model import LogLine, Mark, SourceRef
from tests.formats.batch_lines import answered, asked, chat_body, failed

Written = tuple[str, Any]
"""A source's name, and a record or the bytes of one."""


def lines(written: Iterable[Written]) -> Iterator[LogLine | Mark]:
    """Log lines with their places; a source ends where another begins."""
    count: dict[str, int] = {}
    last = None
    for source, record in written:
        if last is not None and source != last:
            yield Mark.SOURCE_END
        last = source
        count[source] = count.get(source, 0) + 1
        raw = record if isinstance(record, bytes) else orjson.dumps(record)
        yield LogLine(SourceRef(source, count[source], 100 * count[source]), raw)
    yield Mark.SOURCE_END


def join(written: Iterable[Written], **options: Any) -> list[LogLine]:
    """What goes on, in its order."""
    with Joiner(**options) as joiner:
        found = list(joiner.join(lines(written), is_cut=lambda: False))
    assert all(isinstance(line, LogLine) for line in found)
    return [line for line in found if isinstance(line, LogLine)]


def prompt_of(line: LogLine) -> str | None:
    """The prompt of the input line that a joined line holds, be it in a dead letter; None where it holds none."""
    record = orjson.loads(line.raw)
    record = record.get("record", record)
    inside = record.get("plh_batch_input")
    return None if inside is None else inside["body"]["messages"][0]["content"]


def prompts(found: Iterable[LogLine]) -> dict[str, str | None]:
    """Place of an output line → the prompt that it was joined with."""
    return {str(line.ref): prompt_of(line) for line in found if line.skipped is None}


def skips(found: Iterable[LogLine]) -> dict[str, tuple[str, ...]]:
    """Place of an input line → what was warned of."""
    for line in found:
        assert line.skipped is None or (line.skipped.code, line.format) == ("batch-input", "openai-batch")
    return {str(line.ref): line.warnings for line in found if line.skipped is not None}


def output(custom_id: str, model: str | None, answer_id: str = "chatcmpl-1") -> dict[str, Any]:
    """An output line of a model; without one, of a failed call."""
    return failed(custom_id) if model is None else answered(custom_id, chat_body(answer_id, model))


__all__ = ["Written", "asked", "join", "lines", "output", "prompt_of", "prompts", "skips"]
