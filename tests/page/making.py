"""Pages to look at: events, a store and a preview of them, and what a finished page holds."""

import base64
import hashlib
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson

from posthog_llm_cli.glance import glance_of
from posthog_llm_cli.model import Event
from posthog_llm_cli.page import PageFacts, PageStore, Written, write_page
from posthog_llm_cli.page.writing import PAGE_BYTES
from posthog_llm_cli.preview.figures import Preview
from posthog_llm_cli.preview.folding import PreviewFold
from posthog_llm_cli.report import Mode, RunReport
from tests.converting import RUN_STARTED_AT, to_event

AT_MS = int(datetime(2025, 6, 9, tzinfo=UTC).timestamp() * 1000)
MADE = PageFacts(RUN_STARTED_AT, ("app.jsonl",))


def call(number: int = 0, *, event: str = "$ai_generation", user: str = "ada", **properties: Any) -> dict[str, Any]:
    """One record, an event already, so that any property can be what a test wants; `_` stands for `$ai_`."""
    given = {f"$ai_{name}": value for name, value in properties.items() if value is not None}
    return {
        "event": event,
        "distinct_id": user,
        "timestamp": f"2025-06-09T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        "properties": {
            "$ai_trace_id": f"trace-{number}",
            "$ai_span_id": f"span-{number}",
            "$ai_model": "gpt-4o",
            **given,
        },
    }


def said(prompt: Any, answer: Any) -> dict[str, Any]:
    """The content of a call."""
    return {
        "input": [{"role": "user", "content": prompt}],
        "output_choices": [{"role": "assistant", "content": answer}],
    }


def events(records: Iterable[dict[str, Any]]) -> list[Event]:
    return [to_event(record) for record in records]


def filled(store: PageStore, found: Iterable[Event]) -> Preview:
    """Give a store the events, and return their preview."""
    fold = PreviewFold(now=RUN_STARTED_AT, takes=lambda _: True, content=store)
    report = RunReport("run-1", Mode.PREVIEW)
    for event in found:
        fold.see(event, glance_of(event, "posthog-event", ()), is_open=True)
        report.accepted += 1
        report.records += 1
    return fold.preview(report, None)


def write(
    path: Path, records: Iterable[dict[str, Any]], *, facts: PageFacts = MADE, page_bytes: int = PAGE_BYTES
) -> Written:
    with PageStore() as store:
        preview = filled(store, events(records))
        return write_page(path, preview, store, facts, page_bytes=page_bytes)


@dataclass
class Parsed(HTMLParser):
    """A page as a browser takes it apart: its elements in order, its text, and what scripts and styles hold."""

    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str | None]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    raw: list[tuple[str, dict[str, str | None], str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag in {"script", "style"}:
            self.raw.append((tag, dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem in {"script", "style"}:  # not a title, whose text the parser of a newer Python takes so
            tag, attributes, before = self.raw[-1]
            self.raw[-1] = (tag, attributes, before + data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def policy(self) -> dict[str, list[str]]:
        content = next(
            value
            for tag, name, value in self.attributes
            if tag == "meta" and name == "content" and value and "default-src" in value
        )
        return {words[0]: words[1:] for words in (part.split() for part in content.split(";"))}

    def run(self) -> list[tuple[str, str]]:
        """The scripts that run and the styles that apply, with the hash that the policy must name."""
        found = [(tag, text) for tag, attributes, text in self.raw if tag == "style" or "type" not in attributes]
        return [
            (tag, f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'")
            for tag, text in found
        ]

    def blocks(self, kind: str) -> dict[str, Any]:
        """What the blocks of a kind hold: `rows`, `o` (outlines) or `c` (contents)."""
        return {
            str(attributes["id"]): orjson.loads(zlib.decompress(base64.b64decode(text)))
            for _, attributes, text in self.raw
            if re.fullmatch(rf"{kind}\d*", attributes.get("id") or "")
        }

    @property
    def data(self) -> Any:
        return next(orjson.loads(text) for _, attributes, text in self.raw if attributes.get("id") == "page")

    @property
    def rows(self) -> list[dict[str, Any]]:
        names = self.data["rowColumns"]
        return [dict(zip(names, row, strict=True)) for row in self.blocks("rows")["rows"]]

    @property
    def contents(self) -> dict[int, Any]:
        """The properties of the calls that have them, by their numbers."""
        found: dict[int, Any] = {}
        for place, (first, size) in enumerate(self.data["contents"]):
            values = self.blocks("c")[f"c{place}"]
            assert len(values) == size
            found |= {first + at: value for at, value in enumerate(values) if value is not None}
        return found


def parse(path: Path) -> Parsed:
    parsed = Parsed()
    parsed.feed(path.read_text("utf-8"))
    parsed.close()
    return parsed
