"""`plh send` from the command line to a real server: streams, exit codes, dead letters."""

import itertools
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from posthog_llm_cli.ledger import reading
from posthog_llm_cli.mockserver import Faults, MockServer
from tests.cli.running import KEY, MASKED, PLH, ROOT, Called, Ran, environment, lines, record, run, write_log

LEDGER = ".local/state/plh/ledger.sqlite"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def to(server: MockServer, **more: str) -> dict[str, str]:
    return {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url, **more}


def test_what_is_sent_arrives_and_the_summary_says_so(home: Path, server: MockServer) -> None:
    write_log(home, 3)
    ran = run(home, "send", "app.jsonl", env=to(server), fresh=True)
    assert (ran.code, ran.out) == (0, "")
    assert len(server.events) == 3
    assert ran.lines[0].startswith("send: 3 records read (litellm 3)")
    assert f"  {server.url} with key {MASKED} on route v1: 3 accepted" in ran.lines
    assert "plh_import_id = '" in ran.err


def test_a_run_that_finds_nothing_new_loads_nothing_that_sends(home: Path, server: MockServer) -> None:
    write_log(home, 3)
    env = to(server, PYTHONPROFILEIMPORTTIME="1")
    first, second = (run(home, "send", "app.jsonl", env=env, fresh=True) for _ in range(2))
    assert (first.code, second.code, len(server.events)) == (0, 0, 3)
    heavy = {"httpx", "tenacity", "ssl"}
    assert heavy <= _imported(first)
    assert not heavy & _imported(second)


def _imported(ran: Ran) -> set[str]:
    return {line.rpartition("|")[2].strip() for line in ran.lines if line.startswith("import time:")}


def test_certificates_that_cannot_be_read_are_told_before_anything_is_sent(home: Path, server: MockServer) -> None:
    write_log(home, 3)
    ran = run(home, "send", "app.jsonl", env=to(server, SSL_CERT_FILE=str(home / "none.pem")))
    assert (ran.code, server.events) == (2, [])
    assert "SSL_CERT_FILE" in ran.err
    assert "records read" not in ran.err


def test_piped_stdin_is_the_source_where_none_is_typed(home: Path, server: MockServer) -> None:
    ran = run(home, "send", env=to(server), stdin=lines(record(1)))
    assert (ran.code, len(server.events)) == (0, 1)


def test_rejected_records_go_to_a_dead_letter_file_that_can_be_sent(
    home: Path, called: Called, server: MockServer
) -> None:
    (home / "app.jsonl").write_bytes(lines(record(1), b"{broken", record(2), b"\xff\xfe"))
    ran = called("send", "app.jsonl", "--json", env=to(server))
    report = orjson.loads(ran.out)
    assert (ran.code, report["exit_code"]) == (3, 3)
    assert (report["records"], report["accepted"], report["rejections"]) == (4, 2, {"invalid-json": 2})
    path = Path(report["dead_letter"])
    assert home in path.parents
    assert path.parent.name == "dead-letters"
    letters = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [letter["line"] for letter in letters] == [2, 4]
    assert letters[0]["record"] == "{broken"
    assert letters[1]["record_base64"] == "//4="
    again = called("send", str(path), "--json", "--dead-letter", "again.jsonl", env=to(server))
    assert (again.code, orjson.loads(again.out)["rejected"]) == (3, 2)
    assert (home / "again.jsonl").read_bytes().count(b"\n") == 2
    assert "{broken" not in (home / "again.jsonl").read_text().replace('"record":"{broken"', "")


@pytest.mark.parametrize("place", ["dl.jsonl", "./dl.jsonl", "letters/", None])
def test_the_command_for_dead_letters_runs_as_it_is_printed(
    place: str | None, home: Path, called: Called, server: MockServer
) -> None:
    """Also where the letters are in one file for all runs, named by a flag or (None) by the environment."""
    (home / "app.jsonl").write_bytes(lines(record(1), b"{broken"))
    env = to(server, **({} if place else {"PLH_DEAD_LETTER": "dl.jsonl"}))
    ran = called("send", "app.jsonl", *(("--dead-letter", place) if place else ()), env=env)
    assert (ran.code, ran.lines[-2]) == (3, "next: takes the rejected record up again, when the cause is gone")
    again = called(*shlex.split(ran.lines[-1])[1:], "--json", env=env)
    assert (again.code, orjson.loads(again.out)["rejections"]) == (3, {"invalid-json": 1})


