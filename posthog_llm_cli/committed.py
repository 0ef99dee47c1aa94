"""How far a source was read: the values that reading, the pipeline and the ledger have in common.

Offsets are bytes of the decompressed stream, so a log and its compressed copy are one source. A digest is XXH3, of 128
bits, over everything before the offset: not the head alone, for a log that was rewritten in its middle must be read
again.
"""

import hashlib
from typing import ClassVar

from posthog_llm_cli.values import Value

HEAD_BYTES = 1024
"""Bytes from which a source is looked up; what is found is then verified to its last byte."""

DIGEST_BYTES = 16
_HEAD_DIGEST_BYTES = 8


class Reached(Value, frozen=True):
    """A place in a source: every record that begins before `offset` was read, and `lines` line breaks.

    Without `is_whole` it stands behind a line break of a source of physical lines (`console` as framing knows it by
    then): reading may go on there once more has come. With it, the source ends there, and lay as it liked.
    `file_state` stands for a file that ends there and was left alone while it was read, as its system describes it.
    """

    hidden: ClassVar = frozenset({"head"})

    uri: str
    head: bytes
    offset: int
    digest: bytes
    lines: int
    console: bool = False
    is_whole: bool = False
    file_state: bytes | None = None


class Committed(Value, frozen=True):
    """A part of a source, from its first byte, of which every record is settled; `number` is its row in the ledger.

    `calls` counts the `records` that are events, and no duplicates.
    """

    number: int
    offset: int
    digest: bytes
    lines: int
    records: int
    calls: int
    console: bool = False
    is_whole: bool = False


class SourceStart(Value, frozen=True):
    """A source that may be committed begins."""

    uri: str


class AlreadyRead(Value, frozen=True):
    """What is not read again of the source that has just begun."""

    uri: str
    committed: Committed


class Commit(Value, frozen=True):
    """What the ledger is to note down: all `records` before `reached` are settled."""

    reached: Reached
    records: int
    calls: int


def head_digests(head: bytes) -> list[bytes]:
    """Return what a source that begins with `head` may be known under, the longest part of it first."""
    sizes = [HEAD_BYTES >> shift for shift in range(HEAD_BYTES.bit_length())]
    return [_head_digest(head[:size]) for size in sizes if size <= len(head)]


def head_digest(reached: Reached) -> bytes:
    """Return what the part before this place is looked up by: a power of two of its bytes, 1024 at most."""
    most = min(len(reached.head), reached.offset, HEAD_BYTES)
    return _head_digest(reached.head[: 1 << most.bit_length() - 1]) if most else b""


def _head_digest(head: bytes) -> bytes:
    return hashlib.sha256(b"plh head %d\0" % len(head) + head).digest()[:_HEAD_DIGEST_BYTES]
