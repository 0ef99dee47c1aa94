"""`openai-flat`: a home-made record with the texts and counts of a call side by side (openai-logs.md, 4.7, row 22).

The rows of `llm logs --json` of simonw/llm are of this kind. Records of counts without any text are read only where
the operator asks for it (`--metadata-only send`).

Smallest record: `{"timestamp": "2025-06-01T10:00:00Z", "model": "gpt-4o", "prompt": "Hi", "response": "Ho"}`.
"""

from collections.abc import Mapping

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import first_text, items, mapping
from posthog_llm_cli.formats._openai_call import build_call
from posthog_llm_cli.formats._openai_exchange import (
    Exchange,
    beside_the_messages,
    input_value,
    read_exchange,
    url_of,
)
from posthog_llm_cli.formats._openai_output import text_answer
from posthog_llm_cli.formats._openai_shapes import ANSWER_TEXT_KEYS, PROMPT_TEXT_KEYS, classify, read_status
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.formats.refusals import key_names
from posthog_llm_cli.model import Json, ParseContext

NAME = "openai-flat"
METADATA_ONLY = "metadata-only"


def matches(record: Json) -> bool:
    """Whether `record` has a prompt and an answer as text, or a model and counts without any text (rows 20, 22)."""
    return classify(record) in {NAME, METADATA_ONLY}


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn a flat record into a call.

    Raises:
        RecordError: `metadata-only` for a record without any text, unless the context lets it through;
        `missing-field` without a model or any usable time.
    """
    if classify(record) == METADATA_ONLY and not context.metadata_only:
        raise RecordError(
            METADATA_ONLY,
            f"has model and counts but neither prompt nor answer (keys: {key_names(record)})",
            hint="--metadata-only send sends such calls without content",
        )
    said = next((record[key] for key in ANSWER_TEXT_KEYS if isinstance(record.get(key), str) and record[key]), "")
    answer = text_answer(said, first_text(record.get("finish_reason"), record.get("stop_reason")))
    return build_call(_exchange(record), answer, context)


def _exchange(record: Mapping[str, Json]) -> Exchange:
    return Exchange(
        outer=record,
        request=_request(record),
        response={},
        status=read_status(record),
        url=url_of(record),
    )


def _request(record: Mapping[str, Json]) -> dict[str, Json]:
    request = beside_the_messages(record)
    model = first_text(record.get("model"), record.get("model_name"), record.get("model_id"))
    if model is not None:
        request["model"] = model
    for key in PROMPT_TEXT_KEYS:
        value = input_value(record[key]) if record.get(key) else None
        if isinstance(value, str | list) and value:
            return {**request, "messages" if _holds_messages(value) else "prompt": value}
    return {**request, **read_exchange(record).request}


def _holds_messages(value: Json) -> bool:
    return any("role" in mapping(item) for item in items(value))


FORMAT = LogFormat(
    name=NAME,
    title="flat home-made record: texts, tokens and time side by side",
    recognised_by="a prompt (prompt_text, prompt, messages, input, …) and a text answer (response_text, response, …)",
    smallest='{"timestamp": "2025-06-01T10:00:00Z", "model": "gpt-4o", "prompt": "Hi", "response": "Ho", '
    '"prompt_tokens": 5, "completion_tokens": 2}',
    matches=matches,
    parse=parse,
)
