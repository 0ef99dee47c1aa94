"""Fragments of tool calls in a stream → the calls (openai-logs.md, 4.6). Pure."""

from collections.abc import Iterable, Mapping

from posthog_llm_cli.formats._fields import compact, decoded, mapping, text
from posthog_llm_cli.model import Json

_JOINED = frozenset({"arguments", "input"})


class CallPieces:
    """A function's name and arguments, as far as they came. Arguments that never came stay absent."""

    __slots__ = ("_arguments", "_fields")

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._arguments: dict[str, list[str]] = {}

    @property
    def has_name(self) -> bool:
        """Whether the call's name has come."""
        return text(self._fields.get("name")) is not None

    @property
    def is_complete(self) -> bool:
        """Whether the arguments are a whole object, so that more of them would be those of another call."""
        came = "".join(self._arguments.get("arguments", ()))
        return came.rstrip().endswith("}") and isinstance(decoded(came), dict)

    def add(self, function: Mapping[str, Json]) -> None:
        """Take one fragment: arguments (a custom tool's `input`) are appended, of the rest the first text counts."""
        for key, value in function.items():
            if value is None:
                continue
            if key in _JOINED:
                self._arguments.setdefault(key, []).append(value if isinstance(value, str) else compact(value))
            elif not self._fields.get(key):
                self._fields[key] = value

    def whole(self) -> dict[str, Json]:
        """The function as it is in an answer that was not streamed."""
        return {**self._fields, **{key: "".join(pieces) for key, pieces in self._arguments.items()}}


class _ToolCall:
    """One tool call, as far as it came."""

    __slots__ = ("_fields", "_functions", "id", "index")

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id: str | None = None
        self._fields: dict[str, Json] = {}
        self._functions: dict[str, CallPieces] = {}

    @property
    def has_name(self) -> bool:
        return any(function.has_name for function in self._functions.values())

    @property
    def is_complete(self) -> bool:
        return any(function.is_complete for function in self._functions.values())

    def add(self, fragment: Mapping[str, Json]) -> None:
        self.id = self.id or text(fragment.get("id"))
        for key, value in fragment.items():
            if key in {"function", "custom"} and isinstance(value, dict):
                self._functions.setdefault(key, CallPieces()).add(value)
            elif key not in {"id", "index"} and value is not None:
                self._fields[key] = value

    def whole(self) -> dict[str, Json]:
        functions = {key: function.whole() for key, function in self._functions.items()}
        named = {} if self.id is None else {"id": self.id}
        return {**named, **self._fields, **functions}


class ToolCallPieces:
    """The tool calls of one message.

    A fragment belongs to the call of its `index`. Without one, a new id or a name begins a call and anything else goes
    on with the last. Some servers give every call the index 0: there a named fragment with another id is another call,
    and so is one without an id after arguments that are complete.
    """

    __slots__ = ("_at", "_calls")

    def __init__(self) -> None:
        self._calls: list[_ToolCall] = []
        self._at: dict[int, _ToolCall] = {}

    def add(self, fragments: Iterable[Json]) -> None:
        """Take the fragments of one delta."""
        for fragment in fragments:
            if isinstance(fragment, dict):
                self._call_of(fragment).add(fragment)

    def whole(self) -> list[Json]:
        """The calls, by index where they have one and in the order in which they began."""
        ordered = sorted(self._calls, key=lambda call: -1 if call.index is None else call.index)
        return [call.whole() for call in ordered]

    def _call_of(self, fragment: Mapping[str, Json]) -> _ToolCall:
        index, new_id = fragment.get("index"), text(fragment.get("id"))
        is_named = any(text(mapping(fragment.get(key)).get("name")) is not None for key in ("function", "custom"))
        if isinstance(index, int) and not isinstance(index, bool):
            call = self._at.get(index)
            is_other = new_id not in {None, call.id} if call is not None else True
            is_next = new_id is None and call is not None and call.is_complete
            if call is None or (is_named and call.has_name and (is_other or is_next)):
                call = self._at[index] = self._begin(index)
            return call
        known = next((call for call in self._calls if new_id is not None and call.id == new_id), None)
        if known is not None:
            return known
        return self._begin() if new_id is not None or is_named or not self._calls else self._calls[-1]

    def _begin(self, index: int | None = None) -> _ToolCall:
        self._calls.append(_ToolCall(index))
        return self._calls[-1]
