"""`litellm-legacy`: LiteLLM's old log item, in which every value is `str()` of a Python object (litellm-logs.md 4.3).

Smallest record: `{"id": "c-1", "call_type": "acompletion", "startTime": "2025-06-01 10:00:00.250000", "endTime":
"2025-06-01 10:00:01.500000", "model": "gpt-4o", "modelParameters": "{}", "messages": "[]", "usage":
"Usage(completion_tokens=20, prompt_tokens=10, total_tokens=30)"}`.

Model, tokens, cost, latency, input and user survive; the answer, an object's print, does not. Times name no zone and
are local to the logger: they are read in `--timezone`, for the identity too. What DynamoDB's exports wrap (`{"Item":
{"id": {"S": "…"}}}`) is unwrapped. What `datadog_use_v1` writes is the same item under other names, and with
objects instead of prints, so that its answer survives, too.
"""

import re
from collections.abc import Mapping

from posthog_llm_cli.formats._fields import Warnings, id_text, mapping, text
from posthog_llm_cli.formats._litellm_ids import Envelope
from posthog_llm_cli.formats._litellm_output import shown
from posthog_llm_cli.formats._openai_relatives import relative_name
from posthog_llm_cli.formats._python_literals import read_print
from posthog_llm_cli.formats._times import Clock
from posthog_llm_cli.formats._usage import printed_usage
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.formats.litellm import parse_payload
from posthog_llm_cli.model import Json, ParseContext
from posthog_llm_cli.patterns import lazily

_STRINGS = ("usage", "messages")
_DATADOG_NAMES = {
    "start_time": "startTime", "end_time": "endTime", "model_parameters": "modelParameters", "spend": "cost",
}  # fmt: skip
_DATADOG_KEYS = frozenset({*_DATADOG_NAMES, "id", "call_type", "messages", "usage"})
_KEY_WORDS = (
    "user_api_key_hash", "user_api_key", "user_api_key_user_id", "user_api_key_alias", "user_api_key_team_alias",
)  # fmt: skip
_COST = lazily(r"\d{1,15}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_TOTALS = ("prompt_tokens", "completion_tokens", "total_tokens")


def matches(record: Json) -> bool:
    """Whether `record` is a legacy item (detection rule 5), alone, as DynamoDB exports one, or as Datadog had it.

    LiteLLM writes a call's type into every item, and Langfuse's exports have texts under the same names without it.
    """
    if not isinstance(record, dict):
        return False
    item = _item(record)
    has_prints = "modelParameters" in item and any(isinstance(item.get(key), str) for key in _STRINGS)
    return (has_prints and ("call_type" in item or relative_name(item) is None)) or _is_datadogs(record)


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn an item into a call, without its answer where that is a print.

    Raises:
        RecordError: `missing-field` without a model or any usable time.
    """
    item = _item(record)
    warn = Warnings(("legacy-format",))
    clock = Clock(context, warn)
    metadata = mapping(read_print(item.get("metadata"), warn))
    usage = _usage(item.get("usage"))
    payload: dict[str, Json] = {
        "id": item.get("id"),
        "trace_id": id_text(item.get("trace_id")),
        "call_type": _said(item.get("call_type")),
        "status": "success",
        "startTime": clock.us(item.get("startTime")),
        "endTime": clock.us(item.get("endTime")),
        "model": _said(item.get("model")),
        **{name: usage.get(name) for name in _TOTALS},
        "response_cost": _cost(item.get("cost")),
        "cache_hit": item.get("cache_hit") in (True, "True", "true"),
        "messages": _messages(item.get("messages")),
        "response": mapping(item.get("response")) or None,
        "model_parameters": {"user": _said(item.get("user")), **mapping(read_print(item.get("modelParameters"), warn))},
        "end_user": metadata.get("user_api_key_end_user_id"),
        "request_tags": metadata.get("tags"),
        "metadata": {"usage_object": usage, **{name: metadata.get(name) for name in _KEY_WORDS}},
    }
    return parse_payload(payload, Envelope(caller=metadata, warnings=warn.codes()), context)


def _is_datadogs(record: Mapping[str, Json]) -> bool:
    return record.keys() >= _DATADOG_KEYS


def _item(record: Mapping[str, Json]) -> Mapping[str, Json]:
    """The item itself: DynamoDB's exports and `scan` write each text as `{"S": text}`, Datadog names it otherwise."""
    if _is_datadogs(record):
        return {_DATADOG_NAMES.get(key, key): value for key, value in record.items()}
    item = mapping(record.get("Item")) or record
    if not any(isinstance(value, dict) and value.keys() == {"S"} for value in item.values()):
        return item
    return {
        key: value["S"] if isinstance(value, dict) and value.keys() == {"S"} else value for key, value in item.items()
    }


def _said(value: Json) -> str | None:
    """A text that says something: the print of None does not."""
    found = text(value)
    return None if found == "None" else found


def _messages(value: Json) -> Json:
    """The prompt; one that is no print of plain values goes as the text it is, without base64 and vectors."""
    said = _said(value) if isinstance(value, str) else value
    found = read_print(said)
    return shown(said) if found is None and said is not None else found


def _usage(value: Json) -> Mapping[str, Json]:
    """The usage object: as logged, or what its print shows of it."""
    return mapping(value) or printed_usage(value if isinstance(value, str) else "")


def _cost(value: Json) -> Json:
    return float(value) if isinstance(value, str) and _COST.fullmatch(value.strip()) else value


FORMAT = LogFormat(
    name="litellm-legacy",
    title="LiteLLM legacy item (dynamodb, generic_api_use_v1): every value is text",
    recognised_by="modelParameters, with usage or messages as text; or start_time, model_parameters and spend",
    smallest='{"id": "c-1", "call_type": "acompletion", "startTime": "2025-06-01 10:00:00.250000", "endTime": '
    '"2025-06-01 10:00:01.500000", "model": "gpt-4o", "modelParameters": "{}", "messages": "[]", "usage": '
    '"Usage(completion_tokens=20, prompt_tokens=10, total_tokens=30)"}',
    matches=matches,
    parse=parse,
    needs=frozenset({"modelParameters", "Item", "start_time"}),
)
