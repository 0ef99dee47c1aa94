"""The question before sending: events are billed, and cannot be taken back."""

import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from posthog_llm_cli.cli.survey import Survey
from posthog_llm_cli.cli.talk import Talk
from posthog_llm_cli.config.settings import Settings
from posthog_llm_cli.errors import ExitCode
from posthog_llm_cli.report.text import count, harmless, human_bytes

if TYPE_CHECKING:
    from posthog_llm_cli.preview.figures import Forecast


def confirm(settings: Settings, sources: Survey, talk: Talk, look: "Callable[[], Forecast | None]") -> None:
    """Ask before sending where a person can answer: stdin and stderr are terminals and stdin is no source.

    `look` makes the forecast that is told before the question, where it says what an operator may want to know.

    Raises: typer.Exit(2) for anything but yes, typer.Exit(130) where the terminal was left; typer.Abort in `look`.
    """
    answerable = talk.is_terminal and sys.stdin is not None and sys.stdin.isatty()
    if settings.yes or sources.reads_stdin or not answerable:
        return
    from posthog_llm_cli.preview.forecast_text import forecast_lines, matters  # noqa: PLC0415 - only to ask

    forecast = look()
    if forecast is not None and matters(forecast):
        talk.say(*forecast_lines(forecast, talk.width))
    size = f" ({human_bytes(sources.size)})" if sources.size is not None else ""
    key = "the keys in the records" if settings.record_keys_only else f"key {settings.masked_key}"
    question = (
        f"send {count(sources.files, 'file')}{size} to {settings.host} with {key}? "
        "every AI event is billed like a live one and cannot be picked out again"
    )
    ask(question, talk, "nothing was sent", hint="a try first: --dry-run, or --limit 10")


def ask(question: str, talk: Talk, undone: str, *, hint: str | None = None) -> None:
    """Ask on the terminal, and say what was not done where the answer is not yes.

    Raises: typer.Exit(2) for anything but yes, typer.Exit(130) where the terminal was left.
    """
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # ours ends the program without a word
    try:
        is_yes = typer.confirm(harmless(question), default=False, err=True)
    except typer.Abort:
        talk.note("")  # the cursor still stands behind the question
        talk.error(f"left without an answer: {undone}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGINT, ours)
    if not is_yes:
        talk.error(undone, hint)
        raise typer.Exit(ExitCode.USAGE)
