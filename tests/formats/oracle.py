"""What the numbers of an event may be, given its record: an oracle that shares no code with the readers.

A number is *right* if the record holds it under a key that may hold it, in that key's unit: nothing is made up, summed
or taken from a neighbour. The only numbers that are computed are the end minus the start, the start plus the latency,
and Groq's waiting and working time, and for streams a part's time minus the start; a search count says how often the answer searched. Beside that a number must be
believable: counts are whole and not negative, a part is not more than its whole, a cost is above zero, a first token
comes before the last, a time lies between 2015 and the day after the run.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

INPUT = ("prompt_tokens", "input_tokens", "tokens_in", "prompt_eval_count")
COUNTS = {
    "$ai_input_tokens": INPUT,
    "$ai_output_tokens": ("completion_tokens", "output_tokens", "tokens_out", "eval_count"),
    "$ai_total_tokens": ("total_tokens",),
    "$ai_cache_read_input_tokens": ("cached_tokens", "prompt_cache_hit_tokens"),
    "$ai_cache_creation_input_tokens": ("cache_write_tokens",),
    "$ai_reasoning_tokens": ("reasoning_tokens",),
}
COSTS = ("cost", "cost_usd", "total_cost", "total_cost_usd", "response_cost")
STATUSES = ("status_code", "http_status", "status", "code")
MILLISECONDS = ("latency_ms", "duration_ms", "elapsed_ms", "response_time_ms", "total_duration_ms")
UNITLESS = ("latency", "duration", "elapsed", "response_time")
SECONDS = (
    "latency_s",
    "latency_seconds",
    "duration_s",
    "duration_seconds",
    "elapsed_s",
    "elapsed_seconds",
    "time",
    "total_time",
)
FIRST_MILLISECONDS = ("ttft_ms", "time_to_first_token_ms", "first_token_ms", "service_ttft_ms", "engine_ttft_ms")
FIRST_SECONDS = ("ttft", "ttft_s", "time_to_first_token")
ENDS = (
    "ended_at", "end_time", "endTime", "endedAt", "finished_at", "finishedAt", "completed_at", "completedAt",
    "response_timestamp", "receivedAt",
)  # fmt: skip
STARTS = (
    "started_at", "start_time", "startTime", "startedAt", "request_timestamp", "requestedAt", "startedDateTime",
)  # fmt: skip
TIMES = (
    *ENDS, "timestamp", "ts", "ts_utc", "utc_time", "time_utc", "datetime_utc", "datetime", "date", "created_at", "logged_at",
    "time", "created", "createdAt", "loggedAt", "@timestamp", "timestamp_ms", "asctime", "recorded_at",
)  # fmt: skip
BATCH_ID = re.compile(r"batch_req_([0-9a-f]{8})[0-9a-f]{24}")
NEAR = 1e-6


class Numbers:
    """Every scalar of a record by its key, on every level, also inside of texts of JSON."""

    def __init__(self, record: Any) -> None:
        self.by_key: dict[str, list[Any]] = defaultdict(list)
        for key, value in scalars(record):
            self.by_key[key].append(value)

    def of(self, keys: tuple[str, ...]) -> Iterator[int | float]:
        """The finite numbers under these keys."""
        for key in keys:
            for value in self.by_key[key]:
                if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                    yield value

    def counts(self, keys: tuple[str, ...]) -> set[int]:
        """The token counts under these keys: whole numbers, also as text."""
        texts = (value.strip() for key in keys for value in self.by_key[key] if isinstance(value, str))
        whole = {int(value) for value in self.of(keys) if value == int(value)}
        return whole | {int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 15}

    def times(self, keys: tuple[str, ...]) -> set[float]:
        """The times under these keys, in seconds since the epoch, rounded to microseconds."""
        found = (epoch_s(value) for key in keys for value in self.by_key[key])
        return {value for value in found if value is not None}

    def times_of_ids(self) -> set[float]:
        """The seconds that the ids of a batch's lines begin with, in hex."""
        ids = (BATCH_ID.fullmatch(value) for value in self.by_key["id"] if isinstance(value, str))
        return {float(int(found[1], 16)) for found in ids if found is not None}


def scalars(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (key, scalar); an element of a list goes by the list's key, a stream's text by what its lines hold."""
    if isinstance(value, str) and "data:" in value:
        for line in value.split("\n"):
            if line.startswith("data:"):
                yield from scalars(line.removeprefix("data:").strip(), key)
        return
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except ValueError:
            yield key, value
            return
    if isinstance(value, dict):
        for name, member in value.items():
            yield from scalars(member, name)
    elif isinstance(value, list):
        for member in value:
            yield from scalars(member, key)
    else:
        yield key, value


def epoch_s(value: Any) -> float | None:
    """A time as seconds since the epoch: numbers by their magnitude, ISO texts without zone as UTC."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return _iso_s(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    size = abs(value)
    for above, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (0, 1.0)):
        if size >= above:
            return float(value / unit)
    return None


