"""Token counts and cost of an exchange: where they may stand, and which are believed (openai-logs.md 3.5, 3.9, 4.7)."""

from collections.abc import Mapping

from posthog_llm_cli.formats._fields import Warnings, decoded, id_text, is_number, mapping
from posthog_llm_cli.formats._messages import web_searches
from posthog_llm_cli.formats._openai_answers import is_ollama
from posthog_llm_cli.formats._openai_exchange import Exchange
from posthog_llm_cli.formats._openai_shapes import USAGE_KEYS
from posthog_llm_cli.formats._usage import COST_KEYS, INPUT_KEYS, OUTPUT_KEYS, TOTAL_KEYS, openai_usage, printed_usage
from posthog_llm_cli.model import Cost, Json, Usage
from posthog_llm_cli.values import replace

_CACHED_KEYS = ("cache_hit", "cacheHit", "from_cache", "fromCache")
_MOST_USD = 10_000
"""More than any call costs: what is larger is another number in the place of a cost."""

_TICKS_OF_A_DOLLAR = 10_000_000_000
"""docs.x.ai, "Cost Tracking"."""


def read_usage(exchange: Exchange, warn: Warnings, *, embedding: bool) -> Usage:
    """Return what the answer says of its tokens, else the record's own usage, else its flat keys."""
    usage = _counts(exchange, warn, embedding=embedding)
    searches = web_searches(exchange.response)
    return usage if searches is None else replace(usage, web_searches=searches)


def _counts(exchange: Exchange, warn: Warnings, *, embedding: bool) -> Usage:
    logged = _logged(exchange)
    if logged:
        return openai_usage(logged, warn, embedding=embedding)
    flat = _ollama_usage(exchange.response) or _flat_usage(exchange.outer)
    return replace(openai_usage(flat, warn, embedding=embedding), raw=None)


def _logged(exchange: Exchange) -> Mapping[str, Json]:
    """The first usage object that says something: the server's before the client's."""
    outer = exchange.outer
    candidates = (exchange.response.get("usage"), *map(outer.get, USAGE_KEYS))
    found = (_usage_object(candidate) for candidate in candidates)
    return next((usage for usage in found if any(value is not None for value in usage.values())), {})


def _usage_object(value: Json) -> Mapping[str, Json]:
    """A usage object, also as text of JSON or as Python prints the SDK's."""
    if not isinstance(value, str):
        return mapping(value)
    return mapping(decoded(value)) or printed_usage(value)


def _ollama_usage(response: Mapping[str, Json]) -> dict[str, Json]:
    """Ollama's own counts (4.10); it leaves the prompt's out where the prompt was cached."""
    if not is_ollama(response):
        return {}
    counts = {"prompt_tokens": response.get("prompt_eval_count"), "completion_tokens": response.get("eval_count")}
    return {key: value for key, value in counts.items() if value is not None}


def _flat_usage(outer: Mapping[str, Json]) -> dict[str, Json]:
    """Counts at the top of a record; a total alone cannot be split and says nothing (4.7)."""
    into, out, total = (_first(outer, keys) for keys in (INPUT_KEYS, OUTPUT_KEYS, TOTAL_KEYS))
    if into is None and out is None:
        return {}
    details = mapping(decoded(outer.get("token_details")))
    return {**details, "prompt_tokens": into, "completion_tokens": out, "total_tokens": total}


def _first(outer: Mapping[str, Json], keys: tuple[str, ...]) -> Json:
    return next((outer[key] for key in keys if outer.get(key) is not None), None)


def read_cost(exchange: Exchange, usage: Usage, warn: Warnings, *, failed: bool) -> Cost | None:
    """Return a logged cost above zero; estimates and zeros are not sent (3.9), but for the zero of a cached answer.

    Warns `zero-cost` of a zero for an answer with tokens, `no-cost` of what is no cost (a text, a negative number, more
    than any call costs).
    """
    candidates = [exchange.outer.get(key) for key in COST_KEYS]
    candidates.append(exchange.request.get("response_cost"))  # among the kwargs of a callback of LiteLLM's
    candidates += _costs_of_usage(_logged(exchange))
    said = [value for value in candidates if value is not None]
    cost = next((float(value) for value in said if is_number(value) and 0 < value <= _MOST_USD), None)
    if cost is not None:
        return Cost(cost)
    if not failed and _is_cached(exchange, usage):
        return Cost(0.0)
    if any(not is_number(value) or value != 0 for value in said):
        warn("no-cost")
    elif said and not failed and (usage.input or usage.output):
        warn("zero-cost")
    return None


def _is_cached(exchange: Exchange, usage: Usage) -> bool:
    """Whether an application answered from a cache of its own, by a flag; a provider's cache counts its tokens.

    An answer with an id is one event however often it was given, and that event has what it cost when a model gave it.
    """
    is_flagged = any(exchange.outer.get(key) is True for key in _CACHED_KEYS)
    return is_flagged and usage.cache_read is None and id_text(exchange.response.get("id")) is None


def _costs_of_usage(usage: Mapping[str, Json]) -> list[Json]:
    """What servers write beside the tokens: OpenRouter a number, Perplexity an object, xAI parts of a dollar."""
    cost, ticks = usage.get("cost"), usage.get("cost_in_usd_ticks")
    priced = mapping(cost).get("total_cost") if isinstance(cost, dict) else cost
    return [
        None if usage.get("is_byok") is True else priced,
        ticks / _TICKS_OF_A_DOLLAR if is_number(ticks) else None,
    ]
