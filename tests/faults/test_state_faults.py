"""The ledger and the machine it lies on: damaged, newer, unwritable, full, held, gone; and a clock that jumps."""

import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from posthog_llm_cli.ledger import reading
from posthog_llm_cli.mockserver import Faults, MockServer
from tests.cli.running import PLH, unprivileged
from tests.faults.harness import Bench, check_identical_copies, check_nothing_foreign, check_stored, fired, stored
from tests.faults.world import LEDGER
from tests.ledger.test_damage import FAULTS

CALLS = 40


@pytest.fixture
def ledger(bench: Bench) -> Path:
    """A ledger with calls of an earlier run in it."""
    bench.write("earlier.jsonl", count=200, start=1000)
    with MockServer() as server:
        assert bench.run("send", "earlier.jsonl", server=server).code == 0
    return bench.home / LEDGER


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB; skips where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False
    ).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], capture_output=True, check=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix != ".lock"}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_ledger_that_is_none_ends_7_before_anything_is_read_or_changed(
    bench: Bench, ledger: Path, fault: Callable[[Path], None]
) -> None:
    before = contents(ledger.parent)
    fault(ledger)
    after = contents(ledger.parent)
    assert after != before, "the fault is there"
    bench.write("app.jsonl", count=CALLS)
    with MockServer() as server:
        ran = bench.run("send", "app.jsonl", server=server)
        assert (ran.code, ran.out, server.tally["requests"]) == (7, b"", 0)
        assert FAULTS[fault] in ran.err
        assert "hint: " in ran.err
        assert contents(ledger.parent).items() >= after.items()
        assert bench.run("send", "app.jsonl", "--no-ledger", server=server).code == 0, "the way out that it names"


def test_a_page_that_rots_in_the_middle_of_a_ledger_is_found_when_it_is_met_and_repaired(
    bench: Bench, ledger: Path
) -> None:
    calls = bench.write("app.jsonl", count=CALLS)
    expected = bench.expected(calls, "app.jsonl")
    pages = ledger.stat().st_size // 4096
    with ledger.open("r+b") as file:
        file.seek((pages - 2) * 4096)
        file.write(b"\xa5" * 8192)
    checked = bench.run("ledger", "check")
    assert checked.code == 7, "the fault is there"
    with MockServer() as server:
        ran = bench.run("send", "app.jsonl", server=server)
        assert ran.code in {0, 7}, ran.err
        check_nothing_foreign(expected, server)
        assert bench.run("ledger", "repair").code == 0
        assert bench.run("ledger", "check").code == 0
        assert bench.run("send", "app.jsonl", server=server).code == 0
        check_stored(expected, server)


def test_a_ledger_on_a_disk_that_is_read_only_is_told_and_can_be_read(bench: Bench, small_disk: Path) -> None:
    bench.write("app.jsonl", count=10)
    where = ("--ledger", str(small_disk / "ledger.sqlite"))
    with MockServer() as server:
        assert bench.run("send", "app.jsonl", *where, server=server).code == 0
        bench.write("app.jsonl", count=10, start=10)
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True, capture_output=True)
        requests = server.tally["requests"]
        ran = bench.run("send", "app.jsonl", *where, "--dead-letter", "dead.jsonl", server=server)
        assert (ran.code, server.tally["requests"]) == (7, requests), ran.err
        assert "read-only file system" in ran.err
        rehearsed = bench.run("send", "-n", "app.jsonl", *where, server=server)
        assert (rehearsed.code, rehearsed.told["accepted"], rehearsed.told["already_sent"]) == (0, 10, 10), (
            rehearsed.err
        )
        assert bench.run("ledger", "status", *where).code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("send app.jsonl --ledger closed/in/ledger.sqlite", 2),
        ("send app.jsonl --ledger closed/in/ledger.sqlite --dead-letter dead.jsonl", 7),
        ("send app.jsonl --ledger closed/in/ledger.sqlite -n", 7),
        ("send app.jsonl --no-ledger --dead-letter closed/in/", 2),
        ("send app.jsonl --no-ledger --dead-letter closed/in/dead.jsonl", 2),
        ("preview app.jsonl --html closed/in/page.html", 2),
        ("explain closed/in/app.jsonl:1", 4),
        ("ledger status --ledger closed/in/ledger.sqlite", 7),
        ("ledger forget --ledger closed/in/ledger.sqlite --source app.jsonl --yes", 7),
        ("ledger repair --ledger closed/in/ledger.sqlite", 7),
    ],
)
def test_what_lies_in_a_folder_that_may_not_be_looked_into_is_named(bench: Bench, words: str, code: int) -> None:
    bench.write("app.jsonl", count=10)
    closed = bench.home / "closed"
    (closed / "in").mkdir(parents=True)
    closed.chmod(0)
    with MockServer() as server:
        ran = bench.run(*words.split(), command=(*unprivileged(), *PLH), server=server)
        assert server.tally["requests"] == 0
    closed.chmod(0o700)
    assert ran.code == code, ran.err
    assert "error:" in ran.err
    assert "closed" in ran.err


