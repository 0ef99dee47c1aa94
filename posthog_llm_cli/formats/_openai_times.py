"""When a call of an OpenAI-format log ended, and how long it took (openai-logs.md, 3.3 and 3.4)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TypeGuard

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import Warnings, is_number, mapping
from posthog_llm_cli.formats._openai_answers import is_ollama
from posthog_llm_cli.formats._times import Clock, time_of
from posthog_llm_cli.formats._usage import OUTPUT_KEYS
from posthog_llm_cli.model import Json, ParseContext
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value

_END_KEYS = (
    "ended_at", "end_time", "endTime", "endedAt", "finished_at", "finishedAt", "completed_at", "completedAt",
    "response_timestamp", "receivedAt", "timing.ended_at",
)  # fmt: skip
_LOG_KEYS = (
    "timestamp", "ts", "ts_utc", "utc_time", "time_utc", "datetime_utc", "datetime", "date", "created_at", "logged_at",
    "createdAt", "loggedAt", "@timestamp", "timestamp_ms", "asctime", "recorded_at",
    "@t",
)  # fmt: skip
_START_KEYS = (
    "started_at", "start_time", "startTime", "startedAt", "request_timestamp", "requestedAt", "timing.started_at",
    "startedDateTime",
)  # fmt: skip
TIME_KEYS = tuple(key for key in (*_END_KEYS, *_LOG_KEYS, *_START_KEYS) if "." not in key)
"""Where a record itself may say when the call was."""

_RESPONSE_KEYS = ("completed_at", "created_at", "created")
_MS_KEYS = (
    "latency_ms", "duration_ms", "elapsed_ms", "response_time_ms", "timing.latency_ms", "total_duration_ms",
    "latencyMs", "durationMs", "elapsedMs", "responseTimeMs",
)  # fmt: skip
_S_KEYS = (
    "latency", "latency_s", "latency_seconds", "duration", "duration_s", "duration_seconds", "elapsed", "elapsed_s",
    "elapsed_seconds", "response_time", "timing.duration", "time",
)  # fmt: skip
DURATION_KEYS = frozenset(key for key in (*_MS_KEYS, *_S_KEYS) if "." not in key and key != "time")
"""Where a record itself may say how long the call took."""
_UNITLESS = frozenset({"latency", "duration", "elapsed", "response_time", "ttft", "time_to_first_token"})
_FIRST_TOKEN_S_KEYS = ("ttft", "ttft_s", "time_to_first_token")
_FIRST_TOKEN_MS_KEYS = ("ttft_ms", "time_to_first_token_ms", "first_token_ms")
_DAY = lazily(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_CLOCK = lazily(r"\d{1,2}:\d{2}.*", re.ASCII)
_BATCH_ID = lazily(r"batch_req_([0-9a-f]{8})[0-9a-f]{24}")
"""A batch line's id begins with the epoch second at which it was written, in hex (493 of 493 real lines)."""
_EPOCH_ABOVE = 1e8
_MOST_WHOLE_SECONDS = 1000
"""Nobody waits so many whole seconds: these are milliseconds. A float is seconds."""
_FEWEST_ODD_SECONDS = 100
"""From here on a duration without unit must be borne out by what else its record says."""
_ROUNDED_S = 2
"""What whole seconds may hide between an answer's own second and the log's time."""
_MOST_TOKENS_A_MS = 3
"""No server writes more of an answer in a millisecond."""
_LONGEST_S = 1e7
_MOST_TIMES = 10
"""A duration without unit that is so many times the time between start and end is in another unit than seconds."""


class CallTimes(Value, frozen=True):
    """A call's times: when its event is, its start and end where the record has them, its durations in seconds."""

    timestamp: datetime
    started_at: datetime | None
    ended_at: datetime | None
    latency_s: float | None
    ttft_s: float | None


