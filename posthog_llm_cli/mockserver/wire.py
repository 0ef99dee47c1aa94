"""A request's body off the socket: by Content-Length or in chunks, and never more than a bound in memory."""

import re
from collections.abc import Mapping
from typing import Protocol

from posthog_llm_cli.mockserver.answers import Refusal
from posthog_llm_cli.mockserver.body import MAX_SENT_BYTES

MAX_DRAINED_BYTES = 4 * MAX_SENT_BYTES
"""A body that is too long is read and forgotten up to here, so that its sender gets to read the answer."""

_PIECE = 64 * 1024
_MAX_LINE = 8 * 1024
_MAX_TRAILERS = 100
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


class Stream(Protocol):
    """The reading side of a connection."""

    def read(self, size: int, /) -> bytes:
        """Read until `size` bytes are there, or the stream ends."""
        ...

    def readline(self, size: int, /) -> bytes:
        """Read to the end of the line, at most `size` bytes."""
        ...


class BrokenRequest(Exception):
    """The request's end cannot be found: `refusal` is to be answered and the connection closed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def read_body(stream: Stream, headers: Mapping[str, str]) -> bytes | None:
    """Return the body (empty where there is none), or None where it was over 20 MiB and has been read past.

    Raises:
        BrokenRequest: unreadable or contradicting lengths, a body cut off, or one far too long.
        TimeoutError: the client stopped in the middle.
    """
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if length is not None or coding.strip().lower() != "chunked":
            raise _broken("expected either Content-Length or Transfer-Encoding: chunked")
        return _read_chunked(stream)
    if length is None:
        return b""
    if not _LENGTH.fullmatch(length.strip()):
        raise _broken("expected Content-Length to be a number")
    return _read_sized(stream, int(length))


def _read_sized(stream: Stream, length: int) -> bytes | None:
    if length > MAX_DRAINED_BYTES:
        raise _far_too_long()
    if length <= MAX_SENT_BYTES:
        return _read_exactly(stream, length)
    _drain(stream, length)
    return None


def _read_chunked(stream: Stream) -> bytes | None:
    pieces: list[bytes] = []
    total = 0
    while True:
        line = stream.readline(_MAX_LINE)
        size_text = line.partition(b";")[0].strip()
        if not line.endswith(b"\n") or not _CHUNK_SIZE.fullmatch(size_text):
            raise _broken("expected the size of a chunk")
        size = int(size_text, 16)
        if size == 0:
            break
        total += size
        if total > MAX_DRAINED_BYTES:
            raise _far_too_long()
        if total > MAX_SENT_BYTES:
            pieces.clear()
            _drain(stream, size)
        else:
            pieces.append(_read_exactly(stream, size))
        if stream.readline(_MAX_LINE).strip():
            raise _broken("expected the end of a chunk")
    _skip_trailers(stream)
    return None if total > MAX_SENT_BYTES else b"".join(pieces)


def _skip_trailers(stream: Stream) -> None:
    for _ in range(_MAX_TRAILERS):
        if not stream.readline(_MAX_LINE).strip():
            return
    raise _broken("expected the end of the chunks")


def _read_exactly(stream: Stream, size: int) -> bytes:
    body = stream.read(size)
    if len(body) < size:
        raise _broken(f"expected a body of {size} bytes and found {len(body)}")
    return body


def _drain(stream: Stream, size: int) -> None:
    while size > 0:
        piece = stream.read(min(size, _PIECE))
        if not piece:
            raise _broken("expected the rest of the body")
        size -= len(piece)


def _broken(text: str) -> BrokenRequest:
    return BrokenRequest(Refusal(400, "request_decoding_error", text))


def _far_too_long() -> BrokenRequest:
    return BrokenRequest(too_long())


def too_long() -> Refusal:
    """Return the refusal of a body over 20 MiB."""
    return Refusal(
        413, "payload_too_large", f"expected a body of at most {MAX_SENT_BYTES} bytes and found a longer one"
    )
