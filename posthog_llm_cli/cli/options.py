"""The options of the commands, each declared once, in the groups of the README's table.

Values arrive as text (None: not given): `config` reads flags, environment and files by the same rules. A parameter's
name is its key in `config.options.OPTIONS`, with a `_` behind it where it would hide a builtin.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

_INPUT, _DESTINATION, _MAPPING = "Input", "Destination", "Mapping"
_DELIVERY, _STATE, _LIMITS, _MODE, _OUTPUT = "Delivery", "State", "Limits", "Mode", "Output"

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE]...",
        help="A file, a directory, a glob, or - for stdin (also where nothing is given and stdin is piped). "
        "Plain, gzip or zstd, told by content.",
        show_default=False,
    ),
]

# ------------------------------------------------------------------------------------------------------------- input

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="One format for all records, see plh formats; auto decides per record. (env PLH_FORMAT, default auto)",
        rich_help_panel=_INPUT,
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="Only calls from this time on: RFC 3339, a date, or a span before now (36h, 7d). (default: all)",
        rich_help_panel=_INPUT,
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="TIME", help="Only calls before this time, which is left out. (default: all)",
        rich_help_panel=_INPUT,
    ),
]  # fmt: skip
Limit = Annotated[
    str | None,
    typer.Option("--limit", metavar="N", help="Stop after N calls. (default: no limit)", rich_help_panel=_INPUT),
]
MetadataOnly = Annotated[
    str | None,
    typer.Option(
        "--metadata-only",
        metavar="reject|send",
        help="Home-made records with a model and counts, and no text at all. (default reject)",
        rich_help_panel=_INPUT,
    ),
]
DefaultTime = Annotated[
    str | None,
    typer.Option(
        "--default-time",
        metavar="TIME",
        help="For records without a usable time, which are rejected otherwise. (default: none)",
        rich_help_panel=_INPUT,
    ),
]
Timezone = Annotated[
    str | None,
    typer.Option(
        "--timezone",
        metavar="NAME",
        help="Of times that name no zone, where the format does not fix one. (env PLH_TIMEZONE, default UTC)",
        rich_help_panel=_INPUT,
    ),
]
MaxRecord = Annotated[
    str | None,
    typer.Option(
        "--max-record",
        metavar="SIZE",
        help="A longer record is rejected, and not held in memory. (env PLH_MAX_RECORD, default 32MiB)",
        rich_help_panel=_INPUT,
    ),
]

# ------------------------------------------------------------------------------------------------------- destination

ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        metavar="KEY",
        help="Project key (phc_…) for records that carry none. Other users of this machine can see it in the list of "
        "processes: the variable or --api-key-file keeps it to yourself. (env POSTHOG_API_KEY)",
        rich_help_panel=_DESTINATION,
    ),
]
ApiKeyFile = Annotated[
    str | None,
    typer.Option(
        "--api-key-file", metavar="PATH", help="A file that holds the project key.", rich_help_panel=_DESTINATION
    ),
]
Host = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="URL",
        help="PostHog's ingestion host. (env POSTHOG_API_URL, then POSTHOG_HOST, default https://us.i.posthog.com)",
        rich_help_panel=_DESTINATION,
    ),
]
RecordKeysOnly = Annotated[
    bool | None,
    typer.Option(
        "--record-keys-only",
        metavar="",
        help="Only the keys in the records count: a configured key is ignored, a record without one is rejected. "
        "(default off)",
        rich_help_panel=_DESTINATION,
    ),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="URL",
        help="A host that a record may name, besides PostHog's own and --host; may be repeated. "
        "(env PLH_ALLOW_HOST, by commas or blanks)",
        rich_help_panel=_DESTINATION,
        show_default=False,
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="auto|v1|ai-batch|batch",
        help="PostHog's route; auto is v1, and falls back where a host does not have it. "
        "(env PLH_ENDPOINT, default auto)",
        rich_help_panel=_DESTINATION,
    ),
]

# ----------------------------------------------------------------------------------------------------------- mapping

DistinctId = Annotated[
    str | None,
    typer.Option(
        "--distinct-id",
        metavar="VALUE",
        help="For calls that name no user. (env PLH_DISTINCT_ID, default: the trace id, without a person)",
        rich_help_panel=_MAPPING,
    ),
]
Property = Annotated[
    list[str] | None,
    typer.Option(
        "--property",
        metavar="KEY=VALUE",
        help="Added to every event, as text; may be repeated. The key may not begin with $.",
        rich_help_panel=_MAPPING,
        show_default=False,
    ),
]
PrivacyMode = Annotated[
    bool | None,
    typer.Option(
        "--privacy-mode",
        metavar="",
        help="No prompt, completion, tool definition or error text leaves the machine. "
        "(env POSTHOG_PRIVACY_MODE, default off)",
        rich_help_panel=_MAPPING,
    ),
]
Media = Annotated[
    str | None,
    typer.Option(
        "--media",
        metavar="redact|keep",
        help="Base64 images, audio and files become placeholders, or go along. (env PLH_MEDIA, default redact)",
        rich_help_panel=_MAPPING,
    ),
]
ImportId = Annotated[
    str | None,
    typer.Option(
        "--import-id",
        metavar="TEXT",
        help="Stands on every event as plh_import_id, to find this import in PostHog. "
        "(default: the run's id; with --mock and --dry-run none)",
        rich_help_panel=_MAPPING,
    ),
]

# ---------------------------------------------------------------------------------------------------------- delivery

ChunkEvents = Annotated[
    str | None,
    typer.Option(
        "--chunk-events",
        metavar="N",
        help="Events in one request, at most. (env PLH_CHUNK_EVENTS, default 500)",
        rich_help_panel=_DELIVERY,
    ),
]
ChunkBytes = Annotated[
    str | None,
    typer.Option(
        "--chunk-bytes",
        metavar="SIZE",
        help="Bytes of one request before compression, at most; a larger event goes alone. "
        "(env PLH_CHUNK_BYTES, default 4MiB)",
        rich_help_panel=_DELIVERY,
    ),
]
Concurrency = Annotated[
    str | None,
    typer.Option(
        "--concurrency",
        metavar="N",
        help="Requests in flight to one host at most, 1 to 64; fewer while it is overloaded. "
        "(env PLH_CONCURRENCY, default 4)",
        rich_help_panel=_DELIVERY,
    ),
]
MaxRetries = Annotated[
    str | None,
    typer.Option(
        "--max-retries",
        metavar="N",
        help="After the first attempt, 0 to 100; 0 means none. (env PLH_MAX_RETRIES, default 8)",
        rich_help_panel=_DELIVERY,
    ),
]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        help="For one attempt. (env PLH_TIMEOUT, default 30)",
        rich_help_panel=_DELIVERY,
    ),
]
RateLimit = Annotated[
    str | None,
    typer.Option(
        "--rate-limit",
        metavar="N",
        help="Events per second, all destinations together. (env PLH_RATE_LIMIT, default: no limit)",
        rich_help_panel=_DELIVERY,
    ),
]
HistoricalMigration = Annotated[
    str | None,
    typer.Option(
        "--historical-migration",
        metavar="auto|on|off",
        help="PostHog's flag for old data; auto sets it where all calls of a request are 48 h old. (default auto)",
        rich_help_panel=_DELIVERY,
    ),
]

# ------------------------------------------------------------------------------------------------------------- state

Ledger = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        metavar="PATH",
        help="The file that keeps what is settled, so that it is not sent again. "
        "(env PLH_LEDGER, default: ledger.sqlite in the user's state folder)",
        rich_help_panel=_STATE,
    ),
]
LockWait = Annotated[
    str | None,
    typer.Option(
        "--lock-wait",
        metavar="SECONDS",
        help="How long to wait for another run on the same ledger. (env PLH_LOCK_WAIT, default 0)",
        rich_help_panel=_STATE,
    ),
]
NoLedger = Annotated[
    bool | None,
    typer.Option(
        "--no-ledger",
        metavar="",
        help="Keep no ledger and ask none: everything is sent, again too, with the same ids.",
        rich_help_panel=_STATE,
    ),
]
DeadLetter = Annotated[
    str | None,
    typer.Option(
        "--dead-letter",
        metavar="PATH",
        help="Keeps rejected records: a file, to which lines are added, or a folder, with one file a run. "
        "(env PLH_DEAD_LETTER, default: dead-letters/ beside the ledger)",
        rich_help_panel=_STATE,
    ),
]

# ------------------------------------------------------------------------------------------------------------ limits

MaxDuration = Annotated[
    str | None,
    typer.Option(
        "--max-duration",
        metavar="TIME",
        help="Stop reading after that long (90s, 10m, 2h), finish what is in flight, exit 5. (default: no limit)",
        rich_help_panel=_LIMITS,
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Processes that convert, 1 to 64. (env PLH_WORKERS, default: by cores, at most 8)",
        rich_help_panel=_LIMITS,
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Only the calls of one of N shards, chosen by identity. (default: all)",
        rich_help_panel=_LIMITS,
    ),
]

# -------------------------------------------------------------------------------------------------------------- mode

Yes = Annotated[
    bool | None,
    typer.Option(
        "--yes",
        "-y",
        metavar="",
        help="No question before sending; without a terminal none is ever asked.",
        rich_help_panel=_MODE,
    ),
]
DryRun = Annotated[
    bool | None,
    typer.Option(
        "--dry-run",
        "-n",
        metavar="",
        help="Do all but deliver, and say what would be sent where.",
        rich_help_panel=_MODE,
    ),
]
Mock = Annotated[
    bool | None,
    typer.Option(
        "--mock",
        metavar="",
        help="Send nothing: print every event as one JSON line on stdout. (env POSTHOG_MOCK)",
        rich_help_panel=_MODE,
    ),
]

# ------------------------------------------------------------------------------------------------------------ output

Json = Annotated[
    bool | None,
    typer.Option(
        "--json",
        metavar="",
        help="Print the report as one JSON object on stdout (with --mock on stderr) and no summary.",
        rich_help_panel=_OUTPUT,
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        help="Write one page with the figures, every trace and its conversations, for a browser; it holds prompts and "
        "answers unless --privacy-mode is set.",
        rich_help_panel=_OUTPUT,
    ),
]
Quiet = Annotated[
    bool | None,
    typer.Option(
        "--quiet",
        "-q",
        metavar="",
        help="Print nothing on success, else a dated line and the errors.",
        rich_help_panel=_OUTPUT,
    ),
]
Verbose = Annotated[
    bool | None,
    typer.Option(
        "--verbose",
        "-v",
        metavar="",
        help="Print retries and routes too, and what every warning means.",
        rich_help_panel=_OUTPUT,
    ),
]


def flags_of(parameters: Mapping[str, object]) -> dict[str, object]:
    """Return a command's parameters by the names of their options, without the sources."""
    return {name.rstrip("_"): value for name, value in parameters.items() if name != "sources"}
