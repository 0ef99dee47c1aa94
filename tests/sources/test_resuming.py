"""Reading on gives what reading all of it would give, from a place on that is verified."""

import gzip
import mmap
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posthog_llm_cli.committed import AlreadyRead, Committed, Reached, head_digest, head_digests
from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.model import LogLine
from posthog_llm_cli.sources import SourceReader, files
from posthog_llm_cli.sources import resuming as module
from posthog_llm_cli.values import replace
from tests import zstd
from tests.laws import examples

PIECES = (
    b'{"a": 1}\n', b'{"b": "two"}\n', b"\n", b"text\n", b'{"c": 3}\r\n', b'{"cut": \n', b"  \0\n", b"null\n", b"[1]\n",
    b'{"message": "m", "level": "l", "timestamp": "t", "component": "c"}\n', b"{\n", b'  "d": 4\n', b"}\n",
    b'{"long": "' + b"x" * 3000 + b'"}\n',
    b'2026-01-01T00:00:00.5Z stdout P {"part": \n', b"2026-01-01T00:00:00.5Z stdout F 1}\n", b"2026-01-01T00:00:00Z stderr F {}\n",
)  # fmt: skip


@dataclass
class Notes:
    """A memory over the places that readings have reached."""

    places: list[Reached] = field(default_factory=list)
    claimed: list[int] = field(default_factory=list)

    @property
    def knows_any(self) -> bool:
        return bool(self.places)

    def unchanged(self, file_state: bytes) -> Committed | None:
        known = [number for number, place in enumerate(self.places) if place.file_state == file_state]
        return self._committed(known[-1]) if known else None

    def committed(self, head: bytes) -> Sequence[Committed]:
        keys = head_digests(head)
        return [self._committed(number) for number, place in enumerate(self.places) if head_digest(place) in keys]

    def _committed(self, number: int) -> Committed:
        place = self.places[number]
        return Committed(number, place.offset, place.digest, place.lines, 0, 0, place.console, place.is_whole)

    def claim(self, _uri: str, committed: Committed) -> None:
        self.claimed.append(committed.number)


def read(path: Path, notes: Notes, *, block: int = 64) -> tuple[int, list[object]]:
    """Return how many bytes are not read again, and what comes behind; its places go into the notes."""
    skipped = 0
    found: list[object] = []
    places: list[Reached] = []
    for item in SourceReader([str(path)], memory=notes, _block_size=block):
        match item:
            case AlreadyRead():
                skipped = item.committed.offset
            case Reached():
                places.append(item)
            case LogLine():
                assert item.ref.offset >= skipped
                found.append((item.ref.line, item.ref.offset, item.raw, item.console, item.problem is None))
            case SourceError():
                found.append(item.code)
    notes.places += places
    return skipped, found


def whole(path: Path) -> list[object]:
    return read(path, Notes())[1]


def behind(path: Path, offset: int) -> list[object]:
    return [item for item in whole(path) if not isinstance(item, tuple) or item[1] >= offset]


@given(
    before=st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join),
    after=st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join),
    cut=st.integers(0, 30),
    block=st.sampled_from([1, 7, 64, 4096, 262144]),
    packed=st.sampled_from([lambda raw: raw, gzip.compress, zstd.compress]),
    filler=st.sampled_from([0, 0, 70_000]),
)
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_on_gives_what_reading_all_of_it_gives(
    tmp_path: Path, before: bytes, after: bytes, cut: int, block: int, packed: Callable[[bytes], bytes], filler: int
) -> None:
    before = b'{"filler": "' + b"f" * filler + b'"}\n' + before if filler else before
    content = before + after
    block = max(block, 64) if filler else block
    path, notes = tmp_path / "log", Notes()
    path.write_bytes(content[: max(0, len(before) - cut)])
    os.utime(path, (0, 0))
    read(path, notes, block=block)
    path.write_bytes(packed(content))
    os.utime(path, (0, 0))
    skipped, found = read(path, notes, block=block)
    assert skipped <= len(before)
    assert found == behind(path, skipped)


def test_every_place_that_was_reached_can_be_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b'{"n": %d}\n' % number for number in range(2000)) * 5)
    notes = Notes()
    read(path, notes, block=4096)
    assert len(notes.places) > 5
    for place in list(notes.places):
        skipped, found = read(path, Notes([place]))
        assert skipped == place.offset
        assert found == behind(path, skipped)


