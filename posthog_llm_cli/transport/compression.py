"""gzip for the body of a request: by ISA-L where its library is installed, by zlib's fastest level elsewhere.

Both make bodies of the same size, within a few per cent. zlib takes three times as long for it, and on its higher
levels ten times and more, for a tenth less to send. Compressing releases the interpreter lock: threads do it side by
side. At once and not in stretches: those would stay in the cache, but after each of them a thread waits for the lock
again, and so more requests are under way at a time.
"""

from collections.abc import Callable

_compress: Callable[..., bytes]
try:
    from isal.isal_zlib import compress as _compress

    _LEVEL = 2
except ImportError:  # no wheel for this platform
    from zlib import compress as _compress

    _LEVEL = 1

_GZIP = 31
"""zlib's word for a gzip header. It stamps no time: same in, same out."""


def gzip(data: bytes) -> bytes:
    """Return the data as one gzip member."""
    return _compress(data, _LEVEL, wbits=_GZIP)
