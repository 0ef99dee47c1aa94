"""Every real stream through the real command line, and its facts against other, simpler code."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Ran, run
from tests.formats.shared import OPENAI_LOGS, needs_openai_logs

PARTS = ("chunks_chat", "chunks_completions", "chunks_responses")
RECORDED = ("sse_chat", "sse_completions", "sse_responses")
FILES = sorted(f"{folder}/{path.name}" for folder in (*PARTS, *RECORDED) for path in (OPENAI_LOGS / folder).glob("*"))
FOREIGN = ("chunks_anthropic", "sse_anthropic")


def events_of(ran: Ran) -> dict[str, dict[str, Any]]:
    """The events that were printed, by the id of the answer."""
    events = [json.loads(line) for line in ran.out.splitlines()]
    return {event["properties"]["$ai_span_id"]: event for event in events}


def payloads_of(path: Path) -> Iterator[list[Any]]:
    """The payloads of each stream in a file, or of all of them in one list where they lie line by line."""
    records = [json.loads(line) for line in path.read_text().split("\n") if line]
    if "sse" not in records[0]:
        yield records
        return
    for record in records:
        data = [line[5:].strip() for line in record["sse"].split("\n") if line.startswith("data:")]
        yield [json.loads(text) for text in data if text != "[DONE]"]


def facts_of(path: Path) -> dict[str, dict[str, Any]]:
    """What each stream says, by its id: text, number of tool calls, tokens, model, stop reason, error."""
    found: dict[str, dict[str, Any]] = {}
    for payloads in payloads_of(path):
        current = ""
        for payload in payloads:
            current = payload.get("id") or payload.get("response", {}).get("id") or current
            if not current:
                continue  # Azure's first chunk
            facts = found.setdefault(
                current, {"text": "", "calls": set(), "tokens": None, "model": None, "stop": None, "error": None}
            )
            if "response" in payload:
                add_response(facts, payload["response"])
            for choice in payload.get("choices", []):
                add_choice(facts, choice)
            facts["model"] = facts["model"] or payload.get("model")
            usage = payload.get("usage") or payload.get("x_groq", {}).get("usage")
            facts["tokens"] = (usage["prompt_tokens"], usage["completion_tokens"]) if usage else facts["tokens"]
            facts["error"] = (payload.get("error") or {}).get("message") or facts["error"]
    return found


def add_choice(facts: dict[str, Any], choice: dict[str, Any]) -> None:
    delta = choice.get("delta", {})
    facts["text"] += (delta.get("content") or "") + choice.get("text", "") if choice["index"] == 0 else ""
    facts["calls"] |= {(choice["index"], fragment["index"]) for fragment in delta.get("tool_calls") or []}
    if choice["index"] == 0:
        facts["stop"] = choice["finish_reason"] or facts["stop"]


def add_response(facts: dict[str, Any], response: dict[str, Any]) -> None:
    if response["status"] in {"queued", "in_progress"}:
        return
    items = response["output"]
    texts = [part.get("text", "") for item in items if item["type"] == "message" for part in item["content"]]
    facts.update(text="".join(texts), model=response["model"], stop=response["status"])
    facts["calls"] = {item["id"] for item in items if item["type"] == "function_call"}
    facts["tokens"] = (response["usage"]["input_tokens"], response["usage"]["output_tokens"])


def sent(event: dict[str, Any]) -> dict[str, Any]:
    """The same facts as an event tells them."""
    properties = event["properties"]
    choices = properties.get("$ai_output_choices") or [{"content": []}]
    tokens = (properties.get("$ai_input_tokens"), properties.get("$ai_output_tokens"))
    return {
        "text": "".join(part["text"] for part in choices[0]["content"] if part["type"] == "text"),
        "calls": sum(
            part["type"] == "function"
            for choice in choices
            for part in (*choice["content"], *choice.get("tool_calls", ()))
        ),
        "tokens": None if tokens == (None, None) else tokens,
        "model": properties["$ai_model"],
        "stop": properties.get("$ai_stop_reason"),
        "error": properties.get("$ai_error"),
    }


@needs_openai_logs
@pytest.mark.parametrize("name", FILES)
def test_the_event_of_every_real_stream_says_what_its_parts_say(name: str, tmp_path: Path) -> None:
    path = OPENAI_LOGS / name
    ran = run(tmp_path, "send", "--mock", "--json", str(path))
    assert ran.code == 0, ran.err
    events, facts = events_of(ran), facts_of(path)
    if "dd-trace-py" in name and name.startswith("sse_chat"):
        # Two of its recordings were given one id and one time of creation: one call, of which the first counts.
        facts["chatcmpl-77HaPClCxqCQhWCNKcdWAJlHsnAiD"] = next(
            facts_of_one["chatcmpl-77HaPClCxqCQhWCNKcdWAJlHsnAiD"] for facts_of_one in one_by_one(path, tmp_path)
        )
    expected = {name: {**said, "calls": len(said["calls"])} for name, said in facts.items()}
    assert {name: sent(event) for name, event in events.items()} == expected
    assert all(event["properties"]["$ai_stream"] is True for event in events.values())


def one_by_one(path: Path, folder: Path) -> Iterator[dict[str, dict[str, Any]]]:
    for line in path.read_text().split("\n"):
        if "chatcmpl-77HaPClCxqCQhWCNKcdWAJlHsnAiD" in line:
            alone = folder / "one.jsonl"
            alone.write_text(line)
            yield facts_of(alone)


def account(folder: str, home: Path) -> Counter[str]:
    """What became of the records of a folder."""
    report = json.loads(run(home, "validate", "--json", str(OPENAI_LOGS / folder)).out)
    counts = Counter({key: report[key] for key in ("records", "accepted", "duplicates")})
    return counts + Counter(report["skips"]) + Counter(report["rejections"])


ACCOUNTS = {
    "chunks_chat": {"records": 919, "accepted": 16, "merged": 903},
    "chunks_completions": {"records": 68, "accepted": 5, "merged": 63},
    "chunks_responses": {"records": 416, "accepted": 15, "merged": 401},
    "chunks_anthropic": {"records": 53, "unsupported-format": 53},
    "sse_chat": {"records": 31, "accepted": 30, "duplicates": 1},
    "sse_completions": {"records": 5, "accepted": 5},
    "sse_responses": {"records": 19, "accepted": 19},
    "sse_anthropic": {"records": 6, "unsupported-format": 6},
}


@needs_openai_logs
@pytest.mark.parametrize("folder", ACCOUNTS)
def test_every_real_part_and_stream_is_accounted_for(folder: str, tmp_path: Path) -> None:
    assert account(folder, tmp_path) == ACCOUNTS[folder]


def sizes_of(folder: str) -> Counter[str]:
    """How many parts with an id each stream of a folder has."""
    streams = [payloads for path in (OPENAI_LOGS / folder).glob("*") for payloads in payloads_of(path)]
    ids = (part.get("id") or part.get("response", {}).get("id") for payloads in streams for part in payloads)
    return Counter(name for name in ids if name)


@needs_openai_logs
def test_parts_and_recordings_of_one_stream_are_one_event(tmp_path: Path) -> None:
    """Where both were recorded, line by line and with the request, uuid and what was said agree."""
    compared = 0
    for kind in ("chat", "completions", "responses"):
        bare = events_of(run(tmp_path, "send", "--mock", str(OPENAI_LOGS / f"chunks_{kind}")))
        pairs = events_of(run(tmp_path, "send", "--mock", str(OPENAI_LOGS / f"sse_{kind}")))
        lines, recorded = sizes_of(f"chunks_{kind}"), sizes_of(f"sse_{kind}")
        for name in bare.keys() & pairs.keys():
            one, two = bare[name], pairs[name]
            assert (one["uuid"], one["timestamp"], one["event"]) == (two["uuid"], two["timestamp"], two["event"])
            # Of chunks that are equal byte by byte, the folders of lines have only one.
            if lines[name] == recorded[name]:
                compared += 1
                assert sent(one) == sent(two)
    assert compared > 20
