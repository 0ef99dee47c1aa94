"""Exceptions, named by what the caller does next, and the exit codes.

* PlhError
  - ConfigError       stop; the operator edits flags, environment or file
  - SourceError       stop reading this source, go on with the next
  - RecordError       dead-letter this record, go on
  - DeliveryError
    + Retryable       send the same bytes again, later
    + Refused         this chunk, for good: halve it, or reject its one event
    + KeyRefused      stop this destination, keep its events
    + Unreachable     stop this host, keep its events (a redirect, no route)
  - LedgerError       stop; another run holds it, or it is damaged

Failure of one item in a stream is data: readers yield a `SourceError`, converters return a `RecordError`; only the
layers below raise them.
"""

import errno
from enum import IntEnum

NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
"""What an `OSError` says where no file and no socket can be opened any more, by this process or by any."""


class ExitCode(IntEnum):
    """What a cron job learns from a run; the meanings are in the README."""

    OK = 0
    BUG = 1
    USAGE = 2
    REJECTED = 3
    SOURCE = 4
    INCOMPLETE = 5
    KEY_REFUSED = 6
    LEDGER = 7
    INTERRUPTED = 130
    TERMINATED = 143


class PlhError(Exception):
    """The root: a message for the operator, and a hint that says what to do."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(PlhError):
    """Stop: the operator edits flags, environment or file (exit 2)."""


class SourceError(PlhError):
    """Stop reading this source and go on with the next (exit 4).

    `code` is one of `codes.SOURCE_PROBLEMS`, `uri` names the source.
    """

    def __init__(self, code: str, uri: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.uri = uri


class RecordError(PlhError):
    """This record cannot become an event: dead-letter it and go on (exit 3).

    `code` is one of `codes.REJECTIONS`, `path` a JSON path into the record (`$.startTime`).
    The message never quotes content or keys: it is printed and kept.
    """

    def __init__(self, code: str, message: str, *, path: str = "$", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from all four parts: workers send these back to the main process."""
        return (_record_error, (self.code, self.message, self.path, self.hint))


def _record_error(code: str, message: str, path: str, hint: str | None) -> RecordError:
    return RecordError(code, message, path=path, hint=hint)


class DeliveryError(PlhError):
    """A request did not succeed; the subclass says what follows.

    `status` is the HTTP status where there was an answer.
    """

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Retryable(DeliveryError):
    """Send the same bytes again, no sooner than `retry_after_s` where the server named a time."""

    def __init__(
        self, message: str, *, status: int | None = None, hint: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, status=status, hint=hint)
        self.retry_after_s = retry_after_s


class Refused(DeliveryError):
    """Refused for good because of what is in it: halve the chunk, down to the event at fault."""


class KeyRefused(DeliveryError):
    """The key was refused or is over its quota: stop this destination, keep its events (exit 6)."""


class Unreachable(DeliveryError):
    """No capture service answers there (a redirect, no route): stop this host, keep its events (exit 5)."""


class LedgerError(PlhError):
    """The ledger is locked by another run, or damaged: stop (exit 7)."""
