"""Events → the figures of a preview, in one pass and bounded memory.

Everything that a figure rests on is a sum, a sketch, or a choice that does not depend on the order of reading; only
beyond the bounds (500 models, 200 kinds of errors) does the order decide who falls into the rest.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from posthog_llm_cli.model import Event, Glance, Pricing
from posthog_llm_cli.preview.coverage import CoverageFold
from posthog_llm_cli.preview.figures import Counts, ModelFigures, Preview, Rate
from posthog_llm_cli.preview.forecasting import ForecastFold
from posthog_llm_cli.preview.keeping import ContentStore, NoContent
from posthog_llm_cli.preview.money import Money
from posthog_llm_cli.preview.notables import ErrorKinds, Top
from posthog_llm_cli.preview.sketches import DistinctTexts, Durations
from posthog_llm_cli.preview.timeline import TimelineFold
from posthog_llm_cli.preview.traces import TraceSample
from posthog_llm_cli.report.advice import Advice
from posthog_llm_cli.report.counts import RunReport

MOST_MODELS = 500
"""How many models have figures of their own; the others are one row together."""

MOST_NOTABLE = 10
MOST_EXAMPLES = 5

_ModelKey = tuple[str | None, str | None]


class _Model:
    __slots__ = ("calls", "cost", "durations", "errors", "estimated", "input_tokens", "output_tokens", "priced")

    def __init__(self) -> None:
        self.calls = 0
        self.errors = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost = Money()
        self.priced = 0
        self.estimated = 0
        self.durations = Durations()

    def add(self, glance: Glance) -> None:
        self.calls += 1
        self.errors += glance.is_error
        if glance.input_tokens is not None:
            self.input_tokens += glance.input_tokens
        if glance.output_tokens is not None:
            self.output_tokens += glance.output_tokens
        if glance.cost_usd is not None:
            self.cost.add(glance.cost_usd)
        if glance.pricing is Pricing.LOGGED:
            self.priced += 1
        elif glance.pricing is Pricing.ESTIMATED:
            self.estimated += 1
        if glance.latency_s is not None:
            self.durations.add(glance.latency_s)

    def figures(self, key: _ModelKey, *, is_rest: bool = False) -> ModelFigures:
        return ModelFigures(
            model=key[0],
            provider=key[1],
            calls=self.calls,
            errors=self.errors,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=self.cost.usd,
            priced=self.priced,
            estimated=self.estimated,
            latency=self.durations.latency,
            is_rest=is_rest,
        )


class PreviewFold:
    """Takes every event that is no duplicate, in any order; `content` gets the same ones, in theirs.

    `now` is when the run began; `takes` says whether a route takes an event of its size.
    """

    def __init__(self, *, now: datetime, takes: Callable[[Event], bool], content: ContentStore | None = None) -> None:
        self.forecast = ForecastFold(now=now, takes=takes)
        self._content: ContentStore = content if content is not None else NoContent()
        self._models: dict[_ModelKey, _Model] = {}
        self._rest: _Model | None = None
        self._all_durations = Durations()
        self._users, self._sessions, self._traces = DistinctTexts(), DistinctTexts(), DistinctTexts()
        self._slowest, self._largest, self._dearest = Top(MOST_NOTABLE), Top(MOST_NOTABLE), Top(MOST_NOTABLE)
        self._errors = ErrorKinds()
        self._sample = TraceSample()
        self._timeline = TimelineFold()
        self._coverage = CoverageFold()
        self._others = 0

    def see(self, event: Event, glance: Glance, *, is_open: bool) -> None:
        """Take one event; `is_open` is False where an earlier run has settled it."""
        self.forecast.see(event, glance, is_open=is_open)
        self._content.add(event, glance)
        self._sample.add(event, glance)
        if glance.trace_id is not None:
            self._traces.add(glance.trace_id)
        if not glance.is_call:
            self._others += 1
            return
        self._model((glance.model, glance.provider)).add(glance)
        self._timeline.add(event, glance)
        if glance.format is not None:
            self._coverage.add(glance.format, glance.known)
        if glance.session_id is not None:
            self._sessions.add(glance.session_id)
        if glance.has_user:
            self._users.add(event.distinct_id)
        self._largest.add(event.size, event, glance)
        if glance.latency_s is not None:
            self._all_durations.add(glance.latency_s)
            self._slowest.add(glance.latency_s, event, glance)
        if glance.cost_usd:
            self._dearest.add(glance.cost_usd, event, glance)
        if glance.is_error:
            self._errors.add(event, glance)

    def preview(self, report: RunReport, rate: Rate | None) -> Preview:
        """Return the figures of everything that was taken; `report` is that of the run, which is over."""
        models = tuple(sorted(self._model_figures(), key=_by_cost))
        return Preview(
            counts=self._counts(report, models),
            errors=sum(model.errors for model in models),
            input_tokens=sum(model.input_tokens for model in models),
            output_tokens=sum(model.output_tokens for model in models),
            cost_usd=self._cost().usd,
            priced=sum(model.priced for model in models),
            estimated=sum(model.estimated for model in models),
            latency=self._all_durations.latency,
            timeline=self._timeline.timeline(),
            models=models,
            users=self._users.distinct,
            sessions=self._sessions.distinct,
            traces=self._traces.distinct,
            slowest=self._slowest.calls(),
            largest=self._largest.calls(),
            dearest=self._dearest.calls(),
            error_kinds=self._errors.figures(),
            examples=self._sample.examples(MOST_EXAMPLES),
            coverage=tuple(self._coverage.coverage(_by_format(report.advice))),
            forecast=self.forecast.forecast(rate),
        )

    def _model(self, key: _ModelKey) -> _Model:
        model = self._models.get(key)
        if model is None and len(self._models) < MOST_MODELS:
            model = self._models[key] = _Model()
        if model is None:
            model = self._rest = self._rest if self._rest is not None else _Model()
        return model

    def _model_figures(self) -> Iterable[ModelFigures]:
        for key, model in self._models.items():
            yield model.figures(key)
        if self._rest is not None:
            yield self._rest.figures((None, None), is_rest=True)

    def _cost(self) -> Money:
        total = Money()
        for model in (*self._models.values(), *([] if self._rest is None else [self._rest])):
            total.add_money(model.cost)
        return total

    def _counts(self, report: RunReport, models: Iterable[ModelFigures]) -> Counts:
        return Counts(
            records=report.records,
            calls=sum(model.calls for model in models),
            others=self._others,
            duplicates=report.duplicates,
            filtered=report.filtered,
            skipped=report.skipped,
            rejected=report.rejected,
            bytes_read=report.bytes_read,
            formats={name: number for name, number in report.formats.items() if number},
            is_whole=not (report.limit_reached or report.interrupted_by is not None or report.source_errors),
        )


def _by_cost(model: ModelFigures) -> tuple[bool, float, int, int, str, str]:
    tokens = model.input_tokens + model.output_tokens
    names = (model.model or "", model.provider or "")
    return (model.is_rest, -model.cost_usd, -tokens, -model.calls, *names)


def _by_format(advice: Iterable[Advice]) -> dict[str, list[Advice]]:
    found: dict[str, list[Advice]] = {}
    for item in advice:
        if item.format is not None:
            found.setdefault(item.format, []).append(item)
    return found
