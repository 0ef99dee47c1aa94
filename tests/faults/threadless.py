"""A `plh` that the system gives `$THREADS` threads and no more, as in a container whose processes are numbered: `python -m tests.faults.threadless send …`."""

import os
import sys
import threading

from posthog_llm_cli.cli import app

_start = threading.Thread.start
_left = int(os.environ.get("THREADS", "0"))


def _start_some(thread: threading.Thread) -> None:
    global _left  # noqa: PLW0603 - the system's count
    if not _left:
        raise RuntimeError("can't start new thread")
    _left -= 1
    _start(thread)


if __name__ == "__main__":
    threading.Thread.start = _start_some  # type: ignore[method-assign, assignment]
    sys.exit(app.run(sys.argv[1:]))
