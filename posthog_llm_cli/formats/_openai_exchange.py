"""One exchange with an OpenAI-like API, out of whatever wrapper: outer, request and response

The rules are those of openai-logs.md, 3.1 and 3.2.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

from posthog_llm_cli.formats._fields import decoded, first_text, items, mapping, says, text
from posthog_llm_cli.formats._openai_answers import REQUEST_KEYS, classify_response
from posthog_llm_cli.formats._openai_prints import with_printed_parts
from posthog_llm_cli.formats._openai_shapes import (
    CONTENT_KEYS,
    MODEL_KEYS,
    MORE_PROMPT_KEYS,
    PROMPT_TEXT_KEYS,
    RESPONSE_KEYS,
    Candidate,
    Nested,
    read_status,
)
from posthog_llm_cli.formats._parameters import PARAMETERS
from posthog_llm_cli.formats._wrappers import members
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value

FLAT_REQUEST_KEYS = (
    *PARAMETERS, "model", "tools", "functions", "instructions", "reasoning", "previous_response_id",
    "safety_identifier",
)  # fmt: skip
"""What of a request may stand beside its bare messages."""

_MESSAGES_KEYS = frozenset({"messages", "request_messages"})
_TEXT_KEYS = frozenset({"input", "inputs", "prompt"})
_INPUT_KEYS = _MESSAGES_KEYS | _TEXT_KEYS
_BARE_REQUEST_KEYS = tuple(
    key for key in REQUEST_KEYS if key.startswith(("request", "req")) or key in _MESSAGES_KEYS
)  # an answer's own `input`, `prompt`, … are no request
_OF_A_REQUEST = lazily(r"(?i:request|payload|body)|(?:\A|_)(?i:req)(?:\Z|_)|Req(?:\Z|[_A-Z])")
"""What a name says of what was asked, where it is none of `REQUEST_KEYS`."""
_OF_ANOTHER_REQUEST = lazily(r"next|follow|feedback|webhook|embed", re.IGNORECASE)
"""How a name begins that says that its request is not the one that was answered."""
_URL_KEYS = ("url", "request_url", "uri")


class Exchange(Value, frozen=True):
    """What was asked and answered.

    `outer` is the record (what only the client knows: time, user, status), `request` its request, `response` the answer
    (what the server said); each may be empty. `status` and `url` come from an HTTP recording or from `outer`.
    `is_bare`: the record is the answer itself. `record` is what the identity hashes where there is no id, `outer` if
    it is None.
    """

    hidden: ClassVar = frozenset({"outer", "request", "response", "record"})

    outer: Mapping[str, Json]
    request: Mapping[str, Json]
    response: Mapping[str, Json]
    status: int | None = None
    url: str | None = None
    is_bare: bool = False
    record: Json = None


def read_exchange(record: Mapping[str, Json]) -> Exchange:
    """Find request and response in a record: the record is an answer itself, or a pair in any of its spellings."""
    if (shape := classify_response(record)) not in {None, "openai-error"}:
        request, url = _request(record, None, keys=_BARE_REQUEST_KEYS)
        if shape == "openai-responses" and not request and isinstance(record.get("input"), (str, list)):
            request = {"input": input_value(record["input"])}  # what was asked was written beside the answer's fields
        answer = with_printed_parts(record)
        return Exchange(record, request, answer, read_status(record), url or url_of(record), is_bare=True)
    found = Candidate(record).answer
    key, nested = found if found is not None else (None, None)
    request, request_url = _request(record, key)
    if not request:
        request = _lone_request(record)
    answered = nested or next(
        (Nested(record[name], is_answer=True) for name in RESPONSE_KEYS if isinstance(record.get(name), dict)), None
    )
    # A response that is no answer may still say why there is none.
    response = with_printed_parts(mapping(answered.value)) if answered is not None else {}
    return Exchange(
        outer=record,
        request=request,
        response=_uncondensed(response, text(record.get("response"))) if key == "response_json" else response,
        status=read_status(record, answered.status if answered is not None else None),
        url=request_url or (answered.url if answered is not None else None) or url_of(record),
    )


def url_of(record: Mapping[str, Json]) -> str | None:
    """Return the URL of the request that a record names."""
    return first_text(*(record.get(key) for key in _URL_KEYS))


def beside_the_messages(record: Mapping[str, Json]) -> dict[str, Json]:
    """Return what of a request stands beside its bare messages: model, parameters, tools, system text."""
    found = {key: record[key] for key in FLAT_REQUEST_KEYS if record.get(key) is not None}
    system = first_text(record.get("system"), record.get("system_prompt"))
    if system is not None and "instructions" not in found:
        found["instructions"] = system
    return found


# ------------------------------------------------------------------------------------------------------- the request


def _request(
    record: Mapping[str, Json], response_key: str | None, *, keys: tuple[str, ...] = REQUEST_KEYS
) -> tuple[Mapping[str, Json], str | None]:
    """The first request key with a usable value wins; an object of parameters alone stands beside the messages.

    `optional_params` are the parameters in what LiteLLM hands to a callback.
    """
    parameters: Mapping[str, Json] = {}
    url: str | None = None
    for key in keys:
        if key == response_key or key not in record:
            continue
        nested = Nested(record[key])
        inner = nested.value if key not in _TEXT_KEYS else input_value(record[key])
        if isinstance(inner, dict) and inner and key not in _MESSAGES_KEYS:
            if any(inner.get(name) for name in _INPUT_KEYS):
                return {**mapping(inner.get("optional_params")), **parameters, **inner}, nested.url or url
            parameters = {**parameters, **inner}
        elif key in _INPUT_KEYS and isinstance(inner, (str, list)) and inner:
            name = "messages" if key in _MESSAGES_KEYS else "prompt" if key == "prompt" else "input"
            beside = {**mapping(record.get("optional_params")), **beside_the_messages(record)}
            return {**beside, **parameters, name: inner}, url
        url = url or nested.url
    return parameters, url


def _lone_request(record: Mapping[str, Json]) -> Mapping[str, Json]:
    """The one request that lies beside an answer under a name of the writer's own, such as `req` or `llm_request`.

    It names a model or has messages: an application's own request, by HTTP or in an event, may have a prompt, too.
    """
    named = [
        inner for key, inner, _ in members(record) if _OF_A_REQUEST.search(key) and not _OF_ANOTHER_REQUEST.match(key)
    ]
    found = [asked for inner in named if (asked := Candidate({"request": inner}).request)]
    alone = found[0] if len(found) == 1 else {}
    return alone if _holds_messages(alone.get("messages")) or text(alone.get("model")) is not None else {}


def input_value(value: Json) -> Json:
    """Return a prompt's value: a text of JSON is decoded where it holds a request or messages.

    A prompt may be JSON itself, and is then sent as the text that it was.
    """
    inner = Nested(value).value
    if not isinstance(value, str) or isinstance(inner, str):
        return inner
    if isinstance(inner, dict):
        return inner if any(name in inner for name in _INPUT_KEYS) else value
    is_messages = isinstance(inner, list) and bool(inner) and all("role" in mapping(item) for item in inner)
    return inner if is_messages else value


def flat_request(record: Mapping[str, Json]) -> dict[str, Json]:
    """Return the request of a flat record: its prompt under whatever name, and what stands beside it."""
    options = mapping(decoded(record.get("options_json")))
    request = {**options, **beside_the_messages(record)}
    model = first_text(*(record.get(key) for key in MODEL_KEYS))
    if model is not None:
        request["model"] = model
    for key in PROMPT_TEXT_KEYS:
        value = input_value(record[key]) if record.get(key) else None
        if isinstance(value, (str, list)) and value:
            told = text(record.get("instruction"))  # what to do with the input, in Alpaca's names
            if told is not None and "instructions" not in request and not says(value, told):
                request["instructions"] = told
            return {**request, "messages" if _holds_messages(value) else "prompt": value}
    request |= read_exchange(record).request
    more = first_text(*(record.get(key) for key in MORE_PROMPT_KEYS))
    return request if more is None or any(request.get(key) for key in CONTENT_KEYS) else {**request, "prompt": more}


def _holds_messages(value: Json) -> bool:
    return any("role" in mapping(item) for item in items(value))


# ------------------------------------------------------------------------------------------------------- the response


def _uncondensed(value: Json, answer: str | None) -> Json:
    """Put the answer's text back where simonw/llm's logs refer to it: `{"$": "r:…"}`, or in pieces `{"$r": […]}`."""
    if isinstance(value, list):
        return [_uncondensed(item, answer) for item in value]
    if not isinstance(value, dict) or answer is None:
        return value
    if _is_reference(value):
        return answer
    pieces = value.get("$r")
    if len(value) == 1 and isinstance(pieces, list):
        texts = [answer if _is_reference(piece) else piece for piece in pieces]
        return "".join(texts) if all(isinstance(piece, str) for piece in texts) else value
    return {key: _uncondensed(member, answer) for key, member in value.items()}


def _is_reference(value: Json) -> bool:
    name = value.get("$") if isinstance(value, dict) and len(value) == 1 else None
    return isinstance(name, str) and name.startswith("r:")
