"""Flags over the environment, over ./plh.toml, over the user's plh.toml, over the defaults → `Settings`."""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import platformdirs

from posthog_llm_cli.config.cores import cores
from posthog_llm_cli.config.layers import FILE_NAME, Given, Layer, from_environment, from_file, from_flags, wrong
from posthog_llm_cli.config.options import OPTIONS, Option
from posthog_llm_cli.config.settings import Settings
from posthog_llm_cli.config.values import read_key, read_time
from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.timeparse import plausible, to_us

_APP = "plh"
_MAX_KEY_FILE = 4096
_MAX_WORKERS = 8
_ELSEWHERE = frozenset({"api_key_file", "no_ledger", "property"})
_ALTERNATIVES = (("api_key", "api_key_file"), ("ledger", "no_ledger"), ("dry_run", "mock"), ("quiet", "verbose"))


def load(flags: Mapping[str, object], *, now: datetime) -> Settings:
    """Resolve the flags with this process's environment, working directory and user folders. Raises: ConfigError."""
    return resolve(
        flags,
        os.environ,
        _cwd(),
        _users(platformdirs.user_config_path),
        state_home=_users(platformdirs.user_state_path),
        now=now,
    )


def resolve(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    cwd: Path,
    config_home: Path,
    *,
    state_home: Path,
    now: datetime,
) -> Settings:
    """Return the settings in effect: of each option the value of the first layer that gives it.

    `flags` holds what was typed (None: not given), `config_home` the user's plh.toml; ledger and dead letters go
    below `state_home`. `now` is the start of the run, which relative times count back from.

    Raises:
        ConfigError: a value that is none, an unknown key in a file, two options that exclude each other, a host from a
            file for a key from elsewhere. No message shows a key.
    """
    layers = _layers(flags, environ, cwd, config_home)
    given = {name: _first(option, layers, cwd) for name, option in OPTIONS.items()}
    for pair in _ALTERNATIVES:
        _choose(given, *pair)
    api_key = None if given["record_keys_only"].value else _api_key(given, cwd)
    if api_key is not None:
        _check_host(given["host"], api_key)
        _check_allowed_hosts(given["allow_host"], api_key)
    return _settings(given, None if api_key is None else api_key.value, state_home=state_home, now=now)


def require_key(settings: Settings) -> None:
    """Raise ConfigError where `send` has no key and was not told that only those in records count."""
    if settings.api_key is None and not settings.record_keys_only:
        raise ConfigError(
            "expected a project key in POSTHOG_API_KEY and found none",
            hint="set it to the project's key (phc_…), name a file with --api-key-file, or say --record-keys-only",
        )


def _cwd() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigError("expected a working directory and found that it is gone") from error


def _users(folder: Callable[[str], Path]) -> Path:
    """Return a folder of the user. Raises: ConfigError where there is neither HOME nor a user of this id."""
    try:
        path = folder(_APP)
    except RuntimeError as error:
        raise _homeless() from error
    if not path.is_absolute():  # what older releases of platformdirs return in place of raising
        raise _homeless()
    return path


def _homeless() -> ConfigError:
    return ConfigError(
        "expected a home directory and found none", hint="set HOME, or XDG_CONFIG_HOME and XDG_STATE_HOME"
    )


def _layers(
    flags: Mapping[str, object], environ: Mapping[str, str], cwd: Path, config_home: Path
) -> tuple[dict[str, Given], ...]:
    return (
        from_flags(flags, cwd),
        from_environment(environ, cwd),
        from_file(cwd / FILE_NAME, Layer.PROJECT_FILE),
        from_file(config_home / FILE_NAME, Layer.USER_FILE),
    )


def _first(option: Option, layers: tuple[dict[str, Given], ...], cwd: Path) -> Given:
    for layer in layers:
        if option.name in layer:
            return layer[option.name]
    return Given(option.default, Layer.DEFAULT, option.flag, cwd)


def _choose(given: dict[str, Given], one: str, other: str) -> None:
    """Keep the one of two exclusive options that is given in the higher layer."""
    first, second = given[one], given[other]
    if first.value in (None, False) or second.value in (None, False):
        return
    if first.layer is second.layer:
        raise wrong(first.place, f"expected it without {OPTIONS[other].flag} and found both")
    loser = one if first.layer > second.layer else other
    given[loser] = Given(OPTIONS[loser].default, Layer.DEFAULT, OPTIONS[loser].flag, given[loser].base)


def _api_key(given: dict[str, Given], cwd: Path) -> Given | None:
    """Return the key in effect, and which layer it really comes from."""
    if given["api_key"].value is not None:
        return given["api_key"]
    found = given["api_key_file"]
    if found.value is None:
        return None
    path = _path(found)
    layer = found.layer
    if layer is Layer.PROJECT_FILE and not path.resolve().is_relative_to(cwd.resolve()):
        # A project's file that points at the user's own key has not brought that key with it.
        layer = Layer.DEFAULT
    return Given(_read_key_file(path, found.place), layer, f"{found.place} {path}", path.parent)


