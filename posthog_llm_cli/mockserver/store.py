"""What arrived, kept within bounds: the newest events whole, a summary of every request, and counts of everything.

One stored event, as `GET /events` and `MockServer.events` give it:

    {"received_at": "2026-11-23T19:02:33.120000Z", "route": "v1", "api_key": "phc_…wxyz", "historical_migration": true,
     "attempt": 1, "request_id": "…",           (v1 only)
     "duplicate": false,                        (true: PostHog collapses it with one that came before)
     "notes": [],                               (what PostHog would change in silence)
     "event": {"event", "uuid", "distinct_id", "timestamp", "properties"},
     "raw": {…}}

`event` has one shape on all routes, so that the routes can be compared: the uuid in canonical form, the distinct id as
PostHog stores it, and v1's options, session id and `PostHog-Sdk-Info` put back into the properties, under the names the
legacy routes have for them (`$process_person_profile`, `$ignore_sent_at`, `$session_id`, `$lib`, …). `raw` is the event
exactly as it was sent. An event whose body had to be dropped for memory keeps its place with `"dropped": true`, and has
no `properties` and no `raw`.
"""

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar

import orjson

from posthog_llm_cli.mockserver.judging import Incoming, Judged, Posted
from posthog_llm_cli.model import Endpoint, Json, mask_key
from posthog_llm_cli.values import State, Value

MAX_EVENTS = 100_000
MAX_EVENT_BYTES = 256 * 1024 * 1024
MAX_REQUESTS = 10_000
MAX_DEDUPE_KEYS = 1_000_000


class SeenRequest(Value, frozen=True):
    """One request to a capture route, as a test or a reader wants to know it.

    `route` is None for a path that is none. `status` is None where there was no whole answer (`reset`, `hang`, …).
    `events` is how many the request held, None where that was not looked at. `headers` have lower-case names and no
    key; `body_digest` tells whether two requests carried the same bytes.
    """

    hidden: ClassVar = frozenset({"answer", "headers"})

    received_at: datetime
    method: str
    path: str
    route: Endpoint | None
    api_key: str
    status: int | None
    answer: str
    faults: tuple[str, ...]
    events: int | None
    stored: int
    historical: bool
    sent_bytes: int
    body_bytes: int | None
    body_digest: str
    verdicts: Mapping[str, int]
    headers: Mapping[str, str]


class _Kept(State):
    about: dict[str, Json]
    summary: dict[str, Json]
    whole: bytes | None


class Store:
    """Thread-safe. Beyond its bounds it forgets the oldest bodies, then the oldest events, and counts those."""

    def __init__(self, *, max_events: int = MAX_EVENTS, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_events = max_events
        self._max_event_bytes = max_event_bytes
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._kept: deque[_Kept] = deque()
        self._bodies: deque[_Kept] = deque()
        self._held_bytes = 0
        self._requests: deque[SeenRequest] = deque(maxlen=MAX_REQUESTS)
        self._known: dict[bytes, None] = {}
        self._totals: Counter[str] = Counter()
        self._by_route: Counter[str] = Counter()
        self._by_status: Counter[str] = Counter()
        self._by_name: Counter[str] = Counter()
        self._verdicts: Counter[str] = Counter()

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._begin()

    def add_events(self, posted: Posted, judged: Judged) -> tuple[bool, ...]:
        """Store the events of a request; say for each whether it is a duplicate of an earlier one."""
        if not judged.events:
            return ()
        about = _about(posted, judged)
        whole = [orjson.dumps({"event": incoming.event, "raw": incoming.raw}) for incoming in judged.events]
        with self._lock:
            marks = tuple(self._is_known(judged.key, incoming) for incoming in judged.events)
            for incoming, body, duplicate in zip(judged.events, whole, marks, strict=True):
                entry = {**about, "duplicate": duplicate, "notes": list(incoming.notes)}
                self._keep(_Kept(entry, _summary(incoming), body))
                self._totals["events"] += 1
                self._totals["duplicates"] += duplicate
                self._by_name[str(incoming.event["event"])[:200]] += 1
        return marks

    def add_request(self, seen: SeenRequest) -> None:
        """Note that a request was answered, or was not."""
        with self._lock:
            self._requests.append(seen)
            self._totals["requests"] += 1
            self._totals["sent_bytes"] += seen.sent_bytes
            self._by_route[seen.route.value if seen.route else "other"] += 1
            self._by_status["no answer" if seen.status is None else str(seen.status)] += 1
            self._verdicts.update(seen.verdicts)

    def _is_known(self, key: str, incoming: Incoming) -> bool:
        """Say whether PostHog would collapse this event: key, UTC date, name, distinct id and uuid all the same."""
        event = incoming.event
        parts = [key, incoming.time.date().isoformat(), event["event"], event["distinct_id"], event["uuid"]]
        digest = hashlib.blake2b(orjson.dumps(parts), digest_size=16).digest()
        if digest in self._known:
            return True
        self._known[digest] = None
        if len(self._known) > MAX_DEDUPE_KEYS:
            del self._known[next(iter(self._known))]
        return False

    def _keep(self, kept: _Kept) -> None:
        self._kept.append(kept)
        self._bodies.append(kept)
        self._held_bytes += len(kept.whole or b"")
        while self._held_bytes > self._max_event_bytes and len(self._bodies) > 1:
            oldest = self._bodies.popleft()
            self._held_bytes -= len(oldest.whole or b"")
            self._totals["dropped_bodies"] += oldest.whole is not None
            oldest.whole = None
        if len(self._kept) > self._max_events:
            gone = self._kept.popleft()
            self._totals["dropped_events"] += 1
            if gone.whole is not None:  # then it is the oldest with a body, too
                self._bodies.popleft()
                self._held_bytes -= len(gone.whole)

    def events(self, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the stored events in order of arrival, or the last `limit` of them."""
        with self._lock:
            start = 0 if limit is None else max(0, len(self._kept) - limit)
            found = [(kept.about, kept.summary, kept.whole) for kept in islice(self._kept, start, None)]
        return [_entry(*parts) for parts in found]

    def requests(self) -> tuple[SeenRequest, ...]:
        """Return the last requests (10,000 at most), in the order of their answers."""
        with self._lock:
            return tuple(self._requests)

    def tally(self) -> dict[str, Any]:
        """Return the counts of everything since the start."""
        with self._lock:
            names = ("requests", "events", "duplicates", "sent_bytes", "dropped_bodies", "dropped_events")
            return {
                **{name: self._totals[name] for name in names},
                "by_route": dict(self._by_route),
                "by_status": dict(self._by_status),
                "by_event": dict(self._by_name),
                "verdicts": dict(self._verdicts),
            }


def _about(posted: Posted, judged: Judged) -> dict[str, Json]:
    about: dict[str, Json] = {
        "received_at": posted.received_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "route": posted.route.value,
        "api_key": mask_key(judged.key),
        "historical_migration": judged.historical,
    }
    if posted.route is Endpoint.V1:
        about["attempt"] = int(posted.headers["posthog-attempt"])
        about["request_id"] = posted.headers["posthog-request-id"].strip()
    return about


def _summary(incoming: Incoming) -> dict[str, Json]:
    return {name: incoming.event[name] for name in ("event", "uuid", "distinct_id", "timestamp")}


def _entry(about: dict[str, Json], summary: dict[str, Json], whole: bytes | None) -> dict[str, Json]:
    if whole is None:
        return {**about, "dropped": True, "event": dict(summary)}
    return {**about, **orjson.loads(whole)}
