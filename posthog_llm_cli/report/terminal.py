"""What a person reads after a run: the summary, and what went wrong with what to do. Pure: counts → lines.

What a backfill must tell its operator stands in posthog-ingestion.md, section 12.
"""

import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from posthog_llm_cli.codes import WARNINGS
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.model import Fact, SourceRef
from posthog_llm_cli.report.advice import Advice
from posthog_llm_cli.report.counts import MEANT, Destined, Mode, RunReport
from posthog_llm_cli.report.models import Models, Tally, total
from posthog_llm_cli.report.text import count, fold, harmless, human_bytes, human_seconds, share, words
from posthog_llm_cli.values import Value

_MAX_DESTINATIONS = 4
_MAX_WARNINGS = 6
_MAX_MODELS = 8
_NARROWEST_MODEL = 20
_MAX_NAMED = 6
_SHOWN = (
    Fact.PROVIDER, Fact.INPUT, Fact.OUTPUT, Fact.TOKENS, Fact.COST, Fact.LATENCY, Fact.TTFT, Fact.USER,
    Fact.SESSION, Fact.OWN_TRACE, Fact.TOOLS, Fact.METADATA, Fact.TAGS, Fact.KEY_ALIAS, Fact.ERROR, Fact.REDACTED,
    Fact.TRUNCATED,
)  # fmt: skip
"""The facts whose shares are shown; the others are there for the advice."""

_LACKS = ("no-input", "no-usage", "no-user", "no-cost", "zero-cost", "truncated-content", "legacy-format")
"""The warnings that `plh validate` may have advice about."""


class Problem(Value, frozen=True):
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


def summary(report: RunReport, *, every_warning: bool = False, width: int | None = None) -> Iterator[str]:
    """Yield the lines of the summary: what was read, what became of it, where it went, what to know about it.

    `width` is a terminal's, for the lines that are long prose; None leaves them whole.
    """
    yield _headline(report)
    yield from _counts(report)
    yield from _destinations(report, width, most_models=None if every_warning else _MAX_MODELS)
    if report.mode is Mode.VALIDATE:
        yield from _coverage(report.coverage_by_format, width)
        yield from _advice(report.advice, width)
    if report.mode is not Mode.PREVIEW or every_warning:  # what the preview itself says more of
        yield from _warnings(report.warnings, width, most=None if every_warning else _MAX_WARNINGS)
    if report.mode in (Mode.SEND, Mode.DRY_RUN) and any(report.warnings[code] for code in _LACKS):
        yield "plh validate tells what the log lacks, and where to switch it on"
    yield from report.callless.notes()
    if report.limit_reached:
        yield "stopped at --limit"
    if report.mode is Mode.DRY_RUN:
        yield "nothing was sent"
    yield from _check_query(report)


def problems(report: RunReport) -> Iterator[Problem]:
    """Yield what the exit code is about, each with the next step."""
    if report.ledger_error is not None:
        yield Problem(report.ledger_error.message, report.ledger_error.hint)
    yield from _delivery_problems(report)
    if report.out_of_time:
        yield Problem("--max-duration was over before everything was read and sent: nothing is lost, run again", None)
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
        (MEANT[report.mode], report.accepted, _named(report.events)),
        ("already sent", report.already_sent, f"settled by an earlier run{_not_read(report)}"),
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


def _not_read(report: RunReport) -> str:
    already = report.already_read
    if not already.sources:
        return ""
    return f"; {already.records:,} of them in {count(already.sources, 'source')} were not read again"


