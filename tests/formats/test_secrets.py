"""Credentials in a caller's metadata and in definitions of tools stay here, whatever they are called."""

import json
from typing import Any

import pytest

from tests.converting import to_properties

AT = "2025-06-01T10:00:00Z"
SECRET = "hush0123456789abcdef"


def flat(**metadata: Any) -> dict[str, Any]:
    return {"timestamp": AT, "model": "gpt-4o", "prompt": "Hi", "response": "Ho", "metadata": metadata}


def wrapped(**metadata: Any) -> dict[str, Any]:
    payload = {
        "id": "c-1", "call_type": "completion", "startTime": 1748772000.0, "endTime": 1748772001.5, "model": "gpt-4o",
        "trace_id": "t-1",
    }  # fmt: skip
    return {"standard_logging_object": payload, "kwargs": {"litellm_params": {"metadata": metadata}}}


@pytest.mark.parametrize("record", [flat, wrapped])
@pytest.mark.parametrize(
    "name",
    [
        "extra_headers", "request_headers", "responseHeaders", "http_request_headers", "default_headers", "Headers", "requester_custom_headers",
        "auth_header", "session_cookie", "x-cookie", "Ocp-Apim-Subscription-Key", "private_key", "privateKey",
        "aws_access_key_id", "accessKey", "AccountKey", "master_key", "vertex_credentials", "credential", "passwd",
        "passphrase", "db_pwd", "jwt", "bearer", "connection_string", "connectionString", "sentry_dsn", "api key",
    ],
)  # fmt: skip
def test_what_is_named_as_a_secret_stays_here(record: Any, name: str) -> None:
    found = to_properties(record(**{name: SECRET, "ctx": {name: {"x": SECRET}, "kept": 1}}, feature="search"))
    assert SECRET not in json.dumps(found)
    assert (found["feature"], found["ctx"]) == ("search", {"kept": 1})


@pytest.mark.parametrize("record", [flat, wrapped])
@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (f"postgresql://app:{SECRET}@db.example/logs", "postgresql://[REDACTED]@db.example/logs"),
        (f"redis://:{SECRET}@h.example:6379", "redis://[REDACTED]@h.example:6379"),
        (f"Bearer {SECRET}", "Bearer [REDACTED]"),
        (f"with sk-proj-{SECRET}", "with [REDACTED]"),
        (f"curl -H 'Authorization: Bearer {SECRET}' x", "curl -H 'Authorization: [REDACTED]' x"),
        (f"https://h.example/x?token={SECRET}&page=2", "https://h.example/x?token=[REDACTED]&page=2"),
        (json.dumps({"api_key": SECRET, "n": 1}), '{"api_key": "[REDACTED]", "n": 1}'),
        (f"AccountName=a;AccountKey={SECRET};b=c", "AccountName=a;AccountKey=[REDACTED];b=c"),
        ("AKIAIOSFODNN7EXAMPLE", "[REDACTED]"),
        (
            r'{"private_key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", "n": 1}',
            r'{"private_key": "[REDACTED]\n", "n": 1}',
        ),
        ("gsk_Ab1" + "Cd2Ef3" * 8, "[REDACTED]"),
        ("hf_" + "ab1cd2ef" * 4, "[REDACTED]"),
        ("sk-my-own-master-key-2024", "[REDACTED]"),
        (f"Cookie: sid={SECRET}; theme=dark", "Cookie: [REDACTED]"),
        (f"cookie: {SECRET}", "cookie: [REDACTED]"),
        (f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{SECRET}", "[REDACTED]"),
    ],
)
def test_what_is_a_credential_by_its_form_stays_here(record: Any, said: str, sent: str) -> None:
    found = to_properties(record(note=said, ctx={"list": [said]}))
    assert (found["note"], found["ctx"]) == (sent, {"list": [sent]})


