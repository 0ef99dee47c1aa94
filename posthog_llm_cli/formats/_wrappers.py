"""What loggers, shippers and recorders put around a record: lines of a log with a record inside, cassettes of many.

A logger's line is opened only where the line itself is no record that is known (`formats.expand` asks). What it knows
of the call (its time, user and session) goes along where the record inside does not say it.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import decoded, is_number, mapping
from posthog_llm_cli.formats._openai_times import TIME_KEYS
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily

_PLACES = (
    ("record", "extra"), ("record", "message"),  # loguru with serialize=True
    ("jsonPayload",), ("textPayload",),  # Google Cloud Logging
    ("message",), ("msg",), ("event",),  # logging, pino, structlog; CloudWatch
    ("log",),  # Docker, Fluent Bit
    ("_source",), ("extra",), ("data",),  # Elasticsearch; home-made
    ("attributes", "attributes"), ("attributes", "message"), ("attributes",),  # Datadog
    ("line",), ("result", "_raw"), ("payload",), ("value",),  # Loki; Splunk; Kafka
)  # fmt: skip
"""Where a record lies in a logger's line: as an object, or as text of JSON."""

_TIMES = ("timestamp", "@timestamp", "time", "ts", "asctime", "datetime", "date")
_CONTEXT = ("user_id", "user", "session_id", "conversation_id", "trace_id")
_LISTS = (("interactions",), ("http_interactions",), ("calls",), ("entries",), ("log", "entries"))
"""Where the exchanges of a cassette lie: VCR (Python, Ruby), home-made, a browser's recording (HAR)."""

_PAGES = (("logEvents",), ("events",), ("hits", "hits"), ("data",))
"""Where the lines of a page of a log lie: CloudWatch as it is shipped and as it is asked, Elasticsearch, Datadog."""

_MORE_TIMES = (
    "__REALTIME_TIMESTAMP", "TimeGenerated", "TimeStamp", "Timestamp", "time_generated", "eventTime", "@t",
)  # fmt: skip
"""The journal, Azure, .NET; where the record lies under a name of the writer's own."""
_MOST_MEMBERS = 100
_OF_ANOTHER = lazily(
    r"(?:prev|last|prior|old|cache|example|expected|reference|sample|golden|mock|fixture|baseline|stub|fake|dummy)",
    re.IGNORECASE,
)
"""How a name begins that says that what it names is of another call."""

HOLDERS = frozenset(place[0] for place in (*_PLACES, *_LISTS, *_PAGES))
"""An object without any of these keys holds no other record."""


def exchanges(value: Mapping[str, Json]) -> tuple[str, list[Json]] | None:
    """Return the exchanges of a cassette and their JSON path; None where the value is none."""
    for place in _LISTS:
        found = _at(value, place)
        if isinstance(found, list) and found and all(_is_exchange(mapping(item)) for item in found):
            context = _context(value)
            return _path(place), [{**context, **item} for item in found]
    return None


def lines_of_page(value: Mapping[str, Json]) -> tuple[str, list[Json]] | None:
    """Return the logger's lines in a page of a log and their JSON path; None where the value is none."""
    for place in _PAGES:
        found = _at(value, place)
        if isinstance(found, list) and found and all(_is_line(mapping(item)) for item in found):
            return _path(place), found
    return None


def wrapped(record: Mapping[str, Json]) -> Iterator[tuple[str, dict[str, Json]]]:
    """Yield the objects that may be the record in a logger's line, with their JSON paths."""
    for place in _PLACES:
        found = _at(record, place)
        try:
            inner = decoded(found)
        except RecordError:  # too deep to be opened
            continue
        if isinstance(inner, dict) and inner:
            opened = {**_context(record), **_time(record, inner), **inner}
            yield _path(place), opened
            if isinstance(raised := mapping(record.get("record")).get("exception"), dict):  # loguru's
                yield _path(place), {**opened, "exc_info": raised}


def members(record: Mapping[str, Json]) -> Iterator[tuple[str, dict[str, Json], dict[str, Json]]]:
    """Yield the members of a record that are objects, also as text of JSON, each with its key.

    First as it is, then with what the record around it knows of the call.
    """
    for key, value in islice(record.items(), _MOST_MEMBERS):
        if _OF_ANOTHER.match(key):
            continue
        try:
            inner = decoded(value)
        except RecordError:
            continue
        if isinstance(inner, dict) and inner:
            yield key, inner, {**_context(record), **_time(record, inner, (*_TIMES, *_MORE_TIMES)), **inner}


def _is_exchange(item: Mapping[str, Json]) -> bool:
    return isinstance(item.get("request"), dict) and "response" in item


def _is_line(item: Mapping[str, Json]) -> bool:
    is_cloudwatchs = isinstance(item.get("message"), str) and is_number(item.get("timestamp"))
    is_datadogs = item.get("type") == "log" and isinstance(item.get("attributes"), dict)
    return is_cloudwatchs or is_datadogs or isinstance(item.get("_source"), dict)


def _context(record: Mapping[str, Json]) -> dict[str, Json]:
    return {key: record[key] for key in _CONTEXT if isinstance(record.get(key), (str, int))}


def _time(record: Mapping[str, Json], inner: Mapping[str, Json], keys: tuple[str, ...] = _TIMES) -> dict[str, Json]:
    """The line's own time, unless the record inside has one."""
    if not inner.keys().isdisjoint(TIME_KEYS) or isinstance(inner.get("time"), str):
        return {}
    loguru = mapping(mapping(record.get("record")).get("time")).get("timestamp")
    datadog, splunk = mapping(record.get("attributes")).get("timestamp"), mapping(record.get("result")).get("_time")
    said = (loguru, *(record.get(key) for key in keys), datadog, splunk)
    time = next((value for value in said if isinstance(value, str) or is_number(value)), None)
    return {} if time is None else {"timestamp": time}


def _at(value: Mapping[str, Json], place: tuple[str, ...]) -> Json:
    found: Json = value
    for key in place:
        found = mapping(found).get(key)
    return found


def _path(place: tuple[str, ...]) -> str:
    return ".".join(("$", *place))
