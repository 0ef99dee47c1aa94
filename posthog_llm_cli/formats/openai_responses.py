"""`openai-responses`: an object of the Responses API, bare or as a pair (openai-logs.md, 4.2).

Smallest record: `{"object": "response", "created_at": 1748772000, "status": "completed", "model": "gpt-4o", "output":
[]}`. A queued or running response is a poll, and skipped.
"""

from collections.abc import Mapping

from posthog_llm_cli.formats._fields import first_text, is_one_of, mapping
from posthog_llm_cli.formats._messages import responses_output
from posthog_llm_cli.formats._openai_call import Answer, build_call
from posthog_llm_cli.formats._openai_exchange import read_exchange
from posthog_llm_cli.formats._openai_shapes import PENDING, classify
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.model import Json, Operation, ParseContext, Skipped

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


def responses_answer(response: Mapping[str, Json]) -> Answer:
    """Read the output items of a response."""
    incomplete = mapping(response.get("incomplete_details")).get("reason")
    return Answer(
        operation=Operation.GENERATION,
        output=responses_output(response.get("output")),
        stop_reason=first_text(incomplete, response.get("status")),
    )


FORMAT = LogFormat(
    name=NAME,
    title="OpenAI Responses API object, bare or with its request",
    recognised_by='object "response", or a list output with usage.input_tokens; in a pair under response and the like',
    smallest='{"id": "resp_1", "object": "response", "created_at": 1748772000, "status": "completed", '
    '"model": "gpt-4o", "output": []}',
    matches=matches,
    parse=parse,
)
