"""Events and glances of any kind, and figures counted by the plainest means: lists, sorting, sets."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from hypothesis import strategies as st

from posthog_llm_cli.glance import glance_of
from posthog_llm_cli.model import Destination, Event, Glance, SourceRef
from posthog_llm_cli.preview.figures import Preview
from posthog_llm_cli.preview.folding import PreviewFold
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.values import replace

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOSTS = ("https://us.i.posthog.com", "https://eu.i.posthog.com")
Seen = tuple[Event, Glance]

_NAMES = st.sampled_from(["gpt-4o", "gpt-4o-mini", "claude-sonnet-4", "naïve 東京"])
_SECONDS = st.floats(0, 300, allow_nan=False).map(lambda seconds: round(seconds, 3))
_TOKENS = st.integers(0, 200_000)

PROPERTIES: dict[str, st.SearchStrategy[Any]] = {
    "$ai_model": _NAMES,
    "$ai_provider": st.sampled_from(["openai", "anthropic"]),
    "$ai_trace_id": st.integers(0, 9).map(lambda number: f"trace-{number}"),
    "$ai_session_id": st.integers(0, 4).map(lambda number: f"session-{number}"),
    "$ai_parent_id": st.integers(0, 30).map(lambda number: f"span-{number}"),
    "$ai_latency": _SECONDS,
    "$ai_input_tokens": _TOKENS,
    "$ai_output_tokens": _TOKENS,
    "$ai_total_cost_usd": st.floats(0, 5, allow_nan=False).map(lambda usd: round(usd, 6)),
    "$ai_input": st.just([{"role": "user", "content": "Hi"}]),
    "$ai_error_type": st.sampled_from(["RateLimitError", "Timeout"]),
    "$ai_http_status": st.sampled_from([200, 429, 500]),
    "$ai_error": st.sampled_from(["slow down", "gone"]),
}


def event(
    number: int,
    properties: dict[str, Any],
    *,
    name: str = "$ai_generation",
    age: timedelta = timedelta(0),
    **changes: Any,
) -> Event:
    """An event with these properties and nothing else."""
    made = Event(
        uuid=str(UUID(int=number)),
        name=name,
        distinct_id=properties.get("$ai_trace_id", str(UUID(int=number))),
        timestamp=NOW - age,
        destination=Destination(HOSTS[0], "phc_abcdefghijklmnop"),
        properties=orjson.dumps(properties),
        legacy_properties=b'"$ignore_sent_at":true',
        v1_members=b'"options":{}',
        ref=SourceRef("app.jsonl", number + 1, 0),
    )
    return replace(made, **changes)


def seen(made: Event, format_: str = "litellm", warnings: tuple[str, ...] = ()) -> Seen:
    """An event with its glance."""
    return made, glance_of(made, format_, warnings)


@st.composite
def events(draw: st.DrawFn, *, most: int = 20) -> list[Seen]:
    """Up to `most` events, each another one."""
    found = []
    for number in range(draw(st.integers(0, most))):
        properties = {key: draw(values) for key, values in PROPERTIES.items() if draw(st.booleans())}
        properties["$ai_span_id"] = f"span-{number}"
        properties["$ai_is_error"] = draw(st.booleans())
        made = event(
            number,
            properties,
            name=draw(st.sampled_from(["$ai_generation", "$ai_generation", "$ai_embedding", "$ai_span"])),
            age=timedelta(seconds=draw(st.integers(0, 90 * 86_400))),
            distinct_id=draw(st.sampled_from(["u-1", "u-2", "anonymous", properties.get("$ai_trace_id", "t")])),
            destination=Destination(draw(st.sampled_from(HOSTS)), "phc_abcdefghijklmnop"),
        )
        found.append(seen(made, draw(st.sampled_from(["litellm", "openai-chat"]))))
    return found


def fold(met: list[Seen], *, report: RunReport | None = None, already_sent: frozenset[str] = frozenset()) -> Preview:
    """The preview of these events, in this order."""
    made = PreviewFold(now=NOW, takes=lambda event: event.size < 8_000_000)
    for one, glance in met:
        made.see(one, glance, is_open=one.uuid not in already_sent)
    return made.preview(report if report is not None else RunReport("run", Mode.PREVIEW), None)


def nearest_rank(values: list[float], share: float) -> float:
    """The smallest value that at least a share of all values does not exceed."""
    ordered = sorted(values)
    return next(value for place, value in enumerate(ordered, 1) if place >= share * len(ordered))
