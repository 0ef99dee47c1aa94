"""The page as a file: complete or not at all, readable by its owner only, for it holds prompts and answers."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import jinja2
import orjson
from markupsafe import Markup

from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.page import assets, overview, plots
from posthog_llm_cli.page.blocks import Block, encode, fitting
from posthog_llm_cli.page.facts import OUTLINE, plain
from posthog_llm_cli.page.store import PageStore, TraceRow
from posthog_llm_cli.preview.figures import Preview
from posthog_llm_cli.report.text import count, human_bytes, human_latency, human_usd
from posthog_llm_cli.values import Value, asdict
from posthog_llm_cli.version import __version__

PAGE_BYTES = 25_000_000
"""A page is at most this large, or it is no longer quick to open, to mail and to keep."""

_MOST_FACTS = 0.6
"""This share of a page is for the table of traces and their trees at most; the rest is for content."""

_MARGIN = 40_000
"""What the frame grows by when it is known what the page holds: the places of the blocks, and what is left out."""

_ROW = tuple(name for name in TraceRow.__struct_fields__ if name != "number")
_SEAM = "<!-- blocks -->"
_SHOWN_SOURCES = 3

_HEADS = (
    ("time", "Time (UTC)", "time"),
    ("name", "Trace", "name"),
    ("model", "Model", "model"),
    ("user", "User", "user"),
    ("calls", "Calls", "number calls"),
    ("latency", "Latency", "number latency"),
    ("tokens", "Tokens", "number tokens"),
    ("cost", "Cost", "number cost"),
    ("errors", "Errors", "errors"),
)
_KEYS = (
    (("/",), "search the traces"),
    (("j", "k"), "next, previous (arrows, Page and End keys too)"),
    (("Enter",), "open the trace"),
    (("Esc",), "back"),
    (("[", "]"), "previous, next trace"),
    (("o", "t"), "overview, traces"),
    (("d",), "light or dark"),
)


class PageFacts(Value, frozen=True):
    """What the page says of its making: when, out of what, and whether content was left out on purpose."""

    made_at: datetime
    sources: Sequence[str]
    is_private: bool = False


class Written(Value, frozen=True):
    """What became of a page: its size in bytes, and how many traces and calls have no place in it."""

    size: int
    unlisted_traces: int
    calls_without_content: int
    words: str = ""


@contextmanager
def page_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` when all of it is written, and leaves no trace if that fails.

    Raises:
        ConfigError: it cannot be made or written.
    """
    held: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:60]}.", suffix=".part", dir=path.parent)
        held = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        held.replace(path)
        held = None
    except OSError as error:
        raise ConfigError(
            f"{path}: expected to write the page there, and it failed: {error.strerror or error}",
            hint="name another place with --html",
        ) from error
    finally:
        if held is not None:
            with suppress(OSError):
                held.unlink()


def write_page(
    path: Path, preview: Preview, store: PageStore, facts: PageFacts, *, page_bytes: int = PAGE_BYTES
) -> Written:
    """Write the page of a preview whose events `store` was given, and say what had no place in it.

    Memory holds the table of traces and one block; the rest goes from the store's file to the page's.

    Raises:
        ConfigError: the page cannot be written, or the store's file fails.
    """
    with page_file(path) as out, tempfile.TemporaryFile(dir=path.parent) as body:
        store.rank()
        room = page_bytes - len(_render(preview, store, facts, rows=b"", said="", data={})) - _MARGIN
        rows, outlines = _list_traces(store, body, int(room * _MOST_FACTS))
        encoded_rows = encode(b"[" + b",".join(rows) + b"]")
        room -= len(encoded_rows) + body.tell()
        contents, kept = _fill(store, len(rows), body, room)
        traces, calls = store.totals()
        left = Written(0, traces - len(rows), calls - kept)
        said = "" if facts.is_private else _left_out(left, traces, calls, page_bytes)
        data = {"outlines": outlines, "contents": contents}
        head, _, tail = _render(preview, store, facts, rows=encoded_rows, said=said, data=data).partition(
            _SEAM.encode()
        )
        out.write(head)
        body.seek(0)
        while piece := body.read(1 << 20):
            out.write(piece)
        out.write(tail)
        size = out.tell()
    return Written(size, left.unlisted_traces, left.calls_without_content, said)


