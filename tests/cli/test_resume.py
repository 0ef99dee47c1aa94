"""A log that an earlier run has read is read on from where it was committed, whatever became of its name."""

import gzip
import os
import shutil
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import orjson
import pytest

from posthog_llm_cli.ledger import care, reading
from posthog_llm_cli.mockserver import Faults, MockServer
from posthog_llm_cli.sources import files
from tests import zstd
from tests.cli.running import KEY, Called, lines, record, run
from tests.streaming import jsonl, output_text, responded, said

LEDGER = ".local/state/plh/ledger.sqlite"
OTHER_KEY = "phc_zyxwvutsrqponmlkjihgfedcba9876543210"


def numbered(start: int, stop: int) -> bytes:
    return lines(*(record(number) for number in range(start, stop)))


class Sent:
    """Runs of `plh send --json` on one ledger."""

    def __init__(self, called: Called, server: MockServer) -> None:
        self.called, self.server = called, server

    def __call__(self, *arguments: str, key: str = KEY, code: int = 0) -> dict[str, Any]:
        env = {"POSTHOG_API_KEY": key, "POSTHOG_HOST": self.server.url}
        ran = self.called("send", *arguments, "--json", "--max-retries", "0", env=env)
        assert ran.code == code, ran.err
        found: dict[str, Any] = orjson.loads(ran.out)
        return found

    @property
    def stored(self) -> set[str]:
        return {entry["event"]["uuid"] for entry in self.server.events}


@pytest.fixture
def send(called: Called, server: MockServer) -> Sent:
    return Sent(called, server)


def told(report: dict[str, Any]) -> tuple[int, int, int]:
    """How many records were not read again, were settled by an earlier run, and went out."""
    return report["already_read"]["records"], report["already_sent"], report["accepted"]


def test_what_is_settled_as_a_whole_is_not_read_again(home: Path, send: Sent) -> None:
    log = home / "app.jsonl"
    log.write_bytes(numbered(0, 8))
    assert told(send("app.jsonl")) == (0, 0, 8)
    report = send("app.jsonl")
    assert told(report) == (8, 8, 0)
    assert report["already_read"] == {"sources": 1, "records": 8, "bytes": log.stat().st_size}
    assert (report["records"], report["bytes_read"], report["requests"]) == (8, 0, 0)


