"""What the tests post: valid events and requests, for each test to break in one place."""

import gzip
import uuid
from typing import Any

import httpx
import orjson

KEY = "phc_invented0123456789abcdefghijklmnopqrstuvwxyz"

PATHS = {"v1": "/i/v1/ai/events", "ai-batch": "/i/v0/ai/batch/", "batch": "/batch/"}
LEGACY = ("ai-batch", "batch")

CLIENT = httpx.Client(
    transport=httpx.HTTPTransport(verify=False, limits=httpx.Limits(max_keepalive_connections=0)), timeout=20
)
"""One connection a request, and no certificates to load: loopback only."""


def v1_headers(**changed: str | None) -> dict[str, str]:
    """The headers of v1; underscores stand for hyphens, None leaves one out."""
    headers: dict[str, str | None] = {
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "posthog-sdk-info": "posthog-llm-cli/0.1.0",
        "posthog-attempt": "1",
        "posthog-request-id": str(uuid.uuid4()),
        "posthog-request-timestamp": "2026-11-23T10:00:00Z",
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    return {name: value for name, value in headers.items() if value is not None}


def event(**changed: Any) -> dict[str, Any]:
    """One valid event of the members that all routes know; `...` leaves one out."""
    found: dict[str, Any] = {
        "event": "$ai_generation",
        "uuid": str(uuid.uuid4()),
        "distinct_id": "user-7",
        "timestamp": "2025-05-01T10:00:00.123Z",
        "properties": {"$ai_model": "gpt-4o", "$ai_input": [{"role": "user", "content": "Which bird is this?"}]},
    }
    found |= changed
    return {name: value for name, value in found.items() if value is not ...}


def envelope(route: str, *events: Any, **changed: Any) -> dict[str, Any]:
    """One valid body for a route."""
    found: dict[str, Any] = {"batch": list(events), "historical_migration": True}
    found |= {"created_at": "2026-11-23T10:00:00.000Z"} if route == "v1" else {"api_key": KEY}
    found |= changed
    return {name: value for name, value in found.items() if value is not ...}


def post(url: str, route: str, *events: Any, **changed: Any) -> httpx.Response:
    """Post events as the route wants them, gzip-compressed."""
    return post_body(url, route, orjson.dumps(envelope(route, *events, **changed)))


def post_body(url: str, route: str, body: bytes, *, compress: bool = True) -> httpx.Response:
    """Post a body as it is, or compressed."""
    headers = v1_headers() if route == "v1" else {"content-type": "application/json"}
    if compress:
        headers["content-encoding"] = "gzip"
        body = gzip.compress(body, 1)
    return CLIENT.post(url + PATHS[route], content=body, headers=headers)


def verdicts(answer: httpx.Response) -> list[tuple[str, str | None]]:
    """The results of v1 in order, as (result, details)."""
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    return [(result["result"], result.get("details")) for result in results.values()]
