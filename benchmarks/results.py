"""Figures → Markdown, and into the section of RESULTS.md that is theirs. Pure but for `write_section`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks import contestants as who
from benchmarks.figures import (
    MB,
    MIB,
    Floor,
    Run,
    Spread,
    cpu_us_per_call,
    marginal_cpu_us,
    of,
    over,
    ratio,
    spread,
)

RESULTS = Path(__file__).parent / "RESULTS.md"
TITLE = """# Results

Written by the scripts in this folder, which [README.md](README.md) describes; what stands between two marks is replaced
when its script runs again. Figures are medians, with the lowest and the highest of the runs in brackets.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, the first column to the left and all others to the right."""
    marks = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, marks, *rows))


def job_table(runs: Sequence[Run]) -> str:
    """Return a row for each contestant, in the order of their first runs."""
    names = list(dict.fromkeys(run.contestant for run in runs if run.problem is None and run.calls > 1))
    head = (
        "contestant", "calls", "events/s", "MB/s", "CPU s per 100,000 calls", "peak MiB, PSS", "peak MiB, RSS",
        "MB on the wire", "requests", "arrived", "sink's CPU s",
    )  # fmt: skip
    return table(head, (_job_row(name, of(runs, name)) for name in names))


def _job_row(name: str, runs: Sequence[Run]) -> Sequence[str]:
    def median(values: Iterable[float]) -> float:
        return spread(values).median

    arrived = median(run.distinct / run.calls for run in runs)
    return (
        name,
        f"{runs[0].calls:,}",
        f"{spread(run.events_per_s for run in runs):,.0f}",
        f"{median(run.mb_per_s for run in runs):,.1f}",
        f"{spread(run.cpu_s_per_100k for run in runs):,.1f}",
        f"{max(run.pss_bytes for run in runs) / MIB:,.0f}",
        f"{max(run.rss_bytes for run in runs) / MIB:,.0f}",
        f"{median(run.wire_bytes for run in runs) / MB:,.1f}",
        f"{median(run.requests for run in runs):,.0f}",
        f"{arrived:.2%}" if arrived < 1 else "all",
        f"{median(run.sink_cpu_s for run in runs):.2f}",
    )


def ratio_table(runs: Sequence[Run], floor: Floor | None, seconds: Mapping[str, float]) -> str:
    """Return what issue 6 asks for, what it should be, and what it is."""
    rows = [
        *_speed_rows(runs),
        *_floor_rows(runs, floor),
        *_latency_rows(runs),
        *_memory_rows(runs),
        *_start_rows(seconds),
    ]
    return table(("ratio", "measured", "asked", "aimed at"), rows)


def _speed_rows(runs: Sequence[Run]) -> Iterable[Sequence[str]]:
    for other, one, asked, aim in (
        (who.SDK_GZIP, who.PLH_MAIN, "≥ 10", "16"),
        (who.SDK_PLAIN, who.PLH_MAIN, "≥ 5", "8"),
        (who.LITELLM, who.PLH_MAIN, "≥ 5", "9"),
        (who.SDK_PRICED, who.PLH_PRICED, "", ""),
        (who.LITELLM_PRICED, who.PLH_PRICED, "", ""),
    ):
        found = ratio(runs, lambda run: run.events_per_s, one, other)
        if found is not None:
            yield f"events/s, {one} / {other}", f"{found:.1f}", asked, aim


def _floor_rows(runs: Sequence[Run], floor: Floor | None) -> Iterable[Sequence[str]]:
    main, start = of(runs, who.PLH_MAIN), of(runs, who.PLH_START)
    if floor is None or not main or not start:
        return
    steps = f"loads {floor.loads_us:.1f} + dumps {floor.dumps_us:.1f} µs"
    yield "floor with ISA-L level 2", f"{steps} + gzip {floor.isal_us:.1f} = {floor.with_isal_us:.1f} µs", "", ""
    yield "floor with zlib level 1", f"{steps} + gzip {floor.zlib_us:.1f} = {floor.with_zlib_us:.1f} µs", "", ""
    begin = min(start, key=lambda run: run.cpu_s)
    wall = spread(run.seconds * 1000 for run in start)
    yield "plh send with a single call", f"{wall:.0f} ms, of CPU {begin.cpu_s * 1000:.0f} ms", "", ""
    whole = spread(cpu_us_per_call(run) for run in main)
    own = spread(marginal_cpu_us(run, begin) for run in main)
    yield "CPU per call, with the start of plh", f"{whole:.1f} µs", "", ""
    yield "CPU per call, without it", f"{own:.1f} µs", "", ""
    yield "CPU per call with the start / floor with ISA-L", f"{_scaled(whole, floor.with_isal_us):.2f}", "≤ 2", "1.2"
    yield "CPU per call without it / floor with ISA-L", f"{_scaled(own, floor.with_isal_us):.2f}", "", ""
    yield "CPU per call without it / floor with zlib", f"{_scaled(own, floor.with_zlib_us):.2f}", "", ""


def _scaled(found: Spread, by: float) -> Spread:
    return Spread(found.median / by, found.low / by, found.high / by)


def _latency_rows(runs: Sequence[Run]) -> Iterable[Sequence[str]]:
    found = ratio(runs, lambda run: run.events_per_s, who.PLH_8_50MS, who.PLH_8)
    if found is not None:
        yield "events/s, 8 in flight, with 50 ms latency / without", f"{found:.2f}", "≥ 0.9", ""


def _memory_rows(runs: Sequence[Run]) -> Iterable[Sequence[str]]:
    pss, rss = over(runs, lambda run: run.pss_bytes, who.PLH_MAIN), over(runs, lambda run: run.rss_bytes, who.PLH_MAIN)
    if pss is not None and rss is not None:
        measured = f"{pss.high / MIB:.0f} MiB PSS, {rss.high / MIB:.0f} MiB RSS"
        yield f"peak memory of all processes, {who.PLH_MAIN}", measured, "≤ 150 MiB", ""


def _start_rows(seconds: Mapping[str, float]) -> Iterable[Sequence[str]]:
    if not seconds:
        return
    nothing = seconds["python -c pass"]
    yield "python -c pass", f"{nothing * 1000:.0f} ms", "", ""
    for name, asked in (("plh --version", "≤ 60 ms"), ("plh --help", "≤ 200 ms"), ("plh send --help", "")):
        yield f"{name}, over python -c pass", f"{(seconds[name] - nothing) * 1000:.0f} ms", asked, ""


def bullets(lines: Iterable[str]) -> str:
    """Return a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def with_section(document: str, name: str, text: str) -> str:
    """Return a document with one section replaced, or added at its end."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if pattern.search(document):
        return pattern.sub(lambda _: section, document)
    return f"{(document or TITLE).rstrip()}\n\n{section}\n"


def write_section(name: str, text: str, path: Path = RESULTS) -> None:
    """Put a section into the file of results."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(with_section(before, name, text), encoding="utf-8")
