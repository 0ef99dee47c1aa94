"""An explanation as a person reads it in a terminal: where it comes from at the left, what it becomes at the right."""

import io
from collections.abc import Iterable, Iterator, Sequence

import orjson
from rich.console import Console
from rich.text import Text

from posthog_llm_cli.codes import WARNINGS
from posthog_llm_cli.explaining.values import Explanation, LeftOut, Row
from posthog_llm_cli.model import Json
from posthog_llm_cli.report.text import count, fold, harmless, human_bytes, words

_MOST_PATHS = 3
_MOST_LEFT_OUT = 40
_MOST_VALUE = 400


def render(explanations: Iterable[Explanation], *, width: int, colour: bool) -> Iterator[str]:
    """Yield explanations as text of at most `width` columns, each as soon as it is there."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colour, color_system="standard" if colour else None, no_color=not colour,
        highlight=False, markup=False, emoji=False, legacy_windows=False,
    )  # fmt: skip
    for place, explanation in enumerate(explanations):
        if place:
            console.print()
        for line in _lines(explanation, width):
            console.print(line, soft_wrap=True)
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def _lines(explanation: Explanation, width: int) -> Iterator[Text]:
    known = f"  {explanation.format}" if explanation.format is not None else "  no known format"
    what = explanation.event if explanation.event is not None else explanation.outcome
    yield Text.assemble((harmless(str(explanation.ref)), "bold"), known, "  → ", (what, "bold cyan"))
    if explanation.event is None:
        yield from _why_not(explanation, width)
    else:
        yield from _event(explanation, width)
    for code in explanation.warnings:
        yield from _folded(f"warning: {WARNINGS.get(code, code)} [{code}]", width, style="yellow")


def _why_not(explanation: Explanation, width: int) -> Iterator[Text]:
    code = f" [{explanation.code}]" if explanation.code is not None else ""
    at = f" at {explanation.path}" if explanation.path not in {None, "$"} else ""
    yield from _folded(
        f"{explanation.message}{at}{code}", width, style="red" if explanation.outcome == "rejected" else ""
    )
    if explanation.hint is not None:
        yield from _folded(f"hint: {explanation.hint}", width)


def _event(explanation: Explanation, width: int) -> Iterator[Text]:
    if explanation.identity is not None:
        yield from _folded(f"identity {explanation.identity}; the uuid is its version 5 in plh's namespace", width)
    key = "" if explanation.masked_key == "(no key)" else f" with key {explanation.masked_key}"
    yield from _folded(f"goes to {explanation.host}{key}: {explanation.destination_rule}", width)
    yield from _folded(f"{human_bytes(explanation.size)} before compression", width)
    yield Text()
    yield from _table(explanation.rows, width)
    if explanation.left_out or explanation.empty_fields:
        yield Text()
        yield Text("Left out", style="bold cyan")
        yield from _left_out(explanation.left_out, width)
        if explanation.empty_fields:
            yield Text(f"{count(explanation.empty_fields, 'empty field')} (null, no text, nothing in it)", style="dim")
    if not explanation.is_whole:
        yield from _folded("the record has more fields than were tried: some paths may be missing", width, style="dim")


def _table(rows: Sequence[Row], width: int) -> Iterator[Text]:
    left = _left_width([_paths(row) for row in rows], width)
    yield Text(f"{'FIELD OF THE RECORD':<{left}}  PROPERTY OF THE EVENT", style="dim")
    for row in rows:
        right = Text.assemble((harmless(row.property), "bold"), " ", _value(row.value))
        right.truncate(width - left - 2, overflow="ellipsis")
        aside = [*fold(words(f"{row.rule}{_needs(row)}"), width - left - 2)] if row.rule != "as logged" else []
        yield from _beside(_paths(row), [right, *(Text(harmless(line), style="dim") for line in aside)], left)


def _beside(left_lines: Sequence[str], right_lines: Sequence[Text], left: int) -> Iterator[Text]:
    for place in range(max(len(left_lines), len(right_lines))):
        path = Text(harmless(left_lines[place]) if place < len(left_lines) else "")
        path.truncate(left, overflow="ellipsis", pad=True)
        line = Text.assemble(path, "  ", right_lines[place] if place < len(right_lines) else "")
        line.rstrip()
        yield line


def _paths(row: Row) -> list[str]:
    paths = list(row.paths[:_MOST_PATHS]) or ["–"]
    if len(row.paths) > _MOST_PATHS:
        paths.append(f"and {len(row.paths) - _MOST_PATHS} more")
    return paths


def _needs(row: Row) -> str:
    return f"; there because of {', '.join(row.needs)}" if row.needs and row.paths else ""


def _left_width(columns: Sequence[Sequence[str]], width: int) -> int:
    longest = max((Text(path).cell_len for paths in columns for path in paths), default=0)
    return max(len("FIELD OF THE RECORD"), min(longest, width // 2 - 2))


def _left_out(parts: Sequence[LeftOut], width: int) -> Iterator[Text]:
    by_reason: dict[str, list[str]] = {}
    for part in parts[:_MOST_LEFT_OUT]:
        fields = f" ({part.of} fields)" if part.of > 1 else ""
        by_reason.setdefault(part.why, []).append(f"{part.path}{fields}")
    for why, paths in by_reason.items():
        listed = [*(f"{path}," for path in paths[:-1]), f"{paths[-1]}:"]
        yield from (Text(harmless(line)) for line in fold([*listed, *words(why)], width))
    if len(parts) > _MOST_LEFT_OUT:
        yield Text(f"and {len(parts) - _MOST_LEFT_OUT:,} more (--json has all)", style="dim")


def _value(value: Json) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return harmless(text[:_MOST_VALUE] + ("…" if len(text) > _MOST_VALUE else ""))


def _folded(text: str, width: int, *, style: str = "") -> Iterator[Text]:
    return (Text(line, style=style) for line in fold(words(harmless(text)), width))
