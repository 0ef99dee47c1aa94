"""Lines of batches come together as openai-logs.md 4.3 says, whatever the order of files and lines."""

import random
from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.deadletter import DeadLetter, encode_letter
from posthog_llm_cli.formats.openai_batch import is_mismatch, model_fit
from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.joining._batch_choice import nearest, plain_name
from posthog_llm_cli.model import Mark, SourceRef
from posthog_llm_cli.values import replace
from tests.formats.batch_lines import answered, failed, with_input
from tests.joining.joining import Written, asked, join, lines, output, prompt_of, prompts, skips
from tests.laws import examples

MINI = "gpt-4o-mini-2024-07-18"
FULL = "gpt-4o-2024-08-06"


def letter(record: Any, source: str = "out.jsonl") -> bytes:
    raw = record if isinstance(record, bytes) else orjson.dumps(record)
    return encode_letter(DeadLetter(SourceRef(source, 3, 7), "missing-field", "$.model", "no model", None, raw))


# --------------------------------------------------------------------------------------------------------- one input file


@pytest.mark.parametrize("seed", range(6))
def test_one_input_file_answers_every_output_in_any_order(seed: int) -> None:
    written: list[Written] = [("in.jsonl", asked(f"id-{n}", prompt=f"prompt {n}")) for n in range(5)]
    written += [("out.jsonl", output(f"id-{n}", MINI)) for n in range(3)] + [("err.jsonl", output("id-3", None))]
    random.Random(seed).shuffle(written)
    found = join(written)
    assert len(found) == len(written)
    assert Counter(prompts(found).values()) == Counter(f"prompt {n}" for n in range(4))
    for line in found:
        if line.skipped is None:
            record = orjson.loads(line.raw)
            assert record["custom_id"] == record["plh_batch_input"]["custom_id"]
    assert sorted(skips(found).values()) == [(), (), (), (), ("batch-unanswered",)]


def test_a_pipe_holds_both_sides_in_either_order() -> None:
    asking, answering = ("-", asked("a", prompt="A")), ("-", output("a", MINI))
    assert prompts(join([asking, answering])) == {"-:2": "A"}
    assert prompts(join([answering, asking])) == {"-:1": "A"}


def test_an_output_without_an_input_goes_on_as_it_was() -> None:
    raw = b'{"custom_id": "a",  "response": {"status_code": 200, "body": {"choices": []}}, "error": NaN}'
    (line,) = join([("out.jsonl", raw)])
    assert (line.raw, line.ref, line.warnings) == (raw, SourceRef("out.jsonl", 1, 100), ())


def test_outputs_come_before_inputs_each_in_the_order_of_reading() -> None:
    written = [
        ("in.jsonl", asked("a")),
        ("out.jsonl", output("b", MINI)),
        ("out.jsonl", output("a", MINI)),
        ("in.jsonl", asked("c")),
    ]
    assert [str(line.ref) for line in join(written)] == ["out.jsonl:1", "out.jsonl:2", "in.jsonl:1", "in.jsonl:2"]


def test_other_records_pass_in_their_place_while_lines_of_batches_wait() -> None:
    other = {"object": "chat.completion", "metadata": {"custom_id": "a"}}
    event = {"event": "$ai_generation", "distinct_id": "d", "properties": {}, "custom_id": "a", "response": {}}
    found = join([("x", output("a", MINI)), ("x", other), ("x", event), ("x", b"custom_id {"), ("x", asked("a"))])
    assert [str(line.ref) for line in found] == ["x:2", "x:3", "x:4", "x:1", "x:5"]


@pytest.mark.parametrize("custom_id", [None, "", "  ", True, 1.5, ["a"], {}])
def test_a_line_without_an_id_is_not_joined(custom_id: Any) -> None:
    found = join([("in", asked(custom_id)), ("out", answered(custom_id))])
    assert [line.skipped for line in found] == [None, None]
    assert all(b"plh_batch_input" not in line.raw for line in found)


def test_a_number_and_its_text_are_one_id() -> None:
    assert prompts(join([("in", asked(7, prompt="seven")), ("out", answered("7"))])) == {"out:1": "seven"}


