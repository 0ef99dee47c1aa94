"""The model parameters that go along: an allow-list, shared by all formats (litellm-logs.md, 6.7)."""

from collections.abc import Mapping

from posthog_llm_cli.formats._fields import mapping
from posthog_llm_cli.model import Json

PARAMETERS = (
    "temperature", "max_tokens", "max_completion_tokens", "max_output_tokens", "top_p", "top_k",
    "frequency_penalty", "presence_penalty", "n", "stop", "seed", "stream", "service_tier", "reasoning_effort",
    "thinking", "response_format", "tool_choice", "parallel_tool_calls", "modalities", "logprobs", "dimensions",
    "encoding_format", "size", "quality", "voice",
)  # fmt: skip


_KNOWN = {name: place for place, name in enumerate(PARAMETERS)}


def model_parameters(request: Mapping[str, Json]) -> dict[str, Json]:
    """Return a request's allowed parameters that are not null; `reasoning.effort` under its flat name."""
    asked = [name for name in request if name in _KNOWN and request[name] is not None]
    if len(asked) > 1:
        asked.sort(key=_KNOWN.__getitem__)
    found = {name: request[name] for name in asked}
    effort = mapping(request.get("reasoning")).get("effort")
    if effort is not None and "reasoning_effort" not in found:
        found["reasoning_effort"] = effort
    return found
