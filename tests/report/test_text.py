"""Text from elsewhere can do no harm on a terminal, and shows no key."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.report.text import count, fold, harmless, human_bytes, human_seconds, mask_keys, words


@given(st.text(max_size=80))
def test_harmless_text_has_no_control_character_and_can_be_encoded(text: str) -> None:
    safe = harmless(text)
    safe.encode()
    assert all(unicodedata.category(character) not in {"Cc", "Zl", "Zp", "Cs"} for character in safe)
    assert harmless(safe) == safe


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b2J", "\\x9b2J"),
        ("evil\u202etxt.jsonl", "evil\\u202etxt.jsonl"),
        ("\udce9", "\\udce9"),
        ("Größe 日本 …×", "Größe 日本 …×"),
    ],
)
def test_what_becomes_of_it(text: str, safe: str) -> None:
    assert harmless(text) == safe


@given(st.from_regex(r"ph[cx]_[A-Za-z0-9]{8,64}", fullmatch=True), st.text("ab \"'/=,.:", max_size=5))
def test_a_key_is_masked_wherever_it_stands(key: str, around: str) -> None:
    text = f"{around}{key} {around}"
    assert key not in mask_keys(text)
    assert key[:4] in mask_keys(text)
    assert mask_keys(mask_keys(text)) == mask_keys(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_876_543, "9.9 MB"), (999_999, "1.0 MB"), (5 * 10**12, "5.0 TB")],
)
def test_bytes_for_people(size: int, text: str) -> None:
    assert human_bytes(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.82, "0.8 s"), (725, "12 min 5 s"), (11400, "3 h 10 min")])
def test_spans_for_people(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


def test_numbers_with_their_nouns() -> None:
    assert (count(1, "record"), count(1204, "record")) == ("1 record", "1,204 records")


@given(st.lists(st.text("abc`", min_size=1, max_size=12), max_size=20), st.integers(5, 40))
def test_folding_parts_pieces_and_breaks_none(pieces: list[str], width: int) -> None:
    lines = list(fold(pieces, width, indent=" ", hanging="  "))
    assert " ".join(lines).split() == pieces
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines)
    assert [len(line) - len(line.lstrip()) for line in lines] == [1, *[3] * (len(lines) - 1)][: len(lines)]
    assert list(fold(pieces, None)) == ([" ".join(pieces)] if pieces else [])


def test_what_stands_between_backticks_is_one_piece() -> None:
    assert words("set `a: b: true` (in `c d`), an odd ` too") == [
        "set",
        "`a: b: true`",
        "(in",
        "`c d`),",
        "an",
        "odd",
        "`",
        "too",
    ]
