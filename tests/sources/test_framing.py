import bz2
import io
import json
import lzma
import tarfile
import zipfile
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.decoding import decode, split_documents
from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.model import Json, LogLine, Mark
from posthog_llm_cli.sources import SourceReader
from posthog_llm_cli.sources.framing import Framer
from tests.laws import examples
from tests.sources.framed import MAX_RECORD, blocks_of, frame, places, raws, said


def check_places(data: bytes, found: list[LogLine]) -> None:
    for line in found:
        assert data[line.ref.offset :].startswith(line.raw)
        assert data.count(b"\n", 0, line.ref.offset) + 1 == line.ref.line


# ------------------------------------------------------------------------------------------------------------- laws

texts = st.text(alphabet=st.sampled_from('a"\\{}[]:,\u2028\x85\x0b\x1f\n\r\0é😀 '), max_size=12)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), texts)
children = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
records = st.dictionaries(texts, children, max_size=4)
sizes = st.integers(1, 40)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[Json], bytes]:
    """Values, and one of the ways in which logs hold them."""
    values = draw(st.lists(records, min_size=1, max_size=6))
    indent = draw(st.sampled_from([None, 0, 1, 2, 4]))
    ascii_only = draw(st.booleans())
    end = draw(st.sampled_from(["\n", "\r\n", "\n\n", "\n\0\0", " \n"]))
    lines = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    pretty = [json.dumps(value, ensure_ascii=ascii_only, indent=indent) for value in values]
    text = draw(
        st.sampled_from(
            [
                end.join(lines),
                end.join(lines) + end,
                "".join(pretty) if len(values) > 1 else pretty[0],
                end.join(pretty) + end,
                json.dumps(values, ensure_ascii=ascii_only, indent=indent),
                "[" + ", \n ".join(lines) + "]\n",
                "[" + end + ("," + end).join(lines) + end + "]" + end,
                "\n" + ",\n".join(lines),
            ]
        )
    )
    return values, draw(st.sampled_from([b"", b"\xef\xbb\xbf", b"\n\r\n", b"\0\0"])) + text.encode()


def values_of(lines: list[LogLine]) -> list[Json]:
    """What conversion makes of the lines: glued documents are its part."""
    pieces = [piece for line in lines for piece in (split_documents(line.raw) or [(0, line.raw)])]
    return [decode(raw.rstrip(b",")).value for _, raw in pieces]


@settings(max_examples=examples(100), deadline=None)
@given(layouts(), sizes)
def test_every_layout_gives_the_same_values_at_their_places_whatever_the_blocks(
    layout: tuple[list[Json], bytes], size: int
) -> None:
    values, data = layout
    found = frame(data, size=size)
    assert values_of(found) == values
    check_places(data, found)


@settings(max_examples=examples(200), deadline=None)
@given(st.text(alphabet=st.sampled_from('a1"\\{}[]:,\n\r \0é'), max_size=80), sizes)
def test_blocks_never_change_what_is_found_in_any_bytes(text: str, size: int) -> None:
    data = text.encode()
    whole = frame(data)
    assert said(frame(data, size=size)) == said(whole)
    check_places(data, whole)


@settings(max_examples=examples(200), deadline=None)
@given(st.text(alphabet=st.sampled_from('a1"\\{}[]:,\n '), max_size=80))
def test_no_byte_of_content_is_lost_but_what_separates_records(text: str) -> None:
    data = ("x\n" + text).encode()
    kept = sum(len(line.raw.replace(b" ", b"").replace(b"\n", b"")) for line in frame(data))
    assert kept == len(data.replace(b" ", b"").replace(b"\n", b""))


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(records, min_size=1, max_size=4), st.binary(max_size=30), st.integers(0, 3))
def test_one_bad_line_costs_no_neighbour(values: list[Json], junk: bytes, at: int) -> None:
    lines = [json.dumps({"id": 1}).encode()] + [json.dumps(value).encode() for value in values]
    bad = b"x" + junk.replace(b"\n", b"")
    lines.insert(1 + at % len(lines), bad)
    found = [line.raw for line in frame(b"\n".join(lines))]
    assert [raw for raw in found if raw != bad.strip(b" \t\r\0")] == [line for line in lines if line != bad]


