"""Tables without lines whose numbers are always whole: of too narrow a terminal, the texts are cut and nothing else."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from posthog_llm_cli.values import Value

GAP = "  "
_NARROWEST = 8


class Column(Value, frozen=True):
    """One column: numbers stand at the right; a text that `gives` is cut where there is no room for all of it.

    `keeps_end` cuts its beginning: a file's name says more than its folders.
    """

    title: str = ""
    is_number: bool = False
    gives: bool = False
    keeps_end: bool = False


NUMBER = Column(is_number=True)
WHOLE = Column()
TEXT = Column(gives=True)


def number(title: str) -> Column:
    """Return a column of numbers with a title."""
    return Column(title, is_number=True)


def table(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> Iterator[Text]:
    """Yield the lines of a table, at most `width` columns wide as long as the numbers alone are no wider."""
    titles = [Text(column.title, style="dim") for column in columns]
    lines = [titles, *rows] if any(column.title for column in columns) else list(rows)
    widths = _widths(columns, lines, width)
    for line in lines:
        shown = Text(GAP).join(map(_fit, line, widths, columns))
        shown.rstrip()
        yield shown


def cut(text: Text, width: int) -> Text:
    """Return a text of at most `width` columns, with a mark where its end is missing."""
    text.truncate(width, overflow="ellipsis")
    return text


def _widths(columns: Sequence[Column], lines: Sequence[Sequence[Text]], width: int) -> list[int]:
    widths = [max(cells) for cells in zip(*([cell.cell_len for cell in line] for line in lines), strict=True)]
    room = width - len(GAP) * (len(columns) - 1)
    while sum(widths) > room:
        giving = [place for place, column in enumerate(columns) if column.gives and widths[place] > _NARROWEST]
        if not giving:
            break
        widths[max(giving, key=lambda place: widths[place])] -= 1
    return widths


def _fit(cell: Text, width: int, column: Column) -> Text:
    if cell.cell_len > width:
        if column.keeps_end:
            return Text(end_of(cell.plain, width), style=cell.style)
        cell = cut(cell.copy(), width)
    blanks = Text(" " * (width - cell.cell_len))
    return Text.assemble(blanks, cell) if column.is_number else Text.assemble(cell, blanks)


def end_of(text: str, width: int) -> str:
    """Return the end of a text of more than `width` columns, with a mark where its beginning is missing."""
    if Text(text).cell_len <= width:
        return text
    kept = Text(text[-(width - 1) :])
    while kept.cell_len > width - 1:
        kept = kept[1:]
    return f"…{kept.plain}"
