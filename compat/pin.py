"""Which LiteLLM the suite is for: `requirements.txt` is the one place that says so."""

import re
from pathlib import Path

_REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def pinned() -> str:
    """Return the pinned version of LiteLLM."""
    found = re.search(r"^litellm==(\S+)$", _REQUIREMENTS.read_text(), flags=re.MULTILINE)
    if found is None:
        raise ValueError("expected a line litellm==VERSION in compat/requirements.txt")
    return found[1]
