"""Lines that a container's runtime has cut into parts, 16 KiB each: a call is often longer.

* Docker's `json-file` writes `{"log":"…","stream":"stdout","time":"…"}` for each part; only the last one's log ends in
  a line break (moby, `daemon/logger/copier.go`).
* CRI (containerd, CRI-O; `/var/log/pods`) writes `2026-01-01T00:00:00.123456789Z stdout P …`, and `F` for the last part
  (Kubernetes, `kubelet/kuberuntime/logs`).
"""

from collections.abc import Iterator

import orjson

from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.sources.track import PADDING
from posthog_llm_cli.values import Value

PART_BYTES = 16 * 1024

DOCKER_START = b'{"log":"'
CRI_START = b"20"
"""What lines begin with that may be parts: there is a moment for no others."""

_CRI = lazily(
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d) (stdout|stderr) ([FP])(?::[^\s:]+)*(?: |\Z)"
)
_LEAST, _MOST = PART_BYTES - 3, PART_BYTES + 12
"""A part's bytes as Docker writes them: of a character that was cut, each byte is another character of three."""

Placed = tuple[int, int, bytes]
"""Offset, line number and bytes of a line; blanks at its end may be in the middle of a whole one."""


def is_cri(raw: bytes) -> bool:
    """Whether a line is CRI's: then what its text seems to open does not go on with the bytes of the next line."""
    return raw.startswith(CRI_START) and _CRI.match(raw) is not None


class _Part(Value, frozen=True):
    """`text` is what this line has of the whole one; `line` is the runtime's own, None where it is text alone."""

    place: Placed
    stream: str
    text: bytes
    is_last: bool
    line: dict[str, object] | None = None

    @property
    def is_alone(self) -> bool:
        """Whether it is a record by itself: then it is no part, whatever was open."""
        if not self.text.startswith(b"{"):
            return False
        try:
            orjson.loads(self.text)
        except orjson.JSONDecodeError:
            return False
        return True


class Parts:
    """Takes lines, and gives those whole that were cut; what never gets whole comes out as it came.

    Streams (stdout, stderr) have their parts among one another's. Holds one line of each, under the ceiling.
    """

    def __init__(self, *, max_record: int) -> None:
        self._max_record = max_record
        self._held: dict[str, list[_Part]] = {}
        self.is_holding = False
        """Whether what comes next may belong to what came last; still so at the end of a source that ends there."""

    def add(self, place: Placed) -> Iterator[Placed]:
        """Yield what is whole with a line that begins with one of the starts above."""
        part = self._part_of(place)
        if part is None:
            yield place
            return
        held = self._held.pop(part.stream, [])
        if held and part.is_alone:
            yield from _as_they_came(held)
            held = []
        held.append(part)
        if part.is_last or sum(len(each.text) for each in held) > self._max_record:
            yield from [_joined(held)] if part.is_last else _as_they_came(held)
        else:
            self._held[part.stream] = held
        self.is_holding = bool(self._held)

    def finish(self) -> Iterator[Placed]:
        """Yield what never got whole."""
        parts = [part for held in self._held.values() for part in held]
        yield from sorted(_as_they_came(parts))

    def _part_of(self, place: Placed) -> _Part | None:
        """Return a line as a part, be it the only one; None where no runtime wrote it, or it need not be looked at."""
        raw = place[2]
        if raw.startswith(DOCKER_START):
            return _docker(place) if self.is_holding or len(raw) >= PART_BYTES else None
        found = _CRI.match(raw)
        if found is None:
            return None
        return _Part(place, found[1].decode(), raw[found.end() :], is_last=found[2] == b"F")


def _docker(place: Placed) -> _Part | None:
    try:
        line = orjson.loads(place[2].rstrip(PADDING))
    except orjson.JSONDecodeError:
        return None
    log, stream = line.get("log"), line.get("stream")
    if not isinstance(log, str) or not isinstance(stream, str) or not isinstance(line.get("time"), str):
        return None
    text = log.encode()
    part = _Part(place, stream, text, is_last=text.endswith(b"\n") or not _LEAST <= len(text) <= _MOST, line=line)
    return part if part.is_last or not part.is_alone else None


def _joined(parts: list[_Part]) -> Placed:
    """The whole line, at the place of its first part; of Docker's, as Docker would have written it."""
    offset, number, raw = parts[0].place
    last = parts[-1]
    text = b"".join(part.text for part in parts)
    if last.line is None:
        return (offset + len(raw) - len(parts[0].text.lstrip(PADDING)), number, text.lstrip(PADDING))
    return (offset, number, raw if len(parts) == 1 else orjson.dumps({**last.line, "log": text.decode()}))


def _as_they_came(parts: list[_Part]) -> Iterator[Placed]:
    return (part.place for part in parts)
