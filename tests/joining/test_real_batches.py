"""Real batches of several repositories, all in one run: every call has the prompt that its repository's input file has.

The expected facts are read from the files by code of its own, which knows nothing of `plh`. The data stand beside the
project and not in it; without them there is nothing to compare with.
"""

import json
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from posthog_llm_cli.convert import convert
from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.model import Event, LogLine, Mark, Skipped
from posthog_llm_cli.sources import SourceReader
from tests.converting import OPTIONS, wire
from tests.formats.shared import OPENAI_LOGS, needs_openai_logs

pytestmark = needs_openai_logs


def repository(path: Path) -> str:
    return "__".join(path.name.split("__")[:2])


def expected_facts() -> dict[str, dict[str, Any]]:
    """The answer's id → what its event must say."""
    asked: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted((OPENAI_LOGS / "batch_input").iterdir()):
        for text in path.read_text().splitlines():
            line = json.loads(text)
            asked[(repository(path), line["custom_id"])] = line["body"]
    facts = {}
    for path in sorted((OPENAI_LOGS / "batch_output").iterdir()):
        for text in path.read_text().splitlines():
            line = json.loads(text)
            body, request = line["response"]["body"], asked[(repository(path), line["custom_id"])]
            facts[body["id"]] = {
                "model": body["model"],
                "requested": None if request["model"] == body["model"] else request["model"],
                "input": [message["content"] for message in request["messages"]],
                "output": [choice["message"]["content"] for choice in body["choices"]],
                "stop": body["choices"][0]["finish_reason"],
                "tokens": (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]),
                "status": line["response"]["status_code"],
                "time": body["created"],
                "custom_id": line["custom_id"],
                "parameters": {key: request[key] for key in ("max_tokens", "temperature") if key in request},
            }
    return facts


def facts_of(event: dict[str, Any]) -> dict[str, Any]:
    told = event["properties"]
    return {
        "model": told["$ai_model"],
        "requested": told.get("requested_model"),
        "input": [message["content"] for message in told["$ai_input"]],
        "output": [message["content"][0]["text"] for message in told["$ai_output_choices"]],
        "stop": told["$ai_stop_reason"],
        "tokens": (told["$ai_input_tokens"], told["$ai_output_tokens"]),
        "status": told["$ai_http_status"],
        "time": datetime.fromisoformat(event["timestamp"]).timestamp(),
        "custom_id": told["openai_custom_id"],
        "parameters": told.get("$ai_model_parameters", {}),
    }


@pytest.mark.parametrize("seed", range(5))
def test_every_real_call_has_the_input_of_its_own_repository(seed: int) -> None:
    files = [
        str(path) for folder in ("batch_input", "batch_output") for path in sorted((OPENAI_LOGS / folder).iterdir())
    ]
    random.Random(seed).shuffle(files)
    found: dict[str, dict[str, Any]] = {}
    skipped = 0
    items = (item for item in SourceReader(files) if isinstance(item, LogLine | Mark))
    with Joiner() as joiner:
        for line in joiner.join(items, is_cut=lambda: False):
            assert isinstance(line, LogLine)
            (converted,) = convert(line, OPTIONS)
            match converted.result:
                case Event() as event:
                    told = wire(event)
                    found[told["properties"]["$ai_span_id"]] = facts_of(told)
                    assert "ambiguous-batch-input" not in converted.warnings
                    assert "batch-model-mismatch" not in converted.warnings
                case Skipped(code=code):
                    assert code == "batch-input"
                    skipped += 1
    expected = expected_facts()
    assert found == expected
    assert (len(expected), skipped) == (36, 43)


def test_the_ids_do_collide_across_the_repositories() -> None:
    """Or the test above would prove little."""
    holders: dict[str, set[str]] = {}
    for path in (OPENAI_LOGS / "batch_input").iterdir():
        for text in path.read_text().splitlines():
            holders.setdefault(json.loads(text)["custom_id"], set()).add(repository(path))
    assert max(map(len, holders.values())) >= 3
