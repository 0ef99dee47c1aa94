"""The compatibility suite: LiteLLM's own PostHog logger and `plh` on the same calls, compared property by property.

`make compat` runs it. Only `generate.py` and `asking.py` need LiteLLM, which is installed in an environment of its
own; all else is the standard library, so that the project's tests can use the table of corrections. Nothing here
imports `posthog_llm_cli`: the corrections say from the record alone what an event must be, and share no code with
what they judge.
"""
