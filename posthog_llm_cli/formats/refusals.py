"""What is recognised and is no call that this version reads: each with its own code, and a message that names it.

A shape that gets a reader moves from here into a format module of its own.
"""

from collections.abc import Callable, Mapping

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import CONSOLE_KEYS, is_litellms_console, items, mapping
from posthog_llm_cli.formats._litellm_datadog import ENVELOPE_KEYS, is_envelope, refuse
from posthog_llm_cli.formats._openai_relatives import relative_name
from posthog_llm_cli.formats._openai_shapes import (
    PROMPT_TEXT_KEYS,
    REQUEST_KEYS,
    RESPONSE_KEYS,
    Candidate,
    classify,
    classify_response,
)
from posthog_llm_cli.formats.base import Refusal, rejecting, skipping
from posthog_llm_cli.model import Json, Skipped

Matches = Callable[[Json], bool]

_SERVICE_KEYS = frozenset({"is_error", "service", "duration", "call_type"})
_RAW_EXCHANGE = frozenset({"raw_request", "raw_response"})
_READS = "plh reads LiteLLM and OpenAI formats"
_MAX_KEYS = 12
_MAX_KEY_CHARACTERS = 40
_MAX_KEY_WORDS = 3


def _of(shape: str) -> Matches:
    return lambda record: classify(record) == shape


def _having(*keys: str) -> Matches:
    return lambda record: isinstance(record, dict) and record.keys() >= set(keys)


def _relative(record: Json) -> Skipped:
    found = relative_name(record) if isinstance(record, dict) else None
    if found is None:
        answer = Candidate(record).answer
        found = answer[1].relative if answer is not None else None
    name = found or "foreign"
    raise RecordError("unsupported-format", f"looks like {_article(name)} {name} record; {_READS}")


def _article(name: str) -> str:
    return "an" if name[0].lower() in "aeio" else "a"


def _other(record: Json) -> Mapping[str, Json]:
    """What is of another kind: the record itself, else the answer in a pair."""
    answer = Candidate(record).answer if classify_response(record) is None else None
    return mapping(record if answer is None else answer[1].value)


def _other_object(record: Json) -> Skipped:
    kind = _other(record).get("object")
    if not isinstance(kind, str):
        return Skipped("not-a-model-call", "an answer of moderations or of images is no call to a language model")
    return Skipped("not-a-model-call", f"an object of kind {_name(kind)!r} is no call to a model")


def _other_list(record: Json) -> Skipped:
    data = _other(record).get("data")
    kind = mapping(data[0]).get("object") if isinstance(data, list) and data else None
    raise RecordError("unknown-format", f"a list of {_name(kind) if isinstance(kind, str) else 'unknown'!r} objects")


def _no_response(record: Json) -> Skipped:
    is_null = any(key in record and record[key] is None for key in RESPONSE_KEYS)
    raise RecordError(
        "no-response",
        "a request without its answer" + (": the answer is null" if is_null else ""),
        path="$.response",
        hint="log the answer, or the error, beside the request",
    )


def unknown_format(record: Json) -> RecordError:
    """Return the rejection of a value that no format knows, with its top-level keys (names only)."""
    if isinstance(record, dict):
        return RecordError("unknown-format", f"no known record; its keys: {key_names(record) or 'none'}")
    return RecordError("unknown-format", f"expected an object, found {_kind(record)}")


def key_names(record: Json) -> str:
    """Return the names of at most twelve keys, each cut and harmless; a text is no name."""
    names = [_name(key) for key in list(record)[:_MAX_KEYS]]
    return ", ".join(names) + (", …" if len(record) > _MAX_KEYS else "")


def _name(key: str) -> str:
    """A name as a message may show it; what is more than a few words may be what somebody asked."""
    if len(key.split(maxsplit=_MAX_KEY_WORDS)) > _MAX_KEY_WORDS:
        return "(a text)"
    return "".join(character if character.isprintable() else "?" for character in key[:_MAX_KEY_CHARACTERS])


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a number"


def _is_raw_exchange(record: Json) -> bool:
    return isinstance(record, dict) and "raw_request" in record and record.keys() <= _RAW_EXCHANGE


def _is_capture_body(record: Json) -> bool:
    """Whether this is a request to PostHog and no log: what LiteLLM's own logger sends."""
    batch = items(record.get("batch")) if isinstance(record, dict) else []
    return bool(batch) and "api_key" in record and all("event" in mapping(event) for event in batch)


