"""`plh ledger …`: what was sent, from what, when, with what result; and its care."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from posthog_llm_cli.cli.talk import Talk, data_stream, print_data
from posthog_llm_cli.config.display import read_display
from posthog_llm_cli.errors import ConfigError, ExitCode
from posthog_llm_cli.report.text import count, harmless
from posthog_llm_cli.values import Value, asdict

ledger_app = typer.Typer(
    name="ledger",
    help="Tell what was sent, when, with what result; check, repair and forget.\n\n"
    "Examples:\n  plh ledger status          what is settled for which destination\n"
    "  plh ledger runs            the last runs\n"
    "  plh ledger check           is the file sound?",
)

_Ledger = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        metavar="PATH",
        help="Another ledger than the usual one. (env PLH_LEDGER, default: ledger.sqlite in the user's state folder)",
    ),
]
_Json = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object on stdout.")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask.")]
_Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its beginning, as plh ledger runs shows it.")]
_Most = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many runs at most.")]
_Destination = Annotated[
    str | None,
    typer.Option(
        "--destination",
        metavar="N",
        help="The destination's number, as plh ledger status shows it, or its host where only one has it.",
    ),
]
_Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="PATH",
        help="Where the source lay when it was read last, or its number, as plh ledger sources shows it.",
    ),
]
_MostSources = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many sources at most.")]


@ledger_app.callback(invoke_without_command=True)
def ledger(ctx: typer.Context) -> None:
    """Show the help where no command is named, as `plh` does."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@ledger_app.command()
def status(*, ledger: _Ledger = None, json: _Json = False) -> None:
    """Tell how many events are settled for which destination.

    Examples:
      plh ledger status
      plh ledger status --json | jq '.destinations[].accepted'
    """
    from posthog_llm_cli.cli import ledger_text  # noqa: PLC0415 - as in send
    from posthog_llm_cli.config.resolution import ledger_path  # noqa: PLC0415 - the same
    from posthog_llm_cli.ledger import reading  # noqa: PLC0415 - the same

    found = reading.status(ledger_path(ledger))
    _print(asdict(found), ledger_text.status_lines(found), json=json)


@ledger_app.command()
def runs(*, ledger: _Ledger = None, limit: _Most = 20, json: _Json = False) -> None:
    """List the last runs, the newest first.

    Examples:
      plh ledger runs --limit 5
    """
    from posthog_llm_cli.cli import ledger_text  # noqa: PLC0415 - as in send
    from posthog_llm_cli.config.resolution import ledger_path  # noqa: PLC0415 - the same
    from posthog_llm_cli.ledger import reading  # noqa: PLC0415 - the same

    found = reading.runs(ledger_path(ledger), most=limit)
    _print({"runs": [asdict(run) for run in found]}, ledger_text.runs_lines(found), json=json)


@ledger_app.command()
def sources(*, ledger: _Ledger = None, limit: _MostSources = 20, json: _Json = False) -> None:
    """List the sources that were read last, and how far each is settled and not read again.

    Examples:
      plh ledger sources --limit 5
    """
    from posthog_llm_cli.cli import ledger_text  # noqa: PLC0415 - as in send
    from posthog_llm_cli.config.resolution import ledger_path  # noqa: PLC0415 - the same
    from posthog_llm_cli.ledger import reading  # noqa: PLC0415 - the same

    found = reading.sources(ledger_path(ledger), most=limit)
    _print({"sources": [asdict(one) for one in found]}, ledger_text.sources_lines(found), json=json)


@ledger_app.command()
def show(run: _Run, *, ledger: _Ledger = None, json: _Json = False) -> None:
    """Tell all about one run.

    Examples:
      plh ledger show 4f2a               the beginning of its id is enough
    """
    from posthog_llm_cli.cli import ledger_text  # noqa: PLC0415 - as in send
    from posthog_llm_cli.config.resolution import ledger_path  # noqa: PLC0415 - the same
    from posthog_llm_cli.ledger import reading  # noqa: PLC0415 - the same

    found = reading.show(ledger_path(ledger), run)
    if len(found) != 1:
        what = "none" if not found else "several that begin so"
        raise ConfigError(f"expected the id of a run and found {what}: {run!r}", hint="plh ledger runs lists them")
    _print(asdict(found[0]), ledger_text.run_lines(found[0]), json=json)


@ledger_app.command()
def check(*, ledger: _Ledger = None, json: _Json = False) -> int:
    """Look through the whole ledger and say what is wrong with it; exit 7 where something is.

    Examples:
      plh ledger check
    """
    from posthog_llm_cli.cli import ledger_text  # noqa: PLC0415 - as in send
    from posthog_llm_cli.config.resolution import ledger_path  # noqa: PLC0415 - the same
    from posthog_llm_cli.ledger import care  # noqa: PLC0415 - the same

    path = ledger_path(ledger)
    found = care.check(path)
    _print({"path": path, **asdict(found)}, ledger_text.checked_lines(path, found), json=json)
    return int(ExitCode.LEDGER if found.problems else ExitCode.OK)


