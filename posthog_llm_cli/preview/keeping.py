"""The seam for whoever keeps content while a preview is made: the figures themselves hold none."""

from typing import Protocol

from posthog_llm_cli.model import Event, Glance


class ContentStore(Protocol):
    """What is given every event that is no duplicate, calls and spans, in the order of reading, on the main thread."""

    def add(self, event: Event, glance: Glance, /) -> None:
        """Keep of an event what is wanted: `event.properties` is its JSON, `event.ref` the place of its record."""


class NoContent:
    """Keeps nothing: the terminal's preview and `--json` show figures only."""

    def add(self, event: Event, glance: Glance, /) -> None:
        """Let the event go."""
