"""What was typed, looked at before a run: which files there are, and how large."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from posthog_llm_cli.errors import ConfigError, SourceError
from posthog_llm_cli.sources.files import Source, expand, size_of

_STDIN = "-"


@dataclass(frozen=True, slots=True)
class Survey:
    """The files behind what was typed: `size` in bytes on disk, None where one is a pipe.

    `specs` name them one by one, so that a file which comes into a directory during the run is not read by it.
    """

    specs: tuple[str, ...]
    files: int
    size: int | None

    @property
    def reads_stdin(self) -> bool:
        """Whether stdin is one of the sources."""
        return _STDIN in self.specs


def survey(specs: Sequence[str], *, written: Sequence[Path]) -> Survey:
    """Look at the sources; `written` are the files that the run may write, and must not read.

    Raises: ConfigError where a source is one of them.
    """
    found = [source for spec in specs for source in expand(spec)]
    sources = [source for source in found if isinstance(source, Source)]
    for path in written:
        if path.exists():
            _refuse_reading(sources, path)
    sizes = [size_of(source, 0) for source in sources]
    return Survey(
        specs=tuple(_spec(source) for source in found),
        files=len(sources),
        size=sum(size for size in sizes if size is not None) if None not in sizes else None,
    )


def _spec(source: Source | SourceError) -> str:
    if isinstance(source, SourceError):
        return source.uri  # it is looked at again, and its error told in its place
    return source.path if source.path is not None else _STDIN


def _refuse_reading(sources: Sequence[Source], written: Path) -> None:
    own = written.stat()
    for source in sources:
        if source.path is not None and Path(source.path).exists() and os.path.samestat(own, Path(source.path).stat()):
            raise ConfigError(
                f"{source.uri}: expected a source and found a file that this run writes: dead letters, or the ledger",
                hint="name another place with --dead-letter or --ledger",
            )