def test_a_disk_that_fills_up_under_the_ledger_ends_7_and_with_room_the_next_run_completes(
    bench: Bench, small_disk: Path
) -> None:
    calls = bench.write("app.jsonl", count=600)
    expected = bench.expected(calls, "app.jsonl")
    (small_disk / "other people's").write_bytes(b"x" * (3800 * 1024))
    where = ("--ledger", str(small_disk / "ledger.sqlite"), "--dead-letter", "dead.jsonl")
    with MockServer() as server:
        ran = bench.run("send", "app.jsonl", *where, server=server)
        assert ran.code == 7, ran.err
        assert "expected room for the ledger and found: the disk is full" in ran.err
        assert 0 < ran.told["accepted"] < 600
        check_nothing_foreign(expected, server)
        (small_disk / "other people's").unlink()
        again = bench.run("send", "app.jsonl", *where, server=server)
        assert again.code == 0, again.err
        assert again.told["already_sent"] > 0
        check_stored(expected, server)


def test_a_ledger_that_is_removed_while_a_run_holds_it_costs_no_event(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=CALLS)
    expected = bench.expected(calls, "app.jsonl")
    with MockServer(faults=Faults.parse("hang:1")) as server:
        running = bench.start("send", "app.jsonl", "--timeout", "1", server=server)
        running.wait_for(lambda: fired(server, "hang"))
        for path in (bench.home / LEDGER).parent.glob("ledger.sqlite*"):
            path.unlink()
        server.order(Faults())
        ran = running.end()
        assert ran.code in {0, 7}, ran.err
        assert bench.run("send", "app.jsonl", server=server).code == 0
        check_stored(expected, server)


def test_dead_letters_that_are_removed_amid_a_run_are_met_again_by_the_next(bench: Bench) -> None:
    bench.write("app.jsonl", count=CALLS)
    (bench.home / "app.jsonl").write_bytes((bench.home / "app.jsonl").read_bytes() + b'{"broken"\n')
    with MockServer(faults=Faults.parse("400:1")) as server:
        running = bench.start("send", "app.jsonl", "--rate-limit", "20", server=server)
        folder = (bench.home / LEDGER).parent / "dead-letters"
        running.wait_for(lambda: any(path.stat().st_size for path in folder.glob("*")))
        for path in folder.glob("*"):
            path.unlink()
        ran = running.end()
        assert ran.code == 2, ran.err
        assert "it was removed" in ran.err
        assert ran.told["letters_unwritten"] > 0
        again = bench.run("send", "app.jsonl", server=server)
        assert again.told["rejected"] >= ran.told["letters_unwritten"]
        (kept,) = folder.glob("*")
        assert len(kept.read_bytes().splitlines()) == again.told["rejected"]


def test_a_ledger_that_another_program_keeps_busy_is_told(bench: Bench, ledger: Path) -> None:
    bench.write("app.jsonl", count=5)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as browser, MockServer() as server:
        browser.execute("BEGIN IMMEDIATE")
        ran = bench.run("send", "app.jsonl", server=server)
        assert (ran.code, server.tally["requests"]) == (7, 0), ran.err
        assert "another program writes into it" in ran.err
        browser.execute("ROLLBACK")
        assert bench.run("send", "app.jsonl", server=server).code == 0


# ------------------------------------------------------------------------------------------------------ two runs at once


def test_of_many_runs_at_once_one_sends_and_the_others_end_7(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=CALLS)
    expected = bench.expected(calls, "app.jsonl")
    with MockServer(faults=Faults.parse("slow:1:1.5s")) as server:
        running = [bench.start("send", "app.jsonl", "--timeout", "30", server=server) for _ in range(4)]
        codes = sorted(each.end().code for each in running)
        assert codes.count(7) >= 1, "the fault fired"
        assert set(codes) == {0, 7}
        check_stored(expected, server)
        assert sum(sum(copies.values()) for copies in stored(server).values()) == CALLS, "and none was sent twice"


def test_a_link_to_a_ledger_is_that_ledger_and_no_second_one(bench: Bench, ledger: Path) -> None:
    calls = bench.write("app.jsonl", count=CALLS)
    (bench.home / "link.sqlite").symlink_to(ledger)
    with MockServer(faults=Faults.parse("slow:1:1.5s")) as server:
        first = bench.start("send", "app.jsonl", "--timeout", "30", server=server)
        first.wait_for(lambda: fired(server, "slow"))
        second = bench.run("send", "app.jsonl", "--ledger", "link.sqlite", server=server)
        assert second.code == 7, "the fault fired"
        assert f"another run holds it: pid {first.process.pid}" in second.err
        assert first.end().code == 0
        assert bench.run("send", "app.jsonl", "--ledger", "link.sqlite", server=server).told["already_sent"] == CALLS
        check_stored(bench.expected(calls, "app.jsonl"), server)
        assert sum(sum(copies.values()) for copies in stored(server).values()) == CALLS, "and none was sent twice"


