"""`plh` on a terminal: the question, colour, progress, and what of them a dumb terminal gets."""

import re
import signal
import sys
from pathlib import Path

import pytest
import typer

from posthog_llm_cli.cli.question import ask
from posthog_llm_cli.cli.talk import Talk
from posthog_llm_cli.config.display import Display
from posthog_llm_cli.mockserver import MockServer
from tests.cli.running import KEY, MASKED, lines, record, run_on_terminal, write_log

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
ASKS = "[y/N]"


def to(server: MockServer, **more: str) -> dict[str, str]:
    return {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url, **more}


def test_the_question_says_how_much_goes_where_and_what_it_means(home: Path, server: MockServer) -> None:
    write_log(home, 2)
    write_log(home, 1, "other.jsonl")
    ran = run_on_terminal(home, "send", "app.jsonl", "other.jsonl", env=to(server), answer=(ASKS, b"y\n"))
    assert (ran.code, len(server.events)) == (0, 2)
    size = sum((home / name).stat().st_size for name in ("app.jsonl", "other.jsonl"))
    assert f"send 2 files ({size / 1000:.1f} kB) to {server.url} with key {MASKED}?" in ran.err
    assert "billed like a live one" in ran.err
    assert KEY not in ran.err


@pytest.mark.parametrize("answer", [b"n\n", b"\n"])
def test_anything_but_yes_sends_nothing(home: Path, server: MockServer, answer: bytes) -> None:
    write_log(home, 1)
    ran = run_on_terminal(home, "send", "app.jsonl", env=to(server), answer=(ASKS, answer))
    assert (ran.code, len(server.requests)) == (2, 0)
    assert "nothing was sent" in ran.err


def test_leaving_the_question_is_an_interruption(home: Path, server: MockServer) -> None:
    write_log(home, 1)
    ran = run_on_terminal(home, "send", "app.jsonl", env=to(server), answer=(ASKS, b"\x04"))
    assert (ran.code, len(server.requests)) == (130, 0)
    assert ran.lines[-1].endswith("left without an answer: nothing was sent")
    assert ran.lines[-1].startswith("\x1b[31merror:")


def test_an_interrupt_reaches_the_question_and_no_handler_that_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    met: list[object] = []

    def asked(*_: object, **__: object) -> bool:
        met.append(signal.getsignal(signal.SIGINT))
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", asked)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(typer.Exit) as left:
            ask("send?", Talk(sys.stderr, Display(colour=False, dumb=True)), "nothing was sent")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert (left.value.exit_code, met) == (130, [signal.default_int_handler])
    assert "left without an answer: nothing was sent" in capsys.readouterr().err


def test_yes_and_rehearsals_and_a_stdin_that_is_no_terminal_are_not_asked(home: Path, server: MockServer) -> None:
    write_log(home, 1)
    for arguments, stdin_is_terminal in ((("-y",), True), (("-n",), True), (("--mock",), True), ((), False)):
        ran = run_on_terminal(
            home, "send", "app.jsonl", *arguments, env=to(server), stdin_is_terminal=stdin_is_terminal
        )
        assert ran.code == 0
        assert ASKS not in ran.err
    assert len(server.events) >= 1


def test_a_terminal_gets_colour_and_a_bar_that_goes_away(home: Path, server: MockServer) -> None:
    (home / "app.jsonl").write_bytes(lines(record(1), b"{broken"))
    ran = run_on_terminal(home, "send", "-y", "app.jsonl", env=to(server))
    assert "\x1b[31merror:\x1b[0m app.jsonl:2" in ran.err
    assert "━" in ran.err
    assert ran.err.rindex(HIDE_CURSOR) < ran.err.rindex(SHOW_CURSOR)
    assert ran.err.rindex("━") < ran.err.index("send: 2 records read")


def test_a_pipe_of_unknown_length_gets_counts_without_a_bar(home: Path) -> None:
    write_log(home, 1)
    ran = run_on_terminal(home, "validate", "/dev/null", "-", stdin_is_terminal=False)
    assert ran.code == 0
    assert "0 records, 0 convertible, 0 rejected" in ran.err


@pytest.mark.parametrize("wish", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_wishes_are_heard(home: Path, server: MockServer, wish: dict[str, str]) -> None:
    (home / "app.jsonl").write_bytes(lines(b"{broken"))
    ran = run_on_terminal(home, "send", "-y", "app.jsonl", env=to(server, **wish))
    assert "\x1b[31m" not in ran.err
    assert "error: app.jsonl:1" in ran.err
    if "TERM" in wish:
        assert "\x1b" not in ran.err


def test_quiet_has_no_bar(home: Path, server: MockServer) -> None:
    write_log(home, 1)
    assert run_on_terminal(home, "send", "-y", "-q", "app.jsonl", env=to(server)).err == ""


def test_no_source_on_a_terminal_is_help_and_exit_2(home: Path) -> None:
    ran = run_on_terminal(home, "send")
    assert (ran.code, ran.out) == (2, "")
    assert "Usage: plh send" in re.sub(r"\x1b\[[0-9;]*m", "", ran.err)


def test_markup_in_a_files_name_is_text(home: Path, server: MockServer) -> None:
    (home / "[red]x[b] :smile:.jsonl").write_bytes(lines(b"{broken"))
    ran = run_on_terminal(home, "send", "-y", "[red]x[b] :smile:.jsonl", env=to(server))
    assert "[red]x[b] :smile:.jsonl:1" in ran.err


@pytest.mark.parametrize("columns", [80, 120, None])
def test_advice_is_folded_to_the_terminal_and_no_setting_is_broken(home: Path, columns: int | None) -> None:
    write_log(home, 3)
    ran = run_on_terminal(home, "validate", "app.jsonl", columns=columns)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", ran.err).split("\n")
    begin = next(index for index, line in enumerate(shown) if line.startswith("of 3 calls: "))
    prose = shown[begin : next(index for index, line in enumerate(shown) if line.startswith("warning:"))]
    assert "  litellm: 0 of 3 calls name a user" in prose
    assert any("`general_settings: user_header_mappings`" in line for line in prose)
    longest = max(map(len, prose))
    assert longest <= columns if columns is not None else longest > 200
