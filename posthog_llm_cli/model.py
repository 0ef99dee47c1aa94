"""The values that travel between the stages: frozen, without behaviour, importable from every floor.

Times are aware UTC, durations float seconds, sizes bytes before compression. None means that the log did not say; zero
means zero. Whatever may hold a prompt, an answer or a key stays out of `repr`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, ClassVar

from posthog_llm_cli.errors import DeliveryError, RecordError
from posthog_llm_cli.values import Value, field

Json = Any
"""A parsed JSON value: dict, list, str, int, float, bool or None."""

_NOTHING: Mapping[str, Json] = MappingProxyType({})

# ---------------------------------------------------------------------------------------------------------- reading


class SourceRef(Value, frozen=True, gc=False):
    """Where a record stands: `line` counts from 1, `offset` is in bytes of the decompressed stream."""

    uri: str
    line: int
    offset: int

    def __str__(self) -> str:
        return f"{self.uri}:{self.line}"


class LogLine(Value, frozen=True):
    """The bytes that framing found for one record (or several, glued), and their place.

    `problem` is set where the bytes cannot be a record: too long (`raw` is then empty), or a damaged row of a table.
    `console` is set where the source is a console log, whose text lines are noise and not damage. `skipped` is set
    where the line is a part of a call that another line stands for, with its `format`, or what a console log prints of
    one. `warnings` are codes of what framing had to undo and joining found; each record of the line carries them.
    `beginning` is the first part (as JSON) of a stream that was brought together from several lines or may have been
    one of several, else empty.
    """

    hidden: ClassVar = frozenset({"raw", "beginning"})

    ref: SourceRef
    raw: bytes
    problem: RecordError | None = None
    console: bool = False
    skipped: "Skipped | None" = None
    format: str | None = None
    warnings: tuple[str, ...] = ()
    beginning: bytes = b""


class Idle(Value, frozen=True):
    """A tick: a live source (a pipe) has had nothing for a while, so that the pipeline may flush what it holds."""


class Mark(Enum):
    """What a source says between its records."""

    SOURCE_END = "source end"
    """The source ended, by itself."""
    STREAM_END = "stream end"
    """`[DONE]` in server-sent events: the stream before it is complete."""
    RANK_END = "rank end"
    """All sources that are read before the others were read: what completes other records is known."""


# ------------------------------------------------------------------------------------------------------------- calls


class Operation(StrEnum):
    """What a call asked of the model; the value is PostHog's event name."""

    GENERATION = "$ai_generation"
    EMBEDDING = "$ai_embedding"


VALUE_PART = "plh_value"
"""The type of an output part that is a JSON value (`{"type", "value"}`); the builder makes it text, media redacted."""


class Usage(Value, frozen=True):
    """Token counts by kind, as logged; `raw` is the provider's usage object without nulls.

    Cached, cache-creation and reasoning counts are parts of `input` and `output` (inclusive accounting) unless
    `cache_exclusive` is true. `kinds` are parts that are priced apart, by name (`audio_output`, …).
    """

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cache_read: int | None = None
    cache_creation: int | None = None
    reasoning: int | None = None
    cache_exclusive: bool = False
    web_searches: int | None = None
    raw: Mapping[str, Json] | None = None
    kinds: Mapping[str, int] | None = None


class Cost(Value, frozen=True):
    """USD as logged, never computed here. `input` and `output` are set only if they add up to `total`."""

    total: float
    input: float | None = None
    output: float | None = None


class CallError(Value, frozen=True):
    """Why a call failed: the exception's class or the provider's code, and the message as text."""

    hidden: ClassVar = frozenset({"message"})

    type: str | None
    message: str


class Credentials(Value, frozen=True):
    """What a record itself says about where it goes; each part may be absent."""

    hidden: ClassVar = frozenset({"api_key"})

    api_key: str | None = None
    host: str | None = None


