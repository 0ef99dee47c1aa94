"""Records of other tools that users mix in: told by name, so that a mixed folder shows what it holds (row 7).

Each is one line here; a reader for one becomes a format module of its own.
"""

from collections.abc import Callable, Mapping

from posthog_llm_cli.formats._fields import is_one_of, mapping
from posthog_llm_cli.model import Json

_LANGFUSE_TYPES = frozenset({"GENERATION", "SPAN", "EVENT", "EMBEDDING", "AGENT", "TOOL", "CHAIN"})
_ANTHROPIC_EVENTS = frozenset({
    "message_start", "message_delta", "message_stop", "content_block_start", "content_block_delta",
    "content_block_stop", "ping",
})  # fmt: skip
_AZURE_CATEGORIES = frozenset({"RequestResponse", "AzureOpenAIRequestUsage"})


def _is_otel(record: Mapping[str, Json]) -> bool:
    if "resourceSpans" in record:
        return True
    attributes = record.get("attributes")
    names: list[Json] = list(attributes) if isinstance(attributes, dict) else []
    if isinstance(attributes, list):
        names = [mapping(item).get("key") for item in attributes]
    return any(isinstance(name, str) and name.startswith("gen_ai.") for name in names)


def _is_anthropic(record: Mapping[str, Json]) -> bool:
    kind = record.get("type")
    if kind == "message":
        return record.get("role") == "assistant" and "stop_reason" in record
    return is_one_of(kind, _ANTHROPIC_EVENTS)


_RELATIVES: tuple[tuple[str, Callable[[Mapping[str, Json]], bool]], ...] = (
    ("Bedrock invocation log", lambda r: r.get("schemaType") == "ModelInvocationLog"),
    ("OpenTelemetry", _is_otel),
    ("LangSmith", lambda r: "run_type" in r and "inputs" in r),
    ("Langfuse", lambda r: "traceId" in r and "startTime" in r and is_one_of(r.get("type"), _LANGFUSE_TYPES)),
    ("Helicone", lambda r: "response_id" in r and ("request_created_at" in r or "response_created_at" in r)),
    ("Azure diagnostics", lambda r: is_one_of(r.get("category"), _AZURE_CATEGORIES) and "operationName" in r),
    ("openai/evals", lambda r: all(key in r for key in ("run_id", "event_id", "type", "data"))),
    ("inspect_ai event", lambda r: r.get("event") == "model" and isinstance(r.get("output"), dict)),
    ("Gemini", lambda r: "candidates" in r and "usageMetadata" in r),
    ("Anthropic", _is_anthropic),
)


def relative_name(record: Mapping[str, Json]) -> str | None:
    """Return the name of the tool or API whose record this is; None for none of them."""
    return next((name for name, matches in _RELATIVES if matches(record)), None)
