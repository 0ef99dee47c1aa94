"""Sources that held nothing but records of one kind that is skipped: what to tell the operator of them. Pure."""

from collections.abc import Iterator

from posthog_llm_cli.report.text import count
from posthog_llm_cli.values import State, field

_EXPORT = "export with an s3, gcs_bucket or generic_api callback, or SpendLogs"
_NOTES = {
    "console-log": f"these are LiteLLM's console logs; {_EXPORT}",
    "audit-log": f"these are LiteLLM's audit logs, which hold no call; {_EXPORT}",
}
"""By the code of the skip; the first is the text of litellm-logs.md 1."""

_NEUTRAL = "empty-record"


class Callless(State):
    """Told of every record, in the order of the sources; what it keeps does not grow with them."""

    _uri: str | None = None
    _code: str | None = None
    _found: dict[str, tuple[int, str]] = field(default_factory=dict)  # by code: how many sources, the first one's name

    def add(self, uri: str, code: str | None) -> None:
        """Take a record's source and the code of its skip, None if it is no skip."""
        if uri != self._uri:
            self._close()
            self._uri, self._code = uri, code
        elif code not in (self._code, _NEUTRAL):
            self._code = code if self._code == _NEUTRAL else None

    def notes(self) -> Iterator[str]:
        """Yield a line for each kind of source without calls, once all are read."""
        self._close()
        for code, (number, uri) in self._found.items():
            others = f" and {count(number - 1, 'other source')}" if number > 1 else ""
            yield f"note: {uri}{others}: {_NOTES[code]}"

    def _close(self) -> None:
        if self._code in _NOTES and self._uri is not None:
            number, first = self._found.get(self._code, (0, self._uri))
            self._found[self._code] = (number + 1, first)
        self._uri = self._code = None