def test_an_input_that_would_make_the_record_too_deep_is_left_out() -> None:
    deep: Any = "x"
    for _ in range(98):
        deep = [deep]
    found = join(
        [
            ("in", asked("a", messages=deep)),
            ("in", asked("b", messages=[deep])),
            ("out", answered("a")),
            ("out", answered("b")),
        ]
    )
    assert [b"plh_batch_input" in line.raw for line in found if line.ref.uri == "out"] == [True, False]


def test_what_framing_warned_of_stays_with_the_line() -> None:
    items = [
        replace(line, warnings=("copy-escaped", "x"))
        for line in lines([("in", asked("a")), ("out", answered("a"))])
        if not isinstance(line, Mark)
    ]
    with Joiner() as joiner:
        found = list(joiner.join(iter(items), is_cut=lambda: False))
    assert [line.warnings for line in found] == [("copy-escaped", "x")] * 2  # type: ignore[union-attr]


def test_a_double_encoded_line_is_joined_too() -> None:
    raw = orjson.dumps(orjson.dumps(answered("a")).decode())
    assert prompts(join([("in", asked("a", prompt="A")), ("out", raw)])) == {"out:1": "A"}


def test_the_lines_of_a_batch_in_arrays_are_joined_one_by_one() -> None:
    answers = [output("a", MINI), output("b", MINI)]
    found = join([("in", [asked("a", prompt="A")]), ("in", [asked("b", prompt="B")]), ("out", answers), ("out", [{}])])
    assert [prompt_of(line) for line in found if line.ref == SourceRef("out", 1, 100)] == ["A", "B"]
    assert [line.raw for line in found if line.ref.line == 2 and line.ref.uri == "out"] == [b"[{}]"]


def test_the_lines_of_a_batch_under_a_tables_name_are_joined_one_by_one() -> None:
    found = join(
        [("in", {"inputs": [asked("a", prompt="A"), asked("b", prompt="B")]}), ("out", {"rows": [output("b", MINI)]})]
    )
    assert prompts(found) == {"out:1": "B"}
    assert len(found) == 3


def test_with_another_format_there_is_nothing_to_join() -> None:
    written = [("in", asked("a")), ("out", output("a", MINI))]
    assert [line.skipped for line in join(written, format_name="openai-chat")] == [None, None]
    assert prompts(join(written, format_name="openai-batch")) == {"out:1": "2+2?"}


# ------------------------------------------------------------------------------------------------------------ duplicates


def test_of_one_id_twice_in_an_input_file_the_last_wins() -> None:
    found = join([("in", asked("a", prompt="first")), ("in", asked("a", prompt="last")), ("out", output("a", MINI))])
    assert prompts(found) == {"out:1": "last"}
    assert skips(found) == {"in:1": ("duplicate-custom-id",), "in:2": ()}


def test_an_id_twice_in_one_pipe_is_told_apart_by_the_model() -> None:
    asking = [("-", asked("a", "gpt-4o-mini", "mini")), ("-", asked("a", "gpt-4o", "full"))]
    found = join([*asking, ("-", output("a", MINI)), ("-", output("a", FULL)), ("-", output("a", None))])
    assert prompts(found) == {"-:3": "mini", "-:4": "full", "-:5": "full"}
    assert skips(found) == {"-:1": ("duplicate-custom-id",), "-:2": ()}


def test_one_id_twice_in_an_output_is_two_calls() -> None:
    found = join([("in", asked("a", prompt="A")), ("out", output("a", MINI, "1")), ("out", output("a", MINI, "2"))])
    assert prompts(found) == {"out:1": "A", "out:2": "A"}
    assert skips(found) == {"in:1": ()}


def test_the_same_file_given_twice_is_one_file() -> None:
    asking, answering = ("in", asked("a", prompt="A")), ("out", output("a", MINI))
    found = join([asking, asking, answering])
    assert prompts(found) == {"out:1": "A"}
    assert all("ambiguous-batch-input" not in line.warnings for line in found)


# ---------------------------------------------------------------------------------------------------- several input files


def test_the_file_that_covers_most_ids_is_the_one() -> None:
    written = [("less", asked(i, "gpt-4o-mini", f"less {i}")) for i in "ab"] + [
        ("most", asked(i, "gpt-4", f"most {i}")) for i in "abc"
    ]
    found = join(written + [("out", output(i, MINI)) for i in "abc"])
    assert prompts(found) == {"out:1": "most a", "out:2": "most b", "out:3": "most c"}
    assert skips(found)["less:1"] == ("batch-unanswered",)


