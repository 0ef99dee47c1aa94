"""The figures of a preview: frozen values that the terminal, `--json` and the page print. No behaviour but sums.

Times are aware UTC, durations seconds, costs USD as logged (what PostHog has to price itself is not in them), sizes
bytes before compression. Tokens are sums of what is known. Percentiles and distinct counts come from sketches: exact
for small logs, else within the error that `preview.sketches` states. Calls are generations and embeddings.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from posthog_llm_cli.model import SourceRef
from posthog_llm_cli.values import Value


class Unit(StrEnum):
    """How long one bar of the timeline is; all begin at midnight UTC, weeks on a Monday, months on their first."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Bar(Value, frozen=True):
    """The calls of one unit of time; bars without calls stand between the first and the last."""

    starts_at: datetime
    calls: int
    errors: int
    tokens: int
    cost_usd: float


class Timeline(Value, frozen=True):
    """The calls over time: `first_at` and `last_at` are event timestamps, None where there are no calls."""

    first_at: datetime | None
    last_at: datetime | None
    unit: Unit
    bars: tuple[Bar, ...]


class Latency(Value, frozen=True):
    """How long calls took, of the `calls` whose log says so; the quantiles are None where there are none."""

    calls: int
    p50_s: float | None
    p95_s: float | None
    max_s: float | None


class ModelFigures(Value, frozen=True):
    """The calls of one model, by the names in the events; `model` is None for what has none, `is_rest` for the others.

    `priced` calls carry a cost, `estimated` ones are priced by PostHog, the rest has no tokens to price.
    """

    model: str | None
    provider: str | None
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    priced: int
    estimated: int
    latency: Latency
    is_rest: bool = False


class Distinct(Value, frozen=True):
    """How many different values there are: `most` and `least` bound it with 95 % confidence, and are equal if exact."""

    about: int
    least: int
    most: int
    calls: int
    """The calls that carry one."""


class NotableCall(Value, frozen=True):
    """One call that stands out, and where its record is."""

    ref: SourceRef
    uuid: str
    timestamp: datetime
    trace_id: str | None
    model: str | None
    latency_s: float | None
    tokens: int | None
    cost_usd: float | None
    size: int
    is_error: bool


class ErrorFigures(Value, frozen=True):
    """The failed calls of one kind: error type and HTTP status.

    `message` is that of the first call in time (`example`), its beginning only; None in privacy mode.
    """

    hidden: ClassVar = frozenset({"message"})

    type: str | None
    http_status: int | None
    calls: int
    models: tuple[str, ...]
    first_at: datetime
    last_at: datetime
    example: NotableCall
    message: str | None
    is_rest: bool = False


class Node(Value, frozen=True):
    """One event in a trace, at its `depth` below the trace (0: right below it)."""

    hidden: ClassVar = frozenset({"name"})

    depth: int
    event: str
    name: str | None
    starts_s: float
    """Seconds after the trace's begin."""
    call: NotableCall


class TraceFigures(Value, frozen=True):
    """A trace as PostHog's trace view will draw it: `nodes` in the order of the drawing, `left_out` more of them."""

    hidden: ClassVar = frozenset({"name"})

    trace_id: str
    name: str | None
    started_at: datetime
    duration_s: float
    calls: int
    errors: int
    tokens: int
    cost_usd: float
    nodes: tuple[Node, ...]
    left_out: int


class PropertyCoverage(Value, frozen=True):
    """In how many calls of a format a property is known.

    `fields` are the record's fields that would have told it, named where none does; `advice` is the next step that
    raises the share, None where there is none to give.
    """

    property: str
    title: str
    known: int
    fields: tuple[str, ...] = ()
    advice: str | None = None


class FormatCoverage(Value, frozen=True):
    """The coverage of one format, in the order of its first call."""

    format: str
    calls: int
    properties: tuple[PropertyCoverage, ...]


class RateSource(StrEnum):
    """What the estimated time rests on."""

    LEDGER = "ledger"
    """What earlier runs have sent, by the ledger."""
    CONVERSION = "conversion"
    """This run's reading and conversion: the network is not in it."""
    LIMIT = "rate-limit"
    """`--rate-limit`, which is below either."""


class Rate(Value, frozen=True):
    """Events per second, and where the figure comes from."""

    events_per_s: float
    source: RateSource


class DestinationForecast(Value, frozen=True):
    """What would be sent to one destination: `bytes` are of events before compression."""

    host: str
    masked_key: str
    events: int
    bytes: int
    already_sent: int
    expired: int
    """Over 30 days old: PostHog keeps no prompt and answer."""
    expired_content: int
    """Those of them that carry any."""
    historical: int
    """At least 48 h old."""
    estimated: int
    """Without a cost: PostHog estimates by its own prices."""
    no_tokens: int
    """Without a cost, and without tokens to estimate it by."""
    no_user: int
    """The trace id stands for the user."""
    shortened_ids: int
    """A distinct id over 200 bytes, sent as its beginning and a hash."""
    reserved_ids: int
    """A distinct id that PostHog gives no person, such as `anonymous`."""
    over_ceiling: int
    """Larger than the AI routes take (8 MiB): to be rejected."""


class UnpricedModel(Value, frozen=True):
    """A model of which so many calls to send carry no cost."""

    model: str
    events: int


class Forecast(Value, frozen=True):
    """What a `send` of the same sources would do. `sample_bytes` is set where only so much of them was looked at."""

    destinations: tuple[DestinationForecast, ...]
    models_without_cost: tuple[UnpricedModel, ...]
    """Models of successful calls without a cost, the most first."""
    already_read: int
    """Records that an earlier run has settled and that are not read again: they are in no other figure."""
    rate: Rate | None
    time_s: float | None
    sample_bytes: int | None = None

    @property
    def events(self) -> int:
        """How many events there are to send."""
        return sum(destination.events for destination in self.destinations)


class Counts(Value, frozen=True):
    """What was read, and what became of it; the law of the report holds: `calls` + `others` = its accepted + sent."""

    records: int
    calls: int
    others: int
    """Events that are no calls: spans, traces, metrics of `posthog-event`."""
    duplicates: int
    filtered: int
    skipped: int
    rejected: int
    bytes_read: int
    formats: Mapping[str, int]
    is_whole: bool
    """False where --limit or an interruption ended the reading."""


class Preview(Value, frozen=True):
    """All figures of one preview."""

    counts: Counts
    errors: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    priced: int
    estimated: int
    latency: Latency
    timeline: Timeline
    models: tuple[ModelFigures, ...]
    """By cost, then by tokens, then by calls; the most first."""
    users: Distinct
    sessions: Distinct
    traces: Distinct
    slowest: tuple[NotableCall, ...]
    largest: tuple[NotableCall, ...]
    dearest: tuple[NotableCall, ...]
    error_kinds: tuple[ErrorFigures, ...]
    """By calls, the most first."""
    examples: tuple[TraceFigures, ...]
    """A few of the traces, those with the most calls of a sample that does not depend on the order of reading."""
    coverage: tuple[FormatCoverage, ...]
    forecast: Forecast
