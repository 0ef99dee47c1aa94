"""Blocks hold what they are given, under the numbers that they were given it in, and never more than there is room for."""

import base64
import zlib
from random import Random

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.page.blocks import BLOCK_BYTES, Block, fitting
from tests.laws import examples

VALUES = st.lists(
    st.one_of(
        st.none(),
        st.text(max_size=40),
        st.integers(1, 2 * BLOCK_BYTES).map(lambda size: "long" * (size // 4)),
        st.integers(0, 99).map(lambda seed: base64.b64encode(Random(seed).randbytes(40_000)).decode()),
    ),
    max_size=12,
)


def opened(block: Block) -> list[object]:
    values = orjson.loads(zlib.decompress(base64.b64decode(block.encoded)))
    assert len(values) == block.count
    assert sum(value is None for value in values) == block.lacking
    return list(values)


def encoded(values: list[str | None]) -> list[bytes | None]:
    return [None if value is None else orjson.dumps(value) for value in values]


@given(VALUES)
@settings(max_examples=examples(30))
def test_with_room_every_value_is_found_under_its_number(values: list[str | None]) -> None:
    found = {
        block.first + at: value for block in fitting(encoded(values), 10**9) for at, value in enumerate(opened(block))
    }
    assert {number: value for number, value in found.items() if value is not None} == {
        number: value for number, value in enumerate(values) if value is not None
    }


@given(VALUES, st.integers(0, 120_000))
@settings(max_examples=examples(30))
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
    large = orjson.dumps(base64.b64encode(Random(1).randbytes(100_000)).decode())
    blocks = list(fitting([b'"before"', large, b'"after"'], 400))
    assert [opened(block) for block in blocks] == [["before"], ["after"]]


def test_the_rest_is_not_looked_at_once_nothing_fits() -> None:
    large = orjson.dumps(base64.b64encode(Random(1).randbytes(100_000)).decode())
    values = iter([large] * 40)
    assert list(fitting(values, 10)) == []
    assert len(list(values)) > 20
