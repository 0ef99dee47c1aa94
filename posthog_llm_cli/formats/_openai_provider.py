"""Which provider answered: told from the record, never guessed (openai-logs.md, section 5). Names are LiteLLM's."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from posthog_llm_cli.formats._fields import items, mapping, text
from posthog_llm_cli.formats._openai_answers import is_ollama
from posthog_llm_cli.formats._urls import hostname
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily

_HOSTS = (
    ("azure", ("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com")),
    ("openrouter", ("openrouter.ai",)),
    ("groq", ("groq.com",)),
    ("cerebras", ("cerebras.ai",)),
    ("deepseek", ("deepseek.com",)),
    ("together_ai", ("together.xyz", "together.ai")),
    ("gemini", ("generativelanguage.googleapis.com",)),
    ("zai", ("bigmodel.cn", "z.ai")),
    ("ollama", ("ollama",)),
    ("anthropic", ("anthropic.com",)),
    ("perplexity", ("perplexity.ai",)),
    ("mistral", ("mistral.ai",)),
    ("xai", ("x.ai",)),
    ("fireworks_ai", ("fireworks.ai",)),
    ("huggingface", ("huggingface.co",)),
    ("voyage", ("voyageai.com",)),
    ("moonshot", ("moonshot",)),
    ("deepinfra", ("deepinfra.com",)),
    ("openai", ("api.openai.com",)),
)
_OPENAI_FAMILIES = lazily(
    r"(?:ft:)?(?:gpt-(?!oss|35)|chatgpt-|o1(?![0-9a-z])|o3(?![0-9a-z])|o4(?![0-9a-z])|text-embedding-3-|text-embedding-ada-|text-davinci-"
    r"|davinci|babbage|curie|ada(?![a-z])|codex-|computer-use-preview|omni-moderation)"
)
_OTHER_FAMILIES = lazily(
    r".*/|(?:claude|command|deepseek|gemini|gemma|glm|gpt-oss|granite|grok|kimi|llama|magistral|meta|ministral|mi[sx]tral"
    r"|nemotron|phi|qwen|qwq|sonar|yi)(?![a-z])",
    re.IGNORECASE,
)
"""Models that OpenAI does not serve: a maker before a slash, and the families of others."""
_MAX_KNOWN = 200
"""Characters of a host that is remembered."""
_ZHIPU_MODELS = ("glm-", "cogview")
_RESPONSES_ID = "resp_"
_FILTERED_KEYS = ("content_filter_results", "content_filter_result")


def find_provider(
    named: Iterable[Json],
    urls: Iterable[str | None],
    response: Mapping[str, Json],
    model: str,
    *,
    line_id: str | None = None,
) -> str | None:
    """Return the provider: the named one, else by host, by what the answer tells, by the model's family.

    `line_id` is the id of a batch's output line, which two servers write in their own way.
    """
    for value in named:
        found = (text(value) or "").strip()
        if found:
            return found.lower()
    for url in urls:
        host = hostname(url)
        if host is not None:
            provider = _by_host(host) if len(host) <= _MAX_KNOWN else _by_host.__wrapped__(host)
            if provider is not None:
                return provider
    answer = _Told(response, model)
    told = next((name for name, tells in _TELLS if tells(answer)), None) or _by_line_id(line_id)
    if told is not None:
        return told
    return "openai" if _OPENAI_FAMILIES.match(model) and not _is_llama_cpp(response) else None


@lru_cache(maxsize=256)
def _by_host(host: str) -> str | None:
    """By whole labels: `x.ai` is in `api.x.ai` and not in `phoenix.ai`."""
    name, _, port = host.partition(":")
    labels = f".{name}."
    for provider, domains in _HOSTS:
        if any(f".{domain}." in labels for domain in domains):
            return provider
    return "ollama" if port == "11434" else None


def _by_line_id(line_id: str | None) -> str | None:
    if line_id is None:
        return None
    if line_id.startswith("batch_req_out_"):
        return "groq"
    return "zai" if re.fullmatch(r"batch_\d+", line_id, re.ASCII) else None


class _Told:
    """An answer, and what several servers' marks are looked for in."""

    __slots__ = ("choice_keys", "choices", "id", "model", "response", "usage")

    def __init__(self, response: Mapping[str, Json], model: str) -> None:
        self.response = response
        self.model = model
        self.id = str(response.get("id") or "")
        self.usage = mapping(response.get("usage"))
        self.choices = [mapping(choice) for choice in items(response.get("choices"))]
        self.choice_keys = frozenset(key for choice in self.choices for key in choice)


