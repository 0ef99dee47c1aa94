"""Reading on gives what reading all of it would give, from a place on that is verified."""

import gzip
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posthog_llm_cli.committed import AlreadyRead, Committed, Reached, head_digest, head_digests
from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.model import LogLine
from posthog_llm_cli.sources import SourceReader
from posthog_llm_cli.sources import resuming as module
from tests.laws import examples

PIECES = (
    b'{"a": 1}\n', b'{"b": "two"}\n', b"\n", b"text\n", b'{"c": 3}\r\n', b'{"cut": \n', b"  \0\n", b"null\n", b"[1]\n",
    b'{"message": "m", "level": "l", "timestamp": "t", "component": "c"}\n', b"{\n", b'  "d": 4\n', b"}\n",
    b'{"long": "' + b"x" * 3000 + b'"}\n',
)  # fmt: skip


@dataclass
class Notes:
    """A memory over the places that readings have reached."""

    places: list[Reached] = field(default_factory=list)
    claimed: list[int] = field(default_factory=list)

    def committed(self, head: bytes) -> Sequence[Committed]:
        keys = head_digests(head)
        return [
            Committed(at, place.offset, place.digest, place.lines, 0, 0, place.console, place.is_whole)
            for at, place in enumerate(self.places)
            if head_digest(place) in keys
        ]

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
    packed=st.sampled_from([lambda raw: raw, gzip.compress, zstandard.compress]),
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


def test_a_line_over_the_tail_that_is_looked_at_counts_as_cut_short() -> None:
    trail = module.Trail("a")
    trail.add(b'{"a": "' + b"x" * (2 * 1024 * 1024))
    assert trail.is_cut_short
    trail.add(b'"}\n')
    assert not trail.is_cut_short
