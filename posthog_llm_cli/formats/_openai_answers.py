"""Which shape an answer of the OpenAI world has: rows 7 to 16 of the decision table in openai-logs.md, section 2.

An answer stands alone or under a response key of a pair; the rows are the same. Each row is asked alone in the tests.
"""

from collections.abc import Callable, Mapping

from posthog_llm_cli.formats._fields import is_one_of, items, mapping, text
from posthog_llm_cli.formats._openai_relatives import RELATIVES_NEED, relative_name
from posthog_llm_cli.model import Json

WHOLE_KEYS = (
    "response", "response_json", "response_body", "completion", "output", "result", "raw_response", "api_response",
    "resp", "response_data", "llm_response", "respPayload", "resp_payload", "response_obj", "completion_response",
)  # fmt: skip
RESPONSE_KEYS = (*WHOLE_KEYS, "sse", "chunks", "stream", "events")
PART_KEYS = ("chunk", "data", "event", "line")
"""Where a logger keeps one part of a stream, and nothing else that is known."""
REQUEST_KEYS = (
    "request", "request_payload", "request_json", "request_body", "request_data", "kwargs", "params", "payload",
    "body", "input", "inputs", "prompt", "messages", "request_messages", "reqPayload", "req_payload", "request_kwargs",
)  # fmt: skip
ANSWER_TEXT_KEYS = (
    "response_text", "response", "completion", "output", "output_text", "answer", "assistant_response", "llm_response",
)  # fmt: skip
CHUNK = "chat.completion.chunk"
PENDING = frozenset({"queued", "in_progress"})
_NO_ERROR = frozenset({"", "none", "null", "nan", "n/a", "undefined", "false", "nonetype: none", "nil", "<nil>"})
"""Words for no error, in small letters; the last three are Python's traceback of none, Ruby's and Go's print of it."""
_OTHER_FAMILIES = frozenset({
    "assistant", "batch", "container", "conversation", "eval", "file", "fine_tuning", "fine-tune", "image",
    "model", "model_permission", "moderation", "organization", "project", "realtime", "thread", "upload",
    "vector_store", "video", "webhook",
})  # fmt: skip
"""The first words of `object` of what OpenAI's API returns and no model answered: `thread.message`, `file.deleted`."""


def is_error(value: Json) -> bool:
    """Whether an `error` value means that there was one: null, empty, and the words for none do not."""
    if isinstance(value, str):
        return value.strip().lower() not in _NO_ERROR
    return isinstance(value, dict) and bool(value)


def classify_response(value: Json) -> str | None:
    """Return the shape of an answer: a format's name, `pending`, `relative`, `other`, `other-list`; None for no answer.

    `openai-stream` is a part of an answer, `openai-error` an error body.
    """
    if not isinstance(value, dict) or not may_be_answer(value):
        return None
    return next((shape for _, row in ANSWER_ROWS if (shape := row(value)) is not None), None)


def may_be_answer(value: Mapping[str, Json]) -> bool:
    """Whether an object has a key without which no row of `ANSWER_ROWS` matches; what lies around answers has none."""
    return not value.keys().isdisjoint(_ROWS_NEED)


# -------------------------------------------------------------------------------------------- by `object` and `type`


def _relative(value: Mapping[str, Json]) -> str | None:
    return "relative" if relative_name(value) is not None else None


def _chat(value: Mapping[str, Json]) -> str | None:
    """Perplexity's chunks have the `object` of a whole completion; an answer has no delta without a finish reason."""
    if value.get("object") != "chat.completion":
        return None
    first = mapping(next(iter(items(value.get("choices"))), None))
    return "openai-stream" if isinstance(first.get("delta"), dict) and not first.get("finish_reason") else "openai-chat"


def _completion(value: Mapping[str, Json]) -> str | None:
    return _text_completion(value) if value.get("object") == "text_completion" else None


def _text_completion(value: Mapping[str, Json]) -> str:
    """Parts of a stream carry the same `object`; a choice that is not finished, without usage, is one (4.4)."""
    choices = items(value.get("choices"))
    unfinished = any(mapping(choice).get("finish_reason") is None for choice in choices)
    return "openai-stream" if choices and unfinished and not mapping(value.get("usage")) else "openai-completions"


def is_unfinished(value: Mapping[str, Json]) -> bool:
    """Whether a choice of a text completion says that it is not finished, as parts do, with usage or without."""
    return any(
        "finish_reason" in choice and choice["finish_reason"] is None
        for choice in items(value.get("choices"))
        if isinstance(choice, dict)
    )


def _response(value: Mapping[str, Json]) -> str | None:
    return _responses(value) if value.get("object") == "response" else None


def _responses(value: Mapping[str, Json]) -> str:
    return "pending" if is_one_of(value.get("status"), PENDING) else "openai-responses"


def _chunk(value: Mapping[str, Json]) -> str | None:
    if value.get("object") == CHUNK:
        return "openai-stream"
    choices = value.get("choices")
    if _has_usable_object(value) or not isinstance(choices, list):
        return None
    if choices:
        first = mapping(choices[0])
        is_annotation = "content_filter_offsets" in first and "message" not in first  # Azure's, beside the text
        return "openai-stream" if isinstance(first.get("delta"), dict) or is_annotation else None
    return "openai-stream" if "prompt_filter_results" in value else None


def _list(value: Mapping[str, Json]) -> str | None:
    if value.get("object") != "list":
        return None
    data = items(value.get("data"))
    first = mapping(data[0]) if data else {}
    if first.get("object") == "embedding" or "embedding" in first:
        return "openai-embeddings"
    return "openai-embeddings" if not data and "model" in value and mapping(value.get("usage")) else "other-list"


