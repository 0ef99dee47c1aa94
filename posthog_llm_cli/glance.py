"""`glance_of()`: an event → what the figures of a preview are made of. Pure, and run by worker processes.

It reads the event's own JSON, as PostHog will, and not the call that the event was built from: so a preview shows what
will be there, for events that were records already too, and leaves out what privacy mode has taken out. Beside
`payload.py`, which writes PostHog's property names, this is the one module that reads them.
"""

from collections.abc import Mapping

import orjson

from posthog_llm_cli.model import Event, Glance, Json, Operation, Pricing
from posthog_llm_cli.values import Value

MAX_MESSAGE = 300
"""How many characters of an error's message are kept, for one example of each kind."""

_CALLS = frozenset(operation.value for operation in Operation)
_CONTENT = (
    "$ai_input",
    "$ai_output",
    "$ai_output_choices",
    "$ai_input_state",
    "$ai_output_state",
    "$ai_tools",
)
_OWN_TRACE, _USER = "own trace", "user"


class Property(Value, frozen=True):
    """One row of the coverage: `key` is PostHog's name of it, None where more than its presence decides."""

    name: str
    title: str
    key: str | None = None


PROPERTIES = (
    Property("model", "model", "$ai_model"),
    Property("provider", "provider", "$ai_provider"),
    Property("input", "input (prompt)", "$ai_input"),
    Property("output", "output (completion)", "$ai_output_choices"),
    Property("input_tokens", "input tokens", "$ai_input_tokens"),
    Property("output_tokens", "output tokens", "$ai_output_tokens"),
    Property("cache_read", "cache read tokens", "$ai_cache_read_input_tokens"),
    Property("cache_creation", "cache creation tokens", "$ai_cache_creation_input_tokens"),
    Property("reasoning", "reasoning tokens", "$ai_reasoning_tokens"),
    Property("cost", "cost", "$ai_total_cost_usd"),
    Property("latency", "latency", "$ai_latency"),
    Property("ttft", "time to first token", "$ai_time_to_first_token"),
    Property(_USER, "user"),
    Property(_OWN_TRACE, "trace"),
    Property("session", "session", "$ai_session_id"),
    Property("parent", "parent", "$ai_parent_id"),
    Property("span_name", "span name", "$ai_span_name"),
    Property("tools", "tools", "$ai_tools"),
    Property("model_parameters", "model parameters", "$ai_model_parameters"),
    Property("stream", "stream", "$ai_stream"),
    Property("stop_reason", "stop reason", "$ai_stop_reason"),
    Property("http_status", "HTTP status", "$ai_http_status"),
    Property("base_url", "base URL", "$ai_base_url"),
    Property("service_tier", "service tier", "$ai_service_tier"),
)
"""What coverage is told of, in this order; the place in it is the bit in `Glance.known`."""

_MOST = 1e12
"""Of dollars, seconds and tokens more than any call takes: no sum is to be lost to what stands in a wrong place."""
_BITS = {row.key: 1 << place for place, row in enumerate(PROPERTIES) if row.key is not None}
_BIT_OF = {row.name: 1 << place for place, row in enumerate(PROPERTIES)}


def glance_of(event: Event, format_: str | None, warnings: tuple[str, ...]) -> Glance:
    """Return what the figures need of an event of this format, which was built with these warnings."""
    properties: dict[str, Json] = orjson.loads(event.properties)
    trace_id, span_id = _text(properties, "$ai_trace_id"), _text(properties, "$ai_span_id")
    input_tokens, output_tokens = _whole(properties, "$ai_input_tokens"), _whole(properties, "$ai_output_tokens")
    has_tokens = input_tokens is not None or output_tokens is not None
    cost_usd = _cost(properties)
    has_user = event.distinct_id != trace_id
    known = sum(bit for key, bit in _BITS.items() if key in properties)
    return Glance(
        format=format_,
        is_call=event.name in _CALLS,
        trace_id=trace_id,
        span_id=span_id,
        parent_id=_text(properties, "$ai_parent_id"),
        session_id=_text(properties, "$ai_session_id"),
        span_name=_text(properties, "$ai_span_name"),
        trace_name=_text(properties, "$ai_trace_name"),
        model=_text(properties, "$ai_model"),
        provider=_text(properties, "$ai_provider"),
        latency_s=_number(properties, "$ai_latency"),
        ttft_s=_number(properties, "$ai_time_to_first_token"),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_usd=cost_usd,
        pricing=_pricing(properties, cost_usd, has_tokens=has_tokens),
        is_error=properties.get("$ai_is_error") is True,
        error_type=_text(properties, "$ai_error_type"),
        error_message=_message(properties),
        http_status=_whole(properties, "$ai_http_status"),
        has_user=has_user,
        has_content=any(name in properties for name in _CONTENT),
        is_id_shortened="distinct-id-shortened" in warnings,
        known=known | _BIT_OF[_USER] * has_user | _BIT_OF[_OWN_TRACE] * (trace_id not in {None, span_id, event.uuid}),
    )


def known_properties(known: int) -> list[Property]:
    """Return the rows of the coverage whose bits are set."""
    return [row for place, row in enumerate(PROPERTIES) if known >> place & 1]


def _text(properties: Mapping[str, Json], name: str) -> str | None:
    value = properties.get(name)
    return value if isinstance(value, str) and value else None


def _number(properties: Mapping[str, Json], name: str) -> float | None:
    value = properties.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _MOST:
        return None
    return float(value)


def _whole(properties: Mapping[str, Json], name: str) -> int | None:
    number = _number(properties, name)
    return None if number is None else int(number)


def _message(properties: Mapping[str, Json]) -> str | None:
    message = _text(properties, "$ai_error")
    return None if message is None else message[:MAX_MESSAGE]


def _cost(properties: Mapping[str, Json]) -> float | None:
    """Return the cost that PostHog will show without a price of its own (posthog-ingestion.md, 11.2)."""
    total = _number(properties, "$ai_total_cost_usd")
    parts = _number(properties, "$ai_input_cost_usd"), _number(properties, "$ai_output_cost_usd")
    if total is None and parts[0] is not None and parts[1] is not None:
        return parts[0] + parts[1]
    return total


def _pricing(properties: Mapping[str, Json], cost_usd: float | None, *, has_tokens: bool) -> Pricing:
    own_prices = (_number(properties, "$ai_input_token_price"), _number(properties, "$ai_output_token_price"))
    if cost_usd is not None or (has_tokens and None not in own_prices):
        return Pricing.LOGGED
    return Pricing.ESTIMATED if has_tokens else Pricing.NONE
