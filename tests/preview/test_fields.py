"""Coverage names fields where no call has a property: each of them, put into a record, does tell it."""

import copy
from typing import Any

import orjson
import pytest

from posthog_llm_cli.formats import FORMATS
from posthog_llm_cli.glance import PROPERTIES, known_properties
from posthog_llm_cli.preview.fields import FIELDS, fields_of
from posthog_llm_cli.values import replace
from tests.converting import OPTIONS, convert_value

MESSAGES = [{"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "tide", "parameters": {}}}]
ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Ho"}}],
}  # fmt: skip
VALUES: dict[str, Any] = {
    "user": "u-9", "own trace": "trace-9", "session": "s-9", "parent": "p-9", "span_name": "step", "provider": "groq",
    "base_url": "https://llm.example/v1", "input": MESSAGES, "output": ANSWER, "input_tokens": 5, "output_tokens": 7,
    "cost": 0.5, "latency": 1.5, "ttft": 0.5, "tools": TOOLS, "model_parameters": 0.5, "stream": True,
    "service_tier": "default", "http_status": 200, "stop_reason": "stop",
}  # fmt: skip
OF_THEIR_OWN = {"endTime": 1748772009.5, "request.input": "Hi", "request.prompt": "Hi"}
SMALLEST = {form.name: orjson.loads(form.smallest) for form in FORMATS}
ROWS = [(name, row, path) for name, rows in FIELDS.items() for row, paths in rows.items() for path in paths]


def put(record: Any, path: str, value: Any) -> Any:
    record = copy.deepcopy(record)
    *way, last = path.split(".")
    inner = record
    for step in way:
        if not isinstance(inner.get(step), dict):
            inner[step] = {}
        inner = inner[step]
    inner[last] = value
    return record


def known(record: Any) -> tuple[str | None, set[str]]:
    glance = convert_value(record, replace(OPTIONS, glance=True)).glance
    assert glance is not None
    return glance.format, {row.name for row in known_properties(glance.known)}


@pytest.mark.parametrize(("name", "row", "path"), ROWS)
def test_a_field_that_is_named_tells_the_property(name: str, row: str, path: str) -> None:
    value = OF_THEIR_OWN.get(path.removeprefix("standard_logging_object."), VALUES[row])
    found, rows = known(put(SMALLEST[name], path, value))
    assert (found, row in rows) == (name, True)


def test_the_table_names_formats_and_properties_that_exist() -> None:
    assert set(FIELDS) <= set(SMALLEST)
    assert {row for rows in FIELDS.values() for row in rows} <= {row.name for row in PROPERTIES}


def test_an_unknown_format_has_no_fields() -> None:
    assert fields_of("posthog-event", "user") == ()