def test_a_dead_letter_whose_cause_is_gone_is_accepted(home: Path, called: Called, server: MockServer) -> None:
    record_without_time = record(1, startTime=None, endTime=None)
    (home / "app.jsonl").write_bytes(lines(record_without_time))
    assert called("send", "app.jsonl", "--dead-letter", "dead.jsonl", env=to(server)).code == 3
    ran = called("send", "dead.jsonl", "--default-time", "2026-01-01", env=to(server))
    assert (ran.code, len(server.events)) == (0, 1)


@pytest.mark.parametrize("source", ["dead.jsonl", "./dead.jsonl"])
def test_letters_are_taken_up_from_the_file_that_keeps_them_and_new_ones_go_beside_it(
    home: Path, called: Called, server: MockServer, source: str
) -> None:
    (home / "app.jsonl").write_bytes(lines(record(1, startTime=None, endTime=None), b"{broken"))
    env = to(server, PLH_DEAD_LETTER="dead.jsonl")
    assert called("send", "app.jsonl", env=env).code == 3
    letters = (home / "dead.jsonl").read_bytes()
    ran = called("send", source, "--default-time", "2026-01-01", "--json", env=env)
    report = orjson.loads(ran.out)
    assert (ran.code, report["records"], report["accepted"], report["rejected"]) == (3, 2, 1, 1)
    assert report["dead_letter"] == str(home / "dead-2.jsonl")
    assert (home / "dead.jsonl").read_bytes() == letters


