"""`openai-error`: a failed call, as a pair of a request and an error (openai-logs.md, rows 16 to 18 and 3.7).

Smallest record: `{"timestamp": "2025-06-01T10:00:00Z", "request": {"model": "gpt-4o"}, "error": {"message": "slow
down"}}`. An error body alone names neither model nor time: it is rejected.
"""

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats._openai_call import Answer, build_call, operation_of_failure
from posthog_llm_cli.formats._openai_exchange import flat_request, read_exchange
from posthog_llm_cli.formats._openai_shapes import CONTENT_KEYS, Candidate, classify, is_asked_flat, is_error_body
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.model import Json, ParseContext
from posthog_llm_cli.values import replace

NAME = "openai-error"


def matches(record: Json) -> bool:
    """Whether `record` is an error body, or a pair that failed."""
    return classify(record) in {NAME, "error-body"}


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn a failed pair into a call with an error.

    Raises:
        RecordError: `missing-field` for an error body alone, and without a model or any usable time.
    """
    if is_error_body(record):
        raise RecordError(
            "missing-field",
            "an error body alone has neither model nor time",
            path="$.model",
            hint="log the error together with its request",
        )
    exchange = read_exchange(record)
    if is_asked_flat(record) and not any(exchange.request.get(key) for key in CONTENT_KEYS):
        exchange = replace(exchange, request={**flat_request(record), **exchange.request})
    said = Candidate(record).error_text if not exchange.response else None
    if said is not None:
        exchange = replace(exchange, response={"message": said})
    return build_call(exchange, Answer(operation_of_failure(exchange)), context)


FORMAT = LogFormat(
    name=NAME,
    title="OpenAI failed call: a request and an error",
    recognised_by="a request key with an error, and no answer; or an error body as the answer",
    smallest='{"timestamp": "2025-06-01T10:00:00Z", "request": {"model": "gpt-4o"}, "response": null, '
    '"error": {"message": "slow down"}}',
    matches=matches,
    parse=parse,
)
