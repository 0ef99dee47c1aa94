"""Token-count spellings → `Usage` (litellm-logs.md 6.8, openai-logs.md 3.5). Absent and all zero mean unknown."""

import re
from collections.abc import Callable, Mapping

from posthog_llm_cli.formats._fields import mapping, token_count, without_nulls
from posthog_llm_cli.model import Json, Usage
from posthog_llm_cli.patterns import lazily

Warn = Callable[[str], None]

INPUT_KEYS = ("prompt_tokens", "input_tokens", "tokens_in", "promptTokens", "inputTokens")
OUTPUT_KEYS = ("completion_tokens", "output_tokens", "tokens_out", "completionTokens", "outputTokens")
TOTAL_KEYS = ("total_tokens", "totalTokens")
"""OpenAI's names, home-made ones, and those of JavaScript's SDKs."""
COST_KEYS = ("cost", "cost_usd", "total_cost", "total_cost_usd", "response_cost")


_CLAUDE_KEYS = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Beside the counts of a chat completion that Claude answered: with LiteLLM's proxy parts of the input, with Databricks
on top of it."""
_TOTALS = ("prompt_tokens", "completion_tokens", "total_tokens")
_WHOLE_COUNTS = frozenset(_TOTALS)
_TOTAL_OF = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
_COUNTED = "|".join((*_TOTALS, *_TOTAL_OF, *_CLAUDE_KEYS, "cached_tokens", "reasoning_tokens"))
_COUNT = lazily(rf"(?<!\w)({_COUNTED})['\"]?\s*[=:]\s*(\d{{1,13}})(?![\w.])", re.ASCII)


def first_count(warn: Warn, *values: Json, least: int = 0) -> int | None:
    """Return the first value that is a token count of at least so many."""
    for value in values:
        if value is not None:
            count = token_count(value, warn)
            if count is not None and count >= least:
                return count
    return None


def positive(count: int | None) -> int | None:
    """Return a count that is more than zero: part counts of zero say nothing."""
    return count if count else None


def openai_usage(usage: Mapping[str, Json], warn: Warn, *, embedding: bool = False) -> Usage:
    """Read a usage object in chat or Responses spelling; the details may be null.

    An embedding has no output count, and some give it only a total. A part that is more than its whole, or two
    zeros beside a total, contradict themselves: left out with `bad-usage`.
    """
    prompt = first_count(warn, *(usage.get(key) for key in INPUT_KEYS))
    completion = first_count(warn, *(usage.get(key) for key in OUTPUT_KEYS))
    total = positive(first_count(warn, *(usage.get(key) for key in TOTAL_KEYS)))
    if embedding:
        completion = None
        total = positive(first_count(warn, usage.get("tokens"))) if total is None else total  # the AI SDK's
        prompt = total if prompt is None else prompt
    if not any((prompt, completion, total)):
        return Usage()
    if total is not None and not prompt and not completion and (prompt, completion) != (None, None):
        warn("bad-usage")
        prompt = completion = None
    into, out = _details(usage)
    claude_read, claude_written = (usage.get(key) for key in _CLAUDE_KEYS)
    cached = (
        into.get("cached_tokens"), usage.get("prompt_cache_hit_tokens"), usage.get("cached_tokens"), claude_read,
        usage.get("cachedInputTokens"), into.get("cache_read"),  # the AI SDK's and LangChain's
    )  # fmt: skip
    written = (
        into.get("cache_write_tokens"), into.get("cache_creation_tokens"), claude_written, into.get("cache_creation"),
    )  # fmt: skip
    cache_read = first_count(warn, *cached, least=1)  # a part of none does not hide another server's name
    cache_creation = first_count(warn, *written, least=1)
    is_beside = bool(claude_read or claude_written) and _is_more((cache_read, cache_creation), prompt)
    return Usage(
        input=prompt,
        output=completion,
        total=total,
        cache_read=cache_read if is_beside else _part(cache_read, prompt, warn),
        cache_creation=cache_creation if is_beside else _part(cache_creation, prompt, warn),
        cache_exclusive=is_beside,
        reasoning=first_count(
            warn, out.get("reasoning_tokens"), usage.get("reasoningTokens"), out.get("reasoning"), least=1
        ),
        raw=_believed(usage, warn) or None,
        kinds=_kinds(usage, (into, out), (prompt, completion), cache_creation),
    )


def _details(usage: Mapping[str, Json]) -> tuple[Mapping[str, Json], Mapping[str, Json]]:
    """The parts of the input's and of the output's tokens, in the spelling of chat, Responses or realtime."""
    into = mapping(usage.get("prompt_tokens_details")) or mapping(usage.get("input_tokens_details"))
    out = mapping(usage.get("completion_tokens_details")) or mapping(usage.get("output_tokens_details"))
    return into or mapping(usage.get("input_token_details")), out or mapping(usage.get("output_token_details"))


def _kinds(
    usage: Mapping[str, Json],
    details: tuple[Mapping[str, Json], Mapping[str, Json]],
    wholes: tuple[int | None, int | None],
    cache_creation: int | None,
) -> dict[str, int] | None:
    """Return the tokens that are priced apart: sound, pictures that were made, writes to the cache for an hour."""
    into, out = details
    spoken, said, drawn = into.get("audio_tokens"), out.get("audio_tokens"), out.get("image_tokens")
    if not (spoken or said or drawn or cache_creation):
        return None
    prompt, completion = wholes
    heard_before = mapping(into.get("cached_tokens_details")).get("audio_tokens")
    found = {
        "audio_input": _within(spoken, prompt),
        "cache_read_audio": _within(heard_before, prompt),
        "audio_output": _within(said, completion),
        "image_output": _within(drawn, completion),
    }
    written = mapping(into.get("cache_creation_token_details")) or mapping(usage.get("cache_creation"))
    short, long = (_within(written.get(f"ephemeral_{ttl}_input_tokens"), cache_creation) for ttl in ("5m", "1h"))
    if long and (short or 0) + long == cache_creation:
        found |= {"cache_creation_5m": short or 0, "cache_creation_1h": long}
    return {kind: count for kind, count in found.items() if count is not None} or None


def _within(count: Json, whole: int | None) -> int | None:
    """Return a count of some that is a part of `whole`; another is not believed."""
    return count if type(count) is int and whole is not None and 0 < count <= whole else None


def _is_more(parts: tuple[int | None, ...], whole: int | None) -> bool:
    """Whether counts are together more than what they would be parts of: then they come on top."""
    return whole is not None and sum(part or 0 for part in parts) > whole


def _part(count: int | None, whole: int | None, warn: Warn) -> int | None:
    """Return a count of what is in `whole`; PostHog would bill the difference, so it must not be negative."""
    if count and whole is not None and count > whole:
        warn("bad-usage")
        return None
    return positive(count)


def _believed(usage: Mapping[str, Json], warn: Warn) -> dict[str, Json]:
    """Return the usage object as logged, without nulls and without token counts that are none."""
    kept: dict[str, Json] = {}
    for key, value in usage.items():
        if isinstance(value, dict):
            kept[key] = _believed(value, warn)
        elif value is not None and (not key.endswith("_tokens") or token_count(value, warn) is not None):
            kept[key] = without_nulls(value)
    return kept


def printed_usage(printed: str) -> dict[str, Json]:
    """Return the counts that an object's print shows (`prompt_tokens=8`), the first of a name, as a usage object."""
    usage: dict[str, int] = {}
    for name, digits in _COUNT.findall(printed):
        usage.setdefault(_TOTAL_OF.get(name, name), int(digits))
    return {
        **{name: usage[name] for name in _TOTALS if name in usage},
        **{name: usage[name] for name in _CLAUDE_KEYS if usage.get(name)},
        **({"prompt_tokens_details": {"cached_tokens": usage["cached_tokens"]}} if usage.get("cached_tokens") else {}),
        **(
            {"completion_tokens_details": {"reasoning_tokens": usage["reasoning_tokens"]}}
            if usage.get("reasoning_tokens")
            else {}
        ),
    }


