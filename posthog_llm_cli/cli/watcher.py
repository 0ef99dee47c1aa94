"""Who watches a run for the person at the terminal: `pipeline.Observer`."""

from collections import Counter

from posthog_llm_cli.cli.progress import Update
from posthog_llm_cli.cli.talk import Talk
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.model import Destination, Endpoint, SourceRef
from posthog_llm_cli.report import RunReport
from posthog_llm_cli.report.terminal import rejection, source_problem

_MOST_HINTS = 4


class Watcher:
    """Prints rejected records, of each (code, source) the first `most` (None: all); a code's hints, a few, once each.

    `routes` also tells which route each destination was given. What is kept grows with codes and sources, not records.
    """

    def __init__(self, talk: Talk, update: Update, *, most: int | None, routes: bool = False) -> None:
        self._talk = talk
        self._update = update
        self._most = most
        self._routes = routes
        self._rejected: Counter[tuple[str, str]] = Counter()
        self._hinted: dict[str, set[str]] = {}
        self._told: dict[Destination, Endpoint] = {}

    def on_rejected(self, ref: SourceRef, error: RecordError) -> None:
        """Print one, unless there were many like it."""
        self._rejected[error.code, ref.uri] += 1
        if self._most is None or self._rejected[error.code, ref.uri] <= self._most:
            self._talk.error(rejection(ref, error), self._first_hint(error.code, error.hint))

    def on_source_error(self, error: SourceError) -> None:
        """Print it."""
        self._talk.error(source_problem(error), self._first_hint(error.code, error.hint))

    def on_progress(self, report: RunReport) -> None:
        """Pass the counts on."""
        self._update(report)
        if self._routes:
            self._tell_routes(report)

    def finish(self) -> None:
        """Print how many rejected records were not shown."""
        for (code, uri), number in self._rejected.items():
            if self._most is not None and number > self._most:
                self._talk.error(f"… and {number - self._most:,} more [{code}] in {uri}")

    def _first_hint(self, code: str, hint: str | None) -> str | None:
        told = self._hinted.setdefault(code, set())
        if hint is None or hint in told or len(told) == _MOST_HINTS:
            return None
        told.add(hint)
        return hint

    def _tell_routes(self, report: RunReport) -> None:
        for destination, counts in report.destinations.items():
            if counts.endpoint is not None and self._told.get(destination) is not counts.endpoint:
                self._told[destination] = counts.endpoint
                self._talk.say(f"route: {destination.host} with key {destination.masked_key} takes {counts.endpoint}")
