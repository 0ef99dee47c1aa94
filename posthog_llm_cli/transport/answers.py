"""Reading an answer: what a status and a body of PostHog's capture say about the events that were sent. Pure.

The tables are posthog-ingestion.md, 3.2 (legacy routes), 4.2 and 4.3 (v1). A reading is returned where events got a
verdict or the route is not served; otherwise the `DeliveryError` that says what to do next is raised. Messages never
hold content or a key: what the server says is cut, cleaned, and redacted.
"""

from collections.abc import Mapping
from typing import ClassVar, NoReturn
from urllib.parse import urlsplit

import orjson

from posthog_llm_cli.errors import DeliveryError, KeyRefused, Refused, Retryable, Unreachable
from posthog_llm_cli.model import Destination, Json, Outcome, Verdict
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value

MAX_EXCERPT = 200

_HTML = {"text/html", "application/xhtml+xml"}
_HEAD = 256
_RETRYABLE = {408, 425, 429}
_HEADER_TAGS = {"missing_required_headers", "invalid_header_value"}
_RATE_LIMITED = "_rate_limited"
"""How a drop ends that is the hour's fault and not the event's: PostHog's budget of bytes for a project's AI events."""
_TAG = lazily(r"[a-z][a-z0-9_]{0,63}")
_QUOTED = lazily(r'"(?:[^"\\]|\\.)*"?')
_CODE_CHARS = lazily(r"[^a-z0-9]+")


class Answer(Value, frozen=True):
    """An HTTP answer, read whole; `retry_after_s` is parsed already."""

    hidden: ClassVar = frozenset({"body"})

    status: int
    content_type: str = ""
    retry_after_s: float | None = None
    location: str | None = None
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_html(self) -> bool:
        """Whether a web page came back, be it without its header: no capture service sends one."""
        is_named = self.content_type.partition(";")[0].strip().lower() in _HTML
        return is_named or self.body[:_HEAD].lstrip().startswith(b"<")


class Taken(Value, frozen=True):
    """A legacy 2xx: the edge took the whole request."""


class Verdicts(Value, frozen=True):
    """v1's word on each event: the final outcomes by uuid, and the error for those over quota.

    An event in neither has no verdict yet; it goes out again, no sooner than `retry_after_s`. `limited_by` is the
    code of what keeps some from being stored for the time being.
    """

    outcomes: Mapping[str, Outcome]
    over_quota: frozenset[str]
    refusal: KeyRefused | None
    retry_after_s: float | None
    limited_by: str | None = None


class NotServed(Value, frozen=True):
    """404 or 405: how a server answers on a route that it does not have."""

    status: int


Reading = Taken | Verdicts | NotServed


def read_legacy(answer: Answer, destination: Destination) -> Reading:
    """Read an answer of `batch` or `ai-batch`: a 2xx is judged by its status, for its body differs between servers.

    Raises: `DeliveryError`, by its class.
    """
    if not answer.is_success:
        return _read_failure(answer, destination)
    if answer.is_html:
        raise Retryable(
            f"{destination.host} answered {answer.status} with a web page",
            status=answer.status,
            hint="a captive portal or a proxy may answer in its place",
            retry_after_s=answer.retry_after_s,
        )
    return Taken()


def read_v1(answer: Answer, destination: Destination) -> Reading:
    """Read an answer of the v1 route, whose 2xx has a verdict for each event.

    Raises: `DeliveryError`, by its class.
    """
    if not answer.is_success:
        _stop_at_header_problems(answer, destination)
        return _read_failure(answer, destination)
    document = _parse(answer.body)
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, dict):
        raise Retryable(
            f"{destination.host} answered {answer.status} without the results of the v1 route",
            status=answer.status,
            hint="a captive portal or a proxy may answer in its place",
            retry_after_s=answer.retry_after_s,
        )
    return _read_results(results, answer, destination)


def _read_results(results: Mapping[str, Json], answer: Answer, destination: Destination) -> Verdicts:
    outcomes: dict[str, Outcome] = {}
    over_quota: set[str] = set()
    refusal: KeyRefused | None = None
    limited_by: str | None = None
    for uuid, result in results.items():
        word = result.get("result") if isinstance(result, dict) else None
        details = result.get("details") if isinstance(result, dict) else None
        details = details if isinstance(details, str) else ""
        if details.endswith("_over_quota"):
            # The detail decides, not the word: over quota comes as `drop` or as `warning`, and is never stored.
            over_quota.add(uuid)
            refusal = _over_quota(destination, to_code(details, destination))
        elif word == "drop" and details.endswith(_RATE_LIMITED):  # not stored, and the same event is taken later
            limited_by = to_code(details, destination)
        elif (outcome := _outcome(word, details, destination)) is not None:
            outcomes[uuid] = outcome
    return Verdicts(outcomes, frozenset(over_quota), refusal, answer.retry_after_s, limited_by)


