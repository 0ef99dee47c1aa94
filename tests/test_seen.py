"""`SeenIds` is a set, wherever it keeps its entries."""

import resource
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli import seen as seen_module
from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.model import Destination
from posthog_llm_cli.seen import SeenIds

HERE = Destination("https://a.example", "phc_aaaaaaaa")
THERE = Destination("https://a.example", "phc_bbbbbbbb")


def numbered(number: int) -> str:
    return str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))


@given(
    st.lists(st.tuples(st.sampled_from([HERE, THERE]), st.integers(0, 30)), max_size=120),
    st.sampled_from([0, 1, 5, 1000]),
)
def test_it_agrees_with_a_plain_set_before_and_after_it_spills(
    adds: list[tuple[Destination, int]], memory_entries: int
) -> None:
    plain: set[tuple[Destination, int]] = set()
    with SeenIds(memory_entries=memory_entries) as seen:
        for destination, number in adds:
            assert seen.add(destination, numbered(number)) is ((destination, number) not in plain)
            plain.add((destination, number))


def test_the_spelling_of_a_uuid_does_not_matter() -> None:
    with SeenIds() as seen:
        assert seen.add(HERE, "0190A3B4-0000-7000-8000-00000000000F")
        assert not seen.add(HERE, "0190a3b4000070008000" + "00000000000f")


def test_it_remembers_more_than_it_holds_in_memory(tmp_path: Path) -> None:
    with SeenIds(memory_entries=1_000, directory=tmp_path) as seen:
        assert all(seen.add(HERE, numbered(number)) for number in range(20_000))
        assert len(seen._keys) <= 1_000, "all but the last moved to the file"
        assert not any(seen.add(HERE, numbered(number)) for number in range(0, 20_000, 7))


def test_the_file_leaves_no_trace_even_while_it_is_open(tmp_path: Path) -> None:
    with SeenIds(memory_entries=1, directory=tmp_path) as seen:
        for number in range(1_000):
            seen.add(HERE, numbered(number))
        assert seen._file is not None, "it must have spilled"
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_names_the_variable_to_set(tmp_path: Path) -> None:
    with SeenIds(memory_entries=1, directory=tmp_path / "missing") as seen:
        seen.add(HERE, numbered(1))
        with pytest.raises(ConfigError) as caught:
            seen.add(HERE, numbered(2))
    assert caught.value.hint is not None
    assert "TMPDIR" in caught.value.hint


def fill(seen: SeenIds, met: list[int]) -> None:
    for number in range(1_000_000):
        seen.add(HERE, numbered(number))
        met.append(number)


def test_a_disk_without_room_names_the_variable_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_module, "_CACHE_KIB", 64)  # or the file is written to only after 4 MiB
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    met: list[int] = []
    with SeenIds(memory_entries=1, directory=tmp_path) as seen:
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
        try:
            with pytest.raises(ConfigError, match="temporary file") as caught:
                fill(seen, met)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(met) > 1_000, "the fault is the full disk, not the opening"
    assert caught.value.hint is not None
    assert "TMPDIR" in caught.value.hint


def test_uuids_that_end_alike_are_told_apart() -> None:
    """As no version of them does, but a log may name any: the filter knows all of them, and the file decides."""
    alike = [f"{number:08x}-0000-4000-8000-0000{0:08x}" for number in range(300)]
    with SeenIds(memory_entries=10) as seen:
        assert [seen.add(HERE, one) for one in alike] == [True] * 300
        assert [seen.add(HERE, one) for one in alike] == [False] * 300
