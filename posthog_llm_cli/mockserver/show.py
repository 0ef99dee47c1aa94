"""`python -m posthog_llm_cli.mockserver.show URL`: a readable list of what a running mock server has stored.

For scripts, above all the demo: exit 0 if there is at least one event, 1 if there is none or no answer.
"""

import sys
import urllib.request
from collections.abc import Sequence
from typing import TextIO
from urllib.error import URLError

import orjson

from posthog_llm_cli.mockserver.display import clean, event_line, tally_lines
from posthog_llm_cli.model import Json

LAST = 40
"""So many events are listed, the last ones."""


def show(url: str, out: TextIO) -> int:
    """Print the events at `url` and the tally; return how many events there are.

    Raises:
        OSError: nothing answers there.
    """
    tally = _fetch(f"{url}/requests")
    entries = _fetch(f"{url}/events?limit={LAST}")
    lines = [f"What arrived at {clean(url, 200)}"]
    if tally["events"] > len(entries):
        lines.append(f"  … {tally['events'] - len(entries):,} before these")
    for entry in entries:
        where = f"{entry['route']}  {entry['api_key']}"
        lines.append(f"  {where}  {event_line(entry['event'], notes=entry['notes'], duplicate=entry['duplicate'])}")
    lines += [f"  {line}" for line in tally_lines(tally)]
    out.write("".join(f"{line}\n" for line in lines))
    return int(tally["events"])


def _fetch(url: str) -> Json:
    # No proxy: it is a local server, whatever the environment says about the world outside.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        return orjson.loads(answer.read())


def main(arguments: Sequence[str], out: TextIO, errors: TextIO) -> int:
    """Run the script; return its exit code."""
    if len(arguments) != 1 or not arguments[0].startswith("http://"):
        errors.write("usage: python -m posthog_llm_cli.mockserver.show http://HOST:PORT\n")
        return 2
    try:
        events = show(arguments[0].rstrip("/"), out)
    except URLError as error:
        errors.write(f"error: expected a mock server and found none: {error.reason}\n")
        return 1
    return 0 if events else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout, sys.stderr))