class LLMCall(Value, frozen=True):
    """One request to a model and its result, in no vendor's shape.

    `identity` is the string that the event's uuid is derived from. `timestamp` is when the call ended, or the nearest
    the log says. `input` and `output` are in PostHog's canonical message form (lists of `{"role", "content"}`), but for
    embeddings, whose input is the raw text or list. `metadata` holds the caller's own keys, already filtered;
    `properties` what the reader adds (`litellm_call_type`, …).
    """

    hidden: ClassVar = frozenset({"input", "output", "tools", "parameters", "user", "metadata", "properties"})

    operation: Operation
    identity: str
    timestamp: datetime
    model: str
    trace_id: str
    span_id: str | None = None
    parent_id: str | None = None
    session_id: str | None = None
    span_name: str | None = None
    trace_name: str | None = None
    prompt_name: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    latency_s: float | None = None
    ttft_s: float | None = None
    provider: str | None = None
    base_url: str | None = None
    request_url: str | None = None
    input: Json = None
    output: list[Json] | None = None
    tools: list[Json] | None = None
    parameters: Mapping[str, Json] = field(default_factory=lambda: _NOTHING)
    service_tier: str | None = None
    stream: bool | None = None
    usage: Usage = Usage()
    cost: Cost | None = None
    is_error: bool = False
    error: CallError | None = None
    http_status: int | None = None
    stop_reason: str | None = None
    user: str | None = None
    posthog_session_id: str | None = None
    groups: Mapping[str, Json] | None = None
    metadata: Mapping[str, Json] = field(default_factory=lambda: _NOTHING)
    properties: Mapping[str, Json] = field(default_factory=lambda: _NOTHING)
    credentials: Credentials = Credentials()
    warnings: tuple[str, ...] = ()


class PassThrough(Value, frozen=True):
    """A PostHog event that was a record already (`posthog-event`); `properties` go along as they are."""

    hidden: ClassVar = frozenset({"distinct_id", "properties"})

    name: str
    distinct_id: str
    uuid: str
    timestamp: datetime
    properties: Mapping[str, Json]
    warnings: tuple[str, ...] = ()


class Skipped(Value, frozen=True):
    """A record that is understood and is no call to send; `code` is one of `codes.SKIPS`."""

    code: str
    message: str


class ParseContext(Value, frozen=True):
    """What parsing may know besides the record: it asks no clock and no environment.

    `run_started_at` bounds plausible times. `default_time` is for records without a time. `timezone` is of times that
    name none. `metadata_only` lets records without any text through.
    """

    run_started_at: datetime
    timezone: tzinfo
    default_time: datetime | None = None
    metadata_only: bool = False


# ------------------------------------------------------------------------------------------------------------ events


class Destination(Value, frozen=True, cache_hash=True, gc=False):
    """One project on one host. The key is empty where none is needed (mock, dry run, validate)."""

    hidden: ClassVar = frozenset({"api_key"})

    host: str
    api_key: str

    @property
    def masked_key(self) -> str:
        """The key as it may be printed: `phc_…wxyz`, never whole."""
        return mask_key(self.api_key)


