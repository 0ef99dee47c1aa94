"""One call, one uuid: the identity rules as constants. Pure.

The uuid is version 5 from a fixed namespace and the call's identity string, which the format families build
(litellm-logs.md 8, openai-logs.md 3.10). Changing the namespace or a rule makes every replay a duplicate, so tests pin
them.
"""

import hashlib
import uuid

import orjson

from posthog_llm_cli.model import Json

NAMESPACE = uuid.UUID("4aa45a0d-3934-5612-94d3-a0d6a13c0764")
"""The namespace of every event uuid that `plh` derives. Never change it."""

_BEGUN = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
"""A copy of it costs half of a new one, which looks up its algorithm each time."""
_VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""The first digit of a uuid's fourth group: its two upper bits say that the uuid is of RFC 4122."""

RESERVED_IDS = frozenset({
    "0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous", "anonymous-user", "backend",
    "distinct_id", "distinctid", "email", "false", "guest", "id", "nan", "none", "not_authenticated", "null", "system",
    "true", "undefined", "user", "$posthog_cookieless",
})  # fmt: skip
"""Distinct ids that PostHog gives no person; compared without case, trimmed (posthog-ingestion.md, section 7)."""


def event_uuid(identity: str) -> str:
    """Return the event's uuid for a call's identity, in canonical form."""
    return _uuid5(identity)


def replaced_id(value: str) -> str:
    """Return what stands for an id that PostHog does not take: its uuid5, so that two ids stay two."""
    return _uuid5(f"id|{value}")


def _uuid5(name: str) -> str:
    """Return `str(uuid.uuid5(NAMESPACE, name))`, without its detour over numbers."""
    hashed = _BEGUN.copy()
    hashed.update(name.encode())
    digest = hashed.hexdigest()
    variant = _VARIANTS[digest[16]]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def canonical_sha256(value: Json) -> str:
    """Return the SHA-256 (hex) of a JSON value in canonical form: sorted keys, no spaces."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def pass_through_identity(record: Json) -> str:
    """Return the identity of a PostHog event without a uuid: its content."""
    return f"posthog-event|sha256:{canonical_sha256(record)}"
