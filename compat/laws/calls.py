"""Which call it was: event name, time, uuid, ids, model, place, person, destination (6.1, 6.2, 6.4, 6.11 to 6.14,
6.19, 6.20)."""

import hashlib
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from compat.laws import DISTINCT_ID, EVENT, HOST, TIMESTAMP, UUID, Fields, put
from compat.record import UNWRITTEN, Record, Setting
from compat.values import Json, compact, is_number, is_said, object_of

_NAMESPACE = uuid.UUID("4aa45a0d-3934-5612-94d3-a0d6a13c0764")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAKEN_ID = re.compile(r"[A-Za-z0-9\-_~.@()!':|]{1,200}")
_NOBODY = frozenset({
    "0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous", "anonymous-user", "backend",
    "distinct_id", "distinctid", "email", "false", "guest", "id", "nan", "none", "not_authenticated", "null",
    "system", "true", "undefined", "user", "$posthog_cookieless",
})  # fmt: skip


def event_name(fields: Fields, record: Record, _: Setting) -> None:
    """`aembedding` is an embedding too."""
    fields[EVENT] = "$ai_embedding" if record.is_embedding else "$ai_generation"


def timestamp(fields: Fields, record: Record, setting: Setting) -> None:
    """When the call ended; else its start and how long it took; else the configured time."""
    time_us = record.time_us("endTime")
    if time_us is None:
        time_us = record.time_us("startTime")
        duration = record.payload.get("response_time")
        if time_us is not None and is_number(duration) and record.payload.get("stream") is not True:
            time_us += round(duration * 1_000_000)
    fields[TIMESTAMP] = setting.default_time if time_us is None else _rfc3339(time_us)


def event_uuid(fields: Fields, record: Record, _: Setting) -> None:
    """Derived from the call's id, start and status (section 8)."""
    fields[UUID] = uuid_of(record)


def uuid_of(record: Record) -> str:
    """Return the uuid of a record's event."""
    return str(uuid.uuid5(_NAMESPACE, identity(record)))


def identity(record: Record) -> str:
    """Return the string that a call's uuid is derived from."""
    start_us = record.time_us("startTime")
    start_ms = "" if start_us is None else str(start_us // 1000)
    return f"litellm|{_base_id(record)}|{start_ms}|{'failure' if record.is_failure else 'success'}"


def _base_id(record: Record) -> str:
    logged = _id(record.payload.get("id"))
    found = None if logged is None else _id(re.sub(r"_cache_hit[\d.]+\Z", "", logged))
    found = found or _id(record.payload.get("litellm_call_id"))
    if found is not None:
        return found
    content = [record.payload.get(key) for key in ("model", "messages", "response")]
    return (
        "-"
        + hashlib.sha256(
            json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        ).hexdigest()
    )


def no_chance(fields: Fields, record: Record, _: Setting) -> None:
    """Ids that LiteLLM's logger invents are none."""
    for name, key in (("$ai_trace_id", "trace_id"), ("$ai_span_id", "id")):
        if record.payload.get(key) is None:
            put(fields, name, None)
    if not (record.logged_metadata.get("user_id") or record.payload.get("end_user") or record.payload.get("trace_id")):
        put(fields, DISTINCT_ID, None)


# ---------------------------------------------------------------------------------------------------------------- ids


def session(fields: Fields, record: Record, _: Setting) -> None:
    """The conversation."""
    put(fields, "$ai_session_id", session_of(record))


def session_of(record: Record) -> str | None:
    """Return the first session that is named."""
    caller = record.caller
    litellm_session = _id(record.params.get("litellm_session_id"))
    if litellm_session == _id(caller.get("trace_id")):
        litellm_session = None
    logged = (record.payload.get("session_id"), caller.get("session_id"), litellm_session, person_of(record)[1])
    return _wish(caller, "$ai_session_id") or _first_id(*logged)


def trace(fields: Fields, record: Record, _: Setting) -> None:
    """The first trace that is not the session; without a session, what LiteLLM logged as the trace comes earlier."""
    own, caller, session_id = record.payload.get("trace_id"), record.caller, session_of(record)
    litellm_trace, top = record.params.get("litellm_trace_id"), record.kwargs.get("litellm_trace_id")
    order = (
        [litellm_trace, caller.get("trace_id"), top, own]
        if session_id
        else [litellm_trace, own, caller.get("trace_id"), top]
    )
    candidates = [found for value in order if (found := _id(value)) and found != session_id]
    rest = _first_id(record.payload.get("litellm_call_id"), record.payload.get("id"), _base_id(record))
    fields["$ai_trace_id"] = _wish(caller, "$ai_trace_id") or next(iter(candidates), None) or rest


def span(fields: Fields, record: Record, _: Setting) -> None:
    """The logged id; where there is none, the attempt's, else the event's own."""
    named = _first_id(record.payload.get("id"), record.payload.get("litellm_call_id"))
    fields["$ai_span_id"] = named or uuid_of(record)


def parent(fields: Fields, record: Record, _: Setting) -> None:
    """As LiteLLM's logger finds it, but in the caller's own metadata, and as text."""
    caller = record.caller
    put(
        fields,
        "$ai_parent_id",
        _wish(caller, "$ai_parent_id")
        or _first_id(caller.get("parent_run_id") or None, caller.get("parent_id") or None),
    )


def taken_ids(fields: Fields, _: Record, __: Setting) -> None:
    """An id that PostHog would refuse is replaced by one derived from it, and kept as it was logged."""
    for name in ("trace_id", "session_id", "span_id", "parent_id"):
        logged = fields.get(f"$ai_{name}")
        if logged is not None and not _TAKEN_ID.fullmatch(logged):
            fields[f"$ai_{name}"] = str(uuid.uuid5(_NAMESPACE, f"id|{logged}"))
            fields[f"{name}_logged"] = logged


# ------------------------------------------------------------------------------------------------------ place and model


def base_url(fields: Fields, record: Record, _: Setting) -> None:
    """Without trailing slash, user, password and query."""
    put(fields, "$ai_base_url", url_without_secrets(record.payload.get("api_base")))


def url_without_secrets(value: Json) -> str | None:
    """Return scheme, host, port and path of a URL; None where there is none."""
    if not is_said(value):
        return None
    parts = urlsplit(value)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}".rstrip("/") if parts.scheme and host else None


