"""The text of a failure, as it may leave the machine: no traceback, no key, bounded (litellm-logs.md 6.9).

Every pattern here reads a text once: what may stand between a beginning and what decides is bounded, or taken whole.
"""

import re
from functools import lru_cache

from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily

MAX_ERROR_CHARACTERS = 4_000
_MAX_TYPE_CHARACTERS = 200
_MAX_NAME = 40
UNKNOWN_ERROR = "unknown error"

_REDACTED = "[REDACTED]"
_MAX_READ = 16_000
"""Characters of a message that are looked at: four times what is sent, for what is redacted makes room."""
_MAX_WORD = 1_000

_TRACEBACK = "Traceback (most recent call last)"
_SEPARATOR = r"""(?: provided)?["'\\]{0,4}\s{0,3}[=:]\s{0,3}"""
_NAME = (
    r"(?:(?:api|access|secret|private|account|subscription|master|virtual)[ _-]?key|secret|pass(?:word|wd)|pwd|token"
    rf"|signature|credentials?|key expected\. received){_SEPARATOR}"
)
# A tenth of the time that a search for the names themselves takes, and most errors name none: in lower case, and each
# branch begins with a letter of its own, which `re` looks for first.
_MAY_NAME = lazily(
    r"(?:key|secret|password|passwd|pwd|token|signature|credential|authorization|cookie|received|sig|code|auth)"
    r"""s?(?: provided)?["'\\]{0,4}\s{0,3}[=:]"""
)
_CHARACTER = r"""[^\s"'\\,;&)\[\]}<>]"""
_TELLING = rf"(?={_CHARACTER}{{0,120}}[\d*…=]|{_CHARACTER}{{20}})"
"""What a word begins with that is no word of prose."""
_NAMED = lazily(
    # Behind a name that says what it is: in quotes, or as one word (behind a colon may also be prose).
    rf"""({_NAME}["'\\]{{1,4}})[^"'\\]{{3,}}"""
    r"|((?<![A-Za-z0-9])key provided: )(?!redacted\b)\S{2,}[^\s.,;]"
    rf"|({_NAME})(?!(?:none|null|true|false|undefined)\b)"
    rf"(?:(?<==){_CHARACTER}{{4,}}(?<!\.)|(?={_CHARACTER}{{0,120}}[\d*…]|{_CHARACTER}{{20}}){_CHARACTER}{{8,}}(?<!\.))"
    # The header of a request that says who sends it; prose has no digit in its next word, cookies an equals sign.
    rf"""|(authorization{_SEPARATOR}["'\\]{{0,4}})"""
    rf"(?:(?:bearer|basic|token|api-?key|key|digest|negotiate)\s{{1,3}}|{_TELLING}){_CHARACTER}{{8,}}"
    rf"""|(cookies?{_SEPARATOR}["'\\]{{0,4}})(?:(?=[^=\r\n"'\\]{{1,200}}=)|{_TELLING}(?={_CHARACTER}{{8}}))"""
    r"""[^\r\n"'\\]{3,}"""
    # The query of a URL, a signed one's too.
    r"|([?&](?:[\w-]{0,40}[_-])?(?:key|token|sig|signature|secret|credential|password|pwd|auth|code)=)"
    rf"{_CHARACTER}+",
    re.IGNORECASE,
)
_KEYS = lazily(
    r"(?<![A-Za-z0-9])(?:"
    r"sk[-_](?=[\w*.…-]{0,120}(?:[\d*…]|\.\.)|[\w-]{8})[\w*.…-]*[\w*…-]"
    r"|(?:rk|pk|gsk|xai|nvapi|phc|phx|hf|pplx|r8|ak|csk|pcsk|tgp|lsv2|gh[pousr]|github_pat|glpat|xox[a-z]|whsec)[-_]"
    r"(?=[\w*.…-]{0,120}[\d*…])[\w*.…-]{6,}[\w*…-]"
    r"|AIza[\w-]{20,}|A[KS]IA[A-Z0-9]{12,}|ya29\.[\w.-]{8,}|1//0[\w-]{20,}|dapi[0-9a-f]{20,}"
    r"|eyJ[\w-]{10,}[\w.-]*"  # a JSON Web Token, cut ones too
    r"|[0-9a-fA-F]{64,}(?![0-9A-Za-z])"  # a key's hash, by which LiteLLM knows it
    r")"
    r"|(?i:(?<=bearer )[\w.~+/=*…-]{8,})"
    r"|(?i:(?<=basic )[\w+/=]{8,})"
    r"""|(?<=://)[^/\s?#"'\\]+(?=@)"""
)

