"""Writes what is derived from the program: `man/plh.1`, the table of the shell completion, the help, the list of codes.

usage: python -m scripts.pages [--check]

With --check nothing is written, and the exit code is 1 where a file is not what it would be.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from posthog_llm_cli import codes
from posthog_llm_cli.cli.app import app
from posthog_llm_cli.cli.completion import TABLE
from posthog_llm_cli.cli.help import TEXTS
from posthog_llm_cli.formats import FORMATS
from posthog_llm_cli.version import __version__

ROOT = Path(__file__).parents[1]
MAN = ROOT / "man" / "plh.1"
CODES = ROOT / "docs" / "codes.md"

_FORMAT_NAMES = [(form.name, form.title) for form in FORMATS]
_VALUES: Mapping[str, Any] = {
    "--format": [("auto", "decided for each record"), *_FORMAT_NAMES],
    "--timezone": "zones",
    "--destination": "destinations",
    "--source": "sources",
}
"""What an option takes where its metavar does not say it."""

_ARGUMENTS: Mapping[str, Any] = {"SOURCE": "files", "RUN": "runs", "NAME": _FORMAT_NAMES}
_SEVERAL_NAMES = re.compile(r"[a-z0-9-]+(\|[a-z0-9-]+)+")

EXIT_CODES = (
    ("0", "Everything read is settled."),
    ("1", "A bug in plh."),
    ("2", "Usage or configuration, or dead letters could not be written."),
    ("3", "Finished; some records were rejected and are in the dead-letter file."),
    ("4", "A source is missing or unreadable; the rest was done."),
    ("5", "Delivery incomplete: the server is unreachable, a redirect, or retries are spent. Nothing is lost."),
    ("6", "A key was refused (401, 402, 403). Nothing is lost."),
    ("7", "The ledger is held by another run, damaged, of a newer version, or cannot be written."),
    ("130, 143", "Interrupted; what was in flight was finished."),
)


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its path (`ledger show`), the program itself first, with an empty one."""
    pending: list[tuple[str, Any]] = [("", get_command(app))]
    while pending:
        path, command = pending.pop(0)
        yield path, command
        pending[:0] = [(f"{path} {name}".strip(), sub) for name, sub in getattr(command, "commands", {}).items()]


# --------------------------------------------------------------------------------------------------------------- codes


def codes_page() -> str:
    """Return the page of the codes, with its tables as they are now."""
    before, mark, rest = CODES.read_text("utf-8").partition("codes.py) -->\n")
    return before + mark + "\n".join(_codes()) + "\n<!-- codes: end" + rest.partition("<!-- codes: end")[2]


def _codes() -> Iterator[str]:
    for title, table in (
        ("Rejected", codes.REJECTIONS),
        ("Skipped", codes.SKIPS),
        ("Sources", codes.SOURCE_PROBLEMS),
        ("Warnings", codes.WARNINGS),
    ):
        yield from (f"### {title}", "", "| code | meaning |", "| --- | --- |")
        yield from (f"| `{code}` | {meaning} |" for code, meaning in table.items())
        yield ""


# ---------------------------------------------------------------------------------------------------------- completion


def completions() -> str:
    """Return the table that `cli/completion.py` reads."""
    return json.dumps({path: _entry(command) for path, command in commands()}, ensure_ascii=False, indent=1) + "\n"


def _entry(command: Any) -> dict[str, Any]:
    options, argument = [], None
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = _name(parameter)
            argument = _takes(name, _ARGUMENTS.get(name))
        else:
            options.append(_option(parameter))
    options.append(
        {"names": ["--help", "-h"], "help": "Show this message and exit.", "takes": None, "is_repeatable": False}
    )
    subcommands = {name: first_sentence(sub.help) for name, sub in getattr(command, "commands", {}).items()}
    return {"options": options, "argument": argument, "commands": subcommands}


def _name(argument: Any) -> str:
    """Return an argument's name: a metavar says by itself that there may be none or several."""
    return str(argument.metavar).strip("[].")


def _option(parameter: Any) -> dict[str, Any]:
    names = sorted(parameter.opts, key=len, reverse=True)
    takes = None if parameter.is_flag else _takes(parameter.metavar, _VALUES.get(names[0], "nothing"))
    return {"names": names, "help": first_sentence(parameter.help), "takes": takes, "is_repeatable": parameter.multiple}


def _takes(metavar: str, otherwise: Any) -> Any:
    if metavar == "PATH" and otherwise == "nothing":
        return "files"
    if _SEVERAL_NAMES.fullmatch(metavar):
        return [(word, "") for word in metavar.split("|")]
    return otherwise


