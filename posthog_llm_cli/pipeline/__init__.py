"""`send()` and `validate()`: the only place where the stages meet.

```
reader ─► convert (here, or in worker processes) ─► count ─► chunks ─► deliveries (threads) ─► dead letters, report
```

Only the main thread touches the report, the dead letters and the observer.
"""

from posthog_llm_cli.pipeline.plan import ConvertLine, DeadLetters, Observer, Plan, Reader
from posthog_llm_cli.pipeline.run import send, validate
from posthog_llm_cli.pipeline.stop import Stop

__all__ = [
    "ConvertLine",
    "DeadLetters",
    "Observer",
    "Plan",
    "Reader",
    "Stop",
    "send",
    "validate",
]
