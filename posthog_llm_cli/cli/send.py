"""`plh send`: read, convert, deliver; with `--mock` print, with `--dry-run` only rehearse."""
# ruff: noqa: ARG001, PLR0913, PLR0917 - the parameters are the command line; `ctx.params` hands them on by name

from datetime import UTC, datetime

import typer

from posthog_llm_cli.cli import options
from posthog_llm_cli.cli.typed import typed_command, typed_sources


def send(
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
    chunk_events: options.ChunkEvents = None,
    chunk_bytes: options.ChunkBytes = None,
    concurrency: options.Concurrency = None,
    max_retries: options.MaxRetries = None,
    timeout: options.Timeout = None,
    rate_limit: options.RateLimit = None,
    historical_migration: options.HistoricalMigration = None,
    ledger: options.Ledger = None,
    no_ledger: options.NoLedger = None,
    dead_letter: options.DeadLetter = None,
    lock_wait: options.LockWait = None,
    max_duration: options.MaxDuration = None,
    workers: options.Workers = None,
    shard: options.Shard = None,
    yes: options.Yes = None,
    dry_run: options.DryRun = None,
    mock: options.Mock = None,
    json: options.Json = None,
    quiet: options.Quiet = None,
    verbose: options.Verbose = None,
) -> int:
    """Read LLM call logs, turn each call into a PostHog AI event, and deliver the events.

    Examples:
      plh send logs.jsonl                  what was sent before is not sent again
      plh send --dry-run logs.jsonl        say what would go where, send nothing
      plh send --mock logs.jsonl | jq .    print the events, send nothing
      plh send --since 7d 'logs/**/*.gz'   the calls of the last week
      cat logs/*.jsonl | plh send -        from a pipe
      plh send dead-letters.jsonl          what was rejected, once more

    Exit codes: 0 all settled, 2 usage, 3 some records rejected, 4 a source
    unreadable, 5 delivery incomplete, 6 a key refused, 7 the ledger locked or
    damaged, 130 and 143 interrupted. SIGUSR1 asks a run how far it is.
    """
    from posthog_llm_cli.cli.runs import send_run  # noqa: PLC0415 - the pipeline: `plh --version` needs none of it
    from posthog_llm_cli.config.resolution import load  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    specs = typed_sources(ctx, sources)
    return send_run(specs, load(options.flags_of(ctx.params), now=now), typed_command(ctx), now=now)
