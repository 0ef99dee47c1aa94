"""Values of the model between processes, and on disk: as plain tuples where they are nothing special, else pickled.

Nearly every line is a record that becomes an event. `marshal` writes what such are made of several times as fast as
`pickle` writes objects; both ends are processes of one program, so its format may be the one of this Python alone.
"""

import marshal
import pickle
from collections.abc import Sequence
from typing import Any

from posthog_llm_cli.model import Converted, Destination, Event, Glance, LogLine, Pricing, SourceRef
from posthog_llm_cli.timeparse import from_us, to_us
from posthog_llm_cli.values import astuple, replace

_PLAIN, _PICKLED = b"m", b"p"


def pack_lines(lines: Sequence[LogLine]) -> bytes:
    """Return lines as bytes."""
    if any(
        line.problem is not None or line.skipped is not None or line.format is not None or line.warnings
        for line in lines
    ):
        return _PICKLED + dumps(lines)
    return _PLAIN + marshal.dumps(
        [(line.ref.uri, line.ref.line, line.ref.offset, line.raw, line.console) for line in lines]
    )


def unpack_lines(data: bytes) -> Sequence[LogLine]:
    """Return the lines of `pack_lines`."""
    if data[:1] == _PICKLED:
        lines: Sequence[LogLine] = loads(memoryview(data)[1:])
        return lines
    return [
        LogLine(SourceRef(uri, number, offset), raw, None, console)
        for uri, number, offset, raw, console in marshal.loads(memoryview(data)[1:])  # noqa: S302 - our own bytes
    ]


def pack_results(results: Sequence[Sequence[Converted]], lines: Sequence[LogLine]) -> bytes:
    """Return what became of each of `lines` as bytes; an event's record goes along only where it is not the line."""
    rows = [_row(conversions, line) or _pickled(conversions) for conversions, line in zip(results, lines, strict=True)]
    try:
        return marshal.dumps(rows)
    except ValueError:  # a value that is no plain one: coverage and the like may hold anything
        return marshal.dumps([_pickled(conversions) for conversions in results])


def _pickled(conversions: Sequence[Converted]) -> bytes:
    return dumps([_without_raw(found) for found in conversions])


class Unpacker:
    """Returns the results of `pack_results`; remembers destinations, of which a run has few."""

    def __init__(self) -> None:
        self._destinations: dict[tuple[str, str], Destination] = {}

    def results(self, data: bytes, lines: Sequence[LogLine]) -> list[list[Converted]]:
        """Return what became of each of `lines`."""
        rows: list[tuple[Any, ...] | bytes] = marshal.loads(data)  # noqa: S302 - our own bytes
        return [
            [_with_raw(found, line) for found in loads(row)] if isinstance(row, bytes) else [self._converted(row, line)]
            for row, line in zip(rows, lines, strict=True)
        ]

    def _converted(self, row: tuple[Any, ...], line: LogLine) -> Converted:
        values, event = list(row[0]), list(row[1])
        where = event[_DESTINATION]
        destination = self._destinations.get(where)
        if destination is None:
            destination = self._destinations[where] = Destination(*where)
        event[_DESTINATION] = destination
        event[_TIMESTAMP] = from_us(event[_TIMESTAMP])
        event[_REF] = values[_OWN_REF] = line.ref
        event[_RAW] = line.raw if values[_OWN_RAW] is None else values[_OWN_RAW]
        values[_RESULT] = Event(*event)
        if values[_OWN_GLANCE] is not None:
            values[_OWN_GLANCE] = _glance(values[_OWN_GLANCE])
        return Converted(*values)


def _row(conversions: Sequence[Converted], line: LogLine) -> tuple[Any, ...] | None:
    """An event that is all of its line, as plain values; None for anything else."""
    if len(conversions) != 1:
        return None
    converted = conversions[0]
    event = converted.result
    if not isinstance(event, Event) or converted.ref is not line.ref or event.ref is not line.ref:
        return None
    plain, values = list(astuple(event)), list(astuple(converted))
    plain[_DESTINATION] = (event.destination.host, event.destination.api_key)
    plain[_TIMESTAMP] = to_us(event.timestamp)
    plain[_REF] = plain[_RAW] = values[_OWN_REF] = values[_RESULT] = None
    if converted.glance is not None:
        glance = list(astuple(converted.glance))
        glance[_PRICING] = converted.glance.pricing.value
        values[_OWN_GLANCE] = glance
    return (values, plain)


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


_EVENT_FIELDS = Event.__struct_fields__
_CONVERTED_FIELDS = Converted.__struct_fields__
_DESTINATION, _TIMESTAMP, _REF, _RAW = map(_EVENT_FIELDS.index, ("destination", "timestamp", "ref", "raw"))
_OWN_REF, _RESULT, _OWN_RAW, _OWN_GLANCE = map(_CONVERTED_FIELDS.index, ("ref", "result", "raw", "glance"))
_GLANCE_FIELDS = Glance.__struct_fields__
_PRICING = _GLANCE_FIELDS.index("pricing")
_PRICINGS = {pricing.value: pricing for pricing in Pricing}


def dumps(value: object) -> bytes:
    """Return any values of the model as bytes."""
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


def loads(data: bytes | memoryview) -> Any:
    """Return what `dumps` wrote, in this program alone: over a pipe, or to a file, that nobody else holds."""
    return pickle.loads(data)  # noqa: S301 - our own bytes
