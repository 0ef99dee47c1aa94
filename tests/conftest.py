"""Settings of the whole suite."""

from hypothesis import settings

# No timing fails a test: two cores may be busy with something else.
settings.register_profile("plh", deadline=None)
settings.load_profile("plh")
