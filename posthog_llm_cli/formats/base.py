"""What a format is: a name, a test and a parser; and what a refusal is: a test and a coded answer. Pure."""

from collections.abc import Callable

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Json, LLMCall, ParseContext, PassThrough, Skipped
from posthog_llm_cli.values import Value

Parsed = LLMCall | PassThrough | Skipped


class LogFormat(Value, frozen=True):
    """The shape of a record.

    `matches` says whether a parsed JSON value is of this shape; `parse` turns it into a call (or says why it is none)
    and raises `RecordError`. `recognised_by` and `smallest` (a record as JSON text) are what `plh formats` shows.
    An object without any of the keys in `needs` is never of this shape; none are named where that is not so.
    """

    name: str
    title: str
    recognised_by: str
    smallest: str
    matches: Callable[[Json], bool]
    parse: Callable[[Json, ParseContext], Parsed]
    needs: frozenset[str] = frozenset()


class Refusal(Value, frozen=True):
    """A shape that is recognised and is no call of a known format: skipped or rejected, with a message that names it.

    `answer` returns the skip, or raises `RecordError`. `format` is the name that the report counts it under, if any.
    `needs` is that of `LogFormat`.
    """

    name: str
    matches: Callable[[Json], bool]
    answer: Callable[[Json], Skipped]
    format: str | None = None
    needs: frozenset[str] = frozenset()


def rejecting(code: str, message: str, *, path: str = "$", hint: str | None = None) -> Callable[[Json], Skipped]:
    """Return an answer that always rejects with this code and message."""

    def answer(_: Json) -> Skipped:
        raise RecordError(code, message, path=path, hint=hint)

    return answer


def skipping(code: str, message: str) -> Callable[[Json], Skipped]:
    """Return an answer that always skips with this code and message."""
    return lambda _: Skipped(code, message)
