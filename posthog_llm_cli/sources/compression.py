"""Compressed bytes → the bytes that were compressed, in bounded steps.

What a source is, its first bytes say and not its name. Several members (gzip) or frames (zstd) are one stream, padding
with NULs is accepted, and compression within compression is undone up to `MAX_LAYERS`. No step gives more than
`STEP` bytes, whatever the ratio, so that a decompression bomb fills no memory; the ceiling for a record stops it.

In all streams of blocks here an empty block means that nothing came for a while (`model.Idle`).
"""

import codecs
import zlib
from collections.abc import Generator, Iterator
from typing import Protocol

from posthog_llm_cli.errors import SourceError

MAX_LAYERS = 3
STEP = 256 * 1024
"""Bytes that one step may give: over zstd's largest block (128 KiB, RFC 8878)."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = tuple(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60))
_MAGICS = (_GZIP, _ZSTD, *_ZSTD_SKIPPABLE)
_LONGEST_MAGIC = 4
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_BEGINNINGS = (*_MAGICS, *_UTF16)
_GZIP_INPUT = 64 * 1024

_RESERVED_BLOCK, _RLE_BLOCK = 3, 1

Blocks = Generator[bytes, None, None]


class Damaged(Exception):
    """The compressed data is broken here; what came before has been given."""


class Member(Protocol):
    """One gzip member or zstd frame: takes compressed bytes, gives plain ones, knows its end."""

    rest: bytes | None
    """What follows the member's end in the bytes it was given; None before its end."""

    def push(self, data: bytes) -> Iterator[bytes]:
        """Decompress. Raises Damaged after having given all that came before the damage."""


def plain(blocks: Blocks, uri: str) -> Blocks:
    """The text of a source as UTF-8: decompressed where it is compressed, from UTF-16 where it says so.

    Raises SourceError `source-damaged` at the place of the damage, after all that came before it.
    """
    return _opened(blocks, uri, layers=MAX_LAYERS)


def _opened(blocks: Blocks, uri: str, *, layers: int) -> Blocks:
    head = yield from _head(blocks, _LONGEST_MAGIC, _BEGINNINGS)
    if layers and head.startswith(_MAGICS):
        yield from _opened(_decompressed(head, blocks, uri), uri, layers=layers - 1)
    elif (encoding := _UTF16.get(head[:2])) is not None:
        yield from _utf8(head, blocks, encoding)
    else:
        if head:
            yield head
        yield from blocks


def _decompressed(head: bytes, blocks: Blocks, uri: str) -> Blocks:
    try:
        yield from _members(head, blocks)
    except Damaged as damage:
        raise SourceError(
            "source-damaged",
            uri,
            f"expected whole compressed data and found {damage}; what came before is read",
            hint="fetch or write the file again",
        ) from None
    except ImportError:
        raise SourceError(
            "source-unreadable",
            uri,
            "expected a Python that reads zstd and found one that was built without it",
            hint="zstd -dc FILE | plh send -",
        ) from None


def _head(blocks: Blocks, size: int, beginnings: tuple[bytes, ...]) -> Generator[bytes, None, bytes]:
    """Read until the first bytes tell whether they are one of `beginnings`."""
    head = b""
    for block in blocks:
        if not block:
            yield b""
        head += block
        if head and not (len(head) < size and any(start.startswith(head) for start in beginnings)):
            break
    return head


def _members(head: bytes, blocks: Blocks) -> Blocks:
    waiting = head
    member: Member | None = None
    while True:
        while waiting:
            if member is None:
                member, waiting = _next_member(waiting)
                if member is None:
                    break
            yield from member.push(waiting)
            waiting = b"" if member.rest is None else member.rest
            member = member if member.rest is None else None
        block = next(blocks, None)
        if block is None:
            break
        if not block:
            yield b""
        waiting += block
    if member is not None:
        raise Damaged("its end missing")
    if waiting:
        raise Damaged("other bytes behind it")


def _next_member(waiting: bytes) -> tuple[Member | None, bytes]:
    """The member that begins here, behind padding; None while too few bytes have come."""
    waiting = waiting.lstrip(b"\0")
    if waiting.startswith(_GZIP):
        return _GzipMember(), waiting
    if waiting.startswith((_ZSTD, *_ZSTD_SKIPPABLE)):
        return _ZstdFrame(), waiting
    if any(magic.startswith(waiting) for magic in _MAGICS):
        return None, waiting
    raise Damaged("other bytes behind it")


