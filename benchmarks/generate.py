"""Invented logs of realistic shape and size, the same for the same seed.

    python -m benchmarks.generate OUT.jsonl [--calls N] [--seed N] [--share-litellm 0.7]

LiteLLM lines are bare StandardLoggingPayloads of about 10 KB, three quarters of which are the price table entry that
LiteLLM puts into each (`model_map_information`); OpenAI lines are request/response pairs of about 6 KB, nearly all
text.
"""

import argparse
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

BEGIN = datetime(2025, 6, 1, tzinfo=UTC).timestamp()
PROSE = (
    "the a of and to in which river tide bird ledger invoice harbour draft customer answer question shipment garden "
    "winter table column price city train weather recipe letter meeting budget forest engine signal window naïve "
    "Straße 東京 café 📦 however therefore quickly gently seven twelve first second because although summary"
)
WORDS = PROSE.split()
MODELS = (
    ("openai", "gpt-4o", 2.5e-6, 1e-5),
    ("openai", "gpt-4o-mini", 1.5e-7, 6e-7),
    ("anthropic", "claude-sonnet-4-5", 3e-6, 1.5e-5),
)
PRICE_KEYS = tuple(
    f"{side}_cost_per_{unit}{when}"
    for side in ("input", "output", "cache_read_input", "cache_creation_input")
    for unit in ("token", "character", "audio_token", "image_token", "video_token", "second", "image", "query")
    for when in ("", "_batches", "_flex", "_priority", "_above_200k_tokens")
)
SUPPORTS = (
    "system_messages",
    "response_schema",
    "vision",
    "function_calling",
    "tool_choice",
    "prompt_caching",
    "pdf_input",
)


def text(chance: random.Random, words: int) -> str:
    """Return prose of so many words, with line breaks, quotes and characters beyond ASCII."""
    return " ".join(chance.choices(WORDS, k=words)) + chance.choice((".", '\n"Quoted."', "?", "\n\n- a list\n- of two"))


def identifier(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def litellm_line(chance: random.Random, index: int) -> dict[str, Any]:
    """Return one StandardLoggingPayload."""
    provider, model, price_in, price_out = chance.choice(MODELS)
    tokens_in, tokens_out = chance.randint(50, 900), chance.randint(5, 400)
    start = BEGIN + index * 0.5 + chance.random()
    end = start + chance.uniform(0.2, 9)
    call, answer = identifier(chance), f"chatcmpl-{identifier(chance)}"
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    cost_in, cost_out = tokens_in * price_in, tokens_out * price_out
    choice = {"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": text(chance, 60)}}
    return {
        "id": answer,
        "litellm_call_id": call,
        "trace_id": identifier(chance),
        "session_id": "",
        "call_type": "acompletion",
        "cache_hit": None,
        "stream": None,
        "status": "success",
        "status_fields": {"llm_api_status": "success", "guardrail_status": "not_run"},
        "custom_llm_provider": provider,
        "startTime": start,
        "endTime": end,
        "completionStartTime": end,
        "response_time": end - start,
        "model": model,
        "metadata": {
            "user_api_key_alias": f"team-{index % 7}",
            "user_api_key_user_id": f"user-{index % 501}",
            "requester_metadata": {"feature": chance.choice(("search", "chat", "summary")), "release": index % 12},
            "usage_object": usage,
        },
        "response_cost": cost_in + cost_out,
        "cost_breakdown": {"input_cost": cost_in, "output_cost": cost_out, "total_cost": cost_in + cost_out},
        **usage,
        "request_tags": ["benchmark"],
        "end_user": f"customer-{index % 997}",
        "api_base": "https://api.example.com",
        "messages": [
            {"role": "system", "content": text(chance, 40)},
            {"role": "user", "content": text(chance, 80)},
        ],
        "response": {"id": answer, "object": "chat.completion", "created": int(end), "model": model,
                     "choices": [choice], "usage": usage},
        "model_parameters": {"temperature": 0.2, "max_tokens": 1024},
        "hidden_params": {"model_id": None, "api_base": "https://api.example.com", "additional_headers": {}},
        "model_map_information": {
            "model_map_key": model,
            "model_map_value": {
                **dict.fromkeys(PRICE_KEYS),
                "input_cost_per_token": price_in,
                "output_cost_per_token": price_out,
                **{f"supports_{name}": True for name in SUPPORTS},
            },
        },
        "error_str": None,
        "error_information": {"error_code": "", "error_class": "", "llm_provider": "", "traceback": ""},
    }  # fmt: skip


def openai_pair(chance: random.Random, index: int) -> dict[str, Any]:
    """Return one request with its chat completion."""
    end = BEGIN + index * 0.5 + chance.random()
    tokens_in, tokens_out = chance.randint(500, 2000), chance.randint(50, 600)
    messages = [{"role": "system", "content": text(chance, 150)}]
    turns = range(chance.choice((1, 3, 5)))
    messages += [{"role": "assistant" if turn % 2 else "user", "content": text(chance, 170)} for turn in turns]
    answer = {"role": "assistant", "content": text(chance, 150), "refusal": None}
    return {
        "timestamp": datetime.fromtimestamp(end, UTC).isoformat(),
        "latency": round(chance.uniform(0.2, 9), 3),
        "user": f"customer-{index % 997}",
        "request": {"model": "gpt-4o", "temperature": 0.7, "messages": messages},
        "response": {
            "id": f"chatcmpl-{identifier(chance)}",
            "object": "chat.completion",
            "created": int(end),
            "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "message": answer, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
                "prompt_tokens_details": {"cached_tokens": 0},
            },
        },
    }


def lines(calls: int, seed: int, share_litellm: float = 0.7) -> Iterator[bytes]:
    """Yield so many log lines, each with its line break."""
    chance = random.Random(seed)
    for index in range(calls):
        make = litellm_line if chance.random() < share_litellm else openai_pair
        yield orjson.dumps(make(chance, index)) + b"\n"


def write(path: Path, calls: int, seed: int, share_litellm: float = 0.7) -> int:
    """Write the log to `path`; return its size in bytes."""
    with path.open("wb") as out:
        return sum(out.write(line) for line in lines(calls, seed, share_litellm))


def main() -> None:
    parser = argparse.ArgumentParser(description="write an invented log of LLM calls")
    parser.add_argument("out", type=Path)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--share-litellm", type=float, default=0.7)
    given = parser.parse_args()
    size = write(given.out, given.calls, given.seed, given.share_litellm)
    print(f"{given.calls:,} calls, {size:,} bytes, {size / given.calls:,.0f} bytes a call")


if __name__ == "__main__":
    main()
