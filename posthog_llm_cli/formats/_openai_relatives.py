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
_AGENTS_OBJECTS = frozenset({"trace", "trace.span"})
"""What the tracing of OpenAI's Agents SDK exports; its spans of answers hold no text, only the answer's id."""
_AZURE_CATEGORIES = frozenset({"RequestResponse", "AzureOpenAIRequestUsage"})


_SPAN_ATTRIBUTES = ("gen_ai.", "llm.", "openinference.", "traceloop.")
"""The conventions of OpenTelemetry, and of those who came before it."""


def _is_otel(record: Mapping[str, Json]) -> bool:
    if any(key in record for key in ("resourceSpans", "resourceLogs", "resourceMetrics")):
        return True
    attributes = record.get("attributes")
    names: list[Json] = list(attributes) if isinstance(attributes, dict) else []
    if isinstance(attributes, list):
        names = [mapping(item).get("key") for item in attributes]
    return any(isinstance(name, str) and name.startswith(_SPAN_ATTRIBUTES) for name in names)


def _is_anthropic(record: Mapping[str, Json]) -> bool:
    kind = record.get("type")
    if kind == "message":
        return record.get("role") == "assistant" and "stop_reason" in record
    return is_one_of(kind, _ANTHROPIC_EVENTS)


def _is_langfuse(record: Mapping[str, Json]) -> bool:
    """An observation, in the spelling of its API or of its exports."""
    is_observation = ("traceId" in record and "startTime" in record) or (
        "trace_id" in record and "start_time" in record
    )
    return is_observation and is_one_of(record.get("type"), _LANGFUSE_TYPES)


def _is_gemini(record: Mapping[str, Json]) -> bool:
    if "candidates" not in record:
        return False
    return any(key in record for key in ("usageMetadata", "modelVersion", "promptFeedback"))


def _is_cohere(record: Mapping[str, Json]) -> bool:
    usage = mapping(record.get("usage")) or mapping(record.get("meta"))
    return "billed_units" in usage and ("message" in record or "generation_id" in record)


_RELATIVES: tuple[tuple[str, Callable[[Mapping[str, Json]], bool]], ...] = (
    ("Bedrock invocation log", lambda r: r.get("schemaType") == "ModelInvocationLog"),
    ("Bedrock Converse", lambda r: "stopReason" in r and "message" in mapping(r.get("output"))),
    ("OpenTelemetry", _is_otel),
    ("LangSmith", lambda r: "run_type" in r and "inputs" in r),
    ("Langfuse", _is_langfuse),
    ("Helicone", lambda r: "response_id" in r and ("request_created_at" in r or "response_created_at" in r)),
    ("Azure diagnostics", lambda r: is_one_of(r.get("category"), _AZURE_CATEGORIES) and "operationName" in r),
    ("openai/evals", lambda r: all(key in r for key in ("run_id", "event_id", "type", "data"))),
    ("inspect_ai event", lambda r: r.get("event") == "model" and isinstance(r.get("output"), dict)),
    ("Gemini", _is_gemini),
    ("Cohere", _is_cohere),
    ("OpenAI Agents trace", lambda r: is_one_of(r.get("object"), _AGENTS_OBJECTS)),
    ("Phoenix", lambda r: "context.trace_id" in r and "span_kind" in r),
    ("Braintrust", lambda r: "root_span_id" in r and "span_id" in r and "metrics" in r),
    ("MLflow", lambda r: "info" in r and "spans" in mapping(r.get("data"))),
    ("Anthropic", _is_anthropic),
)


_ANYWHERE = frozenset({"Cohere", "Anthropic"})
_OTHERS_NEED = frozenset({
    "schemaType", "stopReason", "resourceSpans", "resourceLogs", "resourceMetrics", "attributes", "run_type", "traceId",
    "trace_id", "response_id", "category", "run_id", "event", "candidates", "context.trace_id", "root_span_id", "info",
    "span_data", "workflow_name",
})  # fmt: skip
"""A record without any of these keys is none of theirs but those in `_ANYWHERE`, which have no key of their own."""
RELATIVES_NEED = _OTHERS_NEED | {"message", "generation_id", "type"}
"""A record without any of these keys is none of theirs at all."""
_UNMARKED = tuple(row for row in _RELATIVES if row[0] in _ANYWHERE)


def relative_name(record: Mapping[str, Json]) -> str | None:
    """Return the name of the tool or API whose record this is; None for none of them."""
    rows = _UNMARKED if record.keys().isdisjoint(_OTHERS_NEED) else _RELATIVES
    for name, matches in rows:
        if matches(record):
            return name
    return None
