"""What was typed as SOURCE, or meant by typing none."""

import sys
from contextlib import redirect_stdout

import typer

from posthog_llm_cli.errors import ExitCode


def typed_sources(ctx: typer.Context, sources: list[str] | None) -> tuple[str, ...]:
    """Return the sources; stdin where none is typed and stdin is piped.

    Raises: typer.Exit(2), after the help on stderr, where none is typed and stdin is a terminal.
    """
    if sources:
        return tuple(sources)
    if sys.stdin is not None and not sys.stdin.isatty():
        return ("-",)
    with redirect_stdout(sys.stderr):  # Typer prints help with rich, and to stdout
        typer.echo(ctx.get_help())
    raise typer.Exit(ExitCode.USAGE)