@pytest.mark.parametrize("typed", [[], ["-"]])
def test_letters_from_stdin_are_not_added_to_the_file_that_is_read(
    home: Path, server: MockServer, typed: list[str]
) -> None:
    (home / "dead.jsonl").write_bytes(lines(b"{broken"))
    letters = (home / "dead.jsonl").read_bytes()
    with (home / "dead.jsonl").open("rb") as stdin:
        ran = subprocess.run(
            [*PLH, "send", *typed], cwd=home, env=environment(home, to(server, PLH_DEAD_LETTER="dead.jsonl")),
            stdin=stdin, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    assert ran.returncode == 3
    assert (home / "dead.jsonl").read_bytes() == letters
    assert (home / "dead-2.jsonl").exists()


def test_the_file_that_letters_are_added_to_is_no_source_of_a_folder(
    home: Path, called: Called, server: MockServer
) -> None:
    (home / "dead.jsonl").write_bytes(lines(b"{broken"))
    ran = called("send", ".", "--dead-letter", "dead.jsonl", env=to(server))
    assert ran.code == 2
    assert "a file that this run writes" in ran.err


def test_letters_that_come_into_a_source_folder_are_not_read_by_the_same_run(
    home: Path, called: Called, server: MockServer
) -> None:
    (home / "logs").mkdir()
    (home / "app.jsonl").write_bytes(lines(b"{broken"))
    write_log(home / "logs", 1)
    ran = called("send", "app.jsonl", "logs", "--dead-letter", "logs/", "--json", env=to(server))
    report = orjson.loads(ran.out)
    assert (ran.code, report["records"], report["rejected"]) == (3, 2, 1)
    assert Path(report["dead_letter"]).parent == home / "logs"


def test_the_first_twenty_rejections_of_a_code_are_shown_and_then_their_number(
    home: Path, called: Called, server: MockServer
) -> None:
    (home / "app.jsonl").write_bytes(lines(*(b"{broken" for _ in range(25))))
    ran = called("send", "app.jsonl", env=to(server))
    shown = [line for line in ran.lines if line.startswith("error: app.jsonl:")]
    assert len(shown) == 20
    assert shown[0].startswith("error: app.jsonl:1: ")
    assert shown[0].endswith("[invalid-json]")
    assert "error: … and 5 more [invalid-json] in app.jsonl" in ran.lines


def test_quiet_says_nothing_on_success_and_else_a_dated_line_and_the_errors(
    home: Path, called: Called, server: MockServer
) -> None:
    write_log(home, 1)
    assert called("send", "app.jsonl", "-q", env=to(server)).err == ""
    (home / "bad.jsonl").write_bytes(lines(b"{broken"))
    ran = called("send", "bad.jsonl", "-q", env=to(server))
    dated = [line for line in ran.lines if re.match(r"error: 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line)]
    assert [line.split(" ", 2)[2] for line in dated] == [
        "send: exit 3, 1 records, 0 accepted, 1 rejected, 0 unconfirmed, 8 B"
    ]
    assert {line.split(":")[0] for line in ran.lines} == {"error", "hint"}
    (home / "ledger").write_bytes(b"no ledger")
    ran = called("send", "bad.jsonl", "-q", "--ledger", "ledger", env=to(server))
    assert (ran.code, ran.lines[0].split(" ", 2)[2]) == (7, "send: ended early")
    assert all(line.startswith(("error: ", "hint: ")) for line in ran.lines)


def test_json_is_one_object_on_stdout_and_no_summary(home: Path, called: Called, server: MockServer) -> None:
    write_log(home, 2)
    ran = called("send", "app.jsonl", "--json", env=to(server))
    assert ran.out.count("\n") == 1
    assert orjson.loads(ran.out)["import_id"] == orjson.loads(ran.out)["run_id"]
    assert ran.err == ""


def test_verbose_tells_retries_and_routes(home: Path, called: Called) -> None:
    write_log(home, 2)
    with MockServer(faults=Faults.parse("503:0.5"), seed=1) as server:
        ran = called("send", "app.jsonl", "-v", "--chunk-events", "1", "--concurrency", "1", env=to(server))
        assert server.tally["faults"]
        url = server.url
    assert ran.code == 0
    assert f"route: {url} with key {MASKED} takes v1" in ran.lines
    assert any(line.startswith("retry 1 of 8 in ") for line in ran.lines)


def test_a_missing_source_is_exit_4_and_the_rest_is_done(home: Path, called: Called, server: MockServer) -> None:
    write_log(home, 1)
    ran = called("send", "nowhere.jsonl", "app.jsonl", "*.gz", env=to(server))
    assert (ran.code, len(server.events)) == (4, 1)
    assert any(line.startswith("error: nowhere.jsonl: ") and "[source-not-found]" in line for line in ran.lines)
    assert any(line.startswith("error: *.gz: ") for line in ran.lines)


def test_a_server_that_is_not_there_is_exit_5(home: Path, called: Called) -> None:
    write_log(home, 1)
    ran = called(
        "send",
        "app.jsonl",
        "--max-retries",
        "0",
        env={"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": "http://127.0.0.1:9"},
    )
    assert ran.code == 5
    assert "1 event without the server's final word: nothing is lost, run again" in ran.err
    assert "hint: run the same command again" in ran.err


def test_a_refused_key_is_exit_6(home: Path, called: Called) -> None:
    write_log(home, 1)
    with MockServer(faults=Faults.parse("401:1")) as server:
        ran = called("send", "app.jsonl", env=to(server))
        assert server.tally["faults"]
    assert ran.code == 6
    assert "once the key or the quota is in order, run the same command again" in ran.err


def test_in_the_report_models_add_up_to_destinations_and_these_to_the_run(
    home: Path, called: Called, server: MockServer
) -> None:
    samples = str(ROOT / "samples")
    for expected in ("accepted", "already_sent"):
        ran = called("send", samples, samples, "--json", env=to(server))
        found = orjson.loads(ran.out)
        assert found[expected] > 20
        found["already_sent"] -= found["already_read"]["records"]  # nobody looked again whose those are
        for name in ("accepted", "unconfirmed", "already_sent", "duplicates"):
            for one in found["destinations"]:
                assert sum(tally[name] for tally in one["models"]) == one[name]
            assert sum(one[name] for one in found["destinations"]) == found[name]


def told_next(ran: Ran) -> dict[str, list[str]]:
    """The commands that a run told, by the first word of what each is good for."""
    return {
        why.split()[1]: shlex.split(command)[1:]
        for why, command in itertools.pairwise(ran.lines)
        if why.startswith("next: ") and command.startswith("  plh ")
    }


def test_the_commands_that_are_told_do_what_they_say(home: Path, called: Called, server: MockServer) -> None:
    (home / "my log.jsonl").write_bytes(lines(*(record(number) for number in range(3)), b"{broken"))
    key = {"POSTHOG_API_KEY": KEY}
    ran = called("send", "my log.jsonl", "-n", "--limit", "2", "--property", "team=a b", env=to(server))
    ran = called(*told_next(ran)["sends"], env={**key, "POSTHOG_HOST": "http://127.0.0.1:9", "PLH_MAX_RETRIES": "0"})
    assert (ran.code, len(server.events)) == (5, 0)
    ran = called(*told_next(ran)["the"], env=to(server))
    assert (ran.code, len(server.events)) == (0, 2)
    ran = called(*told_next(ran)["the"], env=to(server))
    assert (ran.code, len(server.events)) == (3, 3)
    assert all(event["event"]["properties"]["team"] == "a b" for event in server.events)
    ran = called(*told_next(ran)["takes"], env=to(server))
    assert (ran.code, "[invalid-json]" in ran.err) == (3, True)


@pytest.mark.parametrize("key", [KEY, "an-odd-key-that-is-secret-0123"])
def test_no_command_that_is_told_shows_a_key(home: Path, called: Called, key: str) -> None:
    write_log(home, 1)
    with MockServer(faults=Faults.parse("401:1")) as server:
        ran = called("send", "app.jsonl", "--api-key", key, "--host", server.url)
        assert server.tally["faults"]
    assert told_next(ran)["the"][1] == "--api-key"
    assert key not in ran.err


def test_json_tells_what_is_next_on_stderr_where_something_is_left_to_do(home: Path, called: Called) -> None:
    write_log(home, 1)
    ran = called("send", "app.jsonl", "--json", "-n", env={"POSTHOG_API_KEY": KEY})
    assert (ran.err, orjson.loads(ran.out)["accepted"]) == ("", 1)
    options = ("--json", "--host", "http://127.0.0.1:9", "--max-retries", "0")
    ran = called("send", "app.jsonl", *options, env={"POSTHOG_API_KEY": KEY})
    assert orjson.loads(ran.out)["unconfirmed"] == 1
    assert set(told_next(ran)) == {"the"}


def test_an_odd_key_is_warned_of_before_anything_is_sent(home: Path, called: Called, server: MockServer) -> None:
    write_log(home, 1)
    ran = called("send", "app.jsonl", "--host", server.url, env={"POSTHOG_API_KEY": "sTMFPsFhdP1SsgAbcd"})
    assert "[odd-api-key]" in ran.lines[0]
    assert "sTMFPsFhdP1SsgAbcd" not in ran.err


def test_only_keys_in_the_records_count(home: Path, called: Called, server: MockServer) -> None:
    own = {"standard_callback_dynamic_params": {"posthog_api_key": "phc_recordkey00001111"}}
    (home / "app.jsonl").write_bytes(lines({"standard_logging_object": record(1), **own}, record(2)))
    ran = called("send", "app.jsonl", "--record-keys-only", "--json", env=to(server))
    report = orjson.loads(ran.out)
    assert (ran.code, report["accepted"], report["rejections"]) == (3, 1, {"no-api-key": 1})
    assert report["destinations"][0]["api_key"] == "phc_…1111"


def feed_two(process: "subprocess.Popen[bytes]", server: MockServer) -> None:
    """Give a run that reads stdin two records, and wait until the server has both."""
    assert process.stdin is not None
    process.stdin.write(lines(record(1), record(2)))
    process.stdin.flush()
    until = time.monotonic() + 30
    while len(server.events) < 2 and time.monotonic() < until:
        time.sleep(0.05)


@pytest.mark.parametrize("stop_with", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_well(home: Path, server: MockServer, stop_with: signal.Signals) -> None:
    process = subprocess.Popen(
        [*PLH, "send", "-", "--json", "--chunk-events", "1"], cwd=home, env=environment(home, to(server)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    feed_two(process, server)
    process.send_signal(stop_with)
    out, err = process.communicate(timeout=30)
    assert process.returncode == (130 if stop_with is signal.SIGINT else 143)
    assert orjson.loads(out)["accepted"] == 2
    assert f"interrupted by {stop_with.name}" in err.decode()


TOLD_AT_THE_END = """
import signal, sys
from posthog_llm_cli.__main__ import main
from posthog_llm_cli.ledger import Ledger
end, number = Ledger.end, int(sys.argv.pop())
def told(self, *arguments, **more):
    signal.raise_signal(number)
    end(self, *arguments, **more)
Ledger.end = told
main()
"""


@pytest.mark.parametrize("stop_with", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_run_is_noted_down_changes_nothing(
    home: Path, server: MockServer, stop_with: signal.Signals
) -> None:
    write_log(home, 3)
    ran = subprocess.run(
        [sys.executable, "-c", TOLD_AT_THE_END, "send", "app.jsonl", "--json", str(int(stop_with))],
        cwd=home, env=environment(home, to(server)), stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert orjson.loads(ran.stdout)["accepted"] == len(server.events) == 3
    (last,) = reading.runs(home / LEDGER, most=1)
    assert last.exit_code == 0


@pytest.mark.parametrize("ignored", [False, True], ids=["closed", "closed under nohup"])
def test_a_run_whose_terminal_is_closed_settles_what_it_has_read(home: Path, server: MockServer, ignored: bool) -> None:
    leader, follower = pty.openpty()
    trap = "trap '' HUP; " if ignored else ""
    process = subprocess.Popen(
        ["sh", "-c", f'{trap}exec "$@" 1<>"$TERMINAL" 2>&1', "sh", *PLH, "send", "-", "--chunk-events", "1", "-y"],
        cwd=home, env=environment(home, {"TERM": "xterm", "TERMINAL": os.ttyname(follower), **to(server)}),
        stdin=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    feed_two(process, server)
    os.close(follower)
    os.close(leader)
    if ignored:
        time.sleep(0.5)
        assert process.stdin is not None
        process.stdin.write(lines(record(3)))
    process.communicate(timeout=30)
    assert process.returncode == (0 if ignored else 143)
    (last,) = reading.runs(home / LEDGER, most=1)
    assert (last.exit_code, last.accepted, len(server.events)) == (process.returncode, 2 + ignored, 2 + ignored)


def test_a_reader_of_stderr_that_has_gone_stops_nothing(home: Path, server: MockServer) -> None:
    (home / "app.jsonl").write_bytes(lines(*(b"{broken" for _ in range(30)), *(record(n) for n in range(5))))
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [*PLH, "send", "app.jsonl", "--json"], cwd=home, env=environment(home, to(server)), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=writer, timeout=60, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (ended.returncode, len(server.events)) == (3, 5)
    assert orjson.loads(ended.stdout)["accepted"] == 5


def test_a_reader_of_the_report_that_has_gone_does_not_change_the_exit_code(home: Path, server: MockServer) -> None:
    (home / "app.jsonl").write_bytes(lines(b"{broken"))
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [*PLH, "send", "app.jsonl", "--json"], cwd=home, env=environment(home, to(server)), stdin=subprocess.DEVNULL,
        stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    os.close(writer)
    assert ended.returncode == 3
    assert b"Traceback" not in ended.stderr
    assert b"Exception ignored" not in ended.stderr


def test_without_a_terminal_there_is_no_control_character_and_no_question(home: Path, server: MockServer) -> None:
    evil = home / "app\x1b[31m\nevil.jsonl"
    evil.write_bytes(lines(record(1), b"{broken"))
    ran = run(home, "send", "-v", os.fsencode(evil.name), env=to(server, TERM="xterm"))
    assert ran.code == 3
    assert CONTROL.search(ran.err) is None
    assert "app\\x1b[31m\\nevil.jsonl:2" in ran.err
    assert "[y/N]" not in ran.err


def test_colour_without_a_terminal_where_it_is_forced(home: Path, called: Called, server: MockServer) -> None:
    (home / "app.jsonl").write_bytes(lines(b"{broken"))
    assert "\x1b[31merror:\x1b[0m" in called("send", "app.jsonl", env=to(server, FORCE_COLOR="1")).err
    assert "\x1b" not in called("send", "app.jsonl", env=to(server, FORCE_COLOR="1", NO_COLOR="1")).err


def test_an_ascii_locale_can_print_everything(home: Path, server: MockServer) -> None:
    write_log(home, 1)
    ran = run(home, "send", "app.jsonl", env=to(server, PYTHONIOENCODING="ascii:strict"), fresh=True)
    assert (ran.code, len(server.events)) == (0, 1)


@pytest.mark.parametrize("mode", [(), ("--dry-run",), ("--no-ledger",)], ids=["send", "dry-run", "no-ledger"])
def test_a_closed_stdin_is_an_unreadable_source_and_no_file_of_the_runs_own(
    home: Path, server: MockServer, mode: tuple[str, ...]
) -> None:
    write_log(home, 1)
    env = environment(home, {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url})
    assert run(home, "send", "app.jsonl", env={"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url}).code == 0
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *PLH, "send", "-", "--json", *mode]
    ran = subprocess.run(closed, cwd=home, env=env, capture_output=True, timeout=60, check=False)
    assert ran.returncode == 4, ran.stderr
    told = orjson.loads(ran.stdout)
    assert [error["code"] for error in told["source_errors"]] == ["source-unreadable"]
    assert (told["records"], told["dead_letter"]) == (0, None)


def test_letters_that_lie_among_the_sources_do_not_double_in_every_run(
    home: Path, called: Called, server: MockServer
) -> None:
    (home / "logs").mkdir()
    (home / "logs" / "app.jsonl").write_bytes(lines(record(1)) + b"no call\n" + b"no call\n{}\n")
    counts = []
    for _ in range(5):
        called("send", "logs", "--dead-letter", "logs/dead/", env=to(server))
        files = sorted((home / "logs" / "dead").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        counts.append(len(files[-1].read_bytes().splitlines()))
    assert counts == [3, 2, 2, 2, 2], "each record that is another one, once"
