"""`plh explain`: what becomes of one record, and which of its fields each property comes from."""
# ruff: noqa: ARG001, PLR0913, PLR0917 - the parameters are the command line; `ctx.params` hands them on by name

from datetime import UTC, datetime
from typing import Annotated

import typer

from posthog_llm_cli.cli import options

Place = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE:LINE",
        help="A file, or - for stdin, and the number of a line in it, as messages and previews name records.",
        show_default=False,
    ),
]


def explain(
    ctx: typer.Context,
    place: Place,
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
) -> int:
    """Explain one record: which of its fields each property of the event comes from, what is left out. Sends nothing.

    Examples:
      plh explain app.jsonl:1204
      zcat app.jsonl.gz | plh explain -:1204
      plh explain --privacy-mode app.jsonl:1204

    Exit codes: 0 an event, or skipped as no call; 2 usage, or no such line; 3 rejected; 4 the source is unreadable.
    """
    from posthog_llm_cli.cli.explaining import explain_run  # noqa: PLC0415 - `plh --version` needs none of it
    from posthog_llm_cli.config.resolution import load  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    given = {name: value for name, value in ctx.params.items() if name != "place"}
    return explain_run(place, load(options.flags_of(given), now=now), now=now)
