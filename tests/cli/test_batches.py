"""The files of a batch on the command line: in any order, through a pipe, by workers, from dead letters."""

import gzip
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from posthog_llm_cli.mockserver import Faults, MockServer
from tests.cli.running import KEY, PLH, Called, environment, lines, run
from tests.formats.batch_lines import answered, asked, chat_body, failed

EXPIRED = {"code": "batch_expired", "message": "…"}


def write_batch(folder: Path, count: int = 4, pad: str = "") -> tuple[str, str, str]:
    """Write the three files of one batch: the last answers failed, and one more expired."""
    folder.mkdir(parents=True, exist_ok=True)
    asking = [asked(f"row-{n}", prompt=f"prompt {n} {pad}") for n in range(count + 3)]
    answering = [answered(f"row-{n}", chat_body(f"chatcmpl-{n}")) for n in reversed(range(count))]
    failing = [
        failed(f"row-{count}", id="batch_req_683c25e0" + "b" * 24),
        answered(f"row-{count + 1}", response=None, error=EXPIRED, id="batch_req_683c25e0" + "c" * 24),
    ]
    paths = tuple(str(folder / name) for name in ("in.jsonl", "out.jsonl", "err.jsonl"))
    for path, records in zip(paths, (asking, answering, failing), strict=True):
        Path(path).write_bytes(lines(*records))
    return paths[0], paths[1], paths[2]


def told(out: str) -> dict[str, tuple[str | None, bool]]:
    """The custom id of every printed event → its prompt, and whether it failed."""
    found: dict[str, tuple[str | None, bool]] = {}
    for text in out.splitlines():
        properties: dict[str, Any] = orjson.loads(text)["properties"]
        asking = properties.get("$ai_input")
        prompt = None if asking is None else asking[0]["content"].strip()
        found[properties["openai_custom_id"]] = (prompt, properties.get("$ai_is_error", False))
    return found


ALL = {**{f"row-{n}": (f"prompt {n}", False) for n in range(4)}, "row-4": ("prompt 4", True)}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_three_files_of_a_batch_in_any_order(home: Path, called: Called, order: tuple[int, ...]) -> None:
    files = write_batch(home)
    ran = called("send", "--mock", *(files[n] for n in order))
    assert (ran.code, told(ran.out)) == (0, ALL)


def test_the_report_counts_every_line_once(home: Path, called: Called) -> None:
    report = orjson.loads(called("validate", "--json", *write_batch(home)).out)
    assert report["records"] == 13
    assert (report["accepted"], report["skipped"]) == (5, 8)
    assert report["skips"] == {"batch-input": 7, "not-run": 1}
    assert report["formats"] == {"openai-batch": 13}
    assert report["warnings"]["batch-unanswered"] == 1
    assert "no-input" not in report["warnings"]


def test_a_folder_with_several_batches_of_the_same_ids(home: Path, called: Called) -> None:
    for number in range(3):
        folder = home / "runs" / str(number)
        folder.mkdir(parents=True)
        model = f"gpt-{number}"
        (folder / "in.jsonl").write_bytes(lines(*(asked(f"row-{n}", model, f"{number} {n}") for n in range(3))))
        answers = [answered(f"row-{n}", chat_body(f"c-{number}-{n}", f"{model}-2025-01-01")) for n in range(3)]
        with gzip.open(folder / "a-out.jsonl.gz", "wb") as file:
            file.write(lines(*answers))
    ran = called("send", "--mock", "runs")
    found = [orjson.loads(text)["properties"] for text in ran.out.splitlines()]
    assert {each["$ai_span_id"]: each["$ai_input"][0]["content"] for each in found} == {
        f"c-{number}-{n}": f"{number} {n}" for number in range(3) for n in range(3)
    }


def test_an_array_and_pretty_printed_lines_are_lines_too(home: Path, called: Called) -> None:
    (home / "in.json").write_bytes(
        orjson.dumps([asked("a", prompt="A"), asked("b", prompt="B")], option=orjson.OPT_INDENT_2)
    )
    (home / "out.json").write_bytes(orjson.dumps([answered("b", chat_body("1")), answered("a", chat_body("2"))]))
    ran = called("send", "--mock", "out.json", "in.json")
    assert told(ran.out) == {"a": ("A", False), "b": ("B", False)}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_a_pipe_in_either_order(home: Path, order: tuple[int, ...]) -> None:
    files = write_batch(home)
    ran = run(home, "send", "--mock", "-", stdin=b"".join(Path(files[n]).read_bytes() for n in order))
    assert (ran.code, told(ran.out)) == (0, ALL)


def test_workers_change_nothing(home: Path) -> None:
    files = write_batch(home, count=400, pad="x" * 20_000)
    assert sum(Path(path).stat().st_size for path in files) > 8_000_000, "or workers do not start"
    alone, together = (run(home, "send", "--mock", "--workers", n, *files) for n in ("1", "2"))
    assert len(alone.out.splitlines()) == 401
    assert (alone.code, together.code) == (0, 0)
    assert together.out == alone.out


def test_the_limit_counts_events(home: Path, called: Called) -> None:
    ran = called("send", "--mock", "--limit", "2", "--json", *write_batch(home))
    assert len(ran.out.splitlines()) == 2
    assert orjson.loads(ran.err.splitlines()[-1])["records"] == 2


def test_another_fixed_format_takes_no_line_of_a_batch(home: Path, called: Called) -> None:
    files = write_batch(home)
    report = orjson.loads(called("validate", "--json", "--format", "openai-chat", *files).out)
    assert report["rejections"] == {"unknown-format": 13}
    report = orjson.loads(called("validate", "--json", "--format", "openai-batch", *files).out)
    assert report["accepted"] == 5


