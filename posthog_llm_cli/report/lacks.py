"""What a log may lack, and where the operator switches it on: the one table behind the advice of `plh validate`.

A row compares two counts of the coverage of one format (`model.Fact`). Each LiteLLM setting that a row names was found
in the source of litellm 1.106.2; the comment above the row says where (paths within the package `litellm`). Text
between backticks is a setting or code, and is never broken over two lines.
"""

from enum import Enum

from posthog_llm_cli.model import Fact
from posthog_llm_cli.values import Value

_LITELLM = ("litellm", "litellm-kwargs", "litellm-spend")
_PAYLOADS = ("litellm", "litellm-kwargs")
_OPENAI = ("openai-chat", "openai-responses", "openai-completions", "openai-embeddings")


class Lacking(Enum):
    """How many of the calls that a row is about must lack it before it is worth a line; the value is their share."""

    ANY = 0.0
    SOME = 0.05
    MOST = 0.5
    ALL = 1.0


class Row(Value, frozen=True):
    """One thing that a log of these formats may lack.

    `of` counts the calls that could have it, `fact` those of them that do (or, where `is_lack`, those that do not).
    `says` ends the sentence that begins with the two counts and the name of the calls; `advice` says what to do.
    The row speaks if `lacking` of them lack it, they are at least `least_calls`, and at least `least_part` of the
    format's calls. `settings` are the names in `advice` that are LiteLLM's.
    """

    formats: tuple[str, ...]
    missing: str
    of: Fact
    fact: Fact
    says: str
    advice: str
    lacking: Lacking = Lacking.SOME
    is_lack: bool = False
    least_calls: int = 1
    least_part: float = 0.0
    settings: tuple[str, ...] = ()


class RefusedRow(Value, frozen=True):
    """What to do about records that are no calls because of how they were written; `code` is why they are rejected."""

    code: str
    missing: str
    says: str
    advice: str
    settings: tuple[str, ...] = ()


