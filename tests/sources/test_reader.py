import gzip
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.model import Idle, LogLine, Mark
from posthog_llm_cli.sources import SourceReader
from tests import zstd
from tests.cli.running import run


def lines_of(reader: SourceReader) -> list[LogLine]:
    return [item for item in reader if isinstance(item, LogLine)]


def shown(reader: SourceReader) -> list[str]:
    """Records by their bytes, problems by their code."""
    items = [item for item in reader if isinstance(item, LogLine | SourceError)]
    return [item.code if isinstance(item, SourceError) else item.raw.decode() for item in items]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            assert descriptor == writing  # a test closes that end itself


def test_sources_come_in_their_order_with_problems_in_their_places(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n{"a": 2}')
    (tmp_path / "b.gz").write_bytes(gzip.compress(b'{"b": 1}\n{"b": 2}\n' * 50)[:-9])
    (tmp_path / "c.zst").write_bytes(zstd.compress(b'[{"c": 1}, {"c": 2}]'))
    (tmp_path / "d").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    specs = [str(tmp_path / name) for name in ("a.jsonl", "missing", "b.gz", "c.zst", "d")]
    found = shown(SourceReader(specs))
    before, behind = found[:3], found[-4:]
    assert before == ['{"a": 1}', '{"a": 2}', "source-not-found"]
    assert behind == ["source-damaged", '{"c": 1}', '{"c": 2}', "git-lfs-pointer"]
    assert len(found) > 90


def test_bytes_are_counted_on_disk_and_after_decompression(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n' * 1000))
    reader = SourceReader([str(path), str(tmp_path / "missing")])
    assert len(lines_of(reader)) == 1000
    assert reader.bytes_read == 9000
    assert reader.raw_bytes_read == reader.raw_bytes_total == path.stat().st_size


def test_a_file_that_vanishes_or_cannot_be_read_costs_itself_only(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(f'{{"{name}": 1}}')
    found: list[str] = []
    for item in SourceReader([str(tmp_path), "/proc/self/mem", str(tmp_path / "c")]):
        if isinstance(item, Mark):
            continue
        assert isinstance(item, LogLine | SourceError)
        found.append(item.code if isinstance(item, SourceError) else item.raw.decode())
        (tmp_path / "b").unlink(missing_ok=True)
    assert found == ['{"a": 1}', "source-not-found", '{"c": 1}', "source-unreadable", '{"c": 1}']


def test_every_block_size_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress("".join(json.dumps({"n": n, "t": "é\u2028"}) + "\r\n" for n in range(40)).encode()))
    whole = list(SourceReader([str(path)]))
    assert len(whole) == 41
    assert whole[-1] is Mark.SOURCE_END
    for size in (1, 2, 3, 17, 64):
        assert list(SourceReader([str(path)], _block_size=size)) == whole


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_an_abandoned_iteration_closes_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"{}\n" * 10)
    before = open_files()
    records = iter(SourceReader([str(path)]))
    assert isinstance(next(records), LogLine)
    assert open_files() == before + 1
    del records
    assert open_files() == before


# -------------------------------------------------------------------------------------------------------- live sources


def test_stdin_is_read_to_its_end(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.write(writing, b'{"a": 1}\n{"b": 2}')
    os.close(writing)
    reader = SourceReader(["-"], stdin_fd=reading)
    found = lines_of(reader)
    assert [(line.raw, line.ref.uri, line.ref.line) for line in found] == [(b'{"a": 1}', "-", 1), (b'{"b": 2}', "-", 2)]
    assert reader.raw_bytes_total is None


def test_a_silent_pipe_ticks_and_its_first_records_do_not_wait_for_more(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.write(writing, b'{"a": 1}\n{"b"')
    records = iter(SourceReader(["-"], stdin_fd=reading, idle_s=0.05))
    first = next(records)
    assert isinstance(first, LogLine)
    assert first.raw == b'{"a": 1}'
    assert [next(records), next(records)] == [Idle(), Idle()]
    os.write(writing, b": 2}\n")
    second = next(item for item in records if isinstance(item, LogLine))
    assert second.raw == b'{"b": 2}'


def test_a_pipe_that_never_pauses_gives_its_first_records_all_the_same(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    done = threading.Event()

    def trickle() -> None:
        while not done.wait(0.01):
            os.write(writing, b'{"a": 1}\n')

    writer = threading.Thread(target=trickle)
    writer.start()
    started = time.monotonic()
    first = next(iter(SourceReader(["-"], stdin_fd=reading, idle_s=0.2)))
    done.set()
    writer.join()
    assert isinstance(first, LogLine)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("packed", [False, True])
def test_a_silent_pipe_stops_at_once_without_its_half_record(pipe: tuple[int, int], packed: bool) -> None:
    reading, writing = pipe
    data = b'{"a": 1}\n{"half": '
    os.write(writing, gzip.compress(data) if packed else data)
    stop_at = time.monotonic() + 0.3
    found = list(SourceReader(["-"], stdin_fd=reading, idle_s=0.1, should_stop=lambda: time.monotonic() > stop_at))
    assert time.monotonic() - stop_at < 5
    assert [item.raw for item in found if isinstance(item, LogLine)] == [b'{"a": 1}']
    assert Idle() in found


def test_a_fifo_without_a_writer_can_be_stopped_and_with_one_is_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    stop_at = time.monotonic() + 0.2
    found = list(SourceReader([str(fifo)], idle_s=0.05, should_stop=lambda: time.monotonic() > stop_at))
    assert set(found) == {Idle()}
    records = iter(SourceReader([str(fifo)], idle_s=0.02))
    assert next(records) == Idle()
    writer = os.open(fifo, os.O_WRONLY)
    os.write(writer, b'{"a": 1}\n')
    os.close(writer)
    assert [item.raw for item in records if isinstance(item, LogLine)] == [b'{"a": 1}']


def test_reading_a_file_stops_between_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b'{"a": 1}\n' * 100_000)
    found: list[object] = []
    found.extend(SourceReader([str(path), str(path)], should_stop=lambda: bool(found)))
    assert 0 < len(found) < 40_000


def test_a_closed_stdin_is_unreadable() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    os.close(reading)
    assert shown(SourceReader(["-"], stdin_fd=reading)) == ["source-unreadable"]


# -------------------------------------------------------------------------------------------------------------- memory


def measure(path: Path, *, max_record: int) -> tuple[int, list[str], int]:
    """MiB that reading took at its peak, the first five things it gave, and how many."""
    ran = run(path.parent, str(path), str(max_record), module="tests.sources.measuring")
    assert ran.code == 0, ran.err
    mebibytes, seen, count = json.loads(ran.out)
    return mebibytes, seen, count


@pytest.mark.parametrize(
    ("megabytes", "head", "body", "tail"),
    [
        (200, b'{"a": 1}\n', b"x", b'\n{"b": 2}\n'),
        (20, b'{"a": 1}\n{\n"x": "', b"x", b'"}\n{"b": 2}\n'),
        (20, b'[{"a": 1},\n{"x": "', b"x", b'"},\n{"b": 2}]\n'),
        (20, b'{"a": 1}{"x": [', b"1,", b']}\n{"b": 2}\n'),
        (20, b'{"a": 1}\n', b"[", b'\n{"b": 2}\n'),
        (2, b'{"a": 1}\n{\n"x": ', b"[", b'1\n{"b": 2}\n'),
        (20, b'data: {"a": 1}\n\ndata: ', b"x", b'\n\ndata: {"b": 2}\n'),
        (5, b'data: {"a": 1}\n\n', b"data: x\n", b'\ndata: {"b": 2}\n'),
    ],
)
def test_a_bomb_hits_the_ceiling_and_not_the_memory(
    tmp_path: Path, megabytes: int, head: bytes, body: bytes, tail: bytes
) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head)
        for _ in range(megabytes):
            file.write(body * (1_000_000 // len(body)))
        file.write(tail)
    mebibytes, seen, _ = measure(path, max_record=1 << 20)
    assert seen[:3] == ['{"a": 1}', "record-too-long", '{"b": 2}']
    assert mebibytes < 25


@pytest.mark.parametrize(
    ("body", "end"),
    [(b'x""', b'",s\n'), (b'x""' * 50 + b"\n", b'",s\n'), (b'x",y,"', b'",s\n'), (b"x," * 50 + b"\n", b"\n")],
    ids=["one line", "many lines", "many cells", "never closed"],
)
def test_a_row_that_never_ends_hits_the_ceiling_and_not_the_memory(tmp_path: Path, body: bytes, end: bytes) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b'request_id,call_type,startTime\na,c,2026-11-23\n-,"')
        for _ in range(20):
            file.write(body * (1_000_000 // len(body)))
        file.write(end + b"b,c,2026-11-23\n")
    mebibytes, seen, _ = measure(path, max_record=1 << 20)
    assert seen == ['{"request_id":"a","c', "record-too-long", '{"request_id":"b","c']
    assert mebibytes < 25


def test_a_zstd_bomb_of_200_mb_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zst"
    compressor = zstd.compressor(level=19)
    packed = compressor.compress(b'{"a": 1}\n') + b"".join(compressor.compress(b"x" * 1_000_000) for _ in range(200))
    path.write_bytes(packed + compressor.compress(b'\n{"b": 2}') + compressor.flush())
    assert path.stat().st_size < 100_000
    mebibytes, seen, _ = measure(path, max_record=1 << 20)
    assert seen == ['{"a": 1}', "record-too-long", '{"b": 2}']
    assert mebibytes < 40


def test_a_line_of_40_mb_is_refused_at_the_default_ceiling_with_its_neighbours_intact(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n{"x": "' + b"y" * 40_000_000 + b'"}\n{"b": 2}\n')
    found = lines_of(SourceReader([str(path)]))
    assert [(line.raw, line.problem and line.problem.code) for line in found] == [
        (b'{"a": 1}', None),
        (b"", "record-too-long"),
        (b'{"b": 2}', None),
    ]


def test_endless_blanks_behind_a_cut_document_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b'INFO\n{\n"a": "cut\n')
        for _ in range(40):
            file.write(b" " * 1_000_000)
        file.write(b'\n{"b": 2}\n')
    mebibytes, seen, _ = measure(path, max_record=1 << 20)
    assert seen == ["INFO", '{\n"a": "cut', '{"b": 2}']
    assert mebibytes < 25


@pytest.mark.parametrize(
    ("head", "record", "count"),
    [
        (b"", b'{"x": "%s"}\n', 5),
        (b"[", b'{"x": "%s"},\n', 5),
        (b"", b'{\n "x": "%s"\n}\n', 5),
        (b"", b"\0 \n\0\n\0\0", 0),
        (b"{}\n", b"\0", 1),
    ],
)
def test_memory_does_not_grow_with_the_input(tmp_path: Path, head: bytes, record: bytes, count: int) -> None:
    path = tmp_path / "a.gz"
    block = record % (b"y" * 2000) if b"%s" in record else record
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head)
        for _ in range(50):
            file.write(block * (1_000_000 // len(block)))
    mebibytes, seen, _ = measure(path, max_record=32 << 20)
    assert mebibytes < 25
    assert len(seen) == count
