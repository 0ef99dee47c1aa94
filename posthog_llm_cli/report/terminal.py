"""What a person reads after a run: the summary, and what went wrong with what to do. Pure: counts → lines.

What a backfill must tell its operator stands in posthog-ingestion.md, section 12.
"""

import shlex
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from posthog_llm_cli.codes import WARNINGS
from posthog_llm_cli.errors import KeyRefused, RecordError, SourceError
from posthog_llm_cli.model import Endpoint, SourceRef
from posthog_llm_cli.report.counts import Destined, Mode, RunReport
from posthog_llm_cli.report.text import count, human_bytes, human_seconds

_LEGACY = frozenset({Endpoint.AI_BATCH, Endpoint.BATCH})
_MAX_DESTINATIONS = 4
_MAX_WARNINGS = 6
_MAX_NAMED = 6
_CALLS = "calls"

_MEANT = {
    Mode.SEND: "accepted",
    Mode.DRY_RUN: "to send",
    Mode.MOCK: "printed",
    Mode.VALIDATE: "convertible",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong and what to do about it."""

    message: str
    hint: str | None = None


def rejection(ref: SourceRef, error: RecordError) -> str:
    """Return the place, the message and the code of a rejected record, as one line."""
    at = "" if error.path == "$" else f" at {error.path}"
    return f"{ref}: {error.message}{at} [{error.code}]"


def source_problem(error: SourceError) -> str:
    """Return the message of a source that ended early, as one line."""
    return f"{error.uri}: {error.message} [{error.code}]"


def status_line(report: RunReport) -> str:
    """Return the counts so far, for logs that nobody watches."""
    return (
        f"{report.records:,} records, {report.accepted:,} accepted, {report.rejected:,} rejected, "
        f"{report.unconfirmed:,} unconfirmed, {human_bytes(report.bytes_read)}"
    )


def summary(report: RunReport, *, every_warning: bool = False) -> Iterator[str]:
    """Yield the lines of the summary: what was read, what became of it, where it went, what to know about it."""
    yield _headline(report)
    yield from _counts(report)
    yield from _destinations(report)
    if report.mode is Mode.VALIDATE:
        yield from _coverage(report.coverage)
    yield from _warnings(report.warnings, most=None if every_warning else _MAX_WARNINGS)
    yield from report.callless.notes()
    if report.limit_reached:
        yield "stopped at --limit"
    if report.mode is Mode.DRY_RUN:
        yield "nothing was sent"
    yield from _check_query(report)


def problems(report: RunReport) -> Iterator[Problem]:
    """Yield what the exit code is about, each with the next step."""
    yield from _delivery_problems(report)
    if report.out_of_time:
        yield Problem("--max-duration ended the reading before the sources' end", "run the same command again")
    if report.interrupted_by is not None:
        yield Problem(
            f"interrupted by {signal.Signals(report.interrupted_by).name}; what was in flight was finished",
            "run the same command again; what came through a pipe must be given again",
        )
    if report.rejected:
        yield _rejected(report)


# ------------------------------------------------------------------------------------------------------ the summary


def _headline(report: RunReport) -> str:
    formats = f" ({_named(report.formats)})" if report.formats else ""
    return (
        f"{report.mode.value}: {count(report.records, 'record')} read{formats}, "
        f"{human_bytes(report.bytes_read)} in {human_seconds(report.elapsed_s)}"
    )


def _counts(report: RunReport) -> Iterator[str]:
    rows = [
        (_MEANT[report.mode], report.accepted, _named(report.events)),
        ("already sent", report.already_sent, "settled by an earlier run"),
        ("duplicates", report.duplicates, "the same call for the same destination again"),
        ("filtered", report.filtered, "outside --since and --until, or of another shard"),
        ("skipped", report.skipped, _named(report.skips)),
        ("rejected", report.rejected, _named(report.rejections)),
        ("unconfirmed", report.unconfirmed, "without the server's final word"),
        ("sources", len(report.source_errors), _named(Counter(error.code for error in report.source_errors))),
    ]
    shown = [row for index, row in enumerate(rows) if row[1] or index == 0]
    width = max(len(f"{number:,}") for _, number, _ in shown)
    for name, number, detail in shown:
        yield f"  {name:<12} {number:>{width},}  {detail}".rstrip()


def _destinations(report: RunReport) -> Iterator[str]:
    counted = [counts for counts in report.destinations.values() if counts.accepted or counts.unconfirmed]
    if report.mode in (Mode.MOCK, Mode.VALIDATE) and len(counted) < 2:
        return
    for counts in counted[:_MAX_DESTINATIONS]:
        yield f"  {_destination(counts, report.mode)}"
    if len(counted) > _MAX_DESTINATIONS:
        yield f"  … and {count(len(counted) - _MAX_DESTINATIONS, 'more destination')} (--json has all)"


def _destination(counts: Destined, mode: Mode) -> str:
    key = f"with key {counts.destination.masked_key}" if counts.destination.api_key else "without a key"
    where = f"{counts.destination.host} {key}"
    if mode is not Mode.SEND:
        chunks = f" in {count(counts.chunks, 'chunk')}, {human_bytes(counts.bytes)}" if mode is Mode.DRY_RUN else ""
        return f"for {where}: {count(counts.accepted, 'event')}{chunks}"
    route = f" on route {counts.endpoint.value}" if counts.endpoint is not None else ""
    # 200 on a legacy route says that the edge took it, no more: over quota and unknown keys get the same answer.
    taken = "accepted by PostHog's edge" if counts.endpoint in _LEGACY else "accepted"
    unconfirmed = f", {counts.unconfirmed:,} unconfirmed" if counts.unconfirmed else ""
    return f"{where}{route}: {counts.accepted:,} {taken}{unconfirmed}"


def _coverage(coverage: Mapping[str, int]) -> Iterator[str]:
    calls = coverage.get(_CALLS, 0)
    if not calls:
        return
    shares = [f"{name} {_share(number, calls)}" for name, number in coverage.items() if name != _CALLS and number]
    yield f"of {count(calls, 'call')}: {', '.join(shares) or 'nothing but a model and a time'}"


def _share(part: int, whole: int) -> str:
    """Return a percentage that says 0 and 100 only where it is meant."""
    percent = round(100 * part / whole)
    return f"{percent if part in (0, whole) else min(max(percent, 1), 99)} %"


def _warnings(warnings: Counter[str], *, most: int | None) -> Iterator[str]:
    ranked = [(code, number) for code, number in warnings.most_common() if number]
    for code, number in ranked[:most]:
        yield f"warning: {number:,} × {WARNINGS.get(code, 'a warning of the server')} [{code}]"
    if most is not None and len(ranked) > most:
        rest = ", ".join(f"{code} {number:,}" for code, number in ranked[most:])
        yield f"warning: {rest} (-v says what they mean)"
    if warnings["content-expired"]:
        yield "  a project may also be set to drop old events: PostHog does not tell the sender"


def _check_query(report: RunReport) -> Iterator[str]:
    if report.mode is not Mode.SEND or report.import_id is None or not report.accepted:
        return
    names = ", ".join(_sql(name) for name in sorted(report.events))
    yield "check what arrived in PostHog (SQL):"
    query = f"SELECT count(distinct uuid) FROM events WHERE event IN ({names})"  # noqa: S608 - printed, never run
    yield f"  {query} AND properties.plh_import_id = {_sql(report.import_id)}"


def _sql(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _named(counts: Mapping[str, int]) -> str:
    """Return `name number, …`, the most frequent first, the rest as a number."""
    ranked = sorted(((number, name) for name, number in counts.items() if number), key=lambda pair: (-pair[0], pair[1]))
    named = [f"{name} {number:,}" for number, name in ranked[:_MAX_NAMED]]
    if len(ranked) > _MAX_NAMED:
        named.append(f"others {sum(number for number, _ in ranked[_MAX_NAMED:]):,}")
    return ", ".join(named)


# ----------------------------------------------------------------------------------------------------- the problems


def _delivery_problems(report: RunReport) -> Iterator[Problem]:
    refused = False
    seen: set[str] = set()
    for counts in report.destinations.values():
        if counts.error is not None and counts.error.message not in seen:
            seen.add(counts.error.message)
            refused = refused or isinstance(counts.error, KeyRefused)
            yield Problem(f"{counts.error.message} (key {counts.destination.masked_key})", counts.error.hint)
    if report.unconfirmed:
        first = "once the key or the quota is in order, " if refused else ""
        yield Problem(
            f"{count(report.unconfirmed, 'event')} without the server's final word; nothing is lost",
            f"{first}run the same command again: the ids stay the same, so what did arrive is replaced and not "
            "doubled, as long as the distinct-id settings stay the same",
        )


def _rejected(report: RunReport) -> Problem:
    what = f"{count(report.rejected, 'record')} rejected"
    if report.dead_letter is None:
        return Problem(
            what, "plh validate shows each of them with its place" if report.mode is not Mode.VALIDATE else None
        )
    return Problem(
        f"{what} and kept in {report.dead_letter}",
        f"when the cause is gone, plh send {shlex.quote(report.dead_letter)} takes them up again",
    )
