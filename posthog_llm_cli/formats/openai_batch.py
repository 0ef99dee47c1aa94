"""`openai-batch`: a line of a batch's output or error file, alone or with its input line inside (openai-logs.md, 4.3).

Smallest record: `{"custom_id": "row-7", "response": {"status_code": 200, "body": {…}}, "error": null}`. A joined record
is the same with one more key, `plh_batch_input`, that holds the line of the batch's input file
(`{"custom_id", "method", "url", "body"}`). An input line alone is the request side, and skipped.
"""

from collections.abc import Mapping
from typing import ClassVar

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import decoded, id_text, mapping, text
from posthog_llm_cli.formats._openai_batch_lines import (
    BatchAnswer,
    Side,
    answer_of,
    batch_id_of,
    custom_id_of,
    input_of,
    is_mismatch,
    joined,
    model_fit,
    side_of,
)
from posthog_llm_cli.formats._openai_call import Answer, build_call, operation_of_failure
from posthog_llm_cli.formats._openai_exchange import Exchange
from posthog_llm_cli.formats._openai_output import completion_answer, responses_answer
from posthog_llm_cli.formats._openai_relatives import relative_name
from posthog_llm_cli.formats._openai_shapes import INPUT_KEY, PENDING, classify, classify_response, is_error
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.identity import canonical_sha256
from posthog_llm_cli.model import Json, LLMCall, Operation, ParseContext, Skipped
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value, replace

__all__ = ["FORMAT", "INPUT_KEY", "NAME", "Side", "input_skip", "is_mismatch", "joined", "model_fit", "side_of"]

NAME = "openai-batch"

_NOT_RUN = frozenset({"batch_expired", "batch_cancelled"})
_CALL_ROUTES = ("/chat/completions", "/responses", "/embeddings", "/completions")
_OTHER_ROUTES = lazily(r"/(?:moderations|images|videos|audio)(?:/|\Z)")
_ZHIPU_ID = lazily(r"batch_\d+")
_GIVE_INPUT = "give the batch's input file in the same run"


def matches(record: Json) -> bool:
    """Whether `record` is a line of a batch (rows 5 and 6)."""
    return classify(record) in {NAME, "batch-input"}


def input_skip() -> Skipped:
    """Return what becomes of an input line: its call is where the answer is."""
    return Skipped("batch-input", "the request side of a batch: the answer is in the batch's output file")


class _Line(Value, frozen=True):
    """An output line taken apart. `own` is the line without its input, which is what its identity may be made of."""

    hidden: ClassVar = frozenset({"own", "body"})

    exchange: Exchange
    own: Mapping[str, Json]
    body: Json
    custom_id: str | None
    is_null: bool
    has_input: bool

    @property
    def succeeded(self) -> bool:
        """Whether a server answered with something, and with no other status than 2xx."""
        status = self.exchange.status
        return bool(self.body) and (status is None or 200 <= status <= 299)


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn an output or error line into a call; what ran on no model, or not at all, is skipped.

    Raises:
        RecordError: `missing-field` without a model or any usable time; `unsupported-format` for another API's answer.
    """
    if classify(record) == "batch-input":
        return input_skip()
    line = _read(record)
    code = mapping(line.exchange.outer.get("error")).get("code")
    if line.is_null and isinstance(code, str) and code in _NOT_RUN:
        return Skipped("not-run", f"the batch ended before this request reached a model ({code})")
    answer = _answer(line)
    if isinstance(answer, Skipped):
        return answer
    try:
        call = build_call(line.exchange, answer, context)
    except RecordError as error:
        if error.path != "$.model" or line.has_input:
            raise
        raise RecordError(error.code, error.message, path=error.path, hint=_GIVE_INPUT) from error
    return _as_batch_call(call, line)


def _read(record: Mapping[str, Json]) -> _Line:
    own = {key: value for key, value in record.items() if key != INPUT_KEY}
    outer = {key: value for key, value in own.items() if key != "response"}
    if not _names_error(outer.get("error")):
        outer.pop("error", None)
    found = answer_of(record)
    if found is None and "error" not in outer:
        raise RecordError(
            "unknown-format",
            "a custom_id, as in a batch, but the response is neither status and body nor an answer of the API",
            path="$.response",
        )
    found = found or BatchAnswer(None, None, is_null=False)
    if not found.body and "error" not in outer:
        # No answer is a failure, even where the line names none: `{"status_code": 0, "request_id": "", "body": {}}`.
        outer["status"] = "failed"
    asked = input_of(record)
    request = mapping(decoded(asked.get("body"))) if asked is not None else {}
    url = None if asked is None else text(asked.get("url")) or text(asked.get("path"))
    return _Line(
        exchange=Exchange(outer, request, mapping(found.body), status=found.status, url=url),
        own=own,
        body=found.body,
        custom_id=custom_id_of(record),
        is_null=found.is_null,
        has_input=asked is not None,
    )


def _names_error(error: Json) -> bool:
    """Whether there was an error: a client's dump of an absent one is an object whose members are all null."""
    return is_error(error) and not (isinstance(error, dict) and all(value is None for value in error.values()))


