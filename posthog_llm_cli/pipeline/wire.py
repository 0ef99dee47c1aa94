"""Values of the model between processes, and on disk: as plain tuples where they are nothing special, else pickled.

Nearly every line is a record that becomes an event. `marshal` writes what such are made of several times as fast as
`pickle` writes objects; both ends are processes of one program, so its format may be the one of this Python alone.
The bytes of lines and events, which are nearly all of it, lie in a `SharedBuffer` that both processes see.
"""

import marshal
import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from posthog_llm_cli.model import Converted, Destination, Event, Glance, LogLine, Pricing, SourceRef
from posthog_llm_cli.pipeline.buffers import SharedBuffer
from posthog_llm_cli.timeparse import from_us, to_us
from posthog_llm_cli.values import astuple, replace

_PLAIN, _PICKLED = b"m", b"p"

Bytes = bytes | tuple[int, int]
"""Where bytes lie in the buffer, and how many; or, where it was full, the bytes themselves."""


def pack_lines(lines: Sequence[LogLine], buffer: SharedBuffer) -> bytes:
    """Return lines as bytes, and what they say in the buffer."""
    if any(
        line.problem is not None or line.skipped is not None or line.format is not None or line.warnings
        for line in lines
    ):
        return _PICKLED + dumps(lines)
    buffer.clear()
    return _PLAIN + marshal.dumps(
        [(line.ref.uri, line.ref.line, line.ref.offset, _put(line.raw, buffer), line.console) for line in lines]
    )


def unpack_lines(data: bytes, buffer: SharedBuffer) -> Iterator[LogLine]:
    """Yield the lines of `pack_lines`, each copied out of the buffer when it is its turn: it is at hand then."""
    if data[:1] == _PICKLED:
        yield from loads(memoryview(data)[1:])
        return
    for uri, number, offset, raw, console in marshal.loads(memoryview(data)[1:]):  # noqa: S302 - our own bytes
        yield LogLine(SourceRef(uri, number, offset), _taken(raw, buffer), None, console)


def pack_results(results: Iterable[tuple[LogLine, Sequence[Converted]]], buffer: SharedBuffer) -> bytes:
    """Return what became of each line as bytes; an event's record goes along only where it is not the line.

    Nothing is held of a line that is done: the next one's values lie in the same memory, which is at hand.
    """
    buffer.clear()
    rows = [_row(conversions, line, buffer) or _pickled(conversions) for line, conversions in results]
    try:
        return marshal.dumps(rows)
    except ValueError:  # a value that is no plain one: coverage and the like may hold anything
        return marshal.dumps([row if isinstance(row, bytes) else dumps(row) for row in rows])


def _put(data: bytes, buffer: SharedBuffer) -> Bytes:
    place = buffer.put(data)
    return data if place is None else (place, len(data))


def _taken(data: Bytes, buffer: SharedBuffer) -> bytes:
    return data if isinstance(data, bytes) else buffer.take(*data)


def _pickled(conversions: Sequence[Converted]) -> bytes:
    return dumps([_without_raw(found) for found in conversions])


class Unpacker:
    """Returns the results of `pack_results`; remembers destinations, of which a run has few."""

    def __init__(self) -> None:
        self._destinations: dict[tuple[str, str], Destination] = {}

    def results(self, data: bytes, lines: Sequence[LogLine], buffer: SharedBuffer) -> list[list[Converted]]:
        """Return what became of each of `lines`."""
        rows: list[tuple[Any, ...] | bytes] = marshal.loads(data)  # noqa: S302 - our own bytes
        return [
            [self._converted(row, line, buffer)] if isinstance(row, tuple) else self._loaded(row, line, buffer)
            for row, line in zip(rows, lines, strict=True)
        ]

    def _loaded(self, row: bytes, line: LogLine, buffer: SharedBuffer) -> list[Converted]:
        found = loads(row)
        if isinstance(found, tuple):
            return [self._converted(found, line, buffer)]
        return [_with_raw(one, line) for one in found]

    def _converted(self, row: tuple[Any, ...], line: LogLine, buffer: SharedBuffer) -> Converted:
        (uuid, name, distinct_id, us, where, properties, legacy, v1, model), raw, rest, glance = row
        destination = self._destinations.get(where)
        if destination is None:
            destination = self._destinations[where] = Destination(*where)
        event = Event(
            uuid,
            name,
            distinct_id,
            from_us(us),
            destination,
            _taken(properties, buffer),
            legacy,
            v1,
            line.ref,
            line.raw if raw is None else raw,
            model,
        )
        kind, warnings, coverage, from_letter = rest
        seen = None if glance is None else _glance(glance)
        return Converted(line.ref, event, kind, warnings, raw, coverage, from_letter, seen)


def _row(conversions: Sequence[Converted], line: LogLine, buffer: SharedBuffer) -> tuple[Any, ...] | None:
    """An event that is all of its line, as plain values; None for anything else."""
    if len(conversions) != 1:
        return None
    found = conversions[0]
    event = found.result
    if not isinstance(event, Event) or found.ref is not line.ref or event.ref is not line.ref:
        return None
    destination = event.destination
    return (
        (
            event.uuid,
            event.name,
            event.distinct_id,
            to_us(event.timestamp),
            (destination.host, destination.api_key),
            _put(event.properties, buffer),
            event.legacy_properties,
            event.v1_members,
            event.model,
        ),
        found.raw,
        (found.format, found.warnings, found.coverage, found.from_letter),
        None if found.glance is None else _plain_glance(found.glance),
    )


def _plain_glance(glance: Glance) -> list[Any]:
    values = list(astuple(glance))
    values[_PRICING] = glance.pricing.value
    return values


def _glance(values: list[Any]) -> Glance:
    values[_PRICING] = _PRICINGS[values[_PRICING]]
    return Glance(*values)


def _without_raw(converted: Converted) -> Converted:
    event = converted.result
    return replace(converted, result=replace(event, raw=b"")) if isinstance(event, Event) and event.raw else converted


def _with_raw(converted: Converted, line: LogLine) -> Converted:
    event = converted.result
    if not isinstance(event, Event):
        return converted
    raw = line.raw if converted.raw is None else converted.raw
    return replace(converted, result=replace(event, raw=raw))


_PRICING = Glance.__struct_fields__.index("pricing")
_PRICINGS = {pricing.value: pricing for pricing in Pricing}


def dumps(value: object) -> bytes:
    """Return any values of the model as bytes."""
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


def loads(data: bytes | memoryview) -> Any:
    """Return what `dumps` wrote, in this program alone: over a pipe, or to a file, that nobody else holds."""
    return pickle.loads(data)  # noqa: S301 - our own bytes
