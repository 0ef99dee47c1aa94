"""A failed call as loggers write it: the exception under a key of the logger's own, beside what was asked."""

from typing import Any

import pytest

from tests.converting import convert_value, to_event, to_properties, to_rejection
from tests.formats.test_openai import MESSAGES, chat

SAID = "Error code: 429 - Rate limit reached for gpt-4o"
ASKED = {"model": "gpt-4o", "messages": MESSAGES}
TRACEBACK = (
    'Traceback (most recent call last):\n  File "/srv/app.py", line 45, in ask\n    secret_of_mine(**kw)\n    ^^^^^^\n\n'
    "During handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
    f'  File "/srv/openai.py", line 12, in request\n    raise error from None\nopenai.RateLimitError: {SAID}'
)
PINO = {
    "type": "RateLimitError",
    "message": f"429 {SAID}",
    "stack": "Error: …\n    at APIError.generate",
    "status": 429,
}
STRUCTLOG: list[dict[str, Any]] = [
    {"exc_type": "RateLimitError", "exc_value": SAID, "syntax_error": None, "is_cause": False, "frames": []}
]


def logged(**changes: Any) -> dict[str, Any]:
    """A logger's line about a call, whose answer is not known."""
    return {"level": "error", "timestamp": "2025-06-01T10:00:00Z", "request": ASKED, **changes}


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (logged(err=PINO), ("RateLimitError", f"429 {SAID}", 429)),
        (logged(err=PINO, response=None), ("RateLimitError", f"429 {SAID}", 429)),
        (logged(err={"status": 429, "error": {"message": SAID}, "type": "tokens"}), ("tokens", SAID, 429)),
        (logged(err=f"429 {SAID}"), (None, f"429 {SAID}", None)),
        (logged(exc_info=TRACEBACK), ("RateLimitError", SAID, None)),
        (logged(exception=TRACEBACK), ("RateLimitError", SAID, None)),
        (logged(error=TRACEBACK), ("RateLimitError", SAID, None)),
        (logged(exception=STRUCTLOG), ("RateLimitError", SAID, None)),
        (logged(**{"error.message": SAID, "error.type": "RateLimitError"}), ("RateLimitError", SAID, None)),
        (logged(exception={"class": "ErrorException", "message": SAID, "code": 0}), ("ErrorException", SAID, None)),
        ({**ASKED, "timestamp": "2025-06-01T10:00:00Z", "exception": STRUCTLOG}, ("RateLimitError", SAID, None)),
        (
            {
                "text": "failed",
                "record": {
                    "exception": {"type": "RateLimitError", "value": SAID, "traceback": True},
                    "extra": {"request": ASKED},
                    "time": {"repr": "2025-06-01 12:00:00+02:00", "timestamp": 1748772000.0},
                },
            },
            ("RateLimitError", SAID, None),
        ),
    ],
)
def test_an_exception_under_a_loggers_own_key_is_the_failure(record: Any, error: Any) -> None:
    found = to_properties(record)
    assert found["$ai_is_error"] is True
    assert (found.get("$ai_error_type"), found["$ai_error"], found.get("$ai_http_status")) == error
    assert (found["$ai_model"], found["$ai_input"]) == ("gpt-4o", MESSAGES)
    assert to_event(record).timestamp.isoformat() == "2025-06-01T10:00:00+00:00"
    assert "secret_of_mine" not in str(found)


@pytest.mark.parametrize("key", ["err", "exc_info", "exception"])
@pytest.mark.parametrize("nothing", [None, "", {}, [], False, True, "NoneType: None"])
def test_a_key_for_an_exception_that_holds_none_is_no_failure(key: str, nothing: Any) -> None:
    assert to_rejection(logged(**{key: nothing})).code == "no-response"
    assert "$ai_is_error" not in to_properties(logged(response=chat(), **{key: nothing}))


@pytest.mark.parametrize("told", [{"err": PINO}, {"exc_info": TRACEBACK}, {"exception": STRUCTLOG}])
def test_what_went_wrong_with_an_answer_is_no_failure_of_the_call(told: Any) -> None:
    """The application could not read it: the model had answered, and its tokens were paid."""
    found = to_properties(logged(response=chat(), **told))
    assert "$ai_is_error" not in found
    assert found["$ai_output_tokens"] == 2


def test_a_traceback_without_an_end_says_nothing() -> None:
    assert to_properties(logged(error='Traceback (most recent call last):\n  File "/srv/app.py", line 4'))[
        "$ai_error"
    ] == ("unknown error")


def test_an_exception_of_several_lines_is_told_whole() -> None:
    said = "1 validation error for River\nkm\n  Field required [type=missing]"
    traceback = (
        f'Traceback (most recent call last):\n  File "a.py", line 4, in <module>\n    x()\nValidationError: {said}'
    )
    found = to_properties(logged(error=traceback))
    assert (found["$ai_error_type"], found["$ai_error"]) == ("ValidationError", said)


def test_an_exception_alone_is_no_call() -> None:
    assert not hasattr(convert_value({"level": 50, "msg": "failed", "err": PINO}).result, "uuid")
