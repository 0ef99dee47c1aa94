import json
import math
import sys
import time
import tracemalloc

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from posthog_llm_cli.codes import REJECTIONS
from posthog_llm_cli.decoding import MAX_DEPTH, Decoded, decode, encode, is_whole_object, split_documents
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Json
from tests.laws import examples

values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=15,
)
FRAGMENTS = [
    *'{}[]:,"\\',
    "a",
    " ",
    "\n",
    "\0",
    "\t",
    "\ufeff",
    "\u2028",
    "😀",
    "null",
    "NaN",
    "-Infinity",
    "1e999",
    "-",
    "12",
]
ODD_FRAGMENTS = ["0.5e-3", "9" * 30, "9" * 400, "\\ud83d", "\\ude00", "\\u0000", "True", "'", '"k":', "{{", "[["]
json_like = st.lists(st.sampled_from(FRAGMENTS + ODD_FRAGMENTS), max_size=25).map("".join)


def refusal(raw: bytes) -> RecordError:
    with pytest.raises(RecordError) as refused:
        decode(raw)
    return refused.value


def outcome(raw: bytes) -> Decoded | RecordError:
    try:
        return decode(raw)
    except RecordError as error:
        return error


def only_tolerant(raw: bytes) -> Json:
    """Through `json`: an element that orjson refuses sends all of it that way."""
    (value, nothing) = decode(b"[" + raw + b",NaN]").value
    assert nothing is None
    return value


# ------------------------------------------------------------------------------------------------------------- laws


@settings(max_examples=examples(200), deadline=None)
@given(values, st.booleans())
def test_any_value_comes_back_through_both_readers(value: Json, ascii_only: bool) -> None:
    raw = json.dumps([value], ensure_ascii=ascii_only).encode()
    assert decode(raw).value == [value]
    assert only_tolerant(raw) == [value]


@settings(max_examples=examples(200), deadline=None)
@given(st.one_of(json_like.map(str.encode), st.binary(max_size=40)))
@example(b'{"\\ud83d": {"\\udc00": ["\\ud83dx"]}}')
@example(b'"{\\"a\\": \\"\\\\ud83d\\"}"')
def test_any_bytes_give_a_value_that_can_be_written_or_a_refusal(raw: bytes) -> None:
    found = outcome(raw)
    if isinstance(found, RecordError):
        assert found.code in REJECTIONS
    else:
        orjson.dumps(found.value)


@settings(max_examples=examples(200), deadline=None)
@given(json_like)
def test_what_both_readers_take_they_take_alike(text: str) -> None:
    try:
        expected = orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    assert orjson.dumps(only_tolerant(text.encode())) == orjson.dumps(expected)


@settings(max_examples=examples(80), deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=4), values, max_size=3), min_size=2, max_size=5), st.integers(0, 30))
def test_glued_documents_are_split_where_they_stand(documents: list[Json], cut: int) -> None:
    parts = [json.dumps(document).encode() for document in documents]
    parts[-1] = parts[-1][: max(1, len(parts[-1]) - cut)].rstrip()
    raw = b" " + b"".join(parts)
    pieces = split_documents(raw)
    assert [piece for _, piece in pieces] == parts
    assert all(raw[offset:].startswith(piece) for offset, piece in pieces)


