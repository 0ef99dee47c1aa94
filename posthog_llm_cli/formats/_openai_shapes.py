"""Which shape a value of the OpenAI world has: the decision table of openai-logs.md, section 2, in its order.

`classify_response` looks at an answer alone; `classify` at a whole record. The first row that matches wins.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import islice

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import decoded, is_number, is_one_of, items, mapping, text
from posthog_llm_cli.formats._openai_relatives import relative_name
from posthog_llm_cli.formats.sse import is_sse, stream_values
from posthog_llm_cli.model import Json

RESPONSE_KEYS = (
    "response", "response_json", "response_body", "completion", "output", "result", "raw_response", "api_response",
    "resp", "response_data", "llm_response", "respPayload", "resp_payload", "sse", "chunks", "stream", "events",
)  # fmt: skip
REQUEST_KEYS = (
    "request", "request_payload", "request_json", "request_body", "request_data", "kwargs", "params", "payload",
    "body", "input", "inputs", "prompt", "messages", "request_messages", "reqPayload", "req_payload",
)  # fmt: skip
_CONTENT_KEYS = ("messages", "prompt", "input")
_HTTP_KEYS = ("url", "uri", "method", "status", "status_code", "headers")
_TRAINING_KEYS = frozenset({"messages", "tools", "functions", "parallel_tool_calls", "weight"})
_CALL_KEYS = frozenset({
    "model", "model_name", "id", "usage", "created", "created_at", "timestamp", "ts", "utc_time", "time_utc",
    "datetime_utc", "datetime", "date", "logged_at", "ended_at", "end_time", "started_at", "start_time",
})  # fmt: skip
_PROMPT_TEXT_KEYS = (
    "prompt_text", "prompt", "messages", "request_messages", "input", "user_message", "question",
)  # fmt: skip
_ANSWER_TEXT_KEYS = (
    "response_text", "response", "completion", "output", "output_text", "answer", "assistant_response", "llm_response",
)  # fmt: skip
_METADATA_ONLY_TELLS = (
    "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens", "tokens_used", "tokens_in",
    "tokens_out", "usage", "token_usage", "latency", "latency_ms", "latency_s", "duration", "duration_ms", "duration_s",
    "elapsed", "elapsed_ms", "elapsed_s", "response_time", "response_time_ms", "cost", "cost_usd", "total_cost",
    "total_cost_usd", "response_cost", "prompt_hash", "response_hash",
)  # fmt: skip
_LOOKED_AT = 8
"""Parts of a stream that are looked at to tell whose it is: some begin with pings."""
CHUNK = "chat.completion.chunk"
PENDING = frozenset({"queued", "in_progress"})
_NO_ERROR = frozenset({"", "None", "null", "nan"})
_OTHER_OBJECTS = frozenset({
    "batch", "conversation", "file", "model", "thread", "thread.run", "thread.message", "assistant", "vector_store",
    "vector_store.file", "fine_tuning.job", "fine_tuning.job.event", "upload", "response.deleted", "image",
    "chat.completion.deleted", "moderation", "realtime.session", "organization.project",
})  # fmt: skip


def is_error(value: Json) -> bool:
    """Whether an `error` value means that there was one: null, empty, and the words for none do not."""
    if isinstance(value, str):
        return value.strip() not in _NO_ERROR
    return isinstance(value, dict) and bool(value)


# ------------------------------------------------------------------------------------------------------------ answers


def classify_response(value: Json) -> str | None:
    """Return the shape of an answer: a format's name, `pending`, `part`, `relative` or `other`; None for no answer."""
    if not isinstance(value, dict):
        return None
    if relative_name(value) is not None:
        return "relative"
    kind = value.get("object")
    if isinstance(kind, str) and kind in _BY_OBJECT:
        return _BY_OBJECT[kind](value)
    if _is_chunk(value) or _is_stream_event(value):
        return "openai-stream"
    if isinstance(kind, str) and kind in _OTHER_OBJECTS:
        return "other"
    return _by_structure(value)


def _chat_completion(value: Mapping[str, Json]) -> str:
    """Perplexity's chunks have the `object` of a whole completion; an answer has no delta without a finish reason."""
    first = mapping(next(iter(items(value.get("choices"))), None))
    return "openai-stream" if isinstance(first.get("delta"), dict) and not first.get("finish_reason") else "openai-chat"


