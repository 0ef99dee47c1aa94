"""A preview as a person reads it in a terminal: figures as tables and bars, legible from 80 columns on.

Texts of a log are printed through `harmless`, so that no control character and no key of it reaches the terminal. The
colours are those of the terminal's own palette, and nothing is told by colour alone.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from rich.console import Console, RenderableType
from rich.text import Text

from posthog_llm_cli.preview.drawing import bar, chart, span
from posthog_llm_cli.preview.figures import (
    Bar,
    Distinct,
    ErrorFigures,
    FormatCoverage,
    ModelFigures,
    Node,
    NotableCall,
    Preview,
    PropertyCoverage,
    Timeline,
    TraceFigures,
    Unit,
)
from posthog_llm_cli.preview.forecast_text import forecast_lines
from posthog_llm_cli.preview.tables import NUMBER, TEXT, WHOLE, Column, cut, end_of, number, table
from posthog_llm_cli.report.text import (
    count,
    fold,
    harmless,
    human_bytes,
    human_count,
    human_latency,
    human_usd,
    share,
    words,
)

_WIDE = 110
_MOST_MODELS, _MOST_CALLS, _MOST_ERRORS, _MOST_TRACES, _MOST_NODES, _MOST_FORMATS = 12, 5, 8, 3, 12, 3
_MOST_ROWS = 16
_MOST_MESSAGE_LINES = 2
_UNDER = " " * 9
_CHART_HEIGHT = 6
_DATE = {Unit.HOUR: "%m-%d %H:00", Unit.DAY: "%Y-%m-%d %a", Unit.WEEK: "%Y-%m-%d", Unit.MONTH: "%Y-%m"}
_DASH = "–"


def render(preview: Preview, *, width: int, colour: bool) -> str:
    """Return the whole preview as text of at most `width` columns, with ANSI colours where `colour` is set."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    for part in _parts(preview, width):
        console.print(part)
    return out.getvalue()


def _parts(preview: Preview, width: int) -> Iterator[RenderableType]:
    yield from _overview(preview, width)
    if preview.counts.calls:
        yield from _titled(_timeline_title(preview.timeline), _timeline(preview.timeline, width))
        yield from _titled("Models, by cost", _models(preview.models, width))
        yield from _notable(preview, width)
        if preview.error_kinds:
            yield from _titled("Errors, by kind", _errors(preview.error_kinds, width))
        yield from _titled(_traces_title(preview), _traces(preview.examples, width))
        yield from _coverage(preview.coverage, width)
    if preview.forecast.destinations:
        first, *lines = forecast_lines(preview.forecast, width)
        yield from _titled(first[:1].upper() + first[1:].removesuffix(":"), [Text(harmless(line)) for line in lines])


def _titled(title: str, body: Iterable[RenderableType]) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, style="bold cyan")
    yield from body


# ---------------------------------------------------------------------------------------------------------- overview


def _overview(preview: Preview, width: int) -> Iterator[RenderableType]:
    calls, timeline = preview.counts.calls, preview.timeline
    if not calls:
        yield Text("no calls to show", style="bold")
        return
    errors = f"{count(preview.errors, 'error')} ({share(preview.errors, calls)})"
    when = f"{timeline.first_at:%Y-%m-%d %H:%M} to {timeline.last_at:%Y-%m-%d %H:%M} UTC"
    yield Text.assemble((count(calls, "call"), "bold"), f", {when}")
    figures = [
        errors + ",",
        f"{human_count(preview.input_tokens)} tokens in,",
        f"{human_count(preview.output_tokens)} out,",
        _cost(preview) + ",",
        f"p50 {human_latency(preview.latency.p50_s)},",
        f"p95 {human_latency(preview.latency.p95_s)}",
    ]
    yield from map(Text, fold(figures, width))
    people = [
        f"{_distinct(preview.users, 'user')},",
        f"{_distinct(preview.sessions, 'session')},",
        _distinct(preview.traces, "trace"),
    ]
    yield from map(Text, fold(people, width))
    if not preview.counts.is_whole:
        yield Text("not all of the sources was read", style="bold red")


def _cost(preview: Preview) -> str:
    if not preview.priced:
        return "no cost in the log"
    return f"{human_usd(preview.cost_usd)} logged"


