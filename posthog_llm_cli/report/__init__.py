"""What a run did: the counts, their law, and the exit code. The renderers lie beside it."""

from posthog_llm_cli.report.counts import Destined, Mode, RunReport

__all__ = ["Destined", "Mode", "RunReport"]
