"""What to run next: commands that a shell takes as they are printed, and none where nothing is left to do."""

import os
import shlex
import signal
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.errors import KeyRefused, LedgerError, Retryable, Unreachable
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.report.next_steps import MOST_CHARACTERS, CommandLine, next_steps
from posthog_llm_cli.report.text import harmless, is_unsafe
from tests.report.making import EU, US, destined, report

TYPED = CommandLine(
    "send", (("--host", "https://eu.i.posthog.com"), ("--limit", "20"), ("--yes", None)), ("my log.jsonl",)
)


def told(found: RunReport, typed: CommandLine = TYPED, **known: bool) -> list[tuple[str, str | None]]:
    return [(step.why, step.command) for step in next_steps(found, typed, **known)]


def test_nothing_is_left_to_do_after_a_run_that_settled_everything() -> None:
    assert told(report(accepted=3)) == []
    assert told(report(Mode.MOCK, accepted=3)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"unconfirmed": 3},
        {"interrupted_by": int(signal.SIGTERM)},
        {"out_of_time": True},
        {"ledger_error": LedgerError("no room")},
        {"destinations": {US: destined(error=Retryable("no answer"))}, "unconfirmed": 1},
    ],
)
def test_what_is_not_done_is_the_same_command_again(changes: dict[str, Any]) -> None:
    (step,) = told(report(**changes))
    assert step == (
        "the same again: what is settled is not sent twice",
        "plh send --host https://eu.i.posthog.com --limit 20 --yes 'my log.jsonl'",
    )


def test_without_a_ledger_the_same_again_sends_everything() -> None:
    ((why, _),) = told(report(unconfirmed=1), keeps_ledger=False)
    assert why == "the same again: everything is sent again, with the same ids"


@pytest.mark.parametrize("sources", [(), ("-",), ("a.jsonl", "-")])
def test_a_pipe_must_be_given_again(sources: tuple[str, ...]) -> None:
    ((why, command),) = told(report(unconfirmed=1), CommandLine("send", (), sources))
    assert why.endswith("; what came through the pipe must be given again")
    assert command == " ".join(("plh send", *sources))


def test_a_refused_key_comes_first() -> None:
    ((why, _),) = told(report(unconfirmed=1, destinations={US: destined(error=KeyRefused("no"))}))
    assert why.startswith("the same again, once the key or the quota is in order: ")


def test_a_host_that_serves_no_capture_comes_first_but_for_a_refused_key() -> None:
    stopped = destined(error=Unreachable("a redirect"))
    ((why, _),) = told(report(unconfirmed=1, destinations={US: stopped}))
    assert why.startswith("the same again, once the host is in order: ")
    ((why, _),) = told(report(unconfirmed=2, destinations={US: stopped, EU: destined(EU, error=KeyRefused("no"))}))
    assert why.startswith("the same again, once the key or the quota is in order: ")


def test_dead_letters_are_sent_as_the_log_was_but_for_what_was_meant_for_the_log() -> None:
    options = (
        ("--format", "litellm"),
        ("--limit", "5"),
        ("--host", "https://h.example"),
        ("--dead-letter", "/tmp/my letters"),
    )
    typed = CommandLine("send", options, ("a.jsonl",))
    assert told(report(rejections={"missing-field": 2}, dead_letter="/tmp/my letters"), typed, adds_letters=True) == [
        (
            "takes the 2 rejected records up again, when the cause is gone",
            "plh send --host https://h.example --dead-letter /tmp/ '/tmp/my letters'",
        )
    ]
    ((why, command),) = told(report(rejections={"too-deep": 1}, dead_letter="/tmp/my letters/now.jsonl"), typed)
    assert why == "takes the rejected record up again, when the cause is gone"
    assert command == "plh send --host https://h.example --dead-letter '/tmp/my letters' '/tmp/my letters/now.jsonl'"


def test_letters_without_their_record_are_not_said_to_be_taken_up() -> None:
    kept = "/tmp/letters.jsonl"
    assert told(report(rejections={"record-too-long": 2}, dead_letter=kept)) == []
    ((why, _),) = told(report(rejections={"record-too-long": 2, "too-deep": 1}, dead_letter=kept))
    assert why == "takes the rejected record up again, when the cause is gone"


def test_after_a_few_comes_the_rest() -> None:
    assert told(report(limit_reached=True)) == [
        ("the rest: what is settled is not sent twice", "plh send --host https://eu.i.posthog.com --yes 'my log.jsonl'")
    ]


def test_a_rehearsal_is_followed_by_what_it_rehearsed_and_a_look_by_a_rehearsal() -> None:
    typed = CommandLine("send", (("--dry-run", None), ("--privacy-mode", None)), ("a.jsonl",))
    assert told(report(Mode.DRY_RUN, accepted=3), typed)[0][1] == "plh send --privacy-mode a.jsonl"
    assert (
        told(report(Mode.VALIDATE, accepted=3), CommandLine("validate", (), ("a.jsonl",)))[0][1]
        == "plh send --dry-run a.jsonl"
    )
    assert told(report(Mode.DRY_RUN), typed) == told(report(Mode.VALIDATE), typed) == []


def test_a_command_that_is_too_long_is_not_repeated() -> None:
    typed = CommandLine("send", (), tuple(f"log-{number}.jsonl" for number in range(1000)))
    assert len(str(typed)) > MOST_CHARACTERS
    assert told(report(unconfirmed=1), typed)[0][1] is None


def test_names_that_may_not_be_printed_are_read_by_bash_all_the_same() -> None:
    names = [
        "new\nline.jsonl",
        os.fsdecode(b"latin\xe9.jsonl"),
        "it's \x1b[31m red\\.jsonl",
        "\u202eright.jsonl",
        "ü '.jsonl",
    ]
    names += [os.fsdecode(bytes(range(1, 256))), os.fsdecode(b"\xe90")]
    command = str(CommandLine("send", (("--property", "a=b\tc"),), tuple(names)))
    assert harmless(command) == command
    script = f"plh() {{ printf '%s\\0' \"$@\"; }}; {command}"
    read = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout.split(b"\0")[:-1]
    assert [os.fsdecode(word) for word in read] == ["send", "--property", "a=b\tc", *names]


PRINTED = st.text().filter(lambda text: not any(map(is_unsafe, text)))


@given(
    st.lists(st.tuples(st.sampled_from(["--host", "--property", "--yes"]), st.none() | PRINTED)),
    st.lists(PRINTED.filter(bool), max_size=4),
)
def test_a_shell_reads_what_was_typed(options: list[tuple[str, str | None]], sources: list[str]) -> None:
    words = shlex.split(str(CommandLine("send", tuple(options), tuple(sources))))
    typed = [word for name, value in options for word in ([name] if value is None else [name, value])]
    assert words[: 2 + len(typed)] == ["plh", "send", *typed]
    assert words[len(words) - len(sources) :] == sources
    assert len(words) - 2 - len(typed) - len(sources) == any(name.startswith("-") and name != "-" for name in sources)