def test_no_place_is_reached_behind_a_line_that_tells_what_the_next_one_is(tmp_path: Path) -> None:
    path, notes = tmp_path / "a.log", Notes()
    lines = [b'{"id": "%d"}\n' % number for number in range(400)]
    path.write_bytes(b"".join(lines) + b"03:01 - LiteLLM:DEBUG: utils.py:311 - RAW RESPONSE:\n")
    read(path, notes)
    with path.open("ab") as file:
        file.write(b'{"id": "raw"}\n{"id": "mine"}\n')
    _, found = read(path, notes)
    assert [item[2] for item in found[-2:] if isinstance(item, tuple)] == [b"", b'{"id": "mine"}']


def test_of_several_that_begin_alike_the_longest_that_still_is_what_it_was_is_taken(tmp_path: Path) -> None:
    path, notes = tmp_path / "log", Notes()
    common = b"".join(b'{"n": %d}\n' % number for number in range(300))
    for rest in (b"", b'{"m": 1}\n', b'{"x": 1}\n' * 20, b'{"y": 1}\n' * 50):
        path.write_bytes(common + rest)
        read(path, Notes())
        read(path, notes)
    path.write_bytes(common + b'{"m": 1}\n{"z": 1}\n')
    skipped, found = read(path, notes)
    assert skipped == len(common) + 9
    assert [item[2] for item in found if isinstance(item, tuple)] == [b'{"z": 1}']


@pytest.mark.parametrize(
    "content", [b'{\n "a": 1\n}\n{\n "b": 2\n}\n', b'[{"a": 1},\n {"b": 2}]', b'data: {"a": 1}\n\ndata: [DONE]\n\n']
)
def test_what_is_no_log_of_lines_is_known_as_a_whole(tmp_path: Path, content: bytes) -> None:
    path, notes = tmp_path / "log", Notes()
    path.write_bytes(content)
    read(path, notes)
    assert [place.is_whole for place in notes.places] == [True]
    assert read(path, notes) == (len(content), [])
    path.write_bytes(content + content)
    skipped, found = read(path, notes)
    assert (skipped, found) == (0, whole(path))


def test_a_damaged_copy_goes_on_to_its_damage(tmp_path: Path) -> None:
    path, notes = tmp_path / "log", Notes()
    content = b"".join(b'{"n": %d}\n' % number for number in range(3000))
    path.write_bytes(content[: content.index(b"\n", 9000) + 1])
    read(path, notes, block=4096)
    path.write_bytes(gzip.compress(content)[:-3000])
    skipped, found = read(path, notes)
    assert found == behind(path, skipped)
    assert found[-1] == "source-damaged"


def test_where_the_head_is_framed_in_another_way_by_now_all_is_read(tmp_path: Path) -> None:
    """Rows of SpendLogs that turn out to be COPY text: what was read as lines is another record."""
    row = b'{"request_id": "1", "call_type": "acompletion", "startTime": "2025-01-01", "spend": 0, "messages": "%s"}\n'
    path, notes = tmp_path / "log", Notes()
    path.write_bytes(row % b"plain" * 3)
    read(path, notes)
    assert [place.offset for place in notes.places] == [len(row % b"plain") * 3]
    with path.open("ab") as file:
        file.write(row % b'say \\\\"hi\\\\"')
    skipped, found = read(path, notes)
    assert found == behind(path, skipped)


