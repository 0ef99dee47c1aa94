"""What to run after a run: commands as they may be copied into a shell. Pure: counts and what was typed → text."""

import posixpath
import shlex
from collections.abc import Iterator

from posthog_llm_cli.report.counts import Mode, RunReport
from posthog_llm_cli.report.text import count, is_unsafe
from posthog_llm_cli.values import Value, replace

MOST_CHARACTERS = 2000
"""A longer command (a shell has made a thousand names of a glob) is not repeated: the operator knows it."""

_STDIN = "-"
_DEAD_LETTER = "--dead-letter"
_TOO_LONG = "record-too-long"
_NOT_FOR_LETTERS = ("--format", "--limit")


class CommandLine(Value, frozen=True):
    """What was typed: options in the order of the help, those without a value with None, then sources."""

    name: str
    options: tuple[tuple[str, str | None], ...] = ()
    sources: tuple[str, ...] = ()

    def without(self, *names: str) -> "CommandLine":
        """Return it without some options."""
        return replace(self, options=tuple(option for option in self.options if option[0] not in names))

    def __str__(self) -> str:
        """Return the command, quoted for a shell."""
        words = ["plh", self.name]
        for name, value in self.options:
            words += [name] if value is None else [name, value]
        if any(source.startswith("-") and source != _STDIN for source in self.sources):
            words.append("--")
        return " ".join(map(_quoted, [*words, *self.sources]))


class Step(Value, frozen=True):
    """One command, and what it is good for. It is None where it would be too long to print."""

    why: str
    command: str | None


def next_steps(
    report: RunReport, typed: CommandLine, *, keeps_ledger: bool = True, adds_letters: bool = False
) -> Iterator[Step]:
    """Yield what to run next, the first thing first; nothing after a run that leaves nothing to do.

    `adds_letters`: dead letters go to one file, whatever the run.
    """
    match report.mode:
        case Mode.SEND:
            yield from _after_sending(report, typed, keeps_ledger=keeps_ledger)
            held = report.rejected - report.rejections[_TOO_LONG]  # of those only the place was kept
            if report.dead_letter is not None and held:
                yield _retaking(held, _of_letters(typed, report.dead_letter, adds_letters=adds_letters))
        case Mode.DRY_RUN if report.accepted:
            yield _step("sends them: this was the rehearsal", typed.without("--dry-run"))
        case Mode.VALIDATE if report.accepted:
            rehearsal = replace(typed, name="send", options=(("--dry-run", None), *typed.options))
            yield _step("says what would be sent where, and sends nothing", rehearsal)
        case _:
            return


def _after_sending(report: RunReport, typed: CommandLine, *, keeps_ledger: bool) -> Iterator[Step]:
    is_cut = report.interrupted_by is not None or report.out_of_time or report.ledger_error is not None
    if report.unconfirmed or report.to_mend or is_cut:
        first = f"the same again, once {report.to_mend} is in order" if report.to_mend else "the same again"
        kept = "what is settled is not sent twice" if keeps_ledger else "everything is sent again, with the same ids"
        pipe = "; what came through the pipe must be given again" if _reads_stdin(typed) else ""
        yield _step(f"{first}: {kept}{pipe}", typed)
    elif report.limit_reached:
        kept = "what is settled is not sent twice" if keeps_ledger else "all of it, with the same ids"
        yield _step(f"the rest: {kept}", typed.without("--limit"))


def _retaking(rejected: int, command: CommandLine) -> Step:
    what = f"the {count(rejected, 'rejected record')}" if rejected > 1 else "the rejected record"
    return _step(f"takes {what} up again, when the cause is gone", command)


def _of_letters(typed: CommandLine, letters: str, *, adds_letters: bool) -> CommandLine:
    """Return the command that sends dead letters.

    It cannot write its own into the file that it reads, whether that was typed or the environment names it: they go
    into files of their own beside it.
    """
    kept = typed.without(*_NOT_FOR_LETTERS)
    if adds_letters:
        kept = kept.without(_DEAD_LETTER)
        folder = posixpath.join(posixpath.dirname(letters), "")
        kept = replace(kept, options=(*kept.options, (_DEAD_LETTER, folder)))
    return replace(kept, sources=(letters,))


def _quoted(word: str) -> str:
    """Quote a word for a shell: what may not be printed as bash, zsh and ksh escape it (`$'two\\x0alines.jsonl'`)."""
    if not any(map(is_unsafe, word)):
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word))}'"


def _escaped(character: str) -> str:
    if is_unsafe(character):
        return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))
    return f"\\{character}" if character in "'\\" else character


def _reads_stdin(typed: CommandLine) -> bool:
    return not typed.sources or _STDIN in typed.sources


def _step(why: str, command: CommandLine) -> Step:
    text = str(command)
    return Step(why, text if len(text) <= MOST_CHARACTERS else None)
