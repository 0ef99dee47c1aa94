"""An answer → its canonical output, stop reason and operation, whatever its shape (openai-logs.md 3.6 and 4)."""

from collections.abc import Mapping

from posthog_llm_cli.formats._fields import mapping, text
from posthog_llm_cli.formats._messages import chat_output, responses_output, sorted_choices
from posthog_llm_cli.formats._openai_call import Answer, operation_of_failure
from posthog_llm_cli.formats._openai_exchange import Exchange
from posthog_llm_cli.model import Json, Operation


def read_answer(shape: str, exchange: Exchange) -> Answer:
    """Read an exchange's answer by its shape, as `classify_response` names it; a poll is no answer yet."""
    response = exchange.response
    match shape:
        case "openai-chat" | "openai-completions":
            return completion_answer(response)
        case "openai-responses":
            return responses_answer(response)
        case "openai-embeddings":
            return Answer(Operation.EMBEDDING)
        case "ollama":
            return ollama_answer(response)
        case _:
            return Answer(operation_of_failure(exchange))


def completion_answer(response: Mapping[str, Json]) -> Answer:
    """Read the choices of a chat or text completion."""
    choices = sorted_choices(response.get("choices"))
    return Answer(
        operation=Operation.GENERATION,
        output=chat_output(response.get("choices")),
        stop_reason=text(choices[0].get("finish_reason")) if choices else None,
    )


def responses_answer(response: Mapping[str, Json]) -> Answer:
    """Read the output items of a response; the reason stands in for the status `incomplete`."""
    status = text(response.get("status"))
    reason = text(mapping(response.get("incomplete_details")).get("reason"))
    return Answer(
        operation=Operation.GENERATION,
        output=responses_output(response.get("output")),
        stop_reason=reason if reason is not None and status in {None, "incomplete"} else status,
    )


def ollama_answer(response: Mapping[str, Json]) -> Answer:
    """Read an answer of Ollama's `/api/chat` (`message`) or `/api/generate` (`response`)."""
    message = mapping(response.get("message"))
    if not message:
        message = {"content": response.get("response"), "reasoning": response.get("thinking")}
    elif message.get("thinking") is not None:
        message = {"reasoning": message["thinking"], **message}
    return Answer(
        operation=Operation.GENERATION,
        output=chat_output([{"message": dict(message)}]),
        stop_reason=text(response.get("done_reason")),
    )
