"""A preview as `plh preview --json` prints it: one object, schema `plh.preview/1`. Keys are only ever added."""

from datetime import datetime
from typing import Any

import orjson

from posthog_llm_cli.model import SourceRef
from posthog_llm_cli.preview.figures import Forecast, Preview
from posthog_llm_cli.report.text import mask_keys
from posthog_llm_cli.values import Value, asdict

SCHEMA = "plh.preview/1"


def render_json(preview: Preview, *, exit_code: int) -> bytes:
    """Return the JSON object of a preview and a line break, in UTF-8, with no key whole in it."""
    document = {"schema": SCHEMA, "exit_code": exit_code, **as_dict(preview)}
    return mask_keys(orjson.dumps(document).decode()).encode() + b"\n"


def as_dict(preview: Preview | Forecast) -> dict[str, Any]:
    """Return the figures as JSON values: keys are the fields' names, times RFC 3339 in UTC, places `SOURCE:LINE`."""
    found = _value(preview)
    assert isinstance(found, dict)  # noqa: S101 - a value becomes one
    return found


def _value(value: object) -> Any:
    match value:
        case SourceRef():
            return str(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case tuple():
            return [_value(item) for item in value]
        case str():
            return str(value)
        case Value():
            return {name: _value(member) for name, member in asdict(value).items()}
        case _:
            return value
