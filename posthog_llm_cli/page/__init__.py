"""The page of a preview: one HTML file with the figures, the table of traces and their conversations.

`store` gathers what is shown, `writing` makes the file, `overview` turns figures into cards and tables and `plots` into
plots, `blocks` packs content, `assets` holds style and script (`static/`). The page needs no network, and nothing but
its own script runs in it.
"""

from posthog_llm_cli.page.store import PageStore
from posthog_llm_cli.page.writing import PageFacts, Written, write_page

__all__ = ["PageFacts", "PageStore", "Written", "write_page"]