_PEM = lazily(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?s:.*?)(?:-----END|\Z)")
"""A key of many lines; looked for first, for behind a name only its first line is one word."""
_SHORTEST_CREDENTIAL = 12
_MAX_KNOWN = 200
"""Characters of a text that is remembered."""
_CREDENTIALS = lazily(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-(?=[\w-]{0,40}\d)[\w-]{20,}"  # LiteLLM takes any words behind it for a key
    r"|(?:[rs]k|gsk|xai|nvapi|phc|phx|hf|pplx|lsv2|gh[pousr]|github_pat|glpat|xox[a-z]|whsec)[-_]"
    r"(?=[\w-]{0,40}\d)(?=[\w-]{0,40}(?:[A-Z]|[a-z0-9]{16}))[\w-]{20,}"  # words with hyphens are a name
    r"|AIza[\w-]{30,}|A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])|ya29\.[\w.-]{20,}|eyJ[\w-]{10,}\.eyJ[\w-]+[\w.-]*"
    r")"
    r"|(?i:(?<=bearer )(?=[\w.~+/=-]{0,80}\d)[\w.~+/=-]{16,})"
    r"|(?i:(?<=basic )(?=[\w+/=]{0,80}[\d=])[\w+/=]{16,})"
    r"""|(?<=://)[^/\s?#"'\\@:]*+:[^/\s?#"'\\]+(?=@)"""
)
"""What can be nothing else, in texts of the caller's own: an id that begins like a key, words, or a hash, is none."""


def error_text(message: str | None) -> str:
    """Return an error's message without tracebacks and keys, at most 4,000 characters; `unknown error` for none."""
    if message is None:
        return UNKNOWN_ERROR
    said = _head(message.partition(_TRACEBACK)[0].strip())
    return without_keys(said).strip()[:MAX_ERROR_CHARACTERS] or UNKNOWN_ERROR


def error_type(name: str | None) -> str | None:
    """Return an error's type, which is a name; of what somebody logged in its place 200 characters, without keys."""
    if name is None or (len(name) <= _MAX_NAME and name.isidentifier()):
        return name
    return error_text(name)[:_MAX_TYPE_CHARACTERS]


def first_error_text(*messages: Json) -> str:
    """Return the first text that says something once it is cleaned."""
    cleaned = (error_text(message) for message in messages if isinstance(message, str))
    return next((text for text in cleaned if text != UNKNOWN_ERROR), UNKNOWN_ERROR)


def without_keys(text: str) -> str:
    """Return a text without what looks like a key, a password or a signature, by its form or by the name before it."""
    return _KEYS.sub(_REDACTED, _without_named(text))


def without_credentials(text: str) -> str:
    """Return a text of the caller's, such as a property, without keys and passwords, by their form or by their names.

    Less is taken for a key than in an error.
    """
    if len(text) < _SHORTEST_CREDENTIAL:
        return text
    return _known(text) if len(text) <= _MAX_KNOWN else _known.__wrapped__(text)


@lru_cache(maxsize=4096)
def _known(text: str) -> str:
    """Most callers say the same few things of all their calls."""
    return _CREDENTIALS.sub(_REDACTED, _without_named(text))


def _without_named(text: str) -> str:
    if "-----BEGIN " in text:
        text = _PEM.sub(_REDACTED, text)
    if _MAY_NAME.search(text.lower()) is None:
        return text
    return _NAMED.sub(lambda found: f"{found[found.lastindex or 0]}{_REDACTED}", text)


def _head(text: str) -> str:
    """The beginning of a text; it ends between two words, so that no key is cut in two and passes."""
    if len(text) <= _MAX_READ:
        return text
    blank = text.rfind(" ", _MAX_READ - _MAX_WORD, _MAX_READ)
    return text[: _MAX_READ if blank < 0 else blank]
