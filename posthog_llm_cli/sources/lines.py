"""Framing by physical lines: one record a line, and server-sent events."""

from collections.abc import Iterable, Iterator

import orjson

from posthog_llm_cli.formats.sse import with_event_name
from posthog_llm_cli.model import LogLine, Mark
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.sources.parts import CRI_START, DOCKER_START, Parts, Placed, is_cri
from posthog_llm_cli.sources.track import PADDING, Track, payload_start

_SLACK = 64
"""Bytes that a held line may be over the ceiling: its line end and blanks do not count."""

_SSE_FIELD = lazily(rb"(data|event|id|retry)(?::|\Z)|:")

_PART_STARTS = (DOCKER_START, CRI_START)
_LONGEST_DONE = 200
_EVENT_KEYS = frozenset({"event", "data", "id", "retry"})

SSE_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")


def is_done(payload: bytes) -> bool:
    """Whether a line or a payload says that a stream is complete, as one server or logger or another spells it."""
    if len(payload) > _LONGEST_DONE:
        return False
    if payload.startswith(b"{"):
        return b'"[DONE]"' in payload and _is_done_event(payload)
    return payload.removeprefix(b"data:").strip(b' "').upper() == b"[DONE]"


def _is_done_event(payload: bytes) -> bool:
    """Whether this is the last event as a client's parser took it apart: `{"event": "message", "data": "[DONE]"}`."""
    try:
        event = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return isinstance(event, dict) and event.get("data") == "[DONE]" and event.keys() <= _EVENT_KEYS


class Splitter:
    """Cuts blocks at `\\n` and nowhere else (U+2028 and U+0085 are data), holding one line under the ceiling.

    `padding` is what a line may begin with that is let go at once. `dropped_quotes` counts the `"` in a line that came
    as None.
    """

    __slots__ = ("_block", "_held", "_next", "_parts", "_skipping", "_track", "dropped_quotes", "padding")

    def __init__(self, track: Track, *, padding: bytes = PADDING) -> None:
        self._track = track
        self.padding = padding
        self.dropped_quotes = 0
        self._parts: list[bytes] = []
        self._held = 0
        self._skipping = False
        self._block = b""
        self._next = 0

    def feed(self, block: bytes) -> Iterator[tuple[int, int, bytes | None]]:
        """The lines that end in this block: offset, number, and bytes without `\\n`; None in place of too many."""
        track = self._track
        self._block, self._next = block, 0
        while (end := block.find(b"\n", self._next)) >= 0:  # `find` leaps over a line, `split` looks at every byte
            fresh = block[self._next : end]
            self._next = end + 1
            offset, number = track.offset, track.line
            line: bytes | None = fresh
            if self._held:
                line = None if self._skipping else b"".join((*self._parts, fresh))
                if line is None:
                    self.dropped_quotes += fresh.count(b'"')
                track.offset += self._held
                self._release()
            track.offset += len(fresh) + 1
            track.line += 1
            yield offset, number, line
        self._hold(block[self._next :])

    def finish(self) -> Iterator[tuple[int, int, bytes | None]]:
        """The last line, where it has no line end."""
        if self._held:
            line = None if self._skipping else b"".join(self._parts)
            yield self._track.offset, self._track.line, line
            self._release()

    def unread(self) -> bytes:
        """What of the block lies behind the line that `feed` gave last."""
        return self._block[self._next :]

    def _hold(self, part: bytes) -> None:
        if not self._held:
            kept = part.lstrip(self.padding)
            # Leading padding is let go at once: a preallocated file may hold gigabytes of NULs.
            self._track.offset += len(part) - len(kept)
            part = kept
        self._held += len(part)
        if part:
            self._parts.append(part)
        if self._held > self._track.max_record + _SLACK:
            if not self._skipping:
                self._skipping, self.dropped_quotes = True, 0
            self.dropped_quotes += sum(dropped.count(b'"') for dropped in self._parts)
            self._parts.clear()

    def _release(self) -> None:
        self._parts.clear()
        self._held = 0
        self._skipping = False


