"""What one record says as a part of a stream, and how far a stream has come with it (openai-logs.md, 4.6). Pure."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import islice
from typing import ClassVar

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import first_id, id_text, is_litellms_console, items, mapping, text
from posthog_llm_cli.formats._openai_answers import is_unfinished
from posthog_llm_cli.formats._openai_chunks import choice_index, finish_reason, has_piece
from posthog_llm_cli.formats._openai_events import is_terminal, stream_error
from posthog_llm_cli.formats._openai_shapes import CHUNK, Candidate, classify, classify_response
from posthog_llm_cli.formats.sse import is_sse, stream_values
from posthog_llm_cli.model import Json
from posthog_llm_cli.values import Value

_NOTHING: frozenset[int] = frozenset()
_ONLY = frozenset({0})
_PARTS = frozenset({"openai-stream", "openai-chat", "openai-completions", "ollama", "openai-error"})
_UNANSWERED = frozenset({"unknown", "no-response", "fine-tuning-data", "metadata-only"})
"""Shapes of a record that has no answer of its own."""


class Kind(StrEnum):
    """What a part is a part of."""

    CHUNK = "chunk"
    """A chunk of a chat or text completion."""
    EVENT = "event"
    """An event of the Responses API."""
    OLLAMA = "ollama"
    ERROR = "error"
    """An error alone: it belongs to a stream that is open."""
    PROLOGUE = "prologue"
    """Azure's first chunk, which has no id: it belongs to the next stream."""
    ANNOTATION = "annotation"
    """Azure's content filter speaking of text that came before: no id, and no piece of the answer."""


class Part(Value, frozen=True):
    """A part of a stream.

    `id` is the completion's, the response's, or the model's name (Ollama); `item` and `number` belong to events of the
    Responses API. `opens` and `closes` are the choices that begin and that end here. `is_whole`: it may be an answer by
    itself, and is a part only of a stream that is open. `is_wrapped`: it stands in a record of a logger's own.
    """

    hidden: ClassVar = frozenset({"value"})

    kind: Kind
    value: Mapping[str, Json]
    id: str | None = None
    item: str | None = None
    number: int | None = None
    opens: frozenset[int] = _NOTHING
    closes: frozenset[int] = _NOTHING
    is_whole: bool = False
    is_wrapped: bool = False

    @property
    def is_usage(self) -> bool:
        """Whether it only counts, as a stream's last part may: some servers write that one under no id, or another."""
        return self.kind is Kind.CHUNK and not self.value.get("choices") and bool(mapping(self.value.get("usage")))

    @property
    def has_piece(self) -> bool:
        """Whether it holds a piece of the answer."""
        return has_piece(self.value)

    @property
    def created(self) -> Json:
        """When the answer began, as logged; each chunk of most servers has the same."""
        return self.value.get("created")


class Progress:
    """How far one stream has come."""

    __slots__ = ("_each_is_whole", "_first_piece", "_has_piece", "_has_turned", "closed", "created", "has_begun")

    def __init__(self) -> None:
        self.closed: set[int] = set()
        self.created: Json = None
        self.has_begun = False
        self._has_piece = False
        self._has_turned = False
        self._each_is_whole = True
        self._first_piece: Mapping[str, Json] | None = None

    def restarts(self, part: Part) -> bool:
        """Whether a part begins what has ended already: it is of another stream, or of the same one logged again."""
        return not self.closed.isdisjoint(part.opens) and not self._goes_on(part)

    def _goes_on(self, part: Part) -> bool:
        """Whether a part that begins and ends goes on with a stream of nothing but such (Gemini behind a gateway).

        All have one id and were created at one time. The first piece again is the stream logged again.
        """
        is_alike = self._each_is_whole and part.opens <= part.closes and part.id is not None
        return is_alike and part.created == self.created is not None and part.value != self._first_piece

    def is_beginning(self, part: Part) -> bool:
        """Whether a part is the first of a stream whose parts came last first, as logs newest first have them."""
        return self._has_turned and not self.has_begun and bool(part.opens)

    def add(self, part: Part) -> None:
        """Take a part."""
        if part.kind is Kind.CHUNK:
            self._has_turned = self._has_turned or (bool(self.closed) and not self._has_piece and part.has_piece)
            self._has_piece = self._has_piece or part.has_piece
            self.has_begun = self.has_begun or bool(part.opens)
            if self._each_is_whole:
                self._look_at(part)
        self.closed.update(part.closes)
        self.created = self.created or part.created

    def _look_at(self, part: Part) -> None:
        """Note whether all choices of the part begin and end in it; one that counts, or holds nothing, need not."""
        if part.opens:
            self._each_is_whole = part.opens == part.closes
        else:
            says_nothing = not part.closes and not part.has_piece
            self._each_is_whole = says_nothing or bool(mapping(part.value.get("usage")))
        if self._first_piece is None and part.has_piece:
            self._first_piece = part.value