def _distinct(distinct: Distinct, noun: str) -> str:
    about = "" if distinct.least == distinct.most else "about "
    return f"{about}{count(distinct.about, noun)}"


# ---------------------------------------------------------------------------------------------------------- timeline


def _timeline_title(timeline: Timeline) -> str:
    return f"Calls, by {timeline.unit} (UTC)"


def _timeline(timeline: Timeline, width: int) -> Iterator[RenderableType]:
    if len(timeline.bars) <= _MOST_ROWS:
        yield from _rows(timeline, width)
    else:
        yield from _chart(timeline, width)


def _rows(timeline: Timeline, width: int) -> Iterator[Text]:
    most = max(one.calls for one in timeline.bars)
    room = max(10, min(60, width - 55))
    rows = [
        (
            Text(one.starts_at.strftime(_DATE[timeline.unit])),
            Text(bar(one.calls, most, room), style="cyan"),
            Text(f"{one.calls:,}"),
            _errors_of(one),
            Text(human_usd(one.cost_usd) if one.cost_usd else ""),
        )
        for one in timeline.bars
    ]
    return table((WHOLE, WHOLE, NUMBER, NUMBER, NUMBER), rows, width)


def _errors_of(one: Bar) -> Text:
    return Text(count(one.errors, "error"), style="red") if one.errors else Text()


