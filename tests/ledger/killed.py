"""A `plh` that kills itself around a commit: `python -m tests.ledger.killed WHEN NTH send …`.

WHEN is `before`, `inside` (rows are written, not committed) or `after` the NTH delivery's transaction; `begun`, once the run
stands in the ledger; `ending`, when all is settled and the run's end is not noted; `ended`, once it is. NTH is 1 for these.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from posthog_llm_cli.cli import app, wiring
from posthog_llm_cli.committed import Commit
from posthog_llm_cli.ledger import Ledger
from posthog_llm_cli.model import Settled
from posthog_llm_cli.pipeline import outbox

WHEN, NTH = sys.argv[1], int(sys.argv[2])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Killed(Ledger):
    settling = 0

    def settle(self, settled: Sequence[Settled], commits: Sequence[Commit] = ()) -> None:
        self.settling += 1
        if WHEN == "before" and self.settling == NTH:
            die()
        super().settle(settled, commits)
        if WHEN == "after" and self.settling == NTH:
            die()

    def begin(self) -> None:
        super().begin()
        if WHEN == "begun":
            die()

    def end(self, report: str, *, exit_code: int, ended_at: datetime) -> None:
        if WHEN == "ending":
            die()
        super().end(report, exit_code=exit_code, ended_at=ended_at)
        if WHEN == "ended":
            die()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with super()._transaction():
            yield
            if WHEN == "inside" and self.settling == NTH:
                die()


if __name__ == "__main__":
    vars(wiring)["Ledger"] = Killed  # the object that the command line makes
    vars(outbox)["_MOST_TOGETHER"] = 1  # so that the NTH transaction is the NTH delivery's, however busy the machine is
    sys.exit(app.run(sys.argv[3:]))
