"""One exchange with an OpenAI-like API, out of whatever wrapper: outer, request and response

The rules are those of openai-logs.md, 3.1 and 3.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from posthog_llm_cli.formats._fields import is_number, mapping, text
from posthog_llm_cli.formats._openai_shapes import REQUEST_KEYS, RESPONSE_KEYS, Candidate, Nested, classify_response
from posthog_llm_cli.formats._parameters import PARAMETERS
from posthog_llm_cli.model import Json

_FLAT_REQUEST_KEYS = (
    *PARAMETERS, "model", "tools", "functions", "instructions", "reasoning", "previous_response_id",
    "safety_identifier",
)  # fmt: skip
_INPUT_KEYS = frozenset({"messages", "request_messages", "input", "inputs", "prompt"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was asked and answered.

    `outer` is the record (what only the client knows: time, user, status), `request` its request, `response` the answer
    (what the server said); each may be empty. `status` and `url` come from an HTTP recording or from `outer`.
    `is_bare`: the record is the answer itself.
    """

    outer: Mapping[str, Json] = field(repr=False)
    request: Mapping[str, Json] = field(repr=False)
    response: Mapping[str, Json] = field(repr=False)
    status: int | None = None
    url: str | None = None
    is_bare: bool = False


def read_exchange(record: Mapping[str, Json]) -> Exchange:
    """Find request and response in a record: the record is an answer itself, or a pair in any of its spellings."""
    if classify_response(record) not in {None, "openai-error"}:
        return Exchange(record, {}, record, status=None, url=_url_of(record), is_bare=True)
    found = Candidate(record).answer
    key, nested = found if found is not None else (None, None)
    request, request_url = _request(record, key)
    answered = nested or next(
        (Nested(record[name]) for name in RESPONSE_KEYS if isinstance(record.get(name), dict)), None
    )
    response = mapping(nested.value) if nested is not None else {}
    return Exchange(
        outer=record,
        request=request,
        response=response,
        status=_status(record, answered.status if answered is not None else None),
        url=request_url or (answered.url if answered is not None else None) or _url_of(record),
    )


def _request(record: Mapping[str, Json], response_key: str | None) -> tuple[Mapping[str, Json], str | None]:
    """The first request key with a usable value wins; an object of parameters alone stands beside the messages."""
    parameters: Mapping[str, Json] = {}
    url: str | None = None
    for key in REQUEST_KEYS:
        if key == response_key or key not in record:
            continue
        nested = Nested(record[key])
        inner = nested.value
        if isinstance(inner, dict) and inner and key not in {"messages", "request_messages"}:
            if any(inner.get(name) for name in _INPUT_KEYS):
                return {**parameters, **inner}, nested.url or url
            parameters, url = {**parameters, **inner}, url or nested.url
        elif key in _INPUT_KEYS and isinstance(inner, str | list) and inner:
            flat = {name: record[name] for name in _FLAT_REQUEST_KEYS if record.get(name) is not None}
            name = "messages" if key in {"messages", "request_messages"} else "input" if key != "prompt" else "prompt"
            return {**flat, **parameters, name: inner}, url
    return parameters, url


def _status(record: Mapping[str, Json], recorded: Json) -> int | None:
    for value in (record.get("status_code"), record.get("http_status"), record.get("status"), recorded):
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            return int(value)
        if is_number(value) and value == int(value) and 0 <= value <= 599:
            return int(value)
    return None


def _url_of(record: Mapping[str, Json]) -> str | None:
    return text(record.get("url")) or text(record.get("request_url")) or text(record.get("uri"))