ROWS: tuple[Row, ...] = (
    # general_settings.store_prompts_in_spend_logs: proxy/_types.py, ConfigGeneralSettings; the environment variable:
    # proxy/spend_tracking/spend_tracking_utils.py, should_store_prompts_and_responses_in_spend_logs. What the
    # two routes leave out: proxy/spend_tracking/spend_management_endpoints.py, ui_view_spend_logs.
    Row(
        formats=("litellm-spend",),
        missing="input",
        of=Fact.UNREDACTED,
        fact=Fact.UNREDACTED_INPUT,
        says="have a prompt",
        advice="a row holds prompt, answer, tools and the caller's metadata only with `general_settings: "
        "store_prompts_in_spend_logs: true` in the proxy's config.yaml (or "
        "`STORE_PROMPTS_IN_SPEND_LOGS=true` in its environment), for calls made since; the routes "
        "`/spend/logs/ui` and `/spend/logs/v2` leave them out all the same: export the table",
        settings=("store_prompts_in_spend_logs", "STORE_PROMPTS_IN_SPEND_LOGS", "/spend/logs/ui", "/spend/logs/v2"),
    ),
    # One setting for both: spend_tracking_utils.py, _get_response_for_spend_logs_payload.
    Row(
        formats=("litellm-spend",),
        missing="output",
        of=Fact.ANSWERABLE,
        fact=Fact.ANSWERED,
        says="have an answer",
        advice="`general_settings: store_prompts_in_spend_logs: true` (config.yaml) stores the answer beside the "
        "prompt: the export must take the column `response` too",
        settings=("store_prompts_in_spend_logs", "response"),
    ),
    # constants.py, MAX_STRING_LENGTH_PROMPT_IN_DB (2048); spend_tracking_utils.py,
    # _sanitize_request_body_for_spend_logs_payload (BerriAI/litellm#25461). Callbacks get the whole text:
    # constants.py, LITELLM_TRUNCATION_DB_SAFEGUARD_NOTE.
    Row(
        formats=("litellm-spend",),
        missing="whole texts",
        of=Fact.CALLS,
        fact=Fact.TRUNCATED,
        says="were cut by LiteLLM",
        advice="in SpendLogs LiteLLM cuts every text over 2,048 characters: a higher "
        "`MAX_STRING_LENGTH_PROMPT_IN_DB` in the proxy's environment keeps more, a callback (`s3_v2`, "
        "`gcs_bucket`, `generic_api`) keeps all",
        lacking=Lacking.ANY,
        is_lack=True,
        settings=("MAX_STRING_LENGTH_PROMPT_IN_DB", "s3_v2", "gcs_bucket", "generic_api"),
    ),
    # The one caller of truncate_standard_logging_payload_content (integrations/custom_logger.py, max_str_length) is
    # integrations/datadog/datadog.py; the names of the callbacks: __init__.py.
    Row(
        formats=("litellm",),
        missing="whole texts",
        of=Fact.CALLS,
        fact=Fact.TRUNCATED,
        says="were cut by LiteLLM",
        advice="the `datadog` callback cuts prompt, answer and error at 10,000 characters, and no setting raises "
        "that: log with `s3_v2`, `gcs_bucket` or `generic_api`",
        lacking=Lacking.ANY,
        is_lack=True,
        settings=("datadog", "s3_v2", "gcs_bucket", "generic_api"),
    ),
    # integrations/custom_logger.py, redact_standard_logging_payload_from_model_call_details.
    Row(
        formats=_PAYLOADS,
        missing="input",
        of=Fact.UNREDACTED,
        fact=Fact.UNREDACTED_INPUT,
        says="have a prompt",
        advice="`litellm_settings: standard_logging_payload_excluded_fields` in config.yaml keeps the fields that "
        "it lists from all callbacks: take `messages` (and `response`) off the list",
        settings=("standard_logging_payload_excluded_fields", "messages", "response"),
    ),
    # integrations/s3_v2.py, s3_log_prompts_only; integrations/s3.py, prompts_only_payload; constants.py,
    # S3_LOG_PROMPTS_ONLY_ENV_VAR; litellm.s3_callback_params: __init__.py.
    Row(
        formats=_PAYLOADS,
        missing="output",
        of=Fact.ANSWERABLE,
        fact=Fact.ANSWERED,
        says="have an answer",
        advice="two settings leave answers out: `s3_log_prompts_only` under `litellm_settings: s3_callback_params` "
        "(config.yaml; in the environment `S3_LOG_PROMPTS_ONLY`), and `response` in `litellm_settings: "
        "standard_logging_payload_excluded_fields`",
        settings=(
            "s3_log_prompts_only", "s3_callback_params", "S3_LOG_PROMPTS_ONLY", "response",
            "standard_logging_payload_excluded_fields",
        ),
    ),
    # litellm_core_utils/redact_messages.py, should_redact_message_logging; the callback's own:
    # integrations/custom_logger.py, CustomLogger.__init__; SpendLogs: spend_tracking_utils.py,
    # _get_proxy_server_request_for_spend_logs_payload. (redact_messages_in_exceptions, __init__.py, keeps prompts out
    # of error texts only: nothing that an event needs.)
    Row(
        formats=(*_LITELLM, "litellm-legacy"),
        missing="content",
        of=Fact.CALLS,
        fact=Fact.REDACTED,
        says="were redacted by LiteLLM",
        advice="LiteLLM keeps prompt and answer out of the log where it is told to: by `litellm_settings: "
        "turn_off_message_logging: true` (config.yaml), by a callback's own `turn_off_message_logging`, or "
        "by the request: `turn_off_message_logging` in its body, or the header "
        "`x-litellm-enable-message-redaction`",
        lacking=Lacking.ANY,
        is_lack=True,
        settings=("turn_off_message_logging", "x-litellm-enable-message-redaction"),
    ),
    # proxy/auth/auth_utils.py, get_end_user_id_from_request_body; constants.py, STANDARD_CUSTOMER_ID_HEADERS;
    # general_settings.user_header_mappings: proxy/_types.py, ConfigGeneralSettings. The SDK's `user=` lands in
    # model_parameters, which plh reads; its metadata in litellm_params only (seen in a run of 1.106.2).
    Row(
        formats=_PAYLOADS,
        missing="user",
        of=Fact.CALLS,
        fact=Fact.USER,
        says="name a user",
        advice="through the proxy the caller sends `user` in the body or the header `x-litellm-end-user-id` (any "
        "other: `general_settings: user_header_mappings`); with the SDK it passes `user=…`, or "
        '`metadata={"user_id": …}`, which only kwargs keep; --distinct-id stands in where nobody is named',
        lacking=Lacking.MOST,
        settings=("x-litellm-end-user-id", "user_header_mappings"),
    ),
    # The same functions; the column end_user: proxy/spend_tracking/spend_tracking_utils.py, get_logging_payload.
    Row(
        formats=("litellm-spend",),
        missing="user",
        of=Fact.CALLS,
        fact=Fact.USER,
        says="name a user",
        advice="the caller sends `user` in the body or the header `x-litellm-end-user-id` (any other: "
        "`general_settings: user_header_mappings`); --distinct-id stands in where nobody is named",
        lacking=Lacking.MOST,
        settings=("x-litellm-end-user-id", "user_header_mappings"),
    ),
    # litellm_core_utils/litellm_logging.py, get_standard_logging_payload_trace_id and …_session_id;
    # request_correlation_in_logs: __init__.py; the header: proxy/litellm_pre_call_utils.py, get_chain_id_from_headers.
    Row(
        formats=("litellm",),
        missing="session",
        of=Fact.CALLS,
        fact=Fact.SESSION,
        says="have a session",
        advice="LiteLLM stores the session as the trace id unless `litellm_settings: request_correlation_in_logs: "
        "true` is set (config.yaml; SDK: `litellm.request_correlation_in_logs = True`), which adds "
        "`session_id`; the caller gives it as the header `x-litellm-session-id` or as `metadata.session_id`, "
        "with the SDK as `litellm_session_id=…`",
        lacking=Lacking.MOST,
        settings=("request_correlation_in_logs", "session_id", "x-litellm-session-id", "litellm_session_id"),
    ),
    Row(
        formats=("litellm-kwargs",),
        missing="session",
        of=Fact.CALLS,
        fact=Fact.SESSION,
        says="have a session",
        advice="the caller gives it as the header `x-litellm-session-id` or as `metadata.session_id`, with the SDK "
        'as `litellm_session_id=…`; it is read from `kwargs["litellm_params"]`, or from a payload alone with '
        "`litellm_settings: request_correlation_in_logs: true` (config.yaml)",
        lacking=Lacking.MOST,
        settings=("x-litellm-session-id", "litellm_session_id", "request_correlation_in_logs", "litellm_params"),
    ),
    # spend_tracking_utils.py, _get_session_id_for_spend_log: the column is the payload's trace_id.
    Row(
        formats=("litellm-spend",),
        missing="session",
        of=Fact.CALLS,
        fact=Fact.SESSION,
        says="have a session",
        advice="the column `session_id` is the trace id; the session is `metadata.session_id` of the request's "
        "body, which a row keeps only with `general_settings: store_prompts_in_spend_logs: true` "
        "(config.yaml)",
        lacking=Lacking.MOST,
        settings=("session_id", "store_prompts_in_spend_logs"),
    ),
    # litellm_core_utils/litellm_logging.py, get_standard_logging_metadata takes fixed keys only; the caller's stay in
    # litellm_params.metadata. Kwargs hold keys in clear: litellm-logs.md, section 3.
    Row(
        formats=_PAYLOADS,
        missing="custom metadata",
        of=Fact.DIRECT,
        fact=Fact.DIRECT_METADATA,
        says="have the caller's metadata",
        advice="of an SDK call the payload keeps none. In the callback, write it beside the payload: "
        '`{"standard_logging_object": …, "litellm_params": {"metadata": …}}` with '
        '`kwargs["litellm_params"].get("metadata")`, or all of it, `json.dumps(kwargs, default=str)`, which '
        "holds provider keys in clear",
        lacking=Lacking.ALL,
        least_part=0.5,
        settings=("standard_logging_object", "litellm_params", "metadata"),
    ),
    # proxy/common_request_processing.py, _stream_usage_tracking_updates; completion's stream_options: main.py. Without
    # the provider's counts LiteLLM counts by itself, or logs 0: litellm_core_utils/streaming_chunk_builder_utils.py.
    Row(
        formats=_LITELLM,
        missing="tokens",
        of=Fact.STREAMS,
        fact=Fact.STREAM_TOKENS,
        says="have token counts",
        advice='a provider counts a stream if asked: `stream_options={"include_usage": True}` in the call; the '
        "proxy asks for every stream with `general_settings: always_include_stream_usage: true` (config.yaml)",
        settings=("stream_options", "include_usage", "always_include_stream_usage"),
    ),
    # litellm_core_utils/litellm_logging.py, use_custom_pricing_for_model; utils.py, register_model;
    # litellm_core_utils/llm_cost_calc/zero_cost_diagnostic.py.
    Row(
        formats=_LITELLM,
        missing="cost",
        of=Fact.PRICEABLE,
        fact=Fact.PRICED,
        says="have a cost",
        advice="LiteLLM logs 0 for a model without a price, and PostHog estimates by its own list: set "
        "`input_cost_per_token` and `output_cost_per_token` in the model's `model_info` (`model_list` in "
        "config.yaml; SDK: `litellm.register_model`); for a model that is free there is nothing to do",
        settings=("input_cost_per_token", "output_cost_per_token", "model_info", "model_list", "register_model"),
    ),
    # No setting: litellm_core_utils/litellm_logging.py, _success_handler_helper_fn, falls back on the end;
    # responses/streaming_iterator.py and proxy/pass_through_endpoints/streaming_handler.py measure it in 1.106.2.
    Row(
        formats=_LITELLM,
        missing="time to first token",
        of=Fact.STREAMS,
        fact=Fact.STREAM_TTFT,
        says="have a time to first token",
        advice="older versions of LiteLLM log the end in its place for /v1/messages and /v1/responses "
        "(BerriAI/litellm#25598, BerriAI/litellm#31385); version 1.106.2 measures it",
        lacking=Lacking.MOST,
    ),
    # litellm_core_utils/litellm_logging.py: the failure handlers go through litellm.failure_callback, which `callbacks`
    # fills too; integrations/custom_logger.py, log_failure_event.
    Row(
        formats=_PAYLOADS,
        missing="errors",
        of=Fact.CALLS,
        fact=Fact.ERROR,
        says="failed",
        advice="that may be so; if not: failed calls are logged by what stands in `callbacks` or `failure_callback` "
        "under `litellm_settings` (config.yaml), not by `success_callback` alone, and by `log_failure_event` "
        "of a callback class of your own",
        lacking=Lacking.ALL,
        least_calls=1000,
        settings=("callbacks", "failure_callback", "success_callback", "log_failure_event"),
    ),
    # proxy/hooks/proxy_track_cost_callback.py, _should_track_errors_in_db.
    Row(
        formats=("litellm-spend",),
        missing="errors",
        of=Fact.CALLS,
        fact=Fact.ERROR,
        says="failed",
        advice="that may be so; if not: `general_settings: disable_error_logs: true` (config.yaml) keeps failed "
        "calls out",
        lacking=Lacking.ALL,
        least_calls=1000,
        settings=("disable_error_logs",),
    ),
    # generic_api_use_v1: __init__.py, integrations/generic_api/generic_api_callback.py; integrations/dynamodb.py.
    Row(
        formats=("litellm-legacy",),
        missing="output",
        of=Fact.CALLS,
        fact=Fact.CALLS,
        says="are items of the old form, all text, whose answer cannot be read",
        advice="the form comes from `litellm_settings: generic_api_use_v1: true` (config.yaml): take it out; the "
        "`dynamodb` callback knows no other: log with `s3_v2`, `gcs_bucket` or `generic_api`",
        lacking=Lacking.ANY,
        is_lack=True,
        settings=("generic_api_use_v1", "dynamodb", "s3_v2", "gcs_bucket", "generic_api"),
    ),
    # OpenAI's formats: docs/formats.md, "The record that a home-made logger should write".
    Row(
        formats=_OPENAI,
        missing="input",
        of=Fact.UNREDACTED,
        fact=Fact.UNREDACTED_INPUT,
        says="have a prompt",
        advice='an API answer alone has none: log the request beside it, `{"request": {…}, "response": {…}}`',
    ),
    Row(
        formats=_OPENAI,
        missing="latency",
        of=Fact.CALLS,
        fact=Fact.LATENCY,
        says="have a latency",
        advice='write `"latency"` in seconds and `"timestamp"`, the time of the complete answer, beside `"request"` '
        'and `"response"`',
        lacking=Lacking.MOST,
    ),
    Row(
        formats=_OPENAI,
        missing="user",
        of=Fact.CALLS,
        fact=Fact.USER,
        says="name a user",
        advice='write `"user"` (and `"session_id"`, `"trace_id"`) beside `"request"` and `"response"`; '
        "--distinct-id stands in where nobody is named",
        lacking=Lacking.MOST,
    ),
    Row(
        formats=_OPENAI,
        missing="provider",
        of=Fact.CALLS,
        fact=Fact.PROVIDER,
        says="tell their provider",
        advice="write `\"base_url\"`, the API's address, beside `\"request\"` and `\"response\"`",
    ),
    Row(
        formats=(*_OPENAI, "openai-stream"),
        missing="tokens",
        of=Fact.STREAMS,
        fact=Fact.STREAM_TOKENS,
        says="have token counts",
        advice='the API counts a stream if asked: `stream_options={"include_usage": True}` in the call',
    ),
)  # fmt: skip

REFUSED_ROWS: tuple[RefusedRow, ...] = (
    RefusedRow(
        code="python-repr",
        missing="call",
        says="are Python's print of an object",
        advice='write `json.dumps(kwargs["standard_logging_object"], default=str)` in place of `str(kwargs)`, for '
        "OpenAI `response.model_dump_json()`",
        settings=("standard_logging_object",),
    ),
    # integrations/sqs.py; litellm.aws_sqs_callback_params: __init__.py. The one writer of encrypted records in 1.106.2.
    RefusedRow(
        code="encrypted-record",
        missing="call",
        says="are encrypted",
        advice="decrypt them first, or take `sqs_aws_use_application_level_encryption` out of `litellm_settings: "
        "aws_sqs_callback_params` (config.yaml)",
        settings=("sqs_aws_use_application_level_encryption", "aws_sqs_callback_params"),
    ),
)
