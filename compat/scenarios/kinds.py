"""Calls that are no chats: embeddings, text completions, Responses, images, Anthropic messages."""

from typing import Any

from compat.scenarios._scenario import ASK, TOOL, Made, Scenario


def _of(kind: str, defaults: dict[str, Any]) -> Any:
    def made(name: str, ask: str, **arguments: Any) -> Scenario:
        return Scenario(f"{kind}: {name}", ask, {**defaults, **arguments})

    return made


_embedding = _of(
    "embedding", {"model": "text-embedding-3-small", "input": "One text.", "mock_response": [0.1, 0.2, 0.3]}
)
_text = _of("text", {"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon a", "mock_response": " time."})
_responses = _of("responses", {"model": "gpt-4o", "input": "Capital of France?", "mock_response": "Paris."})
_image = _of("image", {"model": "dall-e-3", "prompt": "a wren", "mock_response": "https://images.example.com/wren.png"})
_messages = _of(
    "messages",
    {"model": "anthropic/claude-3-5-sonnet-20240620", "messages": ASK[1:], "max_tokens": 20, "mock_response": "Paris."},
)

KINDS: tuple[Scenario, ...] = (
    _embedding("one text", "embedding"),
    _embedding("one text, async", "aembedding"),
    _embedding("several texts", "embedding", input=["One.", "Two.", "Three."]),
    _embedding("several texts, async", "aembedding", input=["One.", "Two.", "Three."]),
    _embedding("token numbers", "embedding", input=[[1, 2, 3], [4, 5]]),
    _embedding("smaller vectors", "aembedding", dimensions=256, encoding_format="float", user="end-9"),
    _embedding("of a user", "embedding", metadata={"user_id": "anna", "feature": "index"}),
    _text("sync", "text_completion"),
    _text("async", "atext_completion"),
    _text("stream, async", "atext_stream", stream=True),
    _text("two prompts", "text_completion", prompt=["Once", "Twice"]),
    _responses("sync", "responses"),
    _responses("async", "aresponses"),
    _responses("instructions", "aresponses", instructions="Be brief.", temperature=0.2, max_output_tokens=50),
    _responses("items and tools", "responses", tools=[{"type": "function", **TOOL["function"]}], input=[
        {"role": "user", "content": [{"type": "input_text", "text": "Look up Paris."}]},
        {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "found"},
    ]),
    _responses("metadata and user", "aresponses", metadata={"user_id": "anna", "feature": "x"}, user="end-9"),
    _responses("metadata in the second place", "aresponses", litellm_metadata={"user_id": "anna", "feature": "x"}),
    _responses("of Anthropic", "aresponses", model="anthropic/claude-3-5-sonnet-20240620", instructions="Be brief."),
    _image("sync", "image_generation"),
    _image("async", "aimage_generation", size="1024x1024", quality="hd"),
    _messages("async", "messages"),
    _messages("system, metadata", "messages", system="Be brief.", metadata={"user_id": "user-7"}),
    _messages("of OpenAI", "messages", model="openai/gpt-4o"),
    Scenario("assistant: a chat in a pydantic message", "acompletion", {
        "model": "gpt-4o", "mock_response": "Rome.",
        "messages": [*ASK, Made("Message", {"role": "assistant", "content": "Paris."}), {"role": "user", "content": "Of Italy?"}],
    }),
)  # fmt: skip
