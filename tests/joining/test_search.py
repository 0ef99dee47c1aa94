"""`holds` against `in`, by whichever library it looks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.joining import _search
from posthog_llm_cli.joining._search import holds

WORD = b"custom_id"
PIECES = st.sampled_from([b"custom_id", b"custom_i", b"custom", b"_id", b"c", b"cu", b"\0", b'"', b" ", b"\xc3\xa9"])


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_a_word_is_found_where_it_is(data: bytes) -> None:
    assert holds(data, WORD) == (WORD in data)


@pytest.mark.parametrize("before", [b"", b"{", b"\0", b"c" * 100_000, b"\0" * 5000, b"custom_i" * 5000])
def test_a_word_is_found_wherever_it_is(before: bytes) -> None:
    assert holds(before + WORD, WORD)
    assert holds(before + WORD + b"\0 and more", WORD)
    assert not holds(before + WORD[:-1], WORD)
    assert not holds(before, WORD)


def test_a_word_is_found_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_search, "_strstr", None)
    assert holds(b'{"custom_id": 1}', WORD)
    assert not holds(b"{}", WORD)
