"""`openai-responses`: an object of the Responses API, bare or as a pair (openai-logs.md, 4.2).

Smallest record: `{"object": "response", "created_at": 1748772000, "status": "completed", "model": "gpt-4o", "output":
[]}`. A queued or running response is a poll, and skipped.
"""

from posthog_llm_cli.formats._fields import is_one_of
from posthog_llm_cli.formats._openai_call import build_call
from posthog_llm_cli.formats._openai_exchange import read_exchange
from posthog_llm_cli.formats._openai_output import responses_answer
from posthog_llm_cli.formats._openai_shapes import PENDING, classify
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.model import Json, ParseContext, Skipped

NAME = "openai-responses"


def matches(record: Json) -> bool:
    """Whether `record` is a response, or a pair whose answer is one (rows 10, 15, 17); polls included."""
    return classify(record) in {NAME, "pending"}


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn a response into a call; a poll that is not done is skipped `pending-response`.

    Raises:
        RecordError: `missing-field` without a model or any usable time.
    """
    exchange = read_exchange(record)
    response = exchange.response
    if is_one_of(response.get("status"), PENDING):
        return Skipped("pending-response", f"a poll of a response that is still {response['status']}")
    return build_call(exchange, responses_answer(response), context)


FORMAT = LogFormat(
    name=NAME,
    title="OpenAI Responses API object, bare or with its request",
    recognised_by='object "response", or a list output with usage.input_tokens; in a pair under response and the like',
    smallest='{"id": "resp_1", "object": "response", "created_at": 1748772000, "status": "completed", '
    '"model": "gpt-4o", "output": []}',
    matches=matches,
    parse=parse,
)
