"""Which shape a record of the OpenAI world has: the decision table of openai-logs.md, section 2.

`ROWS` is the table, `classify` its answer: the first row that matches wins. Rows 7 to 16 look at an answer, wherever
it stands; they are `ANSWER_ROWS`.
"""

import re
from collections.abc import Callable, Mapping
from functools import cached_property

from posthog_llm_cli.formats._fields import decoded, is_number, mapping, text
from posthog_llm_cli.formats._openai_answers import (
    ANSWER_ROWS,
    ANSWER_TEXT_KEYS,
    CHUNK,
    PART_KEYS,
    PENDING,
    REQUEST_KEYS,
    RESPONSE_KEYS,
    WHOLE_KEYS,
    classify_response,
    is_error,
    is_error_body,
    may_be_answer,
)
from posthog_llm_cli.formats._openai_exceptions import logged_exception
from posthog_llm_cli.formats._openai_nested import Nested, classify_stream, is_last_part
from posthog_llm_cli.formats._openai_times import DURATION_KEYS, TIME_KEYS
from posthog_llm_cli.formats._usage import COST_KEYS, INPUT_KEYS, OUTPUT_KEYS, TOTAL_KEYS
from posthog_llm_cli.formats.sse import is_rest_of_stream, is_sse
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value, field

__all__ = [
    "ANSWER_TEXT_KEYS",
    "CHUNK",
    "CONTENT_KEYS",
    "ENVELOPE_KEYS",
    "FAILURE_KEYS",
    "INPUT_KEY",
    "MODEL_KEYS",
    "MORE_PROMPT_KEYS",
    "PART_KEYS",
    "PENDING",
    "PROMPT_TEXT_KEYS",
    "REQUEST_KEYS",
    "RESPONSE_KEYS",
    "ROWS",
    "USAGE_KEYS",
    "Candidate",
    "Nested",
    "Row",
    "classify",
    "classify_response",
    "counted_answer",
    "is_asked_flat",
    "is_asked_flat_alone",
    "is_error",
    "is_error_body",
    "read_status",
    "says_failed",
]

CONTENT_KEYS = ("messages", "prompt", "input")
_BARE_INPUT_KEYS = frozenset({"messages", "request_messages", "input", "inputs", "prompt"})
MODEL_KEYS = ("model", "model_name", "model_id", "modelName", "modelId")
_TRAINING_KEYS = frozenset({"messages", "tools", "functions", "parallel_tool_calls", "weight"})
_CALL_KEYS = frozenset({*MODEL_KEYS, "id", "usage", "created", "time", "timing", *TIME_KEYS})
PROMPT_TEXT_KEYS = ("prompt_text", "prompt", "messages", "request_messages", "input", "user_message", "question")
_FLAT_PROMPT_KEYS = tuple(key for key in PROMPT_TEXT_KEYS if key not in REQUEST_KEYS)
_MERE_TEXT_KEYS = tuple(key for key in ANSWER_TEXT_KEYS if key not in WHOLE_KEYS)
_METADATA_ONLY_TELLS = frozenset({
    *INPUT_KEYS, *OUTPUT_KEYS, *TOTAL_KEYS, "tokens_used", "tokens", "usage", "token_usage", "latency", "latency_ms",
    "latency_s", "latency_seconds", "duration", "duration_ms", "duration_s", "duration_seconds", "elapsed",
    "elapsed_ms", "elapsed_s", "elapsed_seconds", "response_time", "response_time_ms", "latencyMs", "durationMs",
    "elapsedMs", "responseTimeMs", "cost", "cost_usd", "total_cost", "total_cost_usd", "response_cost",
})  # fmt: skip
FAILURE_KEYS = ("error_message", "errorMessage", "exception", "error_type")
"""Where a record says that it failed, beside `error`."""
_FAILED_FROM = 400
_CALL_COUNTS = (
    "requests", "request_count", "num_requests", "num_model_requests", "n_requests", "calls", "api_requests",
    "total_requests", "successful_requests",
)  # fmt: skip
"""How many calls a row of totals is about: more than one are no call."""
_ANSWERS = frozenset({"openai-chat", "openai-completions", "openai-responses", "openai-embeddings"})
_ANSWERED = _ANSWERS | {"pending", "openai-stream", "ollama"}
_FOREIGN = frozenset({"relative", "other", "other-list"})
"""What simonw/llm keeps of other APIs' answers beside the texts of its rows."""
INPUT_KEY = "plh_batch_input"
"""The key that an output line of a batch holds its input line under."""
_PRINTED = frozenset({"response_obj", "completion_response"})
"""Where a callback of LiteLLM's has an answer; a text there is what Python printed of an object, or of none."""
_LINE_KEYS = frozenset({"id", "custom_id", "method", "url", "path", "body", "response", "error", INPUT_KEY})
"""What stands in the lines of a batch; a record of nothing else is one."""
ENVELOPE_KEYS = ("body", "status_code")
"""In what a batch has an answer."""
_TEXT_KEYS = frozenset({
    *PROMPT_TEXT_KEYS, *ANSWER_TEXT_KEYS, *REQUEST_KEYS, *RESPONSE_KEYS, "content", "text", "system", "system_prompt",
})  # fmt: skip


