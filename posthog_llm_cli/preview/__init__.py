"""What PostHog will show of a log, before anything is sent: figures, the traces, and a forecast of a `send`.

`figures` holds the frozen values, `folding` makes them out of glances, `terminal` and `json` print them, `keeping` is
the seam for whoever needs the content too.
"""
