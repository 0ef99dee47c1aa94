"""The application and its one error boundary: an exception becomes a message and an exit code here and nowhere else."""

import codecs
import errno
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from types import TracebackType
from typing import Annotated

import typer
from typer.main import get_command

from posthog_llm_cli.cli.completion_scripts import completion
from posthog_llm_cli.cli.explain import explain
from posthog_llm_cli.cli.formats import formats
from posthog_llm_cli.cli.help import load_lean
from posthog_llm_cli.cli.ledger import ledger_app
from posthog_llm_cli.cli.mock_server import mock_server
from posthog_llm_cli.cli.preview import preview
from posthog_llm_cli.cli.send import send
from posthog_llm_cli.cli.talk import Talk, silence
from posthog_llm_cli.cli.validate import validate
from posthog_llm_cli.config.display import read_display
from posthog_llm_cli.errors import NO_DESCRIPTORS, ConfigError, ExitCode, LedgerError, PlhError, SourceError
from posthog_llm_cli.version import __version__

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG})
_NO_THREAD = "can't start new thread"
"""What Python says where the system gives no more; there is no class for it."""

app = typer.Typer(
    name="plh",
    add_completion=False,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("send")(send)
app.command("validate")(validate)
app.command("preview")(preview)
app.command("explain", context_settings={"ignore_unknown_options": True})(explain)  # or "-:12" would be one
app.command("formats")(formats)
app.add_typer(ledger_app, name="ledger")
app.command("mock-server")(mock_server)
app.command("completion")(completion)

_Version = Annotated[bool, typer.Option("--version", metavar="", help="Print the version.", is_eager=True)]


@app.callback(invoke_without_command=True)
def plh(ctx: typer.Context, *, version: _Version = False) -> None:
    """Replay and backfill LLM call logs (LiteLLM, OpenAI) into PostHog's AI observability.

    Examples:
      plh validate logs.jsonl              what is in there? sends nothing
      plh send --dry-run logs.jsonl        what would go where? sends nothing
      export POSTHOG_API_KEY=phc_…         the project's key
      plh send --limit 20 logs.jsonl       a few, to look at in PostHog
      plh send logs.jsonl                  the rest
    """
    if version:
        typer.echo(f"plh {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; a bug in `plh` goes through, to a traceback and exit 1."""
    sys.excepthook = _report_bug
    _print_what_can_be_shown()
    load_lean()
    try:
        code = get_command(app).main(args=list(arguments), prog_name="plh", standalone_mode=False)
    except PlhError as error:
        _talk().error(error.message, error.hint)
        return int(_exit_code(error))
    except typer.TyperException as error:
        _talk().error(_as_ours(error.format_message()), _usage_hint(arguments))
        return int(ExitCode.USAGE)
    except typer.Abort:
        _talk().error("left without an answer: nothing was sent")
        return int(ExitCode.INTERRUPTED)
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        # Typer's and rich's answer to a reader that has gone (`| head`) is exit 1, which means a bug here.
        silence(sys.__stdout__ or sys.stdout)
        return int(ExitCode.OK)
    except (OSError, RuntimeError, MemoryError) as error:
        want = _want(error)
        if want is None:
            raise
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            silence(sys.stdout)
        _talk().error(*want)
        return int(ExitCode.USAGE)
    return code if isinstance(code, int) else int(ExitCode.OK)


def _want(error: OSError | RuntimeError | MemoryError) -> tuple[str, str] | None:
    """Return what the machine lacks, and what to do about it; None where it is something else."""
    if isinstance(error, MemoryError):
        hint = "raise the limit (ulimit -v), or lower --max-record and --concurrency, then run again: nothing is lost"
        return "expected memory for the next record and found: the system gives no more", hint
    if isinstance(error, RuntimeError):
        if str(error) != _NO_THREAD:
            return None
        hint = "raise the limit on processes (ulimit -u, or the container's), then run again: nothing is lost"
        return "expected to start a thread and found: the system gives no more threads", hint
    if error.errno in _NO_ROOM:
        return f"expected room to write and found: {error.strerror}", "make room on the disk, then run again"
    if error.errno in NO_DESCRIPTORS:  # wherever it met the limit: a module may be the one file too many
        hint = "raise the limit on open files (ulimit -n), then run again: nothing is lost"
        return f"expected to open a file and found: {str(error.strerror).lower()}", hint
    return None


def _print_what_can_be_shown() -> None:
    """Have stdout escape what its encoding lacks, as Python's stderr does: help holds an … in any locale."""
    if isinstance(sys.stdout, TextIOWrapper) and codecs.lookup(sys.stdout.encoding).name != "utf-8":
        sys.stdout.reconfigure(errors="backslashreplace")


def _exit_code(error: PlhError) -> ExitCode:
    match error:
        case ConfigError():
            return ExitCode.USAGE
        case SourceError():
            return ExitCode.SOURCE
        case LedgerError():
            return ExitCode.LEDGER
        case _:
            return ExitCode.BUG


def _talk() -> Talk:
    return Talk(sys.stderr, read_display())


def _usage_hint(arguments: Sequence[str]) -> str:
    """Return whose help to see: that of the command that was typed, as far as it was understood."""
    command: object = get_command(app)
    understood = ["plh"]
    for word in arguments:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        understood.append(word)
    return f"see {' '.join(understood)} --help"


def _as_ours(text: str) -> str:
    """Return Typer's message as `plh` writes its own: on one line, without a capital and a full stop."""
    line = " ".join(text.split())
    return line[:1].lower() + line[1:].removesuffix(".")


def _report_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print where a bug struck. Neither values nor messages: they may quote a prompt or a key."""
    talk = _talk()
    parts: list[str] = []
    link: BaseException | None = error
    while link is not None:
        frames = "".join(traceback.format_tb(link.__traceback__ if link is not error else trace))
        parts.append(f"{frames}{type(link).__module__}.{type(link).__qualname__}")
        link = link.__cause__ or link.__context__
    talk.say(*"\ncaused by\n".join(parts).splitlines())
    talk.error(
        f"this is a bug in plh {__version__}: {kind.__qualname__}",
        "please report the lines above; what the exception says is left out, for it may quote your logs",
    )
