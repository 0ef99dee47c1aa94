"""What waits for the end of the sources waits on disk, leaves no trace there, and takes no more than linear time."""

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.formats.openai_batch import side_of
from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.joining._batch_store import BatchStore
from posthog_llm_cli.joining.batches import Batches
from posthog_llm_cli.model import LogLine, Mark, SourceRef
from tests.formats.batch_lines import answered, asked
from tests.joining.joining import join, lines, output

ROOT = Path(__file__).parents[2]
MINI = "gpt-4o-mini-2024-07-18"

PROGRAM = """
import random
import orjson
from posthog_llm_cli.joining.batches import Batches
from posthog_llm_cli.model import LogLine, SourceRef
from tests.memory import peak_mib

COUNT = 12_000
URL = "/v1/chat/completions"

batches = Batches()

def take(source, number, record):
    taken = batches.take(LogLine(SourceRef(source, number + 1, 0), orjson.dumps(record)), record)
    assert taken is not None and list(taken) == []

def asked(number):
    messages = [{"role": "user", "content": f"prompt {number} " + "x" * 2_000}]
    return {"custom_id": f"row-{number}", "method": "POST", "url": URL, "body": {"model": "gpt-4o", "messages": messages}}

def answered(number):
    body = {"id": f"chatcmpl-{number}", "object": "chat.completion", "model": "gpt-4o-2024-08-06", "choices": []}
    return {"id": "", "custom_id": f"row-{number}", "response": {"status_code": 200, "body": body}, "error": None}

order = random.Random(1).sample(range(COUNT), COUNT)
for number in range(COUNT):
    take(f"in-{2 * number // COUNT}", number, asked(number))
    if number == 5_000:
        early = peak_mib()
for number in order:
    take("out", number, answered(number))
outputs = inputs = 0
for line in batches.finish():
    if line.skipped is not None:
        inputs += 1
        assert line.warnings == (), line
        continue
    outputs += 1
    record = orjson.loads(line.raw)
    assert record["custom_id"] == record["plh_batch_input"]["custom_id"], record
assert (outputs, inputs) == (COUNT, COUNT)
print(peak_mib() - early)
"""


@pytest.mark.timeout(900)
def test_twelve_thousand_calls_join_in_bounded_memory() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Some 24 MiB of lines were held; the cache of the file is 8, and its sorting takes as much again.
    assert float(done.stdout) < 15


def test_thousands_of_outputs_of_one_id_take_no_quadratic_time() -> None:
    began_s = time.process_time()
    written = [("in", asked("a", prompt=str(n))) for n in range(3_000)] + [
        ("out", output("a", MINI)) for _ in range(3_000)
    ]
    found = join(written)
    took_s = time.process_time() - began_s
    assert len(found) == 6_000
    assert took_s < 10, "every output looked at every input"


def test_the_file_leaves_no_trace_even_while_it_is_open(tmp_path: Path) -> None:
    batches = Batches(directory=tmp_path)
    for line in lines([("in", asked("a")), ("out", answered("a"))]):
        assert isinstance(line, Mark) or batches.take(line, answered("a")) is not None
    assert batches._store is not None, "it must be open"
    assert list(tmp_path.iterdir()) == []
    batches.close()
    batches.close()


def test_without_lines_of_batches_there_is_no_file(tmp_path: Path) -> None:
    batches = Batches(directory=tmp_path / "missing")
    found = join([("x", {"custom": 1}), ("x", {"custom_id": "a", "params": {}})], joins=(batches,))
    assert len(found) == 2


def test_a_folder_that_is_missing_names_the_variable_to_set(tmp_path: Path) -> None:
    batches = Batches(directory=tmp_path / "missing")
    with pytest.raises(ConfigError, match="temporary file") as caught:
        join([("in", asked("a"))], joins=(batches,))
    assert caught.value.hint is not None
    assert "TMPDIR" in caught.value.hint


def fill(store: BatchStore, met: list[int]) -> None:
    side = side_of(asked("a"))
    assert side is not None
    for number in range(100_000):
        store.add(side, LogLine(SourceRef("in", 1, 0), b""), source="in", raw=b"x" * 1_000)
        met.append(number)


def test_a_disk_without_room_names_the_variable_to_set(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    met: list[int] = []
    store = BatchStore(directory=tmp_path, cache_kib=64)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
    try:
        with pytest.raises(ConfigError, match="temporary file"):
            fill(store, met)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        store.close()
    assert len(met) > 100, "the fault is the full disk, not the opening"


def test_a_run_that_is_cut_short_gives_nothing_of_what_waits() -> None:
    written = [("in", asked("a")), ("out", answered("a")), ("out", {"object": "chat.completion"})]
    with Joiner() as joiner:
        found = list(joiner.join(lines(written), is_cut=lambda: True))
    assert [str(line.ref) for line in found if isinstance(line, LogLine)] == ["out:2"]


def test_a_run_that_is_cut_while_it_gives_gives_whole_lines_and_no_more() -> None:
    cut = iter([False, False, False, True])
    with Joiner() as joiner:
        found = list(joiner.join(lines([("out", answered(str(n))) for n in range(9)]), is_cut=lambda: next(cut)))
    assert len(found) == 2
