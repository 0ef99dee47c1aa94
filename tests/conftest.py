"""Settings of the whole suite."""

import os

from hypothesis import settings

# No timing fails a test: two cores may be busy with something else. Half of the usual examples keep the suite short on
# them; each run draws others. PLH_THOROUGH=1 draws ten times as many.
settings.register_profile("plh", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=1_000)
settings.load_profile("thorough" if os.environ.get("PLH_THOROUGH") else "plh")
