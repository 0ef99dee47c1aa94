"""Blocks: JSON values that are compressed together and opened by the page when one of them is looked at. Pure.

A block is a JSON array; its values are numbered through all blocks of a kind, and the page finds a value by the number
of the first one in each block. The page decodes base64 and inflates (`DecompressionStream`, RFC 1950).
"""

import base64
import zlib
from collections.abc import Iterable, Iterator
from typing import ClassVar

from posthog_llm_cli.values import Value

BLOCK_BYTES = 128 * 1024
"""A block is closed when it holds this much: large enough to compress well, small enough to open at once."""

_BLOCK_VALUES = 4096
_LEVEL = 6
_PATIENCE = 8


class Block(Value, frozen=True):
    """`count` JSON values from number `first` on, as base64 of the deflated array; `lacking` of them are null."""

    hidden: ClassVar = frozenset({"encoded"})

    first: int
    count: int
    encoded: bytes
    lacking: int = 0


def encode(value: bytes) -> bytes:
    """Return JSON as the page reads it."""
    return base64.b64encode(zlib.compress(value, _LEVEL))


def fitting(values: Iterable[bytes | None], room: int) -> Iterator[Block]:
    """Put JSON values together as long as `room` bytes take them; None is a value that is not to be had.

    What does not fit is null in its block, so that its neighbours keep their numbers, and a block of nulls alone is
    left away. Once several blocks in a row did not fit, the rest is not looked at.
    """
    first = refused = 0
    for held in _groups(values):
        block = _block(first, held)
        if len(block.encoded) > room:
            refused += 1
        elif block.lacking < block.count:
            refused = 0
            room -= len(block.encoded)
            yield block
        if refused == _PATIENCE:
            return
        first += len(held)


def _groups(values: Iterable[bytes | None]) -> Iterator[list[bytes | None]]:
    """Cut values into runs of about a block's size; a value that is as large stands alone."""
    held: list[bytes | None] = []
    size = 0
    for value in values:
        length = 0 if value is None else len(value)
        if held and (size + length > BLOCK_BYTES or len(held) == _BLOCK_VALUES):
            yield held
            held, size = [], 0
        held.append(value)
        size += length
    if held:
        yield held


def _block(first: int, values: list[bytes | None]) -> Block:
    lacking = sum(value is None for value in values)
    joined = b",".join(b"null" if value is None else value for value in values)
    return Block(first, len(values), encode(b"[" + joined + b"]"), lacking)
