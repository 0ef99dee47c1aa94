"""What a scenario is, and the words that scenarios share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Arguments = Mapping[str, Any]

ASK = [{"role": "system", "content": "You are terse."}, {"role": "user", "content": "Capital of France?"}]
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks up a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}
CALLED = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"town": "Paris"}'}}
SPENT = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}


@dataclass(frozen=True, slots=True)
class Made:
    """A value that only LiteLLM can make: `kind` names a class of its, `fields` are the arguments."""

    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Calls to make, and how many log lines LiteLLM writes for them.

    `ask` names a function of `compat.asking`, `arguments` are what it gives to LiteLLM, `settings` LiteLLM's module settings
    during the calls. A scenario that logs another number of lines than `logged`, of failures than `failed`, or of calls that it
    logs twice than `doubled`, fails the suite.
    """

    name: str
    ask: str
    arguments: Arguments
    logged: int = 1
    failed: int = 0
    settings: Arguments = field(default_factory=dict)
    doubled: int = 0


def chat(
    name: str, ask: str = "completion", *, logged: int = 1, failed: int = 0, doubled: int = 0, **arguments: Any
) -> Scenario:
    """Return a chat of gpt-4o that answers `Paris.`, but for what `arguments` say."""
    asked = {"model": "gpt-4o", "messages": ASK, "mock_response": "Paris.", **arguments}
    return Scenario(name, ask, asked, logged, failed, doubled=doubled)


def answered(message: Arguments, usage: Arguments | None = None, **choice: Any) -> Made:
    """Return the mock response of one choice with this message."""
    choices = [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}, **choice}]
    return Made("ModelResponse", {"model": "gpt-4o", "choices": choices, "usage": Made("Usage", usage or SPENT)})