def _text_completion(value: Mapping[str, Json]) -> str:
    choices = items(value.get("choices"))
    unfinished = any(mapping(choice).get("finish_reason") is None for choice in choices)
    return "openai-stream" if choices and unfinished and not mapping(value.get("usage")) else "openai-completions"


def _responses(value: Mapping[str, Json]) -> str:
    return "pending" if is_one_of(value.get("status"), PENDING) else "openai-responses"


def _list(value: Mapping[str, Json]) -> str:
    data = items(value.get("data"))
    first = mapping(data[0]) if data else {}
    if first.get("object") == "embedding" or "embedding" in first:
        return "openai-embeddings"
    return "openai-embeddings" if not data and "model" in value and mapping(value.get("usage")) else "other-list"


_BY_OBJECT: dict[str, Callable[[Mapping[str, Json]], str]] = {
    "chat.completion": _chat_completion,
    "text_completion": _text_completion,
    "response": _responses,
    CHUNK: lambda _: "openai-stream",
    "list": _list,
}


def _is_chunk(value: Mapping[str, Json]) -> bool:
    choices = value.get("choices")
    if isinstance(choices, list) and choices:
        first = mapping(choices[0])
        return isinstance(first.get("delta"), dict) or ("content_filter_offsets" in first and "message" not in first)
    return choices == [] and "prompt_filter_results" in value


def _is_stream_event(value: Mapping[str, Json]) -> bool:
    kind = value.get("type")
    return isinstance(kind, str) and (
        kind.startswith("response.") or (kind == "error" and "code" in value and "message" in value)
    )


def _by_structure(value: Mapping[str, Json]) -> str | None:
    """Rows 15 and 16: no usable `object`, but the structure of an answer (Zhipu's have none at all)."""
    first = mapping(next(iter(items(value.get("choices"))), None))
    if isinstance(first.get("message"), dict):
        return "openai-chat"
    if isinstance(first.get("text"), str):
        return _text_completion(value)
    usage = mapping(value.get("usage"))
    if isinstance(value.get("output"), list) and "input_tokens" in usage:
        return _responses(value)
    data = mapping(next(iter(items(value.get("data"))), None))
    if isinstance(data.get("embedding"), list | str):
        return "openai-embeddings"
    if isinstance(value.get("done"), bool) and ("message" in value or isinstance(value.get("response"), str)):
        return "ollama"
    return "openai-error" if is_error_body(value) else None


def is_error_body(value: Mapping[str, Json]) -> bool:
    """Row 16: no request, no model, and an error object; or exactly one `detail`."""
    error = value.get("error")
    if isinstance(error, dict) and ("message" in error or "code" in error):
        return "model" not in value and not any(key in value for key in REQUEST_KEYS)
    return set(value) == {"detail"} and isinstance(value["detail"], str)


# ----------------------------------------------------------------------------------------------------- nested answers


class Nested:
    """An answer or a request out of its wrappings: text of JSON, an HTTP recording, a list of one.

    `value` is what was inside; `status` and `url` what the recording said. Headers are never read.
    """

    __slots__ = ("status", "url", "value")

    def __init__(self, value: Json) -> None:
        self.status: Json = None
        self.url: str | None = None
        self.value = self._unwrap(decoded(value))

    def _unwrap(self, value: Json) -> Json:
        if isinstance(value, dict) and "body" in value and any(key in value for key in _HTTP_KEYS):
            self.url = text(value.get("url")) or text(value.get("uri"))
            status = value.get("status_code", value.get("status"))
            self.status = mapping(status).get("code", status if not isinstance(status, dict) else None)
            body = decoded(value["body"])
            if isinstance(body, dict) and set(body) <= {"string", "encoding"}:  # VCR's spelling
                body = decoded(body.get("string"))
            return body
        if isinstance(value, list) and len(value) == 1 and classify_response(value[0]) not in {None, "openai-stream"}:
            return value[0]
        return value

    @property
    def shape(self) -> str | None:
        """The shape of what is inside, a stream's text and a list of chunks included."""
        return classify_stream(self.value) if isinstance(self.value, str | list) else classify_response(self.value)


_IN_A_STREAM = frozenset({"openai-stream", "openai-completions", "openai-chat", "openai-error", "ollama"})