# ------------------------------------------------------------------------------------------------------------ lines


def test_only_a_newline_ends_a_line() -> None:
    data = '{"a": "\u2028\u2029\u0085\x0b"}\r\n{"b": 1}'.encode()
    assert raws(data) == [data.split(b"\r\n")[0], b'{"b": 1}']


def test_blank_lines_nul_bytes_and_a_byte_order_mark_are_passed_over_and_places_hold() -> None:
    data = b'\xef\xbb\xbf\0\0\n\n \r\n{"a": 1}\0\0\n\0\0{"b": 2}\r\n\0\0\0'
    found = frame(data)
    assert [line.raw for line in found] == [b'{"a": 1}', b'{"b": 2}']
    assert [line.ref.line for line in found] == [4, 5]
    check_places(data, found)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\0" * 100, b"\xef\xbb\xbf", b" \r\n"])
def test_nothing_gives_nothing(data: bytes) -> None:
    assert frame(data) == []
    assert frame(data, size=1) == []


def test_glued_documents_in_a_file_of_lines_stay_one_line() -> None:
    data = b'{"a": 1}\n{"b": 2}{"c": 3}\n{"d": 4}'
    assert raws(data) == data.split(b"\n")


@pytest.mark.parametrize("size", [1, 7, 1 << 18])
def test_a_line_over_the_ceiling_is_named_and_its_neighbours_come_whole(size: int) -> None:
    data = b'{"a": 1}\n{"b": "' + b"x" * 500 + b'"}\n{"c": 3}\n' + b"y" * 500
    found = frame(data, size=size, max_record=100)
    assert [line.raw for line in found] == [b'{"a": 1}', b"", b'{"c": 3}', b""]
    problem = found[1].problem
    assert problem is not None
    assert (problem.code, "100 bytes" in problem.message) == ("record-too-long", True)
    assert [(line.ref.line, line.ref.offset) for line in found] == [(1, 0), (2, 9), (3, 519), (4, 528)]


def test_a_line_of_just_the_ceiling_is_no_problem() -> None:
    line = b'{"b": "' + b"x" * 91 + b'"}'
    for size in (1, 64, 1000):
        assert raws(b"{}\n" + line + b"\r\n" + line, size=size, max_record=100) == [b"{}", line, line]
        assert frame(b"{}\nx" + line, size=size, max_record=100)[1].problem is not None


# ----------------------------------------------------------------------------------------------------------- arrays


def test_the_elements_of_an_array_are_records_with_their_places() -> None:
    data = b'[{"a": 1},\n {"b": [1, {"c": "]"}]},\n null, 17, "{\\"d\\": 1}"]\n'
    assert raws(data) == [b'{"a": 1}', b'{"b": [1, {"c": "]"}]}', b"null", b"17", b'"{\\"d\\": 1}"']
    assert places(data) == [(1, 1), (2, 12), (3, 37), (3, 43), (3, 47)]


def test_arrays_on_several_lines_are_lines() -> None:
    data = b'[{"a": 1}, {"b": 2}]\n[{"c": 3}]\n'
    assert raws(data) == [b'[{"a": 1}, {"b": 2}]', b'[{"c": 3}]']


def test_glued_arrays_give_all_their_elements() -> None:
    assert raws(b'[{"a": 1}, {"b": 2}][{"c": 3}]\n{"d": 4}\noh\n') == [
        b'{"a": 1}',
        b'{"b": 2}',
        b'{"c": 3}',
        b'{"d": 4}',
        b"oh",
    ]


def test_an_array_that_is_cut_off_gives_what_came_before_and_the_rest_as_one_record() -> None:
    assert raws(b'[\n{"a": 1},\n{"b": [2,') == [b'{"a": 1}', b'{"b": [2,']
    assert raws(b'[{"a": 1},{"b": "2') == [b'{"a": 1}', b'{"b": "2']


@pytest.mark.parametrize("indent", [1, 2, 4])
def test_a_broken_element_costs_itself_only(indent: int) -> None:
    text = json.dumps([{"n": n, "deep": [{"x": "y"}]} for n in range(5)], indent=indent)
    broken = text.replace('"n": 2', '"n": "2')
    found = [line.raw for line in frame(broken.encode())]
    good = [decode(raw).value["n"] for raw in found if b'"2' not in raw]
    assert (len(found), good) == (5, [0, 1, 3, 4])


