"""What arrived, as lines to read: one for a request, one for each of its first events. Pure.

Whatever a client sent is printed without control characters, so that no prompt can move a terminal's cursor.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from posthog_llm_cli.mockserver.judging import Incoming
from posthog_llm_cli.mockserver.store import SeenRequest
from posthog_llm_cli.model import Json

MAX_LISTED = 20
SHOWN_OF_MANY = 5
MAX_MESSAGE = 60

_MAX_WORD = 60


def request_lines(seen: SeenRequest, events: Sequence[Incoming], duplicates: Sequence[bool]) -> list[str]:
    """Return the lines of one request and its stored events; of more than 20 events the first 5."""
    count = "events ?" if seen.events is None else _plural(seen.events, "event")
    parts = [
        seen.received_at.strftime("%H:%M:%S"),
        clean(seen.method, 10),
        clean(seen.path),
        seen.api_key,
        count,
        _bytes(seen.sent_bytes) + (f" ({_bytes(seen.body_bytes)} unpacked)" if seen.body_bytes else ""),
        *(["historical"] if seen.historical else []),
        *([f"attempt {clean(attempt, 10)}"] if (attempt := seen.headers.get("posthog-attempt", "1")) != "1" else []),
        "→",
        _outcome(seen),
    ]
    lines = ["  ".join(parts)]
    shown = len(events) if len(events) <= MAX_LISTED else SHOWN_OF_MANY
    for incoming, duplicate in list(zip(events, duplicates, strict=True))[:shown]:
        lines.append("    " + event_line(incoming.event, notes=incoming.notes, duplicate=duplicate))
    if shown < len(events):
        lines.append(f"    … and {len(events) - shown} more")
    return lines


def _outcome(seen: SeenRequest) -> str:
    outcome = "no answer" if seen.status is None else str(seen.status)
    if seen.faults:
        outcome += f" ({', '.join(seen.faults)} on order)"
    if seen.verdicts:
        outcome += ": " + ", ".join(f"{count} {clean(verdict)}" for verdict, count in sorted(seen.verdicts.items()))
    elif seen.status is not None and seen.status >= 400 and seen.answer:
        outcome += ": " + clean(seen.answer, 120)
    return outcome


def event_line(event: Mapping[str, Json], *, notes: Sequence[str] = (), duplicate: bool = False) -> str:
    """Return one event on a line: what PostHog's list of generations would show, and the last user message's start."""
    properties = event.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    parts = [clean(event.get("event")), clean(properties.get("$ai_model", "(no model)"))]
    parts += _figures(properties)
    if properties.get("$ai_is_error") is True:
        parts.append("ERROR")
    parts.append(f"trace {clean(properties.get('$ai_trace_id', '-'), 40)}")
    parts.append(f"user {clean(event.get('distinct_id'), 40)}")
    message = last_user_message(properties.get("$ai_input"))
    if message:
        parts.append(f'"{clean(message, MAX_MESSAGE)}"')
    if duplicate:
        parts.append("[duplicate: PostHog keeps one]")
    parts += [f"[{note}]" for note in notes]
    return "  ".join(parts)


def _figures(properties: Mapping[str, Json]) -> list[str]:
    figures = []
    tokens_in, tokens_out = (_number(properties.get(f"$ai_{side}_tokens")) for side in ("input", "output"))
    if tokens_in is not None or tokens_out is not None:
        figures.append(f"{_count(tokens_in)}→{_count(tokens_out)} tokens")
    cost = _number(properties.get("$ai_total_cost_usd"))
    if cost is not None:
        figures.append("under $0.000001" if 0 < cost < 1e-6 else f"${cost:.6f}")
    latency = _number(properties.get("$ai_latency"))
    if latency is not None:
        figures.append(f"{latency:.2f} s")
    return figures


def last_user_message(messages: Json) -> str:
    """Return the text of the last user message of `$ai_input`, or what stands there for embeddings; else empty."""
    if isinstance(messages, str):
        return messages
    if not isinstance(messages, list):
        return ""
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user":
            return _content(message.get("content"))
    first = messages[0] if messages else None
    return first if isinstance(first, str) else ""


def _content(content: Json) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return " ".join(text for text in texts if isinstance(text, str))
    return ""


def tally_lines(tally: Mapping[str, Any]) -> list[str]:
    """Return the counts at the end of a run, a line each; the first names the events."""
    events, requests = _plural(tally["events"], "event"), _plural(tally["requests"], "request")
    lines = [f"{events} in {requests} ({_bytes(tally['sent_bytes'])} as sent)"]
    if tally["duplicates"]:
        lines.append(f"duplicates that PostHog collapses: {tally['duplicates']:,}")
    titles = {"by_event": "events", "by_route": "routes", "by_status": "answers", "verdicts": "v1 results"}
    for name, title in (*titles.items(), ("faults", "faults fired")):
        if tally.get(name):
            counts = ", ".join(f"{clean(key)} {count:,}" for key, count in tally[name].items())
            lines.append(f"{title}: {counts}")
    for name, what in (("dropped_bodies", "bodies of events"), ("dropped_events", "events")):
        if tally[name]:
            lines.append(f"not kept for want of memory: {tally[name]:,} {what}, the oldest")
    return lines


def clean(value: Json, length: int = _MAX_WORD) -> str:
    """Return a value as one short piece of text without control characters or line breaks."""
    text = value if isinstance(value, str) else "-" if value is None else str(value)
    text = text[: length * 4]  # enough to fill the line, and no work on a megabyte of prompt
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _count(number: float | None) -> str:
    return "?" if number is None else f"{number:,.0f}"


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _bytes(size: int) -> str:
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:,.1f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:,.1f} MiB"
