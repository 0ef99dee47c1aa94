"""Which project on which host a record goes to. Pure.

A record's own credentials win, part by part, then the configured ones. A record that names a host which is not allowed
is rejected and never sent to the default host instead: that would put one customer's data into another's project.
"""

from urllib.parse import urlsplit

from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import BuildOptions, Credentials, Destination

US_HOST = "https://us.i.posthog.com"
EU_HOST = "https://eu.i.posthog.com"
POSTHOG_HOSTS = frozenset({US_HOST, EU_HOST})

_APP_HOSTS = {
    "https://app.posthog.com": US_HOST,
    "https://us.posthog.com": US_HOST,
    "https://eu.posthog.com": EU_HOST,
}
_DEFAULT_PORTS = {"https": 443, "http": 80}
_MAX_KEY_LENGTH = 64
_KEY_PATH = "$.standard_callback_dynamic_params.posthog_api_key"
_HOST_PATH = "$.standard_callback_dynamic_params.posthog_host"


def normalise_host(url: str) -> str:
    """Return `url` as the one spelling of its host: lower case, no default port, no trailing slash.

    A path prefix (a reverse proxy) stays. PostHog's app hosts become their ingestion hosts, as its SDKs do.

    Raises:
        ValueError: not an http or https URL, or one with user info, query or fragment. The text never quotes user info.
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError("expected an http or https URL and found one that cannot be read") from error
    if parts.scheme.lower() not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("expected an http or https URL such as https://us.i.posthog.com")
    if parts.username is not None or parts.password is not None:
        raise ValueError("expected a URL without user name and password")
    if parts.query or parts.fragment:
        raise ValueError("expected a URL without query and fragment")
    if any(character.isspace() or ord(character) < 0x20 for character in text):
        raise ValueError("expected a URL without blanks")
    scheme = parts.scheme.lower()
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = name if port is None or port == _DEFAULT_PORTS[scheme] else f"{name}:{port}"
    host = f"{scheme}://{netloc}{parts.path.rstrip('/')}"
    return _APP_HOSTS.get(host, host)


def check_key(key: str) -> str | None:
    """Return why PostHog would refuse `key` (posthog-ingestion.md, section 6), or None. The text never quotes it."""
    if not key:
        return "the key is empty"
    if len(key) > _MAX_KEY_LENGTH:
        return f"the key has {len(key)} characters, more than {_MAX_KEY_LENGTH}"
    if not key.isascii() or not key.isprintable() or " " in key:
        return "the key holds characters that no key has"
    return None


def route(credentials: Credentials, options: BuildOptions) -> Destination:
    """Return where a record with these credentials goes.

    Raises:
        RecordError: `host-not-allowed`, `personal-api-key` or `no-api-key`.
    """
    host = options.default_host if credentials.host is None else _allowed_host(credentials.host, options)
    if credentials.api_key is not None:
        return Destination(host, _project_key(credentials.api_key))
    if options.destination is None:
        raise RecordError(
            "no-api-key",
            "the record carries no project key, and no other key is in use",
            path=_KEY_PATH,
            hint="leave out --record-keys-only and set POSTHOG_API_KEY to send such records to one project",
        )
    return Destination(host, options.destination.api_key)


def _allowed_host(named: str, options: BuildOptions) -> str:
    try:
        host = normalise_host(named)
    except ValueError as error:
        raise RecordError("host-not-allowed", f"the record's host: {error}", path=_HOST_PATH) from error
    if host not in POSTHOG_HOSTS and host != options.default_host and host not in options.allowed_hosts:
        raise RecordError(
            "host-not-allowed",
            f"the record names the host {host}, which is not allowed",
            path=_HOST_PATH,
            hint=f"add --allow-host {host} if records may be sent there",
        )
    return host


def _project_key(key: str) -> str:
    key = key.strip()
    if key.startswith("phx_"):
        raise RecordError(
            "personal-api-key",
            "the record carries a personal key (phx_…), expected a project key (phc_…)",
            path=_KEY_PATH,
        )
    problem = check_key(key)
    if problem is not None:
        raise RecordError("no-api-key", f"the record's own key cannot be used: {problem}", path=_KEY_PATH)
    return key