def test_an_element_over_the_ceiling_is_named_and_its_neighbours_come_whole() -> None:
    data = b'[{"a": 1},\n{"b": "' + b"x" * 5000 + b'"},\n{"c": 3}]'
    for size in (1, 64, 1 << 18):
        found = frame(data, size=size, max_record=1000)
        assert [line.raw for line in found] == [b'{"a": 1}', b"", b'{"c": 3}']
        assert found[1].problem is not None
        assert [line.ref.line for line in found] == [1, 2, 3]


REQUEST = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ANSWER = {"object": "chat.completion", "choices": [{"message": {"content": "ho"}}]}


@pytest.mark.parametrize(
    "value",
    [
        [REQUEST, ANSWER],
        [REQUEST, ANSWER, {"row": 1}],
        [REQUEST, ["Timeout", "Timeout"]],
        [REQUEST, {"error": {"message": "no"}}],
        [{"input": "x"}, {"object": "list", "data": []}],
        [{"role": "system", "content": "be"}, {"role": "user", "content": "hi"}],
        [{"role": "user", "content": str(n)} for n in range(9)],
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_that_is_one_record_comes_whole(value: Json, indent: int | None) -> None:
    data = json.dumps(value, indent=indent).encode()
    for size in (1, 1 << 18):
        assert raws(data + b"\n", size=size) == [data]


@pytest.mark.parametrize(
    "value",
    [
        [{"prompt": "a", "output": "b"}, {"prompt": "c", "output": "d"}],
        [{"object": "response", "prompt": None, "output": []}] * 2,
        [{"object": "response", "prompt": {"id": "p"}, "output": []}] * 2,
        [{"messages": [], "response": {}}] * 3,
        [{"prompt": "a", "response": "b"}, ANSWER],
        [{**REQUEST, "response": None, "error": "no"}, ANSWER, {"prompt": "a", "response": "b"}],
        [REQUEST, ANSWER, {"row": 1}, {"row": 2}],
        [{"id": 1}],
    ],
)
def test_an_array_of_records_gives_its_elements(value: list[Json]) -> None:
    for indent in (None, 2):
        found = [decode(raw).value for raw in raws(json.dumps(value, indent=indent).encode())]
        assert found == value


def test_lines_that_start_with_a_bracket_and_are_no_json_are_lines() -> None:
    data = b"[2026-11-23 19:02] INFO started\n[INFO] {a}\n[x\n"
    assert raws(data) == data.strip().split(b"\n")


def test_a_long_first_line_is_read_as_an_array_without_being_held_whole() -> None:
    framer = Framer("a", max_record=MAX_RECORD)
    element = b'{"a": "' + b"x" * 10_000 + b'"},'
    seen = sum(1 for block in (b"[", *[element] * 1000) for _ in framer.feed(block))
    assert 900 < seen <= 1000


# ---------------------------------------------------------------------------------- concatenated and pretty-printed


def test_pretty_printed_documents_mix_with_single_lines() -> None:
    data = b'{\n  "a": [\n    {\n      "b": 1\n    }\n  ]\n}\n{"c": 2}\n{"d": 3}{"e": 4}\nnoise\n{"f":\n5}\n'
    assert [raw[:6] for raw in raws(data)] == [b'{\n  "a', b'{"c": ', b'{"d": ', b'{"e": ', b"noise", b'{"f":\n']
    assert [line for line, _ in places(data)] == [1, 8, 9, 9, 10, 11]


def test_glued_documents_without_any_line_end_come_one_by_one() -> None:
    framer = Framer("a", max_record=1000)
    found = [line for _ in range(3000) for line in framer.feed(b'{"a": "' + b"x" * 90 + b'"}')]
    assert len(found) > 2000
    assert len(found) + len(list(framer.finish())) == 3000


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{\n"a": 1\n{"b": 2}\n{"c": 3}', [b'{\n"a": 1', b'{"b": 2}', b'{"c": 3}']),
        (b'{\n"a": 1,\n{"b": 2}', [b'{\n"a": 1,', b'{"b": 2}']),
        (b'{\n"a": [\n{"b": 2},\n{"c": 3}\n]\n}\n{"d": 4}', [b'{\n"a": [\n{"b": 2},\n{"c": 3}\n]\n}', b'{"d": 4}']),
        (b'{\n"a":\n{"b": 2}}\n{"d": 4}', [b'{\n"a":\n{"b": 2}}', b'{"d": 4}']),
        (b'{\n  "a": "cut\n  "b": 2\n}\n{"d": 4}', [b'{\n  "a": "cut\n  "b": 2\n}', b'{"d": 4}']),
        (b'{\n"x": 1}\n{"a": "cut\nINFO text\n{"d": 4}', [b'{\n"x": 1}', b'{"a": "cut', b"INFO text", b'{"d": 4}']),
        (b'{"a": "cut\n{"b": 2}\n', [b'{"a": "cut', b'{"b": 2}']),
        (b'{"a": [1\n{"b": 2}\n', [b'{"a": [1', b'{"b": 2}']),
        (b'{"a": [1,\n{"b": 2}\n', [b'{"a": [1,', b'{"b": 2}']),
        (b'{"a": \r\n{"b": 2}\r\n{"c": 3}\r\n', [b'{"a":', b'{"b": 2}', b'{"c": 3}']),
        (b'{"a": [\n{"b": 2}\n]}\n{"c": 3}\n', [b'{"a": [\n{"b": 2}\n]}', b'{"c": 3}']),
        (b'{"a": [\n{"b": 2},\n{"c": 3}\n', [b'{"a": [\n{"b": 2},\n{"c": 3}']),
        (b'{"a": 1}} {"b": 2}\n{"c": 3}\n', [b'{"a": 1}} {"b": 2}', b'{"c": 3}']),
        (b'{"a": 1} trailing\n{"c": 3}\n', [b'{"a": 1} trailing', b'{"c": 3}']),
        (b'{\n"a": 1', [b'{\n"a": 1']),
        (b"{", [b"{"]),
        (b"x\n{", [b"x", b"{"]),
    ],
)
def test_what_is_broken_ends_where_the_next_record_can_be_told(data: bytes, expected: list[bytes]) -> None:
    for size in (1, 5, 1 << 18):
        assert raws(data, size=size) == expected


@pytest.mark.parametrize("padding", [10, 40_000, 200_000])
def test_a_first_line_that_is_cut_off_anywhere_costs_no_neighbour(padding: int) -> None:
    first = b'{"a": [{"role": "user", "b": [1, 2]}, {"c": {"d": null}}], "e": "f"}'
    others = [json.dumps({"n": number, "text": "x" * padding}).encode() for number in range(3)]
    for cut in range(1, len(first)):
        found = raws(b"\n".join([first[:cut], *others]), size=1 << 16)
        assert found == [first[:cut].strip(), *others]


def test_a_document_over_the_ceiling_is_named_and_reading_goes_on_behind_it() -> None:
    data = b'{\n"a": 1\n}\n{\n' + b'"b": [1, 2],\n' * 5000 + b'"c": 1\n}\n{"d": 4}\n'
    for size in (64, 1 << 18):
        found = frame(data, size=size, max_record=3000)
        assert [line.problem is None for line in found] == [True, False, True]
        assert [line.ref.line for line in found] == [1, 4, 5007]


def test_a_file_with_postgres_copy_escaping_keeps_its_lines() -> None:
    line = rb'{"request_id": "1", "messages": "say \\"hi {\\" and \\n"}'
    assert raws(line + b"\n" + line + b"\n") == [line, line]


# ---------------------------------------------------------------------------------------------------------- console

CONSOLE_LINE = b'{"level": "INFO", "message": "m", "timestamp": "t", "component": "c"}'


def test_a_payload_between_console_lines_is_one_record_and_the_source_a_console_log() -> None:
    data = b'INFO: started\n\n{\n    "id": "1",\n    "m": [\n        {\n        }\n    ]\n}\nINFO: {x} done\n'
    found = frame(data)
    assert [line.raw[:5] for line in found] == [b"INFO:", b"{\n   ", b"INFO:"]
    assert [line.console for line in found] == [True, True, True]
    assert [line.ref.line for line in found] == [1, 3, 10]


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 18])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_payload_behind_what_litellms_logger_puts_before_it_is_one_record(size: int, end: bytes) -> None:
    # LITELLM_PRINT_STANDARD_LOGGING_PAYLOAD before LiteLLM 1.80
    before = b"\x1b[92m03:05:43 - LiteLLM:INFO\x1b[0m: litellm_logging.py:4500 - "
    payload = end.join((b"{", b'    "id": "1",', b'    "m": [', b"        {", b"        }", b"    ]", b"}"))
    lines = [b"INFO: started", before + payload, b"INFO: {x} done {", before + payload, b"\x1b[92m03:05:44 - done"]
    found = frame(end.join(lines) + end, size=size)
    assert [line.raw for line in found] == [lines[0], payload, lines[2], payload, lines[4]]
    assert [line.ref.line for line in found] == [1, 2, 9, 10, 17]
    assert all(line.console for line in found)
    assert [line.ref.offset for line in found if line.raw == payload] == [
        len(lines[0] + end + before), len(end.join(lines[:3]) + end + before)
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 64, 1 << 18])
def test_what_litellms_debug_log_prints_of_a_call_is_noise(size: int) -> None:
    debug = b"\x1b[92m03:01:30 - LiteLLM:DEBUG\x1b[0m: utils.py:311 - RAW RESPONSE:"
    asked = b"\x1b[92m03:01:29 - LiteLLM Proxy:DEBUG\x1b[0m: common.py:388 - Request received by LiteLLM:"
    data = b"\n".join(
        (debug, b'{"id": "1"}', b"", b'{"id": "2"}', asked, b'{\n    "model": "gpt"\n}', debug, b"text", b'{"id": "3"}')
    )
    found = frame(data, size=size)
    assert [line.ref.line for line in found] == [1, 2, 4, 5, 6, 9, 10, 11]
    assert [line.ref.line for line in found if line.skipped is not None] == [2, 6]
    assert {line.skipped.code for line in found if line.skipped is not None} == {"console-log"}


