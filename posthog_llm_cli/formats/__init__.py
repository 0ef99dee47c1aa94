"""placeholder, replaced by the lead"""

FORMAT_NAMES: tuple[str, ...] = (
    "litellm", "litellm-kwargs", "openai-chat", "openai-responses", "openai-completions", "openai-embeddings",
    "openai-error", "posthog-event", "dead-letter",
)