# ---------------------------------------------------------------------------------------------------- what was answered


def _answer(line: _Line) -> Answer | Skipped:
    """Read the answer by its class; of a failure only whether it was to be an embedding."""
    body, exchange = mapping(line.body), line.exchange
    relative = relative_name(body)
    if relative is not None:
        raise RecordError(
            "unsupported-format",
            f"looks like an answer of {relative} in a batch; plh reads LiteLLM and OpenAI formats",
            path="$.response.body",
        )
    match _class_of(body):
        case "openai-responses" if text(body.get("status")) in PENDING:
            return Skipped("pending-response", f"a response that is still {body['status']}")
        case "openai-responses":
            return responses_answer(body)
        case "openai-chat" | "openai-completions":
            return completion_answer(body)
        case "openai-embeddings":
            return Answer(Operation.EMBEDDING)
        case "openai-error":
            pass
        case _ if line.succeeded:
            return Skipped("not-a-model-call", "the body of this batch line is no answer of a language model")
    if _is_other_route(exchange.url):
        return Skipped("not-a-model-call", "a batch request to a route without a language model")
    return Answer(operation_of_failure(exchange))


def _class_of(body: Mapping[str, Json]) -> str | None:
    """The format of an answer; in a batch nothing is a stream's part, and choices without messages are a completion."""
    shape = classify_response(body)
    if shape in {"openai-chat", "openai-completions", "openai-responses", "openai-embeddings", "openai-error"}:
        return shape
    if shape == "pending" or isinstance(body.get("output"), list):
        return "openai-responses"
    return "openai-chat" if isinstance(body.get("choices"), list) else None


def _is_other_route(url: str | None) -> bool:
    path = (url or "").split("?")[0].rstrip("/")
    return not path.endswith(_CALL_ROUTES) and _OTHER_ROUTES.search(path) is not None


# ---------------------------------------------------------------------------------------------------- what a batch adds


def _as_batch_call(call: LLMCall, line: _Line) -> LLMCall:
    """What holds for calls of a batch: half price, no latency (it waits for hours), no URL but a path."""
    exchange = line.exchange
    warnings = list(call.warnings)
    is_billed = call.usage.input is not None or call.usage.output is not None
    if is_billed and call.cost is None:
        warnings.append("batch-price")
    if is_mismatch(text(exchange.request.get("model")), text(exchange.response.get("model"))):
        warnings.append("batch-model-mismatch")
    properties = {**call.properties, "openai_batch": True}
    if line.custom_id is not None:
        properties["openai_custom_id"] = line.custom_id
    return replace(
        call,
        identity=_identity(call, line),
        provider=call.provider or _provider_by_id(exchange.outer.get("id")),
        latency_s=None,
        ttft_s=None,
        base_url=None,
        request_url=None,
        properties=properties,
        warnings=tuple(warnings),
    )


def _identity(call: LLMCall, line: _Line) -> str:
    """That of the answer itself; else the line's id, or the line without its input: the same with it and without.

    An id that is the batch's names one of its lines together with the caller's id only.
    """
    if id_text(mapping(line.body).get("id")) is not None:
        return call.identity
    line_id = id_text(line.own.get("id"))
    if batch_id_of(line.own) is not None:
        line_id = None if line.custom_id is None else f"{line_id}|{line.custom_id}"
    return f"openai-batch|{line_id or canonical_sha256(line.own)}"


def _provider_by_id(line_id: Json) -> str | None:
    """Groq and Zhipu name their lines in a way of their own (section 5)."""
    if not isinstance(line_id, str):
        return None
    if line_id.startswith("batch_req_out_"):
        return "groq"
    return "zai" if _ZHIPU_ID.fullmatch(line_id) else None


FORMAT = LogFormat(
    name=NAME,
    title="OpenAI Batch API: lines of output and error files, joined with those of the input file",
    recognised_by="custom_id with response, or with error and no body; the input side by custom_id and body",
    smallest='{"custom_id": "row-7", "response": {"status_code": 200, "body": {"id": "chatcmpl-1", "object": '
    '"chat.completion", "created": 1748772000, "model": "gpt-4o", "choices": []}}, "error": null}',
    matches=matches,
    parse=parse,
)
