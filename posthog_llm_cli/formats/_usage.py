"""Token-count spellings → `Usage` (litellm-logs.md 6.8, openai-logs.md 3.5). Absent and all zero mean unknown."""

from collections.abc import Callable, Mapping

from posthog_llm_cli.formats._fields import mapping, token_count, without_nulls
from posthog_llm_cli.model import Json, Usage

Warn = Callable[[str], None]


def first_count(warn: Warn, *values: Json) -> int | None:
    """Return the first value that is a token count."""
    for value in values:
        count = token_count(value, warn)
        if count is not None:
            return count
    return None


def positive(count: int | None) -> int | None:
    """Return a count that is more than zero: part counts of zero say nothing."""
    return count if count else None


def openai_usage(usage: Mapping[str, Json], warn: Warn, *, embedding: bool = False) -> Usage:
    """Read a usage object in chat or Responses spelling; the details may be null.

    An embedding has no output count, and Voyage gives it only a total.
    """
    prompt = first_count(warn, usage.get("prompt_tokens"), usage.get("input_tokens"))
    completion = first_count(warn, usage.get("completion_tokens"), usage.get("output_tokens"))
    total = token_count(usage.get("total_tokens"), warn)
    if embedding:
        completion = None
        prompt = total if prompt is None else prompt
    if not any((prompt, completion, total)):
        return Usage()
    into = mapping(usage.get("prompt_tokens_details")) or mapping(usage.get("input_tokens_details"))
    out = mapping(usage.get("completion_tokens_details")) or mapping(usage.get("output_tokens_details"))
    return Usage(
        input=prompt,
        output=completion,
        total=positive(total),
        cache_read=positive(
            first_count(
                warn, into.get("cached_tokens"), usage.get("prompt_cache_hit_tokens"), usage.get("cached_tokens")
            )
        ),
        cache_creation=positive(token_count(into.get("cache_write_tokens"), warn)),
        reasoning=positive(token_count(out.get("reasoning_tokens"), warn)),
        raw=without_nulls(usage) or None,
    )


def litellm_usage(counts: Mapping[str, Json], usage: Mapping[str, Json], warn: Warn, *, embedding: bool) -> Usage:
    """Read LiteLLM's counts (inclusive of cache for every provider) and the kinds from its usage object."""
    prompt = token_count(counts.get("prompt_tokens"), warn)
    completion = token_count(counts.get("completion_tokens"), warn)
    total = token_count(counts.get("total_tokens"), warn)
    if not any((prompt, completion, total)):
        return Usage()
    into = mapping(usage.get("prompt_tokens_details"))
    out = mapping(usage.get("completion_tokens_details"))
    cache_read = first_count(warn, usage.get("cache_read_input_tokens"), into.get("cached_tokens"))
    cache_creation = first_count(
        warn,
        usage.get("cache_creation_input_tokens"),
        into.get("cache_creation_tokens"),
        into.get("cache_write_tokens"),
    )
    return Usage(
        input=prompt,
        output=None if embedding else completion,
        total=positive(total),
        cache_read=positive(cache_read),
        cache_creation=positive(cache_creation),
        reasoning=positive(token_count(out.get("reasoning_tokens"), warn)),
        raw=without_nulls(usage) or None,
    )