def mask_key(key: str) -> str:
    """Return a key as it may be printed: its kind and its last characters, at most four and never half of it."""
    if not key:
        return "(no key)"
    kind = key[:4] if key[:4] in {"phc_", "phx_"} else ""
    rest = key[len(kind) :]
    shown = min(4, len(rest) // 2)
    return f"{kind}…{rest[len(rest) - shown :]}"


class Endpoint(StrEnum):
    """PostHog's capture routes, and the rule that picks one."""

    AUTO = "auto"
    V1 = "v1"
    AI_BATCH = "ai-batch"
    BATCH = "batch"

    @property
    def is_legacy(self) -> bool:
        """Whether its 200 says only that PostHog's edge took the request: over quota is answered 200 as well."""
        return self in (Endpoint.AI_BATCH, Endpoint.BATCH)


class Media(StrEnum):
    """What happens to base64 images, audio and files."""

    REDACT = "redact"
    KEEP = "keep"


class Historical(StrEnum):
    """When chunks carry PostHog's historical_migration flag."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class Event(Value, frozen=True):
    """One PostHog event, encoded once.

    `properties` is the JSON object of all properties that are the same on every route. The routes differ in where they
    want a few others: `legacy_properties` are the members (no braces) that `batch` and `ai-batch` carry inside
    `properties`; `v1_members` the members that v1 carries beside it (`"options":{…}`). Both are never empty. `raw` is
    the record as it was read, for the dead letter if the server refuses the event. `model` is for the report alone:
    the model of the call, empty where the event names none.
    """

    hidden: ClassVar = frozenset({"distinct_id", "properties", "legacy_properties", "v1_members", "raw"})

    uuid: str
    name: str
    distinct_id: str
    timestamp: datetime
    destination: Destination
    properties: bytes
    legacy_properties: bytes
    v1_members: bytes
    ref: SourceRef
    raw: bytes = b""
    model: str = ""

    @property
    def size(self) -> int:
        """The event's bytes in an envelope, at most, on any route (names and punctuation included)."""
        return (
            len(self.properties)
            + len(self.legacy_properties)
            + len(self.v1_members)
            + 2 * len(self.distinct_id.encode("utf-8", "surrogatepass"))
            + len(self.name)
            + 200
        )


class Chunk(Value, frozen=True):
    """Encoded events for one destination that travel in one request; `size` in bytes before compression."""

    destination: Destination
    historical: bool
    events: tuple[Event, ...]
    size: int


class Verdict(Enum):
    """What became of one event: accepted, rejected for good, or without a final word."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNCONFIRMED = "unconfirmed"


class Settlement(IntEnum):
    """How an event was settled; the value stands in the ledger.

    `EDGE` is accepted on a legacy route: PostHog's edge took the request, which is not yet that it stored the event.
    The truncated ones are accepted, too: calls whose stream had no end by then, which goes out once it is met.
    """

    ACCEPTED = 1
    EDGE = 2
    REJECTED = 3
    TRUNCATED = 4
    EDGE_TRUNCATED = 5

    @property
    def is_truncated(self) -> bool:
        """Whether a part of the call was sent, and not the whole."""
        return self in (Settlement.TRUNCATED, Settlement.EDGE_TRUNCATED)


class Settled(Value, frozen=True):
    """What one delivery has settled: uuids (any spelling) and how; `notes` are kept of truncated calls, by uuid."""

    destination: Destination
    outcomes: Sequence[tuple[str, Settlement]]
    notes: Mapping[str, int] = field(default_factory=dict)


class Outcome(Value, frozen=True):
    """The verdict on one event. A rejected one has a `code` and a message; `warning` is the server's remark."""

    verdict: Verdict
    code: str | None = None
    message: str = ""
    warning: str | None = None


class Delivery(Value, frozen=True):
    """The result of sending a chunk: one outcome for each event, in the chunk's order.

    `requests` counts every POST, `retries` those of them that repeat one. `endpoint` is the route that was used, None
    if none answered. `error` is why events are unconfirmed: its class says what the run's exit code becomes.
    `concurrency` is how many requests the host may have in flight by then, `peak_concurrency` the most it had at once;
    0 where nothing is sent over a network.
    """

    chunk: Chunk
    outcomes: tuple[Outcome, ...]
    requests: int = 0
    retries: int = 0
    endpoint: Endpoint | None = None
    error: DeliveryError | None = None
    concurrency: int = 0
    peak_concurrency: int = 0


class HostLoad(Value, frozen=True):
    """What one host does at this moment: requests under way, how many it may have of the most that are asked for.

    `failed_in_row` counts the requests that failed since its last good answer. It is asleep where it is spared requests
    because of them.
    """

    host: str
    in_flight: int
    limit: int
    ceiling: int
    failed_in_row: int = 0
    is_asleep: bool = False


# -------------------------------------------------------------------------------------------------------- conversion


class BuildOptions(Value, frozen=True):
    """What the builder takes from the configuration.

    `destination` is where records go that name none; None where only keys in records count. `allowed_hosts` are the
    normalised hosts that a record may name.
    """

    destination: Destination | None
    default_host: str
    run_started_at: datetime
    allowed_hosts: frozenset[str] = frozenset()
    distinct_id: str | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)
    privacy_mode: bool = False
    media: Media = Media.REDACT
    import_id: str | None = None
    endpoint: Endpoint = Endpoint.AUTO