USAGE_KEYS = ("usage", "token_usage", "usage_metadata", "tokenUsage")
"""Where a record has what its call counted."""
_VECTOR_KEYS = ("embedding", "embeddings", "vector", "vectors")
_OBJECT_KEYS = (*ANSWER_TEXT_KEYS, "result")
MORE_PROMPT_KEYS = (
    "user_input", "user_prompt", "userPrompt", "userMessage", "userInput", "query", "user_query", "instruction",
)  # fmt: skip
_MORE_ANSWER_KEYS = (
    "text", "content", "reply", "generated_text", "assistant_message", "ai_response", "bot_response", "model_response",
    "llm_output", "generation", "responseText", "outputText", "generatedText", "aiResponse", "modelResponse",
    "assistantMessage",
)  # fmt: skip
"""Names of texts in home-made records that are believed only beside what the answer took."""
_OF_A_QUOTA = lazily(
    r"(?:\A|[_-])(?:[rt]p[md]|limit|remaining|quota|percent|pct|ratio|[cg]pu|mem(?:ory)?|ram|disk|bytes|ms)(?:\Z|[_-])",
    re.IGNORECASE,
)
"""Names in a usage that say what may still be asked, or what a machine is busy with, and nothing of an answer."""
_TAKEN_KEYS = frozenset({*USAGE_KEYS, *OUTPUT_KEYS, *_VECTOR_KEYS, *DURATION_KEYS})


_NOT_YET = frozenset({
    "pending", "queued", "scheduled", "in_progress", "running", "started", "waiting", "processing", "skipped",
})  # fmt: skip
_STEP_KEYS = ("type", "kind", "span_kind", "span_type", "spanKind", "spanType", "step_type", "run_type")
_TOOLS = frozenset({"tool", "tool_result", "tool_output", "retriever", "retrieval"})
"""What traces of agents call the steps in which no model was asked."""


