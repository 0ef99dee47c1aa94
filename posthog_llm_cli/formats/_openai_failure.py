"""Whether a call of an OpenAI-format log failed, and how (openai-logs.md, 3.7)."""

from collections.abc import Mapping

from posthog_llm_cli.formats._errors import error_text, error_type
from posthog_llm_cli.formats._fields import compact, first_text, is_number, items, mapping, text
from posthog_llm_cli.formats._metadata import without_secrets
from posthog_llm_cli.formats._openai_exchange import Exchange
from posthog_llm_cli.formats._openai_shapes import (
    ANSWER_TEXT_KEYS,
    FAILURE_KEYS,
    classify_response,
    is_error,
    read_status,
    says_failed,
)
from posthog_llm_cli.model import CallError, Json
from posthog_llm_cli.values import Value


class Failure(Value, frozen=True):
    """A failed call: its error, and the HTTP status where the log says it."""

    error: CallError
    status: int | None


def find_failure(exchange: Exchange) -> Failure | None:
    """Return how a call failed, or None; an incomplete, cancelled or filtered answer is no failure."""
    outer, response = exchange.outer, exchange.response
    status = exchange.status
    errors = [
        value for value in (response.get("error"), outer.get("error"), *_choice_errors(response)) if is_error(value)
    ]
    if response.get("object") == "error":  # vLLM's error body is the error itself
        errors.append(response)
    if set(response) == {"detail"}:
        errors.append(response["detail"])
    told = [outer.get(key) for key in FAILURE_KEYS if is_error(outer.get(key))]
    if (exception := _callbacks_exception(exchange)) is not None:
        told.append(exception)
    failed = (
        bool(errors or told)
        or (status is not None and not 200 <= status <= 299)
        or says_failed(outer)
        or response.get("status") == "failed"
    )
    if not failed:
        return None
    error = errors[0] if errors else None
    details = mapping(error) or mapping(outer.get("exception"))
    body = mapping(details.get("error"))  # of an error as an SDK throws it
    if status is None:
        status = read_status(details)
    message = _message(error, exchange)
    if message is None and status:
        message = f"HTTP {status}"
    return Failure(
        CallError(
            error_type(
                first_text(
                    details.get("type"),
                    _code_text(details.get("code")),
                    body.get("type"),
                    _code_text(body.get("code")),
                    outer.get("error_type"),
                )
            ),
            error_text(message),
        ),
        status if status is not None else _status_from_code(details.get("code")),
    )


def _callbacks_exception(exchange: Exchange) -> Json:
    """What LiteLLM tells a callback of a failure, among its arguments.

    Beside an answer it is of an earlier attempt, beside an answer's text what the prompt asks about.
    """
    exception = exchange.request.get("exception")
    is_answered = classify_response(exchange.response) is not None or any(
        text(exchange.outer.get(key)) for key in ANSWER_TEXT_KEYS
    )
    return exception if is_error(exception) and not is_answered else None


def _choice_errors(response: Mapping[str, Json]) -> list[Json]:
    """Errors in the choices: OpenRouter's, where a provider failed while it answered."""
    return [mapping(choice).get("error") for choice in items(response.get("choices"))]


def _message(error: Json, exchange: Exchange) -> str | None:
    outer, response = exchange.outer, exchange.response
    if isinstance(error, str):
        return error
    details = mapping(error)
    body = mapping(details.get("error"))
    nested = first_text(details.get("message"), details.get("detail"), body.get("message"), body.get("detail"))
    if nested is not None:
        return nested
    exception = outer.get("exception")
    told = first_text(
        outer.get("error_message"), outer.get("errorMessage"), exception, mapping(exception).get("message")
    )
    if told is None:
        told = text(_callbacks_exception(exchange))
    if told is not None:
        return told
    if details:
        return compact(without_secrets(details))
    return first_text(response.get("detail"), outer.get("detail"), response.get("message"))


def _code_text(code: Json) -> str | None:
    if is_number(code):
        return str(int(code)) if float(code).is_integer() else str(code)
    return text(code)


def _status_from_code(code: Json) -> int | None:
    """Azure's code may be a numeric string, OpenRouter's an int: a status, if nothing better is there."""
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    return int(code) if is_number(code) and code == int(code) and 100 <= code <= 599 else None
