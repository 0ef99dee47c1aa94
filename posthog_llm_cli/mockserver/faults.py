"""Faults on order: what `--fail` names, and the seeded dice that decide when they fire.

`KIND:RATE[:ARGUMENT],…`, a rate being a probability from 0 to 1. Kinds of a request, of which at most one fires.
Nothing is stored by these:

* a status from 400 to 599: answered so before the body is looked at. On v1, 429 and 503 carry `Retry-After: 1`; the
  argument sets it for any status on any route: seconds (`429:0.1:3s`), `date` and `past` (HTTP dates two seconds ahead
  and an hour ago), `huge`, `negative`, `junk`, or `none`
* a status and `-html` (`403-html`): the same as a web page, as a proxy or a firewall answers
* `reset-before`: the connection is reset instead of an answer
* `html`: 200 with a web page, as a captive portal answers
* `redirect`: 302 to another place
* `hang`: no answer at all, until the client goes away

By these, the events are judged and stored, and the client cannot know it:

* `reset`: the connection is reset instead of an answer
* `cut`: reset in the middle of the answer
* `stall`: silence in the middle of the answer, until the client goes away
* `drip`: an answer without an end, one byte at a time
* `empty`: 200 without a body
* `garbage`: 200 with a body that is not JSON

`slow` (2 s, or as the argument says: `slow:0.1:5s`; `slow:5s` is every answer) delays the answer and goes together
with any of them. Kinds of a single event, on v1 only: `retry` (answered `retry`, not stored), `drop` (answered `drop`,
not stored; the argument is the tag, else `rejected`) and `unmentioned` (stored, yet left out of the answer).
"""

import math
import random
import re
import threading
from collections import Counter
from typing import Self

from posthog_llm_cli.values import Value

SLOW_S = 2.0
RETRY_AFTER_S = 1.0
DROP_TAG = "rejected"

UNSTORED_KINDS = frozenset({"reset-before", "html", "redirect", "hang"})
STORED_KINDS = frozenset({"reset", "cut", "stall", "drip", "empty", "garbage"})
ANSWER_KINDS = UNSTORED_KINDS | STORED_KINDS
UNFINISHED_KINDS = frozenset({"reset-before", "reset", "cut", "stall", "drip", "hang"})
"""The client gets no answer, or no whole one."""

EVENT_KINDS = frozenset({"retry", "drop", "unmentioned"})

_STATUS = re.compile(r"([45][0-9]{2})(-html)?")
RETRY_AFTER_WORDS = frozenset({"date", "past", "huge", "negative", "junk", "none"})
_TAG = re.compile(r"[a-z0-9_]{1,100}")
_MAX_DELAY_S = 3600.0


class Fault(Value, frozen=True):
    """One kind with its rate; `delay_s` is of `slow`, `tag` of `drop`.

    `retry_after` is of statuses: seconds, one of the words that the module's docstring lists, "" where none is named.
    """

    kind: str
    rate: float
    delay_s: float = 0.0
    tag: str = ""
    retry_after: str = ""

    @property
    def status(self) -> int | None:
        """The HTTP status to answer, None for the kinds that are words."""
        found = _STATUS.fullmatch(self.kind)
        return int(found[1]) if found else None

    @property
    def is_page(self) -> bool:
        """Whether the status comes with a web page."""
        return self.status is not None and self.kind.endswith("-html")


class Faults(Value, frozen=True):
    """What may go wrong, and how often."""

    spec: str = ""
    of_answer: tuple[Fault, ...] = ()
    of_event: tuple[Fault, ...] = ()
    slow: Fault | None = None

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read `KIND:RATE[:ARGUMENT],…`; empty text means no faults.

        Raises:
            ValueError: an unknown kind, a kind named twice, a rate outside 0 to 1, rates that add up to more than 1.
        """
        faults = [_parse_one(part.strip()) for part in spec.split(",") if part.strip()]
        counts = Counter(fault.kind for fault in faults)
        twice = [kind for kind, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"expected each kind of fault once and found {twice[0]!r} {counts[twice[0]]} times")
        of_event = tuple(fault for fault in faults if fault.kind in EVENT_KINDS)
        slow = next((fault for fault in faults if fault.kind == "slow"), None)
        of_answer = tuple(fault for fault in faults if fault not in of_event and fault is not slow)
        for name, group in (("a request", of_answer), ("an event", of_event)):
            total = math.fsum(fault.rate for fault in group)
            if total > 1 + 1e-9:
                raise ValueError(f"expected the rates for {name} to add up to at most 1 and found {total:g}")
        return cls(spec, of_answer, of_event, slow)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind that may fire."""
        return tuple(fault.kind for fault in (*self.of_answer, *((self.slow,) if self.slow else ()), *self.of_event))


