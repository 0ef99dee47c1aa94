"""What a fault on order answers in the place of the judgement, or of its answer."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from posthog_llm_cli.mockserver.answers import HTML, JSON, Answer, text_answer, v1_error
from posthog_llm_cli.mockserver.faults import STORED_KINDS, Fault
from posthog_llm_cli.mockserver.judging import Judged
from posthog_llm_cli.model import Endpoint

_PAGE = b"<!doctype html><title>Sign in</title><p>Please sign in to use this network.</p>\n"

SPOILT = {"empty": Answer(200), "garbage": Answer(200, b'{"results":{"', JSON)}
"""Answers that stand for whatever the judgement was."""


def instead(fault: Fault | None, route: Endpoint) -> Judged | None:
    """Return what a fault puts in the place of the judgement, None where the request is judged all the same."""
    if fault is None or fault.kind in STORED_KINDS:
        return None
    match fault.kind:
        case "html":
            return Judged(Answer(200, _PAGE, HTML))
        case "redirect":
            return Judged(text_answer(302, "moved\n", ("Location", "https://login.example.com/?next=capture")))
        case "hang" | "reset-before":
            return Judged(Answer(200))
        case _:
            return Judged(_status_answer(fault, route))


def _status_answer(fault: Fault, route: Endpoint) -> Answer:
    status = fault.status or 500
    retry_after = _retry_after(fault, route)
    if fault.is_page:
        return Answer(status, _PAGE, HTML, retry_after)
    if route is not Endpoint.V1:
        return text_answer(status, "a fault on order\n", *retry_after)
    tags = {401: "invalid_api_token", 402: "billing_limit_exceeded", 408: "request_timeout", 413: "payload_too_large",
            429: "rate_limited", 500: "internal_error", 503: "service_unavailable", 504: "gateway_timeout"}  # fmt: skip
    return v1_error(status, tags.get(status, "fault_on_order"), "a fault on order", *retry_after)


def _retry_after(fault: Fault, route: Endpoint) -> tuple[tuple[str, str], ...]:
    """Return the header that the fault asks for; without a word, v1's own statuses have one and no others."""
    now = datetime.now(UTC)
    match fault.retry_after:
        case "":
            says = "1" if route is Endpoint.V1 and fault.status in {429, 503} else ""
        case "none":
            says = ""
        case "date":
            says = format_datetime(now + timedelta(seconds=2), usegmt=True)
        case "past":
            says = format_datetime(now - timedelta(hours=1), usegmt=True)
        case "huge":
            says = "99999999999999999"
        case "negative":
            says = "-5"
        case "junk":
            says = "when it is well again"
        case seconds:
            says = seconds
    return (("Retry-After", says),) if says else ()
