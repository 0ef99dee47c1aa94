"""The fault suite: a real `plh` process against the real mock server, over the matrix of what may go wrong.

`harness.py` is what every test here stands on. A test asserts that its fault fired, and that afterwards nothing is
lost, nothing is under a wrong key, and the report adds up.
"""