def _chart(timeline: Timeline, width: int) -> Iterator[RenderableType]:
    most = max(one.calls for one in timeline.bars)
    axis = len(f"{most:,}") + 1
    shown = timeline.bars[-(width - axis) :]
    column = max(1, min(4, (width - axis) // len(shown)))
    rows = chart([one.calls for one in shown], height=_CHART_HEIGHT, column=column)
    for place, row in enumerate(rows):
        label = f"{most:,}" if place == 0 else "0" if place == len(rows) - 1 else ""
        yield Text.assemble(f"{label:>{axis - 1}} ", (row, "cyan"))
    failed = "".join(("×" if one.errors else " ") + " " * (column - 1) for one in shown).rstrip()
    if failed:
        yield Text.assemble(" " * axis, (failed, "red"))
    first, last = (one.starts_at.strftime(_DATE[timeline.unit]) for one in (shown[0], shown[-1]))
    gap = max(1, column * len(shown) - len(first) - len(last))
    yield Text(" " * axis + first + " " * gap + last)
    busiest = max(shown, key=lambda one: one.calls)
    at = busiest.starts_at.strftime(_DATE[timeline.unit])
    marks = f"; × marks a {timeline.unit} with errors" if failed else ""
    left_out = f"; {len(timeline.bars) - len(shown):,} earlier ones left out" if len(shown) < len(timeline.bars) else ""
    yield Text(f"{' ' * axis}most on {at}: {count(busiest.calls, 'call')}{marks}{left_out}", style="dim")


# ------------------------------------------------------------------------------------------------------------ tables


def _models(models: Sequence[ModelFigures], width: int) -> Iterator[Text]:
    is_wide = width >= _WIDE
    titles = ["tokens in", "tokens out"] if is_wide else ["tokens"]
    titles = ["calls", *titles, "cost", "p50", "p95", "errors", *(["priced"] if is_wide else [])]
    columns = [Column("model", gives=True), *map(number, titles)]
    rows = [(_model_name(model), *_model_cells(model, is_wide=is_wide)) for model in models[:_MOST_MODELS]]
    yield from table(columns, rows, width)
    if len(models) > _MOST_MODELS:
        rest = models[_MOST_MODELS:]
        calls = count(sum(one.calls for one in rest), "call")
        yield Text(f"and {count(len(rest), 'other')} with {calls} (--json has all)", style="dim")


def _model_cells(model: ModelFigures, *, is_wide: bool) -> Iterator[Text]:
    yield Text(f"{model.calls:,}")
    if is_wide:
        yield Text(human_count(model.input_tokens))
        yield Text(human_count(model.output_tokens))
    else:
        yield Text(human_count(model.input_tokens + model.output_tokens))
    yield Text(human_usd(model.cost_usd) if model.priced else _DASH)
    yield Text(human_latency(model.latency.p50_s))
    yield Text(human_latency(model.latency.p95_s))
    yield Text(share(model.errors, model.calls), style="red") if model.errors else Text(_DASH)
    if is_wide:
        yield Text(share(model.priced, model.calls))


def _model_name(model: ModelFigures) -> Text:
    if model.is_rest:
        return Text("all other models", style="dim")
    name = _plain(model.model) if model.model is not None else Text("(no model)", style="dim")
    return name if model.provider is None else Text.assemble(name, (f" {harmless(model.provider)}", "dim"))


def _notable(preview: Preview, width: int) -> Iterator[RenderableType]:
    for title, calls in (
        ("Slowest calls", preview.slowest),
        ("Largest calls", preview.largest),
        ("Most expensive calls", preview.dearest),
    ):
        if calls:
            yield from _titled(title, _calls(calls[:_MOST_CALLS], width))


def _calls(calls: Sequence[NotableCall], width: int) -> Iterator[Text]:
    is_wide = width >= _WIDE
    rows = [
        (
            Text(human_latency(call.latency_s)),
            Text(human_bytes(call.size)),
            Text(human_count(call.tokens) if call.tokens is not None else _DASH),
            Text(human_usd(call.cost_usd) if call.cost_usd is not None else _DASH),
            _plain(call.model) if call.model is not None else Text(_DASH),
            *([Text(f"{call.timestamp:%Y-%m-%d %H:%M:%S}", style="dim")] if is_wide else []),
            _plain(str(call.ref)),
        )
        for call in calls
    ]
    columns = [
        *map(number, ("latency", "size", "tokens", "cost")),
        Column("model", gives=True),
        *([Column("time (UTC)")] if is_wide else []),
        Column("record", gives=True, keeps_end=True),
    ]
    return table(columns, rows, width)


def _errors(kinds: Sequence[ErrorFigures], width: int) -> Iterator[RenderableType]:
    for kind in kinds[:_MOST_ERRORS]:
        models = f" with {', '.join(harmless(model) for model in kind.models)}" if kind.models else ""
        yield cut(Text.assemble((f"{kind.calls:>6,} × ", "red"), (_kind_name(kind), "bold"), models), width)
        if kind.message is not None:
            message = fold(words(harmless(kind.message)), width, indent=_UNDER, hanging="")
            yield from (cut(Text(line), width) for line in islice(message, _MOST_MESSAGE_LINES))
        where = f"first {kind.first_at:%Y-%m-%d %H:%M} at "
        place = end_of(harmless(str(kind.example.ref)), width - len(_UNDER) - len(where))
        yield Text(f"{_UNDER}{where}{place}", style="dim")
    if len(kinds) > _MOST_ERRORS:
        yield Text(f"{_UNDER}and {count(len(kinds) - _MOST_ERRORS, 'more kind')} (--json has all)", style="dim")


def _kind_name(kind: ErrorFigures) -> str:
    if kind.is_rest:
        return "all other kinds"
    named = [harmless(kind.type)] if kind.type is not None else []
    status = [f"HTTP {kind.http_status}"] if kind.http_status is not None else []
    return " ".join(named + status) or "no type and no status"


# ------------------------------------------------------------------------------------------------------------ traces


def _traces_title(preview: Preview) -> str:
    shown, traces = min(_MOST_TRACES, len(preview.examples)), preview.traces
    return "Traces" if shown == traces.about else f"Traces, {shown} of {_distinct(traces, 'trace')}"


def _traces(traces: Sequence[TraceFigures], width: int) -> Iterator[RenderableType]:
    for trace in traces[:_MOST_TRACES]:
        title = trace.name if trace.name is not None else trace.trace_id
        facts = [human_latency(trace.duration_s), f"{human_count(trace.tokens)} tok"]
        if trace.cost_usd:
            facts.append(human_usd(trace.cost_usd))
        facts.append(f"{trace.started_at:%Y-%m-%d %H:%M:%S}")
        yield cut(Text.assemble((harmless(title), "bold"), "  ", (" · ".join(facts), "dim")), width)
        yield from _tree(trace, width)


def _tree(trace: TraceFigures, width: int) -> Iterator[Text]:
    room = max(10, min(40, width // 4))
    shown = trace.nodes[:_MOST_NODES]
    rows = [_branch(stem, node, trace.duration_s, room) for node, stem in zip(shown, _stems(shown), strict=True)]
    yield from table((TEXT, WHOLE, NUMBER, NUMBER), rows, width)
    left_out = trace.left_out + len(trace.nodes) - len(shown)
    if left_out:
        yield Text(f"   … {left_out:,} more", style="dim")


def _branch(stem: str, node: Node, whole_s: float, room: int) -> tuple[Text, Text, Text, Text]:
    call = node.call
    ends_s = node.starts_s + (call.latency_s if call.latency_s is not None else 0.0)
    return (
        Text.assemble((stem, "dim"), _node_name(node)),
        Text(span(node.starts_s, ends_s, whole_s, room), style="red" if call.is_error else "cyan"),
        Text("error", style="red") if call.is_error else Text(human_latency(call.latency_s)),
        Text(human_count(call.tokens) + " tok" if call.tokens is not None else ""),
    )


def _node_name(node: Node) -> Text:
    kind = node.event.removeprefix("$ai_")
    name = node.name if node.name is not None else node.call.model
    shown = kind if name is None else name if kind == "generation" else f"{kind} {name}"
    model = node.call.model
    aside = f" {harmless(model)}" if model is not None and name != model else ""
    return Text.assemble(harmless(shown), (aside, "dim"))


def _stems(nodes: Sequence[Node]) -> list[str]:
    """Return what stands before each node: lines from its parent, as `tree` draws them."""
    stems: list[str] = []
    open_depths: set[int] = set()  # at which depths a sibling follows below
    for node in reversed(nodes):
        lines = "".join("│  " if depth in open_depths else "   " for depth in range(node.depth))
        stems.append(lines + ("├─ " if node.depth in open_depths else "└─ "))
        open_depths = {depth for depth in open_depths if depth < node.depth} | {node.depth}
    return stems[::-1]


# ---------------------------------------------------------------------------------------------------------- coverage


def _coverage(coverage: Sequence[FormatCoverage], width: int) -> Iterator[RenderableType]:
    ranked = sorted(coverage, key=lambda one: -one.calls)
    for one in ranked[:_MOST_FORMATS]:
        yield from _titled(f"Known of {count(one.calls, f'{one.format} call')}", _known(one, width))
    if len(ranked) > _MOST_FORMATS:
        yield Text(f"  and {count(len(ranked) - _MOST_FORMATS, 'more format')} (--json has all)", style="dim")
    steps = _next_steps(ranked)
    if steps:
        yield from _titled("What would raise that", (Text(line) for line in _advice(steps, width)))


def _known(coverage: FormatCoverage, width: int) -> Iterator[Text]:
    known = [f"{row.title} {share(row.known, coverage.calls)}" for row in coverage.properties if row.known]
    unknown = [_unknown(row) for row in coverage.properties if not row.known]
    for pieces, style in ((known, ""), (unknown, "dim")):
        if pieces:
            listed = [*(f"{piece}," for piece in pieces[:-1]), pieces[-1]]
            yield from (Text(line, style=style) for line in fold(listed, width, indent="  ", hanging=""))


def _unknown(row: PropertyCoverage) -> str:
    return f"{row.title} 0 % (no field found: {', '.join(row.fields)})" if row.fields else f"{row.title} 0 %"


def _next_steps(coverage: Sequence[FormatCoverage]) -> dict[str, dict[str, list[str]]]:
    """Return each advice once, with the formats that it helps and what of them."""
    steps: dict[str, dict[str, list[str]]] = {}
    for one in coverage:
        for row in one.properties:
            if row.advice is not None:
                steps.setdefault(row.advice, {}).setdefault(one.format, []).append(row.title)
    return steps


def _advice(steps: dict[str, dict[str, list[str]]], width: int) -> Iterator[str]:
    for advice, helped in steps.items():
        for format_, titles in helped.items():
            yield from fold(words(f"{format_}: {', '.join(titles)}"), width, indent="  ")
        yield from fold(words(advice), width, indent="    ", hanging="")


# -------------------------------------------------------------------------------------------------------------- text


def _plain(text: str) -> Text:
    return Text(harmless(text))
