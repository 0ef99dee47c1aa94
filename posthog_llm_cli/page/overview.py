"""The figures of a preview → what the page's overview shows: cards, plots, tables, and where each leads. Pure.

Links are addresses within the page: `#/traces?…` asks the table a question, `#/trace/TRACE/UUID` opens a call.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any
from urllib.parse import quote, urlencode

from posthog_llm_cli.model import SourceRef
from posthog_llm_cli.page.facts import error_name, plain, short
from posthog_llm_cli.preview.figures import (
    Distinct,
    ErrorFigures,
    ModelFigures,
    NotableCall,
    Preview,
    PropertyCoverage,
    Timeline,
    Unit,
)
from posthog_llm_cli.preview.forecast_text import forecast_lines
from posthog_llm_cli.report.text import count, human_bytes, human_count, human_latency, human_usd, share

_MOST_BARS = 10
_MOST_MODELS = 40
_MOST_ERRORS = 20
_MOST_CALLS = 5
_DASH = "–"
_UNIT_FORMATS = {Unit.HOUR: "%d %b %H:00", Unit.DAY: "%d %b %Y", Unit.WEEK: "%d %b %Y", Unit.MONTH: "%b %Y"}


@dataclass(frozen=True, slots=True)
class Card:
    """One thing that stands out, and where it leads."""

    name: str
    title: str
    value: str = field(repr=False)
    what: str = field(repr=False)
    href: str
    go: str
    message: str = field(default="", repr=False)
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot: `bars` are what it has, where its height depends on them; `alternative` is what it says in words."""

    name: str
    title: str
    note: str
    alternative: str = field(repr=False)
    bars: int = 0
    is_broad: bool = False


def headline(preview: Preview, traces: int) -> str:
    """Return the overview's first line; `traces` are those of the table, which has each once for each destination."""
    return f"{count(preview.counts.calls, 'call')} in {count(traces, 'trace')}"


def span(timeline: Timeline) -> str:
    """Return from when to when the calls are."""
    if timeline.first_at is None or timeline.last_at is None:
        return "no calls"
    return f"{timeline.first_at:%d %b %Y %H:%M} – {timeline.last_at:%d %b %Y %H:%M} UTC"


def totals(preview: Preview) -> list[dict[str, str]]:
    """Return the sums over everything, each with what it rests on."""
    calls = preview.counts.calls
    priced = "" if preview.priced == calls else f"logged for {count(preview.priced, 'call')}"
    if preview.estimated:
        priced = f"{priced or 'as logged'}; PostHog estimates {preview.estimated:,}"
    latency = preview.latency
    failed = share(preview.errors, calls) if calls else _DASH
    return [
        {"name": "Calls", "value": f"{calls:,}", "note": _read(preview)},
        {"name": "Cost", "value": human_usd(preview.cost_usd) if preview.priced else _DASH, "note": priced},
        {
            "name": "Tokens",
            "value": human_count(preview.input_tokens + preview.output_tokens),
            "note": f"{human_count(preview.input_tokens)} in, {human_count(preview.output_tokens)} out",
        },
        {
            "name": "Median latency",
            "value": human_latency(latency.p50_s),
            "note": f"95 % within {human_latency(latency.p95_s)}" if latency.calls else "not in the log",
        },
        {"name": "Failed", "value": failed, "note": count(preview.errors, "call")},
        {"name": "Users", "value": _about(preview.users), "note": _without(preview.users, calls)},
        {"name": "Sessions", "value": _about(preview.sessions), "note": _without(preview.sessions, calls)},
    ]


def cards(preview: Preview) -> Iterator[Card]:
    """Yield what a reader looks for first: the dearest model, the slowest call, the dearest call, the usual error."""
    named = [model for model in preview.models if not model.is_rest and model.model is not None]
    if named:
        yield _model_card(preview, named[0])
    if preview.slowest:
        call = preview.slowest[0]
        yield Card(
            "slowest", "Slowest call", human_latency(call.latency_s), _what(call), call_link(call), "Open the call"
        )
    if preview.dearest:
        call = preview.dearest[0]
        cost = human_usd(call.cost_usd) if call.cost_usd is not None else _DASH
        yield Card("dearest", "Most expensive call", cost, _what(call), call_link(call), "Open the call")
    if preview.error_kinds:
        yield _error_card(preview, preview.error_kinds[0])


