"""`plh mock-server`: a local stand-in for PostHog, to rehearse against."""

import random
import sys
from typing import Annotated

import typer

from posthog_llm_cli.errors import ConfigError

Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")]
Port = Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port; 0 takes any free one.")]
Fail = Annotated[
    str,
    typer.Option(
        "--fail",
        metavar="KIND:RATE,…",
        help="Faults with their rates, as in 429:0.1,503:0.05,reset:0.02,slow:0.1:5s. Kinds that store nothing: a "
        "status from 400 to 599 (429:0.1:3s sets Retry-After: seconds, date, past, huge, negative, junk or none), a "
        "status as a web page (403-html), reset-before, html, redirect, hang. Kinds that store first: reset, cut, "
        "stall, drip, empty, garbage. With any of them: slow. On v1, for single events: retry, drop, unmentioned.",
        show_default="none",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", help="Repeats the faults of a run, which prints its seed.", show_default="any"),
]


def mock_server(host: Host = "127.0.0.1", port: Port = 8765, fail: Fail = "", seed: Seed = None) -> None:
    """Serve PostHog's three capture routes on this machine, list what arrives, and end on Ctrl-C.

    Examples:
      plh mock-server
      plh mock-server --fail 429:0.1,503:0.05,slow:0.1:5s --seed 7
      plh send --host http://127.0.0.1:8765 logs.jsonl    in another terminal
    """
    from posthog_llm_cli.mockserver import Faults, serve  # noqa: PLC0415 - http.server stays out of other commands

    try:
        Faults.parse(fail)
    except ValueError as error:
        raise ConfigError(f"--fail: {error}", hint="for example --fail 429:0.1,reset:0.02,slow:0.1:5s") from error
    chosen = seed if seed is not None else random.randrange(2**32)  # noqa: S311 - chance, not a secret
    try:
        serve(host, port, fail, chosen, sys.stdout)
    except BrokenPipeError:
        raise  # the reader of the list has gone: the error boundary ends that quietly
    except (OSError, UnicodeError) as error:
        found = error.strerror if isinstance(error, OSError) and error.strerror else "no such address"
        raise ConfigError(
            f"expected to listen on {host} port {port} and found: {found}", hint="--port 0 takes any free port"
        ) from error
