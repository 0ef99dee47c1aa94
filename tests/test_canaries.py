"""Every text of every sample, one after the other, is what must not leave the machine: where does it come out?

What may be seen is told by the property: names, ids and settings, and what the caller chose to say in metadata.
"""

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import ConvertOptions, Event
from tests.converting import OPTIONS, SAMPLES, convert_bytes, wire, with_build
from tests.laws import drawn

PRIVATE = with_build(privacy_mode=True)
CANARY = "a canary that nobody outside may hear"
BASE64 = "Y2FuYXJ5IGNhbmFyeSA" * 20
SECRET = "hush-0123456789"
SECRET_NAMES = (
    "api_key", "x-api-key", "openaiApiKey", "Authorization", "cookie", "set-cookie", "client_secret", "password",
    "access_token", "headers", "raw_headers", "extra_headers", "request_headers", "private_key", "vertex_credentials",
    "connection_string",
)  # fmt: skip

SETTINGS = {
    "$ai_model", "requested_model", "$ai_provider", "$ai_stop_reason", "$ai_error_type", "$ai_service_tier",
    "$ai_model_parameters", "$ai_usage", "litellm_call_type", "litellm_model_id", "litellm_model_group",
    "$lib", "$lib_version",
}  # fmt: skip
IDS = {
    "distinct_id", "$ai_trace_id", "$ai_session_id", "$ai_span_id", "$ai_parent_id", "trace_id_logged",
    "session_id_logged", "span_id_logged", "parent_id_logged", "litellm_call_id", "litellm_end_user", "openai_custom_id",
    "openai_previous_response_id",
}  # fmt: skip
CALLERS = {
    "$ai_span_name", "$ai_trace_name", "generation_name", "project", "feature", "note", "tags", "litellm_tags",
    "litellm_key_alias", "litellm_team_alias",
}  # fmt: skip
"""What the operator and the caller chose to say: it stays in privacy mode, but for what repeats the content."""

FORMATS = [path.stem for path in sorted(SAMPLES.glob("*.jsonl"))]
LARGEST = 6_000


def records(name: str) -> Iterator[Any]:
    for line in (SAMPLES / f"{name}.jsonl").read_bytes().split(b"\n"):
        if 0 < len(line) <= LARGEST:
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError:  # a sample of what is no JSON, or COPY text
                continue


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value in a record with its path, the record first."""
    yield path, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*path, key))


def with_value(record: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(record) if isinstance(record, dict) else list(record)
    copy[path[0]] = with_value(record[path[0]], path[1:], new)
    return copy


def heard(record: Any, what: str, options: ConvertOptions) -> set[str]:
    """The properties, and other members of events, in which a text comes out."""
    found = set()
    for converted in convert_bytes(orjson.dumps(record), options):
        if not isinstance(converted.result, Event):
            assert not isinstance(converted.result, RecordError) or what not in str(converted.result)
            continue
        event = wire(converted.result)
        members = event.pop("properties") | event
        found |= {name for name, value in members.items() if what in json.dumps([name, value])}
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_in_privacy_mode_nothing_said_is_heard(name: str) -> None:
    for record in records(name):
        for path, value in places(record):
            if isinstance(value, str) or value is None:
                out = heard(with_value(record, path, CANARY), CANARY, PRIVATE)
                assert out <= SETTINGS - {"$ai_error_type"} | IDS | CALLERS, path


FORMS: list[Any] = [
    [CANARY], {CANARY: 1}, {"content": CANARY}, [{"type": "text", "text": CANARY}], json.dumps({"content": CANARY}),
]  # fmt: skip
"""What may stand where a text, a number or nothing was expected."""


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "posthog-event"])
def test_in_privacy_mode_nothing_said_is_heard_in_whatever_form(name: str) -> None:
    """A usage object goes as it is, and the names of metadata are the caller's."""
    own = {CANARY, "content", "text", "type", "row"}
    for record in records(name):
        for path, value in places(record):
            if path and not isinstance(value, (dict, list)):
                for form in drawn(FORMS):
                    out = heard(with_value(record, path, form), CANARY, PRIVATE)
                    assert out <= SETTINGS - {"$ai_error_type"} | IDS | CALLERS | own, (path, form)


@pytest.mark.parametrize("name", FORMATS)
def test_in_privacy_mode_what_repeats_the_content_is_not_heard_either(name: str) -> None:
    named_by_servers = {"$ai_model", "$ai_provider", "$ai_stop_reason", "$ai_service_tier", "$ai_usage", "distinct_id"}
    for record in records(name):
        said = next(
            (path for path, value in places(record) if isinstance(value, str) and is_content(record, path)), None
        )
        if said is None:
            continue
        spoken = with_value(record, said, CANARY)
        for path, value in places(spoken):
            if path != said and (isinstance(value, str) or value is None):
                assert heard(with_value(spoken, path, f"so: {CANARY}"), CANARY, PRIVATE) <= named_by_servers, path


def is_content(record: Any, path: tuple[Any, ...]) -> bool:
    """Whether a text at this place of a record is said by somebody, and nothing else."""
    out = heard(with_value(record, path, CANARY), CANARY, OPTIONS)
    return bool(out) and out <= {"$ai_input", "$ai_output_choices"}


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "posthog-event"])
def test_base64_is_heard_nowhere_but_where_a_name_or_an_id_is_meant(name: str) -> None:
    media = f"see data:image/png;base64,{BASE64} here"
    for record in records(name):
        for path, value in places(record):
            if isinstance(value, str):
                out = heard(with_value(record, path, media), BASE64[:80], OPTIONS)
                assert out <= SETTINGS - {"$ai_model_parameters"} | IDS | {"$ai_span_name", "$ai_trace_name"}, path


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "posthog-event"])
def test_what_is_named_as_a_secret_is_heard_nowhere_but_in_what_was_said(name: str) -> None:
    """In messages and schemas of tools such a name may be anybody's word; a count's object is sent as it is."""
    secrets = {key: {"x": SECRET} if key.endswith("headers") else SECRET for key in SECRET_NAMES}
    for record in records(name):
        for path, value in places(record):
            if isinstance(value, dict) and not value.keys() & secrets.keys():
                out = heard(with_value(record, path, {**secrets, **value}), SECRET, OPTIONS)
                is_schema = {"parameters", "input_schema"} & set(path)
                assert out <= {"$ai_input", "$ai_output_choices", "$ai_usage", *(["$ai_tools"] if is_schema else [])}, (
                    path
                )


CREDENTIALS = (
    f"postgres://app:{SECRET}-abcdefgh@h.example/d",
    f"see Bearer {SECRET}-abcdefgh",
    f'{{"api_key": "{SECRET}"}}',
    f"https://h.example/?sig={SECRET}",
)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "posthog-event"])
def test_what_is_a_credential_by_its_form_is_heard_in_no_property_of_the_callers_own(name: str) -> None:
    """What was said, names and ids are sent as they are."""
    spoken = {"$ai_input", "$ai_output_choices", "$ai_tools", "$ai_span_name", "$ai_trace_name"}
    labels = {"tags", "litellm_tags", "litellm_key_alias", "litellm_team_alias"}
    for record in records(name):
        for path, value in places(record):
            if isinstance(value, str):
                for credential in drawn(CREDENTIALS):
                    out = heard(with_value(record, path, credential), SECRET, OPTIONS)
                    assert out <= SETTINGS - {"$ai_error_type"} | IDS | spoken | labels, (path, credential)