class Candidate:
    """One record under the table; what several rows ask is found out once."""

    def __init__(self, value: Json) -> None:
        self.value = value
        self.record: Mapping[str, Json] = mapping(value)
        self.may_be_answer = may_be_answer(self.record)
        self._nested: dict[str, Nested] = {}

    def nested(self, key: str) -> Nested:
        """What lies under a key of the record, out of its wrappings: decoded once, whatever rows ask for it."""
        found = self._nested.get(key)
        if found is None:
            found = self._nested[key] = Nested(self.record[key], is_answer=key in RESPONSE_KEYS)
        return found

    @cached_property
    def answer(self) -> tuple[str, Nested] | None:
        """The first response key whose value is an answer (or a stream's text or list), and what is inside."""
        lone_part = None
        for key in RESPONSE_KEYS:
            if key not in self.record:
                continue
            nested = self.nested(key)
            shape = nested.shape
            if shape == "openai-stream" and isinstance(nested.value, dict):
                lone_part = lone_part or (key, nested)
            elif shape is not None and not (key == "response_json" and shape in _FOREIGN and _is_flat(self)):
                return key, nested
        lone_part = lone_part or self._logged_part()
        # One part is no answer beside the whole text: simonw/llm keeps both.
        return None if lone_part is None or _is_flat(self) else lone_part

    @cached_property
    def last_part(self) -> tuple[str, Nested] | None:
        """What lies under a key for parts alone and may be the last of a stream: it looks like a whole answer.

        By itself it is no answer of this record's, but the one call that a logger's line holds.
        """
        return None if self.answer is not None or _is_flat(self) else self._logged(is_last_part)

    def _logged_part(self) -> tuple[str, Nested] | None:
        """What lies under a key for parts alone: one, or the text of its event."""
        return self._logged(lambda nested: nested.shape == "openai-stream")

    def _logged(self, is_found: Callable[[Nested], bool]) -> tuple[str, Nested] | None:
        for key in PART_KEYS:
            nested = self.nested(key) if isinstance(self.record.get(key), (dict, str)) else None
            if nested is not None and isinstance(nested.value, (dict, str)) and is_found(nested):
                return key, nested
        return None

    @cached_property
    def has_request(self) -> bool:
        """Whether a request key holds something of a request."""
        return any(self._is_request(key) for key in REQUEST_KEYS if key in self.record)

    @cached_property
    def is_batch_line(self) -> bool:
        """Whether a `custom_id` names this record as a line of a batch; one that is null names nothing."""
        record = self.record
        if "custom_id" not in record:
            return False
        if record["custom_id"] is None and not (text(record.get("id")) or "").startswith("batch_"):
            return False
        return record.keys() <= _LINE_KEYS or not self._is_own_call

    @property
    def _is_own_call(self) -> bool:
        """Whether somebody logged this call by itself, under an id that the answer of a batch may have too.

        In a batch the answer lies in an envelope, is no mere text, and stands nowhere but under `response`; there is
        nothing of the request but the input line's `body`, and no time. (Beside an input line a text may be what
        somebody hopes for.)
        """
        record = self.record
        response = mapping(decoded(record.get("response")))
        if INPUT_KEY in record or any(key in response for key in ENVELOPE_KEYS):
            return False
        if self.answer is not None and self.answer[1].shape in _ANSWERED:
            return self.answer[0] != "response" or self._is_asked_beside
        has_time = not record.keys().isdisjoint(TIME_KEYS)
        is_text = _is_flat(self) and (has_time or "body" not in record)
        return is_text or (has_time and _failed(self) is not None)

    @property
    def _is_asked_beside(self) -> bool:
        return any(self._is_request(key) for key in REQUEST_KEYS if key != "body" and key in self.record)

    def _is_request(self, key: str) -> bool:
        if key in _BARE_INPUT_KEYS and self.record[key] not in (None, "", [], {}):
            return True
        inner = self.nested(key).value
        return isinstance(inner, dict) and ("model" in inner or any(name in inner for name in CONTENT_KEYS))

    @cached_property
    def failed(self) -> bool:
        """Whether the record itself says that the call failed (openai-logs.md 3.7)."""
        record = self.record
        if is_error(record.get("error")) or any(is_error(record.get(key)) for key in FAILURE_KEYS):
            return True
        if says_failed(record) or logged_exception(record) is not None:
            return True
        if is_error(self.request.get("exception")):  # what LiteLLM tells its callbacks
            return True
        if any(is_error(mapping(nested.value).get("error")) for nested in self._responses):
            return True
        statuses = (read_status(record, nested.status) for nested in self._responses or [Nested(None)])
        return any(status is not None and not 200 <= status <= 299 for status in statuses)

    @cached_property
    def response_is_empty(self) -> bool:
        """Whether no response key holds anything, nor any other key an answer's text."""
        return not self._has_mere_text and all(_is_empty(nested) for nested in self._responses)

    @cached_property
    def response_is_unusable(self) -> bool:
        """Whether what the response keys hold, if anything, is no answer and no text, or the text of a failure."""
        if self.answer is not None or self._has_mere_text:
            return False
        is_error_text = self.error_text is not None
        return all(
            _is_empty(nested) or isinstance(nested.value, dict) or (is_error_text and isinstance(nested.value, str))
            for nested in self._responses
        )

    @cached_property
    def error_text(self) -> str | None:
        """The body of a failure where it is no JSON: the text beside a request whose HTTP status tells of a failure."""
        status = read_status(self.record)
        if status is None or status < _FAILED_FROM or not self.request:
            return None
        texts = (text(nested.value) for nested in self._responses if not nested.is_other_stream)
        return next((found for found in texts if found is not None), None)

    @cached_property
    def request(self) -> Mapping[str, Json]:
        """The first request key's object that holds messages, a prompt or an input; empty where there is none."""
        for key in REQUEST_KEYS:
            inner = self.nested(key).value if key in self.record else None
            if isinstance(inner, dict) and any(name in inner for name in CONTENT_KEYS):
                return inner
        return {}

    @cached_property
    def has_other_stream(self) -> bool:
        """Whether a response key holds the stream of an API that is not known."""
        return any(self.nested(key).is_other_stream for key in RESPONSE_KEYS if key in self.record)

    @cached_property
    def _has_mere_text(self) -> bool:
        return any(text(self.record.get(key)) for key in _MERE_TEXT_KEYS)

    @cached_property
    def _responses(self) -> list[Nested]:
        found = {key: self.nested(key) for key in WHOLE_KEYS if key in self.record}
        return [nested for key, nested in found.items() if key not in _PRINTED or not isinstance(nested.value, str)]


