"""What reading one source takes: `python -m tests.sources.measuring PATH MAX_RECORD`.

Prints, as JSON, the MiB that it took at its peak, the first five things that it gave, and how many there were.
"""

import json
import sys

from posthog_llm_cli.model import LogLine, Mark
from posthog_llm_cli.sources import SourceReader
from tests.memory import peak_mib


def main(path: str, max_record: int) -> None:
    before_mib = peak_mib()
    seen: list[str] = []
    for item in SourceReader([path], max_record=max_record):
        if isinstance(item, Mark):
            continue
        if not isinstance(item, LogLine):
            seen.append(getattr(item, "code", ""))
        elif item.problem is not None:
            seen.append(item.problem.code)
        elif len(seen) < 5 or len(item.raw) < 20:
            seen.append(item.raw[:20].decode())
    sys.stdout.write(json.dumps([int(peak_mib() - before_mib), seen[:5], len(seen)]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
