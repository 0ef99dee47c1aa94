"""Framing bytes in tests, in blocks of any size."""

from collections.abc import Iterable, Iterator

from posthog_llm_cli.model import LogLine, Mark
from posthog_llm_cli.sources.framing import Framer

MAX_RECORD = 32 * 1024 * 1024


def blocks_of(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def frame(data: bytes, *, size: int = 1 << 18, max_record: int = MAX_RECORD) -> list[LogLine]:
    return [item for item in frame_all(data, size=size, max_record=max_record) if isinstance(item, LogLine)]


def frame_all(data: bytes, *, size: int = 1 << 18, max_record: int = MAX_RECORD) -> list[LogLine | Mark]:
    framer = Framer("a.log", max_record=max_record)
    found = [item for block in blocks_of(data, size) for item in framer.feed(block)]
    return found + list(framer.finish())


def raws(data: bytes, *, size: int = 1 << 18, max_record: int = MAX_RECORD) -> list[bytes]:
    return [line.raw for line in frame(data, size=size, max_record=max_record)]


def places(data: bytes) -> list[tuple[int, int]]:
    return [(line.ref.line, line.ref.offset) for line in frame(data)]


def said(lines: list[LogLine]) -> list[object]:
    """Lines as values that compare: errors do not."""
    return [(line.ref, line.raw, line.console, line.warnings, line.problem and line.problem.message) for line in lines]


def lines_of(items: Iterable[LogLine | Mark]) -> list[LogLine]:
    return [item for item in items if isinstance(item, LogLine)]
