"""URLs as they may leave the machine: without user info, query and fragment."""

import re
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit, urlunsplit

from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily

_MAX_KNOWN = 200
"""Characters of a URL that is remembered."""
_ROUTE = lazily(
    r"(?P<base>.*?)/(?:chat/completions|responses|embeddings|completions|api/chat|api/generate|api/embed(?:dings)?)(?:/.*)?\Z"
)


def clean_url(value: Json) -> str | None:
    """Return a URL without user info, query, fragment and trailing slash; None for what is none."""
    if not isinstance(value, str):
        return None
    return _cleaned(value) if len(value) <= _MAX_KNOWN else _cleaned.__wrapped__(value)


@lru_cache(maxsize=1024)
def _cleaned(value: str) -> str | None:
    """The same few addresses stand in every record."""
    parts = _split(value)
    if parts is None or not parts.scheme:
        return None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    netloc = f"{host}" if parts.port is None else f"{host}:{parts.port}"
    return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))


def base_url(request_url: str) -> str | None:
    """Return a request URL up to and including `/v1`, else up to the route (openai-logs.md 3.8); None for a path."""
    cleaned = clean_url(request_url)
    if cleaned is None:
        return None
    versioned = re.match(r"[^/]+//[^/]+(?:/.*?)?/v1(?=/|\Z)", cleaned)
    if versioned is not None:
        return versioned[0]
    routed = _ROUTE.fullmatch(cleaned)
    return routed["base"] if routed is not None else cleaned


def hostname(value: Json) -> str | None:
    """Return the lower-case host (with its port where one is named) of a URL."""
    parts = _split(value)
    if parts is None:
        return None
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname


def _split(value: Json) -> SplitResult | None:
    """Return the parts of a URL that has a host and a port that is a number, if any."""
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value.strip())
        _ = parts.port  # raises where it is none
    except ValueError:
        return None
    return parts if parts.hostname else None
