"""The log is not what it should be, or changes while it is read: its neighbours are sent, and nothing is lost of the rest."""

import gzip
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from posthog_llm_cli.mockserver import Faults, MockServer
from tests import zstd
from tests.faults.harness import KEYS, Bench, Call, Running, check_nothing_foreign, check_stored, fired, stored

GOOD = [Call(number, KEYS[number % 2]) for number in range(6)]
LINES = [call.line() for call in GOOD]
PLAIN = b"".join(LINES)
MIDDLE = b"".join(LINES[:3]), b"".join(LINES[3:])


def between(fault: bytes) -> bytes:
    """Put a line amid the good ones."""
    return MIDDLE[0] + fault + b"\n" + MIDDLE[1]


@dataclass(frozen=True, slots=True)
class Case:
    """What lies in the file, and what the run says of it beyond the good calls."""

    data: bytes
    code: int = 0
    told: dict[str, dict[str, int]] = field(default_factory=dict)
    records: int = len(GOOD)
    name: str = "app.jsonl"
    duplicates: int = 0


def rejected(line: bytes, reason: str) -> Case:
    return Case(between(line), 3, {"rejections": {reason: 1}}, len(GOOD) + 1)


DEEP = b'{"standard_logging_object": ' + b"[" * 200 + b"]" * 200 + b"}"
CASES = {
    "a byte order mark": Case(b"\xef\xbb\xbf" + PLAIN),
    "CRLF": Case(PLAIN.replace(b"\n", b"\r\n")),
    "no final newline": Case(PLAIN.rstrip(b"\n")),
    "NULs of a preallocated file": Case(MIDDLE[0] + b"\0" * 100_000 + MIDDLE[1] + b"\0" * 4096),
    "blank lines": Case(PLAIN.replace(b"\n", b"\n\n \n")),
    "a line cut off in the middle": rejected(LINES[0][:300], "invalid-json"),
    "invalid UTF-8": rejected(b'{"id": "\xff\xfe"}', "invalid-json"),
    "a line over --max-record": rejected(b'{"messages": "' + b"x" * 3_000_000 + b'"}', "record-too-long"),
    "nesting without end": rejected(DEEP, "too-deep"),
    "a console line": rejected(b"INFO: 127.0.0.1 - POST /chat/completions 200 OK", "invalid-json"),
    "a lone surrogate": Case(PLAIN.replace(b"prompt 2", rb"prompt \ud800 2")),
    "NUL in a text": Case(PLAIN.replace(b"prompt 2", rb"prompt \u0000 2")),
    "NaN and Infinity": Case(PLAIN.replace(b'"response_cost":0.01', b'"response_cost":NaN').replace(b'"response_time":1.5', b'"response_time":-Infinity')),
    "a key twice": Case(PLAIN.replace(b'{"standard_callback', b'{"litellm_params":1,"standard_callback')),
    "an integer beyond 2^53": Case(PLAIN.replace(b'"metadata":{}', b'"metadata":{"big":90071992547409931234567890}')),
    "identical lines": Case(PLAIN + LINES[1] + LINES[1], records=len(GOOD) + 2, duplicates=2),
    "gzip": Case(gzip.compress(PLAIN), name="app.jsonl.gz"),
    "gzip in gzip": Case(gzip.compress(gzip.compress(PLAIN)), name="app.jsonl.gz"),
    "gzip under a plain name": Case(gzip.compress(PLAIN)),
    "plain under the name of gzip": Case(PLAIN, name="app.jsonl.gz"),
    "concatenated members": Case(gzip.compress(MIDDLE[0]) + gzip.compress(MIDDLE[1]), name="app.jsonl.gz"),
    "members cut in the middle of a line": Case(gzip.compress(PLAIN[:700]) + gzip.compress(PLAIN[700:]), name="app.jsonl.gz"),
    "zstd": Case(zstd.compress(PLAIN), name="app.jsonl.zst"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_wrong_costs_itself_only_and_a_rerun_changes_nothing(bench: Bench, case: Case) -> None:
    assert case.data != PLAIN or case.name != "app.jsonl", "the fault is there"
    (bench.home / "good.jsonl").write_bytes(PLAIN)
    expected = bench.expected(GOOD, "good.jsonl")
    (bench.home / case.name).write_bytes(case.data)
    with MockServer() as server:
        ran = bench.run("send", case.name, "--max-record", "1MiB", server=server)
        assert (ran.code, ran.told["records"]) == (case.code, case.records), ran.err
        assert (ran.told["accepted"], ran.told["duplicates"]) == (len(GOOD), case.duplicates)
        for name, counts in case.told.items():
            assert ran.told[name] == counts
        check_stored(expected, server)
        requests = server.tally["requests"]
        again = bench.run("send", case.name, "--max-record", "1MiB", server=server)
        assert again.told["records"] == case.records
        assert (again.told["accepted"], server.tally["requests"]) == (0, requests)


def test_an_empty_file_and_one_of_blanks_are_no_fault(bench: Bench) -> None:
    (bench.home / "logs").mkdir()
    for name, content in {"empty": b"", "blank": b" \n\n", "nul": b"\0" * 5000, "mark": b"\xef\xbb\xbf"}.items():
        (bench.home / "logs" / name).write_bytes(content)
    with MockServer() as server:
        ran = bench.run("send", "logs", server=server)
        assert (ran.code, ran.told["records"], server.tally["requests"]) == (0, 0, 0), ran.err


@pytest.mark.parametrize("packed", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_packed_data_that_is_cut_off_gives_what_came_before_and_the_whole_file_the_rest(
    bench: Bench, packed: Callable[[bytes], bytes]
) -> None:
    calls = bench.write("plain.jsonl", count=60)
    expected = bench.expected(calls, "plain.jsonl")
    plain = (bench.home / "plain.jsonl").read_bytes()
    whole = packed(plain[: len(plain) // 2]) + packed(plain[len(plain) // 2 :])
    (bench.home / "app.gz").write_bytes(whole[: len(whole) * 3 // 4])
    with MockServer() as server:
        ran = bench.run("send", "app.gz", server=server)
        assert ran.code == 4, ran.err
        assert "[source-damaged]" in ran.err
        assert 0 < ran.told["accepted"] < 60
        check_nothing_foreign(expected, server)
        (bench.home / "app.gz").write_bytes(whole)
        assert bench.run("send", "app.gz", server=server).code == 0
        check_stored(expected, server)


def test_a_last_line_that_is_cut_off_is_sent_once_it_is_whole(bench: Bench) -> None:
    (bench.home / "good.jsonl").write_bytes(PLAIN)
    expected = bench.expected(GOOD, "good.jsonl")
    log = bench.home / "app.jsonl"
    with MockServer() as server:
        for end in (len(PLAIN) - 200, len(PLAIN) - 100, len(PLAIN) - 1, len(PLAIN)):
            log.write_bytes(PLAIN[:end])
            ran = bench.run("send", "app.jsonl", server=server)
            assert ran.code == (3 if end < len(PLAIN) - 1 else 0), ran.err
            check_nothing_foreign(expected, server)
        check_stored(expected, server)
        assert sum(sum(copies.values()) for copies in stored(server).values()) == len(GOOD), "each went out once"


def test_the_same_calls_at_two_paths_and_in_a_packed_copy_are_sent_once(bench: Bench) -> None:
    (bench.home / "logs").mkdir()
    (bench.home / "logs" / "a.jsonl").write_bytes(PLAIN)
    shutil.copyfile(bench.home / "logs" / "a.jsonl", bench.home / "logs" / "b.jsonl")
    (bench.home / "logs" / "c.jsonl.gz").write_bytes(gzip.compress(PLAIN))
    os.link(bench.home / "logs" / "a.jsonl", bench.home / "logs" / "d.jsonl")
    expected = bench.expected(GOOD, "logs/a.jsonl")
    with MockServer() as server:
        ran = bench.run("send", "logs", server=server)
        assert (ran.code, ran.told["accepted"], ran.told["duplicates"]) == (0, 6, 18), ran.err
        assert sum(sum(copies.values()) for copies in stored(server).values()) == 6
        check_stored(expected, server)


def test_a_source_that_fails_under_the_reader_is_named_and_the_others_are_sent(bench: Bench) -> None:
    (bench.home / "app.jsonl").write_bytes(PLAIN)
    with MockServer() as server:
        ran = bench.run("send", "/proc/self/mem", "app.jsonl", server=server)
        assert ran.code == 4, ran.err
        assert "[source-unreadable]" in ran.err
        assert "input/output error" in ran.err
        check_stored(bench.expected(GOOD, "app.jsonl"), server)


# -------------------------------------------------------------------------------------------- changes while it is read

MANY = 250
LONG = 2000
"""Bytes of a prompt, so that the file is more than one block."""

READ_AT_ONCE = 256 * 1024


class Read:
    """A log in the middle of being read: the server hangs, so the reader waits with most of the file before it."""

    def __init__(self, bench: Bench, server: MockServer) -> None:
        self.bench, self.server = bench, server
        self.log = bench.home / "app.jsonl"
        self.calls = self.add(MANY)
        assert self.log.stat().st_size > 2 * READ_AT_ONCE
        self.expected = bench.expected(self.calls, "app.jsonl")
        self.running: Running | None = None

    def add(self, count: int) -> list[Call]:
        """Log calls that are no others."""
        start = len(getattr(self, "calls", ()))
        return self.bench.write_calls(
            "app.jsonl", [Call(at, KEYS[at % 2], padding=LONG) for at in range(start, start + count)]
        )

    def start(self) -> None:
        self.running = self.bench.start("send", "app.jsonl", "--timeout", "1", server=self.server)
        self.running.wait_for(lambda: fired(self.server, "hang"))

    def finish(self) -> int:
        assert self.running is not None
        assert self.running.process.poll() is None, "the fault fired while it was under way"
        self.server.order(Faults())
        ran = self.running.end()
        check_nothing_foreign(self.expected, self.server)
        return ran.code

    def complete(self, *names: str) -> None:
        assert self.bench.run("send", *names, server=self.server).code in {0, 3}
        check_stored(self.expected, self.server)
        last = self.bench.run("send", *names, server=self.server)
        assert (last.told["accepted"], last.told["requests"]) == (0, 0)


@pytest.fixture
def reading(bench: Bench) -> "Callable[[MockServer], Read]":
    return lambda server: Read(bench, server)


def hanging() -> MockServer:
    return MockServer(faults=Faults.parse("hang:1"))


def test_a_log_that_grows_while_it_is_read(bench: Bench, reading: Callable[[MockServer], Read]) -> None:
    with hanging() as server:
        read = reading(server)
        read.start()
        more = read.add(10)
        read.expected = bench.expected([*read.calls, *more], "app.jsonl")
        assert read.finish() == 0
        read.complete("app.jsonl")


def test_a_log_that_is_deleted_while_it_is_read(reading: Callable[[MockServer], Read]) -> None:
    with hanging() as server:
        read = reading(server)
        read.start()
        read.log.unlink()
        assert read.finish() == 0
        check_stored(read.expected, server)


def test_a_log_that_is_renamed_and_begun_anew_while_it_is_read(
    bench: Bench, reading: Callable[[MockServer], Read]
) -> None:
    with hanging() as server:
        read = reading(server)
        read.start()
        read.log.rename(bench.home / "app.jsonl.1")
        more = read.add(10)
        read.expected = bench.expected([*read.calls, *more], "app.jsonl.1", "app.jsonl")
        assert read.finish() == 0
        read.complete("app.jsonl", "app.jsonl.1")


@pytest.mark.parametrize("more", [10, MANY + 100], ids=["shorter after it", "longer after it"])
def test_a_log_that_is_copied_and_truncated_while_it_is_read(
    bench: Bench, reading: Callable[[MockServer], Read], more: int
) -> None:
    with hanging() as server:
        read = reading(server)
        read.start()
        shutil.copyfile(read.log, bench.home / "app.jsonl.1")
        with read.log.open("r+b") as file:
            file.truncate(0)
        added = read.add(more)
        read.expected = bench.expected([*read.calls, *added], "app.jsonl.1", "app.jsonl")
        assert read.finish() in {0, 3}  # the reader may stand in the middle of another line now
        read.complete("app.jsonl", "app.jsonl.1")


def test_a_log_whose_read_part_is_rewritten_while_it_is_read(
    bench: Bench, reading: Callable[[MockServer], Read]
) -> None:
    """The same size and other calls: what lies there in the end is what counts, whatever was committed of the old."""
    with hanging() as server:
        read = reading(server)
        read.start()
        others = [Call(10_000 + call.number, call.key, padding=LONG) for call in read.calls]
        Path(read.log).write_bytes(b"".join(call.line() for call in others))
        new = bench.expected(others, "app.jsonl")
        both = {key: read.expected[key] | new[key] for key in new}
        read.expected = both
        assert read.finish() in {0, 3}
        assert bench.run("send", "app.jsonl", server=server).code in {0, 3}
        for key, uuids in new.items():
            assert uuids <= set(stored(server)[key]), "nothing of what lies there is missing"
        check_nothing_foreign(both, server)
