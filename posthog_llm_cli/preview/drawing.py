"""Bars and charts of block characters. Pure: numbers → text."""

from collections.abc import Sequence

_ACROSS = " ▏▎▍▌▋▊▉█"
_UP = " ▁▂▃▄▅▆▇█"


def bar(value: float, most: float, width: int) -> str:
    """Return a bar of `value` of `most`, at most `width` columns; what is not zero is seen."""
    if most <= 0 or value <= 0:
        return ""
    eighths = max(1, round(8 * width * min(value / most, 1.0)))
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_ACROSS[rest] if rest else "")


def chart(values: Sequence[float], *, height: int, column: int) -> list[str]:
    """Return the rows of a chart of standing bars, the highest row first, `column` columns for each value."""
    most = max(values, default=0)
    levels = [max(1, round(8 * height * value / most)) if value > 0 else 0 for value in values]
    width = max(1, column - 1)
    gap = " " * (column - width)
    rows = []
    for row in reversed(range(height)):
        cells = (_UP[min(8, max(0, level - 8 * row))] for level in levels)
        rows.append("".join(cell * width + gap for cell in cells).rstrip())
    return rows


def span(starts: float, ends: float, whole: float, width: int) -> str:
    """Return where a span of time lies in the whole, as `width` columns of a waterfall; the shortest is seen too."""
    if whole <= 0:
        return "█" + " " * (width - 1)
    first = min(width - 1, int(width * starts / whole))
    last = max(first + 1, min(width, round(width * ends / whole)))
    return " " * first + "█" * (last - first) + " " * (width - last)
