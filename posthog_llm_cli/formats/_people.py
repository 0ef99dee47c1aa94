"""Who made a call: the chain of candidates for the distinct id (litellm-logs.md 6.14, posthog-ingestion.md 7)."""

from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from typing import ClassVar

from posthog_llm_cli.formats._fields import compact, decoded_if_shallow, first_id, id_text
from posthog_llm_cli.identity import RESERVED_IDS
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value

_MAX_KNOWN = 200
"""Characters of a candidate that is remembered."""
_CLAUDE_CODE = lazily(
    r"user_(?P<hash>[0-9a-zA-Z]+)_account_(?P<account>[0-9a-fA-F-]*)_session_(?P<session>[0-9a-fA-F-]+)"
)


class Person(Value, frozen=True):
    """A user's id, and the session that was packed into it (Claude Code does that)."""

    hidden: ClassVar = frozenset({"user"})

    user: str | None
    session_id: str | None = None


_NOBODY = Person(None)


def find_person(
    candidates: Iterable[Json], *, nobody: Container[str] = frozenset(), take_object_id: bool = False
) -> Person:
    """Return the first candidate that names somebody, and the first session that any of them holds.

    Neither null, empty nor a reserved word names somebody.
    `nobody`: further words that name nobody in this record, its API key's hash for one.
    `take_object_id`: an object's `id` stands for it, and one without says nobody (OpenAI-format logs); else objects
    become compact JSON.
    """
    user = session_id = None
    for candidate in candidates:
        if candidate is None:
            continue
        if isinstance(candidate, str) and len(candidate) <= _MAX_KNOWN:
            person = _known(candidate, take_object_id)
        else:
            person = _person(candidate, take_object_id=take_object_id)
        if user is None and person.user is not None and person.user not in nobody:
            user = person.user
        if session_id is None:
            session_id = person.session_id
    return _NOBODY if user is None and session_id is None else Person(user, session_id)


@lru_cache(maxsize=4096)
def _known(candidate: str, take_object_id: bool) -> Person:  # noqa: FBT001 - a key of the cache
    """The same people call again and again."""
    return _person(candidate, take_object_id=take_object_id)


def _person(candidate: Json, *, take_object_id: bool) -> Person:
    value = decoded_if_shallow(candidate)
    if isinstance(value, dict):
        return _from_object(value, candidate, take_object_id=take_object_id)
    if isinstance(candidate, bool):
        return Person(None)
    if isinstance(candidate, list):
        return Person(compact(candidate) if candidate else None)
    user = id_text(candidate)
    if user is None or _is_reserved(user):
        return Person(None)
    packed = _CLAUDE_CODE.fullmatch(user)
    if packed is not None:
        return Person(packed["account"] or packed["hash"], packed["session"])
    return Person(user)


def _from_object(value: Mapping[str, Json], candidate: Json, *, take_object_id: bool) -> Person:
    if not value:
        return Person(None)
    user = first_id(value.get("account_uuid"), value.get("user_id"), value.get("device_id"))
    if user is None and take_object_id:
        user = id_text(value.get("id"))
    if user is None and not (take_object_id and isinstance(candidate, dict)):
        user = candidate if isinstance(candidate, str) else compact(value)
    return Person(None if user is None or _is_reserved(user) else user, id_text(value.get("session_id")))


def _is_reserved(user: str) -> bool:
    return user.strip().lower() in RESERVED_IDS
