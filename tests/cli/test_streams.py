"""Streams that lie line by line, through `plh` as a process of its own."""

import gzip
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from posthog_llm_cli.pipeline.plan import WORKERS_AFTER_BYTES
from tests.cli.running import PLH, Ran, environment, lines, record, run
from tests.streaming import chunk, jsonl, ollama, output_text, responded, said, sse, text_part

MOCK = ("send", "--mock", "--json")


def events_of(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def texts_of(ran: Ran) -> list[str]:
    return [output_text(event["properties"]) for event in events_of(ran)]


def report_of(ran: Ran) -> dict[str, Any]:
    return next(json.loads(line) for line in ran.lines if line.startswith('{"schema"'))


def mixed(calls: int) -> bytes:
    """A log of chunks of two calls at a time between LiteLLM payloads, whole answers and other streams."""
    rows: list[Any] = []
    for number in range(calls):
        one, two = said("one ", f"of {number}", id=f"a{number}"), said("two ", f"of {number}", id=f"b{number}")
        rows += [one[0], two[0], record(number), one[1], two[1], *responded(f"three of {number}", f"resp_{number}")]
        rows += [
            two[2],
            ollama("four "),
            one[2],
            two[3],
            ollama(f"of {number}"),
            text_part("whole", "stop", id=f"w{number}"),
        ]
        rows += [text_part("five ", id=f"t{number}"), ollama("", done=True, second=number % 60), one[3]]
        rows += [text_part(f"of {number}", "stop", id=f"t{number}")]
    return lines(*rows)


def test_the_example_of_the_specification(tmp_path: Path) -> None:
    first = {
        "id": "",
        "object": "",
        "created": 0,
        "model": "",
        "choices": [],
        "prompt_filter_results": [{"prompt_index": 0}],
    }
    parts = [chunk({"role": "assistant", "content": "He"}, usage=None), chunk({"content": "llo"}, "stop", usage=None)]
    (tmp_path / "log.jsonl").write_bytes(jsonl([first, *parts]))
    ran = run(tmp_path, *MOCK, "log.jsonl")
    (event,) = events_of(ran)
    properties = event["properties"]
    assert ran.code == 0
    assert (output_text(properties), properties["$ai_stop_reason"]) == ("Hello", "stop")
    assert (properties["$ai_stream"], properties["$ai_provider"]) == (True, "azure")
    assert not [name for name in properties if "tokens" in name]
    report = report_of(ran)
    assert (report["records"], report["accepted"], report["skips"]) == (3, 1, {"merged": 2})
    assert report["formats"] == {"openai-stream": 3}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_mixed_log_gives_every_call_once(packed: bool, tmp_path: Path) -> None:
    content = mixed(3)
    (tmp_path / "log").write_bytes(gzip.compress(content) if packed else content)
    ran = run(tmp_path, *MOCK, "log")
    found = sorted(texts_of(ran))
    assert ran.code == 0
    expected = [f"{word} of {number}" for word in ("one", "two", "three", "four", "five") for number in range(3)]
    assert found == sorted([*expected, *["answer"] * 3, *["whole"] * 3])
    report = report_of(ran)
    assert report["records"] == content.count(b"\n")
    assert report["accepted"] + report["skips"]["merged"] == report["records"]


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    much = lines(*(record(number, pad="x" * 9000) for number in range(1000, 1500)))
    assert len(much) > WORKERS_AFTER_BYTES  # workers convert what comes behind it
    (tmp_path / "log").write_bytes(mixed(30) + much + mixed(60))
    one, two = (run(tmp_path, *MOCK, "--workers", number, "log") for number in ("1", "2"))
    assert one.code == two.code == 0
    assert one.out == two.out
    assert {**report_of(one), "run_id": "", "elapsed_s": 0} == {**report_of(two), "run_id": "", "elapsed_s": 0}


def test_the_same_source_twice_is_duplicates_and_not_doubled_text(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(jsonl(said("Hel", "lo")))
    ran = run(tmp_path, *MOCK, "log", "log")
    assert texts_of(ran) == ["Hello"]
    report = report_of(ran)
    assert (report["accepted"], report["duplicates"], report["skips"]) == (1, 1, {"merged": 6})


def test_a_stream_and_its_recorded_pair_are_one_call(tmp_path: Path) -> None:
    request = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    (tmp_path / "a.jsonl").write_bytes(jsonl([{"request": request, "sse": sse(*said("Hello"))}]))
    (tmp_path / "b.sse").write_text(sse(*said("Hello")))
    report = report_of(run(tmp_path, *MOCK, "a.jsonl", "b.sse"))
    assert (report["accepted"], report["duplicates"]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "accepted", "rejected"), [("openai-stream", 1, 1), ("openai-chat", 1, 3), ("litellm", 0, 4)]
)
def test_a_fixed_format_takes_its_own(name: str, accepted: int, rejected: int, tmp_path: Path) -> None:
    whole = {"id": "w", "object": "chat.completion", "created": 1748772000, "model": "gpt-4o", "choices": []}
    (tmp_path / "log").write_bytes(jsonl([*said("Hello"), whole]))
    report = report_of(run(tmp_path, *MOCK, "--format", name, "log"))
    assert (report["accepted"], report["rejected"], report["records"]) == (accepted, rejected, 4)


def test_what_a_stream_is_rejected_for_is_kept_whole_and_taken_up_again(tmp_path: Path) -> None:
    parts = [{**part, "created": 0} for part in said("Hel", "lo")]
    (tmp_path / "log").write_bytes(jsonl(parts))
    sending = ("send", "--yes", "--host", "http://127.0.0.1:9", "--dead-letter", "letters.jsonl", "log")
    ran = run(tmp_path, *sending, env={"POSTHOG_API_KEY": "phc_abcdefghijklmnopqrstuvwxyz0123456789"})
    assert ran.code == 3
    (letter,) = (json.loads(line) for line in (tmp_path / "letters.jsonl").read_bytes().splitlines())
    assert (letter["code"], letter["line"], letter["record"]) == ("missing-field", 1, {"chunks": parts})
    again = run(tmp_path, *MOCK, "--default-time", "2025-06-01T10:00:00Z", "letters.jsonl")
    assert texts_of(again) == ["Hello"]


def test_a_stream_from_a_pipe_stays_open_over_its_pauses(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*PLH, *MOCK, "-"], cwd=tmp_path, env=environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    parts = said("Hel", "lo")
    process.stdin.write(lines(parts[0], record(1), parts[1]))
    process.stdin.flush()
    time.sleep(2.5)  # more than one Idle
    process.stdin.write(jsonl(parts[2:]))
    out, err = process.communicate(timeout=60)
    ran = Ran(process.returncode, out.decode(), err.decode())
    assert ran.code == 0, ran.err
    assert texts_of(ran) == ["answer", "Hello"]


def test_a_recorded_stream_of_a_pipe_goes_on_when_it_is_done(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*PLH, "send", "--mock", "-"], cwd=tmp_path, env=environment(tmp_path), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(sse(*said("Hello")).encode())
    process.stdin.flush()
    event = json.loads(process.stdout.readline())  # the pipe is still open
    assert output_text(event["properties"]) == "Hello"
    process.communicate(timeout=60)
    assert process.returncode == 0
