"""A `plh` on a machine whose clock is wrong: `python -m tests.faults.skewed DAYS [DAYS_LATER] send …`.

The clock is off by DAYS; with DAYS_LATER, other than `-`, it jumps there once the first request was answered.
"""

import sys
from datetime import datetime as real
from datetime import timedelta, tzinfo

from posthog_llm_cli.cli import app, runs, send, showing
from posthog_llm_cli.ledger import Ledger
from posthog_llm_cli.transport import capture

OFF = [timedelta(days=float(sys.argv[1]))]
LATER = None if sys.argv[2] == "-" else timedelta(days=float(sys.argv[2]))


class Skewed(real):
    """Tells another time."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> real:  # type: ignore[override]
        return real.now(tz) + OFF[0]


def jump(settle: object) -> object:
    def jumping(*words: object, **options: object) -> object:
        assert LATER is not None
        OFF[0] = LATER
        return settle(*words, **options)  # type: ignore[operator]

    return jumping


if __name__ == "__main__":
    for module in (send, runs, showing, capture):
        vars(module)["datetime"] = Skewed
    if LATER is not None:
        Ledger.settle = jump(Ledger.settle)  # type: ignore[assignment,method-assign]
    sys.exit(app.run(sys.argv[3:]))
