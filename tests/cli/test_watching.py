"""The observer and the streams, without a process around them."""

import io
import os
import re
import threading
import tracemalloc
from pathlib import Path

import pytest

from posthog_llm_cli.cli.talk import Talk
from posthog_llm_cli.cli.watcher import Watcher
from posthog_llm_cli.config.display import Display
from posthog_llm_cli.errors import RecordError, SourceError
from posthog_llm_cli.model import Endpoint, SourceRef
from posthog_llm_cli.report import Mode, RunReport
from tests.report.making import US

PLAIN = Display(colour=None, dumb=True)


def watched(most: int | None = 20, *, routes: bool = False) -> tuple[Watcher, io.StringIO]:
    stream = io.StringIO()
    return Watcher(Talk(stream, PLAIN), lambda _: None, most=most, routes=routes), stream


def missing(uri: str, line: int, hint: str | None = "log the time") -> tuple[SourceRef, RecordError]:
    return SourceRef(uri, line, 0), RecordError("missing-field", "expected a time and found none", hint=hint)


def test_each_source_and_code_has_its_own_twenty() -> None:
    watcher, stream = watched(2)
    for number in range(1, 5):
        watcher.on_rejected(*missing("a.jsonl", number))
    watcher.on_rejected(*missing("b.jsonl", 1))
    watcher.on_rejected(SourceRef("a.jsonl", 9, 0), RecordError("too-deep", "more than 100 levels"))
    watcher.finish()
    assert stream.getvalue().splitlines() == [
        "error: a.jsonl:1: expected a time and found none [missing-field]",
        "hint: log the time",
        "error: a.jsonl:2: expected a time and found none [missing-field]",
        "error: b.jsonl:1: expected a time and found none [missing-field]",
        "error: a.jsonl:9: more than 100 levels [too-deep]",
        "error: … and 2 more [missing-field] in a.jsonl",
    ]


def test_all_are_shown_where_there_is_no_most() -> None:
    watcher, stream = watched(None)
    for number in range(100):
        watcher.on_rejected(*missing("a.jsonl", number, hint=None))
    watcher.finish()
    assert len(stream.getvalue().splitlines()) == 100


TRAINING = RecordError("fine-tuning-data", "this looks like training data")


def test_a_source_of_training_data_alone_is_told_once() -> None:
    watcher, stream = watched(None)
    for uri, lines in (("a.jsonl", 1000), ("b.jsonl", 3)):
        for number in range(1, lines + 1):
            watcher.on_rejected(SourceRef(uri, number, 0), TRAINING)
    watcher.finish()
    assert stream.getvalue().splitlines() == [
        "error: a.jsonl:1: this looks like training data [fine-tuning-data]",
        "error: b.jsonl:1: this looks like training data [fine-tuning-data]",
        "error: … and 999 more [fine-tuning-data] in a.jsonl",
        "error: … and 2 more [fine-tuning-data] in b.jsonl",
    ]


@pytest.mark.parametrize("is_rejected", [False, True])
def test_training_data_among_other_records_is_told_each_with_its_place(is_rejected: bool) -> None:
    watcher, stream = watched(None)
    for number in (1, 2, 3):
        watcher.on_rejected(SourceRef("a.jsonl", number, 0), TRAINING)
    if is_rejected:
        watcher.on_rejected(*missing("a.jsonl", 4))
    else:
        watcher.on_passed(SourceRef("a.jsonl", 4, 0))
    watcher.on_rejected(SourceRef("a.jsonl", 5, 0), TRAINING)
    watcher.finish()
    assert re.findall(r"error: a.jsonl:(\d): this looks", stream.getvalue()) == ["1", "2", "3", "5"]
    assert "more" not in stream.getvalue()


def test_of_training_data_that_waited_no_more_than_the_most_are_told() -> None:
    watcher, stream = watched(2)
    for number in range(1, 7):
        watcher.on_rejected(SourceRef("a.jsonl", number, 0), TRAINING)
    watcher.on_passed(SourceRef("a.jsonl", 7, 0))
    watcher.finish()
    assert stream.getvalue().splitlines() == [
        "error: a.jsonl:1: this looks like training data [fine-tuning-data]",
        "error: a.jsonl:2: this looks like training data [fine-tuning-data]",
        "error: … and 4 more [fine-tuning-data] in a.jsonl",
    ]


def test_a_bucket_of_a_record_each_takes_no_memory() -> None:
    """Neither those that passed nor those that were rejected and shown; 400 bytes each would be 12 MB."""
    with Path(os.devnull).open("w") as nowhere:
        watcher = Watcher(Talk(nowhere, PLAIN), lambda _: None, most=20)
        tracemalloc.start()
        try:
            for number in range(30_000):
                watcher.on_passed(SourceRef(f"logs/{number:07}.json", 1, 0))
                watcher.on_rejected(*missing(f"logs/bad-{number:07}.json", 1, hint=None))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 8 * 1024 * 1024


def test_a_source_error_is_told_with_its_hint_once() -> None:
    watcher, stream = watched()
    for name in "ab":
        watcher.on_source_error(SourceError("git-lfs-pointer", name, "a pointer", hint="git lfs pull"))
    assert stream.getvalue().splitlines() == [
        "error: a: a pointer [git-lfs-pointer]",
        "hint: git lfs pull",
        "error: b: a pointer [git-lfs-pointer]",
    ]


def test_a_route_is_told_when_it_is_found_and_when_it_changes() -> None:
    watcher, stream = watched(routes=True)
    report = RunReport("r", Mode.SEND)
    counts = report.destined(US)
    watcher.on_progress(report)
    counts.endpoint = Endpoint.V1
    watcher.on_progress(report)
    watcher.on_progress(report)
    counts.endpoint = Endpoint.BATCH
    watcher.on_progress(report)
    assert [line.rsplit(" ", 1)[1] for line in stream.getvalue().splitlines()] == ["v1", "batch"]


def test_quiet_talk_prints_errors_and_hints_only() -> None:
    stream = io.StringIO()
    talk = Talk(stream, PLAIN, quiet=True)
    talk.say("hello")
    talk.error("no", "do this")
    assert stream.getvalue() == "error: no\nhint: do this\n"


def test_talk_goes_on_where_the_stream_is_closed_or_gone() -> None:
    Talk(None, PLAIN).error("no")
    stream = io.StringIO()
    talk = Talk(stream, PLAIN)
    stream.close()
    talk.error("no")
    talk.error("no")


def test_lines_of_several_threads_do_not_mix() -> None:
    stream = io.StringIO()
    talk = Talk(stream, PLAIN)

    def talk_on() -> None:
        for _ in range(50):
            talk.say("x" * 50)

    threads = [threading.Thread(target=talk_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(stream.getvalue().splitlines()) == {"x" * 50}