def test_a_raw_response_that_no_logger_of_litellms_announces_is_a_record() -> None:
    for before in (b"RAW RESPONSE:", b"03:01:30 - mine - RAW RESPONSE:"):
        assert all(line.skipped is None for line in frame(before + b'\n{"id": "1"}\n'))


def test_json_console_lines_show_a_console_log_and_plain_lines_do_not() -> None:
    assert all(line.console for line in frame(b"text\n" + CONSOLE_LINE + b"\nmore"))
    assert not any(line.console for line in frame(b'text\n{"message": "m", "level": 1}\n{"a": "component"}'))
    assert not any(line.console for line in frame(b'{"metadata": ' + CONSOLE_LINE + b"}\n"))


def test_a_console_log_may_show_itself_late() -> None:
    text = b"INFO nothing to see\n" * 5000
    first = b'{"message": "m", "level": "INFO", "timestamp": "t", "component": "c"}\n'
    for late in (first, b'{\n"a": 1\n}\n'):
        found = frame(text + late + text, size=1 << 14)
        assert [found[0].console, found[5000].console, found[-1].console] == [False, True, True]


def test_a_broken_payload_in_a_console_log_costs_itself_only() -> None:
    data = b'INFO a\n{\n    "id": "1",\n    "m": [\nINFO b\n{\n    "id": "2"\n}\nINFO c\n'
    assert [raw[:14] for raw in raws(data)] == [b"INFO a", b'{\n    "id": "1', b'{\n    "id": "2', b"INFO c"]


