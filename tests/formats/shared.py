"""Where the real logs lie, if they are there: beside the checkout, or where PLH_SHARED says."""

import os
from pathlib import Path

import pytest

from tests.converting import ROOT

SHARED = Path(os.environ.get("PLH_SHARED", ROOT.parent / "shared"))
OPENAI_LOGS = SHARED / "data" / "openai"

needs_openai_logs = pytest.mark.skipif(not OPENAI_LOGS.exists(), reason="the real logs are not beside this checkout")
