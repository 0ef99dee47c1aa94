"""`plh validate`: read and convert, send nothing, and show every rejected record with its place."""
# ruff: noqa: ARG001, PLR0913, PLR0917 - the parameters are the command line; `ctx.params` hands them on by name

from datetime import UTC, datetime

import typer

from posthog_llm_cli.cli import options
from posthog_llm_cli.cli.typed import typed_command, typed_sources


def validate(
    ctx: typer.Context,
    sources: options.Sources = None,
    format_: options.Format = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: options.Limit = None,
    metadata_only: options.MetadataOnly = None,
    default_time: options.DefaultTime = None,
    timezone: options.Timezone = None,
    max_record: options.MaxRecord = None,
    api_key: options.ApiKey = None,
    api_key_file: options.ApiKeyFile = None,
    host: options.Host = None,
    record_keys_only: options.RecordKeysOnly = None,
    allow_host: options.AllowHost = None,
    endpoint: options.Endpoint = None,
    distinct_id: options.DistinctId = None,
    property_: options.Property = None,
    privacy_mode: options.PrivacyMode = None,
    media: options.Media = None,
    import_id: options.ImportId = None,
    json: options.Json = None,
    quiet: options.Quiet = None,
    verbose: options.Verbose = None,
) -> int:
    """Read and convert LLM call logs; report formats, coverage, warnings and every rejected record. Sends nothing.

    Examples:
      plh validate logs.jsonl
      plh validate --since 1h spend.jsonl  has a new setting worked?
      plh validate --json logs.jsonl | jq .warnings

    Exit codes as of plh send: 0 everything converts, 2 usage, 3 some records rejected, 4 a source unreadable.
    """
    from posthog_llm_cli.cli.runs import validate_run  # noqa: PLC0415 - the pipeline: `plh --version` needs none of it
    from posthog_llm_cli.config.resolution import load  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    specs = typed_sources(ctx, sources)
    return validate_run(specs, load(options.flags_of(ctx.params), now=now), typed_command(ctx), now=now)
