"""LiteLLM's payloads in Datadog's envelope (litellm-logs.md 1, detection rule 2).

LiteLLM sends `{"ddsource": "litellm", "message": "<a payload as JSON text>", …}`; Datadog's archives nest the same
under `attributes`, or hold the payload there already parsed.
"""

from collections.abc import Mapping

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats import litellm
from posthog_llm_cli.formats._fields import decoded, mapping
from posthog_llm_cli.model import Json, Skipped

SOURCE = "litellm"
ENVELOPE_KEYS = frozenset({"attributes", "ddsource", "source"})
"""An object without any of them is no envelope."""


def is_envelope(record: Json) -> bool:
    """Whether a record is LiteLLM's, in Datadog's envelope."""
    return isinstance(record, dict) and (_is_parsed(record) or _message(record) is not None)


def open_envelope(record: Mapping[str, Json]) -> tuple[str, Json] | None:
    """Return the payload in an envelope with its JSON path; None where its text is no JSON object."""
    if _is_parsed(record):
        return "$.attributes", record["attributes"]
    path, message = _message(record) or ("$", None)
    payload = decoded(message)
    return (path, payload) if isinstance(payload, dict) else None


def refuse(record: Json) -> Skipped:
    """Reject an envelope whose message is no payload: Datadog cuts messages of over a megabyte."""
    path, message = _message(record) or ("$", None)
    decoded(message)  # one that is too deep says so itself
    raise RecordError(
        "invalid-json",
        "a LiteLLM record in Datadog's envelope: expected a payload as JSON text and found text that is none",
        path=path,
        hint="Datadog cuts long messages; export with an s3, gcs_bucket or generic_api callback",
    )


def _message(record: Mapping[str, Json]) -> tuple[str, str] | None:
    attributes = mapping(record.get("attributes"))
    named = SOURCE in (record.get("ddsource"), attributes.get("ddsource"))
    if not named and record.get("source") != SOURCE:
        return None
    for path, holder in (("$.message", record), ("$.attributes.message", attributes)):
        message = holder.get("message")
        if isinstance(message, str) and (named or message.lstrip().startswith("{")):
            return path, message
    return None


def _is_parsed(record: Mapping[str, Json]) -> bool:
    return not litellm.matches(record) and litellm.matches(record.get("attributes"))