def first_parts(value: Json) -> list[Json]:
    """Return the first objects in the text of a stream or in a list; what cannot be read shows when it is parsed."""
    found: list[Json] = []
    with suppress(RecordError):
        found.extend(islice((part for part in stream_values(value) if isinstance(part, dict)), _LOOKED_AT))
    return found


def classify_stream(value: Json) -> str | None:
    """Return whose stream a text of server-sent events, or a list of parts, is: `openai-stream` or `relative`.

    None for what is no stream, or that of an API that is not known.
    """
    is_list = isinstance(value, list) and not any(isinstance(part, str) for part in value[:1])
    if isinstance(value, str) and not is_sse(value):
        return None
    shapes = [_part_shape(part) for part in first_parts(value)]
    told = next((shape for shape in shapes if shape not in {None, "openai-error"}), None)
    if told == "relative":
        return told
    if is_list:
        return told if told == "openai-stream" and all(shape in _IN_A_STREAM for shape in shapes) else None
    is_stream = told in _IN_A_STREAM or told == "openai-responses" or (told is None and "openai-error" in shapes)
    return "openai-stream" if is_stream else None


def _part_shape(part: Json) -> str | None:
    shape = classify_response(part)
    if shape == "ollama":
        return "ollama" if part["done"] else "openai-stream"
    if shape is None and (answer := Candidate(part).answer) is not None and isinstance(answer[1].value, dict):
        return answer[1].shape
    return shape


class Candidate:
    """One record under the table; what several rows ask is found out once."""

    def __init__(self, value: Json) -> None:
        self.value = value
        self.record: Mapping[str, Json] = mapping(value)

    @cached_property
    def answer(self) -> tuple[str, Nested] | None:
        """The first response key whose value is an answer, and what is inside."""
        for key in RESPONSE_KEYS:
            if key in self.record:
                nested = Nested(self.record[key])
                if nested.shape is not None:
                    return key, nested
        return None

    @cached_property
    def has_request(self) -> bool:
        """Whether a request key holds something of a request."""
        return any(_is_request(key, self.record[key]) for key in REQUEST_KEYS if key in self.record)

    @cached_property
    def failed(self) -> bool:
        """Whether the record itself says that the call failed (openai-logs.md 3.7)."""
        record = self.record
        if is_error(record.get("error")) or any(
            is_error(record.get(key)) for key in ("error_message", "error_type", "exception")
        ):
            return True
        if is_one_of(record.get("status"), ("failure", "failed", "error", "timeout")):
            return True
        nested = next((Nested(record[key]) for key in RESPONSE_KEYS if isinstance(record.get(key), dict)), None)
        statuses = [record.get(key) for key in ("status_code", "http_status", "status")]
        statuses.append(nested.status if nested is not None else None)
        return any(is_number(status) and not 200 <= status <= 299 for status in statuses)

    @cached_property
    def response_is_empty(self) -> bool:
        """Whether no response key holds anything."""
        return all(_is_empty(Nested(self.record[key])) for key in RESPONSE_KEYS[:13] if key in self.record)


def _is_empty(nested: Nested) -> bool:
    """Nothing inside; of a recording that failed, a body of mere text is nothing either."""
    failed = is_number(nested.status) and not 200 <= nested.status <= 299
    return nested.value in (None, {}, "", []) or (failed and isinstance(nested.value, str))


def _is_request(key: str, value: Json) -> bool:
    if key in {"messages", "request_messages", "input", "inputs", "prompt"} and value not in (None, "", [], {}):
        return True
    inner = Nested(value).value
    return isinstance(inner, dict) and ("model" in inner or any(name in inner for name in _CONTENT_KEYS))


# ---------------------------------------------------------------------------------------------------------- the table

_FROM_ANSWER = frozenset({
    "openai-chat", "openai-completions", "openai-responses", "openai-embeddings", "openai-stream", "ollama", "pending",
    "relative", "other-list",
})  # fmt: skip
_MODEL_KEYS = ("model", "model_name")


def _is_parallel(seen: Candidate) -> bool:
    value = seen.value
    if not isinstance(value, list) or len(value) not in {2, 3} or not isinstance(value[0], dict):
        return False
    if not any(key in value[0] for key in _CONTENT_KEYS):
        return False
    texts_only = isinstance(value[1], list) and bool(value[1]) and all(isinstance(item, str) for item in value[1])
    return texts_only or classify_response(value[1]) is not None