@pytest.mark.parametrize(
    "said",
    [
        "hf-internal-testing-tiny-random-llama-2", "xai-grok-4-fast-reasoning-2025", "gsk-clinical-trial-report-2024-q3",
        "sk_learn_random_forest_v2_2024", "Cookies: how do I bake oatmeal ones?", "Authorization: required for admins",
        "ab" * 32, "sk-learn-pipeline", "sk-SK", "pk_user_12345", "hf-internal-7b", "prompt: be brief, max_tokens: 4096",
        "https://h.example/board?page=2", "mailto:me@b.example", "https://h.example/@me", "ak-4711", "eyJ",
        "arn:aws:iam::123456789012:role/x", "the bearer of good news", "token expired", "Basic plan, monthly",
    ],
)  # fmt: skip
def test_what_only_looks_a_little_like_a_credential_is_sent(said: str) -> None:
    assert to_properties(flat(note=said, ctx=[said])) | {"note": said, "ctx": [said]} == to_properties(
        flat(note=said, ctx=[said])
    )


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens", "tokens", "token_count", "cache_key", "idempotency_key", "key", "public_key", "primary_key",
        "author", "authored_by", "auth_method", "table_headers", "header", "subheading", "passed", "compass", "bypass",
        "cookie_consent", "signature", "pwa", "keyboard", "dsname",
    ],
)  # fmt: skip
def test_what_is_named_like_a_secret_and_is_none_is_sent(name: str) -> None:
    found = to_properties(flat(**{name: "x", "ctx": {name: "y"}}))
    assert (found[name], found["ctx"]) == ("x", {name: "y"})


def tools_of(tool: Any) -> Any:
    payload = {**wrapped()["standard_logging_object"], "model_parameters": {"tools": [tool]}}
    (found,) = to_properties(payload)["$ai_tools"]
    return found


@pytest.mark.parametrize("name", ["extra_headers", "custom_headers", "credentials", "private_key", "bearer"])
def test_a_tools_credentials_under_any_name_stay_here(name: str) -> None:
    found = tools_of({"type": "mcp", "server_label": "l", name: {"x": SECRET}})
    assert found == {"type": "mcp", "server_label": "l", name: {"x": "[REDACTED]"}}


@pytest.mark.parametrize("name", ["server_url", "uri", "server", "endpoint", "base"])
def test_a_tools_address_under_any_name_has_no_credentials(name: str) -> None:
    found = tools_of({"type": "mcp", name: f"https://u:{SECRET}@h.example/mcp?key={SECRET}"})
    assert found == {"type": "mcp", name: "https://h.example/mcp"}


def test_what_a_tools_environment_and_arguments_hold_stays_here() -> None:
    found = tools_of({"command": "npx", "args": ["-y", f"--token={SECRET}"], "env": {"A": SECRET, "B": "postgres"}})
    assert SECRET not in json.dumps(found)
    assert (found["command"], found["args"][0]) == ("npx", "-y")


@pytest.mark.parametrize(
    "tool",
    [
        {
            "type": "function",
            "function": {"name": "f", "description": "See https://h.example/a?b=c and ask me@b.example."},
        },
        {"type": "function", "function": {"name": "f", "description": "Needs an API key, e.g. token: abc"}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema#", "name": "f"},
        {"name": "f", "input_examples": [{"url": "https://h.example/search?q=cats", "page_token": "p-2"}]},
    ],
)
def test_what_a_tool_says_of_itself_is_sent_as_it_is(tool: Any) -> None:
    assert tools_of(tool) == tool


def realtime(**fields: Any) -> Any:
    return {**wrapped()["standard_logging_object"], "call_type": "_arealtime", **fields}


SERVER = {"type": "mcp", "server_label": "l", "server_url": f"https://h.example/?key={SECRET}", "authorization": SECRET}


@pytest.mark.parametrize("event", ["session.update", "response.create", "transcription_session.update"])
def test_a_realtime_clients_event_keeps_no_credentials_of_its_tools(event: str) -> None:
    key = event.rpartition(".")[0].rpartition("_")[2]
    (found,) = to_properties(realtime(messages=[{"type": event, key: {"voice": "alloy", "tools": [SERVER]}}]))[
        "$ai_input"
    ]
    assert SECRET not in json.dumps(found)
    assert found[key]["voice"] == "alloy"


def test_what_a_realtime_server_says_of_a_session_keeps_no_credentials_of_its_tools() -> None:
    results = [{"type": "session.updated", "session": {"voice": "alloy", "tools": [SERVER]}}]
    found = json.dumps(to_properties(realtime(response={"results": results}))["$ai_output_choices"])
    assert SECRET not in found
    assert "alloy" in found
    assert "https://h.example" in found


@pytest.mark.parametrize("record", [flat, wrapped])
@pytest.mark.parametrize("value", [True, False, 0.25])
def test_a_yes_a_no_and_a_fraction_are_no_secrets_under_any_name(record: Any, *, value: bool | float) -> None:
    names = ("credentials_valid", "has_password", "uses_jwt", "time_to_first_token")
    said = dict.fromkeys(names, value)
    found = to_properties(record(**said, ctx=said, user_api_key_x=value))
    assert {name: found.get(name) for name in names} == found["ctx"] == said
    assert "user_api_key_x" not in found
