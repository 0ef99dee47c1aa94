"""`plh explain` of a record wherever it lies: in a line, a row, an array, a page of its own, a compressed pipe."""

import gzip
import subprocess
from pathlib import Path

import orjson
import pytest

from tests.cli.running import PLH, Called, environment, lines, record, run, run_on_terminal, write_log
from tests.converting import SAMPLES


def test_a_line_is_explained_as_a_table(home: Path, called: Called) -> None:
    write_log(home, 3)
    ran = called("explain", "app.jsonl:2")
    assert ran.code == 0
    assert ran.out.startswith("app.jsonl:2  litellm  → $ai_generation\nidentity litellm|chatcmpl-1|")
    assert "$.endTime" in ran.out
    assert "$ai_model gpt-4o" in ran.out
    assert "goes to https://us.i.posthog.com: the configured one" in ran.out


def test_json_has_all_of_it(home: Path, called: Called) -> None:
    write_log(home, 3)
    found = orjson.loads(called("explain", "--json", "app.jsonl:3").out)
    assert found["schema"] == "plh.explanation/1"
    (one,) = found["records"]
    assert (one["ref"], one["outcome"], one["identity"][:19]) == ("app.jsonl:3", "event", "litellm|chatcmpl-2|")
    rows = {row["property"]: row for row in one["rows"]}
    assert rows["$ai_input_tokens"] == {
        "property": "$ai_input_tokens", "value": 3, "paths": ["$.prompt_tokens"], "needs": [], "rule": "as logged",
    }  # fmt: skip


def test_it_takes_the_input_options_of_send(home: Path, called: Called) -> None:
    write_log(home, 3)
    ran = called("explain", "--until", "2025-06-01", "--limit", "1", "app.jsonl:3")
    assert ran.code == 0
    assert ran.out.startswith("app.jsonl:3  litellm  → filtered\noutside --since and --until")
    assert "→ $ai_generation" in called("explain", "--since", "2025-06-01", "app.jsonl:3").out


def test_the_limits_of_what_is_sent_change_nothing_in_how_a_record_is_explained(called: Called) -> None:
    path = f"{SAMPLES / 'openai-flat.jsonl'}:1"
    alone = called("explain", path).out
    assert "by --default-time" not in alone
    limits = ["--since", "2025-06-01T10:11:40Z", "--until", "2025-06-01T10:11:41Z"]
    assert called("explain", path, *limits).out == alone


def test_the_record_in_an_announced_letter_is_explained_as_it_is_sent(home: Path, called: Called) -> None:
    letter = {"plh_dead_letter": 1, "code": "server-refused", "record": record(1)}
    (home / "dead.jsonl").write_bytes(lines(letter))
    announced = called("explain", "dead.jsonl:1", "--format", "dead-letter")
    assert (announced.code, announced.out) == (0, called("explain", "dead.jsonl:1").out)


@pytest.mark.parametrize("packed", [False, True])
def test_stdin_has_lines_too(home: Path, packed: bool) -> None:
    log = lines(record(1), record(2))
    ran = run(home, "explain", "-:2", stdin=gzip.compress(log) if packed else log)
    assert ran.code == 0
    assert "litellm|chatcmpl-2|" in ran.out


def test_an_element_of_an_array_lies_on_its_own_line(home: Path, called: Called) -> None:
    (home / "app.json").write_bytes(
        b"[\n" + b",\n".join(orjson.dumps(record(number)) for number in range(3)) + b"\n]\n"
    )
    assert "litellm|chatcmpl-1|" in called("explain", "app.json:3").out


def test_a_line_in_the_middle_of_a_record_is_that_record(home: Path, called: Called) -> None:
    documents = [orjson.dumps(record(number), option=orjson.OPT_INDENT_2) for number in range(2)]
    (home / "app.json").write_bytes(b"\n".join(documents) + b"\n")
    second = documents[0].count(b"\n") + 2
    ran = called("explain", f"app.json:{second + 5}")
    assert ran.out.startswith(f"app.json:{second}  litellm")
    assert "litellm|chatcmpl-1|" in ran.out


