"""What a run is asked to do. The only part that reads the environment.

`resolution.load()` gives the `Settings`; this module imports nothing, so that `plh --version` stays quick.
"""
