import gzip
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.errors import ConfigError, SourceError
from posthog_llm_cli.formats import ranks
from posthog_llm_cli.model import Idle, Json, LogLine, Mark
from posthog_llm_cli.sources import Ranking, SourceReader
from posthog_llm_cli.sources.names import Names
from posthog_llm_cli.sources.order import LOOK_BYTES
from tests import zstd
from tests.laws import examples

ROOT = Path(__file__).parents[2]
RANKING = Ranking(ranks.read_rank, ranks.head_rank, otherwise=ranks.OTHER_RANK)

BARE: dict[str, Any] = {
    "id": "1",
    "call_type": "acompletion",
    "startTime": 1.0,
    "model_parameters": {},
    "trace_id": "t",
}
KWARGS: dict[str, Any] = {"standard_logging_object": BARE, "litellm_params": {}}
DATADOG: dict[str, Any] = {"ddsource": "litellm", "message": json.dumps(BARE)}
SPEND: dict[str, Any] = {
    "request_id": "1",
    "call_type": "acompletion",
    "startTime": "2026-11-23T19:02:33",
    "spend": 0.1,
}
LEGACY: dict[str, Any] = {"id": "1", "modelParameters": "{}", "usage": "{}", "messages": "[]"}
BATCH_INPUT: dict[str, Any] = {
    "custom_id": "1",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "m", "messages": []},
}
CHAT: dict[str, Any] = {"object": "chat.completion", "id": "c", "created": 1, "model": "m", "choices": []}
CONSOLE: dict[str, Any] = {"message": "m", "level": "INFO", "timestamp": "t", "component": "c"}
AUDIT: dict[str, Any] = {"action": "a", "table_name": "t", "changed_by": "c"}

CSV = b"request_id,call_type,startTime,spend\nr-1,c,2026-11-23 19:02:33,0.1\n"


def line(value: Json) -> bytes:
    return json.dumps(value).encode() + b"\n"


def write(folder: Path, **contents: bytes) -> list[str]:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in contents]


def reader_of(specs: list[str], **more: Any) -> SourceReader:
    return SourceReader(specs, ranking=RANKING, **more)


def items_of(reader: SourceReader) -> list[LogLine | SourceError | Idle]:
    """What a reader gives, but for its marks."""
    return [item for item in reader if isinstance(item, LogLine | SourceError | Idle)]


def order_of(reader: SourceReader) -> list[str]:
    """The names of the sources as they were read, problems by their code."""
    found: list[str] = []
    for item in reader:
        if not isinstance(item, LogLine | SourceError):
            continue
        name = f"!{item.code}" if isinstance(item, SourceError) else Path(item.ref.uri).name
        if name not in found:
            found.append(name)
    return found


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            assert descriptor == writing  # a test closes that end itself


# -------------------------------------------------------------------------------------------------- what a record says


@pytest.mark.parametrize(
    ("value", "rank"),
    [
        (BATCH_INPUT, 0),
        (KWARGS, 1),
        (CHAT, 1),
        ({"event": "$ai_generation", "distinct_id": "u", "properties": {}}, 1),
        (BARE, 2),
        (DATADOG, 3),
        (SPEND, 4),
        (LEGACY, 5),
        ([None, SPEND], 4),
        ({"data": [SPEND]}, 4),
        ({"plh_dead_letter": 1, "record": SPEND}, 4),
        ({"plh_dead_letter": 1, "record": json.dumps(LEGACY)}, 5),
        ({"plh_dead_letter": 1, "record": "text"}, None),
        ({"plh_dead_letter": 1, "record": {"plh_dead_letter": 1, "record": SPEND}}, None),
        (CONSOLE, None),
        (AUDIT, None),
        (None, None),
        ([], None),
        ("text", None),
        ({"no": "record"}, None),
    ],
)
def test_the_rank_is_that_of_the_detected_row(value: Json, rank: int | None) -> None:
    assert ranks.read_rank(value) == rank


@pytest.mark.parametrize("value", [KWARGS, BARE, DATADOG, SPEND, LEGACY, BATCH_INPUT])
def test_the_key_names_of_a_long_record_say_the_same(value: dict[str, Any]) -> None:
    head = json.dumps({**value, "x": "y" * 100})[:-50].encode()
    assert ranks.head_rank(head) == ranks.read_rank(value)
    assert ranks.head_rank(json.dumps({"text": json.dumps(value)}).encode()) is None


@settings(max_examples=examples(100), deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5) | st.integers(0, 9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["data", "record", "plh_dead_letter", "request_id", "a"]), inner, max_size=4
            )
        ),
    )
)
def test_any_value_has_a_rank_or_none(value: Json) -> None:
    assert ranks.read_rank(value) in {None, 0, 1, 2, 3, 4, 5}


