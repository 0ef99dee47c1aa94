"""Every code that `plh` prints, with its meaning: the list of the README, the report and the dead letters.

Codes are kebab-case and never renamed; a change belongs into the changelog. Drop tags of PostHog's v1 route come on top
of `REJECTIONS`, with hyphens for underscores (`ai-event-too-big`).
"""

from collections.abc import Mapping
from types import MappingProxyType

REJECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "invalid-json": "not JSON, or not UTF-8",
        "python-repr": "Python's print of an object, not JSON",
        "record-too-long": "longer than --max-record",
        "too-deep": "more than 100 levels",
        "unknown-format": "JSON, but no record that is known",
        "unsupported-format": "another tool's record, which the message names",
        "encrypted-record": "LiteLLM encrypted it",
        "conversation": "messages alone, no call",
        "fine-tuning-data": "training data, no call",
        "no-response": "a request without its answer",
        "metadata-only": "model and counts, no text",
        "missing-field": "what an event can't do without (model, time) is absent or unusable; the path names it",
        "invalid-event": "posthog-event: no name, distinct id or properties, or a uuid that is none",
        "not-an-ai-event": "posthog-event: another name than $ai_…, and the route is not batch",
        "no-api-key": "no key for it",
        "personal-api-key": "a phx_ key in it",
        "host-not-allowed": "it names a host that is not allowed",
        "event-too-large": "over the limit of the route in use, or answered 413 alone",
        "server-refused": "answered 400 alone",
    }
)

SKIPS: Mapping[str, str] = MappingProxyType(
    {
        "empty-record": "null",
        "not-a-model-call": "no model ran (files, batches, vector stores, tools)",
        "health-check": "LiteLLM's probe",
        "audit-log": "LiteLLM's audit log, no call in it",
        "console-log": "LiteLLM's console log, no call in it",
        "batch-input": "the request side of a batch; it is joined to its answer",
        "not-run": "a batch request that expired or was cancelled before it ran",
        "pending-response": "a poll that is still queued",
        "merged": "a further part of a stream, counted once with its first",
    }
)

SOURCE_PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "source-not-found": "nothing there",
        "source-unreadable": "not to be read",
        "source-damaged": "compressed data that is broken or cut off; what came before is sent",
        "git-lfs-pointer": "a Git LFS pointer, not the file",
        "not-a-log": "an archive, a database or a file of another kind; the hint says how to make text of it",
    }
)

WARNINGS: Mapping[str, str] = MappingProxyType(
    {
        "double-encoded": "JSON inside a JSON string",
        "copy-escaped": "PostgreSQL COPY's escaping undone",
        "naive-time": "a time without zone",
        "bad-timestamp": "an implausible time, ignored",
        "time-from-id": "a time taken from a batch id",
        "bad-times": "a negative or non-finite duration, left out",
        "ambiguous-latency": "a duration whose unit is unclear, left out",
        "bad-usage": "a token count that is none, left out",
        "no-usage": "no token counts",
        "zero-cost": "0 logged for a priced call: PostHog estimates",
        "no-cost": "no cost logged: PostHog estimates",
        "batch-price": "a batch call is half of PostHog's price",
        "no-input": "the log has no input",
        "unknown-output": "an output of unknown shape, sent as text",
        "truncated-content": "text that the logger cut",
        "unresolved-attachment": "text that the logger kept elsewhere",
        "unknown-provider": "the provider is not told, and not guessed",
        "unknown-call-type": "a LiteLLM call type that is not known",
        "reserved-metadata": "a caller's $… key that is not taken over",
        "legacy-format": "a poor copy of the call",
        "stream-truncated": "a stream without its end",
        "late-part": "a part of a stream after its end",
        "ambiguous-batch-input": "two batch inputs fit one output",
        "batch-model-mismatch": "a batch output of another model than its input asked for",
        "duplicate-custom-id": "one custom_id twice in a batch input",
        "batch-unanswered": "a batch input without an output",
        "no-user": "the trace id stands for the user",
        "distinct-id-shortened": "a distinct id over 200 bytes",
        "id-replaced": "a trace, span, parent or session id that PostHog does not take",
        "content-expired": "older than 30 days: PostHog keeps no prompt and answer",
        "odd-api-key": "a key that is not phc_…",
        "server-warning": "accepted by v1 with a warning",
    }
)