class _GzipMember:
    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self.rest: bytes | None = None

    def push(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _GZIP_INPUT):
            yield from self._push(data[start : start + _GZIP_INPUT])
            if self._inflate.eof:
                self.rest = self._inflate.unused_data + data[start + _GZIP_INPUT :]
                return

    def _push(self, data: bytes) -> Iterator[bytes]:
        while True:
            # zlib gives nothing of a call in which it meets damage: the copy is asked again, byte by byte.
            before = self._inflate.copy()
            try:
                out = self._inflate.decompress(data, STEP)
            except zlib.error:
                yield from _until_damage(before, data)
                raise Damaged("damage") from None
            if out:
                yield out
            data = self._inflate.unconsumed_tail
            if self._inflate.eof or (not data and len(out) < STEP):
                return


def _until_damage(inflate: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
    for position in range(len(data)):
        try:
            out = inflate.decompress(data[position : position + 1])
        except zlib.error:
            return
        if out:
            yield out


class _ZstdFrame:
    """Hands zstd one block of the frame at a time, for a call cannot be told how much it may give.

    A block gives at most 128 KiB. The layout of frames and blocks is RFC 8878, 3.1.
    """

    def __init__(self) -> None:
        from posthog_llm_cli import zstd  # noqa: PLC0415 - few logs are compressed so, and not every Python has it

        self._expand = zstd.new_frame()
        self._error = zstd.FrameError
        self._held = bytearray()
        self._skip = 0  # bytes left of a skippable frame
        self._has_checksum = False
        self._started = False
        self._last = False
        self.rest: bytes | None = None

    def push(self, data: bytes) -> Iterator[bytes]:
        self._held += data
        while self.rest is None:
            size = self._unit()
            if size is None or len(self._held) < size:
                return
            unit = bytes(self._held[:size])
            del self._held[:size]
            yield from self._take(unit)

    def _unit(self) -> int | None:
        """Bytes of the next part: the frame's header, a block, the checksum; None while that is not known."""
        held = self._held
        if not self._started:
            return self._header_size()
        if self._last:
            return 4
        if self._skip:
            return min(self._skip, max(len(held), 1))
        if len(held) < 3:
            return None
        header = int.from_bytes(held[:3], "little")
        kind, size = header >> 1 & 3, header >> 3
        if kind == _RESERVED_BLOCK or size > STEP:
            raise Damaged("damage")
        return 3 + (1 if kind == _RLE_BLOCK else size)

    def _header_size(self) -> int | None:
        held = self._held
        if held[:4] in _ZSTD_SKIPPABLE:
            return 8
        if len(held) < 5:
            return None
        descriptor = held[4]
        single_segment = descriptor >> 5 & 1
        self._has_checksum = bool(descriptor >> 2 & 1)
        dictionary_id = (0, 1, 2, 4)[descriptor & 3]
        content_size = (single_segment, 2, 4, 8)[descriptor >> 6]
        return 5 + (1 - single_segment) + dictionary_id + content_size

    def _take(self, unit: bytes) -> Iterator[bytes]:
        if self._skip:
            self._skip -= len(unit)
            self._end(reached=self._skip == 0)
            return
        if not self._started:
            self._started = True
            if unit.startswith(_ZSTD_SKIPPABLE):
                self._skip = int.from_bytes(unit[4:8], "little")
                self._end(reached=self._skip == 0)
                return
        elif self._last:
            self._end(reached=True)
        else:
            self._last = bool(unit[0] & 1)
        try:
            out = self._expand.decompress(unit)
        except self._error:
            raise Damaged("damage") from None
        self._end(reached=self._last and not self._has_checksum)
        if out:
            yield out

    def _end(self, *, reached: bool) -> None:
        if reached and self.rest is None:
            self.rest = bytes(self._held)


def _utf8(head: bytes, blocks: Blocks, encoding: str) -> Blocks:
    """Text that starts with UTF-16's byte order mark as UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    yield from _encoded(decoder.decode(head[2:]))
    for block in blocks:
        if not block:
            yield b""
        yield from _encoded(decoder.decode(block))
    yield from _encoded(decoder.decode(b"", final=True))


def _encoded(text: str) -> Iterator[bytes]:
    if text:
        yield text.encode()
