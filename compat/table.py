"""The verdict as text."""

from collections.abc import Iterator

from compat.comparison import Compared
from compat.corrections import CORRECTIONS
from compat.delivery import FATES
from compat.suite import Verdict
from compat.values import ABSENT, Json, compact

_SHOWN = 40
_WIDTH = 160


def render(verdict: Verdict, version: str, scenarios: int, seconds: float) -> str:
    """Return what `make compat` prints."""
    return "".join(f"{line}\n" for line in _lines(verdict, version, scenarios, seconds))


def _lines(verdict: Verdict, version: str, scenarios: int, seconds: float) -> Iterator[str]:
    tally = verdict.tally
    yield f"plh and the PostHog logger of LiteLLM {version}, on the same calls ({seconds:.0f} s)"
    yield ""
    yield from _rows([
        ("scenarios", scenarios),
        ("log lines", verdict.lines),
        ("calls", verdict.calls),
        ("properties compared", tally.compared),
        ("equal", tally.equal),
        ("corrected", tally.corrected),
        ("unexplained", len(tally.unexplained)),
    ])  # fmt: skip
    yield ""
    yield "corrections (docs/compatibility.md); a property may be under several"
    yield from _rows([(f"  {c.name}", tally.by_correction[c.name]) for c in CORRECTIONS])
    yield ""
    yield "the calls"
    yield from _rows([(f"  LiteLLM's live logger: {fate}", verdict.fates[fate]) for fate in FATES])
    yield from _rows([("  LiteLLM's live logger: built at another moment than the line", verdict.apart)])
    yield from _rows([("  plh: delivered once", verdict.delivered)])
    yield ""
    yield from _rows([("wrong events tried on the comparison, all found", verdict.mutations)])
    for where, one in tally.unexplained[:_SHOWN]:
        yield from _difference(where, one)
    if len(tally.unexplained) > _SHOWN:
        yield f"… and {len(tally.unexplained) - _SHOWN} more"
    yield from (f"error: {problem}" for problem in verdict.problems)
    yield "" if not verdict.is_good else "\nagreement: all but the named corrections"


def _rows(rows: list[tuple[str, int]]) -> Iterator[str]:
    for name, count in rows:
        yield f"{name:<72}{count:>10,}"


def _difference(where: str, one: Compared) -> Iterator[str]:
    yield f"error: {where}: {one.name} differs from LiteLLM's, and no correction explains it"
    for what, value in (("LiteLLM", one.base), ("expected", one.expected), ("plh", one.ours)):
        yield f"       {what:<9}{_short(value)}"


def _short(value: Json) -> str:
    text = ABSENT if value == ABSENT else compact(value).encode("utf-8", "replace").decode()
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
