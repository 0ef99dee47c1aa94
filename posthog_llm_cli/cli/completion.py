"""What may stand at the cursor: the words of a command line → candidates, without loading the command line itself.

A shell asks at every press of TAB, so this module imports nothing heavy. What it knows of the commands stands in
`completions.json`, which `make pages` writes from the commands themselves; a test holds it to them. Only what lies in
the ledger, and the names of time zones, are looked up.
"""

import json
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

VARIABLE = "_PLH_COMPLETE"
"""The environment variable by which the shells' scripts ask; its value is the shell's name."""

TABLE = Path(__file__).with_name("completions.json")

Candidate = tuple[str, str]
"""A word, and what it means (may be empty)."""


class Kind(Enum):
    """What the shell offers: `words` it is given, or names that it knows better."""

    WORDS = "words"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Completion:
    """What may stand at the cursor; of files the shell finds the names."""

    kind: Kind
    candidates: tuple[Candidate, ...] = ()


_NOTHING = Completion(Kind.WORDS)
_FILES = Completion(Kind.FILES)


def answer(words: Sequence[str], shell: str) -> str:
    """Return what the script of `shell` reads: the kind, then a candidate a line, its meaning behind a tab."""
    found = complete(words)
    lines = [found.kind.value, *(_line(candidate, shell) for candidate in found.candidates)]
    return "\n".join(lines) + "\n"


def complete(words: Sequence[str], table: Mapping[str, Any] | None = None) -> Completion:
    """Return what may stand in the place of the last of `words`, which follow the program's name; it may be empty."""
    *before, current = _joined(words) or [""]
    known = _table() if table is None else table
    position = _follow(known, before)
    if position.option is not None:
        return _values(position.option["takes"], current, before)
    if not position.is_literal and current.startswith("-"):
        name, equals, value = current.partition("=")
        option = _option(position.command, name)
        if equals:
            if option is None or option["takes"] is None:
                return _NOTHING
            found = _values(option["takes"], value, before)
            return Completion(found.kind, tuple((f"{name}={word}", text) for word, text in found.candidates))
        return _words(_options(position), current)
    commands = position.command["commands"]
    if commands:
        return _words(commands.items(), current)
    return _values(position.command["argument"], current, before)


def _table() -> Mapping[str, Any]:
    # By the package's loader, for in a zipapp there is no such file.
    found: Mapping[str, Any] = json.loads(pkgutil.get_data("posthog_llm_cli.cli", TABLE.name) or b"")
    return found


def main() -> None:
    """Answer a shell: the words stand in the arguments, the shell's name in the environment."""
    import os  # noqa: PLC0415 - here, and nowhere else

    with suppress(BrokenPipeError):
        sys.stdout.write(answer(sys.argv[1:], os.environ.get(VARIABLE, "")))
        sys.stdout.flush()


# ------------------------------------------------------------------------------------------------------ where we are


@dataclass(slots=True)
class _Position:
    """The command at the cursor, the options that were given to it, and the one whose value is missing."""

    command: Mapping[str, Any]
    given: set[str]
    option: Mapping[str, Any] | None = None
    is_literal: bool = False


def _joined(words: Sequence[str]) -> list[str]:
    """Put together what bash parts at an equals sign: `--format = lit` is `--format=lit`."""
    joined: list[str] = []
    glue = False
    for word in words:
        if word == "=" and joined and joined[-1].startswith("--"):
            joined[-1] += "="
            glue = True
        elif glue:
            joined[-1] += word
            glue = False
        else:
            joined.append(word)
    return joined


def _follow(table: Mapping[str, Any], words: Sequence[str]) -> _Position:
    path = ""
    position = _Position(table[""], set())
    for word in words:
        if position.option is not None:
            position.option = None
        elif word == "--":
            position.is_literal = True
        elif word.startswith("-") and not position.is_literal:
            name, equals, _ = word.partition("=")
            option = _option(position.command, name)
            if option is not None:
                position.given.update(option["names"])
                position.option = option if option["takes"] is not None and not equals else None
        elif word in position.command["commands"]:
            path = f"{path} {word}".strip()
            position = _Position(table[path], set())
    return position


def _option(command: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return next((option for option in command["options"] if name in option["names"]), None)


# ------------------------------------------------------------------------------------------------- what may stand there


def _options(position: _Position) -> Iterator[Candidate]:
    for option in position.command["options"]:
        if option["is_repeatable"] or not position.given.intersection(option["names"]):
            yield option["names"][0], option["help"]


def _values(takes: Any, current: str, before: Sequence[str]) -> Completion:
    if isinstance(takes, list):
        return _words(((word, text) for word, text in takes), current)
    if takes == "files":
        return _FILES
    look_up = _LOOK_UPS.get(takes)
    return _NOTHING if look_up is None else _words(look_up(before), current)


def _words(candidates: "Iterator[Candidate] | Any", current: str) -> Completion:
    return Completion(Kind.WORDS, tuple((word, text) for word, text in candidates if word.startswith(current)))


def _ledger(before: Sequence[str]) -> Path:
    """Return the ledger that the command line means."""
    from posthog_llm_cli.config.resolution import ledger_path  # noqa: PLC0415 - for what lies in the ledger only

    flag = next((before[at + 1] for at, word in enumerate(before[:-1]) if word == "--ledger"), None)
    return ledger_path(flag)


def _runs(before: Sequence[str]) -> Iterator[Candidate]:
    from posthog_llm_cli.ledger import reading  # noqa: PLC0415 - as in `_ledger`

    for run in reading.runs(_ledger(before), most=50):
        yield run.run_id, f"{run.started_at}, exit {run.exit_code}, {run.accepted + run.accepted_by_edge:,} accepted"


def _destinations(before: Sequence[str]) -> Iterator[Candidate]:
    from posthog_llm_cli.ledger import reading  # noqa: PLC0415 - as in `_ledger`

    for one in reading.status(_ledger(before)).destinations:
        yield str(one.number), f"{one.host} {one.masked_key}"


def _sources(before: Sequence[str]) -> Iterator[Candidate]:
    from posthog_llm_cli.ledger import reading  # noqa: PLC0415 - as in `_ledger`

    for one in reading.sources(_ledger(before), most=50):
        yield str(one.number), one.name


def _zones(_before: Sequence[str]) -> Iterator[Candidate]:
    from zoneinfo import available_timezones  # noqa: PLC0415 - it walks the system's zones

    for name in sorted(available_timezones()):
        yield name, ""


def _quietly(look_up: Callable[[Sequence[str]], Iterator[Candidate]]) -> Callable[[Sequence[str]], Iterator[Candidate]]:
    """Offer nothing where there is no ledger, or one that cannot be read: a shell has no place for messages."""

    def found(before: Sequence[str]) -> Iterator[Candidate]:
        from posthog_llm_cli.errors import PlhError  # noqa: PLC0415 - as in `_ledger`

        with suppress(PlhError, OSError):
            yield from look_up(before)

    return found


_LOOK_UPS: Mapping[str, Callable[[Sequence[str]], Iterator[Candidate]]] = {
    "runs": _quietly(_runs),
    "destinations": _quietly(_destinations),
    "sources": _quietly(_sources),
    "zones": _zones,
}


def _line(candidate: Candidate, shell: str) -> str:
    word, text = candidate
    if shell == "bash" or not text:
        return word  # readline shows words alone
    meaning = " ".join(text.split())
    return f"{word}\t{meaning}"
