"""`openai-completions`: a legacy text completion, bare or as a pair (openai-logs.md, 4.4).

Smallest record: `{"object": "text_completion", "created": 1748772000, "model": "davinci-002", "choices": [{"text":
"Hi", "finish_reason": "stop"}]}`. A stream's parts carry the same `object`; their finish reason is missing.
"""

from posthog_llm_cli.formats._openai_call import build_call
from posthog_llm_cli.formats._openai_exchange import read_exchange
from posthog_llm_cli.formats._openai_output import completion_answer
from posthog_llm_cli.formats._openai_shapes import classify
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.model import Json, ParseContext

NAME = "openai-completions"


def matches(record: Json) -> bool:
    """Whether `record` is a text completion, or a pair whose answer is one (rows 9, 15, 17)."""
    return classify(record) == NAME


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn a text completion into a call; each text is one assistant message.

    Raises:
        RecordError: `missing-field` without a model or any usable time.
    """
    exchange = read_exchange(record)
    return build_call(exchange, completion_answer(exchange.response), context)


FORMAT = LogFormat(
    name=NAME,
    title="OpenAI legacy text completion, bare or with its request",
    recognised_by='object "text_completion", or choices[0].text; in a pair under response and the like',
    smallest='{"id": "cmpl-1", "object": "text_completion", "created": 1748772000, "model": "davinci-002", "choices": '
    '[{"index": 0, "text": "Hi", "finish_reason": "stop"}]}',
    matches=matches,
    parse=parse,
)