def _list_traces(store: PageStore, body: BinaryIO, room: int) -> tuple[list[bytes], list[list[int]]]:
    """Write the outlines of the traces, in the order of their places, as long as they and the table have room."""
    rows: list[bytes] = []
    outlines: list[list[int]] = []
    size = 0

    def values() -> Iterator[bytes]:
        nonlocal size
        for row, calls in store.rows():
            line = orjson.dumps([getattr(row, name) for name in _ROW])
            tree = b"[" + b",".join(calls) + b"]"
            # Random ids, which deflate worst, become two thirds of their length in base64.
            size += (len(line) + len(tree)) * 2 // 3
            if size > room:
                return
            rows.append(line)
            yield tree

    for place, block in enumerate(fitting(values(), sys.maxsize)):
        _write(body, f"o{place}", block)
        outlines.append([block.first, block.count])
    return rows, outlines


def _fill(store: PageStore, traces: int, body: BinaryIO, room: int) -> tuple[list[list[int]], int]:
    """Write the content that there is room for; return where it is, and of how many calls it is."""
    contents: list[list[int]] = []
    kept = 0
    for place, block in enumerate(fitting(store.contents(traces), room)):
        _write(body, f"c{place}", block)
        contents.append([block.first, block.count])
        kept += block.count - block.lacking
    return contents, kept


def _write(body: BinaryIO, name: str, block: Block) -> None:
    body.write(b'<script type="text/plain" id="' + name.encode() + b'">' + block.encoded + b"</script>\n")


def _left_out(left: Written, traces: int, calls: int, page_bytes: int) -> str:
    parts = []
    if left.unlisted_traces:
        parts.append(f"{left.unlisted_traces:,} of {count(traces, 'trace')} are not listed")
    if left.calls_without_content:
        parts.append(f"{left.calls_without_content:,} of {count(calls, 'call')} are without their prompts and answers")
    if not parts:
        return ""
    return (
        f"To keep this page under {human_bytes(page_bytes)}, {' and '.join(parts)}: traces with errors, the most "
        "expensive and the slowest came first. All figures count everything."
    )


# ------------------------------------------------------------------------------------------------------------ template


def _render(
    preview: Preview, store: PageStore, facts: PageFacts, *, rows: bytes, said: str, data: dict[str, Any]
) -> bytes:
    kept = {
        **data,
        "rowColumns": _ROW,
        "callColumns": OUTLINE,
        "destinations": [f"{found.host} {found.masked_key}" for found in store.destinations],
        "leftOut": said,
        "isPrivate": facts.is_private,
        "charts": plots.charts(preview),
    }
    style, script, plotting = assets.style(), assets.script(), assets.plotting()
    names = [plain(name) for name in facts.sources]
    more = len(names) - _SHOWN_SOURCES
    shown = ", ".join(names[:_SHOWN_SOURCES]) + (f" and {more:,} more" if more > 0 else "")
    context = {
        "policy": policy(),
        "title": f"plh preview: {shown}" if shown else "plh preview",
        # These three are the package's own files; everything else is escaped.
        "style": Markup(style.text),  # noqa: S704
        "script": Markup(script.text),  # noqa: S704
        "plotting": Markup(plotting.text),  # noqa: S704
        "rows": rows.decode(),
        "page": kept,
        "left_out": said,
        "sources": shown,
        "headline": overview.headline(preview, store.totals()[0]),
        "span": overview.span(preview.timeline),
        "notes": [*overview.notes(preview), *([said] if said else [])],
        "totals": overview.totals(preview),
        "cards": list(overview.cards(preview)),
        "plots": list(plots.plots(preview)),
        "models": list(overview.models(preview)),
        "errors": list(overview.errors(preview)),
        "lists": list(overview.lists(preview)),
        "forecast": overview.forecast(preview),
        "coverage": list(overview.coverage(preview)),
        "price_note": overview.price_note(preview),
        "traces": store.totals()[0],
        "heads": [{"sort": sort, "title": title, "style": name} for sort, title, name in _HEADS],
        "keys": [{"names": names, "does": does} for names, does in _KEYS],
        "version": __version__,
        "made_at": f"{facts.made_at:%d %b %Y %H:%M} UTC",
        "is_private": facts.is_private,
        "library": asdict(assets.vendored()),
    }
    return _template().render(context).encode()


def policy() -> str:
    """Return the page's Content Security Policy: nothing but its own three texts, and pictures that it carries."""
    scripts = f"{assets.plotting().source} {assets.script().source}"
    return (
        f"default-src 'none'; script-src {scripts}; style-src {assets.style().source}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


@cache
def _template() -> jinja2.Template:
    made = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "whole": lambda number: "–" if number is None else f"{number:,}",
        "usd": lambda amount: "–" if amount is None else human_usd(amount),
        "duration": human_latency,
    }
    return made.from_string(assets.template())
