"""Which provider answered: told from the record, never guessed (openai-logs.md, section 5). Names are LiteLLM's."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from posthog_llm_cli.formats._fields import items, mapping, text
from posthog_llm_cli.formats._openai_answers import is_ollama
from posthog_llm_cli.formats._urls import hostname
from posthog_llm_cli.model import Json

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
_OPENAI_FAMILIES = re.compile(
    r"(?:ft:)?(?:gpt-(?!oss|35)|chatgpt-|o1(?![0-9a-z])|o3(?![0-9a-z])|o4(?![0-9a-z])|text-embedding-3-|text-embedding-ada-|text-davinci-"
    r"|davinci|babbage|curie|ada(?![a-z])|codex-|computer-use-preview|omni-moderation)"
)
_OTHER_FAMILIES = re.compile(
    r".*/|(?:claude|command|deepseek|gemini|gemma|glm|gpt-oss|granite|grok|kimi|llama|magistral|meta|ministral|mi[sx]tral"
    r"|nemotron|phi|qwen|qwq|sonar|yi)(?![a-z])",
    re.IGNORECASE,
)
"""Models that OpenAI does not serve: a maker before a slash, and the families of others."""
_MAX_KNOWN = 200
"""Characters of a host that is remembered."""
_ZHIPU_MODELS = ("glm-", "cogview")


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
    told = next((name for name, tells in _TELLS if tells(response, model)), None) or _by_line_id(line_id)
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


def _choices(response: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    return [mapping(choice) for choice in items(response.get("choices"))]


def _any_choice(response: Mapping[str, Json], *keys: str) -> bool:
    return any(key in choice for choice in _choices(response) for key in keys)


def _is_openrouter(response: Mapping[str, Json]) -> bool:
    usage = mapping(response.get("usage"))
    return (
        str(response.get("id") or "").startswith("gen-")
        or _any_choice(response, "native_finish_reason")
        or ("cost" in usage and isinstance(response.get("provider"), str))
        or "provider_name" in mapping(mapping(response.get("error")).get("metadata"))
    )


def _is_groq(response: Mapping[str, Json]) -> bool:
    usage = mapping(response.get("usage"))
    fingerprint = str(response.get("system_fingerprint") or "")
    return (
        "x_groq" in response
        or ("queue_time" in usage and "total_time" in usage)
        or (fingerprint.startswith("fp_") and "usage_breakdown" in response)
    )


def _is_gemini(response: Mapping[str, Json]) -> bool:
    for choice in _choices(response):
        message = mapping(choice.get("message"))
        for part in (message, *items(message.get("tool_calls"))):
            if "google" in mapping(mapping(part).get("extra_content")):
                return True
    return False


def _is_xai(response: Mapping[str, Json], model: str) -> bool:
    """xAI counts its sources and prices its answers; `citations` are also Perplexity's."""
    usage = mapping(response.get("usage"))
    own = "num_sources_used" in usage or "cost_in_usd_ticks" in usage
    return own or (model.startswith("grok-") and "citations" in response)


def _is_mistral(response: Mapping[str, Json]) -> bool:
    """Only Mistral's content is a list with what was thought as a list in it."""
    contents = (items(mapping(choice.get("message")).get("content")) for choice in _choices(response))
    return any(isinstance(mapping(part).get("thinking"), list) for content in contents for part in content)


def _is_llama_cpp(response: Mapping[str, Json]) -> bool:
    """llama.cpp's server answers under whatever model name was asked for; it has no name in LiteLLM's list."""
    timings = mapping(response.get("timings"))
    return "predicted_n" in timings or "prompt_n" in timings


def _is_openai_response(response: Mapping[str, Json], model: str) -> bool:
    """Other servers of the Responses API write ids of the same form."""
    return _has_responses_id(response) and not _OTHER_FAMILIES.match(model)


def _has_responses_id(response: Mapping[str, Json]) -> bool:
    return str(response.get("id") or "").startswith("resp_")


def _is_azure(response: Mapping[str, Json], model: str) -> bool:
    """DeepSeek's answers have Azure's `content_filters`, too, as null, but no id of its form."""
    return (
        "prompt_filter_results" in response
        or _any_choice(response, "content_filter_results", "content_filter_result")
        or "innererror" in mapping(response.get("error"))
        or bool(items(response.get("content_filters")))
        or ("content_filters" in response and _has_responses_id(response))  # null where no filter had a word
        or str(response.get("object") or "").startswith("extensions.")  # answers on data of one's own
        or model.startswith("gpt-35-")
    )


_TELLS: tuple[tuple[str, Callable[[Mapping[str, Json], str], bool]], ...] = (
    ("azure", _is_azure),
    ("openrouter", lambda response, _: _is_openrouter(response)),
    ("groq", lambda response, _: _is_groq(response)),
    ("cerebras", lambda response, _: "time_info" in response),
    ("deepseek", lambda response, _: "prompt_cache_hit_tokens" in mapping(response.get("usage"))),
    (
        "together_ai",
        lambda response, _: (
            isinstance(response.get("prompt"), list)
            or any(choice.get("finish_reason") == "eos" for choice in _choices(response))
        ),
    ),
    ("gemini", lambda response, model: _is_gemini(response) or model.startswith("models/gemini-")),
    ("zai", lambda response, model: "request_id" in response and model.lower().startswith(_ZHIPU_MODELS)),
    (
        "ollama",
        lambda response, _: response.get("system_fingerprint") == "fp_ollama" or is_ollama(response),
    ),
    (
        "vllm",
        lambda response, _: (
            "prompt_logprobs" in response
            or "kv_transfer_params" in response
            or (_any_choice(response, "stop_reason") and not str(response.get("id") or "").startswith("gen-"))
        ),
    ),
    ("anthropic", lambda response, _: str(response.get("id") or "").startswith("msg_") and "choices" in response),
    ("xai", _is_xai),
    ("mistral", lambda response, _: _is_mistral(response)),
    ("fireworks_ai", lambda _, model: model.startswith("accounts/fireworks/")),
    ("lm_studio", lambda response, _: isinstance(response.get("stats"), dict) and "runtime" in response),
    ("perplexity", lambda response, _: any(response.get(key) is not None for key in ("citations", "search_results"))),
    ("openai", _is_openai_response),
)
