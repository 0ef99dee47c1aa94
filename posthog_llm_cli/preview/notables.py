"""The calls that stand out: the slowest, the largest, the dearest; and the kinds of errors, with an example each."""

import heapq

from posthog_llm_cli.model import Event, Glance
from posthog_llm_cli.preview.figures import ErrorFigures, NotableCall
from posthog_llm_cli.preview.traces import notable

MOST_KINDS = 200
_MOST_MODELS = 5


class Top:
    """The calls with the highest values of one kind; equal ones by uuid, so that the order of reading is no matter."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, str, int, NotableCall]] = []
        self._taken = 0

    def add(self, value: float, event: Event, glance: Glance) -> None:
        """Take one call, if its value is among the highest."""
        heap = self._heap
        if len(heap) == self._most and (value, event.uuid) <= heap[0][:2]:
            return
        self._taken += 1  # the same call for two destinations: calls themselves have no order
        entry = (value, event.uuid, self._taken, notable(event, glance))
        if len(heap) < self._most:
            heapq.heappush(heap, entry)
        else:
            heapq.heapreplace(heap, entry)

    def calls(self) -> tuple[NotableCall, ...]:
        """Return the calls, the highest value first."""
        return tuple(entry[3] for entry in sorted(self._heap, key=lambda entry: (-entry[0], entry[1])))


class _Kind:
    __slots__ = ("calls", "example", "last_at", "message", "models")

    def __init__(self, event: Event, glance: Glance) -> None:
        self.calls = 0
        self.last_at = event.timestamp
        self.models: set[str] = set()
        self.example = notable(event, glance)
        self.message = glance.error_message

    def add(self, event: Event, glance: Glance) -> None:
        self.calls += 1
        self.last_at = max(self.last_at, event.timestamp)
        if (event.timestamp, event.uuid) < (self.example.timestamp, self.example.uuid):
            self.example, self.message = notable(event, glance), glance.error_message
        if glance.model is not None and glance.model not in self.models:
            self.models.add(glance.model)
            if len(self.models) > _MOST_MODELS:
                self.models.remove(max(self.models))

    def figures(self, type_: str | None, http_status: int | None, *, is_rest: bool = False) -> ErrorFigures:
        return ErrorFigures(
            type=type_,
            http_status=http_status,
            calls=self.calls,
            models=tuple(sorted(self.models)),
            first_at=self.example.timestamp,
            last_at=self.last_at,
            example=self.example,
            message=self.message,
            is_rest=is_rest,
        )


class ErrorKinds:
    """Failed calls by error type and HTTP status: at most `MOST_KINDS` kinds, and the rest as one."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str | None, int | None], _Kind] = {}
        self._rest: _Kind | None = None

    def add(self, event: Event, glance: Glance) -> None:
        """Take one failed call."""
        key = (glance.error_type, glance.http_status)
        kind = self._kinds.get(key)
        if kind is None and len(self._kinds) < MOST_KINDS:
            kind = self._kinds[key] = _Kind(event, glance)
        if kind is None:
            kind = self._rest = self._rest if self._rest is not None else _Kind(event, glance)
        kind.add(event, glance)

    def figures(self) -> tuple[ErrorFigures, ...]:
        """Return the kinds, the most frequent first, the rest last."""
        found = [kind.figures(*key) for key, kind in self._kinds.items()]
        found.sort(key=lambda kind: (-kind.calls, kind.first_at, kind.example.uuid))
        return (*found, *([] if self._rest is None else [self._rest.figures(None, None, is_rest=True)]))
