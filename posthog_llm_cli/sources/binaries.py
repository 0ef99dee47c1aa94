"""Files that hold logs, but not as text: archives, other compressions, databases. Told by their first bytes, and
refused as one source with the command that makes text of them: their lines would be so many rejected records.
"""

import re

from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value

_LONGEST_MAGIC = 262


class _Kind(Value, frozen=True):
    """A kind of file: what it begins with, its name, and how to read it."""

    begins: re.Pattern[bytes]
    name: str
    hint: str


_KINDS = (
    _Kind(lazily(rb".{257}ustar", re.DOTALL), "a tar archive", "tar -xOf FILE | plh send -"),
    _Kind(lazily(rb"PK\x03\x04|PK\x05\x06"), "a zip archive", "unzip -p FILE | plh send -"),
    _Kind(lazily(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), "a bzip2 file", "bzcat FILE | plh send -"),
    _Kind(lazily(rb"\xfd7zXZ\x00"), "an xz file", "xzcat FILE | plh send -"),
    _Kind(lazily(rb"\x04\x22\x4d\x18"), "an lz4 file", "lz4cat FILE | plh send -"),
    _Kind(lazily(rb"7z\xbc\xaf\x27\x1c"), "a 7z archive", "7z e -so FILE | plh send -"),
    _Kind(
        lazily(rb"PGDMP[\x00-\x1f]"),
        "a PostgreSQL dump of the custom format",
        "pg_restore -a -t LiteLLM_SpendLogs -f - FILE | plh send -",
    ),
    _Kind(lazily(rb"SQLite format 3\x00"), "an SQLite database", "export its table as lines of JSON"),
    _Kind(lazily(rb"PAR1[\x00-\x1f]"), "a Parquet file", "export it as lines of JSON"),
    _Kind(lazily(rb"Obj\x01"), "an Avro file", "export it as lines of JSON"),
)


def refuse_binary(head: bytearray, uri: str) -> None:
    """Raise for a source that begins like no text; nothing is left of it then.

    Raises:
        SourceError: `not-a-log`.
    """
    begins = bytes(head[:_LONGEST_MAGIC])
    found = next((kind for kind in _KINDS if kind.begins.match(begins)), None)
    if found is not None:
        head.clear()
        raise SourceError("not-a-log", uri, f"expected a log and found {found.name}", hint=found.hint)