def read_status(record: Mapping[str, Json], recorded: Json = None) -> int | None:
    """Return the HTTP status that a record tells, a recording's last.

    0 says that there was no HTTP answer, but under `status` it may say that all is well; a word there is none.
    """
    named = (record.get("status_code"), record.get("http_status"), record.get("statusCode"))
    candidates = (*named, record.get("status") or None, recorded)
    return next((status for value in candidates if (status := _http_status(value)) is not None), None)


def _http_status(value: Json) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    if not is_number(value) or value != int(value):
        return None
    return int(value) if value == 0 or 100 <= value <= 599 else None


def says_failed(record: Mapping[str, Json]) -> bool:
    """Whether an outer `status` is a word for failure, or a flag says that there was one."""
    status = record.get("status")
    is_failed = isinstance(status, str) and status.lower() in {"failure", "failed", "error", "timeout"}
    return is_failed or record.get("success") is False or record.get("error") is True


def _is_empty(nested: Nested) -> bool:
    """Nothing inside; of a recording that failed, a body of mere text is nothing either."""
    failed = is_number(nested.status) and not 200 <= nested.status <= 299
    return nested.value in (None, {}, "", []) or (failed and isinstance(nested.value, str))


# ---------------------------------------------------------------------------------------------------------- the rows


def _parallel(seen: Candidate) -> str | None:
    value = seen.value
    if not isinstance(value, list) or len(value) not in {2, 3} or not isinstance(value[0], dict):
        return None
    if not _is_only_asked(value[0]):
        return None  # two records in an array, of which the first has its own answer, are no line of the processor
    answer = value[1]
    if isinstance(answer, list):
        return "openai-parallel" if answer and all(isinstance(item, str) for item in answer) else None
    shape = classify_response(answer)
    if shape in {"relative", "openai-stream", "other", "other-list"}:
        return None
    if shape is None and mapping(answer).keys() == {"error"}:
        shape = "openai-error" if is_error(answer["error"]) else None
    return None if shape is None else "openai-parallel"


def _is_only_asked(record: Mapping[str, Json]) -> bool:
    """Whether this is a request and nothing more: no answer itself (a response names its `prompt`), and no call."""
    if all(record.get(key) is None for key in CONTENT_KEYS) or classify_response(record) is not None:
        return False
    seen = Candidate(record)
    return seen.answer is None and not _is_flat(seen) and _failed(seen) is None