# ---------------------------------------------------------------------------------------------------- read tolerantly


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'\xef\xbb\xbf {"a": 1}\r\n', {"a": 1}),
        (b"\0\0{}\0\0", {}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": 1, "a": NaN}', {"a": None}),
        (b"[NaN, Infinity, -Infinity, 1e999, -1e999]", [None] * 5),
        (b"[18446744073709551615, -9223372036854775808]", [2**64 - 1, -(2**63)]),
        (b"[18446744073709551616, -9223372036854775809]", [float(2**64), float(-(2**63) - 1)]),
        (b"[18446744073709551616, -9223372036854775809, NaN]", [float(2**64), float(-(2**63) - 1), None]),
        (b"[" + b"9" * 400 + b", -" + b"9" * 400 + b"]", [None, None]),
        (b"[" + b"9" * 100_000 + b", 0." + b"9" * 100_000 + b"]", [None, 1.0]),
        (b'"\\ud83d"', "\ufffd"),
        (b'{"\\ud83d": ["\\udc00 \\ud83d\\ude00"]}', {"\ufffd": ["\ufffd 😀"]}),
        (b'{"a": "x\ty\x01\nz\0"}', {"a": "x\ty\x01\nz\0"}),
        ('"\u2028\x85"'.encode(), "\u2028\x85"),
        (b"null", None),
        (b"17", 17),
        (b"-0.0", -0.0),
    ],
)
def test_what_logs_hold_is_read(raw: bytes, value: Json) -> None:
    decoded = decode(raw)
    assert decoded.value == value
    assert decoded.warnings == ()


def test_negative_zero_keeps_its_sign_and_integers_their_type() -> None:
    for value in (decode(b"[-0.0, 1]").value, decode(b"[-0.0, 1, NaN]").value):
        assert math.copysign(1, value[0]) == -1
        assert isinstance(value[1], int)


def test_a_string_that_holds_an_object_is_read_once_more() -> None:
    inner = json.dumps({"a": json.dumps({"b": 1})})
    decoded = decode(json.dumps(inner).encode())
    assert decoded.value == {"a": '{"b": 1}'}
    assert decoded.warnings == ("double-encoded",)
    rows = decode(json.dumps('[{"a": 1}, {"b": 2}]').encode())
    assert (rows.value, rows.warnings) == ([{"a": 1}, {"b": 2}], ("double-encoded",))


@pytest.mark.parametrize(
    "text", ['"[1, 2]"', '"[]"', '"{oh"', '"17"', '"text"', json.dumps(json.dumps(json.dumps({})))]
)
def test_a_string_that_holds_no_object_stays_a_string(text: str) -> None:
    decoded = decode(text.encode())
    assert isinstance(decoded.value, str)
    assert decoded.warnings == ()


# ------------------------------------------------------------------------------------------------------------- depth


def nested(depth: int, opener: bytes, closer: bytes, core: bytes) -> bytes:
    return opener * depth + core + closer * depth