@pytest.mark.parametrize("packed", [bytes, gzip.compress, zstd.compress])
def test_a_log_that_lies_still_is_not_even_opened_to_be_read(
    home: Path, send: Sent, monkeypatch: pytest.MonkeyPatch, packed: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(files, "_STILL_S", 0.0)
    log = home / "app.jsonl"
    log.write_bytes(packed(numbered(0, 8)))
    assert told(send("app.jsonl")) == (0, 0, 8)
    with monkeypatch.context() as unread:
        unread.delattr(files, "read_blocks")
        for more in ([], ["--dry-run"]):
            report = send("app.jsonl", *more)
            assert told(report) == (8, 8, 0)
            assert report["already_read"]["bytes"] == len(numbered(0, 8))
    time.sleep(0.02)
    log.write_bytes(packed(numbered(0, 9)))
    assert told(send("app.jsonl")) == (8, 8, 1)


def test_of_a_folder_of_logs_the_new_one_alone_is_opened_to_be_read(
    home: Path, send: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_STILL_S", 0.0)
    (home / "logs").mkdir()
    for number in range(3):
        (home / "logs" / f"{number}.jsonl").write_bytes(numbered(10 * number, 10 * number + 5))
    assert told(send("logs")) == (0, 0, 15)
    (home / "logs" / "new.jsonl").write_bytes(numbered(90, 95))
    read_blocks, seen = files.read_blocks, set()

    def noting(descriptor: int, uri: str, **options: Any) -> Generator[bytes, None, None]:
        seen.add(uri)
        return read_blocks(descriptor, uri, **options)

    monkeypatch.setattr(files, "read_blocks", noting)
    assert told(send("logs")) == (15, 15, 5)
    assert seen == {"logs/new.jsonl"}


def test_an_appended_log_is_read_from_where_it_was_committed(home: Path, send: Sent) -> None:
    log = home / "app.jsonl"
    log.write_bytes(numbered(0, 8))
    send("app.jsonl")
    with log.open("ab") as file:
        file.write(numbered(8, 10))
    report = send("app.jsonl")
    assert told(report) == (8, 8, 2)
    assert report["bytes_read"] == len(numbered(8, 10))
    assert told(send("app.jsonl")) == (10, 10, 0)
    assert len(send.stored) == 10


def by_renaming(log: Path) -> None:
    log.rename(log.with_name("app.jsonl.1"))


def by_copytruncate(log: Path) -> None:
    shutil.copyfile(log, log.with_name("app.jsonl.1"))
    os.truncate(log, 0)


def by_gzip(log: Path) -> None:
    log.with_name("app.jsonl.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()


def by_zstd(log: Path) -> None:
    log.with_name("app.jsonl.1.zst").write_bytes(zstd.compress(log.read_bytes()))
    log.unlink()


@pytest.mark.parametrize("rotate", [by_renaming, by_copytruncate, by_gzip, by_zstd])
def test_a_rotated_log_goes_on_under_its_new_name_and_the_new_one_begins(
    home: Path, send: Sent, rotate: Callable[[Path], None]
) -> None:
    log = home / "app.jsonl"
    log.write_bytes(numbered(0, 8))
    send("app.jsonl")
    with log.open("ab") as file:
        file.write(numbered(8, 10))
    rotate(log)
    with log.open("ab") as file:
        file.write(numbered(10, 15))
    report = send("app.jsonl*")
    assert told(report) == (8, 8, 7)
    assert len(send.stored) == 15
    report = send("app.jsonl*")
    assert told(report) == (15, 15, 0)
    assert report["already_read"]["sources"] == 2


NOT_UTF_8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_a_log_is_known_by_its_name_where_the_locale_is_not_utf_8(home: Path, send: Sent) -> None:
    (home / "模型.jsonl").write_bytes(numbered(0, 5))
    env = {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": send.server.url, **NOT_UTF_8}
    assert run(home, "send", "模型.jsonl", env=env, fresh=True).code == 0
    assert send("模型.jsonl")["already_read"]["records"] == 5
    (source,) = orjson.loads(send.called("ledger", "sources", "--json").out)["sources"]
    assert source["name"] == str(home / "模型.jsonl")
    assert run(home, "ledger", "forget", "--source", "模型.jsonl", "--yes", env=NOT_UTF_8, fresh=True).code == 0


def test_what_is_missing_is_told_where_the_locale_is_not_utf_8(home: Path) -> None:
    ran = run(home, "validate", "--json", "模型.jsonl", "模/*.jsonl", env=NOT_UTF_8, fresh=True)
    assert ran.code == 4
    assert [error["source"] for error in orjson.loads(ran.out)["source_errors"]] == ["模型.jsonl", "模/*.jsonl"]


def test_a_settings_file_may_name_any_path_where_the_locale_is_not_utf_8(home: Path, server: MockServer) -> None:
    (home / "plh.toml").write_text(
        f'host = "{server.url}"\napi_key_file = "钥"\nledger = "账/l.sqlite"\ndead_letter = "死/"\n', encoding="utf-8"
    )
    (home / "钥").write_text(KEY)
    (home / "app.jsonl").write_bytes(numbered(0, 5) + lines({"no": "call"}))
    ran = run(home, "send", "app.jsonl", env=NOT_UTF_8, fresh=True)
    assert ran.code == 3, ran.err
    assert (home / "账" / "l.sqlite").is_file()
    assert len(list((home / "死").iterdir())) == 1


def test_a_truncated_log_is_read_from_its_beginning(home: Path, send: Sent) -> None:
    log = home / "app.jsonl"
    log.write_bytes(numbered(0, 8))
    send("app.jsonl")
    os.truncate(log, len(numbered(0, 6)))
    assert told(send("app.jsonl")) == (0, 6, 0)
    with log.open("ab") as file:
        file.write(numbered(20, 22))
    assert told(send("app.jsonl")) == (6, 6, 2)


def test_a_log_that_was_rewritten_in_its_middle_loses_nothing(home: Path, send: Sent) -> None:
    """The same length, the same beginning, the same end: only the digest of all of it tells."""
    log = home / "app.jsonl"
    log.write_bytes(numbered(0, 8))
    send("app.jsonl")
    log.write_bytes(log.read_bytes().replace(b'"chatcmpl-4"', b'"chatcmpl-x"'))
    assert told(send("app.jsonl")) == (0, 7, 1)
    assert len(send.stored) == 9


def test_of_copies_each_is_known_once_all_were_read(home: Path, send: Sent) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (home / name).write_bytes(numbered(0, 6))
    report = send("a.jsonl", "b.jsonl")
    assert (report["accepted"], report["duplicates"]) == (6, 6)
    assert send("a.jsonl", "b.jsonl")["already_read"]["sources"] == 2


def test_the_same_file_twice_in_one_run_is_read_twice_and_counted_as_duplicates(home: Path, send: Sent) -> None:
    (home / "a.jsonl").write_bytes(numbered(0, 6))
    report = send("a.jsonl", "a.jsonl")
    assert (report["records"], report["accepted"], report["duplicates"]) == (12, 6, 6)
    report = send("a.jsonl", "a.jsonl")
    assert (report["records"], report["already_sent"] + report["duplicates"]) == (12, 12)


# ---------------------------------------------------------------------------------------------------- the last line


def test_a_last_line_without_its_end_is_read_whole_by_a_later_run(home: Path, send: Sent) -> None:
    log = home / "app.jsonl"
    whole = numbered(0, 9)
    log.write_bytes(whole[:-40])
    old = time.time() - 3600
    os.utime(log, (old, old))
    report = send("app.jsonl", code=3)
    assert (report["accepted"], report["rejections"]) == (8, {"invalid-json": 1})
    assert told(send("app.jsonl")) == (9, 9, 0)  # as long as nothing is added, that line is done with too
    log.write_bytes(whole + numbered(9, 10))
    assert told(send("app.jsonl")) == (8, 8, 2)
    assert len(send.stored) == 10


def test_a_line_that_is_being_written_is_waited_for(home: Path, send: Sent) -> None:
    log = home / "app.jsonl"
    whole = numbered(0, 9)
    log.write_bytes(whole[:-40])

    def complete() -> None:
        time.sleep(0.1)
        with log.open("ab") as file:
            file.write(whole[-40:])

    writer = threading.Thread(target=complete)
    writer.start()
    report = send("app.jsonl")
    writer.join()
    assert told(report) == (0, 0, 9)
    assert report["bytes_read"] == len(whole)


def test_the_last_line_of_a_finished_log_needs_no_line_end(home: Path, send: Sent) -> None:
    log = home / "app.jsonl"
    log.write_bytes(numbered(0, 8)[:-1])
    assert told(send("app.jsonl")) == (0, 0, 8)
    assert told(send("app.jsonl")) == (8, 8, 0)
    with log.open("ab") as file:
        file.write(b"\n" + numbered(8, 9))
    assert told(send("app.jsonl")) == (7, 8, 1)
    assert told(send("app.jsonl")) == (9, 9, 0)


# --------------------------------------------------------------------------------------- what holds a source back


def test_unconfirmed_calls_hold_their_source_back(home: Path, send: Sent) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 8))
    send.server.order(Faults.parse("503:1"))
    send("app.jsonl", code=5)
    send.server.order(Faults())
    assert told(send("app.jsonl")) == (0, 0, 8)
    assert told(send("app.jsonl")) == (8, 8, 0)


def test_a_call_that_only_a_pipe_had_sent_without_an_answer_is_found_in_its_file(
    home: Path, server: MockServer
) -> None:
    """The pipe is gone, and the file holds a duplicate: it must not be done with before the call is."""
    (home / "app.jsonl").write_bytes(numbered(0, 8))
    env = {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url}
    server.order(Faults.parse("503:1"))
    both = ("send", "-", "app.jsonl", "--json", "--max-retries", "0")
    first = orjson.loads(run(home, *both, env=env, stdin=numbered(0, 8)).out)
    assert (first["unconfirmed"], first["duplicates"]) == (8, 8)
    server.order(Faults())
    second = orjson.loads(run(home, "send", "app.jsonl", "--json", env=env).out)
    assert second["accepted"] == 8


def test_letters_are_taken_up_however_often_they_are_given(home: Path, send: Sent) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 6))
    send.server.order(Faults.parse("400:1"))
    report = send("app.jsonl", "--dead-letter", "dead.jsonl", code=3)
    assert report["rejected"] == 6
    assert told(send("app.jsonl")) == (6, 6, 0), "a rejected call is settled once its letter is safe"
    assert send("dead.jsonl", "--dead-letter", "again.jsonl", code=3)["rejected"] == 6
    send.server.order(Faults())
    assert told(send("dead.jsonl")) == (0, 0, 6)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda letter: letter[:-40],
        lambda letter: orjson.dumps(
            {"log": letter.decode() + "\n", "stream": "stdout", "time": "2026-01-01T00:00:00Z"}
        ),
        lambda letter: b"2026-01-01 INFO " + letter,
    ],
    ids=["cut off", "in a container's log", "behind a logger's words"],
)
def test_letters_that_cannot_be_opened_are_refused_each_time(
    home: Path, send: Sent, wrapped: Callable[[bytes], bytes]
) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 1))
    send.server.order(Faults.parse("400:1"))
    send("app.jsonl", "--dead-letter", "dead.jsonl", code=3)
    send.server.order(Faults())
    (home / "app.jsonl").write_bytes(wrapped((home / "dead.jsonl").read_bytes().strip()) + b"\n")
    for _ in range(2):
        assert send("app.jsonl", code=3)["rejected"] == 1


