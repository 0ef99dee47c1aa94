"""Chunks of a chat or text completion → the completion that they are together (openai-logs.md, 4.4 and 4.6). Pure."""

from collections.abc import Iterable, Mapping, Sequence

from posthog_llm_cli.formats._fields import id_text, is_number, items, mapping, text
from posthog_llm_cli.formats._openai_shapes import is_error
from posthog_llm_cli.formats._openai_tool_calls import CallPieces, ToolCallPieces
from posthog_llm_cli.model import Json

_OWN = frozenset({"id", "object", "created", "model", "choices", "usage", "error", "obfuscation", "type"})
_CHOICE_OWN = frozenset({"index", "delta", "message", "text", "finish_reason", "logprobs", "usage"})
_TEXTS = frozenset({"content", "refusal", "reasoning_content", "reasoning"})
PIECES = (*sorted(_TEXTS), "tool_calls", "function_call", "audio")
"""Members of a delta that are pieces of the answer."""
_AUDIO_TEXTS = frozenset({"data", "transcript"})


def merge_chunks(chunks: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Return the completion that a stream's chunks make up, in the shape of one that was not streamed.

    Texts and arguments are joined; id, model and created are the first that are usable (Azure's first chunk has none);
    usage is the last that says something, for it may be cumulative; of everything else the last value counts.
    """
    choices: dict[int, _Choice] = {}
    answer: dict[str, Json] = {"id": None, "object": "chat.completion", "created": None, "model": None}
    for chunk in chunks:
        answer.update((key, value) for key, value in chunk.items() if key not in _OWN and value is not None)
        _identify(answer, chunk)
        if is_error(chunk.get("error")):
            answer["error"] = chunk["error"]
        for position, choice in enumerate(items(chunk.get("choices"))):
            if isinstance(choice, dict):
                found = choices.setdefault(choice_index(choice, position), _Choice())
                found.add(choice, is_whole=chunk.get("object") == "chat.completion")
    if choices and all(choice.is_text for choice in choices.values()):
        answer["object"] = "text_completion"
    elif chunks and str(chunks[-1].get("object") or "").startswith("extensions."):
        answer["object"] = "extensions.chat.completion"  # tells of Azure
    answer["choices"] = [{"index": index, **choices[index].whole()} for index in sorted(choices)]
    answer["usage"] = _last_usage(chunks)
    return answer


def choice_index(choice: Mapping[str, Json], position: int) -> int:
    """Return a choice's index; where it has none, its place in the chunk."""
    index = choice.get("index")
    return index if isinstance(index, int) and not isinstance(index, bool) else position


def has_piece(chunk: Mapping[str, Json]) -> bool:
    """Whether a chunk carries a piece of the answer."""
    choices = (mapping(choice) for choice in items(chunk.get("choices")))
    return any(
        text(choice.get("text")) or any(mapping(choice.get("delta")).get(key) for key in PIECES) for choice in choices
    )


def finish_reason(choice: Mapping[str, Json]) -> str | None:
    """Return why a choice ended; None where it goes on, which some servers say in words."""
    found = text(choice.get("finish_reason"))
    return None if found in {"null", "None"} else found


def _identify(answer: dict[str, Json], chunk: Mapping[str, Json]) -> None:
    if answer["id"] is None and id_text(chunk.get("id")) is not None:
        answer["id"] = chunk["id"]
    if answer["model"] is None and text(chunk.get("model")) is not None:
        answer["model"] = chunk["model"]
    created = chunk.get("created")
    if answer["created"] is None and created and (is_number(created) or isinstance(created, str)):
        answer["created"] = created


def _last_usage(chunks: Iterable[Mapping[str, Json]]) -> Json:
    """The last usage object, wherever it stands; one that counts nothing does not hide an earlier one that does."""
    found: Mapping[str, Json] = {}
    for chunk in chunks:
        in_choices = [mapping(choice).get("usage") for choice in items(chunk.get("choices"))]
        for value in (*in_choices, mapping(chunk.get("x_groq")).get("usage"), chunk.get("usage")):
            usage = mapping(value)
            if usage and (_counts(usage) or not _counts(found)):
                found = usage
    return found or None


def _counts(usage: Mapping[str, Json]) -> bool:
    return any(is_number(value) and value > 0 for value in usage.values())


class _Choice:
    """One choice, as far as its pieces came."""

    __slots__ = ("_fields", "_finish", "_message", "_texts")

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._finish: Json = None
        self._texts: list[str] = []
        self._message: _Message | None = None

    @property
    def is_text(self) -> bool:
        """Whether this is a choice of a text completion."""
        return self._message is None and bool(self._texts)

    def add(self, choice: Mapping[str, Json], *, is_whole: bool = False) -> None:
        """Take one piece, or the whole choice, which is what the pieces before it were (MiniMax ends streams so)."""
        for key, value in choice.items():
            if key not in _CHOICE_OWN and (value is not None or key not in self._fields):
                self._fields[key] = value  # that a key is there tells the provider, even where it is null
        if finish_reason(choice) is not None:
            self._finish = choice["finish_reason"]
        if isinstance(choice.get("text"), str):
            self._texts.append(choice["text"])
        delta = choice.get("delta") if "delta" in choice else choice.get("message")
        if isinstance(delta, dict):
            if self._message is None or (is_whole and "delta" not in choice):
                self._message = _Message()
            self._message.add(delta)

    def whole(self) -> dict[str, Json]:
        """The choice without its index; one that never had a delta (Azure's content filter) has no message."""
        choice: dict[str, Json] = {**self._fields, "finish_reason": self._finish}
        if self._message is not None:
            choice["message"] = self._message.whole()
        elif self._texts:
            choice["text"] = "".join(self._texts)
        return choice


class _Message:
    """The message of a choice: its deltas put together."""

    __slots__ = ("_audio", "_calls", "_fields", "_function", "_pieces")

    def __init__(self) -> None:
        self._fields: dict[str, Json] = {}
        self._pieces: dict[str, list[Json]] = {}
        self._audio: dict[str, Json] = {}
        self._calls = ToolCallPieces()
        self._function: CallPieces | None = None

    def add(self, delta: Mapping[str, Json]) -> None:
        """Take one delta; what is null in it says nothing."""
        for key, value in delta.items():
            if value is None:
                continue
            if key in _TEXTS:
                self._pieces.setdefault(key, []).append(value)
            elif key == "tool_calls":
                self._calls.add(items(value))
            elif key == "function_call" and isinstance(value, dict):
                self._function = self._function or CallPieces()
                self._function.add(value)
            elif key == "audio" and isinstance(value, dict):
                for name, piece in value.items():
                    is_text = name in _AUDIO_TEXTS and isinstance(piece, str)
                    self._audio[name] = self._audio.get(name, "") + piece if is_text else piece
            elif isinstance(value, list) and isinstance(self._fields.get(key), list):
                self._fields[key] = [*self._fields[key], *value]  # annotations and images come one by one
            else:
                self._fields[key] = value

    def whole(self) -> dict[str, Json]:
        """The message, as it is in an answer that was not streamed."""
        message: dict[str, Json] = {"role": "assistant", "content": None, **self._fields}
        message.update((key, _joined(pieces)) for key, pieces in self._pieces.items())
        if self._audio:
            message["audio"] = self._audio
        if calls := self._calls.whole():
            message["tool_calls"] = calls
        if self._function is not None:
            message["function_call"] = self._function.whole()
        return message


def _joined(pieces: Sequence[Json]) -> Json:
    """Texts joined; where there are lists of parts (Mistral), neighbours of one kind are one part."""
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    parts: list[Json] = []
    for piece in pieces:
        for part in piece if isinstance(piece, list) else [piece]:
            found = {"type": "text", "text": part} if isinstance(part, str) else part
            last = mapping(parts[-1]) if parts else {}
            key = text(mapping(found).get("type"))
            if key is None or last.get("type") != key:
                parts.append(found)
            elif isinstance(last.get(key), str) and isinstance(found.get(key), str):
                parts[-1] = {**last, key: last[key] + found[key]}
            elif isinstance(last.get(key), list) and isinstance(found.get(key), list):
                parts[-1] = {**last, key: [*last[key], *found[key]]}
            else:
                parts.append(found)
    return parts
