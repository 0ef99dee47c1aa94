"""The report as `--json` prints it: one object on one line."""

import orjson

from posthog_llm_cli.report.counts import RunReport
from posthog_llm_cli.report.text import mask_keys


def render_json(report: RunReport) -> bytes:
    """Return the report's JSON object and a line break, in UTF-8, with no key whole in it."""
    return mask_keys(orjson.dumps(report.as_dict()).decode()).encode() + b"\n"