def test_lines_that_cannot_be_calls_are_done_with_once_their_letters_are_kept(home: Path, send: Sent) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 5) + b'{"nothing": "known"}\n')
    assert send("app.jsonl", code=3)["rejections"] == {"unknown-format": 1}
    assert told(send("app.jsonl")) == (6, 6, 0)


def test_without_room_for_its_letter_a_line_is_met_again(home: Path, send: Sent) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 5) + b'{"nothing": "known"}\n')
    assert send("app.jsonl", "--dead-letter", "/dev/full", code=2)["letters_unwritten"] == 1
    assert send("app.jsonl", code=3)["rejections"] == {"unknown-format": 1}


def test_what_belongs_together_is_read_together(home: Path, send: Sent) -> None:
    """The input lines of a batch are needed by every output that may still come."""
    asked = [
        {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions",
         "body": {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}]}}
        for number in range(8)
    ]  # fmt: skip
    answers = [
        {"id": f"batch_req_{number}", "custom_id": f"r{number}", "error": None,
         "response": {"status_code": 200, "request_id": f"q{number}", "body": {
             "id": f"chatcmpl-b{number}", "object": "chat.completion", "created": 1764000000 + number,
             "model": "gpt-4o", "choices": [{"index": 0, "finish_reason": "stop",
                                             "message": {"role": "assistant", "content": "yes"}}],
             "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}}}
        for number in range(8)
    ]  # fmt: skip
    (home / "input.jsonl").write_bytes(lines(*asked))
    output = home / "output.jsonl"
    output.write_bytes(lines(*answers[:6]))
    assert send("input.jsonl", "output.jsonl")["accepted"] == 6
    output.write_bytes(lines(*answers))
    report = send("input.jsonl", "output.jsonl")
    assert told(report) == (0, 6, 2)
    (last,) = [entry["event"] for entry in send.server.events if "question 7" in orjson.dumps(entry).decode()]
    assert last["event"] == "$ai_generation"


def test_a_pipe_relies_on_identities_alone(home: Path, server: MockServer) -> None:
    env = {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url}
    for accepted in (8, 0):
        report = orjson.loads(run(home, "send", "-", "--json", env=env, stdin=numbered(0, 8)).out)
        assert (report["accepted"], report["already_read"]["sources"]) == (accepted, 0)
    assert reading.sources(home / LEDGER, most=9) == []


def test_one_call_objects_leave_no_row(home: Path, send: Sent) -> None:
    (home / "logs").mkdir()
    for number in range(5):
        (home / "logs" / f"{number}.json").write_bytes(numbered(number, number + 1))
    send("logs")
    assert reading.sources(home / LEDGER, most=9) == []
    assert told(send("logs")) == (0, 5, 0)


def test_a_small_source_with_a_fault_is_told_of_once(home: Path, send: Sent) -> None:
    """Or a job of every hour would tell of it, and keep a letter, every hour."""
    (home / "logs").mkdir()
    (home / "logs" / "bad.json").write_bytes(b"{broken\n")
    (home / "logs" / "good.json").write_bytes(numbered(0, 1))
    first = send("logs", code=3)
    assert (first["rejected"], first["accepted"]) == (1, 1)
    second = send("logs")
    assert (second["rejected"], second["already_sent"], second["dead_letter"]) == (0, 2, None)


# ------------------------------------------------------------------------------------------------- other settings


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ((), ("--distinct-id", "someone")),
        ((), ("--timezone", "Europe/Berlin")),
        (("--since", "2025-11-24T16:00:04Z"), ("--since", "2025-11-24T16:00:02Z")),
        (("--since", "2025-11-24T16:00:04Z"), ()),
        (("--until", "2025-11-24T16:00:04Z"), ("--until", "2025-11-24T16:00:06Z")),
        (("--shard", "1/2"), ("--shard", "2/2")),
        (("--metadata-only", "send"), ()),
    ],
)
def test_under_other_settings_everything_is_read_again(
    home: Path, send: Sent, first: tuple[str, ...], then: tuple[str, ...]
) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 8))
    send("app.jsonl", *first)
    assert send("app.jsonl", *first)["already_read"]["records"] == 8
    report = send("app.jsonl", *then)
    assert report["already_read"]["sources"] == 0
    assert report["accepted"] + report["already_sent"] + report["filtered"] == 8