def test_a_link_to_a_ledger_that_is_not_there_yet_stays_a_link(bench: Bench) -> None:
    bench.write("app.jsonl", count=CALLS)
    link = bench.home / "link.sqlite"
    link.symlink_to(bench.home / "elsewhere" / "ledger.sqlite")
    with MockServer() as server:
        assert bench.run("send", "app.jsonl", "--ledger", "link.sqlite", server=server).code == 0
        assert link.is_symlink()
        ran = bench.run("send", "app.jsonl", "--ledger", "elsewhere/ledger.sqlite", server=server)
        assert ran.told["already_sent"] == CALLS


def test_a_killed_holder_leaves_a_lock_file_and_no_lock(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=CALLS)
    with MockServer(faults=Faults.parse("hang:1")) as server:
        running = bench.start("send", "app.jsonl", server=server)
        running.wait_for(lambda: fired(server, "hang"))
        assert running.kill().code == -signal.SIGKILL
        lock = (bench.home / LEDGER).with_name("ledger.sqlite.lock")
        assert orjson.loads(lock.read_bytes())["pid"] == running.process.pid, "what it wrote is still there"
        server.order(Faults())
        assert bench.run("send", "app.jsonl", server=server).code == 0
        check_stored(bench.expected(calls, "app.jsonl"), server)


def test_runs_that_wait_for_one_another_do_all_of_it_once(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=CALLS)
    with MockServer(faults=Faults.parse("slow:1:0.3s")) as server:
        running = [bench.start("send", "app.jsonl", "--lock-wait", "60", server=server) for _ in range(3)]
        ended = [each.end() for each in running]
        assert [ran.code for ran in ended] == [0, 0, 0]
        assert any("waiting for another run" in ran.err for ran in ended), "the fault fired"
        assert sorted(ran.told["accepted"] for ran in ended) == [0, 0, CALLS]
        check_stored(bench.expected(calls, "app.jsonl"), server)


def test_runs_with_ledgers_of_their_own_overlap_harmlessly(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=CALLS)
    with MockServer(faults=Faults.parse("slow:0.5:0.1s,reset:0.2"), seed=2) as server:
        running = [bench.start("send", "app.jsonl", "--ledger", f"{at}.sqlite", server=server) for at in range(3)]
        assert [each.end().code for each in running] == [0, 0, 0]
        assert fired(server, "reset")
        check_stored(bench.expected(calls, "app.jsonl"), server)
        assert all(copies >= 3 for found in stored(server).values() for copies in found.values())


# ------------------------------------------------------------------------------------------------------------ the clock


@pytest.mark.parametrize(
    ("days", "later"),
    [("-3650", "-"), ("-400", "-"), ("-1", "-"), ("400", "-"), ("3650", "-"), ("0", "-2"), ("0", "900")],
)
def test_a_clock_that_is_wrong_or_jumps_moves_no_event_and_loses_none(bench: Bench, days: str, later: str) -> None:
    """What looks implausible on a wrong day may be rejected on that day; on the right one it is sent, as it always was."""
    calls = bench.write("app.jsonl", count=CALLS)
    expected = bench.expected(calls, "app.jsonl")
    with MockServer(faults=Faults.parse("503:0.3:date"), seed=4) as server:
        ran = bench.run(days, later, "send", "app.jsonl", server=server, module="tests.faults.skewed")
        assert ran.code in {0, 3}, ran.err
        (run,) = reading.runs(bench.home / LEDGER, most=5)
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400 * float(days)))
        assert run.started_at[:7] == day[:7], "the fault is there"
        check_nothing_foreign(expected, server)
        server.order(Faults())
        for name in ("app.jsonl", *([ran.told["dead_letter"]] if ran.told["rejected"] else [])):
            assert bench.run("send", name, server=server).code == 0
        check_stored(expected, server)
        assert bench.run("send", "app.jsonl", server=server).told["requests"] == 0


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "Pacific/Apia"])
def test_the_machines_time_zone_and_its_summer_time_change_nothing(bench: Bench, zone: str) -> None:
    """Calls in hours that come twice or never, named without a zone: the same four values wherever `plh` runs."""
    times = ["2025-10-26T02:30:00", "2025-11-02T01:30:00", "2025-03-30T02:30:00", "2025-03-09T02:30:00"]
    naive = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], "completion": "y"}
    records = [{**naive, "id": f"call-{at}", "timestamp": time_} for at, time_ in enumerate(times)]
    (bench.home / "app.jsonl").write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in records))
    with MockServer() as server:
        for env in ({"TZ": "UTC"}, {"TZ": zone}):
            ran = bench.run("send", "app.jsonl", "--no-ledger", "--timezone", "Europe/Berlin", server=server, env=env)
            assert ran.code == 0, ran.err
            assert ran.told["warnings"]["naive-time"] == 4, "the fault is there"
        found = stored(server)
        assert [copies for uuids in found.values() for copies in uuids.values()] == [2, 2, 2, 2]
        check_identical_copies(server)
