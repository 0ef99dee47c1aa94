"""`python -m posthog_llm_cli`, and what the console script `plh` calls. It imports nothing heavy by itself."""

import os
import signal
import sys

from posthog_llm_cli.version import __version__


def main() -> None:
    """Run the command line, and exit with its code."""
    _take_closed_streams()
    # Until a run has its own handlers, and after it: an interrupt is exit 130 and no traceback.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    # What asks a run how far it is must not end one that has not begun, nor a command that is none.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if sys.argv[1:] == ["--version"] and _print_version():
        return
    if "_PLH_COMPLETE" in os.environ:
        # A shell asks at every press of TAB: `cli.completion` answers without what Typer takes to load.
        from posthog_llm_cli.cli.completion import main as complete  # noqa: PLC0415

        complete()
        return
    if sys.argv[-1] in ("--help", "-h") and sys.stdout is not None and not any(map(os.isatty, range(3))):
        # Nobody draws it, so it is printed as it is written: a quarter of a second sooner.
        from posthog_llm_cli.cli.help import print_written  # noqa: PLC0415

        if print_written(sys.argv[1:]):
            return
    from posthog_llm_cli.cli.app import run  # noqa: PLC0415 - see above

    sys.exit(run(sys.argv[1:]))


def _take_closed_streams() -> None:
    """Have nothing in place of standard streams that are closed: else the next file that is opened would be one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY)  # gets the lowest number that is free; to read from it fails


def _print_version() -> bool:
    """Print the version; return whether it was printed, or whoever asked has gone.

    Typer takes a tenth of a second to load, which scripts that only ask for this need not spend. Where stdout is closed
    or full, Typer's way meets the same and says so.
    """
    if sys.stdout is None:
        return False
    try:
        sys.stdout.write(f"plh {__version__}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # no second try when Python ends
        os._exit(0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
