"""`ollama`: an answer of Ollama's own API, bare or as a pair (openai-logs.md, 4.10).

`/api/chat` answers with a `message`, `/api/generate` with a text under `response`. Durations are in nanoseconds,
arguments of tools are objects, and `created_at` is when the answer was written: the end.

Smallest record: `{"model": "llama3.2", "created_at": "2025-06-01T10:00:00Z", "message": {"role": "assistant",
"content": "Hi"}, "done": true}`. A record with `done` of false is a part of a stream, whose end is not known.
"""

from collections.abc import Mapping

from posthog_llm_cli.formats._fields import is_one_of, mapping
from posthog_llm_cli.formats._ollama_parts import has_content
from posthog_llm_cli.formats._openai_call import build_call
from posthog_llm_cli.formats._openai_exchange import Exchange, read_exchange
from posthog_llm_cli.formats._openai_output import ollama_answer
from posthog_llm_cli.formats._openai_shapes import classify
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.model import Json, LLMCall, ParseContext, Skipped
from posthog_llm_cli.values import replace

NAME = "ollama"
_NOT_RUN = frozenset({"load", "unload"})
"""Why an answer to a request without a prompt ended: ollama/server/routes.go."""


def matches(record: Json) -> bool:
    """Whether `record` is Ollama's own answer, or a pair whose answer is one (rows 15 and 17)."""
    return classify(record) == NAME


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn an answer into a call; what Ollama says when it only loaded a model, or let go of one, is none.

    Raises:
        RecordError: `missing-field` without a model or any usable time.
    """
    exchange = read_exchange(record)
    said = exchange.response
    if is_one_of(said.get("done_reason"), _NOT_RUN) and not (has_content(said) or said.get("eval_count")):
        return Skipped("not-a-model-call", "Ollama loaded a model into memory, or let go of it: none ran")
    return whole_call(exchange, context)


def whole_call(exchange: Exchange, context: ParseContext) -> LLMCall:
    """Return the call of an exchange whose response is Ollama's whole answer, or what there is of it.

    An answer that is not done warns `stream-truncated` and has no stop reason.
    Raises: RecordError `missing-field` without a model or any usable time.
    """
    exchange = replace(exchange, request=_with_options(exchange.request))
    call = build_call(exchange, ollama_answer(exchange.response), context)
    if exchange.response.get("done") is False:
        call = replace(call, stream=True, warnings=(*call.warnings, "stream-truncated"))
    return call


def _with_options(request: Mapping[str, Json]) -> dict[str, Json]:
    """Ollama's parameters stand under `options`, the system text of a prompt beside it."""
    options = mapping(request.get("options"))
    system = request.get("system")
    found = {**options, **request}
    if isinstance(system, str) and "instructions" not in found:
        found["instructions"] = system
    return found


FORMAT = LogFormat(
    name=NAME,
    title="answer of Ollama's own API, bare or with its request",
    recognised_by="boolean done, and an object message or a text response; in a pair under response and the like",
    smallest='{"model": "llama3.2", "created_at": "2025-06-01T10:00:00Z", "message": {"role": "assistant", "content": '
    '"Hi"}, "done": true, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2}',
    matches=matches,
    parse=parse,
)
