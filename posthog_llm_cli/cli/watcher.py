"""Who watches a run for the person at the terminal: `pipeline.Observer`."""

from collections import Counter
from collections.abc import Callable

from posthog_llm_cli.cli.talk import Talk
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.model import Destination, Endpoint, SourceRef
from posthog_llm_cli.report import RunReport
from posthog_llm_cli.report.terminal import rejection, source_problem

_MOST_HINTS = 4
_SAID_ONCE = "fine-tuning-data"
_MOST_HELD = 10_000
_MOST_SOURCES = 10_000
"""Of so many sources it is known what they held: a bucket has millions, of a record each."""


class Watcher:
    """Prints rejected records, of each (code, source) the first `most` (None: all); a code's hints, a few, once each.

    A source that holds nothing but training data is said to once: its further records wait until one of another kind
    comes, or for ever. `routes` also tells which route each destination was given. What is kept grows with the sources
    of which not all was shown, and with no others; 10,000 records wait at most.
    """

    def __init__(
        self, talk: Talk, update: Callable[[RunReport], None], *, most: int | None, routes: bool = False
    ) -> None:
        self._talk = talk
        self._update = update
        self._most = most
        self._routes = routes
        self._rejected: Counter[tuple[str, str]] = Counter()
        self._shown: Counter[tuple[str, str]] = Counter()
        self._most_counted = _MOST_SOURCES
        self._hinted: dict[str, set[str]] = {}
        self._told: dict[Destination, Endpoint] = {}
        self._mixed: set[str] = set()
        self._waiting: list[tuple[SourceRef, RecordError]] = []

    def on_rejected(self, ref: SourceRef, error: RecordError) -> None:
        """Print one, unless there were many like it."""
        key = (error.code, ref.uri)
        self._rejected[key] += 1
        if len(self._rejected) > self._most_counted:
            self._let_go()
        if error.code != _SAID_ONCE:
            self._mix(ref.uri)
        elif ref.uri not in self._mixed and self._rejected[key] > 1:
            self._wait(ref, error)
            return
        self._show(ref, error)

    def on_passed(self, ref: SourceRef) -> None:
        """Note that a source holds something else than training data."""
        if ref.uri not in self._mixed:
            self._mix(ref.uri)

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
        for key, number in self._rejected.items():
            if number > self._shown[key]:
                code, uri = key
                self._talk.error(f"… and {number - self._shown[key]:,} more [{code}] in {uri}")

    def _show(self, ref: SourceRef, error: RecordError) -> None:
        key = (error.code, ref.uri)
        if self._most is None or self._shown[key] < self._most:
            self._shown[key] += 1
            self._talk.error(rejection(ref, error), self._first_hint(error.code, error.hint))

    def _wait(self, ref: SourceRef, error: RecordError) -> None:
        if self._waiting and self._waiting[0][0].uri != ref.uri:
            self._waiting.clear()  # that source ended, and held nothing else
        if len(self._waiting) < (_MOST_HELD if self._most is None else self._most):
            self._waiting.append((ref, error))

    def _let_go(self) -> None:
        """Forget the counts of sources of which all was shown."""
        shown = [key for key, number in self._rejected.items() if number == self._shown[key]]
        for key in shown:
            del self._rejected[key], self._shown[key]
        self._most_counted = 2 * len(self._rejected) + _MOST_SOURCES

    def _mix(self, uri: str) -> None:
        if len(self._mixed) >= _MOST_SOURCES:
            self._mixed.clear()  # they are over, but for what was brought together
        self._mixed.add(uri)
        waiting, self._waiting = self._waiting, []
        for ref, error in waiting:
            if ref.uri == uri:
                self._show(ref, error)
            else:
                self._waiting.append((ref, error))

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
