"""What `plh ledger …` prints for a person. Pure: values → lines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posthog_llm_cli.ledger.care import Checked
from posthog_llm_cli.ledger.reading import KnownRun, KnownSource, Status
from posthog_llm_cli.ledger.salvage import Repaired
from posthog_llm_cli.report.text import count, human_bytes

_COUNTS = ("records", "accepted", "already_sent", "duplicates", "filtered", "skipped", "rejected", "unconfirmed")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int]) -> list[str]:
    """Return aligned lines; the columns in `right` are numbers."""
    widths = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head))]
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]


def status_lines(found: Status) -> list[str]:
    """Return the ledger's size, its last run, and a table of its destinations."""
    lines = [f"{found.path}: {human_bytes(found.size)}, {count(found.runs, 'run')}, {count(found.sources, 'source')}"]
    if found.last_run is not None:
        lines.append(
            f"last run: {found.last_run.run_id[:8]}, {_when(found.last_run.started_at)}, {_end(found.last_run)}"
        )
    if not found.destinations:
        return [*lines, "nothing is settled yet"]
    head = ("#", "host", "key", "accepted", "by edge", "rejected")
    rows = [
        (
            str(one.number),
            one.host,
            one.masked_key,
            f"{one.accepted:,}",
            f"{one.accepted_by_edge:,}",
            f"{one.rejected:,}",
        )
        for one in found.destinations
    ]
    lines += table(head, rows, right=frozenset({0, 3, 4, 5}))
    if any(one.accepted_by_edge for one in found.destinations):
        lines.append(
            "by edge: accepted by PostHog's edge on a legacy route, which does not tell what became of each event"
        )
    return lines


def runs_lines(found: Sequence[KnownRun]) -> list[str]:
    """Return a table of runs. Of one without a report (killed, or long ago) the ledger has what it settled."""
    if not found:
        return ["no run yet"]
    head = ("run", "started", "end", "records", "accepted", "already sent", "rejected", "unconfirmed")
    rows = [
        (
            run.run_id[:8],
            _when(run.started_at),
            _end(run),
            _of(run, "records"),
            f"{run.accepted + run.accepted_by_edge:,}",
            _of(run, "already_sent"),
            _of(run, "rejected") if run.report is not None else f"{run.rejected:,}",
            _of(run, "unconfirmed"),
        )
        for run in found
    ]
    return table(head, rows, right=frozenset({3, 4, 5, 6, 7}))


def sources_lines(found: Sequence[KnownSource]) -> list[str]:
    """Return a table of sources; of one that grows the part up to its last line, of another all of it."""
    if not found:
        return ["no source yet"]
    head = ("#", "read", "bytes", "records", "run", "source")
    rows = [
        (
            str(one.number),
            "all of it" if one.is_whole else "lines",
            human_bytes(one.offset),
            f"{one.records:,}",
            one.run_id[:8],
            one.name,
        )
        for one in found
    ]
    return table(head, rows, right=frozenset({0, 2, 3}))


def run_lines(run: KnownRun) -> list[str]:
    """Return what is known about one run, a line each."""
    edge = f" ({run.accepted_by_edge:,} by PostHog's edge)" if run.accepted_by_edge else ""
    settled = f"{run.accepted + run.accepted_by_edge:,} accepted{edge}, {run.rejected:,} rejected"
    ended = "-" if run.ended_at is None else _when(run.ended_at)
    lines = [
        f"run       {run.run_id}",
        f"started   {_when(run.started_at)}",
        f"ended     {ended}, {_end(run)}",
        f"settled   {settled}",
    ]
    if run.report is None:
        return [*lines, "report    none: the run was killed or is under way, or its report is not kept any more"]
    lines += [f"{name.replace('_', ' '):<12} {_of(run, name)}" for name in _COUNTS]
    for name in ("formats", "events", "rejections", "skips", "warnings"):
        if run.report.get(name):
            lines.append(f"{name:<12} {_pairs(run.report[name])}")
    already = run.report.get("already_read")
    if already and already["sources"]:
        lines.append(f"{'not read':<12} {_not_read(already)}")
    for one in run.report.get("destinations", ()):
        lines.append(
            f"{'destination':<12} {one['host']} with key {one['api_key']} on route {one['endpoint'] or '-'}: "
            f"{one['accepted']:,} accepted, {one['unconfirmed']:,} unconfirmed"
        )
    for name in ("import_id", "dead_letter"):
        if run.report.get(name):
            lines.append(f"{name.replace('_', ' '):<12} {run.report[name]}")
    return lines


def checked_lines(path: Path, found: Checked) -> list[str]:
    """Return what a check has found."""
    if not found.problems:
        return [f"{path}: whole, {count(found.events, 'settled event')}"]
    return [
        f"{path}: damaged, {count(found.events, 'settled event')} readable",
        *(f"  {problem}" for problem in found.problems),
        "plh ledger repair saves what can be read and keeps the old file",
    ]


def repaired_lines(path: Path, found: Repaired) -> list[str]:
    """Return what a repair has done, and what is lost."""
    numbers = ((found.events, "settled event"), (found.runs, "run"), (found.destinations, "destination"))
    has = ", ".join(count(number, noun) for number, noun in numbers)
    if found.kept is None:
        return [f"{path}: whole, nothing to repair; {has}"]
    if found.expected is None:
        lost = "how many there were cannot be told"
    else:
        lost = f"{count(max(0, found.expected - found.events), 'settled event')} lost of {found.expected:,}"
    return [
        f"{path}: repaired; {has}",
        f"{lost}: what is lost is sent again by a run over its logs, with the same ids",
        f"the old file is kept as {found.kept}",
    ]


def _end(run: KnownRun) -> str:
    return "killed, or under way" if run.exit_code is None else f"exit {run.exit_code}"


def _when(time: str) -> str:
    return f"{time[:19]}Z" if time else "unknown"


def _of(run: KnownRun, name: str) -> str:
    value = None if run.report is None else run.report.get(name)
    return f"{value:,}" if isinstance(value, int) else "-"


def _not_read(already: dict[str, int]) -> str:
    where = count(already["sources"], "source")
    return f"{count(already['records'], 'record')} of {where}, settled by an earlier run"


def _pairs(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items())