@pytest.mark.parametrize("core", [b"1", b"NaN"])
@pytest.mark.parametrize(("opener", "closer"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"b":[', b"]}]")])
def test_a_hundred_levels_are_read_and_more_are_refused(core: bytes, opener: bytes, closer: bytes) -> None:
    levels = opener.count(b"[") + opener.count(b"{")
    least = MAX_DEPTH // levels
    decode(nested(least, opener, closer, core))
    for depth in (least + 1, 500, 1024, 10_000, 300_000):
        started = time.process_time()
        assert refusal(nested(depth, opener, closer, core)).code == "too-deep"
        assert time.process_time() - started < 1


def test_what_is_cut_off_or_wrapped_in_a_string_is_too_deep_all_the_same() -> None:
    assert refusal(b"[" * 100_000).code == "too-deep"
    assert refusal(b'{"a":' * 100_000).code == "too-deep"
    assert refusal(json.dumps("[" * 200 + "]" * 200).encode()).code == "too-deep"


def test_brackets_in_strings_and_side_by_side_are_no_depth() -> None:
    wide = json.dumps({"a": "[{" * 5000, "b": [[]] * 5000})
    assert decode(wide.encode()).value["b"] == [[]] * 5000
    assert decode(wide.encode()[:-1] + b', "c": NaN}').value["c"] is None


def test_text_with_many_brackets_is_no_json_rather_than_too_deep() -> None:
    assert refusal(b"INFO " + b"[" * 200).code == "invalid-json"
    assert refusal(b"{'a': " * 200).code == "python-repr"


# --------------------------------------------------------------------------------------------------------- refusals


TRAILING_COMMA = (
    "illegal trailing comma before end of object at column 8"
    if sys.version_info >= (3, 13)
    else "expecting property name enclosed in double quotes at column 9"
)


@pytest.mark.parametrize(
    ("raw", "message", "hint"),
    [
        (b'{"a": "\xff"}', "not UTF-8 at byte 8", None),
        (b'  {"a": "\xed\xa0\x80"}', "not UTF-8 at byte 10", None),
        (b'{"a": 1,}', f"not valid JSON: {TRAILING_COMMA}", None),
        (b'  {"a" 1}', "not valid JSON: expecting ':' delimiter at column 8", None),
        (b'{"a": 1} x', "not valid JSON: extra data at column 10", None),
        (b'{\n"a": 1,\n "b" 2}', "not valid JSON: expecting ':' delimiter at line 3, column 6 of the record", None),
        (b'{"a": "\\x"}', "not valid JSON: invalid \\escape at column 8", None),
        (b"}", "not valid JSON: expecting value at column 1", None),
        (b'"', "not valid JSON: unterminated string", "the file may be cut off"),
        (b"", "not valid JSON: expecting value at column 1", "the file may be cut off"),
        (b'{"a": 1', "not valid JSON: expecting ',' delimiter at column 8", "the file may be cut off"),
        (b'{"a": "x', "not valid JSON: unterminated string starting at column 7", "the file may be cut off"),
        (b'{"a": tru', "not valid JSON: expecting value at column 7", "the file may be cut off"),
        (b'{"a": -', "not valid JSON: expecting value at column 7", "the file may be cut off"),
        (b'{"a": "\\u12', "not valid JSON: invalid \\uXXXX escape at column 9", "the file may be cut off"),
    ],
)
def test_what_is_no_json_says_where(raw: bytes, message: str, hint: str | None) -> None:
    error = refusal(raw)
    assert error.code == "invalid-json"
    assert message in error.message
    assert error.hint == hint


@pytest.mark.parametrize(
    "raw",
    [
        b'2026-11-23 19:02:33 INFO {"id": "1"}',
        b'INFO:root:{"id": "1"}',
        b'[2026-11-23T19:02] litellm {"id": "1"}',
        b'data: {"id": "1"}',
        b"DEBUG {}",
    ],
)
def test_text_before_the_json_is_told_with_the_command_that_removes_it(raw: bytes) -> None:
    error = refusal(raw)
    assert (error.code, error.message, error.hint) == (
        "invalid-json",
        "the line has text before its JSON",
        "sed 's/^[^{]*//'",
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"{'id': 'chatcmpl-1', 'stream': True}",
        b'{"id": None, "a": 1}',
        b'{"a": [True, 1]}',
        b'{"a": False}',
        b"[{'id': 1}]",
        b"ChatCompletion(id='chatcmpl-1', choices=[])",
        b'{"time": datetime.datetime(2026, 11, 23)}',
        b'{"client": <openai.OpenAI object at 0x7f>}',
        b"2026-11-23 INFO {'id': 'chatcmpl-1'}",
        b"b'{\"id\": 1}'",
        b"({'id': 1}, 2)",
        b"None",
    ],
)
def test_pythons_print_is_told_from_broken_json(raw: bytes) -> None:
    error = refusal(raw)
    assert (error.code, error.message) == ("python-repr", "this is Python's print of an object, not JSON")
    assert "model_dump_json()" in str(error.hint)
    assert 'json.dumps(kwargs["standard_logging_object"], default=str)' in str(error.hint)


@pytest.mark.parametrize("raw", [b'{"a": "None" "True"}', b'{"a": 1 {"b": 2}}'])
def test_what_only_resembles_pythons_print_is_plainly_no_json(raw: bytes) -> None:
    error = refusal(raw)
    assert error.code == "invalid-json"
    assert error.message.startswith("not valid JSON")


@pytest.mark.parametrize(
    "raw",
    [
        b"True story",
        b"main() started",
        b"it's",
        b"hello",
        b"# A heading",
        b"12 apples",
        b"1. first",
        b"- item",
        b"| a | b |",
        b"[INFO] started",
        b"[2026-11-23 19:02] INFO started",
        b"---",
        "\u00fcber".encode(),
    ],
)
def test_text_that_is_no_json_at_all_is_called_so(raw: bytes) -> None:
    error = refusal(raw)
    assert (error.code, error.message) == ("invalid-json", "text, not JSON")
    assert "SpendLogs as CSV" in str(error.hint)


@settings(max_examples=examples(200), deadline=None)
@given(json_like)
def test_a_refusal_never_quotes_what_was_read(text: str) -> None:
    raw = f'{{"secret": "s3cr3t", {text} "more": "s3cr3t"'.encode()
    error = refusal(raw)
    assert "s3cr3t" not in f"{error.message} {error.hint} {error!r}"
    assert error.__cause__ is None
    assert error.__context__ is None


# ----------------------------------------------------------------------------------------------------- glued documents


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b'{"a": 1}',
        b'{"a": 1} x',
        b'x {"a": 1}{"b": 2}',
        b'{"a": 1}, {"b": 2}',
        b'{"a": 1}17',
        b'{a}{"b": 2}',
        b"{'a': 1}{'b': 2}",
        b'{"a": 1}}{"b": 2}',
        b"\xff{}{}",
    ],
)
def test_what_is_not_glued_documents_is_not_split(raw: bytes) -> None:
    assert split_documents(raw) == []


