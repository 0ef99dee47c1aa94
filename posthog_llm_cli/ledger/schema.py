"""The ledger's tables, documented in docs/ledger.md; a change of them is a new `SCHEMA_VERSION`."""

from collections.abc import Mapping
from types import MappingProxyType

APPLICATION_ID = 0x706C6831
"""`plh1`, in the file's header: tells a ledger from any other SQLite database."""

SCHEMA_VERSION = 2

OUTCOME_BITS = 3
"""So many bits of `settled.outcome` are the outcome; the others a note of what was sent of a truncated call."""

OUTCOME_MASK = (1 << OUTCOME_BITS) - 1

COUNT_SETTLED = f"SELECT run, destination, outcome & {OUTCOME_MASK}, count(*) FROM settled GROUP BY 1, 2, 3"  # noqa: S608
"""The rows of `tallies`, as they should be."""

PAGE_BYTES = 2048
"""Uuids are random, so settling 500 of them touches 500 pages of a large ledger: small pages are less to write."""


TABLES: Mapping[str, str] = MappingProxyType(
    {
        "destinations": """CREATE TABLE destinations (
  id INTEGER PRIMARY KEY,
  host TEXT NOT NULL,
  key_fingerprint BLOB NOT NULL,
  masked_key TEXT NOT NULL,
  UNIQUE (host, key_fingerprint)
)""",
        "runs": """CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  exit_code INTEGER,
  distinct_id_digest BLOB NOT NULL,
  report TEXT
)""",
        "settled": """CREATE TABLE settled (
  destination INTEGER NOT NULL,
  uuid BLOB NOT NULL,
  outcome INTEGER NOT NULL,
  run INTEGER NOT NULL,
  PRIMARY KEY (destination, uuid)
) WITHOUT ROWID""",
        "tallies": """CREATE TABLE tallies (
  run INTEGER NOT NULL,
  destination INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  events INTEGER NOT NULL,
  PRIMARY KEY (run, destination, outcome)
) WITHOUT ROWID""",
        "sources": """CREATE TABLE sources (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  settings BLOB NOT NULL,
  since TEXT NOT NULL,
  head BLOB NOT NULL,
  offset INTEGER NOT NULL,
  digest BLOB NOT NULL,
  lines INTEGER NOT NULL,
  records INTEGER NOT NULL,
  calls INTEGER NOT NULL,
  console INTEGER NOT NULL,
  is_whole INTEGER NOT NULL,
  run INTEGER NOT NULL,
  file_state BLOB
)""",
        "sources_by_head": "CREATE INDEX sources_by_head ON sources (head)",
        "sources_by_state": "CREATE INDEX sources_by_state ON sources (file_state)",
    }
)
"""The statements that make tables and indexes; `sqlite_master` keeps their text, by which a ledger is recognised."""

_SOURCES_1 = TABLES["sources"].replace(",\n  file_state BLOB", "")

OLDER: Mapping[int, Mapping[str, str]] = MappingProxyType(
    {1: {name: text for name, text in TABLES.items() if name != "sources_by_state"} | {"sources": _SOURCES_1}}
)
"""What earlier versions consist of: they are read as they are, and brought up to date by the first run that writes."""

UPDATE: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        1: (
            "DROP INDEX sources_by_head",
            "ALTER TABLE sources RENAME TO sources_1",
            TABLES["sources"],
            "INSERT INTO sources SELECT *, NULL FROM sources_1",
            "DROP TABLE sources_1",
            TABLES["sources_by_head"],
            TABLES["sources_by_state"],
        )
    }
)
"""The statements that make the next version of each."""