def models(preview: Preview) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table of models."""
    for model in preview.models[:_MOST_MODELS]:
        yield {
            "name": _model_name(model),
            "provider": plain(model.provider or ""),
            "href": None if _filter(model) is None else traces_link(model=_filter(model), sort="cost"),
            "calls": model.calls,
            "errors": model.errors,
            "share": share(model.errors, model.calls),
            "input_tokens": model.input_tokens,
            "output_tokens": model.output_tokens,
            "cost": human_usd(model.cost_usd) if model.priced else _DASH,
            "p50_s": model.latency.p50_s,
            "p95_s": model.latency.p95_s,
            "max_s": model.latency.max_s,
        }


def errors(preview: Preview) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table of errors."""
    for kind in preview.error_kinds[:_MOST_ERRORS]:
        yield {
            "name": _error_name(kind),
            "href": None if kind.is_rest else traces_link(error=error_name(kind.type)),
            "status": _DASH if kind.http_status is None else kind.http_status,
            "calls": kind.calls,
            "message": plain(kind.message or ""),
            "models": plain(", ".join(kind.models)),
            "example": None if kind.is_rest else call_link(kind.example),
            "source": source(kind.example.ref),
            "place": plain(str(kind.example.ref)),
        }


def lists(preview: Preview) -> Iterator[dict[str, Any]]:
    """Yield the tables of calls that stand out."""
    for name, title, found in (
        ("slowest", "Slowest calls", preview.slowest),
        ("dearest", "Most expensive calls", preview.dearest),
        ("largest", "Largest calls", preview.largest),
    ):
        if found:
            yield {"name": name, "title": title, "calls": [_line(call) for call in found[:_MOST_CALLS]]}


def forecast(preview: Preview) -> dict[str, Any]:
    """Return what a send will do, in the terminal's words: what goes where, and what there is to know of it."""
    title, *lines = forecast_lines(preview.forecast, None)
    destinations: list[dict[str, Any]] = []
    for line in lines:
        if line.startswith("    ") and destinations:
            destinations[-1]["remarks"].append(plain(line.strip()))
        else:
            destinations.append({"text": plain(line.strip()), "remarks": []})
    return {"title": title[:1].upper() + title[1:].removesuffix(":"), "destinations": destinations}


def coverage(preview: Preview) -> Iterator[dict[str, Any]]:
    """Yield what is known of the calls of each format, the most used first, and how more would be."""
    for one in sorted(preview.coverage, key=lambda found: -found.calls):
        rows = [
            {
                "title": row.title,
                "known": row.known,
                "calls": one.calls,
                "share": share(row.known, one.calls),
                "advice": _advice(row),
            }
            for row in one.properties
        ]
        yield {"name": one.format, "calls": count(one.calls, "call"), "rows": rows}


def _advice(row: PropertyCoverage) -> str:
    fields = "" if row.known or not row.fields else f"no field found: {', '.join(row.fields)}"
    return "; ".join(part for part in (fields, row.advice) if part)


def plots(preview: Preview) -> Iterator[Plot]:
    """Yield the plots that there is something to plot for."""
    unit = preview.timeline.unit.value
    if preview.timeline.bars:
        busiest = max(preview.timeline.bars, key=lambda bar: bar.calls)
        at = f"{busiest.starts_at:{_UNIT_FORMATS[preview.timeline.unit]}}"
        words = f"Calls per {unit}: at most {busiest.calls:,}, from {at} on"
        yield Plot("timeline", f"Calls per {unit}", "UTC", words, is_broad=True)
    bars = min(len(preview.models), _MOST_BARS)
    if preview.models and preview.priced:
        yield Plot("spending", "Cost by model", "USD, as logged", _told(_spending(preview)["models"], "cost_usd"), bars)
    elif preview.models:
        words = _told(_spending(preview)["models"], "input_tokens")
        yield Plot("spending", "Tokens by model", "the log has no costs", words, bars)
    slow = _latencies(preview)
    if slow:
        yield Plot("latency", "Latency by model", "", _told(slow, "p95_s"), len(slow))
    if preview.error_kinds:
        found = _kinds(preview)
        yield Plot("kinds", "Errors by kind", "", _told(found, "calls"), len(found), is_broad=bool(slow))