# --------------------------------------------------------------------------------------------------------------- SSE


def test_server_sent_events_give_their_payloads_at_their_first_data_line() -> None:
    data = (
        b': ping\n\nevent: x\ndata: {"a": 1}\n\nid: 7\nretry: 1\ndata: {"b":\ndata:  2}\r\n\r\n'
        b'data: {"c": 3}\ndata: {"d": 4}\n\n{"e": 5}\ndata: [DONE]\n\ndata:{"f": 6}'
    )
    for size in (1, 1 << 18):
        found = frame(data, size=size)
        assert [decode(line.raw).value for line in found] == [{key: n + 1} for n, key in enumerate("abcdef")]
    assert [line.ref.line for line in found] == [4, 8, 11, 12, 14, 17]
    check_places(data, [line for line in found if b"b" not in line.raw])


def test_an_event_over_the_ceiling_is_named() -> None:
    data = b'data: {"a":\n\ndata: {"b": [\n' + b"data: 1,\n" * 100 + b'data: 1]}\n\ndata: {"c": 3}\n\n'
    found = frame(data, max_record=200)
    assert [line.problem is None for line in found] == [True, False, True]


# ----------------------------------------------------------------------------------------------------------- others


def test_a_git_lfs_pointer_is_refused_and_no_record() -> None:
    data = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    for size in (1, 1 << 18):
        framer = Framer("big.jsonl", max_record=MAX_RECORD)
        found: list[LogLine | Mark] = []
        with pytest.raises(SourceError) as refused:
            found.extend(chain(chain.from_iterable(map(framer.feed, blocks_of(data, size))), framer.finish()))
        assert found == []
        assert (refused.value.code, refused.value.uri) == ("git-lfs-pointer", "big.jsonl")
        assert "git lfs pull" in str(refused.value.hint)
        assert list(framer.finish()) == []


