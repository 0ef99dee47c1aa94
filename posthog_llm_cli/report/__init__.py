"""What a run did: the counts, their law, and the exit code. The renderers lie beside it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posthog_llm_cli.report.counts import Destined, Mode, RunReport

__all__ = ["Destined", "Mode", "RunReport"]


def __getattr__(name: str) -> object:
    """Load the counts when they are first asked for: who wants a text alone, as `plh --help`, needs no model."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from posthog_llm_cli.report import counts  # noqa: PLC0415 - see above

    return getattr(counts, name)