def _read_key_file(path: Path, place: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_KEY_FILE)
    except OSError as error:
        raise wrong(
            place, f"{path}: expected a file that holds a key and found: {str(error.strerror).lower()}"
        ) from error
    try:
        text = content.decode("ascii").strip()
        if len(text.splitlines()) > 1:
            raise wrong(place, f"{path}: expected one line with a key and found several")
        return read_key(text)
    except UnicodeDecodeError:
        raise wrong(place, f"{path}: expected a key in ASCII and found other bytes") from None
    except ValueError as error:
        raise wrong(place, f"{path}: {error}") from None


def _path(given: Given) -> Path:
    text = given.value
    if given.layer in (Layer.PROJECT_FILE, Layer.USER_FILE):  # which are UTF-8; the locale need not be
        text = os.fsdecode(text.encode())
    try:
        return given.base / Path(text).expanduser()
    except RuntimeError as error:
        raise wrong(given.place, "expected a home directory for ~ and found none") from error


def _check_host(host: Given, api_key: Given) -> None:
    """A project's file must not redirect a key that it did not bring, and no event may land in an unmeant region."""
    if host.layer in (Layer.PROJECT_FILE, Layer.USER_FILE) and api_key.layer is not host.layer:
        raise wrong(
            host.place,
            f"names a host for a key that is given elsewhere ({api_key.place})",
            hint="name the host where the key is: --host or POSTHOG_HOST, or both in one plh.toml",
        )


def _check_allowed_hosts(allowed: Given, api_key: Given) -> None:
    """A project's file must not open another way out for a key that it did not bring."""
    if allowed.layer is Layer.PROJECT_FILE and allowed.value and api_key.layer is not Layer.PROJECT_FILE:
        raise wrong(
            allowed.place,
            f"allows hosts for a key that is given elsewhere ({api_key.place})",
            hint="allow the host where the key is: --allow-host or PLH_ALLOW_HOST, or both in one plh.toml",
        )


def _settings(given: dict[str, Given], api_key: str | None, *, state_home: Path, now: datetime) -> Settings:
    values: dict[str, Any] = {name: found.value for name, found in given.items()}
    since, until = _time(given, "since", now=now), _time(given, "until", now=now)
    if since is not None and until is not None and since >= until:
        raise wrong(given["until"].place, "expected a time after --since and found one that leaves nothing")
    renamed = {"timeout": "timeout_s", "max_duration": "max_duration_s", "lock_wait": "lock_wait_s"}
    taken = {renamed.get(name, name): value for name, value in values.items() if name not in _ELSEWHERE}
    taken.update(
        format=None if values["format"] == "auto" else values["format"],
        since=since,
        until=until,
        default_time=_default_time(given, now=now),
        metadata_only=values["metadata_only"] == "send",
        api_key=api_key,
        properties=dict(values["property"]),
        ledger=_ledger(given, state_home),
        dead_letter=_dead_letter(given, state_home),
        workers=values["workers"] if values["workers"] is not None else min(cores(), _MAX_WORKERS),
    )
    return Settings(**taken)


def _time(given: dict[str, Given], name: str, *, now: datetime) -> datetime | None:
    found = given[name]
    if found.value is None:
        return None
    try:
        return read_time(found.value, now=now, zone=given["timezone"].value)
    except ValueError as error:
        raise wrong(found.place, error) from None


def _default_time(given: dict[str, Given], *, now: datetime) -> datetime | None:
    time = _time(given, "default_time", now=now)
    if time is not None and not plausible(now)(to_us(time)):
        raise wrong(given["default_time"].place, f"expected a time from 2015 until now and found {time:%Y-%m-%d}")
    return time


def ledger_path(flag: str | None) -> Path:
    """Return which ledger the commands on ledgers mean, by `--ledger` and the other layers. Raises: ConfigError."""
    flags = {} if flag is None else {"ledger": flag}
    layers, cwd = _layers(flags, os.environ, _cwd(), _users(platformdirs.user_config_path)), _cwd()
    return _linked_to(_ledger_at(_first(OPTIONS["ledger"], layers, cwd), _users(platformdirs.user_state_path)))


def _ledger(given: dict[str, Given], state_home: Path) -> Path | None:
    return None if given["no_ledger"].value else _linked_to(_ledger_at(given["ledger"], state_home))


def _linked_to(path: Path) -> Path:
    """Return the file itself where `path` is a link to it: its lock lies beside it, whatever name it is given."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else path  # noqa: PTH114 -- Path's raises where it may not look


def _ledger_at(found: Given, state_home: Path) -> Path:
    return state_home / "ledger.sqlite" if found.value is None else _path(found)


def _dead_letter(given: dict[str, Given], state_home: Path) -> str:
    """Return where dead letters go: by default into a folder beside the ledger."""
    found = given["dead_letter"]
    if found.value is None:
        return f"{_ledger_at(given['ledger'], state_home).parent / 'dead-letters'}/"
    return f"{_path(found)}/" if found.value.endswith("/") else str(_path(found))
