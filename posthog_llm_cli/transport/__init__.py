"""Chunk → Delivery: the POST with its retries, splits and fallbacks, and two stand-ins that send nothing.

`Capture` and `new_client` load httpx and tenacity when they are first asked for, so that a run that sends nothing
(`--mock`, `--dry-run`, `validate`) starts without them; by `Deferred`, one that finds nothing to send too.
"""

import sys
from typing import TYPE_CHECKING, Any, cast

from posthog_llm_cli.transport.deferred import Deferred
from posthog_llm_cli.transport.deliverer import Deliverer, LimitNotice, RetryNotice
from posthog_llm_cli.transport.offline import Printer, Rehearsal

if TYPE_CHECKING:
    from posthog_llm_cli.transport.capture import Capture
    from posthog_llm_cli.transport.client import new_client

# httpx brings a command line of its own and, where rich is installed, loads all that it draws with: more than half of
# the time that `import httpx` takes. It is made to do without, as it is where rich is missing.
cast("dict[str, Any]", sys.modules).setdefault("httpx._main", None)

__all__ = ["Capture", "Deferred", "Deliverer", "LimitNotice", "Printer", "Rehearsal", "RetryNotice", "new_client"]


def __getattr__(name: str) -> Any:
    """Load what needs httpx on first use (PEP 562)."""
    if name == "Capture":
        from posthog_llm_cli.transport.capture import Capture  # noqa: PLC0415  (heavy import, on first use)

        return Capture
    if name == "new_client":
        from posthog_llm_cli.transport.client import new_client  # noqa: PLC0415  (heavy import, on first use)

        return new_client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
