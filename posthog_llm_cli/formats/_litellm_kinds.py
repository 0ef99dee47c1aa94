"""LiteLLM's call types → what kind of call it was (litellm-logs.md, section 7)."""

import re
from enum import Enum
from functools import lru_cache

from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily


class CallKind(Enum):
    """What a call type asks for: a generation, an embedding, nothing of a model, or something not known.

    A stored answer is read, and the call that made it has the usage, unless that ran in the background.
    """

    GENERATION = "generation"
    EMBEDDING = "embedding"
    PASS_THROUGH = "pass-through"  # noqa: S105 -- a kind of request, no password
    NO_CALL = "no call"
    STORED = "stored"
    UNKNOWN = "unknown"


_GENERATIONS = frozenset({
    "completion", "text_completion", "responses", "anthropic_messages", "generate_content", "generate_content_stream",
    "create_interaction", "_realtime", "_responses_websocket", "send_message", "run_thread", "run_thread_stream",
    "image_generation", "image_edit", "image_variation", "video_generation", "create_video", "video_remix",
    "video_edit", "video_extension", "speech", "transcription", "moderation", "rerank", "ocr",
})  # fmt: skip
_PASS_THROUGH = frozenset({"", "pass_through_endpoint", "llm_passthrough_route"})
_NO_CALL = frozenset({
    "search", "query", "ingest", "call_mcp_tool", "list_mcp_tools", "create_file", "create_batch", "retrieve_batch",
    "cancel_batch", "create_thread", "add_message", "_add_message", "get_messages", "get_thread", "list_input_items",
    "run_code", "code_interpreter_tool", "video_content", "video_list", "video_delete", "create_skill", "decisions",
    "systemone",
})  # fmt: skip
_STORED = frozenset({"get_responses", "cancel_responses", "delete_responses"})
_NO_CALL_PATTERN = lazily(
    r"vector_store_.*|file_.*|.*_fine_tuning_.*|.*_assistants?|.*_container.*|.*_sandbox|video_retrieve.*|video_.*_character",
    re.DOTALL,  # so that the last `.*` takes anything, and no earlier one is tried again
)

_MAX_KNOWN = 100
"""Characters of a call type that is remembered."""


def call_kind(call_type: Json) -> CallKind:
    """Return the kind of a call type; each also has its asynchronous twin with a leading `a`."""
    if call_type is None:
        return CallKind.PASS_THROUGH
    if not isinstance(call_type, str):
        return CallKind.UNKNOWN
    return _kind_of(call_type) if len(call_type) <= _MAX_KNOWN else _kind_of.__wrapped__(call_type)


@lru_cache(maxsize=256)
def _kind_of(call_type: str) -> CallKind:
    for name in _twins(call_type):
        if name == "embedding":
            return CallKind.EMBEDDING
        if name in _GENERATIONS:
            return CallKind.GENERATION
        if name in _PASS_THROUGH:
            return CallKind.PASS_THROUGH
        if name in _NO_CALL or _NO_CALL_PATTERN.fullmatch(name):
            return CallKind.NO_CALL
        if name in _STORED:
            return CallKind.STORED
    return CallKind.UNKNOWN


def _twins(call_type: str) -> tuple[str, ...]:
    if call_type.startswith("_a"):
        return (call_type, f"_{call_type[2:]}")
    return (call_type, call_type[1:]) if call_type.startswith("a") else (call_type,)