# ----------------------------------------------------------------------------------------------------------- the order


def test_richer_formats_are_read_first_and_equals_in_the_order_typed(tmp_path: Path) -> None:
    specs = write(
        tmp_path, legacy=line(LEGACY), spend=line(SPEND), datadog=line([DATADOG]), bare=line(BARE), kwargs=line(KWARGS),
        chat=line(CHAT), batch=line(BATCH_INPUT), console=line(CONSOLE), text=b"text\n", table=CSV, bare_too=line(BARE),
    )  # fmt: skip
    expected = ["batch", "kwargs", "chat", "console", "text", "bare", "bare_too", "datadog", "spend", "table", "legacy"]
    assert order_of(reader_of(specs)) == expected
    assert order_of(reader_of([str(tmp_path / "*e*")])) == [
        "console", "text", "bare", "bare_too", "spend", "table", "legacy",
    ]  # fmt: skip
    assert order_of(SourceReader(specs)) == [Path(spec).name for spec in specs]


@pytest.mark.parametrize("sample", sorted((ROOT / "samples").glob("*.jsonl")), ids=lambda path: path.stem)
def test_an_object_that_is_all_of_a_file_has_the_rank_of_the_line_that_it_is(tmp_path: Path, sample: Path) -> None:
    """Behind a blank line it is framed to be looked at, and alone it is not."""
    for record in [found for found in sample.read_bytes().split(b"\n") if found.startswith(b"{")]:
        for way in (record, record + b"\n", record + b"\r\n\n", record + record):
            specs = write(tmp_path, alone=way, framed=b"\n" + way)
            found = [item for item in reader_of(specs) if item is Mark.RANK_END]
            assert len(found) == 1, way[:200]


def test_every_item_comes_whichever_the_order(tmp_path: Path) -> None:
    specs = write(tmp_path, a=CSV, b=line(KWARGS) * 3, c=line(BARE) + b"x\n", d=b"")
    ranked, typed = reader_of(specs), SourceReader(specs)
    found = [item for item in ranked if item is not Mark.RANK_END]
    assert sorted(map(str, found)) == sorted(map(str, typed))
    assert (ranked.bytes_read, ranked.raw_bytes_read) == (typed.bytes_read, typed.raw_bytes_read)
    assert ranked.raw_bytes_read == ranked.raw_bytes_total


def test_compressed_and_pretty_printed_sources_show_what_they_hold(tmp_path: Path) -> None:
    pretty = b"INFO: started\nINFO: {}\n" + json.dumps(BARE, indent=4).encode() + b"\nINFO: done\n"
    specs = write(
        tmp_path, csv=zstd.compress(CSV), console=gzip.compress(pretty), glued=line(SPEND).strip() * 2,
        copied=line({**SPEND, "m": "\n"}).replace(b"\\", b"\\\\") * 2, kwargs=gzip.compress(b"\n" + line(KWARGS)),
    )  # fmt: skip
    assert order_of(reader_of(specs)) == ["kwargs", "console", "csv", "glued", "copied"]


