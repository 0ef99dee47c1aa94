"""Parts of Ollama's own stream → the answer that they are together (openai-logs.md, 4.10). Pure."""

from collections.abc import Mapping, Sequence

from posthog_llm_cli.formats._fields import mapping, text
from posthog_llm_cli.model import Json

_TEXTS = ("content", "thinking")


def merge_ollama(parts: Sequence[Mapping[str, Json]]) -> tuple[dict[str, Json], bool]:
    """Return the answer that the parts make up, and whether the last of them (`done: true`) has come.

    Texts are joined, tool calls and images follow one another; of everything else, times and counts, the last counts.
    """
    answer: dict[str, Json] = {}
    message: dict[str, Json] = {}
    texts: dict[str, list[str]] = {}
    for part in parts:
        answer.update((key, value) for key, value in part.items() if value is not None)
        for key in ("response", "thinking"):
            if isinstance(part.get(key), str):
                texts.setdefault(key, []).append(part[key])
        for key, value in mapping(part.get("message")).items():
            before = message.get(key)
            if isinstance(value, str) and isinstance(before, str) and key in _TEXTS:
                message[key] = before + value
            elif isinstance(value, list) and isinstance(before, list):
                message[key] = [*before, *value]
            elif value is not None:
                message[key] = value
    answer.update((key, "".join(pieces)) for key, pieces in texts.items())
    if message:
        answer["message"] = message
    is_complete = answer.get("done") is True
    return {**answer, "done": True}, is_complete or text(answer.get("error")) is not None


def has_content(part: Mapping[str, Json]) -> bool:
    """Whether a part carries a piece of the answer."""
    message = mapping(part.get("message"))
    return any(text(message.get(key)) for key in _TEXTS) or bool(
        message.get("tool_calls") or text(part.get("response"))
    )
