"""The floor under the cost of a call: what parsing its line, writing its event and compressing it take by themselves.

    python -m benchmarks.floor LOG EVENTS

LOG and EVENTS hold the same calls, one a line: as logged, and as plh sends them (`plh send --mock`). Prints a
`figures.Floor` as JSON: processor µs a call, each the best of three passes; events are compressed 500 to a request.
"""

import json
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import orjson
from isal import igzip_lib

from benchmarks.figures import Floor

_PASSES = 3
_EVENTS_A_REQUEST = 500
_GZIP_WINDOW = 31

T = TypeVar("T")


def measure(lines: Sequence[bytes], events: Sequence[bytes]) -> Floor:
    """Time the three steps over some calls."""
    values = [orjson.loads(event) for event in events]
    starts = range(0, len(events), _EVENTS_A_REQUEST)
    bodies = [b",".join(events[start : start + _EVENTS_A_REQUEST]) for start in starts]
    calls = len(lines)
    return Floor(
        loads_us=_best_us(lines, orjson.loads) / calls,
        dumps_us=_best_us(values, orjson.dumps) / calls,
        isal_us=_best_us(bodies, _isal) / calls,
        zlib_us=_best_us(bodies, _zlib) / calls,
    )


def _isal(body: bytes) -> bytes:
    return igzip_lib.compress(body, level=2, flag=igzip_lib.COMP_GZIP)


def _zlib(body: bytes) -> bytes:
    return zlib.compress(body, 1, wbits=_GZIP_WINDOW)


def _best_us(items: Sequence[T], step: Callable[[T], object]) -> float:
    """Return the processor µs of one pass over all items, the best of several."""
    best = float("inf")
    for _ in range(_PASSES):
        began = time.process_time_ns()
        for item in items:
            step(item)
        best = min(best, (time.process_time_ns() - began) / 1000)
    return best


def main() -> None:
    log, events = (Path(name).read_bytes().splitlines() for name in sys.argv[1:])
    print(json.dumps(asdict(measure(log, events))))


if __name__ == "__main__":
    main()
