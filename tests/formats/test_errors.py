"""What of a failure's text leaves the machine (litellm-logs.md 6.9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.formats._errors import error_text, without_keys
from tests.converting import to_properties
from tests.formats.test_litellm import FAILURE, payload
from tests.formats.test_openai import pair

HASH = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"


@pytest.mark.parametrize(
    ("logged", "sent"),
    [
        ("API Key = sk-...abcd, Key Hash (Token) =" + HASH, "API Key = [REDACTED], Key Hash (Token) =[REDACTED]"),
        ("Client(api_key='hunter2x', n=1)", "Client(api_key='[REDACTED]', n=1)"),
        ('{"api_key": "some key", "n": 1}', '{"api_key": "[REDACTED]", "n": 1}'),
        (r'"{\"apiKey\": \"some key\"}"', r'"{\"apiKey\": \"[REDACTED]\"}"'),
        ("user=me password=hunter", "user=me password=[REDACTED]"),
        ("client_secret: abcdefgh1", "client_secret: [REDACTED]"),
        ("Ocp-Apim-Subscription-Key: 0123456789ab", "Ocp-Apim-Subscription-Key: [REDACTED]"),
        ("Authorization: Token abcdefghij", "Authorization: [REDACTED]"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "{'Authorization': '[REDACTED]'}"),
        ("Cookie: a=1; session=2\nnext", "Cookie: [REDACTED]\nnext"),
        ("with ghp_abcdefghijklmnop0123.", "with [REDACTED]."),
        ("with glpat-abcdefghij0123 or xoxb-1234567890-ab", "with [REDACTED] or [REDACTED]"),
        ("with ya29.a0AfH6SMBxyz", "with [REDACTED]"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc and eyJhbGciOiJIUzI1", "jwt [REDACTED] and [REDACTED]"),
        ("GET https://h.example/x?sv=1&sig=abc%2Bd&se=2", "GET https://h.example/x?sv=1&sig=[REDACTED]&se=2"),
        ("?X-Amz-Signature=abcdef", "?X-Amz-Signature=[REDACTED]"),
        ("Incorrect API key provided: abcd***wxyz. You can", "Incorrect API key provided: [REDACTED]. You can"),
        # as LiteLLM itself writes it where it found the key
        ("Incorrect API key provided: REDACTED. REDACTED", "Incorrect API key provided: REDACTED. REDACTED"),
        ("Virtual Key expected. Received=abcdef, expected", "Virtual Key expected. Received=[REDACTED], expected"),
        ("postgres://user:p@ss@host.example/db", "postgres://[REDACTED]@host.example/db"),
        ("https://abcdefg@host.example/", "https://[REDACTED]@host.example/"),
        ("a -----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", "a [REDACTED] PRIVATE KEY-----"),
        (
            r'{"private_key": "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n"}',
            r'{"private_key": "[REDACTED]\n"}',
        ),
        ("private_key=-----BEGIN RSA PRIVATE KEY-----\nabc", "private_key=[REDACTED]"),
        ("api_key=[REDACTED]", "api_key=[REDACTED]"),
    ],
)
def test_a_key_in_an_errors_text_is_redacted(logged: str, sent: str) -> None:
    assert to_properties(payload(**FAILURE, error_str=logged))["$ai_error"] == sent
    assert (
        to_properties(pair({"error": {"message": logged}}, model="m", timestamp="2025-06-01T10:00:00Z"))["$ai_error"]
        == sent
    )


@pytest.mark.parametrize(
    "said",
    [
        "max_tokens: 4096 is too large, total tokens=123456",
        "api_key=None, base_url=None",
        "Invalid token: expected one of the following",
        "Unexpected token: }",
        "set the OPENAI_API_KEY environment variable, or pass api_key to the client",
        "Missing credentials: please configure your environment",
        "see https://a.example/c, and mail me@b.example",
        '{"api_base":"https://a.example","user":"me@b.example"}',
        "context_length: the token limit was exceeded",
    ],
)
def test_what_only_speaks_of_keys_stays(said: str) -> None:
    assert error_text(said) == said


@pytest.mark.parametrize(
    ("logged", "sent"),
    [
        ("RateLimitError", "RateLimitError"),
        ("Bad: key sk-sample-1234567890", "Bad: key [REDACTED]"),
        ("x " * 200, "x " * 100),
    ],
)
def test_an_errors_type_is_a_name_without_keys(logged: str, sent: str) -> None:
    slo = payload(**FAILURE | {"error_information": {"error_class": logged}})
    assert to_properties(slo)["$ai_error_type"] == sent
    record = pair({"error": {"message": "m", "type": logged}}, model="m", timestamp="2025-06-01T10:00:00Z")
    assert to_properties(record)["$ai_error_type"] == sent


def test_a_key_where_the_look_ends_is_not_cut_into_a_rest_that_passes() -> None:
    text = "password=hunter22 " * 2_000
    assert "hunter" not in error_text(text)
    assert len(error_text("x" * 50_000)) == 4_000


@given(st.text(alphabet="ab1=:'\" -_.*@/?&\\[]\n", max_size=40), st.sampled_from(["api_key", "sk-", "://", "token"]))
def test_redacting_twice_changes_nothing_more(text: str, word: str) -> None:
    once = without_keys(f"{word}{text}{word}={text}")
    assert without_keys(once) == once
