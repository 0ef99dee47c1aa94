"""What the page will show, gathered during a run: facts of every call, and the content of those that may get a place.

Both lie in a temporary SQLite file, so memory does not grow with the input. Content is what a page of bounded size
cannot hold in full, so the store forgets, now and then, the content of the traces that would come last.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import orjson

from posthog_llm_cli.model import Destination, Event, Glance
from posthog_llm_cli.page import facts
from posthog_llm_cli.scratch import Room, open_scratch
from posthog_llm_cli.values import Value

CONTENT_BYTES = 512 * 1024 * 1024
"""Beyond this much content, uncompressed, what matters least is forgotten, down to a quarter: a page holds less."""

MOST_TRACES = 20_000
"""So many traces are listed; a browser stays quick with them, and their facts take a few megabytes."""

MOST_CALLS = 2_000
"""So many calls of one trace are listed."""

_SCHEMA = """
CREATE TABLE call (
    number INTEGER PRIMARY KEY, destination INTEGER, trace TEXT, at_ms INTEGER, is_call INTEGER, latency_s REAL,
    cost_usd REAL, input_tokens INTEGER, output_tokens INTEGER, error TEXT, outline BLOB, label BLOB
);
CREATE TABLE content (number INTEGER PRIMARY KEY, body BLOB);
CREATE TABLE trace (
    number INTEGER PRIMARY KEY, destination INTEGER, trace TEXT, calls INTEGER, events INTEGER, errors INTEGER,
    cost_usd REAL, latency_s REAL, input_tokens INTEGER, output_tokens INTEGER, at_ms INTEGER
);
"""

# A trace's place is the best of its places among those with errors, the most expensive and the slowest: a third of the
# room for each, however many errors there are. Of each kind of error the first comes before the second of another, for
# one rare kind may be what a reader looks for. The longest call counts and not the sum, which many short calls have.
_RANKED = """
INSERT INTO trace
SELECT row_number() OVER (ORDER BY min(by_error, by_cost, by_latency), errors = 0, first),
       destination, trace, calls, events, errors, cost_usd, latency_s, input_tokens, output_tokens, at_ms