def _destinations(report: RunReport, width: int | None, *, most_models: int | None) -> Iterator[str]:
    """Yield where events went and, of `send` and its rehearsal, what became of them by model."""
    counted = [
        counts for counts in report.destinations.values() if counts.accepted or counts.unconfirmed or counts.rejected
    ]
    if report.mode in (Mode.MOCK, Mode.VALIDATE, Mode.PREVIEW) and len(counted) < 2:
        return
    shown = counted[:_MAX_DESTINATIONS]
    for counts in shown:
        yield f"  {_destination(counts, report.mode)}"
        if report.mode in (Mode.SEND, Mode.DRY_RUN):
            most = None if most_models is None else max(2, most_models // len(shown))
            yield from table(counts.models, MEANT[report.mode], most=most, width=width)
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
    taken = "accepted by PostHog's edge" if counts.endpoint is not None and counts.endpoint.is_legacy else "accepted"
    rejected = f", {counts.rejected:,} rejected" if counts.rejected else ""
    unconfirmed = f", {counts.unconfirmed:,} unconfirmed" if counts.unconfirmed else ""
    return f"{where}{route}: {counts.accepted:,} {taken}{rejected}{unconfirmed}"


def table(models: Models, accepted: str, *, most: int | None, width: int | None) -> Iterator[str]:
    """Yield the counts of a destination by model, most events first, all but the first `most` of them together.

    `accepted` is what accepted events are called. A count that no model has is left out; nothing is yielded where no
    event was counted.
    """
    ranked = models.ranked()
    shown, rest = ranked[:most], [tally for _, tally in ranked[most:]] if most is not None else []
    rows = [(harmless(model) or "(no model)", tally) for model, tally in shown]
    together = [*rest, *([models.others] if models.others is not None else [])]
    if together:
        rows.append(("other models", total(together)))
    names = [name for name in Tally.NAMES if any(getattr(tally, name) for _, tally in rows)]
    if not rows or not names:
        return
    heads = [accepted if name == "accepted" else name.replace("_", " ") for name in names]
    cells = [[f"{getattr(tally, name):,}" for name in names] for _, tally in rows]
    widths = [max(len(head), *(len(row[at]) for row in cells)) for at, head in enumerate(heads)]
    room = max(len(name) for name, _ in rows)
    if width is not None:
        room = min(room, max(_NARROWEST_MODEL, width - 4 - sum(widths) - 2 * len(widths)))
    for name, row in [("model", heads), *zip((name for name, _ in rows), cells, strict=True)]:
        numbers = "".join(f"  {cell:>{columns}}" for cell, columns in zip(row, widths, strict=True))
        yield f"    {_shortened(name, room):<{room}}{numbers}"


def _shortened(name: str, room: int) -> str:
    """Return a name that fits: what tells models apart stands at both ends of it."""
    if len(name) <= room:
        return name
    tail = (room - 1) // 2
    return f"{name[: room - 1 - tail]}…{name[len(name) - tail :]}"


def _coverage(coverage_by_format: Mapping[str, Mapping[str, int]], width: int | None) -> Iterator[str]:
    several = len(coverage_by_format) > 1
    for format_, counts in coverage_by_format.items():
        calls = counts.get(Fact.CALLS, 0)
        if not calls:
            continue
        *most, last = [_share_of(fact, counts) for fact in _SHOWN if counts.get(fact)] or ["nothing but model and time"]
        noun = f"{format_} call" if several else "call"
        yield from fold([f"of {count(calls, noun)}:", *(f"{share}," for share in most), last], width)


def _share_of(fact: Fact, counts: Mapping[str, int]) -> str:
    """Name a fact with its share of the calls; a time to first token is one of streams only."""
    streams = counts.get(Fact.STREAMS, 0)
    if fact is Fact.TTFT and streams:
        return f"{fact} {share(counts.get(Fact.STREAM_TTFT, 0), streams)} of {count(streams, 'stream')}"
    return f"{fact} {share(counts[fact], counts[Fact.CALLS])}"


def _advice(advice: Sequence[Advice], width: int | None) -> Iterator[str]:
    """Yield what each format lacks; what to do about it stands once, below all that it helps."""
    helped: dict[str, list[Advice]] = {}
    for item in advice:
        helped.setdefault(item.text, []).append(item)
    if helped:
        yield "what the log lacks, and what to do about it:"
    for text, items in helped.items():
        for item in items:
            about = f"{item.format}: " if item.format is not None else ""
            yield from fold(words(f"{about}{item.sentence}"), width, indent="  ")
        yield from fold(words(text), width, indent="    ", hanging="")


def _warnings(warnings: Counter[str], width: int | None, *, most: int | None) -> Iterator[str]:
    ranked = [(code, number) for code, number in warnings.most_common() if number]
    for code, number in ranked[:most]:
        meaning = WARNINGS.get(code, "a warning of the server")
        yield from fold(words(f"warning: {number:,} × {meaning} [{code}]"), width)
    if most is not None and len(ranked) > most:
        rest = ", ".join(f"{code} {number:,}" for code, number in ranked[most:])
        yield from fold(words(f"warning: {rest} (-v says what they mean)"), width)
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
    seen: set[str] = set()
    for counts in report.destinations.values():
        if counts.error is not None and counts.error.message not in seen:
            seen.add(counts.error.message)
            yield Problem(f"{counts.error.message} (key {counts.destination.masked_key})", counts.error.hint)
    if report.unconfirmed:
        first = f"once {report.to_mend} is in order, " if report.to_mend else ""
        yield Problem(
            f"{count(report.unconfirmed, 'event')} without the server's final word: nothing is lost, run again",
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
        "the messages above say why; docs/troubleshooting.md has what to do about each code",
    )
