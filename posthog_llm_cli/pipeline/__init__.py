"""`send()` and `validate()`: the only place where the stages meet.

```
reader ─► convert (here, or in workers) ─► count ─► chunks ─► deliveries (threads) ─► dead letters, ledger, report
```

Only the main thread touches the report, the dead letters, the ledger and the observer.
"""

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
