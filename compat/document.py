"""`docs/compatibility.md`, made from the table of corrections: `python -m compat.document` writes it.

A test holds the page to this rendering.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from compat.corrections import ANY, CORRECTIONS, ITEMS, OWN, RESERVED, Correction
from compat.delivery import FATES
from compat.laws import DISTINCT_ID, EVENT, HOST, TIMESTAMP, UUID
from compat.pin import pinned
from compat.scenarios import SCENARIOS

PAGE = Path(__file__).parent.parent / "docs" / "compatibility.md"

_HEAD = """\
# Compatibility with LiteLLM's own PostHog logger

<!-- Made by `python -m compat.document` from compat/corrections.py; tests/compat/test_document.py holds it to that. -->

LiteLLM can send its calls to PostHog while they happen (`litellm/integrations/posthog.py`). `plh` sends the same
events from the log, and differs on purpose where that logger is wrong. This page lists every difference; there is
no other.

`make compat` proves it. It installs LiteLLM {version} in an environment of its own, makes the calls of {scenarios}
scenarios (chats, streams, embeddings, Responses, failures, tools, metadata, users, keys and hosts per request, the
router, the cache, redaction, …) with LiteLLM's mock responses and with a stand-in for the providers on the same
machine, runs LiteLLM's logger and a callback that dumps `json.dumps(kwargs, default=str)` on the same calls, hands
the dump to `plh send`, and compares what both send: event name, distinct id, destination and every property. For
each call it applies the corrections below to LiteLLM's event; what comes out is what `plh` must have sent, value by
value. It then spoils each event in every field and checks that the comparison finds it. No request leaves the
machine. CI runs it.

## Corrections

The number is the item of the specification, its title the defect that is corrected: `6.n` of LiteLLM's logs, `P n` of
PostHog's ingestion.
"""

_CALLS = """\
## 6.18 {lost}

What LiteLLM's live logger does with a call, and what `plh` does. The suite says how many calls met each
fate, and fails on a call that was lost for another reason.

| LiteLLM's live logger | `plh` |
| --- | --- |
"""

_TAIL = """\

## What the suite does not show

- Calls through LiteLLM's proxy: it needs a database and some forty packages more. The project's tests compare logs
  that a proxy wrote, where these are at hand.
- Another version of LiteLLM than {version}. To move on, change the pin in `compat/requirements.txt` and look at
  what `make compat` says; each new difference is a defect of `plh`, or a new line in the table.
- Values that the dump does not hold: `default=str` writes a message that was passed as one of LiteLLM's own objects
  as Python prints it, and `plh` sends that text.
- The moment. LiteLLM goes on writing into a call's kwargs while its callbacks run, so its logger and the dump may see
  one call differently (the id of a cache hit, which takes the clock, most often). `plh` is compared with what the
  logger makes of the kwargs that were dumped; that it had built another event for the call is only counted ("built at
  another moment than the line").
"""

_BESIDE = {EVENT: "the event's name", UUID: "uuid", TIMESTAMP: "timestamp", DISTINCT_ID: "distinct id", HOST: "host"}


def render() -> str:
    """Return the page."""
    head = _HEAD.format(version=pinned(), scenarios=len(SCENARIOS))
    return "".join([head, *_tables(), _CALLS.format(lost=ITEMS["6.18"]), *_fates(), _TAIL.format(version=pinned())])


def _tables() -> Iterator[str]:
    ordered = sorted(CORRECTIONS, key=_place)
    for item, rows in groupby(ordered, key=lambda correction: correction.item):
        yield f"\n### {item} {ITEMS[item]}\n\n| correction | fields | what `plh` sends |\n| --- | --- | --- |\n"
        for row in rows:
            yield f"| {row.title} | {', '.join(map(_shown, row.fields))} | {row.rule} |\n"
    yield "\n"


def _shown(name: str) -> str:
    if name in {ANY, OWN, RESERVED}:
        return name
    return _BESIDE.get(name, f"`{name}`")


def _place(correction: Correction) -> tuple[bool, list[int]]:
    name, _, numbers = correction.item.rpartition(" ")
    return bool(name), [int(part) for part in numbers.split(".")]


def _fates() -> Iterator[str]:
    yield from (f"| {fate} | delivered once |\n" for fate in FATES)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