def test_a_later_since_lets_what_was_filtered_be(home: Path, send: Sent) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 8))
    send("app.jsonl", "--since", "2025-11-24T16:00:02Z")
    assert send("app.jsonl", "--since", "2025-11-24T16:00:04Z")["already_read"]["records"] == 8
    assert send("app.jsonl", "--since", "2025-11-24T16:00:02Z")["already_read"]["records"] == 8
    with (home / "app.jsonl").open("ab") as file:
        file.write(numbered(3, 9))
    assert send("app.jsonl", "--since", "2025-11-24T16:00:04Z")["already_read"]["records"] == 8
    assert send("app.jsonl", "--since", "2025-11-24T16:00:02Z")["already_read"]["records"] == 0


def test_for_another_project_everything_is_sent(home: Path, send: Sent) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 8))
    send("app.jsonl")
    assert told(send("app.jsonl", key=OTHER_KEY)) == (0, 0, 8)
    assert told(send("app.jsonl")) == (8, 8, 0)
    assert told(send("app.jsonl", key=OTHER_KEY)) == (8, 8, 0)


def test_the_limit_counts_calls_and_not_what_else_was_read(home: Path, send: Sent) -> None:
    probe = record(99, metadata={"user_api_key_alias": "x"}, call_type="health_check")
    (home / "app.jsonl").write_bytes(lines(*(record(number) for number in range(5)), b"null", b"null", probe))
    send("app.jsonl", code=0)
    with (home / "app.jsonl").open("ab") as file:
        file.write(numbered(10, 20))
    known = send("app.jsonl", "--limit", "4")
    assert known["accepted"] == 0
    report = send("app.jsonl", "--limit", "8")
    assert report["accepted"] + report["already_sent"] - report["already_read"]["records"] in {2, 3}


