"""Tables and bars: numbers whole, texts cut, and nothing wider than it may be."""

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from posthog_llm_cli.preview.drawing import bar, chart, span
from posthog_llm_cli.preview.tables import NUMBER, TEXT, Column, end_of, table

PLACE = Column(gives=True, keeps_end=True)
TEXTS = st.text(alphabet=st.sampled_from("ab 東京é"), max_size=60)


@given(st.lists(st.tuples(TEXTS, st.integers(0, 10**9), TEXTS), min_size=1, max_size=5), st.integers(40, 120))
def test_a_table_keeps_to_its_width_and_its_numbers(rows: list[tuple[str, int, str]], width: int) -> None:
    cells = [(Text(text), Text(str(number)), Text(place)) for text, number, place in rows]
    lines = list(table((TEXT, NUMBER, PLACE), cells, width))
    assert all(line.cell_len <= width for line in lines)
    assert all(str(number) in line.plain for (_, number, _), line in zip(rows, lines, strict=True))


@given(TEXTS, st.integers(3, 80))
def test_the_end_of_a_text_fits_and_is_its_end(text: str, width: int) -> None:
    shown = end_of(text, width)
    assert Text(shown).cell_len <= width
    assert text.endswith(shown.removeprefix("…"))


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.integers(1, 60))
def test_a_bar_is_seen_and_never_too_long(value: float, more: float, width: int) -> None:
    shown = bar(value, value + more, width)
    assert len(shown) <= width
    assert bool(shown) is (value > 0)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40), st.integers(1, 8), st.integers(1, 4))
def test_a_chart_stands_as_high_as_it_may(values: list[int], height: int, column: int) -> None:
    rows = chart(values, height=height, column=column)
    assert len(rows) == height
    assert all(len(row) <= column * len(values) for row in rows)
    assert bool(rows[0]) is (max(values) > 0)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100), st.integers(1, 40))
def test_a_span_is_seen_wherever_it_lies(starts: float, length: float, rest: float, width: int) -> None:
    shown = span(starts, starts + length, starts + length + rest, width)
    assert len(shown) == width
    assert "█" in shown
