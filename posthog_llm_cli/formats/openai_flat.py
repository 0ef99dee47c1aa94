"""`openai-flat`: a home-made record with the texts and counts of a call side by side (openai-logs.md, 4.7, row 22).

The rows of `llm logs --json` of simonw/llm are of this kind. Records of counts without any text are read only where
the operator asks for it (`--metadata-only send`).

Smallest record: `{"timestamp": "2025-06-01T10:00:00Z", "model": "gpt-4o", "prompt": "Hi", "response": "Ho"}`.
"""

from collections.abc import Mapping

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._fields import decoded, first_text, items, mapping, text
from posthog_llm_cli.formats._openai_call import Answer, build_call
from posthog_llm_cli.formats._openai_exchange import Exchange, flat_request, url_of
from posthog_llm_cli.formats._openai_output import completion_answer
from posthog_llm_cli.formats._openai_prints import is_print
from posthog_llm_cli.formats._openai_shapes import (
    ANSWER_TEXT_KEYS,
    classify,
    counted_answer,
    read_status,
)
from posthog_llm_cli.formats._values import value_part
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.formats.refusals import key_names
from posthog_llm_cli.model import Json, Operation, ParseContext
from posthog_llm_cli.values import replace

NAME = "openai-flat"
METADATA_ONLY = "metadata-only"
_STOP_KEYS = ("finish_reason", "stop_reason", "finishReason", "stopReason")


def matches(record: Json) -> bool:
    """Whether `record` has a prompt and an answer as text, or a model and counts without any text (rows 20, 22)."""
    return classify(record) in {NAME, METADATA_ONLY}


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn a flat record into a call.

    Raises:
        RecordError: `metadata-only` for a record without any text, unless the context lets it through;
        `python-repr` where the text is Python's print of an answer; `missing-field` without a model or any usable time.
    """
    is_bare = classify(record) == METADATA_ONLY
    if is_bare and not context.metadata_only:
        raise RecordError(
            METADATA_ONLY,
            f"has model and counts but neither prompt nor answer (keys: {key_names(record)})",
            hint="--metadata-only send sends such calls without content",
        )
    exchange = _exchange(record)
    key = next((key for key in ANSWER_TEXT_KEYS if text(record.get(key)) is not None), None)
    if key is None and not is_bare:
        key = counted_answer(record)
    if key == "" or (is_bare and "embed" in str(exchange.request.get("model")).lower()):
        return build_call(exchange, Answer(Operation.EMBEDDING), context)
    answer = _answer(record, key)
    call = build_call(exchange, answer, context)
    is_value = key is not None and not isinstance(record[key], str)
    return replace(call, warnings=(*call.warnings, "unknown-output")) if is_value else call


def _answer(record: Mapping[str, Json], key: str | None) -> Answer:
    """The text; of a row of simonw/llm also what was thought, the tool calls, and the last part's stop reason.

    `key`: where the answer is; None for none. It may also be an object, or several.
    """
    said = None if key is None else record[key]
    if isinstance(said, str) and is_print(said):
        raise RecordError(
            "python-repr",
            "the answer is the print of an object, not its text or its JSON",
            path=f"$.{key}",
            hint='write response.model_dump(mode="json") in its place',
        )
    calls = [_tool_call(mapping(call)) for call in items(record.get("tool_calls"))]
    if isinstance(said, (dict, list)):
        said = [value_part(said)]
    message = {"content": said, "reasoning": record.get("reasoning"), "tool_calls": calls}
    last_part = mapping(decoded(record.get("response_json")))
    stop_reason = first_text(*(record.get(key) for key in _STOP_KEYS), last_part.get("finish_reason"))
    answer = completion_answer({"choices": [{"message": message}]})
    return replace(answer, stop_reason=stop_reason)


def _tool_call(call: Mapping[str, Json]) -> Json:
    """simonw/llm's row of a tool call, or OpenAI's."""
    if "function" in call or "custom" in call:
        return dict(call)
    named = first_text(call.get("tool_call_id"), call.get("id"))
    return {"id": named, "function": {"name": call.get("name"), "arguments": call.get("arguments")}}


def _exchange(record: Mapping[str, Json]) -> Exchange:
    return Exchange(
        outer=record,
        request=flat_request(record),
        response=_response(record),
        status=read_status(record),
        url=url_of(record),
    )


def _response(record: Mapping[str, Json]) -> dict[str, Json]:
    """What is known of the answer beside its text: simonw/llm's model (`model` may be an alias), the AI SDK's ids."""
    resolved, response = text(record.get("resolved_model")), mapping(record.get("response"))
    if resolved is not None:
        return {"model": resolved}
    if text(response.get("modelId")) is None:
        return {}
    return {"model": response["modelId"], "id": response.get("id"), "created": response.get("timestamp")}


FORMAT = LogFormat(
    name=NAME,
    title="flat home-made record: texts, tokens and time side by side",
    recognised_by="a prompt (prompt_text, prompt, messages, input, …) and a text answer (response_text, response, …)",
    smallest='{"timestamp": "2025-06-01T10:00:00Z", "model": "gpt-4o", "prompt": "Hi", "response": "Ho", '
    '"prompt_tokens": 5, "completion_tokens": 2}',
    matches=matches,
    parse=parse,
)