@ledger_app.command()
def repair(*, ledger: _Ledger = None, json: _Json = False) -> None:
    """Carry over what can be read of a damaged ledger into a new file; the old one is kept beside it.

    Examples:
      plh ledger repair
    """
    from posthog_llm_cli.cli import ledger_text  # noqa: PLC0415 - as in send
    from posthog_llm_cli.config.resolution import ledger_path  # noqa: PLC0415 - the same
    from posthog_llm_cli.ledger import salvage  # noqa: PLC0415 - the same

    path = ledger_path(ledger)
    found = salvage.repair(path, now=datetime.now(UTC))
    _print({"path": path, **asdict(found)}, ledger_text.repaired_lines(path, found), json=json)


@ledger_app.command()
def forget(
    *,
    destination: _Destination = None,
    source: _Source = None,
    ledger: _Ledger = None,
    yes: _Yes = False,
    json: _Json = False,
) -> None:
    """Re-open on purpose: a destination, whose events are sent again with the same ids; or a source, to be read again.

    Examples:
      plh ledger forget --source app.jsonl
      plh ledger forget --destination 2 --yes

    A source that is read again from its first byte sends what is not settled;
    to send the rest too, forget the destination.
    """
    from posthog_llm_cli.config.resolution import ledger_path  # noqa: PLC0415 - as in send

    path = ledger_path(ledger)
    if destination is not None and source is None:
        _forget_destination(path, destination, yes=yes, json=json)
    elif source is not None and destination is None:
        _forget_source(path, source, yes=yes, json=json)
    else:
        raise ConfigError(
            "expected one of --destination and --source", hint="plh ledger status and plh ledger sources list them"
        )


def _forget_source(path: Path, source: str, *, yes: bool, json: bool) -> None:
    from posthog_llm_cli.ledger import care, name_of, reading  # noqa: PLC0415 - as in send

    name = name_of(Path(source))
    known = [one for one in reading.sources(path, most=-1) if one.name == name or str(one.number) == source]
    if not known:
        raise ConfigError(
            f"expected a source that the ledger knows and found {source!r}", hint="plh ledger sources lists them"
        )
    _ask(f"forget how far {known[0].name} was read? what is not settled of it is sent", yes=yes)
    care.forget_sources(path, [one.number for one in known], now=datetime.now(UTC))
    told = [
        f"forgotten: {known[0].name}, {count(known[0].records, 'record')}; the next run reads it from its first byte"
    ]
    _print({"path": path, "sources": [asdict(one) for one in known]}, told, json=json)


def _forget_destination(path: Path, destination: str, *, yes: bool, json: bool) -> None:
    from posthog_llm_cli.ledger import care, reading  # noqa: PLC0415 - as in send

    known = [one for one in reading.status(path).destinations if destination in (str(one.number), one.host)]
    if len(known) != 1:
        what = "none" if not known else "several"
        raise ConfigError(
            f"expected the number or host of one destination and found {what}: {destination!r}",
            hint="plh ledger status lists them",
        )
    settled = known[0].accepted + known[0].accepted_by_edge + known[0].rejected
    where = f"{known[0].host} with key {known[0].masked_key}"
    _ask(
        f"forget that {count(settled, 'event')} for {where} are settled? they are sent again, and billed as sent",
        yes=yes,
    )
    forgotten = care.forget_destination(path, known[0].number, now=datetime.now(UTC))
    told = [f"forgotten: {count(forgotten, 'settled event')} for {where}; a run over their logs sends them again"]
    _print({"path": path, "destination": asdict(known[0]), "forgotten": forgotten}, told, json=json)


def _ask(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere only --yes is a yes. Raises: typer.Exit, ConfigError."""
    from posthog_llm_cli.cli.question import ask  # noqa: PLC0415 - as in send

    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stderr.isatty():
        raise ConfigError("expected --yes, because there is no terminal to ask on", hint="nothing was forgotten")
    ask(question, Talk(sys.stderr, read_display()), "nothing was forgotten")


def _plain(value: object) -> dict[str, Any] | str:
    from posthog_llm_cli.ledger import name_of  # noqa: PLC0415 - as in send

    if isinstance(value, Path):
        return name_of(value)
    return asdict(value) if isinstance(value, Value) else str(value)


def _print(value: dict[str, Any], lines: list[str], *, json: bool) -> None:
    data = orjson.dumps(value, default=_plain) if json else "\n".join(map(harmless, lines)).encode(errors="replace")
    print_data(data + b"\n", data_stream())