def model(fields: Fields, record: Record, _: Setting) -> None:
    """Without the provider's routing prefix."""
    names = (record.payload.get("model"), record.answer.get("model"), record.payload.get("model_group"))
    named = next((name for name in names if is_said(name)), None)
    prefix = f"{record.provider}/"
    put(fields, "$ai_model", named.removeprefix(prefix) or named if named else None)


def provider(fields: Fields, record: Record, _: Setting) -> None:
    """Absent where LiteLLM names none."""
    put(fields, "$ai_provider", record.provider)


# ------------------------------------------------------------------------------------------------------------- person


def distinct_id(fields: Fields, record: Record, _: Setting) -> None:
    """Who asked; a call of nobody goes by its trace, and makes no person."""
    person = person_of(record)[0]
    fields[DISTINCT_ID] = fields["$ai_trace_id"] if person is None else _short(person)
    put(fields, "$process_person_profile", False if person is None else None)


def person_of(record: Record) -> tuple[str | None, str | None]:
    """Return who asked, and the session that is packed into any of the names."""
    asked = record.parameters.get("user")
    names = (
        record.caller.get("user_id"),
        record.payload.get("end_user"),
        None if asked == record.about.get("user_api_key_user_id") else asked,
    )
    people = [_person(named) for named in names]
    named = (user for user, _ in people if user is not None and user not in _keys_of(record))
    return next(named, None), next((session for _, session in people if session is not None), None)


def end_user_of(record: Record) -> str | None:
    """Return whom LiteLLM's end user stands for, None for nobody."""
    user = _person(record.payload.get("end_user"))[0]
    return None if user in _keys_of(record) else user


def _keys_of(record: Record) -> tuple[Json, ...]:
    """What the proxy may put into a request's user instead of one: its key's hash, or the master key's name."""
    return record.about.get("user_api_key_hash"), "litellm_proxy_master_key", "REDACTED_BY_LITELM"


def _person(named: Json) -> tuple[str | None, str | None]:
    value = named
    if isinstance(named, str) and named.strip().startswith("{"):
        try:
            value = json.loads(named)
        except ValueError:
            value = named
    if isinstance(value, dict):
        if not value:
            return None, None
        ids = _first_id(value.get("account_uuid"), value.get("user_id"), value.get("device_id"))
        whole = named if isinstance(named, str) else compact(value)
        return _somebody(ids or whole), _id(value.get("session_id"))
    if isinstance(value, list):
        return (compact(value) if value else None), None
    packed = (
        re.fullmatch(r"user_(\w+?)_account_([0-9a-fA-F-]*)_session_([0-9a-fA-F-]+)", value)
        if isinstance(value, str)
        else None
    )
    if packed is not None:
        return packed[2] or packed[1], packed[3]
    return _somebody(_id(value)), None


def _somebody(name: str | None) -> str | None:
    return None if name is None or name.strip().lower() in _NOBODY else name


def _short(person: str) -> str:
    """At most 200 bytes: a prefix, and a short hash of the whole."""
    encoded = person.encode()
    if len(encoded) <= 200:
        return person
    return f"{encoded[:183].decode(errors='ignore')}~{hashlib.sha256(encoded).hexdigest()[:16]}"


# -------------------------------------------------------------------------------------------------------- destination


def host(fields: Fields, record: Record, setting: Setting) -> None:
    """`posthog_host` first, then `posthog_api_url`; LiteLLM's logger reads the latter alone."""
    named = [record.dynamic.get(name) for name in ("posthog_host", "posthog_api_url")]
    fields[HOST] = next((value for value in named if is_said(value)), setting.host).rstrip("/")


# ---------------------------------------------------------------------------------------------------------------- text


def _rfc3339(time_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=time_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _id(value: Json) -> str | None:
    if is_number(value):
        value = str(int(value)) if float(value).is_integer() else str(value)
    return value.strip() if isinstance(value, str) and value.strip() not in {"", "None", "null", *UNWRITTEN} else None


def _first_id(*values: Json) -> str | None:
    return next((found for value in values if (found := _id(value))), None)


def _wish(caller: Json, name: str) -> str | None:
    value = object_of(caller).get(name)
    return value.strip() or None if isinstance(value, str) else None