def charts(preview: Preview) -> dict[str, Any]:
    """Return the plots' data, as `charts.js` takes it."""
    bars = preview.timeline.bars
    form = _UNIT_FORMATS[preview.timeline.unit]
    return {
        "timeline": {
            "labels": [f"{bar.starts_at:{form}}" for bar in bars],
            "calls": [bar.calls for bar in bars],
            "errors": [bar.errors for bar in bars],
        },
        "spending": _spending(preview),
        "latency": _latencies(preview),
        "kinds": _kinds(preview),
    }


def notes(preview: Preview) -> Iterator[str]:
    """Yield what a reader must know of the whole: what is not in it, and what PostHog will not keep."""
    counts = preview.counts
    if not counts.is_whole:
        yield "Only a part of the sources was read: --limit, or the reading was interrupted."
    if counts.rejected:
        yield f"{count(counts.rejected, 'record')} cannot become events and are not in here; plh validate shows each."
    expired = sum(destination.expired_content for destination in preview.forecast.destinations)
    if expired:
        verb = "is" if expired == 1 else "are"
        yield (
            f"{count(expired, 'call')} {verb} over 30 days old: PostHog will keep model, tokens, cost and latency, "
            "and no prompt and answer. This page still has them."
        )


def price_note(preview: Preview) -> str:
    """Return what the costs in the table leave out, empty if nothing."""
    if not preview.estimated:
        return ""
    return f"Costs are as logged. PostHog estimates those of {count(preview.estimated, 'call')}, if it knows the model."


# --------------------------------------------------------------------------------------------------------------- links


def traces_link(*, model: str | None = None, error: str | None = None, sort: str | None = None) -> str:
    """Return the address of a question to the table of traces."""
    asked = {"model": model, "error": error, "sort": sort}
    return "#/traces?" + urlencode({name: value for name, value in asked.items() if value is not None}, quote_via=quote)


def call_link(call: NotableCall) -> str:
    """Return the address of a call in its trace."""
    return f"#/trace/{quote(plain(call.trace_id or call.uuid), safe='')}/{quote(call.uuid, safe='')}"


# --------------------------------------------------------------------------------------------------------------- words


def _model_card(preview: Preview, model: ModelFigures) -> Card:
    name = _model_name(model)
    if model.cost_usd > 0:
        part = f", {share_of_cost(model.cost_usd, preview.cost_usd)} of the cost" if len(preview.models) > 1 else ""
        what = f"{human_usd(model.cost_usd)} for {count(model.calls, 'call')}{part}"
        return Card(
            "model", "Most expensive model", name, what, traces_link(model=_filter(model), sort="cost"), "Its traces"
        )
    tokens = model.input_tokens + model.output_tokens
    what = f"{human_count(tokens)} tokens in {count(model.calls, 'call')}; the log has no costs"
    return Card("model", "Most used model", name, what, traces_link(model=_filter(model), sort="tokens"), "Its traces")


def share_of_cost(part: float, whole: float) -> str:
    """Return a percentage of a sum of USD."""
    return share(round(part * 1e9), round(whole * 1e9)) if whole > 0 else _DASH


def _error_card(preview: Preview, kind: ErrorFigures) -> Card:
    others = len(preview.error_kinds) - 1
    also = f"; {count(others, 'other kind')}" if others else ""
    status = "" if kind.http_status is None else f", HTTP {kind.http_status}"
    what = f"{count(kind.calls, 'call')}{status}, on {_listed(kind.models)}{also}"
    message = plain(kind.message or "")
    href = traces_link(error=error_name(kind.type)) if kind.is_rest else call_link(kind.example)
    return Card("error", "Most frequent error", _error_name(kind), what, href, "See it happen", message, is_bad=True)