def _stream_event(value: Mapping[str, Json]) -> str | None:
    kind = value.get("type")
    if not isinstance(kind, str) or _is_webhook(value):
        return None
    is_event = kind.startswith("response.") or (kind == "error" and "code" in value and "message" in value)
    return "openai-stream" if is_event and not _has_usable_object(value) else None


def _other_object(value: Mapping[str, Json]) -> str | None:
    kind = value.get("object")
    if not isinstance(kind, str):
        return "other" if ("results" in value or "data" in value) and _is_of_another_route(value) else None
    is_other = kind.split(".")[0] in _OTHER_FAMILIES or kind.endswith(".deleted") or _is_webhook(value)
    return "other" if is_other else None


def _is_webhook(value: Mapping[str, Json]) -> bool:
    """Whether this is what OpenAI tells a server of an answer; loggers call their own records events, too."""
    return value.get("object") == "event" and isinstance(value.get("type"), str) and isinstance(value.get("data"), dict)


def _is_of_another_route(value: Mapping[str, Json]) -> bool:
    """Whether this is a body of moderations or of images, which name no `object`; in batches they are no calls, too."""
    first = mapping(next(iter(items(value.get("results")) or items(value.get("data"))), None))
    is_body = "flagged" in first or ("created" in value and not _IMAGE_KEYS.isdisjoint(first))
    return is_body and value.keys().isdisjoint((*RESPONSE_KEYS, *ANSWER_TEXT_KEYS, *REQUEST_KEYS))


_IMAGE_KEYS = frozenset({"b64_json", "url", "revised_prompt"})
_USABLE_OBJECTS = frozenset({"chat.completion", "text_completion", "response", CHUNK, "list"})


def _has_usable_object(value: Mapping[str, Json]) -> bool:
    return is_one_of(value.get("object"), _USABLE_OBJECTS)


# ------------------------------------------------------------------------------------------------------ by structure


def _structure(value: Mapping[str, Json]) -> str | None:
    """Row 15: no usable `object`, but the structure of an answer (Zhipu's have none at all)."""
    if _has_usable_object(value) or _other_object(value) is not None:
        return None
    first = mapping(next(iter(items(value.get("choices"))), None))
    if isinstance(first.get("message"), dict):
        return "openai-chat"
    if isinstance(first.get("text"), str) and _is_choice(first, value):
        return _text_completion(value)
    if isinstance(value.get("output"), list) and "input_tokens" in mapping(value.get("usage")):
        return _responses(value)
    data = mapping(next(iter(items(value.get("data"))), None))
    if isinstance(data.get("embedding"), (list, str)) or _is_ollama_embedding(value):
        return "openai-embeddings"
    is_answer = isinstance(value.get("message"), dict) or isinstance(value.get("response"), str)
    return "ollama" if isinstance(value.get("done"), bool) and is_answer else None


_WRITTEN_KEYS = frozenset({"finish_reason", "finishReason", "stop_reason", "stopReason", "logprobs"})
"""What only a text has that a model wrote."""


def _is_choice(choice: Mapping[str, Json], value: Mapping[str, Json]) -> bool:
    """Whether a text among choices is what a model wrote, and not one of those that a question let it choose from.

    One alone is none to choose from.
    """
    if not choice.keys().isdisjoint(_WRITTEN_KEYS) or len(items(value.get("choices"))) == 1:
        return True
    if any(text(value.get(key)) for key in ANSWER_TEXT_KEYS):
        return False
    is_bare = "index" in choice or choice.keys() == {"text"}
    return is_bare or "created" in value or bool(mapping(value.get("usage")))


def is_ollama(value: Mapping[str, Json]) -> bool:
    """Whether an answer is of Ollama's own API: a chat, a text, or embeddings (`/api/embed`)."""
    return isinstance(value.get("done"), bool) or (_is_ollama_embedding(value) and "embeddings" in value)


def _is_ollama_embedding(value: Mapping[str, Json]) -> bool:
    """`/api/embed` counts and measures; the older `/api/embeddings` answers with a vector and nothing else."""
    if isinstance(value.get("embeddings"), list):
        return "total_duration" in value or "prompt_eval_count" in value
    return value.keys() == {"embedding"} and isinstance(value["embedding"], list)


def _error_body(value: Mapping[str, Json]) -> str | None:
    return "openai-error" if is_error_body(value) else None


def is_error_body(value: Mapping[str, Json]) -> bool:
    """Row 16: no request, no model, and an error object; or exactly one `detail`; or vLLM's `object` of `error`."""
    if set(value) == {"detail"}:
        return isinstance(value["detail"], str)
    if "model" in value or any(key in value for key in REQUEST_KEYS):
        return False
    if value.get("object") == "error":
        return text(value.get("message")) is not None
    error = value.get("error")
    if _has_usable_object(value) or not isinstance(error, dict):
        return False
    return "message" in error or "code" in error


ANSWER_ROWS: tuple[tuple[int, Callable[[Mapping[str, Json]], str | None]], ...] = (
    (7, _relative),
    (8, _chat),
    (9, _completion),
    (10, _response),
    (11, _chunk),
    (12, _list),
    (13, _stream_event),
    (14, _other_object),
    (15, _structure),
    (16, _error_body),
)
"""Number of the row, and a test that names the shape or says None. The first that matches wins."""

_ROWS_NEED = RELATIVES_NEED | {
    "object", "choices", "results", "data", "output", "embedding", "embeddings", "done", "detail", "error",
}  # fmt: skip
