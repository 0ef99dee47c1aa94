"""Settings of the whole suite."""

from hypothesis import settings

from tests.laws import THOROUGH, examples

# No timing fails a test: two cores may be busy with something else.
settings.register_profile("plh", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=examples(50))
settings.load_profile("thorough" if THOROUGH else "plh")
