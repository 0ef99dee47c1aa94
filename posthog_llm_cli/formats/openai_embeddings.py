"""`openai-embeddings`: an embeddings answer, bare or as a pair (openai-logs.md, 4.5).

The vectors never leave the machine.

Smallest record: `{"timestamp": "2025-06-01T10:00:00Z", "response": {"object": "list", "data": [{"object": "embedding",
"index": 0, "embedding": [0.5]}], "model": "text-embedding-3-small"}}`. The answer has no time of its own.
"""

from posthog_llm_cli.formats._openai_call import Answer, build_call
from posthog_llm_cli.formats._openai_exchange import read_exchange
from posthog_llm_cli.formats._openai_shapes import classify
from posthog_llm_cli.formats.base import LogFormat, Parsed
from posthog_llm_cli.model import Json, Operation, ParseContext

NAME = "openai-embeddings"


def matches(record: Json) -> bool:
    """Whether `record` is an embeddings answer, or a pair whose answer is one (rows 12, 15, 17)."""
    return classify(record) == NAME


def parse(record: Json, context: ParseContext) -> Parsed:
    """Turn an embeddings answer into a call without output.

    Raises:
        RecordError: `missing-field` without a model or any usable time.
    """
    return build_call(read_exchange(record), Answer(Operation.EMBEDDING), context)


FORMAT = LogFormat(
    name=NAME,
    title="OpenAI embeddings answer, bare or with its request",
    recognised_by='object "list" with data[0].embedding; in a pair under response and the like',
    smallest='{"timestamp": "2025-06-01T10:00:00Z", "response": {"object": "list", "data": [{"object": "embedding", '
    '"index": 0, "embedding": [0.5]}], "model": "text-embedding-3-small"}}',
    matches=matches,
    parse=parse,
)
