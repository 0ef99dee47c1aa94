"""How many examples a law draws.

Half of the usual number keeps the suite short on two cores; each run draws others, so that what one has not met a later
one may. PLH_THOROUGH=1 draws twenty times as many, of every law.
"""

import os

THOROUGH = bool(os.environ.get("PLH_THOROUGH"))


def examples(count: int) -> int:
    """Return how many examples a law draws that asks for `count` of them in an ordinary run, other than the profile's 50."""
    return count * 20 if THOROUGH else count
