"""The page of `plh preview --html`: what is asked before the run, what gathers during it, and what is said after it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from posthog_llm_cli.cli.talk import Talk
from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.model import Event, Glance
from posthog_llm_cli.preview.figures import Preview
from posthog_llm_cli.report.text import harmless, human_bytes


class PageMaker(Protocol):
    """Gathers what the page shows, and writes it: `add` is `ContentStore`'s."""

    def add(self, event: Event, glance: Glance, /) -> None:
        """Keep what the page may show of an event."""

    def write(self, preview: Preview, *, made_at: datetime, is_private: bool) -> None:
        """Write the page. Raises: ConfigError."""


class _Maker:
    def __init__(self, path: Path, specs: Sequence[str], talk: Talk) -> None:
        from posthog_llm_cli.page import PageStore  # noqa: PLC0415 - for pages only

        self.store = PageStore()
        self.add = self.store.add
        self._path = path
        self._specs = specs
        self._talk = talk

    def write(self, preview: Preview, *, made_at: datetime, is_private: bool) -> None:
        from posthog_llm_cli.page import PageFacts, write_page  # noqa: PLC0415 - Jinja2, for pages only

        facts = PageFacts(made_at, tuple(self._specs), is_private=is_private)
        written = write_page(self._path, preview, self.store, facts)
        self._talk.say(f"page: {harmless(str(self._path))}, {human_bytes(written.size)}")
        if written.words:
            self._talk.say(written.words)


@contextmanager
def page_maker(path: Path | None, specs: Sequence[str], talk: Talk) -> Iterator[PageMaker | None]:
    """Give what makes the page at `path`, None where none is asked for.

    Raises:
        ConfigError: no page can be written there, said before the logs are read.
    """
    if path is None:
        yield None
        return
    found = _hindrance(path)
    if found is not None:
        raise ConfigError(
            f"--html: expected a file to write and found {found}", hint="name a file in a folder that exists"
        )
    maker = _Maker(path, specs, talk)
    with maker.store:
        yield maker


def _hindrance(path: Path) -> str | None:
    """Return why no page can take the place of what is there; a device would be replaced, and not written to."""
    if path == Path("-"):
        return "-, which would be a file of that name"
    # Of os.path throughout: Path's raise where a folder on the way may not be looked into.
    if os.path.isdir(path):  # noqa: PTH112
        return "a folder"
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        return "a device or a pipe"
    if not os.path.isdir(path.parent):  # noqa: PTH112
        return f"no folder {harmless(str(path.parent))}"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"a folder that may not be written to: {harmless(str(path.parent))}"
    return None
