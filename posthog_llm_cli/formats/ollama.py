"""Interim."""

from dataclasses import replace

from posthog_llm_cli.formats._fields import text
from posthog_llm_cli.formats._messages import chat_output
from posthog_llm_cli.formats._openai_call import Answer, build_call
from posthog_llm_cli.formats._openai_exchange import read_exchange
from posthog_llm_cli.formats.base import Parsed
from posthog_llm_cli.model import Json, Operation, ParseContext


def parse(record: Json, context: ParseContext) -> Parsed:
    """Interim."""
    exchange = read_exchange(record)
    response = exchange.response
    usage = {"prompt_tokens": response.get("prompt_eval_count"), "completion_tokens": response.get("eval_count")}
    message = response.get("message") or {"content": response.get("response")}
    output = chat_output([{"message": message}])
    exchange = replace(exchange, response={**response, "usage": usage})
    return build_call(exchange, Answer(Operation.GENERATION, output, text(response.get("done_reason"))), context)
