"""`Settings`: what a run is asked to do, every option read and checked."""

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path

from posthog_llm_cli.model import Endpoint, Historical, Media, mask_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of cli.md in effect, by their names. Times are UTC, sizes bytes, spans seconds.

    `format` None is `auto`. `api_key` None: there is none, or only keys in records count. `allow_host` is normalised,
    without PostHog's own hosts and `host`. `ledger` None: none is kept. `dead_letter` ends in `/` where it is to be a
    folder.
    """

    format: str | None
    since: datetime | None
    until: datetime | None
    limit: int | None
    metadata_only: bool
    default_time: datetime | None
    timezone: tzinfo
    max_record: int
    api_key: str | None = field(repr=False)
    host: str
    record_keys_only: bool
    allow_host: tuple[str, ...]
    endpoint: Endpoint
    distinct_id: str | None = field(repr=False)
    properties: dict[str, str] = field(repr=False)
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

    @property
    def masked_key(self) -> str:
        """The key as it may be printed."""
        return mask_key(self.api_key if self.api_key is not None else "")