def test_a_line_that_is_being_written_is_read_to_its_end_and_no_further(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"a": 1}\n{"b"')
    asked = 0

    def write_on() -> bool:
        """Asked once before the file is read, for each block, and then while its last line is waited for."""
        nonlocal asked
        asked += 1
        with path.open("ab") as file:
            file.write({6: b": 2", 8: b'}\n{"c": 3}\n'}.get(asked, b""))
        return False

    reader = SourceReader([str(path)], memory=Notes(), should_stop=write_on)
    assert [item.raw for item in reader if isinstance(item, LogLine)] == [b'{"a": 1}', b'{"b": 2}']
    assert asked >= 8


def test_many_logs_that_are_cut_off_are_not_waited_for_one_by_one(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.jsonl").write_bytes(b'{"a": 1}\n{"cut')
    began_s = time.monotonic()
    found = [item for item in SourceReader([str(tmp_path)], memory=Notes()) if isinstance(item, LogLine)]
    assert len(found) == 40
    assert time.monotonic() - began_s < 10


def test_old_logs_that_are_cut_off_take_no_patience_from_one_that_is_being_written(tmp_path: Path) -> None:
    for number in range(5):
        old = tmp_path / f"{number}.jsonl"
        old.write_bytes(b'{"a": 1}\n{"cut')
        os.utime(old, (1, 1))
    path = tmp_path / "z.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b"')
    timer = threading.Timer(0.5, lambda: path.write_bytes(b'{"a": 1}\n{"b": 2}\n'))
    timer.start()
    found = [item.raw for item in SourceReader([str(tmp_path)], memory=Notes()) if isinstance(item, LogLine)]
    timer.join()
    assert found[-1] == b'{"b": 2}'


def test_a_line_over_the_tail_that_is_looked_at_counts_as_cut_short() -> None:
    trail = module.Trail("a")
    trail.add(b'{"a": "' + b"x" * (2 * 1024 * 1024))
    assert trail.is_cut_short
    trail.add(b'"}\n')
    assert not trail.is_cut_short


# ----------------------------------------------------------------------------------------------- files that lie still

LOG = b'{"n": 1}\n{"n": 2}\n'
FORMS = (
    LOG,
    LOG + b'{"n": 3}',
    LOG + b'{"cut',
    b'[{"a": 1},\n {"b": 2}]',
    gzip.compress(LOG, mtime=0),
    zstd.compress(LOG),
)
_TICK_S = 0.02
"""More than the clock takes that a file system reads: a second change has another time."""


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files lie still at once, and not after a minute: a test cannot set the time of a change."""
    monkeypatch.setattr(files, "_STILL_S", 0.0)


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def no_blocks(*_words: object, **_options: object) -> None:
        pytest.fail("a file was read that is as it was")

    return lambda: monkeypatch.setattr(files, "read_blocks", no_blocks)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("content", FORMS)
def test_a_file_in_the_state_that_it_was_read_in_is_not_read(
    tmp_path: Path, content: bytes, unread: Callable[[], None]
) -> None:
    path, notes = tmp_path / "log", Notes()
    path.write_bytes(content)
    read(path, notes)
    assert notes.places[-1].file_state is not None
    unread()
    reader = SourceReader([str(path)], memory=notes)
    (known,) = [item for item in reader if isinstance(item, AlreadyRead)]
    assert known.committed.offset == notes.places[-1].offset
    assert (reader.bytes_read, reader.raw_bytes_read) == (0, len(content)), "the bar goes on by all of it"


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("content", FORMS)
def test_a_file_whose_state_was_not_known_has_it_noted_once_it_was_verified(
    tmp_path: Path, content: bytes, unread: Callable[[], None]
) -> None:
    path, notes = tmp_path / "log", Notes()
    path.write_bytes(content)
    read(path, notes)
    before = notes.places = [replace(place, file_state=None) for place in notes.places]
    assert read(path, notes)[0] == before[-1].offset
    assert notes.places[-1] == replace(before[-1], file_state=notes.places[-1].file_state)
    unread()
    assert read(path, notes) == (before[-1].offset, [])


@pytest.mark.usefixtures("still")
def test_a_file_at_rest_is_not_gone_on_from_behind_a_line_that_tells_what_the_next_one_is(tmp_path: Path) -> None:
    path, notes = tmp_path / "log", Notes()
    begun = b'{"a": 1}\n' * 5 + b"03:01 - LiteLLM:DEBUG: utils.py:311 - RAW RESPONSE:\n"
    path.write_bytes(begun)
    read(path, notes)
    assert read(path, notes) == (len(begun), []), "as long as it is left alone it is known"
    path.write_bytes(begun + b'{"noise": 1}\n{"b": 2}\n')
    skipped, found = read(path, notes)
    assert (skipped, found) == (0, whole(path))


def test_a_file_that_was_touched_within_a_minute_has_no_state(tmp_path: Path) -> None:
    path, notes = tmp_path / "log", Notes()
    path.write_bytes(LOG)
    os.utime(path, (0, 0))
    for _ in range(2):
        read(path, notes)
    assert {place.file_state for place in notes.places} == {None}


@pytest.mark.usefixtures("still")
def test_a_file_that_changes_while_it_is_read_has_no_state(tmp_path: Path) -> None:
    path, notes = tmp_path / "log", Notes()
    path.write_bytes(LOG * 2000)
    changed = False
    for item in SourceReader([str(path)], memory=notes, _block_size=4096):
        if isinstance(item, LogLine) and not changed:
            changed = True
            time.sleep(_TICK_S)
            path.write_bytes(LOG * 2000)  # the very same, and not known to be
        if isinstance(item, Reached):
            notes.places.append(item)
    assert changed
    assert notes.places[-1].offset == len(LOG) * 2000
    assert {place.file_state for place in notes.places} == {None}


@pytest.mark.usefixtures("still")
def test_what_is_written_through_memory_into_a_file_with_room_is_read(tmp_path: Path) -> None:
    path, notes = tmp_path / "log", Notes()
    with path.open("wb+") as file:
        file.truncate(4096)
        with mmap.mmap(file.fileno(), 4096) as memory:
            memory[: len(LOG)] = LOG
            time.sleep(_TICK_S)
            for _ in range(2):
                read(path, notes)
            before = path.stat()
            memory[len(LOG) : 2 * len(LOG)] = LOG
            assert (path.stat().st_ctime_ns, path.stat().st_size) == (before.st_ctime_ns, 4096), "the fault has fired"
    assert len(read(path, notes)[1]) == 2


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("change_ns", "is_known"), [(0, False), (1, True), (10_000_000, False), (10_000_001, True)])
def test_a_file_whose_time_of_change_is_coarse_has_no_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change_ns: int, is_known: bool
) -> None:
    path = tmp_path / "log"
    path.write_bytes(LOG)
    found = path.stat()
    said = {"st_mtime_ns": 0, "st_ctime": 1.7e9, "st_ctime_ns": 1_700_000_000 * 1_000_000_000 + change_ns}
    monkeypatch.setattr(os, "fstat", lambda _descriptor: os.stat_result(tuple(found), said))
    assert (files.state_of(0, str(path)) is not None) is is_known


@pytest.mark.usefixtures("still")
def test_a_file_in_a_folder_that_is_gone_has_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    with Path("log").open("wb") as file:
        shutil.rmtree(tmp_path / "gone")
        time.sleep(_TICK_S)
        assert files.state_of(file.fileno(), "log") is None


@pytest.mark.usefixtures("still")
def test_a_file_with_damage_is_read_again_each_time(tmp_path: Path) -> None:
    path, notes = tmp_path / "log", Notes()
    path.write_bytes(gzip.compress(LOG)[:-3])
    for _ in range(3):
        assert read(path, notes)[1][-1] == "source-damaged"


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(max(0, path.stat().st_size // 2))
        file.write(b"7")


def replaced(path: Path) -> None:
    content, before = path.read_bytes(), path.stat()
    path.unlink()
    path.write_bytes(content.replace(b"1", b"8"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rewrite_in_secret(path: Path) -> None:
    """As `touch -r` does: the time of the writing is what it was, and so is the size."""
    before = path.stat()
    rewrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def renamed(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    other.rename(path)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"n": 4}\n')


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def leave(_path: Path) -> None:
    pass


@given(
    content=st.sampled_from([LOG, LOG * 30, LOG + b'{"n": 3}', b'[{"a": 1},\n {"b": 2}]']),
    changes=st.lists(
        st.sampled_from([rewrite, rewrite_in_secret, replaced, renamed, append, truncate, leave]), max_size=4
    ),
)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("still")
def test_whoever_changes_a_file_has_it_read(
    tmp_path: Path, content: bytes, changes: list[Callable[[Path], None]]
) -> None:
    path, notes = tmp_path / "log", Notes()
    path.write_bytes(content)
    for change in changes:
        time.sleep(_TICK_S)
        read(path, notes)
        change(path)
    known = Notes([replace(place, file_state=None) for place in notes.places])
    assert read(path, notes) == read(path, known), "what is known by its state is what is known by its bytes"
