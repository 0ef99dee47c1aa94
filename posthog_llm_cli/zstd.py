"""zstd: the standard library's, which is there from Python 3.14 on, and before that the package `zstandard`.

The package has no wheels for the newest Pythons. Imported where it is needed, for few logs are compressed so, and a
Python may have been built without its own: then it is an ImportError.
"""

import sys
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError

    def new_frame() -> "Frame":
        """Return what decompresses one frame; it raises `FrameError` where that is damaged."""
        return ZstdDecompressor()
else:
    from zstandard import ZstdDecompressor, ZstdError

    def new_frame() -> "Frame":
        """Return what decompresses one frame; it raises `FrameError` where that is damaged."""
        return ZstdDecompressor().decompressobj()


FrameError = ZstdError


class Frame(Protocol):
    """One frame: takes its bytes as they come, gives plain ones. Its window is at most 128 MiB."""

    @property
    def eof(self) -> bool:
        """Whether its end was met."""

    def decompress(self, data: bytes, /) -> bytes:
        """Return what the bytes give."""