def _listed(models: Sequence[str]) -> str:
    if not models:
        return "no named model"
    rest = len(models) - 2
    return plain(", ".join(models[:2])) + (f" and {rest} more" if rest > 0 else "")


def _what(call: NotableCall) -> str:
    parts = [short(call.model) or "no model", f"{call.timestamp:%d %b %Y %H:%M:%S} UTC", source(call.ref)]
    return " · ".join(parts)


def _line(call: NotableCall) -> dict[str, Any]:
    return {
        "href": call_link(call),
        "source": source(call.ref),
        "place": plain(str(call.ref)),
        "model": short(call.model) or _DASH,
        "latency_s": call.latency_s,
        "tokens": call.tokens,
        "cost_usd": call.cost_usd,
        "size": human_bytes(call.size),
        "time": f"{call.timestamp:%Y-%m-%d %H:%M:%S}",
        "is_error": call.is_error,
    }


def source(ref: SourceRef) -> str:
    """Return where a record is, in short: its file's name and its line."""
    return plain(f"{PurePath(ref.uri).name or ref.uri}:{ref.line}")


def _model_name(model: ModelFigures) -> str:
    return "(all other models)" if model.is_rest else short(model.model) or "(no model)"


def _filter(model: ModelFigures) -> str | None:
    return None if model.is_rest else short(model.model)


def _error_name(kind: ErrorFigures) -> str:
    return "(all other kinds)" if kind.is_rest else error_name(kind.type)


def _read(preview: Preview) -> str:
    counts = preview.counts
    left = [(counts.duplicates, "duplicates"), (counts.skipped, "skipped"), (counts.filtered, "filtered")]
    told = ", ".join(f"{number:,} {word}" for number, word in left if number)
    return f"of {count(counts.records, 'record')}" + (f" ({told})" if told else "")


def _about(distinct: Distinct) -> str:
    return f"{'' if distinct.least == distinct.most else '≈ '}{distinct.about:,}"


def _without(distinct: Distinct, calls: int) -> str:
    lacking = calls - distinct.calls
    return f"{count(lacking, 'call')} without one" if lacking else ""


# --------------------------------------------------------------------------------------------------------------- plots


def _spending(preview: Preview) -> dict[str, Any]:
    found = preview.models[:_MOST_BARS]
    names = _names(preview)
    return {
        "isCost": bool(preview.priced),
        "models": [
            {
                "name": names[model],
                "filter": _filter(model),
                "cost_usd": model.cost_usd,
                "input_tokens": model.input_tokens,
                "output_tokens": model.output_tokens,
            }
            for model in found
        ],
    }


def _names(preview: Preview) -> dict[ModelFigures, str]:
    """Return what the bars are called: a model that several providers have is told apart by them."""
    often = Counter(_model_name(model) for model in preview.models)
    return {
        model: f"{name} ({plain(model.provider or 'no provider')})" if often[name] > 1 else name
        for model in preview.models
        for name in (_model_name(model),)
    }


def _latencies(preview: Preview) -> list[dict[str, Any]]:
    timed = (model for model in preview.models if model.latency.calls)
    found = sorted(timed, key=lambda model: -(model.latency.p95_s or 0))[:_MOST_BARS]
    names = _names(preview)
    return [
        {
            "name": names[model],
            "filter": _filter(model),
            "p50_s": model.latency.p50_s,
            "p95_s": model.latency.p95_s,
        }
        for model in found
    ]


def _kinds(preview: Preview) -> list[dict[str, Any]]:
    return [
        {
            "name": _error_name(kind) + ("" if kind.http_status is None else f" ({kind.http_status})"),
            "filter": None if kind.is_rest else error_name(kind.type),
            "calls": kind.calls,
        }
        for kind in preview.error_kinds[:_MOST_BARS]
    ]


def _told(bars: Iterable[dict[str, Any]], value: str) -> str:
    return "; ".join(f"{bar['name']}: {bar[value]}" for bar in bars)
