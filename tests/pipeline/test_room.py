"""Memory that two processes share: the same bytes on both sides, within its bounds, and nothing left behind."""

import mmap
import multiprocessing
import os
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.pipeline.room import Room

SIZE = 100


@given(st.lists(st.binary(max_size=60)))
def test_what_was_put_is_taken_and_what_has_no_room_is_refused(pieces: list[bytes]) -> None:
    with closing(Room(SIZE)) as room:
        free, placed = SIZE, []
        for piece in pieces:
            place = room.put(piece)
            assert (place is None) == (len(piece) > free)
            if place is not None:
                free -= len(piece)
                placed.append((place, piece))
        assert [room.take(place, len(piece)) for place, piece in placed] == [piece for _, piece in placed]
        room.clear()
        assert room.put(b"x" * SIZE) == 0


def answer(connection: "Connection[Any, Any]", room: Room) -> None:
    """What another process does with it."""
    place, size = connection.recv()
    said = room.take(place, size)
    room.clear()
    connection.send(room.put(said[::-1]))


@pytest.mark.parametrize("has_memory_files", [True, False])
def test_another_process_sees_the_same_memory(has_memory_files: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_memory_files:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with closing(Room(SIZE)) as room, ours, theirs:
        process = context.Process(target=answer, args=(theirs, room))
        process.start()
        ours.send((room.put(b"what was asked"), 14))
        place = ours.recv()
        process.join()
        assert room.take(place, 14) == b"deksa saw tahw"


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc")
def test_nothing_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    before = descriptors()
    Room(SIZE).close()
    assert descriptors() == before
    refused = []

    def refuse(descriptor: int, _size: int) -> None:
        refused.append(descriptor)
        raise OSError("no memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(OSError, match="no memory"):
        Room(SIZE)
    assert refused
    assert descriptors() == before
