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
    """Return the error that an event, a chunk or a payload of mere error holds; None for any other.

    Groq says in `x_groq` why it stopped a stream early.
    """
    if is_error(event.get("error")):
        return event["error"]
    if "x_groq" in event and is_error(error := mapping(event["x_groq"]).get("error")):
        return error
    if event.get("type") != "error" and event.get("object") != "error":
        return None
    return {key: event[key] for key in ("code", "message", "param", "type") if event.get(key) not in (None, "error")}


def merge_events(events: Sequence[Mapping[str, Json]]) -> tuple[dict[str, Json], bool]:
    """Return the response that a stream's events make up, and whether the stream came to an end.

    The last event holds the whole response, and the pieces before it are not needed. Without it (cut off, or an error
    instead) the response is the first one of the stream with the items that were done, and what came of the others: no
    usage, no status.
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
        response["output"] = _items(events)
    if errors and not is_error(response.get("error")):
        response["error"] = errors[-1] or {"message": "an error event without a message"}
    return response, whole is not None or bool(errors)


_PIECES = {
    "response.output_text": ("text", "output_text"),
    "response.refusal": ("refusal", "refusal"),
    "response.function_call_arguments": ("arguments", "function_call"),
    "response.custom_tool_call_input": ("input", "custom_tool_call"),
}
"""By the event's name without its last word: the member that its deltas are pieces of, and what that belongs to."""


def _items(events: Sequence[Mapping[str, Json]]) -> list[Json]:
    """The items in the places that they have in the output; those that were not done as far as they came."""
    done: dict[float, Json] = {}
    begun: dict[float, dict[str, Json]] = {}
    pieces: dict[float, dict[tuple[str, float], list[str]]] = {}
    for position, event in enumerate(events):
        kind, place = text(event.get("type")) or "", event.get("output_index")
        where = place if is_number(place) else position
        if kind == "response.output_item.done" and mapping(event.get("item")):
            done[where] = event["item"]
        elif kind == "response.output_item.added" and mapping(event.get("item")):
            begun[where] = event["item"]
        elif is_number(place) and kind.rpartition(".")[0] in _PIECES:
            index = event.get("content_index")
            key = kind.rpartition(".")[0], index if is_number(index) else 0
            came = pieces.setdefault(place, {}).setdefault(key, [])
            if kind.endswith(".delta") and isinstance(event.get("delta"), str):
                came.append(event["delta"])
            elif kind.endswith(".done") and isinstance(event.get(_PIECES[key[0]][0]), str):
                came[:] = [event[_PIECES[key[0]][0]]]
    found = {place: _unfinished(begun.get(place, {}), came) for place, came in pieces.items()} | done
    return [found[place] for place in sorted(found)]


def _unfinished(begun: Mapping[str, Json], pieces: Mapping[tuple[str, float], Sequence[str]]) -> Json:
    """An item that was not done, of what came of it; its status is left out."""
    item = {key: value for key, value in begun.items() if key != "status"}
    content = []
    for (name, _), came in sorted(pieces.items(), key=lambda piece: piece[0][1]):
        member, kind = _PIECES[name]
        if member in {"text", "refusal"}:
            content.append({"type": kind, member: "".join(came)})
        else:
            item = {"type": kind, **item, member: "".join(came)}
    return {"type": "message", "role": "assistant", **item, "content": content} if content else item


def has_content(event: Mapping[str, Json]) -> bool:
    """Whether an event carries a piece of the answer."""
    kind = text(event.get("type"))
    return kind is not None and kind.endswith(".delta") and bool(text(event.get("delta")))