@pytest.mark.parametrize("swapped", [False, True])
def test_files_that_cover_the_same_are_told_apart_by_the_model(swapped: bool) -> None:
    names = ("y", "x") if swapped else ("x", "y")
    written = [(names[0], asked("a", "gpt-4o", "full")), (names[1], asked("a", "gpt-4o-mini", "mini"))]
    found = join([*written, ("1", output("a", MINI)), ("2", output("a", FULL))])
    assert prompts(found) == {"1:1": "mini", "2:1": "full"}
    assert not [line for line in found if "ambiguous-batch-input" in line.warnings]


def test_a_failed_line_goes_with_the_others_of_its_file() -> None:
    written = [("x", asked(i, "gpt-4o", f"full {i}")) for i in "ab"] + [
        ("y", asked(i, "gpt-4o-mini", f"mini {i}")) for i in "ab"
    ]
    found = join([*written, ("out", output("a", MINI)), ("out", output("b", None))])
    assert prompts(found) == {"out:1": "mini a", "out:2": "mini b"}


def test_where_nothing_else_tells_the_nearest_name_is_taken_and_warned_of() -> None:
    written = [(f"runs/{n}/batch_input.jsonl", asked("a", prompt=f"run {n}")) for n in (1, 11, 2)]
    found = join(
        [*written, ("runs/11/batch_output.jsonl", output("a", MINI)), ("runs/2/batch_errors.jsonl", output("a", None))]
    )
    assert prompts(found) == {"runs/11/batch_output.jsonl:1": "run 11", "runs/2/batch_errors.jsonl:1": "run 2"}
    assert [line.warnings for line in found if line.skipped is None] == [("ambiguous-batch-input",)] * 2
    assert skips(found)["runs/1/batch_input.jsonl:1"] == ("batch-unanswered",)


def test_an_input_in_several_files_answers_one_output() -> None:
    written = [(f"part-{n}", asked(f"id-{n}{i}", prompt=f"{n}{i}")) for n in range(3) for i in range(n + 1)]
    found = join(written + [("all", output(f"id-{n}{i}", MINI)) for n in range(3) for i in range(n + 1)])
    assert sorted(prompts(found).values(), key=str) == ["00", "10", "11", "20", "21", "22"]
    assert not [line for line in found if line.warnings]


def test_another_batch_with_the_same_ids_does_not_lend_its_prompts() -> None:
    own = [("own", asked(i, prompt=f"own {i}")) for i in "abc"]
    rival = [("rival", asked(i, prompt=f"rival {i}")) for i in "ad"]
    other_model = [("other", asked("e", "gpt-4.1", "other e"))]
    found = join(own + rival + other_model + [("out", output(i, MINI)) for i in "abcde"])
    assert [prompts(found)[f"out:{n}"] for n in range(1, 6)] == ["own a", "own b", "own c", None, None]


def test_what_goes_on_where_the_chosen_file_ends_is_told_by_the_file_whose_model_answered() -> None:
    wrong = [("wrong", asked(i, "gpt-4o", f"wrong {i}")) for i in "abd"]
    right = [("right", asked(i, "gpt-4o-mini", f"right {i}")) for i in "abe"]
    beside = [("beside", asked(i, "gpt-4o-mini", f"beside {i}")) for i in "dc"]  # shares an id with the wrong one
    found = join(wrong + right + beside + [("out", output(i, MINI)) for i in "abcde"])
    assert list(prompts(found).values()) == ["right a", "right b", "beside c", "beside d", "right e"]


def test_of_two_further_parts_the_one_that_covers_more_is_taken() -> None:
    first = [("first", asked(i, prompt=f"first {i}")) for i in "abc"]
    more = [("more", asked(i, "gpt-4o", f"more {i}")) for i in "de"]
    less = [("less", asked("d", "gpt-4o-mini", "less d"))]
    found = join(first + more + less + [("out", output(i, MINI)) for i in "abcde"])
    assert list(prompts(found).values()) == ["first a", "first b", "first c", "more d", "more e"]


