"""The samples are the specification: each file of `samples/` has its expected events in `samples/.expected/`.

`python -m tests.formats.test_samples` writes them anew; read the difference before committing it.
"""

from pathlib import Path
from typing import Any

import orjson
import pytest

from posthog_llm_cli.convert import convert
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats import DETECTION, FORMAT_NAMES, FORMATS, detect
from posthog_llm_cli.model import Event, LogLine, Skipped, SourceRef
from tests.converting import OPTIONS, SAMPLES, read_lines, wire

FILES = sorted(SAMPLES.glob("*.jsonl"))


def outcomes(path: Path) -> list[dict[str, Any]]:
    """What becomes of every record of a file, as JSON."""
    found: list[dict[str, Any]] = []
    for number, raw in enumerate(path.read_bytes().split(b"\n"), 1):
        if not raw.strip():
            continue
        for converted in convert(LogLine(SourceRef(path.name, number, 0), raw), OPTIONS):
            entry: dict[str, Any] = {"format": converted.format, "warnings": list(converted.warnings)}
            match converted.result:
                case Event() as event:
                    entry |= {"api_key": event.destination.api_key, "event": wire(event)}
                case Skipped() as skipped:
                    entry |= {"skipped": skipped.code}
                case RecordError() as error:
                    entry |= {"rejected": error.code, "path": error.path}
            found.append(entry)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_sample_gives_its_expected_events(path: Path) -> None:
    expected = read_lines(SAMPLES / ".expected" / path.name)
    assert outcomes(path) == expected


def test_every_format_has_a_sample() -> None:
    assert {path.stem for path in FILES} == set(FORMAT_NAMES)


@pytest.mark.parametrize("found", FORMATS, ids=lambda found: found.name)
def test_the_smallest_record_of_a_format_is_recognised_as_it(found: Any) -> None:
    record = orjson.loads(found.smallest)
    assert detect(record) is found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_sample_is_recognised_as_its_format_by_the_first_row_that_matches(path: Path) -> None:
    for record in read_lines(path):
        first = next(row for row in DETECTION if row.matches(record))
        found = detect(record)
        assert found is not None
        assert (first.name, found.name) == (path.stem, path.stem)


if __name__ == "__main__":
    (SAMPLES / ".expected").mkdir(exist_ok=True)
    for sample in FILES:
        lines = [orjson.dumps(outcome) for outcome in outcomes(sample)]
        (SAMPLES / ".expected" / sample.name).write_bytes(b"\n".join(lines) + b"\n")
