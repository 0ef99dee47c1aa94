"""The parts of the pipe, each timed alone (pytest-benchmark), so that a regression has an address."""
