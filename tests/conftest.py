"""Settings of the whole suite."""

import gc
import signal

import pytest
from hypothesis import settings

from tests.laws import examples

# No timing fails a test: two cores may be busy with something else.
settings.register_profile("plh", deadline=None, max_examples=examples(50))
settings.load_profile("plh")

# Each worker collects all 5,500 tests, and nothing of that is garbage: looking for some is a third to half of the time.
gc.disable()

# Runs inherit what is ignored, as all is that `nohup make test` starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave the tests out of what the garbage collector looks through from now on."""
    gc.collect()
    gc.freeze()
    gc.enable()