def _is_service(record: Json) -> bool:
    """Whether LiteLLM tells of a service of its own; somebody's own record of a call may have the same four keys."""
    tells = isinstance(record, dict) and record.keys() >= _SERVICE_KEYS
    return tells and record.keys().isdisjoint((*PROMPT_TEXT_KEYS, *RESPONSE_KEYS, *REQUEST_KEYS))


def _is_console(record: Json) -> bool:
    """Whether this is a line of a console log of LiteLLM's, or of a server beside it that logs no call."""
    if not isinstance(record, dict) or not record.keys() >= CONSOLE_KEYS:
        return False
    return is_litellms_console(record) or classify(record) == "unknown"


BEFORE_LITELLM: tuple[Refusal, ...] = (
    Refusal("empty-record", lambda record: record is None, skipping("empty-record", "null")),
    Refusal(
        "encrypted-record",
        lambda record: isinstance(record, dict) and record.get("__encrypted__") is True,
        rejecting(
            "encrypted-record",
            "LiteLLM encrypted this record",
            hint="decrypt it, or switch encryption off in LiteLLM's message queue logger",
        ),
        needs=frozenset({"__encrypted__"}),
    ),
    Refusal("litellm-datadog", is_envelope, refuse, needs=ENVELOPE_KEYS),
)
"""Recognised before the LiteLLM formats (litellm-logs.md, detection rules 1 and 2)."""

AFTER_LITELLM: tuple[Refusal, ...] = (
    Refusal(
        "litellm-service",
        _is_service,
        skipping(
            "not-a-model-call", "LiteLLM logged what a service of its own did (a cache, a database): no model ran"
        ),
    ),
    Refusal(
        "litellm-proxy-failure",
        _having("exception", "error_class", "traceback", "user_api_key_dict"),
        skipping("not-a-model-call", "LiteLLM's proxy refused a request before any model ran"),
    ),
    Refusal(
        "console-log",
        _is_console,
        skipping(
            "console-log",
            "these are LiteLLM's console logs; export with an s3, gcs_bucket or generic_api callback, or SpendLogs",
        ),
    ),
    Refusal(
        "audit-log",
        _having("action", "table_name", "changed_by"),
        skipping("audit-log", "LiteLLM's audit log holds no call"),
    ),
    Refusal(
        "raw-exchange",
        _is_raw_exchange,
        rejecting(
            "unknown-format",
            "what LiteLLM's log_raw_request_response adds to a call's metadata: a raw request and answer, no call",
            hint="export the payloads themselves with an s3, gcs_bucket or generic_api callback",
        ),
    ),
    Refusal(
        "capture-body",
        _is_capture_body,
        rejecting(
            "unknown-format",
            "the body of a request to PostHog's /batch/, no log of calls: its events have no time and no uuid",
            hint="send the log of the calls themselves",
        ),
    ),
)
"""Recognised after the LiteLLM formats (rule 7)."""

OPENAI_ROWS: tuple[Refusal, ...] = (
    Refusal(
        "conversation",
        _of("conversation"),
        rejecting("conversation", "a list of messages without model, response or usage"),
    ),
    Refusal(
        "anthropic-batch-input",
        _of("anthropic-batch-input"),
        rejecting("unsupported-format", f"looks like an Anthropic batch input; {_READS}"),
    ),
    Refusal(
        "anthropic-batch-results",
        _of("anthropic-batch-results"),
        rejecting("unsupported-format", f"looks like an Anthropic batch result; {_READS}"),
    ),
    Refusal("relative", _of("relative"), _relative),
    Refusal(
        "other-stream",
        _of("other-stream"),
        rejecting("unsupported-format", f"a stream of an API that is not known; {_READS}"),
    ),
    Refusal("other-list", _of("other-list"), _other_list),
    Refusal("other-object", _of("other-object"), _other_object),
    Refusal(
        "fine-tuning-data",
        _of("fine-tuning-data"),
        rejecting(
            "fine-tuning-data",
            "only `messages`, no model, response or usage: this looks like training data, not a log of calls",
        ),
    ),
    Refusal("no-response", _of("no-response"), _no_response),
    Refusal(
        "chatgpt-export",
        _of("chatgpt-export"),
        rejecting("unsupported-format", f"looks like a ChatGPT data export; {_READS}"),
    ),
)
"""The rows of openai-logs.md, section 2, that are no call or have no reader yet."""