def _outcome(word: Json, details: str, destination: Destination) -> Outcome | None:
    match word:
        case "ok":
            return Outcome(Verdict.ACCEPTED)
        case "warning":
            return Outcome(Verdict.ACCEPTED, warning=clean(details, destination) or "warning without details")
        case "drop":
            code = to_code(details, destination)
            return Outcome(Verdict.REJECTED, code, f"{destination.host} dropped the event ({code})")
        case _:  # `retry`, or the word of a newer server
            return None


def _stop_at_header_problems(answer: Answer, destination: Destination) -> None:
    tag = error_tag(answer)
    if answer.status == 415 or (answer.status == 400 and tag in _HEADER_TAGS):
        raise Unreachable(
            f"{destination.host} answered {_status(answer)}: it found fault with the headers, not with the events",
            status=answer.status,
            hint="a proxy that strips headers, or a fault of plh; try --endpoint ai-batch",
        )


def _read_failure(answer: Answer, destination: Destination) -> NotServed:
    host, status = destination.host, answer.status
    if status in {404, 405}:
        return NotServed(status)
    if status in {400, 413}:
        excerpt = _excerpt(answer, destination)
        raise Refused(f"{host} answered {status}" + (f": {excerpt}" if excerpt else ""), status=status)
    if status in {401, 402, 403}:
        _refuse_key(status, destination)
    if status in _RETRYABLE or status >= 500 or status < 200:
        raise Retryable(f"{host} answered {_status(answer)}", status=status, retry_after_s=answer.retry_after_s)
    if status < 400:
        raise Unreachable(
            f"expected capture at {host} and found a redirect ({status}) to {_place(answer.location, destination)}",
            status=status,
            hint="redirects are not followed, for a key must not travel to another place; set --host",
        )
    raise DeliveryError(f"{host} answered {_status(answer)}", status=status)


def _refuse_key(status: int, destination: Destination) -> NoReturn:
    host, key = destination.host, clean(destination.masked_key, destination)
    match status:
        case 401:
            raise KeyRefused(
                f"{host}: the key {key} was refused (401)",
                status=status,
                hint="expected the project's key (phc_…) of this region; see the project's settings",
            )
        case 402:
            raise _over_quota(destination, "402", status=status)
        case _:
            raise KeyRefused(
                f"{host}: requests with the key {key} were refused ({status})",
                status=status,
                hint="capture itself does not answer so: a proxy or firewall may stand in between",
            )


def _over_quota(destination: Destination, reason: str, *, status: int | None = None) -> KeyRefused:
    key = clean(destination.masked_key, destination)
    return KeyRefused(
        f"{destination.host}: the project of the key {key} is over its quota ({reason})",
        status=status,
        hint="nothing is lost: run again when there is quota",
    )


# ----------------------------------------------------------------------------------------- what the server said, safely


def to_code(tag: str, destination: Destination) -> str:
    """Return a server's tag as a code: kebab-case, at most 64 characters, `server-refused` where nothing is left.

    A tag that repeats the key, in whatever case, is no code.
    """
    key = _CODE_CHARS.sub("-", destination.api_key.lower()).strip("-")
    if len(key) >= 8 and key in _CODE_CHARS.sub("-", tag.lower()):
        return "server-refused"
    return _CODE_CHARS.sub("-", tag.lower()).strip("-")[:64].rstrip("-") or "server-refused"


def clean(text: str, destination: Destination) -> str:
    """Return a foreign text for a message: printable, on one line, short, without the key and without quoted values.

    Quoted values go because parsers quote what they could not read: `invalid type: string "…", expected a map`.
    """
    key = destination.api_key
    if len(key) >= 4:
        text = text.replace(key, destination.masked_key)
    text = " ".join(_QUOTED.sub('"…"', text).split())
    text = "".join(char for char in text if char.isprintable())
    return text if len(text) <= MAX_EXCERPT else text[: MAX_EXCERPT - 1] + "…"


def error_tag(answer: Answer) -> str | None:
    """Return the `error` tag of a v1 error, None where there is none that looks like one."""
    document = _parse(answer.body)
    tag = document.get("error") if isinstance(document, dict) else None
    return tag if isinstance(tag, str) and _TAG.fullmatch(tag) else None


def _status(answer: Answer) -> str:
    tag = error_tag(answer)
    return f"{answer.status} ({tag})" if tag else str(answer.status)


def _excerpt(answer: Answer, destination: Destination) -> str:
    if answer.is_html:
        return ""
    document = _parse(answer.body)
    if isinstance(document, dict):
        said = [document.get(name) for name in ("error", "error_description", "detail")]
        return clean(": ".join(part for part in said if isinstance(part, str) and part), destination)
    return clean(answer.body[: 4 * MAX_EXCERPT].decode("utf-8", "replace"), destination)


def _place(location: str | None, destination: Destination) -> str:
    if not location:
        return "nowhere"
    try:
        parts = urlsplit(location)
    except ValueError:
        return "an unreadable place"
    scheme = f"{parts.scheme}://" if parts.netloc and parts.scheme else ""
    return clean(f"{scheme}{parts.netloc.rpartition('@')[2]}{parts.path}", destination)


def _parse(body: bytes) -> Json:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
