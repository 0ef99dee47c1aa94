"""How a run's processes ask for memory and give it back: settings of the interpreter and of the C library.

A run makes and drops millions of short-lived values and large blocks, on several threads. Nothing depends on these
settings but time and the size of the process.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 256 * 1024
WORKER_LARGE_BYTES = 1024 * 1024
"""What comes and goes with every batch is smaller: giving it back costs a worker more than all other system calls.

In the main process such blocks lie among SQLite's pages, which stay: there they would be holes, more and more of them.
"""

WORKER_KEPT_BYTES = 8 * 1024 * 1024
"""What the values of a long record take: with less, a worker's heap would shrink and grow again at every other one."""

_ARENAS = 2

_YOUNG = 20_000
"""A record's values are a few hundred: at the usual 700 the collector runs at each, and finds nothing."""


def give_back_early(large_bytes: int = _LARGE_BYTES, *, kept_bytes: int = _LARGE_BYTES) -> None:
    """Have glibc return blocks from `large_bytes` on at once, and not keep an arena for each thread.

    Of what is free at the end of the heap it keeps `kept_bytes`.

    Nothing happens where the C library is another.

    By default it learns from the first large block that is freed to keep all that are no larger, for good.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no glibc
        return
    for setting, value in (
        (_M_ARENA_MAX, _ARENAS),
        (_M_MMAP_THRESHOLD, large_bytes),
        (_M_TRIM_THRESHOLD, kept_bytes),
    ):
        mallopt(setting, value)


def collect_rarely() -> None:
    """Look for cycles seldom, and not among what was there before: for a process that only converts."""
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)


@contextmanager
def collecting_what_is_new() -> Iterator[None]:
    """Look for cycles as often as ever, but not among what was there before, until the context ends.

    Not seldom: each request that httpx has sent lies in a cycle, with its body of megabytes.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
