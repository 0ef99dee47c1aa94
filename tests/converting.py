"""Turning values into events in tests: fixed options, so that nothing depends on the day the suite runs."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from posthog_llm_cli.convert import convert
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import (
    BuildOptions,
    Converted,
    ConvertOptions,
    Destination,
    Event,
    LogLine,
    ParseContext,
    Skipped,
    SourceRef,
)
from posthog_llm_cli.timeparse import rfc3339
from posthog_llm_cli.values import replace

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
RUN_STARTED_AT = datetime(2025, 6, 10, 12, tzinfo=UTC)
US = "https://us.i.posthog.com"
DESTINATION = Destination(US, "phc_configuredProject0001")
OPTIONS = ConvertOptions(
    parse=ParseContext(RUN_STARTED_AT, UTC),
    build=BuildOptions(DESTINATION, US, RUN_STARTED_AT),
)


def with_build(**changes: Any) -> ConvertOptions:
    """The options with another way to build."""
    return replace(OPTIONS, build=replace(OPTIONS.build, **changes))


def with_parse(**changes: Any) -> ConvertOptions:
    """The options with another way to parse."""
    return replace(OPTIONS, parse=replace(OPTIONS.parse, **changes))


def convert_bytes(raw: bytes, options: ConvertOptions = OPTIONS) -> list[Converted]:
    """What becomes of one line."""
    return convert(LogLine(SourceRef("test.jsonl", 1, 0), raw), options)


def convert_value(value: Any, options: ConvertOptions = OPTIONS) -> Converted:
    """What becomes of one record."""
    (converted,) = convert_bytes(orjson.dumps(value), options)
    return converted


def to_event(value: Any, options: ConvertOptions = OPTIONS) -> Event:
    """The event of a record that has one, without that record: all views of a call are one event."""
    result = convert_value(value, options).result
    assert isinstance(result, Event), result
    return replace(result, raw=b"")


def to_properties(value: Any, options: ConvertOptions = OPTIONS) -> dict[str, Any]:
    """All properties of a record's event, as the batch route carries them."""
    properties: dict[str, Any] = wire(to_event(value, options))["properties"]
    return properties


def to_rejection(value: Any, options: ConvertOptions = OPTIONS) -> RecordError:
    """Why a record has no event."""
    result = convert_value(value, options).result
    assert isinstance(result, RecordError), result
    return result


def to_skip(value: Any, options: ConvertOptions = OPTIONS) -> Skipped:
    """Why a record is passed over."""
    result = convert_value(value, options).result
    assert isinstance(result, Skipped), result
    return result


def wire(event: Event) -> dict[str, Any]:
    """The object that a request on the batch route carries."""
    legacy = json.loads(b"{" + event.legacy_properties + b"}")
    return {
        "event": event.name,
        "uuid": event.uuid,
        "distinct_id": event.distinct_id,
        "timestamp": rfc3339(event.timestamp),
        "properties": {**legacy, **json.loads(event.properties)},
    }


def read_lines(path: Path) -> list[Any]:
    """The records of a JSONL file (split on the line feed only)."""
    return [orjson.loads(line) for line in path.read_bytes().split(b"\n") if line.strip()]
