"""What an SDK's objects print (`str(response)`, `json.dumps(…, default=str)`) → what they hold. Pure.

The print of an answer is read where Python can read it whole; what is one by its beginning and cannot be read is no
answer's text either.
"""

import re
from collections.abc import Mapping

from posthog_llm_cli.formats._fields import decoded_if_shallow
from posthog_llm_cli.formats._python_literals import python_literal
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily

_PRINT = lazily(
    r"\s*(?:\[?(?:Parsed|Create)?(?:Chat)?(?:Completion|Embedding|Model)?(?:Response|Completion|CompletionMessage)"
    r"(?:\[\w+\])?\([a-z_]+="  # OpenAI's and LiteLLM's
    r"|\[?Choices?\(finish_reason="
    r"|(?:AIMessage|LLMResult|AgentRunResult|ChatResult)(?:Chunk)?\([a-z_]+="
    r"|content=(?:'|\"|\[).*\badditional_kwargs=\{"  # LangChain's messages
    r"|b['\"]\{|\{'(?:id|object|choices|model)': |\{\s{1,9}id: '[^'\n]{1,200}',\s{1,9}object: '"  # the last is Node's
    r"|<OpenAIObject |<(?:\w*API)?Response \[\d{3}\b[^\]<>]{0,80}\](?: type=<[^<>]{0,300}>)?>\s*\Z"
    r"|\w{0,40}(?:Completion|ChatResponse) ?[\[{] ?\w+ ?= ?"  # Java
    r"|\{ID:\S{1,200} Object:|\{\"id\" ?=> ?\"[^\"]{0,200}\", ?\"object\" ?=>|#<[A-Z]\w*(?:::\w+)+[: ]"  # Go, Ruby
    r"|OpenAI(?:\.[A-Z]\w*){1,5}\s*\Z"  # C#
    r"|<[\w.]+ object (?:[\w.<>]+ )?at 0x[0-9a-fA-F]+>\s*\Z|\[object Object\]\s*\Z)",
    re.DOTALL,
)
_READABLE = lazily(r"\s*(?:\[?[A-Z]\w*(?:\[\w+\])?\(|\{')")
_OF_JSON = lazily(r"\s*<OpenAIObject [^<>]{0,200}> JSON: (?=\{)")
"""openai-python before 1.0."""
_ITEM = lazily(r"(?:Parsed)?(?:ChatCompletionMessage|Response[A-Z]\w+)(?:\[\w+\])?\(")
"""An earlier answer, or an item of one, among what was asked."""


def is_print(text: str) -> bool:
    """Whether a text is by its beginning what a language prints of an answer, or of what may give one."""
    return _PRINT.match(text) is not None


def read_print(text: str) -> Json:
    """Return the answer, the message or the choices in the print of one; any other text, and what holds none, as is."""
    if not is_print(text):
        return text
    of_json = _OF_JSON.match(text)
    if of_json is not None:
        found = decoded_if_shallow(text[of_json.end() :])
        return found if isinstance(found, dict) else text
    found = python_literal(text, objects=True) if _READABLE.match(text) else None
    return found if _says_something(found) else text


def with_printed_parts(answer: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return an answer whose choices or items were printed (`json.dumps(dict(response), default=str)`) with them."""
    for key in ("choices", "output"):
        parts = answer.get(key)
        if isinstance(parts, list) and parts and isinstance(parts[0], str):
            return {**answer, key: [_part(part) for part in parts]}
    return answer


def read_item(text: str) -> Json:
    """Return a message or an item of the Responses API that was printed among what was asked; other texts as they are.

    What cannot be read is what the model said all the same.
    """
    if _ITEM.match(text) is None:
        return text
    found = python_literal(text, objects=True)
    return found if isinstance(found, dict) else {"role": "assistant", "content": text}


def _part(part: Json) -> Json:
    if not isinstance(part, str) or _READABLE.match(part) is None:
        return part
    found = python_literal(part, objects=True)
    return found if isinstance(found, dict) else part


def _says_something(found: Json) -> bool:
    if isinstance(found, list):
        return bool(found) and all(isinstance(part, dict) for part in found)
    return isinstance(found, dict) and any(
        found.get(key) for key in ("choices", "output", "data", "content", "message")
    )