def test_several_outputs_in_one_pipe_are_told_apart_by_their_models() -> None:
    most = [("x", asked(i, "gpt-4o", f"full {i}")) for i in "abc"]
    less = [("y", asked(i, "gpt-4o-mini", f"mini {i}")) for i in "ab"]
    found = join(most + less + [("-", output(i, FULL)) for i in "abc"] + [("-", output(i, MINI)) for i in "ab"])
    assert list(prompts(found).values()) == ["full a", "full b", "full c", "mini a", "mini b"]


def test_a_hundred_batches_of_one_script_are_told_apart_by_their_names() -> None:
    written = [(f"b/{n:03}-in.jsonl", asked(f"request-{i}", prompt=f"{n} {i}")) for n in range(100) for i in range(3)]
    written += [(f"b/{n:03}-out.jsonl", output(f"request-{i}", MINI)) for n in range(100) for i in range(3)]
    found = prompts(join(written))
    assert len(found) == 300
    assert all(found[f"b/{n:03}-out.jsonl:{i + 1}"] == f"{n} {i}" for n in range(100) for i in range(3))


# ---------------------------------------------------------------------------------------------------------- dead letters


def test_the_line_in_a_dead_letter_is_joined_and_stays_in_one() -> None:
    found = join([("in.jsonl", asked("a", prompt="A")), ("dead.jsonl", letter(failed("a")))])
    assert prompts(found) == {"dead.jsonl:1": "A"}
    assert orjson.loads(found[0].raw)["record"]["response"] == failed("a")["response"]


def test_a_letter_that_holds_its_record_as_text_and_a_letter_in_a_letter_are_joined() -> None:
    raw = b'{"custom_id": "a", "response": {"status_code": 0, "body": {}, "x": NaN}}'
    for dead in (letter(raw), letter(letter(failed("a")))):
        (line, _) = join([("in.jsonl", asked("a", prompt="A")), ("dead.jsonl", dead)])
        assert b'"plh_batch_input":' in line.raw
        assert line.raw.startswith(b'{"plh_dead_letter":1,')


def test_a_letter_belongs_to_the_file_that_it_came_from() -> None:
    written = [(f"runs/{n}/in.jsonl", asked("a", prompt=f"run {n}")) for n in (1, 2)]
    found = join(
        [
            *written,
            ("dead.jsonl", letter(failed("a"), "runs/2/out.jsonl")),
            ("dead.jsonl", letter(failed("a"), "runs/1/out.jsonl")),
        ]
    )
    assert prompts(found) == {"dead.jsonl:1": "run 2", "dead.jsonl:2": "run 1"}


def test_a_letter_that_is_joined_already_stays_so_and_answers_its_input() -> None:
    once = with_input(failed("a"), asked("a", prompt="then"))
    found = join([("in.jsonl", asked("a", prompt="now")), ("dead.jsonl", letter(once))])
    assert prompts(found) == {"dead.jsonl:1": "then"}
    assert skips(found) == {"in.jsonl:1": ()}


def test_a_letter_without_its_record_passes() -> None:
    hollow = {"plh_dead_letter": 1, "code": "too-deep", "message": "custom_id", "record": None}
    (line,) = join([("dead.jsonl", hollow)])
    assert orjson.loads(line.raw) == hollow


# ------------------------------------------------------------------------------------------------------------- the names


@pytest.mark.parametrize(
    ("name", "others", "expected"),
    [
        ("batch_output.jsonl", ["other/batch_input.jsonl", "batch_input.jsonl"], "batch_input.jsonl"),
        ("out-2.jsonl.gz", ["in-1.jsonl", "in-12.jsonl", "in-2.jsonl"], "in-2.jsonl"),
        (
            "results/gpt4/answers.jsonl",
            ["requests/gpt35/prompts.jsonl", "requests/gpt4/prompts.jsonl"],
            "requests/gpt4/prompts.jsonl",
        ),
        ("answers-blue.jsonl", ["questions-green.jsonl", "questions-blue-ish.jsonl"], "questions-blue-ish.jsonl"),
        ("-", ["b", "a"], "a"),
    ],
)
def test_the_nearest_name_differs_in_the_words_for_the_role_only(name: str, others: list[str], expected: str) -> None:
    assert nearest(name, others) == expected
    assert nearest(name, reversed(others)) == expected


def test_among_very_many_names_the_nearest_begins_or_ends_alike() -> None:
    others = [f"data/{n}-{n * 7919 % 1000}.jsonl" for n in range(1_000)] + ["far/away/kiel.jsonl"]
    assert nearest("other/place/kiel-answers.jsonl", others) == "far/away/kiel.jsonl"


