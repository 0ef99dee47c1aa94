"""Memory that two processes share: the same bytes on both sides, within its bounds, and nothing left behind."""

import mmap
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.pipeline.buffers import BUFFER_BYTES, SharedBuffer

SIZE = 100


@given(st.lists(st.binary(max_size=60)))
def test_what_was_put_is_taken_and_what_has_no_room_is_refused(pieces: list[bytes]) -> None:
    with closing(SharedBuffer(SIZE)) as buffer:
        free, placed = SIZE, []
        for piece in pieces:
            place = buffer.put(piece)
            assert (place is None) == (len(piece) > free)
            if place is not None:
                free -= len(piece)
                placed.append((place, piece))
        assert [buffer.take(place, len(piece)) for place, piece in placed] == [piece for _, piece in placed]
        buffer.clear()
        assert buffer.put(b"x" * SIZE) == 0


ANSWER = """
import sys
from posthog_llm_cli.pipeline.buffers import BUFFER_BYTES, SharedBuffer
buffer = SharedBuffer.of(int(sys.argv[1]))
said = buffer.take(*map(int, sys.argv[2:]))
buffer.clear()
print(buffer.put(said[::-1]))
"""


@pytest.mark.parametrize("has_memory_files", [True, False])
def test_another_process_sees_the_same_memory(has_memory_files: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_memory_files:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    with closing(SharedBuffer(SIZE)) as buffer:
        assert buffer.put(b"said before") == 0
        place = buffer.put(b"what was asked")
        command = [sys.executable, "-c", ANSWER, str(buffer.fileno()), str(place), "14"]
        told = subprocess.run(command, pass_fds=[buffer.fileno()], capture_output=True, text=True, check=True)
        assert buffer.take(int(told.stdout), 14) == b"deksa saw tahw"


def test_without_memory_files_the_disk_is_filled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that are only promised are missed when the memory is written to, as a signal that kills."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with closing(SharedBuffer()) as buffer:
        assert os.fstat(buffer.fileno()).st_blocks * 512 >= BUFFER_BYTES


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc")
def test_nothing_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    before = descriptors()
    SharedBuffer(SIZE).close()
    assert descriptors() == before
    refused = []

    def refuse(descriptor: int, _size: int) -> None:
        refused.append(descriptor)
        raise OSError("no memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(OSError, match="no memory"):
        SharedBuffer(SIZE)
    assert refused
    assert descriptors() == before
