"""A local stand-in for PostHog's capture service, with faults on order.

    with MockServer(faults=Faults.parse("429:0.1,reset:0.02"), seed=7) as server:
        …                      # point a client at server.url
        server.events          # what was stored, in order of arrival (store.py describes an entry)
        server.requests        # the requests, with their headers, sizes, answers and faults
        server.tally["faults"] # how often each fault fired

It behaves as docs in posthog-ingestion.md, sections 2 to 4, 6 and 7, describe the three routes, and is as strict as the
strictest reading of them, so that what passes here passes there.
"""

from posthog_llm_cli.mockserver.faults import Faults
from posthog_llm_cli.mockserver.server import MockServer
from posthog_llm_cli.mockserver.serving import serve
from posthog_llm_cli.mockserver.store import SeenRequest

__all__ = ["Faults", "MockServer", "SeenRequest", "serve"]