def _is_openrouter(told: _Told) -> bool:
    return (
        told.id.startswith("gen-")
        or "native_finish_reason" in told.choice_keys
        or ("cost" in told.usage and isinstance(told.response.get("provider"), str))
        or "provider_name" in mapping(mapping(told.response.get("error")).get("metadata"))
    )


def _is_groq(told: _Told) -> bool:
    response = told.response
    return (
        "x_groq" in response
        or ("queue_time" in told.usage and "total_time" in told.usage)
        or ("usage_breakdown" in response and str(response.get("system_fingerprint") or "").startswith("fp_"))
    )


def _is_together(told: _Told) -> bool:
    if isinstance(told.response.get("prompt"), list):
        return True
    return any(choice.get("finish_reason") == "eos" for choice in told.choices)


def _is_gemini(told: _Told) -> bool:
    if told.model.startswith("models/gemini-"):
        return True
    for choice in told.choices:
        message = mapping(choice.get("message"))
        for part in (message, *items(message.get("tool_calls"))):
            if "google" in mapping(mapping(part).get("extra_content")):
                return True
    return False


def _is_vllm(told: _Told) -> bool:
    if "prompt_logprobs" in told.response or "kv_transfer_params" in told.response:
        return True
    return "stop_reason" in told.choice_keys and not told.id.startswith("gen-")


def _is_xai(told: _Told) -> bool:
    """xAI counts its sources and prices its answers; `citations` are also Perplexity's."""
    own = "num_sources_used" in told.usage or "cost_in_usd_ticks" in told.usage
    return own or (told.model.startswith("grok-") and "citations" in told.response)


def _is_mistral(told: _Told) -> bool:
    """Only Mistral's content is a list with what was thought as a list in it."""
    contents = (items(mapping(choice.get("message")).get("content")) for choice in told.choices)
    return any(isinstance(mapping(part).get("thinking"), list) for content in contents for part in content)


def _is_llama_cpp(response: Mapping[str, Json]) -> bool:
    """llama.cpp's server answers under whatever model name was asked for; it has no name in LiteLLM's list."""
    timings = mapping(response.get("timings"))
    return "predicted_n" in timings or "prompt_n" in timings


def _is_openai_response(told: _Told) -> bool:
    """Other servers of the Responses API write ids of the same form."""
    return told.id.startswith(_RESPONSES_ID) and not _OTHER_FAMILIES.match(told.model)


def _is_azure(told: _Told) -> bool:
    """DeepSeek's answers have Azure's `content_filters`, too, as null, but no id of its form."""
    response = told.response
    return (
        "prompt_filter_results" in response
        or not told.choice_keys.isdisjoint(_FILTERED_KEYS)
        or "innererror" in mapping(response.get("error"))
        or bool(items(response.get("content_filters")))
        or ("content_filters" in response and told.id.startswith(_RESPONSES_ID))  # null where no filter had a word
        or str(response.get("object") or "").startswith("extensions.")  # answers on data of one's own
        or told.model.startswith("gpt-35-")
    )


_TELLS: tuple[tuple[str, Callable[[_Told], bool]], ...] = (
    ("azure", _is_azure),
    ("openrouter", _is_openrouter),
    ("groq", _is_groq),
    ("cerebras", lambda told: "time_info" in told.response),
    ("deepseek", lambda told: "prompt_cache_hit_tokens" in told.usage),
    ("together_ai", _is_together),
    ("gemini", _is_gemini),
    ("zai", lambda told: "request_id" in told.response and told.model.lower().startswith(_ZHIPU_MODELS)),
    ("ollama", lambda told: told.response.get("system_fingerprint") == "fp_ollama" or is_ollama(told.response)),
    ("vllm", _is_vllm),
    ("anthropic", lambda told: told.id.startswith("msg_") and "choices" in told.response),
    ("xai", _is_xai),
    ("mistral", _is_mistral),
    ("fireworks_ai", lambda told: told.model.startswith("accounts/fireworks/")),
    ("lm_studio", lambda told: isinstance(told.response.get("stats"), dict) and "runtime" in told.response),
    (
        "perplexity",
        lambda told: any(told.response.get(key) is not None for key in ("citations", "search_results")),
    ),
    ("openai", _is_openai_response),
)