def test_several_records_on_one_line_are_explained_each(home: Path, called: Called) -> None:
    (home / "app.json").write_bytes(orjson.dumps([record(1), record(2)]))
    ran = called("explain", "app.json:1")
    assert "litellm|chatcmpl-1|" in ran.out
    assert "litellm|chatcmpl-2|" in ran.out


def test_the_first_of_many_records_on_one_line_does_not_wait_for_the_last(home: Path) -> None:
    """An export as one array: all of them would take minutes, which nobody waits for who has seen enough."""
    (home / "app.json").write_bytes(orjson.dumps([record(number) for number in range(20_000)]))
    process = subprocess.run(
        f"{' '.join(PLH)} explain app.json:1 | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=home, env=environment(home), stdin=subprocess.DEVNULL,
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert process.stdout.decode() == "app.json:1  litellm  → $ai_generation\n0\n"
    assert process.stderr == b""


def test_a_row_of_a_table_is_explained_by_its_columns(home: Path, called: Called) -> None:
    (home / "spend.csv").write_text(
        "request_id,call_type,startTime,endTime,model,spend,prompt_tokens,completion_tokens,total_tokens,metadata\n"
        'c-1,acompletion,2025-06-01 10:00:00,2025-06-01 10:00:01,gpt-4o,0.5,3,4,7,"{""user_api_key_alias"": ""blue""}"\n'
    )
    ran = called("explain", "spend.csv:2")
    assert "spend.csv:2  litellm-spend  → $ai_generation" in ran.out
    assert "$.spend " in ran.out
    assert "$.metadata.user_api_key_alias" in ran.out


def test_parts_of_a_stream_are_one_call(home: Path, called: Called) -> None:
    chunks = [
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1748772000, "model": "gpt-4o",
         "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in (({"role": "assistant", "content": "Ho"}, None), ({}, "stop"))
    ]  # fmt: skip
    (home / "app.jsonl").write_bytes(lines(*chunks, record(3)))
    whole, part = called("explain", "app.jsonl:1"), called("explain", "app.jsonl:2")
    assert {"→ $ai_generation" in ran.out for ran in (whole, part)} == {True, False}
    assert "[merged]" in whole.out + part.out


def test_a_rejected_record_is_exit_3_and_says_why(home: Path, called: Called) -> None:
    (home / "app.jsonl").write_bytes(lines(record(1), {"messages": [{"role": "user", "content": "secret prompt"}]}))
    ran = called("explain", "app.jsonl:2")
    assert ran.code == 3
    assert "rejected" in ran.out
    assert "secret prompt" not in ran.out


@pytest.mark.parametrize(
    ("place", "message", "code"),
    [
        ("app.jsonl:99", "expected a record and found none on this line", 2),
        ("app.jsonl", "expected SOURCE:LINE", 2),
        ("app.jsonl:0", "expected SOURCE:LINE", 2),
        ("app.jsonl:x", "expected SOURCE:LINE", 2),
        (".:1", "expected a file and found a directory", 2),
        ("nothing.jsonl:1", "source-not-found", 4),
    ],
)
def test_a_place_that_is_none_is_told(home: Path, called: Called, place: str, message: str, code: int) -> None:
    write_log(home, 2)
    ran = called("explain", place)
    assert (ran.code, message in ran.err, ran.out) == (code, True, "")


def test_only_as_much_is_read_as_must_be(home: Path) -> None:
    """A log of which the end cannot be read: the first record is explained before the reader gets there."""
    packed = gzip.compress(lines(*(record(number, pad="x" * 20_000) for number in range(100))), compresslevel=0)
    (home / "app.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    whole, cut = run(home, "validate", "app.jsonl.gz"), run(home, "explain", "app.jsonl.gz:1")
    assert "source-damaged" in whole.err
    assert (cut.code, cut.err) == (0, "")


def test_the_samples_of_every_format_are_explained(home: Path, called: Called) -> None:
    for path in sorted(SAMPLES.glob("*.jsonl")):
        ran = called("explain", f"{path}:1")
        assert ran.code in {0, 3}, path
        assert "Traceback" not in ran.err


def test_on_a_terminal_it_keeps_to_the_width(home: Path) -> None:
    write_log(home, 1)
    ran = run_on_terminal(home, "explain", "app.jsonl:1", columns=80)
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= 80
