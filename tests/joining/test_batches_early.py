"""Lines of batches that go on before the sources end: where what they answer is known."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.model import Idle, LogLine, Mark, SourceRef
from tests.formats.batch_lines import with_input
from tests.joining.joining import Written, asked, join, output, prompts, skips
from tests.joining.test_batches import WRITTEN, letter
from tests.laws import examples

MINI = "gpt-4o-mini-2024-07-18"
RANK_END, SOURCE_END = Mark.RANK_END, Mark.SOURCE_END
Step = Written | Mark | Idle


def steps(given: Iterable[Step]) -> Iterator[LogLine | Mark | Idle]:
    """What a reader gives: marks stand where they are written, and nowhere else."""
    count: dict[str, int] = {}
    for step in given:
        if isinstance(step, Mark | Idle):
            yield step
            continue
        name, record = step
        count[name] = count.get(name, 0) + 1
        raw = record if isinstance(record, bytes) else orjson.dumps(record)
        yield LogLine(SourceRef(name, count[name], 100 * count[name]), raw)


def gone_on(*given: Step) -> list[LogLine]:
    """What has gone on when a run is cut after these."""
    read: list[bool] = []

    def all_of_them() -> Iterator[Any]:
        yield from steps(given)
        read.append(True)

    with Joiner() as joiner:
        found = list(joiner.join(all_of_them(), is_cut=lambda: bool(read)))
    return [line for line in found if isinstance(line, LogLine)]


ONE = ("in", asked("a", prompt="A"))
OTHER = ("in-2", asked("a", prompt="A2")), ("in-2", asked("b", prompt="B2"))


def test_with_one_input_read_an_output_line_goes_on_at_once() -> None:
    found = gone_on(ONE, SOURCE_END, RANK_END, ("out", output("x", MINI)), ("out", output("a", MINI)))
    assert prompts(found) == {"out:2": "A"}


def test_while_inputs_may_follow_nothing_goes_on() -> None:
    assert gone_on(ONE, SOURCE_END, ("out", output("a", MINI)), SOURCE_END, Idle()) == []


def test_with_several_inputs_a_file_goes_on_whole_when_it_ends() -> None:
    begun = (ONE, SOURCE_END, *OTHER, SOURCE_END, RANK_END, ("out", output("a", MINI)), ("out", output("b", MINI)))
    assert gone_on(*begun) == []
    assert prompts(gone_on(*begun, SOURCE_END)) == {"out:1": "A2", "out:2": "B2"}


def test_with_several_inputs_a_file_with_a_line_that_nothing_asked_for_waits() -> None:
    begun = (ONE, SOURCE_END, *OTHER, SOURCE_END, RANK_END)
    assert gone_on(*begun, ("out", output("a", MINI)), ("out", output("x", MINI)), SOURCE_END) == []


def test_an_input_line_where_none_was_expected_lets_everything_wait_again() -> None:
    late = (ONE, SOURCE_END, RANK_END, ("mixed", output("x", MINI)), ("mixed", asked("x", prompt="X")))
    assert gone_on(*late, ("mixed", output("a", MINI)), SOURCE_END, RANK_END, ("out", output("a", MINI))) == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([ONE[1], output("a", MINI)], {"-:2": "A"}),
        ([output("a", MINI), ONE[1]], {}),
        ([ONE[1], ONE[1], output("a", MINI)], {}),
        ([asked("a", "gpt-4.1"), output("a", MINI)], {}),
        ([ONE[1], output("b", MINI), output("a", MINI), output("a", MINI)], {"-:3": "A", "-:4": "A"}),
    ],
    ids=["answered", "before it was asked", "asked twice", "another model", "one of two"],
)
def test_in_a_silent_pipe_what_was_asked_before_goes_on(lines: list[Any], expected: dict[str, str]) -> None:
    assert prompts(gone_on(*(("-", line) for line in lines), Idle(), Idle())) == expected


def test_a_pipe_goes_on_from_pause_to_pause_and_each_line_once() -> None:
    pieces: list[Step] = []
    for name in "abc":
        pieces += [("-", asked(name, prompt=name)), ("-", output(name, MINI)), Idle()]
    with Joiner() as joiner:
        found = list(joiner.join(steps([*pieces, SOURCE_END]), is_cut=lambda: False))
    gone = [line for line in found if isinstance(line, LogLine)]
    assert [prompts([line]) for line in gone[:3]] == [{"-:2": "a"}, {"-:4": "b"}, {"-:6": "c"}]
    assert skips(gone[3:]) == {"-:1": (), "-:3": (), "-:5": ()}


def test_letters_and_joined_lines_go_on_at_once_too() -> None:
    written = ("dead", letter(output("a", MINI))), ("dead", with_input(output("a", MINI), asked("a", prompt="own")))
    assert prompts(gone_on(ONE, SOURCE_END, RANK_END, *written)) == {"dead:1": "A", "dead:2": "own"}


def test_one_file_twice_is_two_times_its_lines() -> None:
    out: list[Step] = [("out", output("a", MINI)), ("out", output("b", MINI)), SOURCE_END]
    given: list[Step] = [ONE, SOURCE_END, *OTHER, SOURCE_END, RANK_END, *out, *out]
    with Joiner() as joiner:
        found = [line for line in joiner.join(steps(given), is_cut=lambda: False) if isinstance(line, LogLine)]
    assert prompts(found) == {"out:1": "A2", "out:2": "B2", "out:3": "A2", "out:4": "B2"}
    assert len(found) == 7


def told(line: LogLine) -> tuple[Any, ...]:
    return str(line.ref), line.raw, line.warnings, None if line.skipped is None else line.skipped.code


@given(WRITTEN)
@settings(max_examples=examples(150), deadline=None)
def test_what_goes_on_early_is_what_would_go_on_at_the_end(written: list[tuple[str, str, str, str | None]]) -> None:
    sides: dict[str, dict[str, list[Written]]] = {"in": {}, "out": {}}
    for number, (side, name, custom_id, model) in enumerate(written):
        made = (
            asked(custom_id, model or "", f"prompt {number}")
            if side == "in"
            else output(custom_id, model, f"c-{number}")
        )
        sides[side].setdefault(name, []).append((name, made))
    given: list[Step] = []
    for files in sides.values():
        for lines in files.values():
            given += [*lines, SOURCE_END]
        given.append(RANK_END)
    with Joiner() as joiner:
        early = list(joiner.join(steps(given), is_cut=lambda: False))
    late = join([step for step in given if not isinstance(step, Mark | Idle)])
    assert sorted(map(told, (line for line in early if isinstance(line, LogLine)))) == sorted(map(told, late))
