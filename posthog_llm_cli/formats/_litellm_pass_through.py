"""What LiteLLM's proxy logs of a request that it passed through → the fields of any other call (litellm-logs.md 7).

The request's body is the text of its only message. Of a server that LiteLLM does not know by its address it reads no
answer: `{"response": "<the body>"}`, of a stream `cannot parse chunks to standard response object. Chunks=[…]`, without
tokens and often with the model `unknown`. Such a body is read where it is an answer in OpenAI's shapes.
"""

from collections.abc import Mapping

from posthog_llm_cli.formats._fields import decoded_if_shallow, is_one_of, items, mapping, text
from posthog_llm_cli.formats._litellm_requests import request_input, request_parameters
from posthog_llm_cli.formats._openai_chunks import merge_chunks
from posthog_llm_cli.formats._openai_events import is_terminal, merge_events
from posthog_llm_cli.formats._python_literals import python_literal
from posthog_llm_cli.formats.sse import payloads
from posthog_llm_cli.model import Json

_CALL_TYPES = ("pass_through_endpoint", "llm_passthrough_route", "allm_passthrough_route")
_UNREAD = "cannot parse chunks to standard response object. Chunks="
_COUNTS = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))


def opened(payload: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return a payload with the request, and an answer that LiteLLM left unread, where those of other calls are."""
    if not is_one_of(payload.get("call_type"), _CALL_TYPES):
        return payload
    request = _request(payload)
    said = request_input(request)
    if said is None:
        return payload
    asked = {**payload, "messages": said, "model_parameters": request_parameters(request)}
    answer = None if payload.get("total_tokens") else _unread_answer(payload.get("response"))
    return asked if answer is None else {**asked, **_answered(payload, request, answer)}


def _request(payload: Mapping[str, Json]) -> Mapping[str, Json]:
    """The request's body, which SpendLogs have as the parameters; empty where there is none."""
    parameters, messages = mapping(payload.get("model_parameters")), items(payload.get("messages"))
    if request_input(parameters) is not None:
        return parameters
    content = mapping(messages[0]).get("content") if len(messages) == 1 else None
    return mapping(decoded_if_shallow(content)) if isinstance(content, str) else {}


def _unread_answer(response: Json) -> Mapping[str, Json] | None:
    """The answer in a body that LiteLLM took for any text; None where it is no answer, or counts no tokens."""
    body = response.get("response") if isinstance(response, dict) and len(response) == 1 else None
    if not isinstance(body, str):
        return None
    answer = _streamed(body.removeprefix(_UNREAD)) if body.startswith(_UNREAD) else decoded_if_shallow(body)
    found = mapping(answer)
    is_answer = isinstance(found.get("choices"), list) or isinstance(found.get("output"), list)
    return found if is_answer and mapping(found.get("usage")).get("total_tokens") else None


def _streamed(printed: str) -> Json:
    """What the lines of a stream make up, of which Python printed the list."""
    lines = [line for line in items(python_literal(printed)) if isinstance(line, str)]
    parts = [part for found in payloads("\n".join(lines)) if isinstance(part := decoded_if_shallow(found), dict)]
    return merge_events(parts)[0] if any(is_terminal(part) for part in parts) else merge_chunks(parts)


def _answered(payload: Mapping[str, Json], request: Mapping[str, Json], answer: Mapping[str, Json]) -> dict[str, Json]:
    logged = text(payload.get("model"))
    usage = answer["usage"]
    counts = {
        "total_tokens": usage["total_tokens"],
        **{name: usage.get(name, usage.get(other)) for name, other in _COUNTS},
    }
    about = {**mapping(payload.get("metadata")), "usage_object": usage}
    model = answer.get("model") or request.get("model") if logged in (None, "unknown") else logged
    return {"model": model, "response": answer, "metadata": about, **counts}