def test_a_failed_line_without_its_input_is_kept_and_taken_up_with_it(
    home: Path, called: Called, server: MockServer
) -> None:
    asking, _, failing = write_batch(home)
    to = ("--host", server.url, "--api-key", KEY)
    ran = called("send", "--dead-letter", "dead.jsonl", *to, failing)
    assert ran.code == 3
    assert "give the batch's input file in the same run" in ran.err
    assert orjson.loads((home / "dead.jsonl").read_bytes())["record"]["custom_id"] == "row-4"
    ran = called("send", "--json", "--dead-letter", "dead-2.jsonl", *to, "dead.jsonl", asking)
    report = orjson.loads(ran.out)
    assert (ran.code, report["accepted"], report["skips"]) == (0, 1, {"batch-input": 7})
    (stored,) = server.events
    assert b"prompt 4" in orjson.dumps(stored)


def test_a_letter_of_a_joined_line_holds_both_sides(home: Path, called: Called) -> None:
    (home / "in.jsonl").write_bytes(lines(asked("a", prompt="A")))
    (home / "out.jsonl").write_bytes(lines(failed("a", id="no-time")))
    with MockServer() as server:
        to = ("--host", server.url, "--api-key", KEY)
        assert called("send", "--dead-letter", "dead.jsonl", *to, "in.jsonl", "out.jsonl").code == 3
    letter = orjson.loads((home / "dead.jsonl").read_bytes())
    assert (letter["code"], letter["path"], letter["source"], letter["line"]) == (
        "missing-field",
        "$.timestamp",
        "out.jsonl",
        1,
    )
    ran = called("send", "--mock", "--default-time", "2025-06-01", "dead.jsonl")
    assert told(ran.out) == {"a": ("A", True)}


def test_a_line_that_the_server_refused_goes_again_from_its_letter(home: Path, called: Called) -> None:
    files = write_batch(home)
    with MockServer(faults=Faults.parse("400:1")) as server:
        to = ("--json", "--host", server.url, "--api-key", KEY)
        refused = orjson.loads(called("send", *to, *files).out)
        letters = refused["dead_letter"]
        assert refused["rejections"]["server-refused"] == 5
        server.order(Faults())
        ran = called("send", *to, letters)
        assert [orjson.loads(ran.out)[name] for name in ("accepted", "already_sent")] == [5, 0], ran.err
        assert orjson.loads(called("send", *to, letters).out)["already_sent"] == 5


def test_no_room_for_what_waits_ends_the_run_before_anything_is_sent(home: Path) -> None:
    files = write_batch(home, count=800, pad="x" * 20_000)  # more than is held in memory
    limited = ["sh", "-c", 'ulimit -f 64; exec "$@"', "sh", *PLH, "send", "--mock", *files]
    env = environment(
        home, {"PYTHONDONTWRITEBYTECODE": "1"}
    )  # or modules are cut at the limit, and read so the next time
    ran = subprocess.run(limited, cwd=home, env=env, capture_output=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert b"temporary file" in ran.stderr
    assert b"TMPDIR" in ran.stderr


def test_an_interrupted_run_counts_nothing_of_what_waited_and_the_next_sends_all(home: Path) -> None:
    files = write_batch(home)
    process = subprocess.Popen(
        [*PLH, "send", "--mock", "--json", "-"], cwd=home, env=environment(home), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(b"".join(Path(path).read_bytes() for path in (files[1], files[2], files[0])))
    process.stdin.write(lines(chat_body("chatcmpl-other")))
    process.stdin.flush()
    assert process.stdout is not None
    assert b"chatcmpl-other" in process.stdout.readline(), "what is no line of a batch passes"
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    report = orjson.loads(err.splitlines()[-1])
    assert (out, report["records"], report["accepted"]) == (b"", 1, 1)
    assert told(run(home, "send", "--mock", *files).out) == ALL


@pytest.mark.parametrize("with_input_file", [True, False], ids=["the input in a file", "both sides in the pipe"])
def test_a_pipe_that_never_ends_sends_what_was_asked_before_it(home: Path, with_input_file: bool) -> None:
    asking, answering, failing = write_batch(home)
    sources = [asking, "-"] if with_input_file else ["-"]
    process = subprocess.Popen(
        [*PLH, "send", "--mock", *sources], cwd=home, env=environment(home), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    given = [answering, failing] if with_input_file else [asking, answering, failing]
    process.stdin.write(b"".join(Path(path).read_bytes() for path in given))
    process.stdin.flush()
    came = b"".join(process.stdout.readline() for _ in ALL)
    assert process.poll() is None, "the pipe is still open"
    rest, _ = process.communicate(timeout=30)
    assert (told(came.decode()), rest, process.returncode) == (ALL, b"", 0)


def test_a_run_that_is_interrupted_has_sent_the_batches_that_were_read_whole(home: Path) -> None:
    asking, answering, _ = write_batch(home)
    os.mkfifo(home / "more.jsonl")
    process = subprocess.Popen(
        [*PLH, "send", "--mock", "--json", asking, answering, "more.jsonl"], cwd=home, env=environment(home),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with (home / "more.jsonl").open("wb"):
        assert process.stdout is not None
        came = b"".join(process.stdout.readline() for _ in range(4))
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert told(came.decode()) == {key: value for key, value in ALL.items() if key != "row-4"}
    assert process.returncode == 130
    assert orjson.loads(err.splitlines()[-1])["accepted"] == 4
