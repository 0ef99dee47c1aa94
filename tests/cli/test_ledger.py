"""What was sent is not sent again: real processes, real kills, a real server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from posthog_llm_cli.ledger import reading
from posthog_llm_cli.mockserver import Faults, MockServer
from posthog_llm_cli.model import Endpoint, mask_key
from tests.cli.running import (
    KEY,
    MASKED,
    PLH,
    Called,
    environment,
    lines,
    record,
    run,
    run_on_terminal,
    write_log,
)

CALLS = 12
LEDGER = ".local/state/plh/ledger.sqlite"


def to(server: MockServer, **more: str) -> dict[str, str]:
    return {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url, **more}


def report_of(ran: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(ran.out)
    return found


def keys_of(server: MockServer) -> set[tuple[str, str, str, str]]:
    names = ("uuid", "timestamp", "event", "distinct_id")
    return {tuple(entry["event"][name] for name in names) for entry in server.events}


def start(
    home: Path, *arguments: str, env: Mapping[str, str], command: tuple[str, ...] = PLH
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*command, *arguments], cwd=home, env=environment(home, env), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(what: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until, "it did not come to it"
        time.sleep(0.01)


def complete(home: Path, server: MockServer, *, before: Collection[tuple[str, str, str, str]] = ()) -> dict[str, Any]:
    """Run again until the end, and once more: nothing is missing, what repeats is the same, and no request is made."""
    ran = run(home, "send", "app.jsonl", "--json", "--chunk-events", "2", env=to(server))
    assert ran.code == 0, ran.err
    found = report_of(ran)
    assert found["accepted"] + found["already_sent"] == CALLS
    stored = keys_of(server).union(before)
    assert len({uuid for uuid, *_ in stored}) == len(stored) == CALLS
    requests = len(server.requests)
    once_more = report_of(run(home, "send", "app.jsonl", "--json", env=to(server)))
    assert (once_more["already_sent"], once_more["requests"], len(server.requests)) == (CALLS, 0, requests)
    checked = run(home, "ledger", "check")
    assert (checked.code, checked.out) == (0, f"{home / LEDGER}: whole, {CALLS} settled events\n")
    return found


def test_a_second_run_makes_no_request_and_says_so(home: Path, called: Called, server: MockServer) -> None:
    write_log(home, 3)
    assert called("send", "app.jsonl", env=to(server)).code == 0
    ran = called("send", "app.jsonl", env=to(server))
    assert (ran.code, len(server.requests)) == (0, 1)
    assert "  already sent 3  settled by an earlier run" in ran.lines
    write_log(home, 5)
    assert report_of(called("send", "app.jsonl", "--json", env=to(server)))["accepted"] == 2
    without = report_of(called("send", "app.jsonl", "--json", "--no-ledger", env=to(server)))
    assert (without["accepted"], len(server.events)) == (5, 10)


def test_another_key_is_another_destination(home: Path, called: Called, server: MockServer) -> None:
    write_log(home, 3)
    other = KEY[:-4] + "zzzz"
    assert called("send", "app.jsonl", env=to(server)).code == 0
    assert report_of(called("send", "app.jsonl", "--json", "--api-key", other, env=to(server)))["accepted"] == 3
    told = called("ledger", "status").out
    assert MASKED in told
    assert mask_key(other) in told
    assert KEY not in told


def test_a_dry_run_reads_the_ledger_and_makes_none_and_mock_and_validate_ignore_it(
    home: Path, called: Called, server: MockServer
) -> None:
    write_log(home, 3)
    assert report_of(called("send", "-n", "app.jsonl", "--json", env=to(server)))["accepted"] == 3
    assert not (home / ".local").exists()
    assert called("send", "app.jsonl", "--limit", "2", env=to(server)).code == 0
    before = sorted(path.name for path in (home / LEDGER).parent.iterdir())
    rehearsed = report_of(called("send", "-n", "app.jsonl", "--json", env=to(server)))
    assert (rehearsed["accepted"], rehearsed["already_sent"]) == (1, 2)
    assert sorted(path.name for path in (home / LEDGER).parent.iterdir()) == before
    assert called("send", "--mock", "app.jsonl", env=to(server)).out.count("\n") == 3
    assert report_of(called("validate", "app.jsonl", "--json", env=to(server)))["accepted"] == 3


def test_the_same_command_with_a_limit_sends_no_more(home: Path, called: Called, server: MockServer) -> None:
    write_log(home, 5)
    for _ in range(2):
        assert called("send", "app.jsonl", "--limit", "2", env=to(server)).code == 0
    assert len(server.events) == 2


def test_legacy_routes_are_noted_as_accepted_by_the_edge(home: Path, called: Called) -> None:
    write_log(home, 3)
    with MockServer(routes=frozenset({Endpoint.BATCH})) as server:
        ran = called("send", "app.jsonl", env=to(server))
    assert "3 accepted by PostHog's edge" in ran.err
    (known,) = reading.status(home / LEDGER).destinations
    assert (known.accepted, known.accepted_by_edge) == (0, 3)
    assert "legacy route" in called("ledger", "status").out


def test_rejected_events_are_settled_until_their_dead_letters_are_given(home: Path, called: Called) -> None:
    write_log(home, 3)
    with MockServer(faults=Faults.parse("drop:1")) as server:
        port = int(server.url.rsplit(":", 1)[1])
        ran = called("send", "app.jsonl", "--json", env=to(server))
        first = report_of(ran)
        assert (ran.code, first["rejected"], server.tally["faults"]["drop"]) == (3, 3, 3)
    with MockServer(port=port) as server:
        again = report_of(called("send", "app.jsonl", "--json", env=to(server)))
        assert (again["already_sent"], again["requests"], again["exit_code"]) == (3, 0, 0)
        taken = report_of(called("send", "app.jsonl", first["dead_letter"], "--json", env=to(server)))
        assert (taken["already_sent"], taken["accepted"], len(server.events)) == (3, 3, 3)
        twice = report_of(called("send", first["dead_letter"], "--json", env=to(server)))
        assert (twice["already_sent"], twice["accepted"]) == (3, 0)
    (known,) = reading.status(home / LEDGER).destinations
    assert (known.accepted, known.rejected) == (3, 0)


def test_rejected_events_whose_letters_could_not_be_kept_are_not_settled(home: Path, called: Called) -> None:
    write_log(home, 3)
    with MockServer(faults=Faults.parse("drop:1")) as server:
        ran = called("send", "app.jsonl", "--json", "--dead-letter", "/dev/full", env=to(server))
        assert server.tally["faults"]["drop"] == 3
        assert report_of(ran)["letters_unwritten"] == 3
        assert called("send", "app.jsonl", "--json", env=to(server)).code == 3
    assert report_of(ran)["exit_code"] == 2


def test_unconfirmed_events_go_again_and_the_run_says_that_nothing_is_lost(home: Path, called: Called) -> None:
    write_log(home, CALLS)
    with MockServer(faults=Faults.parse("503:1:0s")) as server:
        port = int(server.url.rsplit(":", 1)[1])
        ran = called("send", "app.jsonl", "--max-retries", "0", env=to(server))
        assert (ran.code, server.tally["faults"]["503"] > 0) == (5, True)
    assert "nothing is lost, run again" in ran.err
    with MockServer(port=port) as server:
        assert complete(home, server)["accepted"] == CALLS


# ------------------------------------------------------------------------------------------------------------- killed


def test_killed_before_the_post(home: Path, server: MockServer) -> None:
    log = write_log(home, CALLS)
    process = start(home, "send", "-", env=to(server))
    assert process.stdin is not None
    process.stdin.write(log.read_bytes())
    process.stdin.flush()  # a live source: the chunk waits five seconds for company
    wait_for(lambda: (home / LEDGER).exists() and reading.status(home / LEDGER).runs)
    time.sleep(0.5)
    process.kill()
    process.communicate()
    assert (process.returncode, len(server.requests)) == (-signal.SIGKILL, 0)
    assert complete(home, server)["accepted"] == CALLS
    assert "killed, or under way" in run(home, "ledger", "runs").out


def test_killed_in_flight(home: Path) -> None:
    write_log(home, CALLS)
    with MockServer(faults=Faults.parse("hang:1")) as server:
        port = int(server.url.rsplit(":", 1)[1])
        process = start(home, "send", "app.jsonl", "--chunk-events", "2", env=to(server))
        wait_for(lambda: server.tally["faults"]["hang"] >= 1)
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    with MockServer(port=port) as server:
        assert complete(home, server)["accepted"] == CALLS


def test_killed_after_the_server_stored_it_but_before_the_answer(home: Path) -> None:
    write_log(home, CALLS)
    started: list[subprocess.Popen[bytes]] = []
    stored: list[int] = []

    def kill_at_the_third(*_: object) -> None:
        stored.append(len(server.events))
        if len(stored) == 3:
            started[0].kill()
            started[0].wait()

    with MockServer(observer=kill_at_the_third) as server:
        port = int(server.url.rsplit(":", 1)[1])
        started.append(start(home, "send", "app.jsonl", "--chunk-events", "2", "--concurrency", "1", env=to(server)))
        started[0].communicate()
        before = keys_of(server)
    assert started[0].returncode == -signal.SIGKILL
    assert len(before) == 6
    # What the third request stored is not settled: nobody heard of it. Of the others the run may not have noted any yet.
    settled = sum(known.accepted for known in reading.status(home / LEDGER).destinations)
    assert settled <= 4
    with MockServer(port=port) as server:
        assert complete(home, server, before=before)["accepted"] == CALLS - settled


@pytest.mark.parametrize(("when", "settled"), [("before", 4), ("inside", 4), ("after", 6)])
def test_killed_around_the_commit(home: Path, when: str, settled: int) -> None:
    write_log(home, CALLS)
    with MockServer() as server:
        port = int(server.url.rsplit(":", 1)[1])
        words = (when, "3", "send", "app.jsonl", "--chunk-events", "2", "--concurrency", "1")
        ran = run(home, *words, env=to(server), module="tests.ledger.killed")
        before = keys_of(server)
    assert ran.code == -signal.SIGKILL, ran.err
    assert reading.status(home / LEDGER).destinations[0].accepted == settled
    with MockServer(port=port) as server:
        assert complete(home, server, before=before)["accepted"] == CALLS - settled


# -------------------------------------------------------------------------------------------------------- two at once


def test_a_second_run_ends_at_once_and_names_the_first_and_a_patient_one_waits(home: Path) -> None:
    write_log(home, 3)
    with MockServer(faults=Faults.parse("hang:1")) as server:
        port = int(server.url.rsplit(":", 1)[1])
        first = start(home, "send", "app.jsonl", env=to(server))
        wait_for(lambda: server.tally["faults"]["hang"] >= 1)
        began_s = time.monotonic()
        second = run(home, "send", "app.jsonl", env=to(server))
        assert time.monotonic() - began_s < 10
        assert (second.code, second.out) == (7, "")
        assert f"another run holds it: pid {first.pid} on {os.uname().nodename}, since " in second.err
        patient = start(home, "send", "app.jsonl", "--json", "--lock-wait", "60", env=to(server))
        told = b""
        assert patient.stderr is not None
        while b"waiting for another run" not in told:
            told += patient.stderr.readline()
        first.kill()
        first.communicate()
        wait_for(lambda: server.tally["faults"]["hang"] >= 2)  # it goes on, to a server that hangs
        patient.kill()
        patient.communicate()
    with MockServer(port=port) as server:
        assert report_of(run(home, "send", "app.jsonl", "--json", env=to(server)))["accepted"] == 3


# ------------------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("content", [b"", b"scribble" * 1000], ids=["empty", "scribbled"])
def test_a_damaged_ledger_is_exit_7_and_nothing_is_sent(
    home: Path, called: Called, server: MockServer, content: bytes
) -> None:
    write_log(home, 3)
    assert called("send", "app.jsonl", "--limit", "1", env=to(server)).code == 0
    (home / LEDGER).write_bytes(content)
    ran = called("send", "app.jsonl", env=to(server))
    assert (ran.code, len(server.requests)) == (7, 1)
    assert "plh ledger repair" in ran.err
    assert called("send", "--dry-run", "app.jsonl", env=to(server)).code == 7
    assert called("ledger", "check").code == 7
    assert (home / LEDGER).read_bytes() == content


def test_a_ledger_that_runs_out_of_room_ends_the_run_with_7_and_the_report_adds_up(home: Path) -> None:
    """RLIMIT_FSIZE, as a disk that fills up; the ledger is the only file that grows."""
    calls = 3000
    write_log(home, calls)
    limited = (
        "bash",
        "-c",
        f'ulimit -f 110; PYTHONDONTWRITEBYTECODE=1 exec {sys.executable} -m posthog_llm_cli "$@"',
        "plh",
    )
    with MockServer() as server:
        port = int(server.url.rsplit(":", 1)[1])
        process = start(
            home, "send", "app.jsonl", "--json", "--chunk-events", "50", "--workers", "1", env=to(server), command=limited
        )  # fmt: skip
        out, err = process.communicate(timeout=60)
        assert process.returncode == 7, err.decode()
        assert b"expected room for the ledger" in err
        found = orjson.loads(out)
        assert found["exit_code"] == 7
        assert 0 < found["accepted"] < calls
        stored = keys_of(server)
    with MockServer(port=port) as server:
        again = report_of(run(home, "send", "app.jsonl", "--json", env=to(server)))
        assert again["exit_code"] == 0
        assert again["already_sent"] > 0
        assert len(stored | keys_of(server)) == calls


def test_a_folder_that_cannot_be_written_is_exit_7(home: Path, called: Called, server: MockServer) -> None:
    write_log(home, 1)
    ran = called("send", "app.jsonl", "--ledger", "/proc/plh/ledger.sqlite", "--dead-letter", "d.jsonl", env=to(server))
    assert (ran.code, len(server.requests)) == (7, 0)
    assert "--no-ledger" in ran.err


def test_the_ledger_is_no_source(home: Path, called: Called, server: MockServer) -> None:
    write_log(home, 1)
    assert called("send", "app.jsonl", "--ledger", "l.sqlite", env=to(server)).code == 0
    assert called("send", ".", "--ledger", "l.sqlite", env=to(server)).code == 2
    assert len(reading.runs(home / "l.sqlite", most=5)) == 1  # what never began is no run


# ----------------------------------------------------------------------------------------------------- plh ledger …


def test_status_runs_and_show_tell_what_was_sent(home: Path, called: Called, server: MockServer) -> None:
    (home / "app.jsonl").write_bytes(lines(record(1), record(2), b"{broken"))
    assert called("send", "app.jsonl", "--import-id", "try-1", env=to(server)).code == 3
    status = called("ledger", "status")
    assert status.code == 0
    row = status.out.splitlines()[-1].split()
    assert row == ["1", server.url, MASKED, "2", "0", "0"]
    known = orjson.loads(called("ledger", "status", "--json").out)
    assert known["destinations"][0]["accepted"] == 2
    assert known["last_run"]["exit_code"] == 3
    head, row_of_run = called("ledger", "runs").out.splitlines()
    assert head.split() == [
        "run",
        "started",
        "end",
        "records",
        "accepted",
        "already",
        "sent",
        "rejected",
        "unconfirmed",
    ]
    assert row_of_run.split()[2:] == ["exit", "3", "3", "2", "0", "1", "0"]
    (one,) = orjson.loads(called("ledger", "runs", "--json").out)["runs"]
    assert row_of_run.startswith(one["run_id"][:8])
    shown = called("ledger", "show", one["run_id"][:8])
    assert "import id    try-1" in shown.out
    assert "rejections   invalid-json 1" in shown.out
    assert orjson.loads(called("ledger", "show", one["run_id"], "--json").out)["report"]["records"] == 3
    assert called("ledger", "show", "nope").code == 2
    assert called("ledger", "status", "--ledger", "nowhere").code == 2


def test_forget_asks_and_re_opens(home: Path, server: MockServer) -> None:
    write_log(home, 3)
    assert run(home, "send", "app.jsonl", env=to(server)).code == 0
    refused = run(home, "ledger", "forget", "--destination", "1")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    no = run_on_terminal(home, "ledger", "forget", "--destination", "1", answer=("[y/N]", b"n\n"))
    assert no.code == 2
    left = run_on_terminal(home, "ledger", "forget", "--destination", "1", answer=("[y/N]", b"\x04"))
    assert (left.code, left.lines[-1]) == (130, "\x1b[31merror:\x1b[0m left without an answer: nothing was forgotten")
    assert report_of(run(home, "send", "app.jsonl", "--json", env=to(server)))["already_sent"] == 3
    yes = run(home, "ledger", "forget", "--destination", server.url, "--yes", "--json")
    assert (yes.code, orjson.loads(yes.out)["forgotten"]) == (0, 3)
    assert report_of(run(home, "send", "app.jsonl", "--json", env=to(server)))["accepted"] == 3
    assert run(home, "ledger", "forget", "--destination", "7", "--yes").code == 2


def test_repair_of_a_damaged_ledger_lets_the_next_run_complete(home: Path, server: MockServer) -> None:
    write_log(home, CALLS)
    assert run(home, "send", "app.jsonl", env=to(server)).code == 0
    whole = run(home, "ledger", "repair")
    assert (whole.code, "nothing to repair" in whole.out) == (0, True)
    with (home / LEDGER).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(size - 4096)
        file.write(b"\xa5" * 4096)
    assert run(home, "ledger", "check").code == 7
    repaired = run(home, "ledger", "repair")
    assert repaired.code == 0, repaired.err
    assert "the old file is kept as " in repaired.out
    assert complete(home, server)["duplicates"] == 0


def test_the_letters_of_a_run_may_be_sent_within_the_same_second(
    home: Path, called: Called, server: MockServer
) -> None:
    """A run's own file has its start in its name, to the second; where the name is taken it makes another."""
    (home / "app.jsonl").write_bytes(lines(b"{broken"))
    folder = home / "letters"
    folder.mkdir()
    for second in range(5):  # one of them is the second in which the run starts
        stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(time.time() + second))
        (folder / f"{stamp}.jsonl").write_bytes(lines(record(second)))
    ran = called("send", "letters", "app.jsonl", "--json", "--dead-letter", "letters/", env=to(server))
    assert (ran.code, report_of(ran)["accepted"]) == (3, 5)
    assert report_of(ran)["dead_letter"].endswith("-2.jsonl")
