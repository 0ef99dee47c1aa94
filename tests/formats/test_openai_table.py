"""The decision table of openai-logs.md, section 2: its rows exclude one another, but where a row says why it is first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from posthog_llm_cli.formats import DETECTION, detect, expand
from posthog_llm_cli.formats._openai_shapes import ROWS, Candidate, classify
from tests.converting import SAMPLES, read_lines
from tests.formats.shared import OPENAI_LOGS, needs_openai_logs

CHAT: dict[str, Any] = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1748772000, "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
}  # fmt: skip
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
RESPONSE = {"object": "response", "model": "gpt-4o", "output": [], "status": "completed"}

BOTH: dict[tuple[int, int], Any] = {
    (3, 21): {"custom_id": "a", "params": ASKED},
    (5, 17): {"id": "b", "custom_id": "a", "response": {"status_code": 200, "body": CHAT}, "error": None},
    (5, 6): {"custom_id": "a", "body": ASKED, "response": {"status_code": 200, "body": CHAT}},
    (5, 18): {"id": "b", "custom_id": "a", "request": ASKED, "response": None, "error": {"message": "no"}},
    (5, 16): {"id": "b", "custom_id": "a", "response": None, "error": {"code": "batch_expired", "message": "no"}},
    (6, 21): {"custom_id": "a", "body": ASKED},
    (7, 8): {**CHAT, "resourceSpans": []},
    (7, 15): {"candidates": [], "usageMetadata": {}, "choices": CHAT["choices"]},
    (7, 17): {"response_id": "r", "request_created_at": "t", "request": ASKED, "response": CHAT},
    (7, 18): {"response_id": "r", "request_created_at": "t", "request": ASKED, "error": "no"},
    (7, 20): {"traceId": "t", "startTime": "s", "type": "GENERATION", "model": "m", "input": "hi", "output": "ho"},
    (8, 20): {**CHAT, "prompt": "hi", "output_text": "ho"},
    (10, 20): {**RESPONSE, "prompt": None, "output_text": "ho"},
    (13, 17): {"type": "response.completed", "response": RESPONSE},
    (15, 20): {"model": "m", "prompt": "hi", "response": "ho", "done": True},
    (18, 19): {"messages": ASKED["messages"], "error": "no"},
    (18, 20): {"model": "m", "prompt": "hi", "response": "", "error": "no"},
    (19, 20): {"prompt": "hi", "completion": "ho"},
    (19, 21): {"messages": [], "kwargs": ASKED},
    (20, 21): {"model": "m", "prompt": "hi", "response": ""},
}
"""For each pair of rows of which the first goes over the second, a record that both match."""

MORE = [
    [ASKED, CHAT],
    [ASKED, ["timeout"], {"row": 1}],
    ASKED["messages"],
    {"custom_id": "a", "result": {"type": "succeeded"}},
    {"run_type": "llm", "inputs": ASKED},
    {"type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn", "model": "m", "usage": {}},
    {**CHAT, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}}]},
    {**CHAT, "object": "chat.completion.chunk", "choices": [], "usage": {"prompt_tokens": 1}},
    {"id": "", "object": "", "choices": [], "prompt_filter_results": []},
    {"object": "list", "data": [{"object": "model"}]},
    {"id": "batch_1", "object": "batch", "status": "completed", "errors": None},
    {"id": "file-1", "object": "file"},
    {"id": "t", "object": "thread.message", "role": "user", "content": []},
    {"type": "error", "code": "server_error", "message": "no"},
    {"error": {"message": "no", "code": None}},
    {"detail": "Not Found"},
    {"object": "error", "message": "no", "code": 404},
    {"request": ASKED, "response": {"error": "model not found"}},
    {"request": ASKED, "response": None},
    {"model": "gpt-4o", "prompt": "hi"},
    {"messages": ASKED["messages"]},
    {"messages": ASKED["messages"], "category": "x"},
    {"input": {}, "preferred_output": [], "non_preferred_output": []},
    {"model": "m", "latency": 3, "error": "timeout"},
    {"mapping": {}, "create_time": 1},
    {"request": ASKED, "sse": 'data: {"object": "chat.completion.chunk", "choices": []}\n\ndata: [DONE]\n\n'},
    {"hello": "world"},
    {},
]


def records(paths: list[Path]) -> Iterator[tuple[str, Any]]:
    """Every record of these files, with its place."""
    for path in paths:
        for number, value in enumerate(read_lines(path), 1):
            yield from ((f"{path.name}:{number}", record) for _, record in expand(value))


def check_rows(record: Any, place: str) -> None:
    """Every row asked alone: the first that matches goes over all others that do."""
    found = [row for row in ROWS if row.shape(Candidate(record)) is not None]
    others = {row.number for row in found[1:]}
    assert others <= (found[0].over.keys() if found else set()), (place, [row.number for row in found])
    assert classify(record) == (found[0].shape(Candidate(record)) if found else "unknown"), place


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_of_the_rows_asked_alone_one_matches_a_sample_or_the_first_says_why(path: Path) -> None:
    for place, record in records([path]):
        check_rows(record, place)


@pytest.mark.parametrize("record", MORE)
def test_of_the_rows_asked_alone_one_matches_what_is_refused_or_the_first_says_why(record: Any) -> None:
    check_rows(record, "invented")


@needs_openai_logs
def test_of_the_rows_asked_alone_one_matches_a_real_record_or_the_first_says_why() -> None:
    number = 0
    for number, (place, record) in enumerate(records(sorted(OPENAI_LOGS.glob("*/*.jsonl"))), 1):  # noqa: B007
        check_rows(record, place)
    assert number > 2000


@pytest.mark.parametrize(("first", "second"), BOTH)
def test_where_a_row_goes_over_another_both_would_match(first: int, second: int) -> None:
    record = BOTH[first, second]
    matching = [row.number for row in ROWS if row.shape(Candidate(record)) is not None]
    assert matching[0] == first
    assert second in matching
    check_rows(record, "invented")


def test_every_reason_for_an_order_has_its_example() -> None:
    reasons = {(row.number, later) for row in ROWS for later in row.over}
    assert reasons == set(BOTH)
    assert all(first < second for first, second in reasons)


def test_the_rows_stand_in_the_order_of_their_numbers() -> None:
    assert [row.number for row in ROWS] == list(range(1, 25))


def test_every_shape_that_the_table_names_has_its_line_in_detection() -> None:
    for _, record in records(sorted(SAMPLES.glob("openai-*.jsonl"))):
        assert detect(record) is not None
    for record in (*MORE, *BOTH.values()):
        assert (detect(record) is None) == (classify(record) == "unknown")


LITELLM_OVER = {
    "litellm": {
        "openai-chat",
        "openai-responses",
        "openai-embeddings",
        "openai-error",
        "openai-flat",
        "other-object",
    },
    "litellm-spend": {"openai-chat", "openai-embeddings", "openai-flat"},
    "litellm-legacy": {"openai-chat"},
}
"""LiteLLM's records hold a request and an answer, as OpenAI's pairs do: they are looked for first, and no others so."""


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_one_line_of_detection_matches_a_sample_but_for_litellms_over_openais(path: Path) -> None:
    over = set()
    for place, record in records([path]):
        first, *others = [row.name for row in DETECTION if row.matches(record)]
        found = detect(record)
        assert found is not None
        assert first == found.name == path.stem, place
        over |= set(others)
    assert over == LITELLM_OVER.get(path.stem, set())
