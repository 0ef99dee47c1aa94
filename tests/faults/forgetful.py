"""A `plh` that holds two hundred ids of events in memory and not 20,000, so that a small log fills it: `python -m tests.faults.forgetful send …`."""

import sys
from functools import partial

from posthog_llm_cli.cli import app
from posthog_llm_cli.pipeline import run
from posthog_llm_cli.seen import SeenIds

if __name__ == "__main__":
    vars(run)["SeenIds"] = partial(SeenIds, memory_entries=200)  # what the pipeline makes
    sys.exit(app.run(sys.argv[1:]))