def first_sentence(text: str | None) -> str:
    """Return the first sentence of a help text, on one line."""
    head = re.split(r"(?<=[a-z)\]])[.;:] ", (text or "").split("\n\n")[0].replace("\n", " "), maxsplit=1)[0]
    return " ".join(head.split()).removesuffix(".")


# ---------------------------------------------------------------------------------------------------------------- help


def helps() -> str:
    """Return the help of every command as `cli/help.py` prints it without a terminal: as Typer draws it there."""
    return json.dumps({path: _drawn(path) for path, _ in commands()}, ensure_ascii=False, indent=1) + "\n"


def _drawn(path: str) -> str:
    # 80 columns are what rich takes where it finds no terminal; here there may be one.
    return CliRunner().invoke(app, [*path.split(), "--help"], prog_name="plh", env={"COLUMNS": "80"}).stdout


def is_current(path: Path, text: str) -> bool:
    """Whether a file says what it should; of help its words alone, for releases of rich draw its lines otherwise."""
    known = path.read_text("utf-8") if path.exists() else None
    if known is None or path != TEXTS:
        return known == text
    return {name: words(one) for name, one in json.loads(known).items()} == {
        name: words(one) for name, one in json.loads(text).items()
    }


def words(drawn: str) -> list[str]:
    """Return the words of drawn help in their order, without lines and blanks."""
    return re.findall(r"[^\s\u2500-\u257f]+", drawn)


# ------------------------------------------------------------------------------------------------------------ the page


def man_page() -> str:
    """Return the page, as `man` reads it."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield '.\\" Written by scripts/pages.py from the commands themselves: make pages'
    yield f'.TH PLH 1 "" "plh {__version__}" "User Commands"'
    yield from (".SH NAME", "plh \\- replay and backfill LLM call logs into PostHog's AI observability")
    yield from (".SH SYNOPSIS", ".B plh", ".I COMMAND", "[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...")
    (_, program), *rest = commands()
    yield ".SH DESCRIPTION"
    yield from _prose(program.help)
    yield ".SH COMMANDS"
    for path, command in rest:
        if getattr(command, "commands", None):
            continue
        yield from _command(path, command)
    yield from (".SH EXIT STATUS", "When several apply: 7, then 130 and 143, then 6, then 5, then 4, then 3.")
    for code, meaning in EXIT_CODES:
        yield from (".TP", f".B {code}", _escaped(meaning))
    yield from (".SH SIGNALS", ".TP", ".B SIGUSR1", "Prints at once how far a run is, on stderr.")
    yield from (
        ".TP",
        ".B SIGINT, SIGTERM, SIGHUP",
        "Ends the reading, finishes what is in flight. A second one ends it at once.",
    )
    yield from (
        ".SH SEE ALSO",
        "The pages in docs/ of the source: formats, guarantees, ledger, recipes, codes, privacy,",
    )
    yield "troubleshooting."


def _command(path: str, command: Any) -> Iterator[str]:
    yield f'.SS "plh {path}"'
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = _escaped(_name(parameter))
            several = "..." if parameter.nargs == -1 else ""
            yield f'.BR "plh {path}" " [OPTION]... {name if parameter.required else f"[{name}]"}{several}"'
            break
    else:
        yield f'.BR "plh {path}" " [OPTION]..."'
    yield ".PP"
    yield from _prose(command.help)
    for parameter in command.params:
        yield ".TP"
        if parameter.param_type_name == "argument":
            yield f".I {_escaped(_name(parameter))}"
        else:
            names = ", ".join(f"\\fB{_escaped(name)}\\fR" for name in sorted(parameter.opts, key=len))
            yield names if parameter.is_flag else f"{names} \\fI{_escaped(parameter.metavar or 'VALUE')}\\fR"
        yield _escaped(" ".join((parameter.help or "").split()))


def _prose(text: str) -> Iterator[str]:
    """Yield paragraphs; examples, which are indented, stay as they are, line by line."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        title, _, examples = paragraph.partition("\n")
        if title in ("Examples:", "\b"):
            yield from (".PP", *([title] if title != "\b" else []))
            yield from (".nf", ".RS 2")
            yield from (_escaped(line.strip()) for line in examples.splitlines())
            yield from (".RE", ".fi")
        else:
            yield ".PP"
            yield _escaped(" ".join(paragraph.split()))


def _escaped(text: str) -> str:
    """Return text as roff takes it: its own characters, hyphens that stay hyphens, and no line that is a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def main(arguments: list[str]) -> int:
    """Write the files, or compare them."""
    stale = []
    for path, text in ((MAN, man_page()), (TABLE, completions()), (TEXTS, helps()), (CODES, codes_page())):
        if "--check" in arguments:
            stale += [path] * (not is_current(path, text))
        elif not path.exists() or path.read_text("utf-8") != text:
            stale.append(path)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'is not current: make pages' if '--check' in arguments else 'written'}")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