def _conversation(seen: Candidate) -> str | None:
    is_messages = isinstance(seen.value, list) and bool(seen.value) and "role" in mapping(seen.value[0])
    return "conversation" if is_messages else None


def _batch_answer(seen: Candidate) -> str | None:
    record = seen.record
    is_answer = seen.is_batch_line and (
        "response" in record or ("error" in record and "body" not in record) or _is_answered_body(seen)
    )
    return "openai-batch" if is_answer else None


def _is_answered_body(seen: Candidate) -> bool:
    """Whether `body` is an answer that stands without its envelope; the request of an input line is none."""
    return "body" in seen.record and seen.nested("body").shape in _ANSWERS


def _of_a_batch(name: str, key: str) -> Callable[[Candidate], str | None]:
    return lambda seen: name if key in seen.record and seen.is_batch_line else None


def _having(name: str, *keys: str) -> Callable[[Candidate], str | None]:
    return lambda seen: name if all(key in seen.record for key in keys) else None


def _answer_row(test: Callable[[Mapping[str, Json]], str | None]) -> Callable[[Candidate], str | None]:
    named = {"other": "other-object", "openai-error": "error-body"}

    def row(seen: Candidate) -> str | None:
        shape = test(seen.record) if seen.may_be_answer else None
        return None if shape is None else named.get(shape, shape)

    return row


def _relative(seen: Candidate) -> str | None:
    """Row 7: a relative's record, or its answer in a pair."""
    if seen.may_be_answer and ANSWER_ROWS[0][1](seen.record) is not None:
        return "relative"
    return "relative" if seen.answer is not None and seen.answer[1].shape == "relative" else None


def _pair(seen: Candidate) -> str | None:
    shape = seen.answer[1].shape if seen.answer is not None else None
    if shape == "relative":
        return None
    return "other-object" if shape == "other" else shape


def _list_of_parts(seen: Candidate) -> str | None:
    """Rows 11 and 13: the parts of a stream in one list; a list of a relative's is looked at part by part."""
    is_list = isinstance(seen.value, list)
    return "openai-stream" if is_list and classify_stream(seen.value) == "openai-stream" else None


def _failed(seen: Candidate) -> str | None:
    if not (seen.failed and seen.response_is_unusable and (seen.has_request or is_asked_flat(seen.record))):
        return None
    # A flat record has its answer under many names, and beside a flag that says it failed all the same.
    return "openai-error" if seen.has_request or counted_answer(seen.record) is None else None


def is_asked_flat(record: Mapping[str, Json]) -> bool:
    """Whether a flat record has its prompt under a name that no request key is, beside the model (4.7)."""
    return any(text(record.get(key)) for key in _FLAT_PROMPT_KEYS) and any(text(record.get(key)) for key in MODEL_KEYS)


def is_asked_flat_alone(record: Mapping[str, Json]) -> bool:
    """Whether nothing but such a prompt says what was asked."""
    return is_asked_flat(record) and not Candidate(record).has_request


def _training(seen: Candidate) -> str | None:
    record = seen.record
    keys = record.keys()
    is_training = (
        (bool(keys) and keys <= _TRAINING_KEYS)
        or ("preferred_output" in record and "non_preferred_output" in record)
        or (keys == {"prompt", "completion"} and all(isinstance(value, str) for value in record.values()))
        or (isinstance(record.get("messages"), list) and not keys & _CALL_KEYS and seen.answer is None)
    )
    return "fine-tuning-data" if is_training else None


def _flat(seen: Candidate) -> str | None:
    if seen.answer is not None:
        return None
    is_call = (_is_flat(seen) and not _is_of_a_tool(seen.record)) or counted_answer(seen.record) is not None
    return "openai-flat" if is_call else None


