"""`dead-letter`: a line of a dead-letter file, whose record is taken up again (cli.md).

Smallest record: `{"plh_dead_letter": 1, "code": "missing-field", "record": {…}}`. What stands in `record` is read as
if it had been in the source itself.
"""

import base64
import binascii
from collections.abc import Mapping

from posthog_llm_cli.codes import REJECTIONS
from posthog_llm_cli.decoding import decode, encode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.model import Json

NAME = "dead-letter"
MAX_LETTERS_DEEP = 5
"""How many letters inside one another are opened."""

TITLE = "plh dead letter: the record in it is taken up again"
RECOGNISED_BY = "plh_dead_letter"
MARK = RECOGNISED_BY.encode()
"""What the bytes of every letter hold; without a quote, for in a text of JSON it may be written as `\\u0022`."""

SMALLEST = (
    '{"plh_dead_letter": 1, "source": "app.jsonl", "line": 3, "offset": 120, "code": "missing-field", "path": '
    '"$.startTime", "message": "…", "uuid": null, "record": {"event": "$ai_generation", "distinct_id": "u-1", '
    '"timestamp": "2025-06-01T10:00:00Z", "properties": {"$ai_trace_id": "t-1"}}}'
)


def is_dead_letter(record: Json) -> bool:
    """Whether `record` is a dead letter."""
    return isinstance(record, dict) and "plh_dead_letter" in record


def letter_of(raw: bytes) -> Mapping[str, Json] | None:
    """Return the dead letter that a line is; None for any other line. Raises: RecordError for what is no JSON."""
    value = decode(raw).value if MARK in raw else None
    return value if isinstance(value, dict) and is_dead_letter(value) else None


def is_of_event(raw: bytes) -> bool:
    """Whether a line is the letter of an event that the server refused: its record is all of the call."""
    letter = letter_of(raw)
    return letter is not None and isinstance(letter.get("uuid"), str)


def in_letter(record: bytes) -> bytes:
    """Return the JSON of a record as a letter that holds it."""
    return b'{"plh_dead_letter":1,"record":%b}' % record


def open_letter(letter: Mapping[str, Json]) -> tuple[bytes, Json, str | None] | None:
    """Return the record in a letter, however many letters it lies in: its bytes, its value, its first source.

    None where it lies in more than `MAX_LETTERS_DEEP`.

    Raises:
        RecordError: a letter was kept without its record, or what it holds is no JSON.
    """
    for _ in range(MAX_LETTERS_DEEP):
        raw = letter_bytes(letter)
        source = letter.get("source")
        value = decode(raw).value
        if not is_dead_letter(value):
            return raw, value, source if isinstance(source, str) else None
        letter = value
    return None


def letter_bytes(letter: Mapping[str, Json]) -> bytes:
    """Return the original bytes of the record in a letter.

    Raises:
        RecordError: the letter was kept without its record (it was too long); under the letter's own code.
    """
    encoded = letter.get("record_base64")
    if isinstance(encoded, str):
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise RecordError("invalid-json", "record_base64 is not base64", path="$.record_base64") from error
    record = letter.get("record")
    if record is None:
        code = letter.get("code")
        raise RecordError(
            code if isinstance(code, str) and code in REJECTIONS else "missing-field",
            "the dead letter was kept without its record",
            path="$.record",
            hint="send the source that it names again",
        )
    return record.encode() if isinstance(record, str) else encode(record)
