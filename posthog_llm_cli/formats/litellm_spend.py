"""`litellm-spend`: a row of LiteLLM's table `LiteLLM_SpendLogs` (litellm-logs.md 4.1 and 4.2).

Smallest record: `{"request_id": "c-1", "call_type": "acompletion", "startTime": "2025-06-01T10:00:00.25", "endTime":
"2025-06-01T10:00:01.5", "model": "gpt-4o", "spend": 0.1}`.

The JSON columns may be objects (`row_to_json`, `/spend/logs`), texts of JSON (before the database, CSV cells) or
Python's prints of objects (a CSV that pandas wrote), numbers may be texts (CSV). Times name no zone and are UTC. The
columns' names may have lost their case, as warehouses fold them. The prompt is in `proxy_server_request`, the request
body as the proxy kept it, and the answer in `response`, both only where `store_prompts_in_spend_logs` is on.
"""

import re
from collections.abc import Mapping

from posthog_llm_cli.formats._fields import first_id, id_text, is_one_of, mapping
from posthog_llm_cli.formats._litellm_ids import Envelope
from posthog_llm_cli.formats._litellm_requests import NOTHING, request_input, request_parameters
from posthog_llm_cli.formats._proxy import own_metadata
from posthog_llm_cli.formats._python_literals import read_print
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.formats.litellm import parse_payload
from posthog_llm_cli.model import Json, ParseContext
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.privacy import texts

_TOLD_BY = ("request_id", "call_type", "startTime")
_FOLDED = frozenset({"starttime", "STARTTIME"})
_CAMEL_CASE = {"starttime": "startTime", "endtime": "endTime", "completionstarttime": "completionStartTime"}
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_NUMBER = lazily(r"[+-]?\d{1,20}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_CUT = lazily(r"\.\.\. \((?:litellm_truncated|truncated) (?:skipped )?\d+ chars?\b")


def matches(record: Json) -> bool:
    """Whether `record` is a SpendLogs row (detection rule 4), whatever case its columns' names have."""
    if not isinstance(record, dict):
        return False
    row = _row(record)
    return all(key in row for key in _TOLD_BY) and ("spend" in row or "proxy_server_request" in row)


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn a row into a call. A row whose prompt was not stored is a call without input and output.

    Raises:
        RecordError: `missing-field` without a model or any usable time.
    """
    record = _row(record)
    metadata = mapping(_column(record.get("metadata")))
    request = mapping(_column(record.get("proxy_server_request")))
    payload = _payload(record, metadata, request)
    sent = [payload[name] for name in ("messages", "response", "error_information")]
    asked = [payload["model_parameters"].get(name) for name in ("instructions", "tools")]
    was_cut = any(_CUT.search(found) for found in texts([*sent, *asked]))
    envelope = Envelope(
        caller=_caller(request),
        litellm_session_id=id_text(request.get("litellm_session_id")),
        litellm_trace_id=id_text(request.get("litellm_trace_id")),
        warnings=("truncated-content",) if was_cut else (),
    )
    return parse_payload(payload, envelope, context)


def _row(record: Mapping[str, Json]) -> Mapping[str, Json]:
    """The row under the columns' own names: Redshift and Athena write small letters, Snowflake capitals."""
    if "startTime" in record or _FOLDED.isdisjoint(record):
        return record
    return {_CAMEL_CASE.get(name, name): value for key, value in record.items() if (name := key.lower())}


def _payload(row: Mapping[str, Json], metadata: Mapping[str, Json], request: Mapping[str, Json]) -> dict[str, Json]:
    """The row under the names of a StandardLoggingPayload; only named columns, and of the metadata named members."""
    response = _column(row.get("response"))
    return {
        "id": row.get("request_id"),
        "litellm_call_id": first_id(
            row.get("litellm_call_id"), metadata.get("litellm_call_id"), request.get("litellm_call_id")
        ),
        "trace_id": row.get("session_id"),  # the column holds the trace's id (BerriAI/litellm#40851)
        "call_type": row.get("call_type"),
        "stream": True if request.get("stream") is True else None,
        "status": "failure" if "failure" in (row.get("status"), metadata.get("status")) else "success",
        "startTime": row.get("startTime"),
        "endTime": row.get("endTime"),
        "completionStartTime": row.get("completionStartTime"),
        "response_time": _seconds(row.get("request_duration_ms")),
        "model": row.get("model"),
        "model_group": row.get("model_group"),
        "model_id": row.get("model_id"),
        "custom_llm_provider": row.get("custom_llm_provider"),
        "api_base": row.get("api_base"),
        **{name: _number(row.get(name)) for name in _COUNTS},
        "response_cost": _number(row.get("spend")),
        "cost_breakdown": metadata.get("cost_breakdown"),
        "cache_hit": _is_true(row.get("cache_hit")),
        "messages": _input(row, request),
        "response": None if response in NOTHING else response,
        "model_parameters": request_parameters(request),
        "error_information": metadata.get("error_information"),
        "request_tags": _column(row.get("request_tags")),
        "end_user": row.get("end_user"),
        "metadata": {
            "user_api_key_alias": metadata.get("user_api_key_alias"),
            "user_api_key_hash": row.get("api_key"),
            "user_api_key_team_alias": metadata.get("user_api_key_team_alias"),
            "attempted_retries": metadata.get("attempted_retries"),
            "usage_object": metadata.get("usage_object"),
            "additional_usage_values": metadata.get("additional_usage_values"),
        },
    }


def _column(value: Json) -> Json:
    """What a column of JSON holds; a text that cannot be read is one."""
    found = read_print(value)
    return value if found is None else found


def _input(row: Mapping[str, Json], request: Mapping[str, Json]) -> Json:
    """The prompt: of the stored request, else of the column that holds a realtime session's messages."""
    asked = request_input(request)
    if asked is not None:
        return asked
    messages = _column(row.get("messages"))
    return None if messages in NOTHING else messages


def _caller(request: Mapping[str, Json]) -> dict[str, Json]:
    """The caller's own metadata: what the proxy mixed into the request's is told from it by `requester_metadata`."""
    own = own_metadata(mapping(_column(request.get("metadata"))))
    beside = mapping(mapping(_column(request.get("litellm_metadata"))).get("requester_metadata"))
    return {**beside, **own}


def _number(value: Json) -> Json:
    """A number that a CSV cell holds as text; anything else as it is."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        stripped = value.strip()
        return int(stripped) if stripped.lstrip("+-").isdigit() else float(stripped)
    return value


def _seconds(milliseconds: Json) -> float | None:
    found = _number(milliseconds)
    return found / 1000 if isinstance(found, (int, float)) and not isinstance(found, bool) else None


def _is_true(value: Json) -> bool:
    """`cache_hit` is a column of text: `True`, `False`, `None` or empty."""
    return value is True or (isinstance(value, str) and is_one_of(value.strip().lower(), ("true", "t", "1")))


FORMAT = LogFormat(
    name="litellm-spend",
    title="LiteLLM SpendLogs row (row_to_json, COPY, CSV, json_agg, /spend/logs, before the database)",
    recognised_by="request_id, call_type and startTime, with spend or proxy_server_request",
    smallest='{"request_id": "c-1", "call_type": "acompletion", "startTime": "2025-06-01T10:00:00.25", "endTime": '
    '"2025-06-01T10:00:01.5", "model": "gpt-4o", "spend": 0.1}',
    matches=matches,
    parse=parse,
    needs=frozenset({"request_id", "REQUEST_ID"}),
)
