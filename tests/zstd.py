"""zstd for the tests, of the library that `plh` has with this Python."""

import sys
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, ZstdCompressor

    def compress(data: bytes, *, level: int = 3, checksum: bool = False, sized: bool = True) -> bytes:
        options: dict[int, int] = {
            CompressionParameter.compression_level: level,
            CompressionParameter.checksum_flag: checksum,
            CompressionParameter.content_size_flag: sized,
        }
        return ZstdCompressor(options=options).compress(data, ZstdCompressor.FLUSH_FRAME)

    def compressor(level: int) -> "Compressor":
        return ZstdCompressor(level=level)
else:
    from zstandard import ZstdCompressor

    def compress(data: bytes, *, level: int = 3, checksum: bool = False, sized: bool = True) -> bytes:
        return ZstdCompressor(level=level, write_checksum=checksum, write_content_size=sized).compress(data)

    def compressor(level: int) -> "Compressor":
        return ZstdCompressor(level=level).compressobj()


class Compressor(Protocol):
    """Makes one frame, piece by piece."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...
