"""`--mock`, `--dry-run`, `validate`, `formats`, `mock-server`, help, version: what needs no key and no PostHog."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import orjson
import pytest

from posthog_llm_cli.config.options import OPTIONS
from posthog_llm_cli.formats import FORMAT_NAMES
from posthog_llm_cli.version import __version__
from tests.cli.running import KEY, PLH, Called, environment, lines, record, run, write_log

# ---------------------------------------------------------------------------------------------- what is no log of calls


def test_a_file_of_training_data_is_told_once_by_validate_and_send(home: Path) -> None:
    row = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
    (home / "train.jsonl").write_bytes(row * 1000)
    for command in (("validate",), ("send", "--dry-run")):
        ran = run(home, *command, "train.jsonl")
        assert ran.code == 3
        told = [line for line in ran.lines if "[fine-tuning-data]" in line]
        assert len(told) == 2
        assert told[0].startswith("error: train.jsonl:1: only `messages`, no model, response or usage")
        assert told[1] == "error: … and 999 more [fine-tuning-data] in train.jsonl"


def test_records_of_counts_alone_are_named_and_sent_where_asked_for(home: Path) -> None:
    (home / "counts.jsonl").write_text('{"ts": "2025-06-01T10:12:00Z", "model": "m", "prompt_tokens": 4}\n')
    refused = run(home, "send", "--mock", "counts.jsonl")
    assert refused.code == 3
    assert "(keys: ts, model, prompt_tokens) [metadata-only]" in refused.err
    assert "--metadata-only send" in refused.err
    ran = run(home, "send", "--mock", "--metadata-only", "send", "counts.jsonl")
    assert ran.code == 0
    assert orjson.loads(ran.out)["properties"]["$ai_input_tokens"] == 4


@pytest.mark.parametrize("command", ["send", "validate", "preview"])
def test_where_nothing_is_typed_and_nothing_piped_that_is_said(home: Path, command: str) -> None:
    """As where a service manager runs `plh send $LOGS`, and LOGS is unset: no success, day after day."""
    ran = subprocess.run(
        [*PLH, command], cwd=home, env=environment(home, {"POSTHOG_API_KEY": KEY}), stdin=subprocess.DEVNULL,
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: expected a source")
    assert run(home, command, "-", env={"POSTHOG_API_KEY": KEY}).code == 0


# -------------------------------------------------------------------------------------------------------------- mock


def test_mock_prints_events_and_nothing_else_on_stdout(home: Path) -> None:
    write_log(home, 3)
    ran = run(home, "send", "--mock", "app.jsonl")
    events = [orjson.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert [event["event"] for event in events] == ["$ai_generation"] * 3
    assert all("plh_import_id" not in event["properties"] for event in events)
    assert ran.lines[0].startswith("mock: 3 records")


def test_mock_is_asked_for_by_the_environment_too_and_twice_the_same(home: Path) -> None:
    write_log(home, 3)
    first = run(home, "send", "app.jsonl", env={"POSTHOG_MOCK": "true"})
    assert first.code == 0
    assert first.out == run(home, "send", "--mock", "app.jsonl", "--workers", "2").out
    assert first.out.count("\n") == 3


def test_mock_with_json_has_the_report_on_stderr(home: Path, called: Called) -> None:
    write_log(home, 1)
    ran = called("send", "--mock", "--json", "--import-id", "try-1", "app.jsonl")
    assert orjson.loads(ran.err)["mode"] == "mock"
    assert orjson.loads(ran.out)["properties"]["plh_import_id"] == "try-1"


def test_what_mock_prints_can_be_sent_as_it_is(home: Path) -> None:
    write_log(home, 2)
    first = run(home, "send", "--mock", "app.jsonl")
    second = run(home, "send", "--mock", "-", stdin=first.out.encode())
    assert second.code == 0
    assert [orjson.loads(line)["uuid"] for line in second.out.splitlines()] == [
        orjson.loads(line)["uuid"] for line in first.out.splitlines()
    ]


def test_a_reader_that_has_had_enough_ends_it_quietly(home: Path) -> None:
    write_log(home, 3000)
    process = subprocess.Popen(
        f"{' '.join(PLH)} send --mock --chunk-events 10 app.jsonl | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=home, env=environment(home), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = process.communicate(timeout=60)
    event, code = out.splitlines()
    assert orjson.loads(event)["event"] == "$ai_generation"
    assert (code, err) == (b"0", b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("blocking", [True, False])
def test_what_is_printed_arrives_whole_however_slowly_it_is_read(home: Path, unbuffered: str, blocking: bool) -> None:
    """A write that waits for the reader is cut short by a signal, and by a pipe that does not let it wait."""
    long = "a long prompt " * 8000
    records = (record(number, messages=[{"role": "user", "content": long}]) for number in range(60))
    (home / "app.jsonl").write_bytes(lines(*records))
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)
    process = subprocess.Popen(
        [*PLH, "send", "--mock", "app.jsonl"],
        cwd=home, env=environment(home, {"PYTHONUNBUFFERED": unbuffered}), stdout=writing, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(writing)
    out = bytearray()
    while piece := os.read(reading, 30_000):
        out += piece
        if len(out) < 2_000_000:
            time.sleep(0.005)  # until it waits in a write again
            process.send_signal(signal.SIGUSR1)
    os.close(reading)
    _, talk = process.communicate(timeout=30)
    assert process.returncode == 0, talk.decode()
    events = [orjson.loads(line) for line in out.splitlines()]
    assert [event["properties"]["$ai_input"][0]["content"] for event in events] == [long] * 60
    assert b"mock:" in talk


def test_help_into_a_closed_pipe_ends_quietly(home: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [*PLH, "send", "--help"], cwd=home, env=environment(home), stdout=writer, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_is_a_message_and_no_bug(home: Path) -> None:
    write_log(home, 3)
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*PLH, "send", "--mock", "app.jsonl"], cwd=home, env=environment(home), stdout=full,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith(b"error: expected room to write")
    assert b"Exception ignored" not in ended.stderr


# ----------------------------------------------------------------------------------------------- dry-run, validate


def test_a_dry_run_says_what_would_be_sent_and_writes_nothing(home: Path, called: Called) -> None:
    (home / "app.jsonl").write_bytes(lines(record(1), b"{broken"))
    before = sorted(home.rglob("*"))
    ran = called("send", "-n", "app.jsonl", env={"POSTHOG_API_KEY": KEY})
    assert (ran.code, ran.out) == (3, "")
    assert any(
        line.startswith("  for https://us.i.posthog.com with key phc_…6789: 1 event in 1 chunk") for line in ran.lines
    )
    assert "nothing was sent" in ran.lines
    assert sorted(home.rglob("*")) == before


def test_validate_shows_every_rejected_record_and_the_coverage(home: Path, called: Called) -> None:
    (home / "app.jsonl").write_bytes(lines(record(1), *(b"{broken" for _ in range(25))))
    ran = called("validate", "app.jsonl")
    assert ran.code == 3
    assert sum(line.startswith("error: app.jsonl:") for line in ran.lines) == 25
    assert any(line.startswith("of 1 call: ") and "input 100 %" in line for line in ran.lines)


def test_validate_says_what_the_log_lacks_and_send_says_that_it_does(home: Path, called: Called) -> None:
    write_log(home, 3)
    ran = called("validate", "app.jsonl")
    begin = ran.lines.index("what the log lacks, and what to do about it:")
    assert ran.lines[begin + 1] == "  litellm: 0 of 3 calls name a user"
    assert "`x-litellm-end-user-id`" in ran.lines[begin + 2]
    report = orjson.loads(called("validate", "--json", "app.jsonl").out)
    assert report["coverage_by_format"]["litellm"]["calls"] == report["coverage"]["calls"] == 3
    user = next(advice for advice in report["advice"] if advice["missing"] == "user")
    assert (user["format"], user["calls"], user["of"]) == ("litellm", 3, 3)
    rehearsal = called("send", "-n", "app.jsonl", env={"POSTHOG_API_KEY": KEY})
    assert any(line.startswith("plh validate tells what the log lacks") for line in rehearsal.lines)
    sent = orjson.loads(called("send", "-n", "--json", "app.jsonl", env={"POSTHOG_API_KEY": KEY}).out)
    assert (sent["coverage"], sent["coverage_by_format"], sent["advice"]) == ({}, {}, [])


def test_validate_takes_the_same_environment_and_knows_its_codes(home: Path) -> None:
    write_log(home, 2)
    ran = run(
        home, "validate", "--json", env={"PLH_FORMAT": "openai-embeddings"}, stdin=(home / "app.jsonl").read_bytes()
    )
    report = orjson.loads(ran.out)
    assert (ran.code, report["mode"], report["rejections"]) == (3, "validate", {"unknown-format": 2})
    assert run(home, "validate", "nowhere").code == 4
    assert run(home, "validate", "app.jsonl", "--chunk-events", "1").code == 2


def test_no_ledger_is_accepted(home: Path, called: Called) -> None:
    write_log(home, 1)
    assert called("send", "-n", "--no-ledger", "app.jsonl").code == 0


# ----------------------------------------------------------------------------------------------------- usage errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sned",), "no such command 'sned'"),
        (("send", "--bogus"), "no such option: --bogus"),
        (("send", "--limit"), "'--limit' requires an argument"),
        (("send", "--limit", "0", "app.jsonl"), "--limit: expected a whole number of at least 1 and found '0'"),
        (("send", "--format", "litelm", "app.jsonl"), "nearest is litellm"),
        (("formats", "openai-caht"), "found 'openai-caht'"),
        (("mock-server", "--fail", "nonsense"), "--fail: "),
        (("mock-server", "--host", "256.1.1.1"), "expected to listen on 256.1.1.1 port 8765"),
        (("send", "app.jsonl"), "expected a project key in POSTHOG_API_KEY and found none"),
        (("send", "app.jsonl", "--api-key", "phx_abcdefghijkl"), "found a personal key (phx_…)"),
        (("send", "--mock", "--dry-run", "app.jsonl"), "found both"),
    ],
)
def test_a_usage_error_is_exit_2_with_a_message_and_nothing_else(
    home: Path, called: Called, arguments: tuple[str, ...], message: str
) -> None:
    ran = called(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert message in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", KEY), (KEY,), ("send", f"--{KEY}"), ("send", f"--bogus={KEY}"), ("send", "--host", KEY, "x"),
        ("send", "--format", KEY, "x"), ("validate", KEY, "--json"), ("formats", KEY), ("send", "-n", f"--limit={KEY}"),
    ],
)  # fmt: skip
def test_a_key_in_the_wrong_place_is_not_printed(home: Path, called: Called, arguments: tuple[str, ...]) -> None:
    ran = called(*arguments)
    assert ran.code in (2, 4)
    assert KEY not in ran.err + ran.out
    assert KEY[4:] not in ran.err + ran.out


def test_a_bug_is_a_traceback_without_values_and_exit_1(home: Path) -> None:
    write_log(home, 1)
    (home / "sitecustomize.py").write_text(
        "import posthog_llm_cli.sources as s\n"
        "def broken(self): raise KeyError('the prompt of phc_secretsecretsecret')\n"
        "s.SourceReader.__iter__ = broken\n"
    )
    pythonpath = os.pathsep.join([str(home), environment(home)["PYTHONPATH"]])
    ran = run(home, "send", "-n", "app.jsonl", env={"PYTHONPATH": pythonpath}, fresh=True)
    assert ran.code == 1
    assert "this is a bug in plh" in ran.err
    assert "builtins.KeyError" in ran.err
    assert "pipeline" in ran.err
    printed = ran.err.replace("def broken(self): raise KeyError('the prompt of", "")
    assert "secretsecret" not in printed


def test_memory_that_runs_out_is_no_bug(home: Path) -> None:
    write_log(home, 1)
    (home / "sitecustomize.py").write_text(
        "import posthog_llm_cli.sources as s\ndef full(self): raise MemoryError\ns.SourceReader.__iter__ = full\n"
    )
    pythonpath = os.pathsep.join([str(home), environment(home)["PYTHONPATH"]])
    ran = run(home, "send", "-n", "app.jsonl", env={"PYTHONPATH": pythonpath}, fresh=True)
    assert ran.code == 2
    assert ran.lines[-2] == "error: expected memory for the next record and found: the system gives no more"
    assert "nothing is lost" in ran.lines[-1]


def test_an_empty_name_is_shown_as_one(called: Called) -> None:
    ran = called("validate", "")
    assert (ran.code, ran.lines[0][:16]) == (4, "error: '': expec")


# --------------------------------------------------------------------------------------------------- help, formats


def test_version_is_right_and_imports_nothing_heavy(home: Path) -> None:
    assert run(home, "--version").out == f"plh {__version__}\n"
    assert run(home, "--version", "send").out == f"plh {__version__}\n"
    script = "import sys; sys.argv = ['plh', '--version']; from posthog_llm_cli.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script], capture_output=True, text=True, check=False
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert f"plh {__version__}" in done.stdout
    assert "posthog_llm_cli.__main__" in imported
    assert not imported & {"httpx", "rich.console", "orjson", "sqlite3", "tenacity", "posthog_llm_cli.formats"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("stdout", "code", "said"), [(">/dev/full", 2, "No space left"), (">&-", 0, "")])
def test_a_version_that_cannot_be_printed_is_no_bug(stdout: str, code: int, said: str, unbuffered: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m posthog_llm_cli --version {stdout}', sys.executable],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered}, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr, "Exception" in done.stderr) == (code, False, False)
    assert said in done.stderr


def test_no_command_means_help(home: Path) -> None:
    ran = run(home)
    assert ran.code == 0
    assert all(command in ran.out for command in ("send", "validate", "formats", "mock-server"))


def test_a_group_without_a_command_means_its_help(home: Path) -> None:
    ran = run(home, "ledger")
    assert (ran.code, ran.err) == (0, "")
    assert all(command in ran.out for command in ("status", "runs", "forget"))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("nosuch",), "see plh --help"),
        (("send", "--nosuch"), "see plh send --help"),
        (("ledger", "nosuch"), "see plh ledger --help"),
        (("ledger", "show"), "see plh ledger show --help"),
        (("ledger", "runs", "--limit", "0"), "see plh ledger runs --help"),
        (("ledger", "--json", "status"), "see plh ledger --help"),
        (("send", "--yes=true"), "see plh send --help"),
        (("completion",), "see plh completion --help"),
    ],
)
def test_what_was_typed_wrong_has_the_help_that_tells_it(words: tuple[str, ...], hint: str, called: Called) -> None:
    ran = called(*words)
    assert (ran.code, ran.lines[-1]) == (2, f"hint: {hint}")
    assert "\\" not in ran.err  # neither a tab nor a line break of Typer's


def test_the_help_of_send_names_every_option_with_its_variable_and_default(home: Path, called: Called) -> None:
    ran = called("send", "--help", env={"COLUMNS": "400"})
    text = re.sub(r"\s+", " ", ran.out)
    for option in OPTIONS.values():
        assert f"{option.flag} " in text
        for variable in option.environment:
            assert variable in text
    for panel in ("Input", "Destination", "Mapping", "Delivery", "State", "Limits", "Mode", "Output"):
        assert f"╭─ {panel} ─" in ran.out
    for name, default in (("chunk-events", "500"), ("chunk-bytes", "4MiB"), ("timeout", "30"), ("max-record", "32MiB")):
        assert re.search(rf"--{name} [^│]*│?[^│]*default {default}", text) is not None
    assert "\x1b" not in ran.out


def test_the_options_of_validate_are_those_of_send(home: Path, called: Called) -> None:
    def flags(command: str) -> set[str]:
        out = called(command, "--help", env={"COLUMNS": "400"}).out
        return set(re.findall(r"^│ (--[a-z-]+)", out, re.MULTILINE))

    left_out = {option.flag for option in OPTIONS.values()} - flags("validate")
    assert flags("validate") < flags("send")
    assert left_out == {
        "--chunk-events", "--chunk-bytes", "--concurrency", "--max-retries", "--timeout", "--rate-limit",
        "--historical-migration", "--ledger", "--no-ledger", "--lock-wait", "--dead-letter", "--max-duration", "--workers", "--shard",
        "--yes", "--dry-run", "--mock",
    }  # fmt: skip


def test_formats_lists_them_and_shows_the_page_of_one(home: Path, called: Called) -> None:
    table = called("formats")
    assert table.code == 0
    assert [line.split()[0] for line in table.out.splitlines()] == list(FORMAT_NAMES)
    page = called("formats", "litellm")
    smallest = page.out.splitlines()[-1].strip()
    assert orjson.loads(smallest)
    assert "recognised by" in page.out


def test_the_mock_server_serves_until_it_is_told_to_stop(home: Path) -> None:
    process = subprocess.Popen(
        [*PLH, "mock-server", "--port", "0", "--seed", "3"], cwd=home, env=environment(home), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    url = process.stdout.readline().split()[2]
    write_log(home, 2)
    sent = run(home, "send", "app.jsonl", env={"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": url})
    arrived = httpx.get(f"{url}/events", trust_env=False).text
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (sent.code, process.returncode, err) == (0, 0, "")
    assert "$ai_generation" in arrived
    assert KEY not in out