def test_a_silent_source_gives_its_first_lines_when_it_settles() -> None:
    framer = Framer("-", max_record=MAX_RECORD)
    assert list(framer.feed(b'{"a": 1}\n{"b"')) == []
    assert [line.raw for line in framer.settle() if isinstance(line, LogLine)] == [b'{"a": 1}']
    assert [line.raw for line in framer.feed(b": 2}\n") if isinstance(line, LogLine)] == [b'{"b": 2}']
    assert list(framer.settle()) == []


def lines_of(content: bytes) -> list[LogLine]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_bytes(content)
        return [item for item in SourceReader([str(path)]) if isinstance(item, LogLine)]


@pytest.mark.parametrize("opening", [b"[" * 10_000, b'{"a":' * 10_000])
def test_a_first_line_that_is_hopelessly_deep_costs_that_line_only(opening: bytes) -> None:
    found = lines_of(opening + b'\n{"b": 1}\n{"c": 2}\n')
    assert [line.raw for line in found[1:]] == [b'{"b": 1}', b'{"c": 2}']


def test_an_array_that_is_not_closed_says_so() -> None:
    *elements, cut = lines_of(b'[{"a": 1},\n{"b": 2},\n')
    assert [line.raw for line in elements] == [b'{"a": 1}', b'{"b": 2}']
    assert cut.problem is not None
    assert (cut.problem.code, cut.problem.hint) == ("invalid-json", "the file may be cut off")
    assert all(line.problem is None for line in lines_of(b'[{"a": 1},\n{"b": 2}\n]'))


def zipped() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.jsonl", b'{"a": 1}\n' * 20_000)
    return held.getvalue()


def tarred() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        member = tarfile.TarInfo("a.jsonl")
        member.size = len(b'{"a": 1}\n')
        archive.addfile(member, io.BytesIO(b'{"a": 1}\n'))
    return held.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zipped(), "a zip archive"),
        (tarred(), "a tar archive"),
        (bz2.compress(b'{"a": 1}\n'), "a bzip2 file"),
        (bz2.compress(b""), "a bzip2 file"),
        (lzma.compress(b'{"a": 1}\n'), "an xz file"),
        (b"PGDMP\x01\x0e\x00\x04\x08\x01\x01", "a PostgreSQL dump of the custom format"),
        (b"SQLite format 3\x00\x10\x00\x01\x01", "an SQLite database"),
        (b"PAR1\x15\x04\x15\x10", "a Parquet file"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 18])
def test_a_file_that_is_no_text_is_refused_as_one_source(data: bytes, said: str, size: int) -> None:
    framer = Framer("a.bin", max_record=MAX_RECORD)
    found: list[LogLine | Mark] = []
    with pytest.raises(SourceError, match=said) as refused:
        found.extend(chain(chain.from_iterable(map(framer.feed, blocks_of(data, size))), framer.finish()))
    assert (found, refused.value.code, list(framer.finish())) == ([], "not-a-log", [])


@pytest.mark.parametrize("text", [b"PAR1 is a name\n", b"PK\n", b"BZh91\n", b"PGDMP;a\n"])
def test_text_that_begins_like_a_binary_is_text(text: bytes) -> None:
    assert [line.raw for line in frame(text)] == [text.strip()]
