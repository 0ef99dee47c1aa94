"""`send()` and `validate()`: the only place where the stages meet.

```
reader ─► convert (here, or in workers) ─► count ─► chunks ─► deliveries (threads) ─► dead letters, ledger, report
```

Only the main thread touches the report, the dead letters, the ledger and the observer.

The names are loaded when they are first asked for: a worker process imports `workers` alone, and so a third less.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posthog_llm_cli.pipeline.plan import ConvertLine, DeadLetters, Ledger, Observer, Onlooker, Plan, Reader
    from posthog_llm_cli.pipeline.run import send, validate
    from posthog_llm_cli.pipeline.stop import Stop

__all__ = [
    "ConvertLine",
    "DeadLetters",
    "Ledger",
    "Observer",
    "Onlooker",
    "Plan",
    "Reader",
    "Stop",
    "send",
    "validate",
]

_PLACES = {"Stop": "stop", "send": "run", "validate": "run"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'plan')}"), name)