def _is_of_a_tool(record: Mapping[str, Json]) -> bool:
    """Whether a step of an agent says of itself that it is a tool's: what went in and came out, and nothing counted.

    The model that it names is the agent's.
    """
    if record.keys().isdisjoint(_STEP_KEYS):
        return False
    is_tools = any(isinstance(kind := record.get(key), str) and kind.lower() in _TOOLS for key in _STEP_KEYS)
    telling = (*PROMPT_TEXT_KEYS, *USAGE_KEYS, *OUTPUT_KEYS, *COST_KEYS)
    says_more = any(record.get(key) for key in telling if key != "input")
    return is_tools and not says_more


def counted_answer(record: Mapping[str, Json]) -> str | None:
    """Return the key of what a model answered where it is no answer's text by its name or by its form; "" for vectors.

    That is an object or objects (of a structured answer), a text under names that others have for much else, and
    nothing, or the vectors, of an embedding: beside a model, what was asked, and what the answer took, which no mere
    request knows.
    """
    if record.keys().isdisjoint(_TAKEN_KEYS) or not (model := _model_name(record)):
        return None
    known = next((record[key] for key in PROMPT_TEXT_KEYS if record.get(key)), None)
    prompt = known or next((record[key] for key in MORE_PROMPT_KEYS if text(record.get(key))), None)
    prompt = prompt or Candidate(record).request
    if not prompt or is_error(record.get("error")):
        return None
    is_counted = any(
        is_number(value) and not _OF_A_QUOTA.search(name)
        for key in USAGE_KEYS
        for name, value in mapping(record.get(key)).items()
    )
    if "embed" in model.lower():
        has_vectors = any(isinstance(record.get(key), list) for key in _VECTOR_KEYS)
        is_taken = is_counted or has_vectors or not record.keys().isdisjoint(DURATION_KEYS)
        return "" if is_taken and not any(text(record.get(key)) for key in ANSWER_TEXT_KEYS) else None
    if not is_counted and not any(is_number(record.get(key)) for key in OUTPUT_KEYS):
        return None
    names = _MORE_ANSWER_KEYS if known else (*ANSWER_TEXT_KEYS, *_MORE_ANSWER_KEYS)
    for key in names:
        if (said := text(record.get(key))) is not None:
            return None if is_sse(said) or is_rest_of_stream(said) else key
    return next((key for key in _OBJECT_KEYS if _is_structured(record.get(key))), None)


def _model_name(record: Mapping[str, Json]) -> str | None:
    own = next((found for key in MODEL_KEYS if (found := text(record.get(key))) is not None), None)
    return own or text(Candidate(record).request.get("model")) or text(mapping(record.get("response")).get("modelId"))


def _is_structured(value: Json) -> bool:
    """Whether a value is an object of the caller's, or a list of them, and no answer or error of any API."""
    objects = value if isinstance(value, list) else [value]
    return bool(objects) and all(
        isinstance(item, dict) and bool(item) and "error" not in item and classify_response(item) is None
        for item in objects
    )


def _is_flat(seen: Candidate) -> bool:
    """A prompt and an answer's text; either may be empty, not both (a logger may blank what it must not keep).

    A task that has not run yet has an empty answer, too, and nothing that an answer took.
    """
    record = seen.record
    answers = [record[key] for key in ANSWER_TEXT_KEYS if isinstance(record.get(key), str)]
    if any(map(is_rest_of_stream, answers)):
        return False
    if any(key in record for key in PROMPT_TEXT_KEYS):
        is_asked = any(record.get(key) for key in PROMPT_TEXT_KEYS)
        return bool(answers) and (any(answers) or (is_asked and not _is_task(record)))
    return any(answers) and bool(seen.request) and not seen.has_other_stream


def _is_task(record: Mapping[str, Json]) -> bool:
    """Whether a record without an answer's text says that no model was asked yet, and has nothing of one that was."""
    status = record.get("status")
    if not isinstance(status, str) or status.lower() not in _NOT_YET:
        return False
    counts = (record, *(mapping(record.get(key)) for key in USAGE_KEYS))
    is_counted = any(counted.get(key) for counted in counts for key in OUTPUT_KEYS)
    return not is_counted and not any(record.get(key) for key in (*COST_KEYS, "tool_calls", "finish_reason"))