def test_a_plain_name_has_no_words_for_the_role() -> None:
    assert plain_name("Runs/2/Batch_Input.jsonl") == plain_name("runs/2/batch_output.jsonl.gz") == "runs 2"


# -------------------------------------------------------------------------------------------------------------- two laws

IDS = st.sampled_from("abcdef")
RETURNED = {"gpt-4o": FULL, "gpt-4o-mini": MINI, "gpt-3.5-turbo": "gpt-3.5-turbo-0125", "alias": "llama-3.1-8b"}
MODELS = st.sampled_from(sorted(RETURNED))
TOLD_BY_MODEL = st.sampled_from(sorted(set(RETURNED) - {"alias"}))
INPUT_NAMES = ["in.jsonl", "runs/1/in.jsonl", "runs/2/in.jsonl", "runs/2/copy.jsonl", "-"]
OUTPUT_NAMES = ["out.jsonl", "runs/1/out.jsonl", "runs/2/out.jsonl", "-"]


@st.composite
def batches(draw: st.DrawFn) -> tuple[dict[str, list[tuple[str, str]]], list[tuple[str, str, str | None, str]]]:
    """Sets with the same ids and other models: input file → (id, model); outputs as (file, id, returned, input file)."""
    models = draw(st.lists(TOLD_BY_MODEL, min_size=1, max_size=3, unique=True))
    asking: dict[str, list[tuple[str, str]]] = {}
    answers: list[tuple[str, str, str | None, str]] = []
    for number, model in enumerate(models):
        ids = draw(st.lists(IDS, min_size=1, max_size=6, unique=True))
        name = f"set-{number}-in"
        asking[name] = [(custom_id, model) for custom_id in ids]
        for part in range(draw(st.integers(1, 2))):
            done = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=8))
            fate = draw(st.lists(st.booleans(), min_size=len(done), max_size=len(done)))
            succeeded = any(fate)
            for custom_id, is_ok in zip(done, fate, strict=True):
                # A file of failures alone names no model: nothing but its name tells what it belongs to.
                returned = RETURNED[model] if is_ok or not succeeded else None
                answers.append((f"set-{number}-out-{part}", custom_id, returned, name))
    return asking, answers


@given(batches(), st.randoms(use_true_random=False))
@settings(max_examples=examples(100), deadline=None)
def test_sets_with_the_same_ids_and_other_models_are_never_mixed(batch: Any, chance: random.Random) -> None:
    asking, answers = batch
    files: dict[str, list[tuple[Any, str | None]]] = {}
    for name, lines_asked in asking.items():
        files[name] = [(asked(custom_id, model, f"{name} {custom_id}"), None) for custom_id, model in lines_asked]
    for number, (name, custom_id, returned, own) in enumerate(answers):
        files.setdefault(name, []).append((output(custom_id, returned, f"chatcmpl-{number}"), f"{own} {custom_id}"))
    for written in files.values():
        chance.shuffle(written)
    names = sorted(files)
    chance.shuffle(names)
    found = join([(name, record) for name in names for record, _ in files[name]])
    joined = prompts(found)
    for name in names:
        for number, (_, prompt) in enumerate(files[name], 1):
            if prompt is not None:
                assert joined[f"{name}:{number}"] == prompt
    assert len(found) == sum(map(len, files.values()))
    assert not [line for line in found if "ambiguous-batch-input" in line.warnings]


WRITTEN = st.lists(
    st.one_of(
        st.tuples(st.just("in"), st.sampled_from(INPUT_NAMES), IDS, MODELS),
        st.tuples(st.just("out"), st.sampled_from(OUTPUT_NAMES), IDS, st.none() | MODELS.map(RETURNED.__getitem__)),
    ),
    max_size=40,
)  # fmt: skip


