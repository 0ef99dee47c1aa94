"""The figures of a preview → the page's plots: what each is called, what it says in words, and its data. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from posthog_llm_cli.page.facts import error_name, plain
from posthog_llm_cli.page.naming import kind_name, model_filter, model_name
from posthog_llm_cli.preview.figures import ModelFigures, Preview, Unit
from posthog_llm_cli.report.text import human_count, human_latency, human_usd
from posthog_llm_cli.values import Value

_MOST_BARS = 10
_UNIT_FORMATS = {Unit.HOUR: "%d %b %H:00", Unit.DAY: "%d %b %Y", Unit.WEEK: "%d %b %Y", Unit.MONTH: "%b %Y"}


class Plot(Value, frozen=True):
    """One plot: `bars` are what it has, where its height depends on them; `alternative` is what it says in words."""

    hidden: ClassVar = frozenset({"alternative"})

    name: str
    title: str
    note: str
    alternative: str
    bars: int = 0
    is_broad: bool = False


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
        yield Plot(
            "spending",
            "Cost by model",
            "USD, as logged",
            _told(_spending(preview)["models"], "cost_usd", human_usd),
            bars,
        )
    elif preview.models:
        words = _told(_spending(preview)["models"], "input_tokens", human_count)
        yield Plot("spending", "Tokens by model", "the log has no costs", words, bars)
    slow = _latencies(preview)
    if slow:
        yield Plot("latency", "Latency by model", "", _told(slow, "p95_s", human_latency), len(slow))
    if preview.error_kinds:
        found = _kinds(preview)
        yield Plot("kinds", "Errors by kind", "", _told(found, "calls", human_count), len(found), is_broad=bool(slow))


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


def _spending(preview: Preview) -> dict[str, Any]:
    found = preview.models[:_MOST_BARS]
    names = _names(preview)
    return {
        "isCost": bool(preview.priced),
        "models": [
            {
                "name": names[model],
                "filter": model_filter(model),
                "cost_usd": model.cost_usd,
                "input_tokens": model.input_tokens,
                "output_tokens": model.output_tokens,
            }
            for model in found
        ],
    }


def _names(preview: Preview) -> dict[ModelFigures, str]:
    """Return what the bars are called: a model that several providers have is told apart by them."""
    often = Counter(model_name(model) for model in preview.models)
    return {
        model: f"{name} ({plain(model.provider or 'no provider')})" if often[name] > 1 else name
        for model in preview.models
        for name in (model_name(model),)
    }


def _latencies(preview: Preview) -> list[dict[str, Any]]:
    timed = (model for model in preview.models if model.latency.calls)
    found = sorted(timed, key=lambda model: -(model.latency.p95_s or 0))[:_MOST_BARS]
    names = _names(preview)
    return [
        {
            "name": names[model],
            "filter": model_filter(model),
            "p50_s": model.latency.p50_s,
            "p95_s": model.latency.p95_s,
        }
        for model in found
    ]


def _kinds(preview: Preview) -> list[dict[str, Any]]:
    return [
        {
            "name": kind_name(kind) + ("" if kind.http_status is None else f" ({kind.http_status})"),
            "filter": None if kind.is_rest else error_name(kind.type),
            "calls": kind.calls,
        }
        for kind in preview.error_kinds[:_MOST_BARS]
    ]


def _told(bars: Iterable[dict[str, Any]], value: str, form: Callable[[Any], str]) -> str:
    return "; ".join(f"{bar['name']}: {form(bar[value])}" for bar in bars)
