"""A record, read for the corrections: callback kwargs with LiteLLM's payload in them. Written from litellm-logs.md
alone."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from compat.values import Json, is_number, is_said, list_of, object_of

SENTINEL = "redacted-by-litellm"
NO_INPUT = "default-message-value"
UNWRITTEN = ("CircularReference Detected", "MaxDepthExceeded", "Unserializable Object")
_EARLIEST_US = 1_420_070_400_000_000  # 2015; a time before is none


@dataclass(frozen=True)
class Setting:
    """What the run of `plh` was told, as far as it shows in events."""

    lib_version: str
    api_key: str
    host: str
    import_id: str | None = None
    default_time: str | None = None


class Record:
    """The fields that corrections read. A field of the wrong type counts as absent."""

    def __init__(self, kwargs: Mapping[str, Json]) -> None:
        self.kwargs = kwargs
        self.payload: dict[str, Json] = kwargs["standard_logging_object"]
        self.params = object_of(kwargs.get("litellm_params"))
        self.logged_metadata = object_of(self.params.get("metadata"))
        self.parameters = object_of(self.payload.get("model_parameters"))
        self.response = self.payload.get("response")
        self.answer = object_of(self.response)
        self.about = object_of(self.payload.get("metadata"))
        self.error = object_of(self.payload.get("error_information"))
        self.dynamic = object_of(kwargs.get("standard_callback_dynamic_params"))
        self.is_failure = self.payload.get("status") == "failure"
        self.is_embedding = self.payload.get("call_type") in {"embedding", "aembedding"}

    @cached_property
    def provider(self) -> str | None:
        """The provider that the payload names, else the kwargs around it."""
        places = (self.payload, self.kwargs, self.params)
        return next((named for place in places if is_said(named := place.get("custom_llm_provider"))), None)

    @cached_property
    def usage(self) -> dict[str, Json]:
        """LiteLLM's usage object, else the provider's."""
        return object_of(self.about.get("usage_object")) or object_of(self.answer.get("usage"))

    @cached_property
    def is_proxy(self) -> bool:
        """Whether the proxy wrote it: it keeps its request, or the hash of its key; an SDK's caller has neither."""
        key_hash = self.about.get("user_api_key_hash")
        hashed = isinstance(key_hash, str) and re.fullmatch("[0-9a-f]{64}", key_hash) is not None
        return hashed or isinstance(self.params.get("proxy_server_request"), dict)

    @cached_property
    def caller(self) -> dict[str, Json]:
        """The caller's own metadata: on a proxy only what it kept as the requester's (section 3)."""
        second = object_of(self.params.get("litellm_metadata"))
        if not self.is_proxy:
            return {**second, **self.logged_metadata}
        places = (self.logged_metadata, second, self.about)
        return next((found for place in places if (found := object_of(place.get("requester_metadata")))), {})

    # ------------------------------------------------------------------------------------------------------- times

    def time_us(self, name: str) -> int | None:
        """Return a time of the payload in whole microseconds, None where there is no plausible one."""
        value = self.payload.get(name)
        found = round(value * 1_000_000) if is_number(value) else None
        return found if found is not None and found >= _EARLIEST_US else None

    # --------------------------------------------------------------------------------------------------- redaction

    @cached_property
    def input_redacted(self) -> bool:
        """Whether LiteLLM redacted the input."""
        texts = list(_texts(self.payload.get("messages")))
        return bool(texts) and all(text == SENTINEL for text in texts)

    @cached_property
    def output_redacted(self) -> bool:
        """Whether LiteLLM redacted all of the output: its words and the arguments of its tool calls."""
        return self.output_redacted_in_part and all(text == SENTINEL for text in _texts(self.response))

    @cached_property
    def output_redacted_in_part(self) -> bool:
        """Whether LiteLLM redacted any of the output."""
        return SENTINEL in _texts(self.response)

    @property
    def is_redacted(self) -> bool:
        """Whether LiteLLM redacted anything."""
        return self.input_redacted or self.output_redacted_in_part


_SAYING = ("content", "text", "arguments")
_HOLDING = ("choices", "message", "delta", "output", "content", "tool_calls", "function")


def _texts(value: Json) -> Iterator[str]:
    """Yield what somebody said: contents, texts and arguments; not roles, ids and names."""
    if is_said(value):
        yield value
    for item in list_of(value):
        yield from _texts(item)
    if isinstance(value, dict):
        for key in _SAYING:
            if is_said(value.get(key)):
                yield value[key]
        for key in _HOLDING:
            if isinstance(value.get(key), list | dict):
                yield from _texts(value[key])