def _parse_one(part: str) -> Fault:
    kind, _, rest = part.partition(":")
    rate_text, _, argument = rest.partition(":")
    known = ["NNN-html", *sorted(ANSWER_KINDS | EVENT_KINDS | {"slow"})]
    if not _STATUS.fullmatch(kind) and kind not in known:
        raise ValueError(f"expected a status from 400 to 599 or one of {', '.join(known)}, and found {kind!r}")
    if kind == "slow" and not argument and rate_text.endswith("s"):
        return Fault(kind, 1.0, delay_s=_seconds(rate_text, SLOW_S))
    rate = _number(rate_text)
    if rate is None or rate > 1:
        raise ValueError(f"expected {kind}:RATE with a rate from 0 to 1 and found {part!r}")
    if kind == "drop":
        if argument and not _TAG.fullmatch(argument):
            raise ValueError(f"expected a drop tag of a-z, 0-9 and _ and found {argument!r}")
        return Fault(kind, rate, tag=argument or DROP_TAG)
    if kind == "slow":
        return Fault(kind, rate, delay_s=_seconds(argument, SLOW_S))
    if _STATUS.fullmatch(kind):
        return Fault(kind, rate, retry_after=_retry_after(argument))
    if argument:
        raise ValueError(f"expected {kind}:RATE and nothing more, and found {part!r}")
    return Fault(kind, rate)


def _retry_after(text: str) -> str:
    return text if not text or text in RETRY_AFTER_WORDS else f"{_seconds(text, 0.0):g}"


def _seconds(text: str, default_s: float) -> float:
    if not text:
        return default_s
    seconds = _number(text.removesuffix("s"))
    if seconds is None or seconds > _MAX_DELAY_S:
        raise ValueError(f"expected seconds from 0 to {_MAX_DELAY_S:g}, as in 5s, and found {text!r}")
    return seconds


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


class Roll(Value, frozen=True):
    """What is decided for one request: its delay, its fault, and the chance for its events."""

    delay_s: float
    fault: Fault | None
    events: random.Random
    faults: Faults

    def event_fault(self) -> Fault | None:
        """Decide for the next event of this request."""
        return _pick(self.faults.of_event, self.events.random()) if self.faults.of_event else None


class Dice:
    """Decides for each request in the order of arrival: the same seed gives the same sequence. Thread-safe.

    Every request draws the same number of times, whatever it holds, so that one request's size cannot move the fate of
    the next.
    """

    def __init__(self, faults: Faults, seed: int) -> None:
        self._faults = faults
        self._random = random.Random(seed)  # noqa: S311 - a repeatable sequence is the point
        self._lock = threading.Lock()
        self._fired: Counter[str] = Counter(dict.fromkeys(faults.kinds, 0))

    def roll(self) -> Roll:
        """Decide for the next request."""
        with self._lock:
            delay, answer, events = self._random.random(), self._random.random(), self._random.getrandbits(64)
            faults = self._faults
        slow = faults.slow
        return Roll(
            delay_s=slow.delay_s if slow is not None and delay < slow.rate else 0.0,
            fault=_pick(faults.of_answer, answer),
            events=random.Random(events),  # noqa: S311
            faults=faults,
        )

    def count(self, kind: str, times: int = 1) -> None:
        """Note that a fault has fired."""
        with self._lock:
            self._fired[kind] += times

    def change(self, faults: Faults) -> None:
        """Put other faults on order from the next roll on; what has fired stays counted."""
        with self._lock:
            self._faults = faults
            self._fired.update(dict.fromkeys(faults.kinds, 0))

    @property
    def fired(self) -> dict[str, int]:
        """How often each kind has fired; every kind on order is named, with 0 if it has not."""
        with self._lock:
            return dict(self._fired)


def _pick(faults: tuple[Fault, ...], chance: float) -> Fault | None:
    below = 0.0
    for fault in faults:
        below += fault.rate
        if chance < below:
            return fault
    return None