def test_splitting_takes_deep_and_many_documents_quickly() -> None:
    started = time.process_time()
    assert len(split_documents(b'{"a": "}{"}' * 20_000)) == 20_000
    assert split_documents(b"[" * 1_000_000) == []
    assert time.process_time() - started < 10


@given(st.binary(max_size=400) | st.integers(90, 110).map(lambda number: b"[" * number))
def test_brackets_are_counted_as_they_stand(content: bytes) -> None:
    from posthog_llm_cli.decoding import has_many_brackets

    content = content.replace(b"a", b"{").replace(b"b", b"[")
    assert has_many_brackets(content) == (content.count(b"{") + content.count(b"[") > MAX_DEPTH)


def test_what_is_held_takes_the_memory_that_it_says() -> None:
    records: list[Json] = [{"id": number, "text": "word " * 600} for number in range(200)]
    tracemalloc.start()
    try:
        held = [encode(record) for record in records]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    said = sum(map(len, held))
    assert said > 600_000
    assert taken < 1.2 * said
    assert [decode(each).value for each in held] == records


def reads_as_object(raw: bytes) -> bool:
    try:
        return isinstance(orjson.loads(raw), dict)
    except orjson.JSONDecodeError:
        return False


@given(st.dictionaries(st.text(max_size=5), values, max_size=4), st.data())
def test_an_object_is_whole_and_no_part_of_it_is(value: Json, data: st.DataObject) -> None:
    raw = encode(value)
    cut = data.draw(st.integers(0, len(raw) - 1))
    assert is_whole_object(raw)
    assert is_whole_object(raw + b" \n")
    assert not is_whole_object(raw[:cut])
    assert not is_whole_object(raw + b"{}")


@settings(max_examples=examples(500))
@given(json_like)
def test_a_whole_object_is_one_that_can_be_read(text: str) -> None:
    raw = text.encode()
    if reads_as_object(raw):
        assert is_whole_object(raw) == raw.startswith(b"{")
    elif is_whole_object(raw):
        assert b"1e999" in raw or b"9" * 400 in raw  # beyond what a float may be


@pytest.mark.parametrize("raw", [b"", b"[]", b'"a"', b"1", b'{"a":NaN}', b'{"a":"\\ud83d"}', b"{'a':1}", b'{"a":1}\0'])
def test_what_is_no_json_object(raw: bytes) -> None:
    assert not is_whole_object(raw)
    assert not reads_as_object(raw)


def test_a_whole_object_may_hold_what_is_no_utf_8() -> None:
    assert is_whole_object(b'{"a":"\xff"}')


def test_nesting_without_an_end_is_no_whole_object() -> None:
    deep = 100_000
    assert not is_whole_object(b'{"a":' * deep + b"1" + b"}" * deep)
    assert not is_whole_object(b'{"a":' + b"[" * deep)
