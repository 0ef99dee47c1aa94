"""Every option of `send` in one table: its name, its variables, how it is read, what it is by default."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from posthog_llm_cli.config import values
from posthog_llm_cli.formats import FORMAT_NAMES
from posthog_llm_cli.model import Endpoint, Historical, Media
from posthog_llm_cli.routing import US_HOST
from posthog_llm_cli.values import Value


class Option(Value, frozen=True):
    """One option. `read` takes text; `in_file` are the types that its key in plh.toml may have."""

    name: str
    read: Callable[[str], Any]
    default: Any = None
    environment: tuple[str, ...] = ()
    in_file: tuple[type, ...] = (str,)
    repeatable: bool = False

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return "--" + self.name.replace("_", "-")

    @property
    def expected_in_file(self) -> str:
        """What its key in plh.toml holds, in words."""
        if self.repeatable:
            return "a list or a table of strings" if self.name == "property" else "a list of strings"
        return " or ".join(_WORDS[kind] for kind in self.in_file if kind is not datetime)


_WORDS = {str: "a string", int: "a whole number", float: "a number", bool: "true or false", date: "a date"}
_TIME = (str, datetime, date)
_SIZE = (int, str)
_NUMBER = (int, float)

_TABLE = (
    # input
    Option("format", values.choice(("auto", *FORMAT_NAMES)), "auto", ("PLH_FORMAT",)),
    Option("since", values.read_text, in_file=_TIME),
    Option("until", values.read_text, in_file=_TIME),
    Option("limit", values.whole_number(1), in_file=(int,)),
    Option("metadata_only", values.choice(("reject", "send")), "reject"),
    Option("default_time", values.read_text, in_file=_TIME),
    Option("timezone", values.read_zone, values.read_zone("UTC"), ("PLH_TIMEZONE",)),
    Option("max_record", values.read_size, 32 * 1024 * 1024, ("PLH_MAX_RECORD",), _SIZE),
    # destination
    Option("api_key", values.read_key, None, ("POSTHOG_API_KEY",)),
    Option("api_key_file", values.read_path),
    Option("host", values.read_host, US_HOST, ("POSTHOG_API_URL", "POSTHOG_HOST")),
    Option("record_keys_only", values.read_bool, default=False, in_file=(bool,)),
    Option("allow_host", values.read_host, (), ("PLH_ALLOW_HOST",), repeatable=True),
    Option("endpoint", values.one_of(Endpoint), Endpoint.AUTO, ("PLH_ENDPOINT",)),
    # mapping
    Option("distinct_id", values.read_text, None, ("PLH_DISTINCT_ID",)),
    Option("property", values.read_property, (), repeatable=True),
    Option("privacy_mode", values.read_bool, default=False, environment=("POSTHOG_PRIVACY_MODE",), in_file=(bool,)),
    Option("media", values.one_of(Media), Media.REDACT, ("PLH_MEDIA",)),
    Option("import_id", values.read_text),
    # delivery
    Option("chunk_events", values.whole_number(1), 500, ("PLH_CHUNK_EVENTS",), (int,)),
    Option("chunk_bytes", values.read_size, 4 * 1024 * 1024, ("PLH_CHUNK_BYTES",), _SIZE),
    Option("concurrency", values.whole_number(1, 64), 4, ("PLH_CONCURRENCY",), (int,)),
    Option("max_retries", values.whole_number(0, 100), 8, ("PLH_MAX_RETRIES",), (int,)),
    Option("timeout", values.read_positive, 30.0, ("PLH_TIMEOUT",), _NUMBER),
    Option("rate_limit", values.read_positive, None, ("PLH_RATE_LIMIT",), _NUMBER),
    Option("historical_migration", values.one_of(Historical), Historical.AUTO),
    # state
    Option("ledger", values.read_path, None, ("PLH_LEDGER",)),
    Option("no_ledger", values.read_bool, default=False, in_file=(bool,)),
    Option("dead_letter", values.read_path, None, ("PLH_DEAD_LETTER",)),
    Option("lock_wait", values.read_wait, 0.0, ("PLH_LOCK_WAIT",), _NUMBER),
    # limits
    Option("max_duration", values.read_duration, in_file=(int, float, str)),
    Option("workers", values.whole_number(1, 64), None, ("PLH_WORKERS",), (int,)),
    Option("shard", values.read_shard),
    # mode
    Option("yes", values.read_bool, default=False, in_file=(bool,)),
    Option("dry_run", values.read_bool, default=False, in_file=(bool,)),
    Option("mock", values.read_bool, default=False, environment=("POSTHOG_MOCK",), in_file=(bool,)),
    # output
    Option("json", values.read_bool, default=False, in_file=(bool,)),
    Option("quiet", values.read_bool, default=False, in_file=(bool,)),
    Option("verbose", values.read_bool, default=False, in_file=(bool,)),
)

OPTIONS: Mapping[str, Option] = MappingProxyType({option.name: option for option in _TABLE})
"""The options by name, in the order of the README's table."""
