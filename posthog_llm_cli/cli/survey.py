"""What was typed, looked at before a run: which files there are, and how large."""

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from posthog_llm_cli.errors import ConfigError, SourceError
from posthog_llm_cli.sources.files import Source, expand, size_of
from posthog_llm_cli.sources.names import Names
from posthog_llm_cli.values import Value

_STDIN = "-"


class Survey(Value, frozen=True):
    """The files behind what was typed: `size` in bytes on disk, None where one is a pipe. Close it after use.

    `specs` name them one by one, so that a file which comes into a directory during the run is not read by it.
    """

    specs: Names
    files: int
    size: int | None
    reads_stdin: bool

    def close(self) -> None:
        """Forget the names."""
        self.specs.close()


def survey(specs: Sequence[str], *, written: Sequence[Path]) -> Survey:
    """Look at the sources; `written` are the files that the run may write, and must not read.

    Raises: ConfigError where a source is one of them.
    """
    own = [path.stat() for path in written if path.exists()]
    files, size, reads_stdin = 0, 0, False
    is_known = True
    with ExitStack() as on_failure:
        names = on_failure.enter_context(closing(Names()))
        for spec in specs:
            for source in expand(spec):
                names.add(_spec(source))
                if isinstance(source, SourceError):
                    continue
                if own:
                    _refuse_reading(source, own)
                files += 1
                reads_stdin = reads_stdin or source.path is None
                bytes_on_disk = size_of(source, 0)
                size += 0 if bytes_on_disk is None else bytes_on_disk
                is_known = is_known and bytes_on_disk is not None
        on_failure.pop_all()
    return Survey(names, files, size if is_known else None, reads_stdin)


def _spec(source: Source | SourceError) -> str:
    if isinstance(source, SourceError):
        # It is looked at again, and its error told in its place; a message's text is UTF-8, and a name's need not be.
        return os.fsdecode(source.uri.encode())
    if source.path is None:
        return _STDIN
    return source.path if source.path != _STDIN else f"./{_STDIN}"  # a file of that name, which a glob found


def _refuse_reading(source: Source, own: Sequence[os.stat_result]) -> None:
    if source.path is None:
        return
    try:
        found = os.stat(source.path)  # noqa: PTH116 -- as in sources
    except OSError:
        return  # gone meanwhile, or not to be read: the reader says so
    if any(os.path.samestat(one, found) for one in own):
        raise ConfigError(
            f"{source.uri}: expected a source and found a file that this run writes: "
            "dead letters, the ledger or the page",
            hint="name another place with --dead-letter, --ledger or --html",
        )
