"""What goes back to the client: an answer, or a refusal that the route words in its own way. Pure."""

import orjson

from posthog_llm_cli.model import Json
from posthog_llm_cli.values import Value

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
HTML = "text/html; charset=utf-8"


class Answer(Value, frozen=True):
    """One HTTP answer; `headers` come on top of the content's type and length."""

    status: int
    body: bytes = b""
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


class Refusal(Exception):
    """The whole request is refused: `status`, and v1's `tag` for it (the legacy routes answer the text alone)."""

    def __init__(self, status: int, tag: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.tag = tag
        self.text = text


def text_answer(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    """Return plain text, as the legacy routes answer errors."""
    return Answer(status, text.encode("utf-8", "replace"), TEXT, headers)


def json_answer(status: int, value: Json, *headers: tuple[str, str]) -> Answer:
    """Return a JSON document."""
    return Answer(status, orjson.dumps(value), JSON, headers)


def v1_error(status: int, tag: str, text: str, *headers: tuple[str, str]) -> Answer:
    """Return an error in the shape of v1 (posthog-ingestion.md, section 4.2)."""
    document = {
        "error": tag,
        "error_description": text,
        "error_uri": f"https://posthog.com/docs/api/capture-v1#{tag}",
    }
    return json_answer(status, document, *headers)