class ConvertOptions(Value, frozen=True):
    """Everything that turns a line into events: sent to worker processes once, so it must pickle.

    `since` (inclusive) and `until` (exclusive) filter on the event's timestamp; `shard` is (I, N) with 1 ≤ I ≤ N.
    `coverage` asks for the facts of each call (validate), `glance` for what a preview needs of each event.
    """

    parse: ParseContext
    build: BuildOptions
    format: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    shard: tuple[int, int] | None = None
    coverage: bool = False
    glance: bool = False


class Filtered(Value, frozen=True):
    """A call outside `--since`/`--until`, or of another shard."""


class Fact(StrEnum):
    """What is true of a call: what it carries, and what it may be asked for. The value stands in the report.

    `validate` counts them for each format; the advice on what a log lacks compares two counts, so a fact may be about a
    part of the calls only (`streams with tokens` is about `streams`).
    """

    CALLS = "calls"
    PROVIDER = "provider"
    INPUT = "input"
    OUTPUT = "output"
    TOKENS = "tokens"
    COST = "cost"
    LATENCY = "latency"
    TTFT = "time to first token"
    USER = "user"
    SESSION = "session"
    OWN_TRACE = "own trace"
    TOOLS = "tools"
    METADATA = "custom metadata"
    TAGS = "tags"
    KEY_ALIAS = "key alias"
    ERROR = "error"
    REDACTED = "redacted"
    TRUNCATED = "truncated"
    UNREDACTED = "unredacted"
    UNREDACTED_INPUT = "unredacted with input"
    ANSWERABLE = "answerable"
    """A success of a generation with its prompt, unredacted: the answer should be there too."""
    ANSWERED = "answered"
    STREAMS = "streams"
    STREAM_TOKENS = "streams with tokens"
    STREAM_TTFT = "streams with time to first token"
    PRICEABLE = "priceable"
    """A success with token counts: a cost could be there too."""
    PRICED = "priced"
    DIRECT = "direct"
    """A LiteLLM call that went neither through a proxy nor a router."""
    DIRECT_METADATA = "direct with custom metadata"


class Pricing(StrEnum):
    """Where the cost that PostHog shows for an event comes from."""

    LOGGED = "logged"
    """The event carries it, or the prices to compute it with."""
    ESTIMATED = "estimated"
    """PostHog looks the model up in its own list, at today's prices."""
    NONE = "none"
    """There are no tokens to price."""


class Glance(Value, frozen=True):
    """What figures are made of, as PostHog will read it from the event's own properties; None is "not said".

    Durations are in seconds, `cost_usd` is the cost as logged. `known` has a bit for each row of `glance.PROPERTIES`
    that the event fills. `is_call` is set for generations and embeddings, not for spans, traces and metrics that were
    events already. `has_content` is set where PostHog drops a prompt, an answer or tools after 30 days.
    """

    hidden: ClassVar = frozenset({"span_name", "trace_name", "error_message"})

    format: str | None
    is_call: bool
    trace_id: str | None
    span_id: str | None
    parent_id: str | None
    session_id: str | None
    span_name: str | None
    trace_name: str | None
    model: str | None
    provider: str | None
    latency_s: float | None
    ttft_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    pricing: Pricing
    is_error: bool
    error_type: str | None
    error_message: str | None
    http_status: int | None
    has_user: bool
    has_content: bool
    is_id_shortened: bool
    known: int

    @property
    def tokens(self) -> int | None:
        """Input and output tokens together, of those that are known."""
        if self.input_tokens is None:
            return self.output_tokens
        return self.input_tokens + (self.output_tokens or 0)


class Converted(Value, frozen=True):
    """What became of one record before delivery.

    `raw` is the record's own bytes where they are not the whole line (an array's element, a glued document), else None.
    `format` is the name of the recognised format, None where none was. `coverage` has a call's facts, if asked for.
    `from_letter` is set where the record stood in a dead letter: it is taken up again, though it was rejected before.
    `glance` is there for an event, if asked for.
    """

    hidden: ClassVar = frozenset({"raw"})

    ref: SourceRef
    result: Event | Skipped | Filtered | RecordError
    format: str | None = None
    warnings: tuple[str, ...] = ()
    raw: bytes | None = None
    coverage: tuple[str, ...] = ()
    from_letter: bool = False
    glance: Glance | None = None
