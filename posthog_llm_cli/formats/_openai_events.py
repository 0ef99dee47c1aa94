"""Events of a Responses stream → the response that they are together (openai-logs.md, 4.6). Pure."""

from collections.abc import Mapping, Sequence

from posthog_llm_cli.formats._fields import is_number, is_one_of, items, mapping, text
from posthog_llm_cli.formats._openai_shapes import is_error
from posthog_llm_cli.model import Json

_TERMINAL = frozenset({
    "response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done",
})  # fmt: skip


def is_terminal(event: Mapping[str, Json]) -> bool:
    """Whether an event ends its stream, and holds the whole response."""
    return is_one_of(event.get("type"), _TERMINAL) and bool(mapping(event.get("response")))


def stream_error(event: Mapping[str, Json]) -> Json:
    """Return the error that an event or a payload of mere error holds; None for any other."""
    if is_error(event.get("error")):
        return event["error"]
    if event.get("type") != "error" and event.get("object") != "error":
        return None
    return {key: event[key] for key in ("code", "message", "param", "type") if event.get(key) not in (None, "error")}


def merge_events(events: Sequence[Mapping[str, Json]]) -> tuple[dict[str, Json], bool]:
    """Return the response that a stream's events make up, and whether the stream came to an end.

    The last event holds the whole response, and the pieces before it are not needed. Without it (cut off, or an error
    instead) the response is the first one of the stream with the items that were done: no usage, no status.
    """
    whole = next((event["response"] for event in reversed(events) if is_terminal(event)), None)
    errors = [error for event in events if (error := stream_error(event)) is not None]
    if whole is None:
        begun = next((mapping(event["response"]) for event in reversed(events) if mapping(event.get("response"))), {})
        left_out = {"status", "usage", "completed_at", "output_text"}
        response = {"object": "response", **{key: value for key, value in begun.items() if key not in left_out}}
    else:
        response = dict(whole)
    if not items(response.get("output")):
        response["output"] = _done_items(events)
    if errors and not is_error(response.get("error")):
        response["error"] = errors[-1] or {"message": "an error event without a message"}
    return response, whole is not None or bool(errors)


def _done_items(events: Sequence[Mapping[str, Json]]) -> list[Json]:
    """The items that were done, in the places that they have in the output."""
    done: dict[float, Json] = {}
    for position, event in enumerate(events):
        if event.get("type") == "response.output_item.done" and mapping(event.get("item")):
            place = event.get("output_index")
            done[place if is_number(place) else position] = event["item"]
    return [done[place] for place in sorted(done)]


def has_content(event: Mapping[str, Json]) -> bool:
    """Whether an event carries a piece of the answer."""
    kind = text(event.get("type"))
    return kind is not None and kind.endswith(".delta") and bool(text(event.get("delta")))
