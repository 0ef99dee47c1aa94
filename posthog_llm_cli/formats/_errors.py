"""The text of a failure, as it may leave the machine: no traceback, no key, bounded (litellm-logs.md 6.9)."""

import re

from posthog_llm_cli.model import Json

MAX_ERROR_CHARACTERS = 4_000
UNKNOWN_ERROR = "unknown error"

_TRACEBACK = re.compile(r"\s*Traceback \(most recent call last\).*", re.DOTALL)
_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk[-_](?=[\w*.…-]*[\d*…]|[\w-]{8})[\w*.…-]*[\w*…-]"
    r"|(?:rk|pk|gsk|xai|nvapi|phc|phx|hf|pplx|r8|ak)[-_](?=[\w*.…-]*[\d*…])[\w*.…-]{6,}[\w*…-]"
    r"|AIza[\w-]{20,}|AKIA[A-Z0-9]{12,}|eyJ[\w-]{10,}\.[\w-]{10,}[\w.-]*"
    r")"
    r"|(?i:(?<=bearer )[\w.~+/=*…-]{8,})"
    r"|(?i:(?<=basic )[\w+/=]{8,})"
    r"|(?i:(?<=api_key=)|(?<=api-key:)|(?<=api-key: )|(?<=api_key: )|(?<=apikey=))[\w.*…-]{8,}"
    r"|(?<=://)[^/\s@]+:[^/\s@]+(?=@)"
)


def error_text(message: str | None) -> str:
    """Return an error's message without tracebacks and keys, at most 4,000 characters; `unknown error` for none."""
    if message is None:
        return UNKNOWN_ERROR
    cleaned = _KEYS.sub("[REDACTED]", _TRACEBACK.sub("", message)).strip()
    return cleaned[:MAX_ERROR_CHARACTERS] or UNKNOWN_ERROR


def first_error_text(*messages: Json) -> str:
    """Return the first text that says something once it is cleaned."""
    cleaned = (error_text(message) for message in messages if isinstance(message, str))
    return next((text for text in cleaned if text != UNKNOWN_ERROR), UNKNOWN_ERROR)
