"""The page's own files: style, script and the plotting library, each whole in the page and named by hash in its policy.

A page from `file://` cannot load modules (each file is an origin of its own), so the ES modules are put into one
script: in the order of `MODULES`, without their `import` and `export`. They are written for that: no module renames
what it imports, no two have a name in common, and imports stand on one line each.
"""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import ClassVar

import orjson

from posthog_llm_cli.values import Value

MODULES = (
    "dom.js",
    "numbers.js",
    "blocks.js",
    "rows.js",
    "messages.js",
    "conversation.js",
    "list.js",
    "trace.js",
    "traces.js",
    "charts.js",
    "theme.js",
    "app.js",
)
"""The page's modules; one imports from earlier ones only."""

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./[a-z]+\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|let|class)", re.MULTILINE)


class Asset(Value, frozen=True):
    """The text of one `<script>` or `<style>`, and the hash by which the policy lets it in."""

    hidden: ClassVar = frozenset({"text"})

    text: str

    @property
    def source(self) -> str:
        """Return the source expression of the Content Security Policy."""
        return f"'sha256-{base64.b64encode(hashlib.sha256(self.text.encode()).digest()).decode()}'"


class Vendored(Value, frozen=True):
    """A file of another project, as `vendor.json` records it."""

    name: str
    version: str
    licence: str
    path: str
    sha256: str


@cache
def style() -> Asset:
    """Return the page's style sheet."""
    return Asset(_read("style.css"))


@cache
def script() -> Asset:
    """Return the page's modules as one script."""
    joined = "\n".join(_EXPORT.sub("", _IMPORT.sub("", _read(name))) for name in MODULES)
    return Asset(f'"use strict";\n(() => {{\n{joined}}})();\n')


@cache
def plotting() -> Asset:
    """Return the plotting library; its map is not there, and a browser's tools would ask for it."""
    return Asset(re.sub(r"\n//# sourceMappingURL=.*", "", _read("vendor/" + vendored().path)))


@cache
def vendored() -> Vendored:
    """Return what `vendor.json` says of the plotting library."""
    return Vendored(**orjson.loads(_read("vendor/vendor.json")))


def template() -> str:
    """Return the page's template."""
    return _read("page.html.j2")


def _read(name: str) -> str:
    return (files("posthog_llm_cli.page") / "static" / name).read_text("utf-8")