# ---------------------------------------------------------------------------------------------------- the operator


def test_a_dry_run_tells_the_same_and_notes_nothing(home: Path, send: Sent) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 8))
    send("app.jsonl")
    with (home / "app.jsonl").open("ab") as file:
        file.write(numbered(8, 10))
    for _ in range(2):
        assert told(send("app.jsonl", "--dry-run")) == (8, 8, 2)


def test_forget_re_opens_a_source(home: Path, send: Sent, called: Called) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 8))
    send("app.jsonl")
    listed = called("ledger", "sources")
    assert "app.jsonl" in listed.out
    forgotten = called("ledger", "forget", "--source", "app.jsonl", "--yes", "--json")
    assert (forgotten.code, orjson.loads(forgotten.out)["sources"][0]["records"]) == (0, 8)
    assert told(send("app.jsonl")) == (0, 8, 0), "read again, and what is settled stays settled"


def test_a_folder_whose_name_is_no_utf8_is_one_to_work_in(home: Path, server: MockServer) -> None:
    folder = home / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    log = folder / os.fsdecode(b"app-\xe8.jsonl")
    log.write_bytes(numbered(0, 8) + b"no call\n")
    env = {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url}
    words = ("--ledger", "ledger.sqlite")
    first, second = (run(folder, "send", log.name, "--json", *words, env=env) for _ in range(2))
    assert (first.code, second.code) == (3, 0), first.err
    assert told(orjson.loads(second.out)) == (9, 9, 0)
    forgotten = run(folder, "ledger", "forget", "--source", log.name, "--yes", "--json", *words)
    assert orjson.loads(forgotten.out)["sources"][0]["name"] == f"{home}/caf\ufffd/app-\ufffd.jsonl"
    for command in ("status", "check", "sources", "runs"):
        assert run(folder, "ledger", command, "--json", *words).code == 0


