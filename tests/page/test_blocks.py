"""Blocks hold what they are given, under the numbers that they were given it in, and never more than there is room for."""

import base64
import hashlib
import zlib

import orjson
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.page.blocks import BLOCK_BYTES, Block, fitting

VALUES = st.lists(
    st.one_of(
        st.none(),
        st.text(max_size=40),
        st.integers(1, 3 * BLOCK_BYTES).map(lambda size: "long" * (size // 4)),
        st.binary(min_size=40_000, max_size=40_000).map(lambda noise: base64.b64encode(noise).decode()),
    ),
    max_size=30,
)


def opened(block: Block) -> list[object]:
    values = orjson.loads(zlib.decompress(base64.b64decode(block.encoded)))
    assert len(values) == block.count
    assert sum(value is None for value in values) == block.lacking
    return list(values)


def encoded(values: list[str | None]) -> list[bytes | None]:
    return [None if value is None else orjson.dumps(value) for value in values]


@given(VALUES)
def test_with_room_every_value_is_found_under_its_number(values: list[str | None]) -> None:
    found = {
        block.first + at: value for block in fitting(encoded(values), 10**9) for at, value in enumerate(opened(block))
    }
    assert {number: value for number, value in found.items() if value is not None} == {
        number: value for number, value in enumerate(values) if value is not None
    }


@given(VALUES, st.integers(0, 120_000))
def test_what_does_not_fit_is_left_away_and_moves_no_other(values: list[str | None], room: int) -> None:
    blocks = list(fitting(encoded(values), room))
    assert sum(len(block.encoded) for block in blocks) <= room
    for block in blocks:
        assert any(value is not None for value in opened(block))
        for at, value in enumerate(opened(block)):
            assert value == values[block.first + at]
    ends = [block.first + block.count for block in blocks]
    assert all(end <= following.first for end, following in zip(ends, blocks[1:], strict=False))


def test_a_value_of_a_block_s_size_does_not_keep_its_neighbours_out() -> None:
    noise = base64.b64encode(bytes(range(256)) * 2000)
    large = orjson.dumps(hash_like(noise))
    blocks = list(fitting([b'"before"', large, b'"after"'], 400))
    assert [opened(block) for block in blocks] == [["before"], ["after"]]


def hash_like(noise: bytes) -> str:
    """Text that does not deflate to little."""
    return "".join(hashlib.sha256(noise[at : at + 8]).hexdigest() for at in range(0, 40_000, 8))


def test_the_rest_is_not_looked_at_once_nothing_fits() -> None:
    large = orjson.dumps(hash_like(bytes(80_000)))
    values = iter([large] * 40)
    assert list(fitting(values, 10)) == []
    assert len(list(values)) > 20
