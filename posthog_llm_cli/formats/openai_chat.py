"""`openai-chat`: a chat completion, bare or as a pair with its request (openai-logs.md, 4.1).

Smallest record: `{"object": "chat.completion", "created": 1748772000, "model": "gpt-4o", "choices": []}`. Servers that
speak the dialect without `object` are told by `choices[0].message`.
"""

from posthog_llm_cli.formats._openai_call import build_call
from posthog_llm_cli.formats._openai_exchange import read_exchange
from posthog_llm_cli.formats._openai_output import completion_answer
from posthog_llm_cli.formats._openai_shapes import classify
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.model import Json, ParseContext

NAME = "openai-chat"


def matches(record: Json) -> bool:
    """Whether `record` is a chat completion, or a pair whose answer is one (rows 8, 15, 17)."""
    return classify(record) == NAME


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn a chat completion into a call.

    Raises:
        RecordError: `missing-field` without a model or any usable time.
    """
    exchange = read_exchange(record)
    return build_call(exchange, completion_answer(exchange.response), context)


FORMAT = LogFormat(
    name=NAME,
    title="OpenAI chat completion, bare or with its request",
    recognised_by='object "chat.completion", or choices[0].message; in a pair under response and the like',
    smallest='{"id": "chatcmpl-1", "object": "chat.completion", "created": 1748772000, "model": "gpt-4o", "choices": '
    '[{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}',
    matches=matches,
    parse=parse,
)