FROM (
    SELECT *, CASE WHEN errors THEN row_number() OVER (ORDER BY errors = 0, of_kind, at_ms, first) ELSE 1e18 END
                  AS by_error,
           CASE WHEN cost_usd > 0 THEN row_number() OVER (ORDER BY cost_usd DESC, first) ELSE 1e18 END AS by_cost,
           CASE WHEN longest > 0 THEN row_number() OVER (ORDER BY longest DESC, first) ELSE 1e18 END AS by_latency
    FROM (
        SELECT *, row_number() OVER (PARTITION BY kind ORDER BY at_ms, first) AS of_kind
        FROM (
            SELECT destination, trace, sum(is_call) AS calls, count(*) AS events,
                   count(error) AS errors, min(error) AS kind,
                   sum(cost_usd) AS cost_usd, sum(CASE WHEN is_call THEN latency_s END) AS latency_s,
                   max(CASE WHEN is_call THEN latency_s END) AS longest, sum(input_tokens) AS input_tokens,
                   sum(output_tokens) AS output_tokens, min(at_ms) AS at_ms, min(number) AS first
            FROM call GROUP BY destination, trace
        )
    )
)
"""


_FORGET = """
DELETE FROM content WHERE number NOT IN (
    SELECT number FROM (
        SELECT content.number AS number,
               sum(length(content.body)) OVER (ORDER BY trace.number, call.at_ms, call.number) AS up_to
        FROM trace JOIN call USING (destination, trace) JOIN content ON content.number = call.number
    ) WHERE up_to <= ?
)
"""


class TraceRow(Value, frozen=True):
    """One row of the table of traces; sums are None where no call of the trace says the value.

    `title` is the trace's name, else empty; `calls` and `events` (with spans)
    are all it has, `listed` the events that its tree shows.
    """

    hidden: ClassVar = frozenset({"title", "preview", "user"})

    number: int
    trace: str
    destination: int
    title: str
    preview: str
    session: str | None
    user: str
    at_ms: int
    latency_s: float | None
    cost_usd: float | None
    input_tokens: int | None
    output_tokens: int | None
    calls: int
    events: int
    listed: int
    errors: int
    models: tuple[str, ...]
    kinds: tuple[str, ...]


class PageStore:
    """Takes events as they are read, and gives them back trace by trace. Use it as a context manager, on one thread.

    `directory` is where the temporary file lies (None: the system's, which TMPDIR names).
    """

    def __init__(self, *, directory: Path | None = None, content_bytes: int = CONTENT_BYTES) -> None:
        self._content_bytes = content_bytes
        self._room = Room("the page's content", f"up to {content_bytes >> 20} MiB, and 1 KiB for each call")
        self._destinations: dict[Destination, int] = {}
        self._number = 0
        self._held = 0
        with self._room:
            self._file = open_scratch(_SCHEMA, directory=directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Where the events go, in the order in which they were met; a row's `destination` counts through them."""
        return tuple(self._destinations)

    def add(self, event: Event, glance: Glance, /) -> None:
        """Keep what the page may show of an event.

        Raises:
            ConfigError: the temporary file has no room.
        """
        destination = self._destinations.setdefault(event.destination, len(self._destinations))
        self._number += 1
        row = (
            self._number,
            destination,
            facts.plain(glance.trace_id or event.uuid),
            facts.at_ms(event),
            glance.is_call,
            glance.latency_s,
            glance.cost_usd,
            facts.storable(glance.input_tokens),
            facts.storable(glance.output_tokens),
            facts.error_kind(glance),
            facts.outline(event, glance),
            facts.label(event, glance),
        )
        with self._room:
            self._file.execute("INSERT INTO call VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            self._file.execute("INSERT INTO content VALUES (?, ?)", (self._number, event.properties))
            self._held += len(event.properties)
            if self._held > self._content_bytes:
                self._forget()

    def rank(self) -> None:
        """Put the traces into the order in which they get a place; once, after the last event."""
        with self._room:
            self._file.execute("CREATE INDEX by_trace ON call (destination, trace, at_ms, number)")
            self._rank()

    def rows(self) -> Iterator[tuple[TraceRow, list[bytes]]]:
        """Yield the traces that are listed and the outlines of their calls, the first to get a place first."""
        with self._room:
            for found in self._file.execute("SELECT * FROM trace WHERE number <= ? ORDER BY number", (MOST_TRACES,)):
                destination, trace = found[1], found[2]
                calls = list(self._calls(destination, trace, "outline, label, error"))
                outlines = [outline for outline, _, _ in calls]
                yield (
                    _row(found, [orjson.loads(label) for _, label, _ in calls], [error for *_, error in calls]),
                    outlines,
                )

    def contents(self, traces: int) -> Iterator[bytes | None]:
        """Yield the properties (JSON) of all listed calls of the first `traces`, in order; None is forgotten."""
        with self._room:
            for destination, trace in self._file.execute(
                "SELECT destination, trace FROM trace WHERE number <= ? ORDER BY number", (traces,)
            ):
                for (body,) in self._calls(
                    destination, trace, "(SELECT body FROM content WHERE content.number = call.number)"
                ):
                    yield None if body is None else facts.masked(body)

    def totals(self) -> tuple[int, int]:
        """Return how many traces and how many calls there are."""
        with self._room:
            traces = self._file.execute("SELECT count(*) FROM trace").fetchone()[0]
        return int(traces), self._number

    def _calls(self, destination: int, trace: str, columns: str) -> Iterator[tuple[Any, ...]]:
        return self._file.execute(
            f"SELECT {columns} FROM call WHERE destination = ? AND trace = ? ORDER BY at_ms, number LIMIT ?",  # noqa: S608
            (destination, trace, MOST_CALLS),
        )

    def _rank(self) -> None:
        self._file.execute("DELETE FROM trace")
        self._file.execute(_RANKED)

    def _forget(self) -> None:
        """Keep the content of the traces that come first, up to a quarter of the room."""
        self._rank()
        self._file.execute(_FORGET, (self._content_bytes // 4,))
        self._held = self._file.execute("SELECT coalesce(sum(length(body)), 0) FROM content").fetchone()[0]


def _row(found: tuple[Any, ...], labels: list[list[str | None]], errors: list[str | None]) -> TraceRow:
    """Make a row of a trace's sums and its calls' labels; what names the trace is what the first of them says."""
    number, destination, trace, calls, events, failed, cost_usd, latency_s, input_tokens, output_tokens, at_ms = found
    trace_names, names, previews, sessions, users, models = zip(*labels, strict=True)
    return TraceRow(
        number=number,
        trace=trace,
        destination=destination,
        title=_first(trace_names) or _first(names) or "",
        preview=_first(previews) or "",
        session=_first(sessions),
        user=_first(users) or "",
        at_ms=at_ms,
        latency_s=latency_s,
        cost_usd=cost_usd,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        calls=calls,
        events=events,
        listed=len(labels),
        errors=failed,
        models=tuple(dict.fromkeys(model for model in models if model is not None)),
        kinds=tuple(dict.fromkeys(error for error in errors if error is not None)),
    )


def _first(values: tuple[str | None, ...]) -> str | None:
    return next((value for value in values if value), None)