def litellm_usage(
    counts: Mapping[str, Json],
    usage: Mapping[str, Json],
    warn: Warn,
    *,
    embedding: bool,
    raw: Mapping[str, Json],
    web_searches: int | None,
) -> Usage:
    """Read LiteLLM's counts (inclusive of cache for every provider) and the kinds from its usage object.

    Neither the kinds in `usage` nor the object as it was logged, `raw`, hold nulls. All tokens of an embedding are its
    input's, and some providers give nothing but the total. Cached tokens beyond the input are no part of it. Two zeros
    beside a total of other calls are no counts.
    """
    prompt = token_count(counts.get("prompt_tokens"), warn)
    completion = token_count(counts.get("completion_tokens"), warn)
    total = token_count(counts.get("total_tokens"), warn)
    if not (prompt or completion or total):
        return Usage(web_searches=web_searches)
    if embedding:
        if not prompt and not completion:
            prompt = total
        completion = None
    elif not prompt and not completion:  # of an image some releases keep the counts in the usage alone, or lose them
        prompt, completion = (first_count(warn, usage.get(key), least=1) for key in ("input_tokens", "output_tokens"))
        if prompt is None and completion is None:
            warn("bad-usage")
    if usage.keys() <= _WHOLE_COUNTS:  # no parts of them
        return Usage(
            input=prompt,
            output=completion,
            total=positive(total),
            web_searches=web_searches,
            raw=raw or usage or None,
        )
    into, out = _details(usage)
    cache_read = first_count(warn, usage.get("cache_read_input_tokens"), into.get("cached_tokens"))
    cache_creation = first_count(
        warn,
        usage.get("cache_creation_input_tokens"),
        into.get("cache_creation_tokens"),
        into.get("cache_write_tokens"),
    )
    return Usage(
        input=prompt,
        output=completion,
        total=positive(total),
        cache_read=positive(cache_read),
        cache_creation=positive(cache_creation),
        reasoning=positive(token_count(out.get("reasoning_tokens"), warn)),
        cache_exclusive=_is_more((cache_read, cache_creation), prompt),
        web_searches=web_searches,
        raw=raw or usage or None,
        kinds=_kinds(usage, (into, out), (prompt, completion), cache_creation),
    )