def test_noise_is_passed_over_within_the_bound_and_not_beyond(tmp_path: Path) -> None:
    short, long = (b'INFO: "request" done' + b"." * pad + b'\n{"a": 1}\n' for pad in (0, 5_000))

    def noise(size: int) -> bytes:
        return long * (size // len(long)) + short * (size % len(long) // len(short))

    within, beyond = (noise(LOOK_BYTES + more) + line(SPEND) for more in (-150, 150))
    specs = write(tmp_path, beyond=beyond, within=within, bare=line(BARE))
    assert order_of(reader_of(specs)) == ["beyond", "bare", "within"]


def test_the_head_of_a_record_longer_than_the_look_says_what_it_is(tmp_path: Path) -> None:
    big = {"x": "y" * 3 * LOOK_BYTES}
    specs = write(tmp_path, spend=line({**SPEND, **big}), bare=line({**BARE, **big}), hidden=line({**big, **SPEND}))
    assert order_of(reader_of(specs)) == ["hidden", "bare", "spend"]


@pytest.mark.parametrize("kind", [b"database", b"database cluster"])
def test_a_dump_whose_rows_lie_behind_those_of_other_tables_is_one_of_spend_logs(tmp_path: Path, kind: bytes) -> None:
    begin = b"--\n-- PostgreSQL " + kind + b" dump\n--\n\nCOPY public.other (a, b) FROM stdin;\n"
    short, long = (begin + b"1\t2\n" * (size // 4) + b"\\.\n" for size in (LOOK_BYTES // 2, LOOK_BYTES))
    rows = b'COPY public."LiteLLM_SpendLogs" (request_id, call_type, "startTime", spend) FROM stdin;\nr\tc\t2026-11-23\t1\n\\.\n'
    specs = write(tmp_path, far=long + rows, near=short + rows, bare=line(BARE))
    assert order_of(reader_of(specs)) == ["bare", "far", "near"]


def test_problems_of_sources_are_reported_once_and_cost_no_other(tmp_path: Path) -> None:
    specs = write(
        tmp_path, spend=line(SPEND), damaged=gzip.compress(line(BARE) * 2000)[:-100],
        pointer=b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", kwargs=line(KWARGS),
    )  # fmt: skip
    found = order_of(reader_of([specs[0], str(tmp_path / "missing"), *specs[1:], "/proc/self/mem"]))
    assert found == [
        "!source-not-found",
        "!git-lfs-pointer",
        "kwargs",
        "!source-unreadable",
        "damaged",
        "!source-damaged",
        "spend",
    ]


def test_a_file_that_vanishes_after_the_look_is_reported(tmp_path: Path) -> None:
    specs = write(tmp_path, kwargs=line(KWARGS), bare=line(BARE), spend=line(SPEND))
    found = []
    for item in reader_of(specs):
        (tmp_path / "bare").unlink(missing_ok=True)
        found.append(item.code if isinstance(item, SourceError) else type(item).__name__)
    end_and_rank = ["Mark", "Mark"]
    assert found == ["LogLine", *end_and_rank, "source-not-found", "Mark", "LogLine", *end_and_rank]


def test_the_end_of_each_rank_is_marked_between_its_sources_and_the_next(tmp_path: Path) -> None:
    specs = write(tmp_path, spend=line(SPEND), kwargs=line(KWARGS), more=line(KWARGS))
    found = [item.ref.uri.rsplit("/", 1)[-1] if isinstance(item, LogLine) else item for item in reader_of(specs)]
    end = Mark.SOURCE_END
    assert found == ["kwargs", end, "more", end, Mark.RANK_END, "spend", end, Mark.RANK_END]


def test_one_source_is_read_without_a_look(tmp_path: Path) -> None:
    asked: list[Json] = []

    def rank(value: Json) -> int:
        asked.append(value)
        return 1

    ranking = Ranking(rank, lambda head: None, otherwise=0)
    specs = write(tmp_path, a=line(BARE))
    assert len(items_of(SourceReader([*specs, str(tmp_path / "missing")], ranking=ranking))) == 2
    assert asked == []
    assert len(items_of(SourceReader([*specs, *specs], ranking=ranking))) == 2
    assert asked == [BARE, BARE]


def test_a_run_that_is_stopped_during_the_look_reads_nothing(tmp_path: Path) -> None:
    specs = write(tmp_path, **{f"n{number}": line(BARE) for number in range(20)})
    answers = iter([False] * 12)
    assert list(reader_of(specs, should_stop=lambda: next(answers, True))) == []


def test_a_long_look_ticks(tmp_path: Path) -> None:
    specs = write(tmp_path, **{f"n{number}": line(BARE) for number in range(3)})
    found = items_of(reader_of(specs, idle_s=0))
    assert [type(item) for item in found] == [Idle, Idle, Idle, LogLine, LogLine, LogLine]


# ---------------------------------------------------------------------------------------------------------------- pipes


def test_a_pipe_is_looked_at_and_loses_no_byte(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    content = gzip.compress(line(BARE) * 3)
    os.write(writing, content)
    os.close(writing)
    specs = write(tmp_path, spend=line(SPEND), kwargs=line(KWARGS))
    reader = reader_of(["-", *specs], stdin_fd=reading)
    assert [item.ref.uri for item in reader if isinstance(item, LogLine)] == [specs[1], "-", "-", "-", specs[0]]
    assert reader.raw_bytes_read == len(content) + len(line(SPEND)) + len(line(KWARGS))


def test_a_long_pipe_is_ranked_by_its_head_and_read_to_its_end(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    count = 3 * LOOK_BYTES // len(line(BARE))

    def fill() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(line(BARE) * count)

    writer = threading.Thread(target=fill)
    writer.start()
    specs = write(tmp_path, spend=line(SPEND))
    found = [item.ref for item in reader_of([*specs, "-"], stdin_fd=reading) if isinstance(item, LogLine)]
    writer.join()
    assert [ref.uri for ref in found] == ["-"] * count + specs
    assert [ref.line for ref in found[:-1]] == list(range(1, count + 1))


@pytest.mark.parametrize("first", [AUDIT, {"service": "started"}])
def test_a_pipe_is_looked_at_beyond_the_first_line_that_is_written_to_it(
    first: Json, tmp_path: Path, pipe: tuple[int, int]
) -> None:
    reading, writing = pipe

    def fill() -> None:
        os.write(writing, line(first))
        time.sleep(0.1)
        os.write(writing, line(SPEND))
        os.close(writing)

    writer = threading.Thread(target=fill)
    writer.start()
    specs = write(tmp_path, bare=line(BARE))
    found = [item.ref.uri for item in reader_of(["-", *specs], stdin_fd=reading) if isinstance(item, LogLine)]
    writer.join()
    assert found == [*specs, "-", "-"]


def test_a_silent_pipe_and_a_live_one_go_last(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    specs = write(tmp_path, spend=line(SPEND))
    os.write(writing, line(KWARGS) + line(KWARGS)[:9])
    items = iter(reader_of([str(fifo), "-", *specs], stdin_fd=reading, idle_s=0.05))
    first = next(item for item in items if isinstance(item, LogLine))
    assert first.ref.uri == specs[0]
    end = os.open(fifo, os.O_WRONLY)
    os.write(end, line(BARE))
    os.close(end)
    os.write(writing, line(KWARGS)[9:])
    os.close(writing)
    assert [item.ref.uri for item in items if isinstance(item, LogLine)] == [str(fifo), "-", "-"]


def test_stdin_from_a_file_is_looked_at_and_read_from_its_beginning(tmp_path: Path) -> None:
    specs = write(tmp_path, spend=line(SPEND), bare=line(BARE) * 2)
    with (tmp_path / "bare").open("rb") as file:
        reader = reader_of([specs[0], "-"], stdin_fd=file.fileno())
        assert [item.ref.uri for item in reader if isinstance(item, LogLine)] == ["-", "-", specs[0]]
        assert reader.raw_bytes_total == sum((tmp_path / name).stat().st_size for name in ("spend", "bare"))


def test_stdin_typed_twice_is_read_once(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.write(writing, line(BARE) * 2)
    os.close(writing)
    found = items_of(reader_of(["-", "-", *write(tmp_path, kwargs=line(KWARGS))], stdin_fd=reading))
    assert [type(item) for item in found] == [LogLine] * 3


def test_a_closed_stdin_is_reported_among_others(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    os.close(reading)
    found = order_of(reader_of(["-", *write(tmp_path, a=line(BARE))], stdin_fd=reading))
    assert found == ["!source-unreadable", "a"]


def test_a_silent_pipe_can_be_stopped_during_the_look(tmp_path: Path, pipe: tuple[int, int]) -> None:
    stop_at = time.monotonic() + 0.2
    specs = ["-", *write(tmp_path, a=line(BARE))]
    found = list(reader_of(specs, stdin_fd=pipe[0], idle_s=5, should_stop=lambda: time.monotonic() > stop_at))
    assert found == []
    assert time.monotonic() - stop_at < 4


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    before = open_files()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    specs = [str(fifo), *write(tmp_path, **{f"n{number}": line(BARE) for number in range(30)})]
    items = iter(reader_of(specs, idle_s=0.01))
    assert isinstance(next(item for item in items if isinstance(item, LogLine)), LogLine)
    assert open_files() == before + 2  # the source that is read, and the pipe
    del items
    assert open_files() == before


# ---------------------------------------------------------------------------------------------------------------- names


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=9).filter(lambda name: b"\0" not in name)), st.integers(0, 50))
def test_names_come_back_in_their_order_from_memory_and_from_a_file(raw: list[bytes], memory_bytes: int) -> None:
    expected = list(map(os.fsdecode, raw))
    names = Names(memory_bytes=memory_bytes)
    for name in expected:
        names.add(name)
    assert [list(names), list(names), len(names)] == [expected, expected, len(expected)]
    assert list(zip(names, names, strict=True)) == list(zip(expected, expected, strict=True))
    names.close()


_MEASURE = """
from posthog_llm_cli.sources.names import Names
from tests.memory import peak_mib
before, names = peak_mib(), Names()
for number in range(100_000): names.add(f"{number:0300}")
assert sum(1 for name in names) == len(names) == 100_000
names.close()
print(peak_mib() - before)
"""


def test_a_great_many_names_take_little_memory() -> None:
    run = subprocess.run([sys.executable, "-c", _MEASURE], cwd=ROOT, capture_output=True, check=True)
    assert float(run.stdout) < 10


def test_names_without_room_end_the_run_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    names = Names(memory_bytes=4)
    with pytest.raises(ConfigError) as refused:
        names.add("a long name")
    assert "TMPDIR" in str(refused.value.hint)
    names.close()
