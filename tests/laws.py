"""How many examples a law draws.

A third of the usual number keeps the suite short on two cores; each run draws others, so that what one has not met a
later one may. PLH_THOROUGH=1 draws twenty times as many as a law asks for.
"""

import os
import random
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")
THOROUGH = bool(os.environ.get("PLH_THOROUGH"))


def examples(count: int) -> int:
    """Return how many examples a law draws that asks for `count` of them: three fifths of that in an ordinary run."""
    return count * 20 if THOROUGH else max(1, count * 3 // 5)


def drawn(choices: Sequence[_T]) -> Sequence[_T]:
    """Return which of several cases an ordinary run tries at one of very many places: one, in each run another."""
    return choices if THOROUGH else [random.choice(choices)]
