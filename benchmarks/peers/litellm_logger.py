"""LiteLLM's own PostHog logger, asynchronous, over the payloads that it would have been given.

    POSTHOG_API_KEY=… POSTHOG_API_URL=… python litellm_logger.py LOG

The last line of its output is JSON: the seconds and the processor time from the first line to the last flush, without
the start of Python and the imports (some three seconds).
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from litellm.integrations.posthog import PostHogLogger


async def log_all(path: Path) -> None:
    logger = PostHogLogger()
    with path.open() as log:
        for line in log:
            payload = json.loads(line)
            metadata = payload["metadata"].get("requester_metadata") or {}
            kwargs = {"standard_logging_object": payload, "litellm_params": {"metadata": metadata}}
            await logger.async_log_success_event(kwargs, None, payload["startTime"], payload["endTime"])
    await logger.flush_queue()


def main() -> None:
    began, began_cpu = time.perf_counter(), time.process_time()
    asyncio.run(log_all(Path(sys.argv[1])))
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - began_cpu}))


if __name__ == "__main__":
    main()
