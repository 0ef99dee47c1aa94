"""Durations, tokens, cost, errors (6.3, 6.8, 6.9, 6.10)."""

import re

from compat.laws import Fields, put
from compat.record import Record, Setting
from compat.values import Json, is_number, is_said, object_of

MAX_ERROR_CHARACTERS = 4000
_WHOLES = ("prompt", "completion", "total")
_SECRETS = re.compile(r"(?<![A-Za-z0-9])sk-[\w*.…-]{5,}[\w*…-]|(?<=Bearer )[\w.~+/=*…-]{8,}")


def latency(fields: Fields, record: Record, _: Setting) -> None:
    """From start to end, of streams too; absent where a time is missing."""
    start, end = record.time_us("startTime"), record.time_us("endTime")
    known = start is not None and end is not None and end >= start
    put(fields, "$ai_latency", (end - start) / 1_000_000 if known else None)  # type: ignore[operator]  # known


def first_token(fields: Fields, record: Record, _: Setting) -> None:
    """Of streams, where LiteLLM knew it: strictly between start and end."""
    start, first, end = (record.time_us(name) for name in ("startTime", "completionStartTime", "endTime"))
    if record.payload.get("stream") is True and start and first and end and start < first < end:
        fields["$ai_time_to_first_token"] = (first - start) / 1_000_000


# -------------------------------------------------------------------------------------------------------------- tokens


def _count(value: Json) -> int | None:
    return int(value) if is_number(value) and value >= 0 else None


def counts_known(record: Record) -> bool:
    """Whether LiteLLM counted anything: three zeros mean that it did not."""
    return any(_count(record.payload.get(f"{kind}_tokens")) for kind in _WHOLES)


def unknown_tokens(fields: Fields, record: Record, _: Setting) -> None:
    """Unknown counts are absent, not zero; a total alone is an embedding's input, else the usage may say more."""
    known = counts_known(record)
    for name, kind in (("$ai_input_tokens", "prompt"), ("$ai_output_tokens", "completion")):
        if name in fields:
            put(fields, name, _count(record.payload.get(f"{kind}_tokens")) if known else None)
    prompt, completion, total = (_count(record.payload.get(f"{kind}_tokens")) for kind in _WHOLES)
    if not total or prompt or completion:
        return
    if record.is_embedding:
        put(fields, "$ai_input_tokens", total)
        return
    for name, kind in (("$ai_input_tokens", "input"), ("$ai_output_tokens", "output")):
        put(fields, name, _count(record.usage.get(f"{kind}_tokens")) or None)


def no_output_tokens(fields: Fields, record: Record, _: Setting) -> None:
    """An embedding has no output."""
    if record.is_embedding:
        put(fields, "$ai_output_tokens", None)


def token_kinds(fields: Fields, record: Record, _: Setting) -> None:
    """Totals, cached and reasoning tokens, and the usage object, where they say something."""
    if not counts_known(record):
        return
    usage = record.usage
    into = object_of(usage.get("prompt_tokens_details")) or object_of(usage.get("input_tokens_details"))
    out = object_of(usage.get("completion_tokens_details")) or object_of(usage.get("output_tokens_details"))
    read = _first_count(usage.get("cache_read_input_tokens"), into.get("cached_tokens"))
    written = _first_count(
        usage.get("cache_creation_input_tokens"), into.get("cache_creation_tokens"), into.get("cache_write_tokens")
    )
    put(fields, "$ai_total_tokens", _count(record.payload.get("total_tokens")) or None)
    put(fields, "$ai_cache_read_input_tokens", read or None)
    put(fields, "$ai_cache_creation_input_tokens", written or None)
    put(fields, "$ai_reasoning_tokens", _count(out.get("reasoning_tokens")) or None)
    kept = object_of(_without_nulls(usage))
    if not (record.payload.get("cache_hit") is True or _is_paid(record.payload.get("response_cost"))):
        kept = {key: value for key, value in kept.items() if key != "cost"}
    put(fields, "$ai_usage", kept or None)
    prompt = _count(record.payload.get("prompt_tokens"))
    on_top = prompt is not None and (read or 0) + (written or 0) > prompt
    put(fields, "$ai_cache_reporting_exclusive", on_top if read or written else None)


def _is_paid(cost: Json) -> bool:
    return is_number(cost) and cost > 0


def _first_count(*values: Json) -> int | None:
    return next((count for value in values if (count := _count(value)) is not None), None)


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    return [_without_nulls(member) for member in value] if isinstance(value, list) else value


# ---------------------------------------------------------------------------------------------------------------- cost


def unknown_cost(fields: Fields, record: Record, _: Setting) -> None:
    """A zero that nobody knows to be one is absent; that of a cache hit is real."""
    cost = record.payload.get("response_cost")
    known = is_number(cost) and cost > 0
    put(fields, "$ai_total_cost_usd", 0.0 if record.payload.get("cache_hit") is True else cost if known else None)


def cost_parts(fields: Fields, record: Record, _: Setting) -> None:
    """Both parts where they add up; else PostHog is told to leave the total alone."""
    total = fields.get("$ai_total_cost_usd")
    if total is None:
        return
    breakdown = object_of(record.payload.get("cost_breakdown"))
    parts = [part for name in ("input_cost", "output_cost") if is_number(part := breakdown.get(name)) and part > 0]
    whole = len(parts) == 2 and abs(sum(parts) - total) <= 1e-9 + 1e-6 * total
    if whole and record.payload.get("cache_hit") is not True:
        fields["$ai_input_cost_usd"], fields["$ai_output_cost_usd"] = parts
    else:
        fields["$ai_cost_passthrough"] = True


# -------------------------------------------------------------------------------------------------------------- errors


def error_text(fields: Fields, record: Record, _: Setting) -> None:
    """The first text that says something, without traceback and keys, bounded."""
    if record.is_failure:
        candidates = (
            record.payload.get("error_str"),
            record.error.get("error_message"),
            record.error.get("error_class"),
        )
        said = (_said(text) for text in candidates if is_said(text))
        fields["$ai_error"] = next((text for text in said if text), "unknown error")


def _said(text: str) -> str:
    before = re.split(r"\s*Traceback \(most recent call last\)", text, maxsplit=1)[0]
    return _SECRETS.sub("[REDACTED]", before).strip()[:MAX_ERROR_CHARACTERS]


def error_type(fields: Fields, record: Record, _: Setting) -> None:
    """The class of the error, and the HTTP status where one is named."""
    if not record.is_failure:
        return
    named = record.error.get("error_class")
    put(fields, "$ai_error_type", named if is_said(named) else None)
    code, normalised = str(record.error.get("error_code") or ""), str(record.error.get("normalized_error") or "")
    status = re.fullmatch(r"[1-5]\d\d", code) or re.match(r"[1-5]\d\d(?!\d)", normalised)
    put(fields, "$ai_http_status", int(status[0]) if status else None)