def test_a_forgotten_destination_gets_everything_again(home: Path, send: Sent, called: Called) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 8))
    send("app.jsonl")
    assert called("ledger", "forget", "--destination", "1", "--yes").code == 0
    assert told(send("app.jsonl")) == (0, 0, 8)


@pytest.mark.parametrize("words", [(), ("--source", "nowhere.jsonl"), ("--source", "a", "--destination", "1")])
def test_forget_wants_one_thing_that_the_ledger_knows(
    home: Path, send: Sent, called: Called, words: tuple[str, ...]
) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 8))
    send("app.jsonl")
    assert called("ledger", "forget", *words, "--yes").code == 2
    assert told(send("app.jsonl")) == (8, 8, 0)


def test_without_a_ledger_everything_is_read_and_sent(home: Path, send: Sent) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 8))
    send("app.jsonl")
    assert told(send("app.jsonl", "--no-ledger")) == (0, 0, 8)


def test_the_summary_says_what_was_not_read_again(home: Path, send: Sent, called: Called) -> None:
    (home / "app.jsonl").write_bytes(numbered(0, 8))
    send("app.jsonl")
    again = called("send", "app.jsonl", env={"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": send.server.url})
    assert "8 of them in 1 source were not read again" in again.err


STREAM = said("Hello ", "you ", "there", id="chatcmpl-growing")


def test_a_stream_that_had_no_end_yet_goes_out_again_once_it_has_one(home: Path, send: Sent) -> None:
    log = home / "app.jsonl"
    log.write_bytes(numbered(0, 4) + jsonl(STREAM[:2]))
    first = send("app.jsonl")
    assert first["warnings"]["stream-truncated"] == 1, "the fault fired"
    assert told(first) == (0, 0, 5)
    assert told(send("app.jsonl"))[1:] == (5, 0), "nothing is new"
    with log.open("ab") as file:
        file.write(jsonl(STREAM[2:]) + numbered(4, 6))
    assert told(send("app.jsonl"))[1:] == (4, 3)
    assert told(send("app.jsonl"))[1:] == (7, 0), "whole, it is settled"
    sent = [entry["event"] for entry in send.server.events if "chatcmpl-growing" in str(entry["event"]["properties"])]
    assert [output_text(event["properties"]) for event in sent] == ["Hello ", "Hello you there"]
    assert len({(event["uuid"], event["timestamp"], event["event"], event["distinct_id"]) for event in sent}) == 1


