"""What was typed: the sources, those that are meant by typing none, and the whole command, to be typed again."""

import os
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, TextIO

import typer

from posthog_llm_cli.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from posthog_llm_cli.report.next_steps import CommandLine

_KEY = "--api-key"


def typed_sources(ctx: typer.Context, sources: list[str] | None) -> tuple[str, ...]:
    """Return the sources; stdin where none is typed and stdin is piped.

    Raises:
        typer.Exit(2), after the help on stderr, where none is typed and stdin is a terminal.
        ConfigError: stdin is nothing, as under a service manager; a variable of the command may be unset.
    """
    if sources:
        return tuple(sources)
    if sys.stdin is not None and not sys.stdin.isatty():
        if _is_nothing(sys.stdin):
            raise ConfigError(
                f"expected a source, or one that is piped, and found {os.devnull} as stdin",
                hint="name files, folders or globs; - is stdin, whatever it is",
            )
        return ("-",)
    with redirect_stdout(sys.stderr):  # Typer prints help with rich, and to stdout
        typer.echo(ctx.get_help())
    raise typer.Exit(ExitCode.USAGE)


def _is_nothing(stream: TextIO) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), os.stat(os.devnull))  # noqa: PTH116 -- a name, as os has it
    except (OSError, ValueError):  # no file behind it, or no such device
        return False


def typed_command(ctx: typer.Context) -> "CommandLine":
    """Return the command that was typed, as it was understood: `-n` comes back as `--dry-run`, a key masked."""
    from posthog_llm_cli.model import mask_key  # noqa: PLC0415 - `plh --help` needs neither
    from posthog_llm_cli.report.next_steps import CommandLine  # noqa: PLC0415

    options: list[tuple[str, str | None]] = []
    for parameter in ctx.command.params:
        name, value = parameter.opts[0], ctx.params.get(str(parameter.name))
        match value:
            case None | False | [] | ():
                continue
            case _ if parameter.param_type_name == "argument":
                continue
            case True:
                options.append((name, None))
            case list() | tuple():
                options += [(name, str(one)) for one in value]
            case _:
                options.append((name, mask_key(str(value)) if name == _KEY else str(value)))
    return CommandLine(str(ctx.info_name), tuple(options), tuple(ctx.params.get("sources") or ()))
