"""From bytes to lines: framing by mode, and reading a file with what it is compressed with."""

import gzip
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard

from benchmarks.parts.material import CALLS, blocks, log, timed
from posthog_llm_cli.model import LogLine
from posthog_llm_cli.sources import SourceReader
from posthog_llm_cli.sources.framing import Framer

BLOCK = 256 * 1024
JOINED: Mapping[str, Callable[[Sequence[bytes]], bytes]] = {
    "lines": lambda records: b"\n".join(records) + b"\n",
    "array": lambda records: b"[" + b",\n".join(records) + b"]",
    "concatenated": b"".join,
    "server-sent events": lambda records: b"".join(b"data: %b\n\n" % record for record in records),
}
COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("mode", JOINED)
def bench_framing(benchmark: Any, mode: str) -> None:
    data = JOINED[mode](log("openai"))

    def frame() -> int:
        framer = Framer("calls.jsonl", max_record=32 * 1024 * 1024)
        found = [item for block in blocks(data, BLOCK) for item in framer.feed(block)]
        return sum(isinstance(item, LogLine) for item in [*found, *framer.finish()])

    assert timed(benchmark, frame, CALLS) == CALLS


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
def bench_reading(benchmark: Any, tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(compress(b"\n".join(log("litellm"))))
    read = timed(benchmark, lambda: sum(isinstance(item, LogLine) for item in SourceReader([str(path)])), CALLS)
    assert read == CALLS
