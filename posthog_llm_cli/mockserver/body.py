"""A request's bytes → one JSON value, as strict as PostHog's capture (serde_json) and bounded in memory. Pure.

Facts from posthog-ingestion.md, sections 2 and 3.1: 20 MiB as sent, five times that after decompression, no `NaN`, no
byte order mark, no invalid UTF-8, no trailing text, at most 127 levels.
"""

import re
import zlib

import orjson

from posthog_llm_cli.mockserver.answers import Refusal
from posthog_llm_cli.model import Json

MAX_SENT_BYTES = 20 * 1024 * 1024
MAX_BODY_BYTES = 5 * MAX_SENT_BYTES
MAX_LEVELS = 127

GZIP_MAGIC = b"\x1f\x8b\x08"

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ROUND_TO_SQUARE = bytes.maketrans(b"{}", b"[]")

_GZIP_WINDOW = 31
_ZLIB_WINDOW = 15
_ZSTD_PIECE = 1024


def decompress(sent: bytes, encoding: str) -> bytes:
    """Return the body of a request by its encoding (`gzip`, `deflate`, `zstd`, or empty for none).

    Raises:
        Refusal: 400 where the bytes are not what the encoding says or are cut off, 413 where they unpack to too much,
            415 for an encoding that is unknown here (`br`, which PostHog reads, is one of them).
    """
    match encoding:
        case "" | "identity":
            return sent
        case "gzip":
            return _inflate(sent, _GZIP_WINDOW, encoding)
        case "deflate":
            return _inflate(sent, _ZLIB_WINDOW, encoding)
        case "zstd":
            return _unzstd(sent)
        case _:
            raise Refusal(415, "unsupported_encoding", "expected Content-Encoding gzip, deflate or zstd")


def _inflate(sent: bytes, window: int, encoding: str) -> bytes:
    unpacker = zlib.decompressobj(window)
    try:
        body = unpacker.decompress(sent, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise Refusal(400, "request_decoding_error", f"expected {encoding} and found other or damaged data") from error
    if len(body) > MAX_BODY_BYTES:
        raise _unpacks_to_too_much()
    if not unpacker.eof:
        raise _cut_off(encoding)
    return body


def _unzstd(sent: bytes) -> bytes:
    from posthog_llm_cli import zstd  # noqa: PLC0415 - few clients send it, and not every Python has it

    unpacker = zstd.new_frame()
    body = bytearray()
    # In small pieces, since a frame cannot be asked for less than a piece unpacks to: 32 MiB at most from 1 KiB.
    for start in range(0, len(sent), _ZSTD_PIECE):
        try:
            body += unpacker.decompress(sent[start : start + _ZSTD_PIECE])
        except zstd.FrameError as error:
            raise Refusal(400, "request_decoding_error", "expected zstd and found other or damaged data") from error
        if len(body) > MAX_BODY_BYTES:
            raise _unpacks_to_too_much()
        if unpacker.eof:
            return bytes(body)
    raise _cut_off("zstd")


def _cut_off(encoding: str) -> Refusal:
    return Refusal(400, "request_decoding_error", f"expected the end of the {encoding} data and found it cut off")


def _unpacks_to_too_much() -> Refusal:
    return Refusal(413, "payload_too_large", f"expected at most {MAX_BODY_BYTES} bytes after decompression, found more")


def parse(body: bytes) -> Json:
    """Return the one JSON value of a body.

    Raises:
        Refusal: 400 for anything that serde_json does not take.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "request_parsing_error", f"expected JSON: {error.msg}") from error
    if is_deeper_than(body, MAX_LEVELS):
        raise Refusal(400, "request_parsing_error", f"expected at most {MAX_LEVELS} levels: recursion limit exceeded")
    return value


def is_deeper_than(body: bytes, levels: int) -> bool:
    """Say whether valid JSON nests deeper than `levels`.

    Works on the brackets alone, one level a pass: several times faster than walking the parsed value.
    """
    brackets = _STRING.sub(b"", body).translate(_ROUND_TO_SQUARE, _NO_BRACKETS)
    passes = 0
    while brackets:
        passes += 1
        if passes > levels:
            return True
        brackets = brackets.replace(b"[]", b"")
    return False
