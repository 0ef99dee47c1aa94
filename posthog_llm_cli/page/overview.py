"""The figures of a preview → what the page's overview shows: cards, tables, and where each leads. Pure.

Links are addresses within the page: `#/traces?…` asks the table a question, `#/trace/TRACE/UUID` opens a call.
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from posthog_llm_cli.page.facts import error_name, plain, short
from posthog_llm_cli.page.naming import kind_name, model_filter, model_name, source
from posthog_llm_cli.preview.figures import (
    Distinct,
    ErrorFigures,
    ModelFigures,
    NotableCall,
    Preview,
    PropertyCoverage,
    Timeline,
)
from posthog_llm_cli.preview.forecast_text import forecast_lines
from posthog_llm_cli.report.text import count, human_bytes, human_count, human_latency, human_usd, share
from posthog_llm_cli.values import Value

_MOST_MODELS = 40
_MOST_ERRORS = 20
_MOST_CALLS = 5
_DASH = "–"


class Card(Value, frozen=True):
    """One thing that stands out, and where it leads."""

    hidden: ClassVar = frozenset({"value", "what", "message"})

    name: str
    title: str
    value: str
    what: str
    href: str
    go: str
    message: str = ""
    is_bad: bool = False


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
            "name": model_name(model),
            "provider": plain(model.provider or ""),
            "href": None if model_filter(model) is None else traces_link(model=model_filter(model), sort="cost"),
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
            "name": kind_name(kind),
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
    name, calls = model_name(model), count(model.calls, "call")
    if model.cost_usd > 0:
        part = f", {share_of_cost(model.cost_usd, preview.cost_usd)} of the cost" if len(preview.models) > 1 else ""
        title, what, sort = "Most expensive model", f"{human_usd(model.cost_usd)} for {calls}{part}", "cost"
    else:
        tokens = human_count(model.input_tokens + model.output_tokens)
        title, what, sort = "Most used model", f"{tokens} tokens in {calls}; the log has no costs", "tokens"
    return Card("model", title, name, what, traces_link(model=model_filter(model), sort=sort), "Its traces")


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
    return Card("error", "Most frequent error", kind_name(kind), what, href, "See it happen", message, is_bad=True)


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