def read_times(
    outer: Mapping[str, Json], response: Mapping[str, Json], context: ParseContext, warn: Warnings
) -> CallTimes:
    """Return a call's times.

    Raises:
        RecordError: `missing-field` where the record holds no plausible time and there is no `--default-time`.
    """
    clock = Clock(context, warn)
    end = clock.first(_found(outer, _END_KEYS))
    start = clock.first(_found(outer, _START_KEYS))
    latency = _latency(outer, response, start, end, context, warn)
    logged = clock.first(_log_times(outer)) if end is None else None
    us = end if end is not None else logged
    if us is None and start is not None:
        us = start + round((latency or 0) * 1_000_000)
    if us is None:
        us = clock.first([*_found(response, _RESPONSE_KEYS), *_found(outer, ("created",))])
    if us is None:
        us = _time_from_id(outer.get("id"), clock, warn)
    if us is None:  # a day alone is the time of a call to the day: whatever says more comes first
        us = clock.first(_days(outer))
    timestamp = time_of(us) or context.default_time
    if timestamp is None:
        raise RecordError(
            "missing-field",
            "no time in the record",
            path="$.timestamp",
            hint="log a timestamp beside the answer, or give --default-time",
        )
    return CallTimes(timestamp, time_of(start), time_of(end), latency, _first_token(outer, response, latency, warn))


def _log_times(outer: Mapping[str, Json]) -> list[tuple[str, Json]]:
    """The log's own times, without days alone; `time` is none where it is a duration, as with inspect_ai.

    A day and a time of day under `date` and `time` are one time.
    """
    logged, time = _found(outer, _LOG_KEYS), outer.get("time")
    days = _of_days(logged)
    found = [candidate for candidate in logged if candidate not in days] if days else logged
    day = next((str(value).strip() for key, value in days if key == "date"), None)
    if isinstance(time, str) and day is not None and _CLOCK.fullmatch(time.strip()):
        found.append(("date", f"{day}T{time.strip().zfill(len(time.strip()) + (time.strip()[1] == ':'))}"))
    elif isinstance(time, str) or (is_number(time) and abs(time) > _EPOCH_ABOVE):
        found.append(("time", time))
    return found


def _days(outer: Mapping[str, Json]) -> list[tuple[str, Json]]:
    """The log's times that are a day alone."""
    return _of_days(_found(outer, _LOG_KEYS))


def _of_days(found: Sequence[tuple[str, Json]]) -> list[tuple[str, Json]]:
    return [(key, value) for key, value in found if isinstance(value, str) and _DAY.fullmatch(value.strip())]


def _time_from_id(line_id: Json, clock: Clock, warn: Warnings) -> int | None:
    found = _BATCH_ID.fullmatch(line_id) if isinstance(line_id, str) else None
    us = clock.us(int(found[1], 16)) if found is not None else None
    if us is not None:
        warn("time-from-id")
    return us


def _found(record: Mapping[str, Json], keys: tuple[str, ...]) -> list[tuple[str, Json]]:
    if record.keys().isdisjoint(_outer_names(keys)):  # a record has few of the names that logs use
        return []
    found = []
    for key, outer, inner in _paths(keys):
        if outer in record:
            value = mapping(record[outer]).get(inner) if inner else record[outer]
            if value is not None:
                found.append((key, value))
    return found


@cache
def _outer_names(keys: tuple[str, ...]) -> frozenset[str]:
    return frozenset(outer for _, outer, _ in _paths(keys))