@given(WRITTEN)
@settings(max_examples=examples(150), deadline=None)
def test_any_lines_join_as_a_search_through_all_of_them_says(written: list[tuple[str, str, str, str | None]]) -> None:
    records: list[Written] = []
    for number, (side, name, custom_id, model) in enumerate(written):
        made = (
            asked(custom_id, model or "", f"prompt {number}")
            if side == "in"
            else output(custom_id, model, f"c-{number}")
        )
        records.append((name, made))
    found = join(records)
    expected, ambiguous, answered_ids = search(written)
    places = [str(line.ref) for line in lines(records) if not isinstance(line, Mark)]
    assert prompts(found) == {
        places[n]: None if prompt is None else f"prompt {prompt}" for n, prompt in expected.items()
    }
    assert {str(line.ref) for line in found if "ambiguous-batch-input" in line.warnings} == {
        places[n] for n in ambiguous
    }
    told = {}
    for number, (side, name, custom_id, _) in enumerate(written):
        if side == "in":
            again = any(other[:3] == ("in", name, custom_id) for other in written[number + 1 :])
            unanswered = () if (name, custom_id) in answered_ids else ("batch-unanswered",)
            told[places[number]] = ("duplicate-custom-id",) if again else unanswered
    assert skips(found) == told


def search(
    written: list[tuple[str, str, str, str | None]],
) -> tuple[dict[int, int | None], set[int], set[tuple[str, str]]]:
    """The rule, word by word and without any haste: output → input by their numbers; the ambiguous; what was answered."""
    asking = [(n, name, i, model) for n, (side, name, i, model) in enumerate(written) if side == "in"]
    files = sorted({name for _, name, _, _ in asking})
    held = {file: {i for _, other, i, _ in asking if other == file} for file in files}
    expected: dict[int, int | None] = {}
    ambiguous: set[int] = set()
    answered_ids: set[tuple[str, str]] = set()
    for n, (side, name, custom_id, returned) in enumerate(written):
        if side == "in":
            continue
        own = [(i, model) for s, other, i, model in written if (s, other) == ("out", name)]
        ids = {i for i, _ in own}

        coverage = {file: len(ids & held[file]) for file in files}
        whole = {
            file: sum(
                max((model_fit(m, model) for _, f, j, m in asking if (f, j) == (file, i)), default=0)
                for i, model in own
            )
            for file in files
        }
        pairs = [(a, b) for a in own for b in own if a[0] == b[0] and a[1] and b[1] and a[1] != b[1]]
        is_mixed = bool(pairs) and not all_alike(asking, files)
        most = max(coverage.values(), default=0)
        candidates = [each for each in asking if each[2] == custom_id]
        if not is_mixed and len(files) > 1 and not all_alike(asking, files):
            tied = [file for file in files if coverage[file] == most]
            best_whole = max(whole[file] for file in tied)
            first = nearest(name, [file for file in tied if whole[file] == best_whole])
            covering = [each for each in candidates if coverage[each[1]] == most]
            if not any(each[1] == first for each in candidates):
                covering = [
                    each for each in candidates
                    if not ids & held[each[1]] & held[first] and not is_mismatch(each[3], returned)
                ]  # fmt: skip
            candidates = covering
        if not candidates:
            expected[n] = None
            continue

        def rank(
            each: Any, whole: Any = whole, coverage: Any = coverage, is_mixed: bool = is_mixed, returned: Any = returned
        ) -> Any:
            _, file, _, model = each
            fit = model_fit(model, returned)
            return (fit, coverage[file], whole[file]) if is_mixed else (coverage[file], fit, whole[file])

        best = max(map(rank, candidates))
        tied_lines = [each for each in candidates if rank(each) == best]
        tied_files = sorted({each[1] for each in tied_lines})
        chosen = nearest(name, tied_files)
        expected[n] = max(each[0] for each in tied_lines if each[1] == chosen)
        answered_ids.add((chosen, custom_id))
        if len(tied_files) > 1:
            ambiguous.add(n)
    return expected, ambiguous, answered_ids


def all_alike(asking: list[tuple[int, str, str, str | None]], files: list[str]) -> bool:
    """Whether all input files hold the same ids and models, so that there is nothing to weigh."""
    contents = {file: [(i, model) for _, f, i, model in asking if f == file] for file in files}
    return all(contents[file] == contents[files[0]] for file in files)


def test_a_double_encoded_line_whose_quotes_are_escapes_is_joined_too() -> None:
    # As System.Text.Json and PHP's JSON_HEX_QUOT write a text of JSON.
    raw = b'"' + orjson.dumps(answered("a")).replace(b'"', b"\\u0022") + b'"'
    assert prompts(join([("in", asked("a", prompt="A")), ("out", raw)])) == {"out:1": "A"}
