"""The calls that the suite generates, as data: LiteLLM is not needed to read them.

Each is made with LiteLLM's own mock responses, or against a stand-in for the providers on this machine where LiteLLM has no mock
for that kind of call. All models, prompts, keys and users are invented.
"""

from compat.scenarios._scenario import Made, Scenario
from compat.scenarios.chat import CHAT
from compat.scenarios.failures import FAILURES
from compat.scenarios.kinds import KINDS
from compat.scenarios.metadata import METADATA
from compat.scenarios.running import RUNNING
from compat.scenarios.upstream import UPSTREAM

SCENARIOS: tuple[Scenario, ...] = (*CHAT, *METADATA, *KINDS, *FAILURES, *RUNNING, *UPSTREAM)

__all__ = ["SCENARIOS", "Made", "Scenario"]
