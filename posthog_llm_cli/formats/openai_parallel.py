"""`openai-parallel`: a line of OpenAI's cookbook script for parallel requests (openai-logs.md, 4.8).

A line is `[request, response]` or `[request, response, metadata]`; of a request that failed at every attempt, the
response is the list of the errors' texts, of which the last is the error.

Smallest record: `[{"model": "gpt-4o", "messages": []}, {"object": "chat.completion", "created": 1748772000, "model":
"gpt-4o", "choices": []}]`. Failures and embeddings have no time of their own: it must be in the metadata.
"""

from collections.abc import Mapping
from datetime import UTC

from posthog_llm_cli.formats._fields import mapping
from posthog_llm_cli.formats._openai_call import build_call
from posthog_llm_cli.formats._openai_exchange import Exchange
from posthog_llm_cli.formats._openai_output import read_answer
from posthog_llm_cli.formats._openai_shapes import classify, classify_response, is_error
from posthog_llm_cli.formats._openai_times import TIME_KEYS
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.model import Json, ParseContext, Skipped
from posthog_llm_cli.timeparse import parse_time

NAME = "openai-parallel"
_TIME_KEYS = frozenset({*TIME_KEYS, "time"})


def matches(record: Json) -> bool:
    """Whether `record` is a line of the parallel processor (row 1)."""
    return classify(record) == NAME


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn a line into a call; its metadata become custom properties, but for the times in it.

    Raises:
        RecordError: `missing-field` without a model or any usable time.
    """
    answer = record[1]
    metadata = mapping(record[2]) if len(record) > 2 else {}
    outer = _outer(metadata)
    shape = classify_response(answer) or "openai-error"
    if isinstance(answer, list):
        # The last attempt's error; every attempt failed, so that a text that says nothing is one too.
        outer |= {"error": answer[-1]} if is_error(answer[-1]) else {"status": "error"}
    elif shape == "pending":
        return Skipped("pending-response", "a poll of a response that is not done")
    exchange = Exchange(outer=outer, request=record[0], response=mapping(answer), record=record)
    return build_call(exchange, read_answer(shape, exchange), context)


def _outer(metadata: Mapping[str, Json]) -> dict[str, Json]:
    """Take the times out of the metadata: what the call's time is read from is no property."""
    times = {key: value for key, value in metadata.items() if key in _TIME_KEYS and parse_time(value, UTC) is not None}
    own = {key: value for key, value in metadata.items() if key not in times}
    return {**times, "metadata": own}


FORMAT = LogFormat(
    name=NAME,
    title="line of OpenAI's parallel request processor",
    recognised_by="a list of a request, and an answer or a list of error texts, and maybe metadata",
    smallest='[{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}, {"id": "chatcmpl-1", "object": '
    '"chat.completion", "created": 1748772000, "model": "gpt-4o", "choices": [{"index": 0, "message": {"role": '
    '"assistant", "content": "Hi"}, "finish_reason": "stop"}]}, {"row": 3}]',
    matches=matches,
    parse=parse,
)