def _is_conversation(seen: Candidate) -> bool:
    return isinstance(seen.value, list) and bool(seen.value) and "role" in mapping(seen.value[0])


def _is_batch_answer(seen: Candidate) -> bool:
    record = seen.record
    return "custom_id" in record and ("response" in record or ("error" in record and "body" not in record))


def _is_training(seen: Candidate) -> bool:
    record = seen.record
    keys = set(record)
    if keys and keys <= _TRAINING_KEYS:
        return True
    if "preferred_output" in record and "non_preferred_output" in record:
        return True
    if keys == {"prompt", "completion"} and all(isinstance(value, str) for value in record.values()):
        return True
    return isinstance(record.get("messages"), list) and not keys & _CALL_KEYS and seen.answer is None


def _is_flat(seen: Candidate) -> bool:
    record = seen.record
    return any(record.get(key) for key in _PROMPT_TEXT_KEYS) and any(
        isinstance(record.get(key), str) and record[key] for key in _ANSWER_TEXT_KEYS
    )


def _is_other_stream(seen: Candidate) -> bool:
    nested = (Nested(seen.record[key]).value for key in RESPONSE_KEYS if key in seen.record)
    return any(isinstance(value, str) and is_sse(value) and bool(first_parts(value)) for value in nested)


def _is_unanswered(seen: Candidate) -> bool:
    record = seen.record
    if not seen.response_is_empty:
        return False
    if any(key in record for key in _MODEL_KEYS) and any(record.get(key) for key in (*_CONTENT_KEYS, "inputs")):
        return True
    return any(
        isinstance(inner := Nested(record[key]).value, dict) and any(name in inner for name in _CONTENT_KEYS)
        for key in REQUEST_KEYS
        if key in record
    )


def _is_metadata_only(seen: Candidate) -> bool:
    record = seen.record
    if not any(text(record.get(key)) for key in _MODEL_KEYS) or not any(key in record for key in _METADATA_ONLY_TELLS):
        return False
    return not any(isinstance(record.get(key), str | list | dict) and record[key] for key in _TEXT_KEYS)


_TEXT_KEYS = frozenset(
    {*_PROMPT_TEXT_KEYS, *_ANSWER_TEXT_KEYS, "content", "text", "system", "system_prompt", "request"}
)


def classify(value: Json) -> str:
    """Return the name of the first row that matches a record; `unknown` where none does."""
    seen = Candidate(value)
    if isinstance(value, list):
        if _is_parallel(seen):
            return "openai-parallel"
        is_stream = classify_stream(value) == "openai-stream"
        return "conversation" if _is_conversation(seen) else "openai-stream" if is_stream else "unknown"
    if not isinstance(value, dict):
        return "unknown"
    for name, matches in _ROWS:
        if matches(seen):
            return name
    bare = classify_response(value)
    if bare in _FROM_ANSWER:
        return bare
    if bare == "other":
        return "other-object"
    if bare == "openai-error":
        return "error-body"
    if seen.answer is not None:
        return _pair_name(seen.answer[1].shape)
    return next((name for name, matches in _LATER_ROWS if matches(seen)), "unknown")


def _pair_name(shape: str | None) -> str:
    return shape if shape in _FROM_ANSWER or shape == "openai-error" else "unknown"


_ROWS: tuple[tuple[str, Callable[[Candidate], bool]], ...] = (
    ("anthropic-batch-input", lambda seen: "custom_id" in seen.record and "params" in seen.record),
    ("anthropic-batch-results", lambda seen: "custom_id" in seen.record and "result" in seen.record),
    ("openai-batch", _is_batch_answer),
    ("batch-input", lambda seen: "custom_id" in seen.record and "body" in seen.record),
)
_LATER_ROWS: tuple[tuple[str, Callable[[Candidate], bool]], ...] = (
    ("openai-error", lambda seen: seen.has_request and seen.failed and seen.response_is_empty),
    ("fine-tuning-data", _is_training),
    ("openai-flat", _is_flat),
    ("other-stream", _is_other_stream),
    ("no-response", _is_unanswered),
    ("metadata-only", _is_metadata_only),
    ("chatgpt-export", lambda seen: "mapping" in seen.record and "create_time" in seen.record),
)