def _iso_s(text: str) -> float | None:
    head, _, fraction = text.partition(".")
    digits = fraction[: len(fraction) - len(fraction.lstrip("0123456789"))]
    shortened = f"{head}.{digits[:6].ljust(6, '0')}{fraction[len(digits) :]}" if digits else text
    try:
        found = datetime.fromisoformat(shortened)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


# ----------------------------------------------------------------------------------------------------------- the oracle


def wrong_numbers(record: Any, event: Mapping[str, Any], *, run_started_at: datetime) -> list[str]:
    """What of an event's numbers is not right, in words; empty where all are."""
    numbers, properties = Numbers(record), event["properties"]
    wrong = [*_wrong_counts(numbers, properties, embedding=event["event"] == "$ai_embedding")]
    cost = properties.get("$ai_total_cost_usd")
    if cost is not None and not (0 < cost <= 10_000 and cost in _costs(numbers)):
        wrong.append(f"cost {cost}")
    wrong += _wrong_durations(numbers, properties)
    wrong += _wrong_time(numbers, properties, event["timestamp"], run_started_at)
    status = properties.get("$ai_http_status")
    if status is not None and not (0 <= status <= 599 and status in numbers.counts(STATUSES)):
        wrong.append(f"status {status}")
    searches = properties.get("$ai_web_search_count")
    searched = max(1, numbers.by_key["type"].count("web_search_call"))
    # A stream names a search again when it is done, and in its last event.
    if searches is not None and not (searches == searched or (properties.get("$ai_stream") and searches < searched)):
        wrong.append(f"searches {searches}")
    return wrong


def _costs(numbers: Numbers) -> set[float]:
    """The costs in dollars; xAI writes ten-thousandths of a millionth."""
    return {*numbers.of(COSTS), *(ticks / 1e10 for ticks in numbers.of(("cost_in_usd_ticks",)))}


def _wrong_counts(numbers: Numbers, properties: Mapping[str, Any], *, embedding: bool) -> Iterator[str]:
    for name, keys in COUNTS.items():
        count = properties.get(name)
        if count is None:
            continue
        allowed = (*keys, "total_tokens") if embedding and name == "$ai_input_tokens" else keys
        if type(count) is not int or not 0 <= count <= 10**9 or count not in numbers.counts(allowed):
            yield f"{name} {count}"
    asked, made, total = (properties.get(f"$ai_{name}_tokens") for name in ("input", "output", "total"))
    for part in ("$ai_cache_read_input_tokens", "$ai_cache_creation_input_tokens"):
        if asked is not None and properties.get(part, 0) > asked:
            yield f"{part} is more than the input"
    if not any((asked, made, total)) and (asked, made, total) != (None, None, None):
        yield "zeros"
    if embedding and made is not None:
        yield "an embedding has no output"


def durations(numbers: Numbers) -> Iterator[float]:
    """Every latency that the record may mean, in seconds."""
    yield from (value / 1000 for value in numbers.of(MILLISECONDS))
    yield from numbers.of(SECONDS)
    yield from (value for value in numbers.of(UNITLESS) if not isinstance(value, int) or value < 1000)
    yield from (end - start for end, start in product(numbers.times(ENDS), numbers.times(STARTS)))
    yield from (total + queue for total, queue in product(numbers.of(("total_time",)), numbers.of(("queue_time",))))
    yield from (value / 1e9 for value in numbers.of(("total_duration",)))


def _wrong_durations(numbers: Numbers, properties: Mapping[str, Any]) -> Iterator[str]:
    latency, first = properties.get("$ai_latency"), properties.get("$ai_time_to_first_token")
    spans: list[float] = []
    if properties.get("$ai_stream"):  # whose parts have times of their own
        spans = [end - start for end, start in product(numbers.times(TIMES), numbers.times(STARTS))]
    known = [*durations(numbers), *spans]
    if latency is not None and not (latency >= 0 and any(abs(latency - value) < NEAR for value in known)):
        yield f"latency {latency}"
    if first is None:
        return
    said = [*spans, *(value / 1000 for value in numbers.of(FIRST_MILLISECONDS))]
    said += [value for value in numbers.of(FIRST_SECONDS) if not isinstance(value, int) or value < 1000]
    if first < 0 or (latency is not None and first >= latency) or not any(abs(first - value) < NEAR for value in said):
        yield f"first token {first}"


def _wrong_time(
    numbers: Numbers, properties: Mapping[str, Any], timestamp: str, run_started_at: datetime
) -> Iterator[str]:
    found = datetime.fromisoformat(timestamp)
    if not datetime(2015, 1, 1, tzinfo=UTC) <= found <= run_started_at + timedelta(hours=23):
        yield f"implausible time {timestamp}"
    at = found.timestamp()
    said = numbers.times((*TIMES, *STARTS)) | numbers.times_of_ids()
    said |= {start + properties.get("$ai_latency", 0) for start in numbers.times(STARTS)}
    if not any(abs(at - value) < 2e-6 for value in said):
        yield f"time {timestamp}"
