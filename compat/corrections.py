"""The one table of differences between LiteLLM's own PostHog logger and `plh`, and how they make one event of the
other.

Each correction names its item in section 6 of litellm-logs.md (or its place in posthog-ingestion.md, there `P`), the
fields that it may touch, and a law: what it makes of these fields, from the record alone. `correct` applies them all
to LiteLLM's event; what comes out is what `plh` must send, field by field, so a correction explains one value and no
other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from compat.laws import DISTINCT_ID, EVENT, HOST, TIMESTAMP, UUID, Fields, Law, calls, content, numbers, words
from compat.record import Record, Setting
from compat.values import ABSENT, Json, same

ANY, OWN, RESERVED = "every field", "the caller's keys", "the caller's `$…` keys"
"""Kinds of fields, where a correction is not about a few names."""


ITEMS = {
    "6.1": "No timestamp",
    "6.2": "No uuid",
    "6.3": "The latency of streams is the time to the first token",
    "6.4": "An async embedding is sent as a generation, with its vectors",
    "6.5": "The raw response as output",
    "6.6": "Tools lost",
    "6.7": "Parameters lost",
    "6.8": "Kinds of tokens lost",
    "6.9": "Errors",
    "6.10": "Cost",
    "6.11": "Session and trace are one",
    "6.12": "The base URL",
    "6.13": "The model's prefix",
    "6.14": "The distinct id",
    "6.15": "Leaked internals",
    "6.16": "Metadata overwrite `$ai_…`",
    "6.17": "Redaction sentinels",
    "6.18": "Sync failures, calls in flight and failed batches are lost live",
    "6.19": "Hosts of teams are ignored",
    "6.20": "Null or absent ids become random ones",
    "P 3.1": "What JSON may hold",
    "P 7": "What every event carries",
    "P 11.1": "Properties of AI events",
    "P 11.5": "Media",
}
"""The items of section 6, and the places in posthog-ingestion.md, by their titles; 6.18 is `compat.delivery`."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One difference that is made on purpose; `rule` says the law in words.

    `is_rare`: no call of LiteLLM's SDK meets it; the project's tests do, with records made by hand or by the proxy.
    """

    item: str
    title: str
    fields: tuple[str, ...]
    law: Law = field(repr=False)
    rule: str
    is_rare: bool = False

    @property
    def name(self) -> str:
        """Item and title."""
        return f"{self.item} {self.title}"

    def may_touch(self, name: str) -> bool:
        """Whether the correction is about this field."""
        kinds = {ANY, RESERVED if name.startswith("$") else OWN}
        return name in self.fields or not kinds.isdisjoint(self.fields)


def _ai(*names: str) -> tuple[str, ...]:
    return tuple(f"$ai_{name}" for name in names)


_OWN = (OWN,)
_IDS = _ai("trace_id", "session_id", "span_id", "parent_id")
_IDS_AS_LOGGED = ("trace_id_logged", "session_id_logged", "span_id_logged", "parent_id_logged")
_KINDS = _ai(
    "total_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "reasoning_tokens", "usage",
    "cache_reporting_exclusive",
)  # fmt: skip
_NAMES = (*_ai("span_name", "trace_name", "prompt_name"), "$session_id", "$groups")
_REDACTED = (*_ai("input", "output_choices", "tools", "error", "model_parameters"), "litellm_redacted")

CORRECTIONS: tuple[Correction, ...] = (
    Correction(
        "6.20", "no ids by chance", (*_ai("trace_id", "span_id"), DISTINCT_ID), calls.no_chance,
        "Where LiteLLM's logger invents an id, there is none to compare; 6.11 and 6.14 say what is sent.", is_rare=True,
    ),
    Correction(
        "6.16", "a caller overwrites nothing", (RESERVED,), words.no_overwriting,
        "A key of the caller that begins with `$` replaces no property that was built, and adds none.",
    ),
    Correction(
        "6.15", "the caller's keys, from where they stand", _OWN, words.not_the_callers,
        "On a proxy record only the keys of `requester_metadata` are copied; those of `litellm_metadata` are the "
        "caller's too.",
        is_rare=True,
    ),
    Correction("6.15", "keys that became ids or tags", _OWN, words.used_keys, "They are used, not copied."),
    Correction(
        "6.15", "internals and secrets", _OWN, words.never_list,
        "Names of LiteLLM's internals, and names that tell of a key, secret, password, authorization or token, are "
        "left out.",
    ),
    Correction("6.15", "nulls", _OWN, words.nulls, "A null is left out."),
    Correction(
        "6.15", "secrets inside", _OWN, words.secrets_inside,
        "Below the top, too, members with such names are left out.",
    ),
    Correction(
        "6.1", "the event has a time", (TIMESTAMP,), calls.timestamp,
        "`endTime`; without it `startTime` plus `response_time` (not of a stream); without both `--default-time`.",
    ),
    Correction(
        "6.2", "the event has a uuid", (UUID,), calls.event_uuid,
        "Version 5 of `litellm\\|id\\|start in whole ms\\|status`, the id without the suffix of a cache hit.",
    ),
    Correction(
        "6.3", "latency is the whole duration", _ai("latency"), numbers.latency,
        "`endTime − startTime` in whole microseconds, of streams too; absent where a time is missing.",
    ),
    Correction(
        "6.3", "time to first token", _ai("time_to_first_token"), numbers.first_token,
        "`completionStartTime − startTime` of a stream, where it lies strictly between start and end.",
    ),
    Correction(
        "6.4", "an async embedding is an embedding", (EVENT,), calls.event_name,
        "`aembedding` gives `$ai_embedding`.",
    ),
    Correction("6.4", "no vectors", _ai("output_choices"), content.no_vectors, "An embedding has no output."),
    Correction("6.4", "no output tokens", _ai("output_tokens"), numbers.no_output_tokens, "An embedding has none."),
    Correction(
        "6.4", "the texts of an embedding", _ai("input"), content.embedding_input,
        "The text, or the list of texts, unwrapped from LiteLLM's messages.",
    ),
    Correction(
        "6.5", "canonical output", _ai("output_choices"), content.canonical_output,
        "One assistant message for each choice, in parts; of the raw response nothing else.",
    ),
    Correction(
        "6.5", "canonical input", _ai("input"), content.canonical_input,
        "Messages are role, content, and what tools and named speakers need.",
    ),
    Correction(
        "6.5", "stop reason", _ai("stop_reason"), content.stop_reason,
        "`finish_reason` of the first choice; of Responses the reason why it is incomplete, else its status.",
    ),
    Correction(
        "6.6", "tools", _ai("tools"), content.tools,
        "`model_parameters.tools` as logged, credentials of MCP servers redacted.",
    ),
    Correction(
        "6.7", "parameters", _ai("model_parameters"), content.parameters,
        "The allowed ones of `model_parameters`, as an object.",
    ),
    Correction(
        "6.7", "streamed or not", _ai("stream"), content.streaming,
        "True of a stream; else as the parameters say.",
    ),
    Correction(
        "6.7", "instructions", _ai("input"), content.instructions,
        "The first message, unless a system message is there.",
    ),
    Correction(
        "6.8", "unknown tokens are no zero", _ai("input_tokens", "output_tokens"), numbers.unknown_tokens,
        "Absent where all three counts are zero; the input of an embedding that has no other count is its total, of "
        "another call with a total alone the usage object says input and output, or nobody does.",
    ),
    Correction(
        "6.8", "kinds of tokens", _KINDS, numbers.token_kinds,
        "Total, cached and reasoning tokens above zero, and the usage object without nulls, and without a cost where "
        "none is sent; LiteLLM's input includes the cache, unless the cache alone is more.",
    ),
    Correction(
        "6.9", "error text", _ai("error"), numbers.error_text,
        "The first of `error_str`, message and class that says something; no traceback, no key, at most "
        "4,000 characters.",
    ),
    Correction(
        "6.9", "error type and status", _ai("error_type", "http_status"), numbers.error_type,
        "`error_class`; `error_code` or the head of `normalized_error`, where three digits.",
    ),
    Correction(
        "6.10", "an unknown cost is no zero", _ai("total_cost_usd"), numbers.unknown_cost,
        "`response_cost` above zero, or 0 of a cache hit; else absent.",
    ),
    Correction(
        "6.10", "parts of the cost", _ai("input_cost_usd", "output_cost_usd", "cost_passthrough"), numbers.cost_parts,
        "Both parts where they add up to the total; else PostHog is asked to keep the total.",
    ),
    Correction(
        "6.11", "the session", _ai("session_id"), calls.session,
        "The first session that the caller or LiteLLM names.",
    ),
    Correction(
        "6.11", "the trace is not the session", _ai("trace_id"), calls.trace,
        "The first trace that differs from the session; else the id of the call.",
    ),
    Correction(
        "6.11", "the span", _ai("span_id"), calls.span, "`id` as logged; without one `litellm_call_id`.", is_rare=True,
    ),
    Correction(
        "6.11", "the parent", _ai("parent_id"), calls.parent,
        "`$ai_parent_id`, `parent_run_id`, `parent_id` of the caller, as text.",
    ),
    Correction(
        "6.11", "ids that PostHog takes", (*_IDS, *_IDS_AS_LOGGED), calls.taken_ids,
        "Another id is replaced by its uuid (version 5), and kept as `…_id_logged`.",
    ),
    Correction(
        "6.12", "base URL", _ai("base_url"), calls.base_url,
        "`api_base` without trailing slash, user, password and query.",
    ),
    Correction(
        "6.13", "model without routing prefix", _ai("model"), calls.model,
        "`custom_llm_provider/` is taken off once; an empty model is the answer's, else the group's.",
    ),
    Correction(
        "6.13", "no empty provider", _ai("provider"), calls.provider,
        "The payload's, else the kwargs'; absent where LiteLLM names none.",
    ),
    Correction(
        "6.14", "who asked", (DISTINCT_ID, "$process_person_profile"), calls.distinct_id,
        "`user_id` of the metadata, `end_user`, `user` of the request; reserved words are nobody; nobody "
        "goes by the trace id, without a person.",
    ),
    Correction("6.15", "LiteLLM's own words", words.WORDS, words.litellm_words, "Each only where it says something."),
    Correction(
        "6.16", "names that the caller wished for", _NAMES, words.names,
        "`$ai_…_name`, else `generation_name` and `trace_name`; `$session_id`; `$groups`.",
    ),
    Correction(
        "6.17", "redaction", _REDACTED, content.redacted,
        "The sentinel is left out, and with it tools, schemas among the parameters, instructions, reasoning, refusals, "
        "error text, and all of the answer but the names and ids of the functions that it calls.",
    ),
    Correction(
        "6.19", "the host that the record names", (HOST,), calls.host,
        "`posthog_host`, else `posthog_api_url`; LiteLLM's logger ignores the former, and its SDK drops the latter.",
    ),
    Correction(
        "P 11.1", "web searches", _ai("web_search_count"), content.web_searches, "Searches of the answer; 1 "
        "where it cites a page.",
    ),
    Correction("P 11.1", "service tier", _ai("service_tier"), content.service_tier, "As the answer names it."),
    Correction("P 11.5", "media", (ANY,), content.media, "Base64 images, audio and files become placeholders."),
    Correction("P 3.1", "half characters", (ANY,), content.half_characters, "A lone surrogate becomes U+FFFD."),
    Correction(
        "P 7", "what every event carries", words.CARRIED, words.carried,
        "No location of the replaying machine, no clock correction, the name of the library, the import.",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expected:
    """What `plh` must send, and which corrections made each field differ from LiteLLM's."""

    fields: Fields
    trail: dict[str, list[Correction]]


class Overreach(Exception):
    """A correction changed a field that it is not about."""


def correct(base: Mapping[str, Json], record: Record, setting: Setting) -> Expected:
    """Apply the corrections, one after another, to the fields of LiteLLM's event.

    Raises:
        Overreach: a correction touched a field that the table does not give it.
    """
    fields: Fields = dict(base)
    trail: dict[str, list[Correction]] = {}
    for correction in CORRECTIONS:
        before = dict(fields)
        correction.law(fields, record, setting)
        for name in {**before, **fields}:
            if same(before.get(name, ABSENT), fields.get(name, ABSENT)):
                continue
            if not correction.may_touch(name):
                raise Overreach(f"{correction.name} touched {name}")
            trail.setdefault(name, []).append(correction)
    return Expected(fields, trail)
