"""`Settings`: what a run is asked to do, every option read and checked."""

import hashlib
from datetime import datetime, tzinfo
from pathlib import Path
from typing import ClassVar

from posthog_llm_cli.model import Endpoint, Historical, Media, mask_key
from posthog_llm_cli.values import Value, asdict
from posthog_llm_cli.version import __version__

_OF_NO_MATTER = frozenset({
    "since", "limit", "import_id", "chunk_events", "chunk_bytes", "concurrency", "max_retries", "timeout_s",
    "rate_limit", "historical_migration", "ledger", "dead_letter", "lock_wait_s", "max_duration_s", "workers", "yes",
    "dry_run", "mock", "json", "quiet", "verbose",
})  # fmt: skip


class Settings(Value, frozen=True, kw_only=True):
    """The options of cli.md in effect, by their names. Times are UTC, sizes bytes, spans seconds.

    `format` None is `auto`. `api_key` None: there is none, or only keys in records count. `allow_host` is normalised,
    without PostHog's own hosts and `host`. `ledger` None: none is kept. `dead_letter` ends in `/` where it is to be a
    folder.
    """

    hidden: ClassVar = frozenset({"api_key", "distinct_id", "properties"})

    format: str | None
    since: datetime | None
    until: datetime | None
    limit: int | None
    metadata_only: bool
    default_time: datetime | None
    timezone: tzinfo
    max_record: int
    api_key: str | None
    host: str
    record_keys_only: bool
    allow_host: tuple[str, ...]
    endpoint: Endpoint
    distinct_id: str | None
    properties: dict[str, str]
    privacy_mode: bool
    media: Media
    import_id: str | None
    chunk_events: int
    chunk_bytes: int
    concurrency: int
    max_retries: int
    timeout_s: float
    rate_limit: float | None
    historical_migration: Historical
    ledger: Path | None
    dead_letter: str
    lock_wait_s: float
    max_duration_s: float | None
    workers: int
    shard: tuple[int, int] | None
    yes: bool
    dry_run: bool
    mock: bool
    json: bool
    quiet: bool
    verbose: bool

    def reading_digest(self) -> bytes:
        """Return what stands for everything that decides which records become events, and which.

        That is this program's version, and all options but those of delivery, state and output, so that a new option
        counts until somebody says that it does not. `since` is left out too: the ledger compares it by itself.
        """
        said = {name: value for name, value in asdict(self).items() if name not in _OF_NO_MATTER}
        said["properties"] = sorted(self.properties.items())
        said["allow_host"] = sorted(self.allow_host)
        return hashlib.sha256(f"plh settings {__version__} {sorted(said.items())!r}".encode()).digest()[:8]

    @property
    def masked_key(self) -> str:
        """The key as it may be printed."""
        return mask_key(self.api_key if self.api_key is not None else "")
