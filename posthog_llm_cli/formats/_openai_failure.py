"""Whether a call of an OpenAI-format log failed, and how (openai-logs.md, 3.7)."""

from collections.abc import Mapping

from posthog_llm_cli.formats._errors import error_text, error_type
from posthog_llm_cli.formats._fields import compact, decoded_if_shallow, first_text, is_number, items, mapping, text
from posthog_llm_cli.formats._metadata import without_secrets
from posthog_llm_cli.formats._openai_exceptions import as_error, logged_exception
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
    logged = (response.get("error"), outer.get("error"), *_choice_errors(response))
    errors = [as_error(_read(value)) for value in logged if is_error(value)]
    if response.get("object") == "error":  # vLLM's error body is the error itself
        errors.append(response)
    if set(response) == {"detail"}:
        errors.append(response["detail"])
    exception = _exception(exchange)
    failed = (
        bool(errors)
        or exception is not None
        or any(is_error(outer.get(key)) for key in FAILURE_KEYS)
        or (status is not None and not 200 <= status <= 299)
        or says_failed(outer)
        or response.get("status") == "failed"
    )
    if not failed:
        return None
    error = errors[0] if errors else None
    details = mapping(error) or mapping(exception)
    body = _body(details)
    if status is None:
        status = read_status(details)
    message = _message(error, exception, exchange)
    if message is None and status:
        message = f"HTTP {status}"
    return Failure(
        CallError(
            error_type(
                _first_name(
                    details.get("type"),
                    details.get("class"),
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


def _read(error: Json) -> Json:
    """An error that was made a text of JSON, as the object that it was."""
    return mapping(decoded_if_shallow(error)) or error


def _exception(exchange: Exchange) -> Json:
    """What was raised: the record's own `exception`, or what a logger or a callback of LiteLLM's noted of a failure.

    Beside an answer such a note is of an earlier attempt, or of what the application did with the answer; beside an
    answer's text it may also be what the prompt asks about.
    """
    if is_error(own := exchange.outer.get("exception")):
        return as_error(own)
    callbacks = exchange.request.get("exception")
    noted = callbacks if is_error(callbacks) else logged_exception(exchange.outer)
    if noted is None or classify_response(exchange.response) is not None:
        return None
    return None if any(text(exchange.outer.get(key)) for key in ANSWER_TEXT_KEYS) else noted


def _choice_errors(response: Mapping[str, Json]) -> list[Json]:
    """Errors in the choices: OpenRouter's, where a provider failed while it answered."""
    return [mapping(choice).get("error") for choice in items(response.get("choices"))]


def _message(error: Json, exception: Json, exchange: Exchange) -> str | None:
    outer, response = exchange.outer, exchange.response
    if isinstance(error, str):
        return error
    details = mapping(error)
    if (said := _said(details)) is not None:
        return said
    told = first_text(outer.get("error_message"), outer.get("errorMessage"), exception, _said(mapping(exception)))
    if told is not None:
        return told
    if details:
        return compact(without_secrets(details))
    return first_text(response.get("detail"), outer.get("detail"), response.get("message"))


def _said(error: Mapping[str, Json]) -> str | None:
    """An error object's message; an SDK throws one that holds the body's."""
    body = _body(error)
    return first_text(error.get("message"), error.get("detail"), body.get("message"), body.get("detail"))


def _body(error: Mapping[str, Json]) -> Mapping[str, Json]:
    """The error of the HTTP body in an error as OpenAI's SDKs throw it (`error`), or the AI SDK (`data`)."""
    return mapping(error.get("error")) or mapping(mapping(error.get("data")).get("error"))


def _first_name(*names: Json) -> str | None:
    """The first name of an error; LiteLLM's proxy has the word None for none."""
    return next((name for name in names if isinstance(name, str) and is_error(name)), None)


def _code_text(code: Json) -> str | None:
    if is_number(code):
        return str(int(code)) if float(code).is_integer() else str(code)
    return text(code)


def _status_from_code(code: Json) -> int | None:
    """Azure's code may be a numeric string, OpenRouter's an int: a status, if nothing better is there."""
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    return int(code) if is_number(code) and code == int(code) and 100 <= code <= 599 else None
