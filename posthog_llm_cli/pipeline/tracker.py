"""How far each source is settled: which part of it no later run need read again.

A source is cut into stretches at the places that reading tells (`committed.Reached`). A stretch is settled when every
line of it was counted, and every event of it was settled; a source is committed up to the first stretch that is not.
Whatever is in doubt holds its stretch back for good, for identities guard against duplicates, and nothing else
against loss. Used from the main thread.
"""

from collections import deque

from posthog_llm_cli.committed import Commit, Committed, Reached
from posthog_llm_cli.model import Destination, LogLine, SourceRef
from posthog_llm_cli.values import State, field

Key = tuple[Destination, str]


class _Stretch(State):
    """`open` counts what of it is not settled; `end` is None while it is being read."""

    source: "_Source"
    open: int = 0
    records: int = 0
    calls: int = 0
    is_held: bool = False
    end: Reached | None = None


class _Source(State):
    uri: str
    records: int = 0
    calls: int = 0
    stretches: deque[_Stretch] = field(default_factory=deque)
    lines: dict[int, _Stretch] = field(default_factory=dict)
    is_held: bool = False
    is_over: bool = False


class Tracker:
    """Takes what happens to lines, records and events, and says what can be committed.

    Memory: what is under way, and a few hundred bytes for each source that is not settled as far as it was read. A
    source that never began here (a pipe, or any source where nothing is committed) costs nothing.
    """

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._current: _Source | None = None
        self._moved: dict[str, _Source] = {}
        self._under_way: dict[Key, list[_Stretch]] = {}

    # ---------------------------------------------------------------------------------------------- what was read

    def begin(self, uri: str) -> None:
        """A source begins, and the one before it is over. One that is under way already is not tracked twice."""
        if self._current is not None:
            self._current.is_over = True
            self._moved[self._current.uri] = self._current
        self._current = None
        if uri not in self._sources:
            self._current = self._sources[uri] = _Source(uri)
            self._current.stretches.append(_Stretch(self._current))

    def skip(self, uri: str, committed: Committed) -> None:
        """A part of the source that has just begun is not read again."""
        if self._current is not None and self._current.uri == uri:
            self._current.records, self._current.calls = committed.records, committed.calls

    def read(self, line: LogLine) -> None:
        """A line was read."""
        source = self._current
        if source is None or source.is_held or source.uri != line.ref.uri:
            return
        stretch = source.stretches[-1]
        source.lines[line.ref.offset] = stretch
        stretch.open += 1

    def reach(self, place: Reached) -> None:
        """All lines before a place were read, and none behind it."""
        source = self._current
        if source is None or source.is_held or source.uri != place.uri:
            return
        source.stretches[-1].end = place
        source.stretches.append(_Stretch(source))
        self._moved[source.uri] = source

    # ------------------------------------------------------------------------------------------- what became of it

    def count(self, ref: SourceRef, *, is_call: bool) -> None:
        """A record of the line that was read at `ref` was counted; `is_call` where it is an event, and no duplicate."""
        stretch = self._stretch_of(ref)
        if stretch is not None:
            stretch.records += 1
            stretch.calls += is_call

    def done(self, ref: SourceRef) -> None:
        """Every record of a line was counted."""
        source = self._sources.get(ref.uri)
        stretch = None if source is None else source.lines.pop(ref.offset, None)
        if stretch is not None:
            self._close(stretch)

    def send(self, ref: SourceRef, key: Key) -> None:
        """An event of a line goes out, or waits with the same one that is out: the line is done when it is settled."""
        stretch = self._stretch_of(ref)
        if stretch is not None:
            stretch.open += 1
            self._under_way.setdefault(key, []).append(stretch)

    def follows(self, ref: SourceRef) -> bool:
        """Whether anything depends on what becomes of the line that was read at `ref`."""
        return self._stretch_of(ref) is not None

    def is_under_way(self, key: Key) -> bool:
        """Whether an event is out, without a word on it yet."""
        return key in self._under_way

    def hold(self, ref: SourceRef) -> None:
        """Something at this place must be read again: nothing from here on is ever committed in this run."""
        source = self._sources.get(ref.uri)
        if source is not None:
            # Joining may have cut a line into records: one whose own line is not known holds back all that is open.
            self._hold(source.lines.get(ref.offset) or source.stretches[0])

    def settle(self, key: Key) -> None:
        """The event is settled, and so is every duplicate of it."""
        for stretch in self._under_way.pop(key, ()):
            self._close(stretch)

    def give_up(self, key: Key) -> None:
        """There will be no word on this event in this run."""
        for stretch in self._under_way.pop(key, ()):
            self._hold(stretch)

    def commits(self) -> list[Commit]:
        """Return what can be committed by now, and has not been returned before: the last place of each source."""
        found = []
        for source in self._moved.values():
            found += _advance(source)
            is_finished = source.stretches[0].is_held or (source.is_over and not _is_waiting(source))
            if is_finished and self._sources.get(source.uri) is source:
                del self._sources[source.uri]
        self._moved.clear()
        return found

    # ----------------------------------------------------------------------------------------------------------------

    def _stretch_of(self, ref: SourceRef) -> _Stretch | None:
        source = self._sources.get(ref.uri)
        return None if source is None else source.lines.get(ref.offset)

    def _close(self, stretch: _Stretch) -> None:
        stretch.open -= 1
        if not stretch.open:
            self._moved[stretch.source.uri] = stretch.source

    def _hold(self, stretch: _Stretch) -> None:
        stretch.is_held = stretch.source.is_held = True
        self._moved[stretch.source.uri] = stretch.source


def _advance(source: _Source) -> list[Commit]:
    """Let go of the settled stretches; return the last place, and before a place where the source ends the one before.

    A source that ends in the middle of a line is committed twice: as it is, and up to that line.
    """
    last: Commit | None = None
    found: list[Commit] = []
    while (stretch := source.stretches[0]).end is not None and not stretch.open and not stretch.is_held:
        source.stretches.popleft()
        source.records += stretch.records
        source.calls += stretch.calls
        commit = Commit(stretch.end, source.records, source.calls)
        if stretch.end.is_whole:
            found.append(commit)
        else:
            last = commit
    return found if last is None else [last, *found]


def _is_waiting(source: _Source) -> bool:
    return any(stretch.end is not None for stretch in source.stretches)