@cache
def _paths(keys: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    """Each key, what of it is at the top of a record, and what is within that; empty where nothing is."""
    return tuple((key, key.partition(".")[0], key.partition(".")[2]) for key in keys)


# ---------------------------------------------------------------------------------------------------------- durations


def _latency(
    outer: Mapping[str, Json],
    response: Mapping[str, Json],
    start: int | None,
    end: int | None,
    context: ParseContext,
    warn: Warnings,
) -> float | None:
    measured = (end - start) / 1_000_000 if start is not None and end is not None else None
    for _, value in _found(outer, _MS_KEYS):
        if _is_duration(value, warn):
            return _seconds(value / 1000, warn)
    for key, value in _found(outer, _S_KEYS):
        if key == "time":
            if is_number(value) and abs(value) <= _EPOCH_ABOVE:
                return _seconds(value / 1000 if "startedDateTime" in outer else float(value), warn)  # HAR: in ms
        elif _is_duration(value, warn):
            if key in _UNITLESS and _is_doubtful(value, measured, outer, response, context):
                warn("ambiguous-latency")
                return None
            return _seconds_under(key, value, warn)
    if measured is not None:
        return _seconds(measured, warn)
    return _provider_latency(outer, response, warn)


def _is_doubtful(
    value: float,
    measured: float | None,
    outer: Mapping[str, Json],
    response: Mapping[str, Json],
    context: ParseContext,
) -> bool:
    """Whether the record contradicts that a duration without unit is in seconds, or does not bear out so many of them.

    A few hundred are milliseconds in most logs (what JavaScript's and Go's clocks give), and few calls take so many
    seconds. What bears them out are a start and an end, the log's time and the answer's own second (with most servers
    and logs the call's two ends), or an answer that nobody writes in as many milliseconds.
    """
    if measured is not None:
        return value > _MOST_TIMES * max(measured, 1.0) > 0
    if not _FEWEST_ODD_SECONDS <= value <= _LONGEST_S:
        return False
    if any(is_number(count) and count > _MOST_TOKENS_A_MS * value for count in _output_counts(outer, response)):
        return False
    clock = Clock(context, Warnings())
    logged, created = clock.first(_log_times(outer)), clock.first(_found(response, ("created_at", "created")))
    if logged is None or created is None:
        return True
    apart = abs(logged - created) / 1_000_000
    return value > _MOST_TIMES * (apart + _ROUNDED_S) or apart > _MOST_TIMES * value


def _output_counts(outer: Mapping[str, Json], response: Mapping[str, Json]) -> Iterator[Json]:
    """Wherever a record says how many tokens the answer has."""
    for counts in (response.get("usage"), outer.get("usage"), outer.get("token_usage"), outer):
        yield from map(mapping(counts).get, OUTPUT_KEYS)


def _is_duration(value: Json, warn: Warnings) -> TypeGuard[int | float]:
    """Whether a value is a number; what a log writes in a number's place is left out with `bad-times`."""
    if not is_number(value):
        warn("bad-times")
    return is_number(value)


def _provider_latency(outer: Mapping[str, Json], response: Mapping[str, Json], warn: Warnings) -> float | None:
    """What Groq, Cerebras, Ollama and Azure write into the answer itself."""
    usage = mapping(response.get("usage"))
    total, queue = usage.get("total_time"), usage.get("queue_time")
    if is_number(total) and is_number(queue):
        return _seconds(total + queue if total >= 0 and queue >= 0 else -1.0, warn)
    cerebras = mapping(response.get("time_info")).get("total_time")
    if is_number(cerebras):
        return _seconds(float(cerebras), warn)
    ollama = response.get("total_duration") if is_ollama(response) else None
    if is_number(ollama):
        return _seconds(ollama / 1_000_000_000, warn)
    azure = _checkpoint(outer, response).get("total_duration_ms")
    return _seconds(azure / 1000, warn) if is_number(azure) else None


def _checkpoint(outer: Mapping[str, Json], response: Mapping[str, Json]) -> Mapping[str, Json]:
    found = mapping(response.get("latency_checkpoint")) or mapping(outer.get("latency_checkpoint"))
    return found or mapping(mapping(response.get("usage")).get("latency_checkpoint"))


def _seconds_under(key: str, value: float, warn: Warnings) -> float | None:
    """Return seconds; a key without unit and a large whole number are not believed to be some."""
    if key in _UNITLESS and isinstance(value, int) and value >= _MOST_WHOLE_SECONDS:
        warn("ambiguous-latency")
        return None
    return _seconds(float(value), warn)


def _seconds(value: float, warn: Warnings) -> float | None:
    if not 0 <= value <= _LONGEST_S:
        warn("bad-times")
        return None
    return round(value, 9)


def _first_token(
    outer: Mapping[str, Json], response: Mapping[str, Json], latency: float | None, warn: Warnings
) -> float | None:
    """Only below the latency: a first token cannot come after the last. Where that is not believed, nor is this."""
    if {"bad-times", "ambiguous-latency"} & set(warn.codes()):
        return None
    for key, value in _found(outer, _FIRST_TOKEN_S_KEYS):
        if _is_duration(value, warn):
            if key in _UNITLESS and value >= _FEWEST_ODD_SECONDS and latency is None:
                warn("ambiguous-latency")
                return None
            return _below(_seconds_under(key, value, warn), latency)
    for _, value in _found(outer, _FIRST_TOKEN_MS_KEYS):
        if _is_duration(value, warn):
            return _below(_seconds(value / 1000, warn), latency)
    checkpoint = _checkpoint(outer, response)
    for key in ("service_ttft_ms", "engine_ttft_ms"):
        azure = checkpoint.get(key)
        if is_number(azure):
            return _below(_seconds(azure / 1000, warn), latency)
    return None


def _below(first_token: float | None, latency: float | None) -> float | None:
    return None if first_token is None or (latency is not None and first_token >= latency) else first_token


# ------------------------------------------------------------------------------------------------ a stream's own times


def stream_fields(
    outer: Mapping[str, Json], parts: Sequence[tuple[Mapping[str, Json], bool]], context: ParseContext
) -> dict[str, Json]:
    """Return what the times of a stream's parts add to the record around it, under keys that `read_times` knows.

    `parts` are the objects in which each part's own times stand, and whether it carries a piece of the answer. The last
    time is the call's end, unless the record says one itself; with a start in the record the first piece gives the time
    to the first token. Nothing is taken from the times of arrival that no log has.
    """
    clock = Clock(context, Warnings())
    timed = [(found, has_content) for part, has_content in parts if (found := _part_times(part))]
    if not timed:
        return {}
    fields: dict[str, Json] = {}
    has_own_end = bool(_found(outer, _END_KEYS) or _log_times(outer))
    if not has_own_end:
        fields.update(timed[-1][0])
    started = _found(outer, _START_KEYS) or next(
        (found for part, _ in parts if (found := _found(part, _START_KEYS))), []
    )
    start, last = clock.first(started), clock.first(timed[-1][0])
    first = next((clock.first(found) for found, has_content in timed if has_content), None)
    if start is None or last is None:
        return fields
    if not has_own_end and not _found(outer, (*_MS_KEYS, *_S_KEYS)) and last >= start:
        fields["latency_s"] = (last - start) / 1_000_000
    if first is not None and first >= start and not _found(outer, (*_FIRST_TOKEN_S_KEYS, *_FIRST_TOKEN_MS_KEYS)):
        fields["time_to_first_token"] = (first - start) / 1_000_000
    return fields


def without_repeated_durations(fields: Mapping[str, Json], parts: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Return fields without durations that several parts carry: whether of the call or of a part is not known."""
    names = {key.partition(".")[0] for key in (*_MS_KEYS, *_S_KEYS)} - {"time"}
    repeated = {name for name in names if sum(name in part for part in parts) > 1}
    return {key: value for key, value in fields.items() if key not in repeated}


_TOP_KEYS = frozenset({"time", *(key.partition(".")[0] for key in (*_END_KEYS, *_LOG_KEYS, *_START_KEYS))})


def _part_times(part: Mapping[str, Json]) -> list[tuple[str, Json]]:
    if _TOP_KEYS.isdisjoint(part):
        return []
    return _found(part, _END_KEYS) + _log_times(part)
