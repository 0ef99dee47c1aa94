"""URLs as they may leave the machine: without user info, query and fragment."""

import re
from urllib.parse import urlsplit, urlunsplit

from posthog_llm_cli.model import Json

_ROUTE = re.compile(r"(?P<base>.*?)/(?:chat/completions|responses|embeddings|completions)(?:/.*)?\Z")


def clean_url(value: Json) -> str | None:
    """Return a URL without user info, query, fragment and trailing slash; None for what is none."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        parts = urlsplit(value.strip())
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = host if port is None else f"{host}:{port}"
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
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value.strip())
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return f"{parts.hostname}:{port}" if port else parts.hostname