def test_the_ledger_counts_a_call_once_whose_end_came_later(home: Path, send: Sent) -> None:
    log = home / "app.jsonl"
    for route in ("v1", "batch"):
        for parts in (STREAM[:2], STREAM):
            log.write_bytes(jsonl(parts))
            send("app.jsonl", "--endpoint", route, "--ledger", f"{route}.sqlite")
        (found,) = reading.status(home / f"{route}.sqlite").destinations
        assert (found.accepted, found.accepted_by_edge) == ((1, 0) if route == "v1" else (0, 1))
        assert care.check(home / f"{route}.sqlite").problems == ()


def test_under_another_distinct_id_a_stream_stays_as_it_was_sent(home: Path, send: Sent) -> None:
    log = home / "app.jsonl"
    log.write_bytes(jsonl(STREAM[:2]))
    send("app.jsonl", "--distinct-id", "one")
    log.write_bytes(jsonl(STREAM))
    assert send("app.jsonl", "--distinct-id", "two")["accepted"] == 0, "it would be a second event"
    assert send("app.jsonl", "--distinct-id", "one")["accepted"] == 1


def sent_again(home: Path, send: Sent, part: list[Any], whole: list[Any], *options: str) -> list[dict[str, Any]]:
    """Send a log of a stream without its end, then the log as it is later; return the events that came of it."""
    log = home / "app.jsonl"
    for content in (part, whole):
        log.write_bytes(jsonl(content))
        assert send("app.jsonl", *options)["exit_code"] == 0
    return [entry["event"] for entry in send.server.events]


def key_of(event: dict[str, Any]) -> tuple[str, ...]:
    """By what PostHog knows an event again."""
    return event["uuid"], event["timestamp"][:10], event["event"], event["distinct_id"]


def stamped(times: list[str], users: list[str | None] | None = None) -> list[dict[str, Any]]:
    """The parts of `STREAM`, each with a time of its own, as a logger wraps them."""
    named: list[dict[str, Any]] = [{"user": user} if user else {} for user in users or [None] * len(times)]
    return [{"ts": time, "response": part, **user} for time, part, user in zip(times, STREAM, named, strict=True)]


@pytest.mark.parametrize("route", ["v1", "batch"])
def test_a_stream_that_went_on_over_midnight_goes_out_again_on_the_day_of_its_part(
    home: Path, send: Sent, route: str
) -> None:
    parts = stamped([f"2026-11-{time}Z" for time in (
        "20T23:59:57", "20T23:59:58", "20T23:59:59", "21T00:00:01", "21T00:00:02"
    )])  # fmt: skip
    sent = sent_again(home, send, parts[:2], parts, "--endpoint", route)
    assert [output_text(event["properties"]) for event in sent] == ["Hello ", "Hello you there"]
    assert {event["timestamp"] for event in sent} == {"2026-11-20T23:59:58.000000Z", "2026-11-20T23:59:59.999999Z"}
    assert len({key_of(event) for event in sent}) == 1
    assert told(send("app.jsonl", "--endpoint", route))[1:] == (1, 0), "whole, it is settled"


def test_a_stream_whose_end_would_be_another_event_is_not_sent_again(home: Path, send: Sent) -> None:
    days = ["2026-11-18T10:00:00Z"] * 4 + ["2026-11-20T10:00:00Z"]
    assert len(sent_again(home, send, stamped(days)[:2], stamped(days))) == 1, "two days later"
    users = [None, None, None, None, "bob"]
    named = stamped(["2026-11-18T10:00:00Z"] * 5, users)
    for part in named:
        part["response"] = {**part["response"], "id": "chatcmpl-named"}
    sent = sent_again(home, send, named[:2], named)[1:]
    assert [event["distinct_id"] for event in sent] == ["chatcmpl-named"], "its user was not known by then"
    dry = send("app.jsonl", "--dry-run")
    assert (dry["accepted"], dry["already_sent"], dry["forecast"]["destinations"][0]["already_sent"]) == (0, 1, 1)


