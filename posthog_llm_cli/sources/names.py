"""Names of many files without a list of them: a tree of one-call objects may hold a million."""

import os
import tempfile
from collections.abc import Iterator

from posthog_llm_cli.errors import ConfigError

MEMORY_BYTES = 1024 * 1024
_READ = 64 * 1024
_END = b"\0"


class Names:
    """Names in the order in which they were added: in memory up to 1 MiB, in an unlinked temporary file beyond.

    They may be iterated more than once, and by several at a time. Close it after use.
    """

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=memory_bytes, prefix="plh-")  # noqa: SIM115 -- see `close`
        self._size = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        position, rest = 0, b""
        while position < self._size:
            self._file.seek(position)
            block = self._file.read(_READ)
            position += len(block)
            *names, rest = (rest + block).split(_END)
            yield from map(os.fsdecode, names)

    def add(self, name: str) -> None:
        """Take a name, which may be no UTF-8. Raises: ConfigError where there is no room for a temporary file."""
        entry = os.fsencode(name) + _END
        try:
            self._file.seek(self._size)
            self._file.write(entry)
        except OSError as error:
            raise ConfigError(
                f"the list of sources needs a temporary file, and it failed: {error}",
                hint="set TMPDIR to a writable folder on a disk with room",
            ) from error
        self._size += len(entry)
        self._count += 1

    def close(self) -> None:
        """Forget them, and give the file's space back."""
        self._file.close()
