"""`plh`: replay and backfill LLM call logs into PostHog's AI observability."""
