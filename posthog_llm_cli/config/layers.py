"""The five layers in which an option may be given, and what each of them says."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar

from posthog_llm_cli.config.options import OPTIONS, Option
from posthog_llm_cli.config.values import nearest
from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.report.text import mask_keys
from posthog_llm_cli.values import Value

FILE_NAME = "plh.toml"


class Layer(IntEnum):
    """Where an option was given; the lower wins."""

    FLAG = 0
    ENVIRONMENT = 1
    PROJECT_FILE = 2
    USER_FILE = 3
    DEFAULT = 4


class Given(Value, frozen=True):
    """One option's value, and where it comes from: `place` for messages, `base` for relative paths."""

    hidden: ClassVar = frozenset({"value"})

    value: Any
    layer: Layer
    place: str
    base: Path


def from_flags(flags: Mapping[str, object], cwd: Path) -> dict[str, Given]:
    """Read what was typed: None, False and empty lists are what was not."""
    found: dict[str, Given] = {}
    for name, value in flags.items():
        if value is None or value is False or value in ([], ()):
            continue
        option = OPTIONS[name]
        found[name] = Given(_from_flag(option, value), Layer.FLAG, option.flag, cwd)
    return found


def from_environment(environ: Mapping[str, str], cwd: Path) -> dict[str, Given]:
    """Read the variables; empty ones count as unset."""
    found: dict[str, Given] = {}
    for option in OPTIONS.values():
        for variable in option.environment:
            text = environ.get(variable, "")
            if text.strip():
                texts = text.replace(",", " ").split() if option.repeatable else [text]
                found[option.name] = Given(_read_all(option, texts, variable), Layer.ENVIRONMENT, variable, cwd)
                break
    return found


def from_file(path: Path, layer: Layer) -> dict[str, Given]:
    """Read a plh.toml; nothing where there is none."""
    found: dict[str, Given] = {}
    for key, value in _load(path).items():
        option = OPTIONS.get(key)
        if option is None:
            raise ConfigError(mask_keys(f"{path}: unknown key {key!r}"), hint=f"nearest is {nearest(key, OPTIONS)!r}")
        place = f"{path}: {key}"
        found[key] = Given(_from_file(option, value, place), layer, place, path.parent)
    return found


def wrong(place: str, problem: object, *, hint: str | None = None) -> ConfigError:
    """Return the error for a value at `place`."""
    return ConfigError(mask_keys(f"{place}: {problem}"), hint=hint)


def _from_flag(option: Option, value: object) -> Any:
    if value is True:
        return True
    return _read_all(
        option, [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)], option.flag
    )


def _read_all(option: Option, texts: list[str], place: str) -> Any:
    try:
        read = tuple(option.read(text) for text in texts)
    except ValueError as error:
        raise wrong(place, error) from None  # the chained error would quote the text once more
    return read if option.repeatable else read[0]


def _from_file(option: Option, value: object, place: str) -> Any:
    if option.repeatable:
        return _read_all(option, _texts(option, value, place), place)
    if type(value) not in option.in_file:  # exactly: True is an int, a datetime a date
        raise wrong(place, f"expected {option.expected_in_file} and found {_kind(value)}")
    if isinstance(value, bool):
        return value
    return _read_all(option, [value.isoformat() if isinstance(value, date) else str(value)], place)


def _texts(option: Option, value: object, place: str) -> list[str]:
    if option.name == "property" and isinstance(value, dict):
        return [f"{key}={text}" for key, text in zip(value, _strings(option, list(value.values()), place), strict=True)]
    if not isinstance(value, list):
        raise wrong(place, f"expected {option.expected_in_file} and found {_kind(value)}")
    return _strings(option, value, place)


def _strings(option: Option, items: list[Any], place: str) -> list[str]:
    for item in items:
        if not isinstance(item, str):
            raise wrong(place, f"expected {option.expected_in_file} and found {_kind(item)} in it")
    return items


def _load(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise wrong(str(path), f"expected a readable file and found: {str(error.strerror).lower()}") from error
    except UnicodeDecodeError:
        raise wrong(str(path), "expected UTF-8 and found other bytes") from None
    import tomllib  # noqa: PLC0415 - where there is a file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise wrong(str(path), f"expected TOML and found: {error}") from None


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "a table"
        case datetime() | date():
            return "a date"
        case _:
            return "a time"
