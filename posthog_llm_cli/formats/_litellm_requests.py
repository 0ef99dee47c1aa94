"""A request's body as LiteLLM's proxy keeps it → the input and the parameters of the call (litellm-logs.md 4.2)."""

from collections.abc import Mapping

from posthog_llm_cli.model import Json

NOTHING: tuple[Json, ...] = (None, "", [], {})
_INPUT_KEYS = ("messages", "input", "prompt", "contents", "query")
_SYSTEM_KEYS = ("system", "systemInstruction", "system_instruction")


def request_input(request: Mapping[str, Json]) -> Json:
    """Return the prompt that a request holds; None for none."""
    return next((request[key] for key in _INPUT_KEYS if request.get(key) not in NOTHING), None)


def request_parameters(request: Mapping[str, Json]) -> Mapping[str, Json]:
    """The request, whose allowed names are read; Anthropic's and Gemini's system text stands where instructions do."""
    system = next((request[key] for key in _SYSTEM_KEYS if request.get(key)), None)
    key, said = ("parts", system.get("parts")) if isinstance(system, dict) else ("content", system)
    if request.get("instructions") or not isinstance(said, (str, list)):
        return request
    return {**request, "instructions": [{"role": "system", key: said}]}
