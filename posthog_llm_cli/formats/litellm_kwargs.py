"""`litellm-kwargs`: a payload in a callback's kwargs or any other wrapper (litellm-logs.md, section 3).

Smallest record: `{"standard_logging_object": {…a payload…}}`. The payload may also stand under `kwargs` or `input`. The
reader takes named fields and never copies a sub-tree: kwargs hold provider keys and authorization headers in clear.
"""

from collections.abc import Mapping

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import decoded, id_text, mapping, text
from posthog_llm_cli.formats._litellm_ids import Envelope
from posthog_llm_cli.formats._proxy import is_from_proxy, own_metadata
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.formats.litellm import parse_payload
from posthog_llm_cli.model import Credentials, Json, ParseContext

PAYLOAD = "standard_logging_object"
_PLACES = ("kwargs", "input")


def matches(record: Json) -> bool:
    """Whether `record` holds the key of a payload, at the top or under `kwargs` or `input` (detection rule 3)."""
    if not isinstance(record, dict):
        return False
    return PAYLOAD in record or any(PAYLOAD in mapping(record.get(place)) for place in _PLACES)


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn kwargs into a call.

    Raises:
        RecordError: `missing-field` where the payload is null or empty, or lacks a model or any usable time.
    """
    kwargs, path = _kwargs(record)
    payload = decoded(kwargs.get(PAYLOAD))
    if not isinstance(payload, dict) or not payload:
        raise RecordError(
            "missing-field",
            "LiteLLM wrote no payload for this call: standard_logging_object is null, empty or no object",
            path=f"{path}.{PAYLOAD}",
        )
    try:
        return parse_payload(payload, _envelope(record, kwargs, payload), context)
    except RecordError as error:
        inner = f"{path}.{PAYLOAD}{error.path.removeprefix('$')}"
        raise RecordError(error.code, error.message, path=inner, hint=error.hint) from error


def _kwargs(record: Mapping[str, Json]) -> tuple[Mapping[str, Json], str]:
    if isinstance(record.get(PAYLOAD), dict):
        return record, "$"
    for place in _PLACES:
        inner = mapping(record.get(place))
        if PAYLOAD in inner:
            return inner, f"$.{place}"
    return record, "$"


def _envelope(record: Mapping[str, Json], kwargs: Mapping[str, Json], payload: Mapping[str, Json]) -> Envelope:
    around = kwargs if "litellm_params" in kwargs else mapping(record.get("kwargs"))
    params = mapping(around.get("litellm_params"))
    dynamic = mapping(kwargs.get("standard_callback_dynamic_params")) or mapping(
        around.get("standard_callback_dynamic_params")
    )
    metadata, extra = mapping(params.get("metadata")), mapping(params.get("litellm_metadata"))
    return Envelope(
        caller=_caller(params, metadata, extra, payload),
        litellm_session_id=id_text(params.get("litellm_session_id")),
        litellm_trace_id=id_text(params.get("litellm_trace_id")),
        top_trace_id=id_text(around.get("litellm_trace_id")) or id_text(kwargs.get("litellm_trace_id")),
        provider=text(around.get("custom_llm_provider")) or text(params.get("custom_llm_provider")),
        attempted_retries=metadata.get("attempted_retries") or extra.get("attempted_retries"),
        credentials=Credentials(
            api_key=text(dynamic.get("posthog_api_key")),
            host=text(dynamic.get("posthog_host")) or text(dynamic.get("posthog_api_url")),
        ),
    )


def _caller(
    params: Mapping[str, Json], metadata: Mapping[str, Json], extra: Mapping[str, Json], payload: Mapping[str, Json]
) -> Mapping[str, Json]:
    """The caller's own metadata: on a proxy only the keys of `requester_metadata` are theirs (6.15).

    The SDK names a proxy's request, too, as null: then a client's address or agent is what its caller noted.
    """
    about = mapping(payload.get("metadata"))
    by_client = "proxy_server_request" not in params
    if not is_from_proxy(about, by_client=by_client) and not isinstance(params.get("proxy_server_request"), dict):
        return {**own_metadata(extra), **own_metadata(metadata)}
    places = (metadata, extra, about)
    return next((found for place in places if (found := mapping(place.get("requester_metadata")))), {})


FORMAT = LogFormat(
    name="litellm-kwargs",
    title="LiteLLM callback kwargs, or any wrapper around a payload",
    recognised_by="standard_logging_object, at the top or under kwargs or input",
    smallest='{"standard_logging_object": {"id": "c-1", "call_type": "completion", "startTime": 1748772000.0, '
    '"endTime": 1748772001.5, "model": "gpt-4o", "trace_id": "t-1"}}',
    matches=matches,
    parse=parse,
    needs=frozenset({PAYLOAD, *_PLACES}),
)
