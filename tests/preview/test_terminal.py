"""The preview in a terminal: legible from 80 columns on, harmless whatever the log holds, and with the figures in it."""

import re
import unicodedata
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from posthog_llm_cli.preview.terminal import render
from tests.laws import examples
from tests.preview.making import Seen, event, events, fold, seen

ANSI = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\n\u202e evil\u2028 phc_abcdefghijklmnop0123 [red]x[/red] :smile:"


def some(count: int = 30, *, days: int = 5) -> list[Seen]:
    return [
        seen(
            event(
                number,
                {
                    "$ai_model": ("gpt-4o", "claude-sonnet-4")[number % 2], "$ai_provider": "openai",
                    "$ai_trace_id": f"trace-{number // 3}", "$ai_span_id": f"s-{number}", "$ai_latency": number / 10,
                    "$ai_input_tokens": 1000, "$ai_output_tokens": 20, "$ai_total_cost_usd": 0.01,
                    "$ai_is_error": number == 4, "$ai_error_type": "Timeout", "$ai_error": "the upstream took too long",
                },
                age=timedelta(days=number % days), distinct_id=f"u-{number % 7}",
            )
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("width", [80, 160])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    for met in (some(), some(days=60), some(200, days=30)):
        lines = render(fold(met), width=width, colour=False).splitlines()
        assert max(map(cell_len, lines)) <= width


@settings(max_examples=examples(30))
@given(events(), st.sampled_from([80, 160]))
def test_no_log_makes_it_wider(met: list[Seen], width: int) -> None:
    lines = render(fold(met), width=width, colour=False).splitlines()
    assert max(map(cell_len, lines), default=0) <= width


@pytest.mark.parametrize("width", [80, 160])
def test_the_figures_are_there(width: int) -> None:
    shown = render(fold(some()), width=width, colour=False)
    for text in ("30 calls", "1 error (3 %)", "30.0 k tokens in", "600 out", "$0.30 logged", "7 users", "10 traces"):
        assert text in shown
    assert re.search(r"gpt-4o openai +15 ", shown)
    assert "Timeout" in shown
    assert "the upstream took too long" in shown
    assert "app.jsonl:30" in shown
    assert "30 events to send" in shown


def test_few_days_are_rows_and_many_a_chart() -> None:
    assert re.search(r"2026-06-01 Mon +█+ +6 ", render(fold(some()), width=80, colour=False))
    chart = render(fold(some(60, days=60)), width=80, colour=False)
    assert "most on " in chart
    assert "× marks a day with errors" in chart


def test_a_trace_is_a_tree() -> None:
    met = [
        seen(event(0, {"$ai_trace_id": "t", "$ai_span_id": "a", "$ai_span_name": "agent", "$ai_latency": 9})),
        seen(event(1, {"$ai_trace_id": "t", "$ai_span_id": "b", "$ai_parent_id": "a", "$ai_span_name": "first"})),
        seen(event(2, {"$ai_trace_id": "t", "$ai_span_id": "c", "$ai_parent_id": "b", "$ai_span_name": "below"})),
        seen(event(3, {"$ai_trace_id": "t", "$ai_span_id": "d", "$ai_parent_id": "a", "$ai_span_name": "second"})),
    ]
    shown = render(fold(met), width=100, colour=False)
    tree = [line.split("  █")[0].rstrip() for line in shown.splitlines() if "─ " in line]
    assert [line[: line.index(name) + len(name)] for line, name in zip(tree, ("agent", "first", "below", "second"), strict=True)] == [
        "└─ agent", "   ├─ first", "   │  └─ below", "   └─ second",
    ]  # fmt: skip


@pytest.mark.parametrize("colour", [False, True])
def test_nothing_of_a_log_reaches_the_terminal_as_a_command(colour: bool) -> None:
    names = dict.fromkeys(("$ai_model", "$ai_provider", "$ai_span_name", "$ai_trace_name", "$ai_error"), HOSTILE)
    ids = {name: f"{HOSTILE}{name}" for name in ("$ai_trace_id", "$ai_session_id", "$ai_error_type")}
    one = event(1, {**names, **ids, "$ai_is_error": True, "$ai_latency": 1, "$ai_input_tokens": 1})
    shown = render(fold([seen(one)]), width=160, colour=colour)
    plain = ANSI.sub("", shown)
    assert bool(ANSI.search(shown)) is colour
    assert [
        letter for letter in plain if unicodedata.category(letter) in {"Cc", "Zl", "Zp", "Cf"} and letter != "\n"
    ] == []
    assert "phc_abcdefghijklmnop0123" not in plain
    assert "[red]x[/red]" in plain
    assert ":smile:" in plain


def test_a_log_without_calls_says_so() -> None:
    assert render(fold([]), width=80, colour=False) == "no calls to show\n"


def test_what_is_unknown_is_dim_and_names_its_fields() -> None:
    shown = render(fold([seen(event(1, {"$ai_model": "m"}))]), width=80, colour=False)
    assert "session 0 % (no field found: session_id)" in shown
    assert "model 100 %" in shown