class Lines:
    """One record a line; `[DONE]` is a mark, with `data:` before it, quotes around it, or as an event's `data` too.

    A line that is only `{`, or behind what LiteLLM's logger puts before one, starts a pretty-printed document: it and
    all behind it is `rest`.
    """

    def __init__(self, track: Track) -> None:
        self._track = track
        self._splitter = Splitter(track)
        self._parts = Parts(max_record=track.max_record)
        self.rest: bytes | None = None

    @property
    def is_holding(self) -> bool:
        """Whether a line has come in part."""
        return self._parts.is_holding

    def feed(self, block: bytes) -> Iterator[LogLine | Mark]:
        """The records that end in this block, until `rest` is set."""
        track = self._track
        for offset, number, line in self._splitter.feed(block):
            if line is None:
                yield track.too_long(offset=offset, line=number)
                continue
            raw = line.strip(PADDING)
            if not raw or (track.titled and track.is_footer(raw)):
                continue
            if len(raw) <= _LONGEST_DONE and is_done(raw):
                yield Mark.STREAM_END
                continue
            start = (0 if raw == b"{" else payload_start(line)) if raw.endswith(b"{") else None
            if start is not None and not is_cri(raw):
                self.rest = line[start:] + b"\n" + self._splitter.unread()
                track.offset, track.line = offset + start, number
                return
            if len(raw) != len(line):
                offset += len(line) - len(line.lstrip(PADDING))  # noqa: PLW2901
            if raw.startswith(_PART_STARTS):
                yield from self._whole(self._parts.add((offset, number, line.lstrip(PADDING))))
            else:
                yield track.record(raw, offset=offset, line=number)

    def finish(self) -> Iterator[LogLine | Mark]:
        """The last line, where it has no line end, and what never got whole."""
        for offset, number, line in self._splitter.finish():
            if line is None:
                yield self._track.too_long(offset=offset, line=number)
            elif is_done(line.strip(PADDING)):
                yield Mark.STREAM_END
            elif (raw := line.strip(PADDING)) and not self._track.is_footer(raw):
                place = (offset, number, line.lstrip(PADDING))
                yield from self._whole(self._parts.add(place) if raw.startswith(_PART_STARTS) else [place])
        yield from self._whole(self._parts.finish())

    def _whole(self, lines: Iterable[Placed]) -> Iterator[LogLine | Mark]:
        for offset, number, line in lines:
            raw = line.rstrip(PADDING)
            if is_done(raw):
                yield Mark.STREAM_END
            elif raw:
                yield self._track.record(raw, offset=offset, line=number)


class ServerSentEvents:
    """One record a block of `data:` lines; comments and other fields are framing, and so is `[DONE]`, a mark.

    An event's name that its payload does not repeat goes into the payload (`formats.sse.with_event_name`). A line that
    is no field is a record of its own, so that nothing is lost. Blocks whose blank lines a logger left out are told
    apart by their payloads: one that is complete JSON has no second line.
    """

    def __init__(self, track: Track) -> None:
        self._track = track
        self._splitter = Splitter(track)
        self._data: list[bytes] = []
        self._size = 0
        self._event = b""
        self._offset, self._line = 0, 0
        self.rest: bytes | None = None

    def feed(self, block: bytes) -> Iterator[LogLine | Mark]:
        """The records of the event blocks that end in this block of bytes."""
        for offset, number, line in self._splitter.feed(block):
            yield from self._take(offset, number, line)

    def finish(self) -> Iterator[LogLine | Mark]:
        """The record of a block that the end of the source ended."""
        for offset, number, line in self._splitter.finish():
            yield from self._take(offset, number, line)
        yield from self._flush()

    def _take(self, offset: int, number: int, line: bytes | None) -> Iterator[LogLine | Mark]:
        if line is None:
            yield from self._flush()
            yield self._track.too_long(offset=offset, line=number)
            return
        text = line.strip(PADDING)
        offset += len(line) - len(line.lstrip(PADDING)) if text else 0
        field = _SSE_FIELD.match(text)
        if not text:
            yield from self._flush()
        elif field is None:
            yield from self._flush()
            yield self._track.record(text, offset=offset, line=number)
        elif field[1] == b"event":
            if self._event and self._data:
                yield from self._flush()
            self._event = text[field.end() :].strip()
        elif field[1] == b"data":
            payload = text[field.end() :].lstrip(PADDING)
            if len(self._data) == 1 and self._is_complete():
                yield from self._flush()
            if not self._data:
                self._offset, self._line = offset + len(text) - len(payload), number
            self._size += len(payload) + 1
            if self._size <= self._track.max_record + 1:
                self._data.append(payload)
            else:
                # The size alone is kept, and the record refused when its block ends.
                self._data = [b"", b""]

    def _is_complete(self) -> bool:
        if is_done(self._data[0]):
            return True
        try:
            orjson.loads(self._data[0])
        except orjson.JSONDecodeError:
            return False
        return True

    def _flush(self) -> Iterator[LogLine | Mark]:
        payload, size, event = b"\n".join(self._data), self._size, self._event
        self._data, self._size, self._event = [], 0, b""
        if size > self._track.max_record + 1:
            yield self._track.too_long(offset=self._offset, line=self._line)
        elif is_done(payload):
            yield Mark.STREAM_END
        elif payload:
            raw = with_event_name(payload, event) if event else payload
            yield self._track.record(raw, offset=self._offset, line=self._line)
