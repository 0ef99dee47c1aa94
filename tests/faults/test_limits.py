"""This machine's own limits: no room on disk, no descriptors. Each is named for what it is, and nothing is lost."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from posthog_llm_cli.mockserver import Faults, MockServer
from tests.faults.harness import KEYS, Bench, Call, check_nothing_foreign, check_stored, fired

FEW_FILES = {resource.RLIMIT_NOFILE: 10}
"""Three standard streams, four of the ledger, a source, and little more."""

TOO_FEW_FILES = {resource.RLIMIT_NOFILE: 6}
SMALL_FILES = {resource.RLIMIT_FSIZE: 4096}


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB; skips where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False
    ).returncode:  # fmt: skip
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], capture_output=True, check=True)


def broken_lines(count: int) -> bytes:
    return b"".join(b"{broken %04d%b\n" % (number, b"x" * 1000) for number in range(count))


def test_many_sources_need_few_descriptors(bench: Bench) -> None:
    (bench.home / "logs").mkdir()
    calls = [call for at in range(40) for call in bench.write(f"logs/{at:02}.jsonl", count=2, start=2 * at)]
    with MockServer() as server:
        # One connection: several, opened at the same moment as a source, may leave it without a descriptor.
        ran = bench.run("send", "logs", "--concurrency", "1", server=server, limits=FEW_FILES)
        assert ran.code == 0, ran.err
        check_stored(bench.expected(calls, "logs"), server)


def test_where_sockets_run_out_fewer_requests_at_once_do_it(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=100)
    with MockServer(faults=Faults.parse("slow:1:0.2s")) as server:
        ran = bench.run("send", "app.jsonl", "--concurrency", "8", "-v", server=server, limits=FEW_FILES)
        assert "found: Too many open files" in ran.err, "the fault fired"
        assert ran.code == 0, ran.err
        assert any(entry["peak_concurrency"] < 8 for entry in ran.told["destinations"])
        check_stored(bench.expected(calls, "app.jsonl"), server)


def test_without_a_retry_a_socket_that_is_not_to_be_had_ends_5_and_says_what_to_raise(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=100)
    expected = bench.expected(calls, "app.jsonl")
    with MockServer(faults=Faults.parse("slow:1:0.2s")) as server:
        short = ("--concurrency", "8", "--max-retries", "0")
        ran = bench.run("send", "app.jsonl", *short, server=server, limits=FEW_FILES)
        assert (ran.code, ran.told["unconfirmed"] > 0) == (5, True), ran.err
        assert "Too many open files" in ran.err
        assert "ulimit -n" in ran.err
        check_nothing_foreign(expected, server)
        assert bench.run("send", "app.jsonl", server=server).code == 0
        check_stored(expected, server)


def test_too_few_descriptors_for_the_ledger_are_named_and_nothing_is_sent(bench: Bench) -> None:
    bench.write("app.jsonl", count=10)
    with MockServer() as server:
        ran = bench.run("send", "app.jsonl", server=server, limits=TOO_FEW_FILES)
        assert (ran.code, len(server.events)) == (7, 0), ran.err
        assert "found: too many open files" in ran.err
        assert "ulimit -n" in ran.err


def test_whatever_the_file_is_that_is_one_too_many_no_run_is_called_a_bug_and_none_loses_anything(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=20)
    expected = bench.expected(calls, "app.jsonl")
    fresh = (sys.executable, "-m", "posthog_llm_cli")
    with MockServer() as server:
        ends = [
            bench.run("send", "app.jsonl", server=server, limits={resource.RLIMIT_NOFILE: few}, command=fresh)
            for few in range(6, 11)
        ]
        assert any("expected to open a file and found: too many open files" in ran.err for ran in ends)
        assert all(ran.code in {0, 2, 5, 7} for ran in ends), [ran.err for ran in ends]
        assert all("ulimit -n" in ran.err for ran in ends if ran.code)
        assert bench.run("send", "app.jsonl", server=server).code == 0
        check_stored(expected, server)


def test_where_threads_run_out_fewer_do_it_and_without_one_it_is_told(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=20)
    with MockServer() as server:
        for threads in range(4):
            ran = bench.run(
                "send", "app.jsonl", server=server, env={"THREADS": str(threads)}, module="tests.faults.threadless"
            )
            assert ran.code == (2 if threads < 2 else 0), ran.err  # one tells how far it is, one delivers
            assert ran.code == 0 or "the system gives no more threads" in ran.err
            assert ran.code == 0 or not server.tally["requests"]
        check_stored(bench.expected(calls, "app.jsonl"), server)


def test_dead_letters_over_the_limit_of_a_file_are_counted_and_the_rest_is_sent(bench: Bench) -> None:
    calls = bench.write("app.jsonl", count=10)
    (bench.home / "bad.jsonl").write_bytes(broken_lines(20))
    with MockServer() as server:
        letters = ("--dead-letter", "dead.jsonl", "--no-ledger")  # the ledger is larger than this limit
        ran = bench.run("send", "bad.jsonl", "app.jsonl", *letters, server=server, limits=SMALL_FILES)
        assert ran.code == 2, ran.err
        assert (ran.told["rejected"], ran.told["accepted"]) == (20, 10)
        assert ran.told["letters_unwritten"] >= 16
        assert "file too large" in ran.err
        assert f"{ran.told['letters_unwritten']} rejected records are still in the sources" in ran.err
        check_stored(bench.expected(calls, "app.jsonl"), server)


def test_a_full_disk_under_the_dead_letters_is_named_and_the_rest_is_sent(bench: Bench, tiny_disk: Path) -> None:
    calls = bench.write("app.jsonl", count=10)
    (bench.home / "bad.jsonl").write_bytes(broken_lines(200))
    with MockServer() as server:
        where = str(tiny_disk / "dead.jsonl")
        ran = bench.run("send", "bad.jsonl", "app.jsonl", "--dead-letter", where, server=server)
        assert ran.code == 2, ran.err
        assert (ran.told["rejected"], ran.told["accepted"]) == (200, 10)
        assert "no space left on device" in ran.err
        assert 0 < ran.told["letters_unwritten"] < 200
        check_stored(bench.expected(calls, "app.jsonl"), server)


def test_no_room_for_the_list_of_events_met_is_named_for_what_it_is(bench: Bench) -> None:
    event = {"event": "$ai_generation", "distinct_id": "u", "timestamp": "2025-06-01T10:00:00Z", "properties": {}}
    (bench.home / "many.jsonl").write_bytes(
        b"".join(orjson.dumps({**event, "properties": {"n": number}}) + b"\n" for number in range(300))
    )
    forgetful = (sys.executable, "-m", "tests.faults.forgetful")
    ran = bench.run("send", "many.jsonl", "--dry-run", limits=SMALL_FILES, command=forgetful)
    assert ran.code == 2
    assert "the list of events met so far needs a temporary file, and it failed" in ran.err
    assert "set TMPDIR to a writable folder on a disk with room" in ran.err


def test_a_destination_that_cannot_wait_on_disk_holds_up_the_others_and_loses_nothing(bench: Bench) -> None:
    with MockServer(faults=Faults.parse("503:1:none")) as ill, MockServer() as well:
        hosts = (ill.url, well.url)
        calls = bench.write_calls("app.jsonl", [Call(at, KEYS[at % 2], hosts[at % 2]) for at in range(300)])
        allowed = ("--allow-host", ill.url, "--allow-host", well.url)
        running = bench.start("send", "app.jsonl", "--no-ledger", *allowed, server=well, limits=SMALL_FILES)
        running.wait_for(lambda: fired(ill, "503") and len(well.events) > 0)
        ill.order(Faults())
        ran = running.end()
        assert ran.code == 0, ran.err
        check_stored(bench.expected(calls, "app.jsonl"), ill, well)