def _unanswered(seen: Candidate) -> str | None:
    """A request without its answer, or with one that nobody knows: the stream of another API."""
    record = seen.record
    if seen.answer is None and seen.has_other_stream:
        return "other-stream"
    if seen.answer is not None or not seen.response_is_empty or seen.failed or classify_response(record) is not None:
        return None
    asks = any(key in record for key in MODEL_KEYS) and any(record.get(key) for key in (*CONTENT_KEYS, "inputs"))
    return "no-response" if asks or bool(seen.request) else None


def _metadata_only(seen: Candidate) -> str | None:
    record = seen.record
    if not any(text(record.get(key)) for key in MODEL_KEYS) or classify_response(record) is not None:
        return None
    if not any(key in _METADATA_ONLY_TELLS or "hash" in key for key in record):
        return None
    if any(is_number(record.get(key)) and record[key] != 1 for key in _CALL_COUNTS):
        return None
    has_text = any(isinstance(record.get(key), (str, list, dict)) and record[key] for key in _TEXT_KEYS)
    return None if has_text else "metadata-only"


# ---------------------------------------------------------------------------------------------------------- the table


class Row(Value, frozen=True):
    """A row of the table: its number in openai-logs.md, and a test that names the shape of a record or says None.

    `over` are the later rows that may match the same record, each with why this one is right. No others may: the tests
    ask every row alone.
    """

    number: int
    shape: Callable[[Candidate], str | None]
    over: Mapping[int, str] = field(default_factory=dict)


_ASKED_AND_ANSWERED = "a relative's record holds a request and an answer, too"
_OVER: Mapping[int, Mapping[int, str]] = {
    7: dict.fromkeys((8, 15, 17, 18, 20), _ASKED_AND_ANSWERED),
    8: {20: "the prompt and the answer's text were added to a whole answer"},
    10: {20: "the SDK dumps `prompt` and `output_text` with a response"},
    13: {17: "an event of a stream may hold the answer"},
    15: {20: "the prompt was added to Ollama's answer, whose text is under `response`"},
}

ROWS: tuple[Row, ...] = (
    Row(1, _parallel),
    Row(2, _conversation),
    Row(3, _of_a_batch("anthropic-batch-input", "params"), {21: "its request is under `params`"}),
    Row(4, _of_a_batch("anthropic-batch-results", "result")),
    Row(
        5,
        _batch_answer,
        {
            6: "an answer may stand beside its request",
            16: "an error line without an answer holds an error as an API's body does",
            17: "an output line is a pair of a body and an id",
            18: "an error line may hold its request",
        },
    ),
    Row(6, _of_a_batch("batch-input", "body"), {21: "its answer is in another file"}),
    Row(7, _relative, _OVER[7]),
    *(Row(number, _answer_row(test), _OVER.get(number, {})) for number, test in ANSWER_ROWS[1:]),
    Row(17, _pair),
    Row(18, _failed, {19: "messages with an error are a call", 20: "an empty text beside an error is no answer"}),
    Row(19, _training, {20: "a prompt and a completion alone", 21: "messages beside parameters alone"}),
    Row(20, _flat, {21: "an empty text is an answer, one that begins like a stream, and what an embedding counted"}),
    Row(21, _unanswered),
    Row(22, _metadata_only),
    Row(23, _having("chatgpt-export", "mapping", "create_time")),
    Row(24, _list_of_parts),
)


def classify(value: Json) -> str:
    """Return the name of the first row that matches a record; `unknown` where none does."""
    seen = Candidate(value)
    if not isinstance(value, dict):
        rows = (*ROWS[:2], ROWS[-1]) if isinstance(value, list) else ()
        return next((shape for row in rows if (shape := row.shape(seen)) is not None), "unknown")
    return next((shape for row in ROWS[2:] if (shape := row.shape(seen)) is not None), "unknown")