def test_the_end_of_a_stream_does_not_take_the_place_of_its_beginning(home: Path, send: Sent) -> None:
    sent = sent_again(home, send, STREAM[:2], STREAM[2:])
    assert [output_text(event["properties"]) for event in sent] == ["Hello "]
    assert told(send("app.jsonl"))[1:] == (1, 0)


HEAD, TAIL = STREAM[:2], STREAM[2:]
BY_ROLE = [{**part, "choices": [{**choice, "delta": {"role": "assistant", **choice["delta"]}} for choice in part["choices"]]}
           for part in STREAM]  # fmt: skip
RESPONSE = responded("Hello you there")


@pytest.mark.parametrize("sources", [("app.log.1", "app.log"), ("app.log", "app.log.1"), (".",)], ids=" ".join)
def test_a_stream_that_a_rotation_cut_arrives_whole_and_once(home: Path, send: Sent, sources: tuple[str, ...]) -> None:
    folder = home / "logs"
    folder.mkdir()
    (folder / "app.log.1").write_bytes(numbered(0, 2) + jsonl(HEAD))
    (folder / "app.log").write_bytes(jsonl(TAIL) + numbered(2, 4))
    given = [f"logs/{source}" for source in sources]
    report = send(*given)
    assert (report["records"], report["accepted"], report["skips"]) == (9, 5, {"merged": 4})
    assert "stream-truncated" not in report["warnings"]
    assert told(send(*given))[2] == 0
    (event,) = of_the_stream(send)
    assert output_text(event["properties"]) == "Hello you there"


@pytest.mark.parametrize(
    "cut", [[STREAM[:1], STREAM[1:3], STREAM[3:]], [BY_ROLE[:2], BY_ROLE[2:]], [RESPONSE[:3], RESPONSE[3:]]],
    ids=["twice", "a role in each part", "a response"],
)  # fmt: skip
def test_a_stream_in_several_files_is_one_call(home: Path, send: Sent, cut: list[list[Any]]) -> None:
    names = [f"app.log.{number}" for number in range(len(cut))]
    for name, parts in zip(names, cut, strict=True):
        (home / name).write_bytes(jsonl(parts))
    assert send(*names)["accepted"] == 1
    (entry,) = send.server.events
    assert output_text(entry["event"]["properties"]) == "Hello you there"


def test_a_stream_that_is_cut_by_the_rotation_between_two_runs_is_completed(home: Path, send: Sent) -> None:
    (home / "app.log").write_bytes(jsonl(HEAD))
    assert send("app.log")["warnings"]["stream-truncated"] == 1, "the fault fired"
    (home / "app.log").rename(home / "app.log.1")
    (home / "app.log").write_bytes(jsonl(TAIL))
    for accepted in (1, 0):
        assert send("app.log", "app.log.1")["accepted"] == accepted
    assert [output_text(event["properties"]) for event in of_the_stream(send)] == ["Hello ", "Hello you there"]


def test_of_a_stream_and_a_copy_that_was_cut_the_whole_is_sent(home: Path, send: Sent) -> None:
    (home / "a.jsonl").write_bytes(jsonl(HEAD))
    (home / "b.jsonl").write_bytes(jsonl(STREAM))
    report = send("a.jsonl", "b.jsonl")
    assert (report["accepted"], report["duplicates"]) == (1, 1)
    (event,) = of_the_stream(send)
    assert output_text(event["properties"]) == "Hello you there"


def of_the_stream(send: Sent) -> list[dict[str, Any]]:
    return [entry["event"] for entry in send.server.events if "chatcmpl-growing" in str(entry["event"]["properties"])]
