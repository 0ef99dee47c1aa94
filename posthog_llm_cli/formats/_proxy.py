"""What LiteLLM's proxy leaves in the metadata of a request, whoever logged them (litellm-logs.md 3 and 6.15).

The proxy mixes its own keys into the caller's and keeps the caller's apart as `requester_metadata`. The SDK fills the
same fields from what its caller passes, so each sign is a value that only a proxy writes.
"""

import re
from collections.abc import Mapping

from posthog_llm_cli.formats._fields import mapping
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily

_MASTER_KEY = "litellm_proxy_master_key"
_MASKED = "REDACTED_BY_LITELM"
_KEY_FIELDS = ("user_api_key_hash", "user_api_key")
_KEY = lazily(rf"[0-9a-f]{{64}}|{_MASTER_KEY}|{_MASKED}|sk-.*", re.DOTALL)
_KEY_WORDS = frozenset({_MASTER_KEY, _MASKED})
_ROUTE = lazily(r"/(?:v\d|chat|completions|embeddings|responses|messages|openai|anthropic|engines|images|audio|rerank)")
_VERSION = lazily(r"\d{1,4}\.\d", re.ASCII)


def is_from_proxy(metadata: Mapping[str, Json], *, by_client: bool = False) -> bool:
    """Whether a proxy wrote into these metadata of a request or of a payload.

    `by_client`: the client's address or agent is a sign, too; an SDK's caller may note those.
    """
    return bool(metadata) and (
        _fits(_KEY, metadata.get("user_api_key_hash"))
        or _fits(_KEY, metadata.get("user_api_key"))
        or _begins(_ROUTE, metadata.get("user_api_key_request_route"))
        or _begins(_VERSION, metadata.get("litellm_api_version"))
        or (by_client and bool(metadata.get("requester_ip_address") or metadata.get("user_agent")))
    )


def own_metadata(metadata: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return what of a logged request's metadata is the caller's: of a proxy's only what it kept as the requester's."""
    found = metadata
    while is_from_proxy(found):  # one proxy may call another
        found = mapping(found.get("requester_metadata"))
    return found


def key_names(metadata: Mapping[str, Json]) -> frozenset[str]:
    """Return what stands for a request's API key, which is nobody's name.

    `overwrite_user_with_key_hash` puts it into `user`.
    """
    logged = [value for name in _KEY_FIELDS if isinstance(value := metadata.get(name), str) and value]
    return frozenset((*_KEY_WORDS, *logged)) if logged else _KEY_WORDS


def _fits(pattern: re.Pattern[str], value: Json) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _begins(pattern: re.Pattern[str], value: Json) -> bool:
    return isinstance(value, str) and pattern.match(value) is not None
