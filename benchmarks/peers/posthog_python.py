"""PostHog's SDK in its natural use: a loop over the lines of a log, one `capture` for each.

    python posthog_python.py LOG URL KEY [--gzip] [--historical] [--roomy]

The last line of its output is JSON: the seconds and the processor time from the first line to the end of `shutdown`,
without the start of Python and the imports. `--roomy` gives its queue room for the whole log, so that it drops nothing.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from posthog import Posthog


def properties(record: dict[str, Any]) -> dict[str, Any]:
    """Return what PostHog's documentation has one send for a generation, from a LiteLLM payload."""
    return {
        "$ai_trace_id": record["trace_id"],
        "$ai_span_id": record["id"],
        "$ai_model": record["model"],
        "$ai_provider": record["custom_llm_provider"],
        "$ai_input": record["messages"],
        "$ai_output_choices": [choice["message"] for choice in record["response"]["choices"]],
        "$ai_input_tokens": record["prompt_tokens"],
        "$ai_output_tokens": record["completion_tokens"],
        "$ai_total_cost_usd": record["response_cost"],
        "$ai_latency": record["response_time"],
        "$ai_base_url": record["api_base"],
        "$ai_model_parameters": record["model_parameters"],
        **(record["metadata"].get("requester_metadata") or {}),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--historical", action="store_true")
    parser.add_argument("--roomy", action="store_true")
    given = parser.parse_args()
    room = {"max_queue_size": 10_000_000} if given.roomy else {}
    began, began_cpu = time.perf_counter(), time.process_time()
    client = Posthog(
        given.key,
        host=given.url,
        gzip=given.gzip,
        historical_migration=given.historical,
        **room,
    )
    with given.log.open() as log:
        for line in log:
            record = json.loads(line)
            client.capture(
                "$ai_generation",
                distinct_id=record["end_user"] or record["trace_id"],
                timestamp=datetime.fromtimestamp(record["endTime"], UTC),
                properties=properties(record),
            )
    client.shutdown()
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - began_cpu}))


if __name__ == "__main__":
    main()