def part_of(record: Json) -> Part | None:
    """Return what a record is as a part of a stream, bare or under a response key; None for anything else.

    A record that holds a whole stream is no part, nor is what LiteLLM's console log says of one: a call that the log
    may hold itself.
    """
    if not isinstance(record, dict) or is_litellms_console(record):
        return None
    if record.get("object") == CHUNK:
        return read_part(record)
    if record.get("type") == "error":
        return read_part(record)
    shape, value = classify_response(record), record
    if is_wrapped := shape is None:
        seen = Candidate(record)
        asked = classify(record)
        answer = seen.answer if asked in _PARTS else seen.last_part if asked in _UNANSWERED else None
        found = None if answer is None else _lone_part(answer[1].value)
        if found is None:
            return None
        value, shape = found, classify_response(found)
        if shape == "openai-error" and ("model" in record or seen.has_request):
            return None  # a failed call with its own request
    if shape not in _PARTS or (shape == "openai-chat" and not _has_delta(value)):
        return None
    is_part = shape in {"openai-stream", "openai-error"} or value.get("done") is False or is_unfinished(value)
    is_whole = not (is_part and shape != "openai-chat")
    return read_part(value, is_whole=is_whole, is_wrapped=is_wrapped)


def _lone_part(held: Json) -> dict[str, Json] | None:
    """The part that a logger's own record holds, also as the text of one event; several of them are a stream."""
    if isinstance(held, dict):
        return held
    if not isinstance(held, str) or not is_sse(held):
        return None
    try:
        parts = list(islice(stream_values(held), 2))
    except RecordError:
        return None
    return parts[0] if len(parts) == 1 and isinstance(parts[0], dict) else None


def read_part(value: Mapping[str, Json], *, is_whole: bool = False, is_wrapped: bool = False) -> Part | None:
    """Return what a value of a stream is as its part; None where it says nothing of itself."""
    choices, failed = value.get("choices"), stream_error(value) is not None
    if failed and choices is None and "response" not in value:
        return Part(Kind.ERROR, value, id_text(value.get("id")), is_wrapped=is_wrapped)
    kind = text(value.get("type"))
    if kind is not None and kind.startswith("response."):
        return _event(value, kind, is_wrapped=is_wrapped)
    if isinstance(choices, list) or value.get("object") == CHUNK:
        return _chunk(value, failed=failed, is_whole=is_whole, is_wrapped=is_wrapped)
    if isinstance(value.get("done"), bool):
        closes = _ONLY if value["done"] else _NOTHING
        return Part(
            Kind.OLLAMA, value, text(value.get("model")), opens=_ONLY, closes=closes, is_whole=is_whole,
            is_wrapped=is_wrapped,
        )  # fmt: skip
    return None


def count_calls(parts: Iterable[Part]) -> int:
    """Return how many calls came to an end with the parts of one record: several cannot be told apart any more."""
    ended = 0
    streams: dict[str | None, Progress] = {}
    for part in parts:
        progress = streams.setdefault(part.id, Progress())
        if progress.restarts(part):
            ended += 1
            progress = streams[part.id] = Progress()
        progress.add(part)
    return ended + sum(bool(progress.closed) for progress in streams.values())


def _chunk(value: Mapping[str, Json], *, failed: bool, is_whole: bool, is_wrapped: bool) -> Part:
    answer_id = id_text(value.get("id"))
    choices = [choice for choice in items(value.get("choices")) if isinstance(choice, dict)]
    if answer_id is None and not choices and "prompt_filter_results" in value:
        return Part(Kind.PROLOGUE, value, is_wrapped=is_wrapped)
    if answer_id is None and choices and all("content_filter_offsets" in choice for choice in choices):
        return Part(Kind.ANNOTATION, value, is_wrapped=is_wrapped)
    opens, closes = set(), set()
    for position, choice in enumerate(choices):
        index = choice_index(choice, position)
        # A role in a chunk with usage begins nothing: OpenRouter repeats it there.
        if text(choice.get("text")) or (mapping(choice.get("delta")).get("role") and not mapping(value.get("usage"))):
            opens.add(index)
        if failed or finish_reason(choice):
            closes.add(index)
    return Part(
        Kind.CHUNK, value, answer_id, opens=frozenset(opens), closes=frozenset(closes), is_whole=is_whole,
        is_wrapped=is_wrapped,
    )  # fmt: skip


def _event(value: Mapping[str, Json], kind: str, *, is_wrapped: bool) -> Part:
    response, number = mapping(value.get("response")), value.get("sequence_number")
    return Part(
        Kind.EVENT,
        value,
        first_id(response.get("id"), value.get("response_id")),
        item=first_id(value.get("item_id"), mapping(value.get("item")).get("id")),
        number=number if isinstance(number, int) and not isinstance(number, bool) else None,
        opens=_ONLY if kind == "response.created" else _NOTHING,
        closes=_ONLY if is_terminal(value) else _NOTHING,
        is_wrapped=is_wrapped,
    )


def _has_delta(value: Mapping[str, Json]) -> bool:
    """Perplexity's last chunk has `object` of a whole completion, and a delta."""
    return any(isinstance(mapping(choice).get("delta"), dict) for choice in items(value.get("choices")))
