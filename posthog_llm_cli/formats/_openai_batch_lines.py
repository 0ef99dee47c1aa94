"""The two sides of a batch: what an input line and an output line say to one another (openai-logs.md, 4.3).

A call of a batch lies in two records. What joins them (`joining.batches`) makes one of them: the output line with one
more key, `plh_batch_input`, that holds the input line. Such a record needs no other to be read.
"""

from collections.abc import Mapping

import orjson

from posthog_llm_cli.decoding import MAX_DEPTH, decode, is_deeper
from posthog_llm_cli.formats._fields import decoded, id_text, is_number, mapping, text
from posthog_llm_cli.formats._openai_nested import Nested
from posthog_llm_cli.formats._openai_provider import find_provider
from posthog_llm_cli.formats._openai_shapes import CONTENT_KEYS, ENVELOPE_KEYS, INPUT_KEY, classify, classify_response
from posthog_llm_cli.model import Json
from posthog_llm_cli.patterns import lazily
from posthog_llm_cli.values import Value

_PADDING = b" \t\r\n\0"
_FAMILY = lazily(r"[a-z]+")


class Side(Value, frozen=True):
    """One line of a batch, as far as it takes to find the other one.

    `model` is the one that was asked for on an input line, and the one that answered on an output line. `is_joined`: an
    output line that holds its input line already.
    """

    is_input: bool
    custom_id: str
    model: str | None
    is_joined: bool = False


def side_of(record: Json) -> Side | None:
    """Return what a line of a batch is; None for any other record, and for a line that cannot be joined.

    An input line that is so deep that a record with it inside would be `too-deep` cannot be joined.
    """
    shape = classify(record)
    if shape not in {"openai-batch", "batch-input"}:
        return None
    custom_id = custom_id_of(record)
    if custom_id is None:
        return None
    if shape == "batch-input":
        if is_deeper(record, MAX_DEPTH - 1):
            return None
        return Side(is_input=True, custom_id=custom_id, model=text(mapping(decoded(record["body"])).get("model")))
    answer = answer_of(record)
    return Side(
        is_input=False,
        custom_id=custom_id,
        model=text(mapping(answer.body).get("model")) if answer is not None else None,
        is_joined=input_of(record) is not None,
    )


def custom_id_of(record: Mapping[str, Json]) -> str | None:
    """Return the id that the caller gave a line; a number as text, None where there is none."""
    found = record.get("custom_id")
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) and found.strip() else None


def batch_id_of(line: Mapping[str, Json]) -> str | None:
    """Return the id under `id` that is the batch's and the same in each of its lines (Zhipu); None for any other."""
    found = id_text(line.get("id"))
    is_batchs = found is not None and found.startswith("batch_") and not found.startswith("batch_req_")
    return found if is_batchs else None


def input_of(record: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """Return the input line that an output line holds: under a key of its own, or as its own `body` or `request`."""
    found = record.get(INPUT_KEY)
    if isinstance(found, dict):
        return found
    if "response" in record and _asks(mapping(decoded(record.get("body")))):
        return record
    if "request" not in record:
        return None
    request = Nested(record["request"])
    return {"body": request.value, "url": request.url} if _asks(mapping(request.value)) else None


def _asks(request: Mapping[str, Json]) -> bool:
    return any(key in request for key in CONTENT_KEYS)


def joined(output: bytes, input_line: bytes) -> bytes:
    """Return the output line with its input line inside: one record. Both are JSON objects, read before.

    The output's own bytes stay as they are, so that what is odd in them is told of the joined record too.
    """
    content = output.strip(_PADDING)
    if not content.startswith(b"{"):  # a byte order mark, or an object inside of a string
        content = orjson.dumps(decode(output).value)
    return b'%s,"%s":%s}' % (content[:-1], INPUT_KEY.encode(), input_line)


# -------------------------------------------------------------------------------------------------------------- answers


class BatchAnswer(Value, frozen=True):
    """What an output line says came back: the body, the HTTP status, and whether there was an answer at all."""

    body: Json
    status: int | None
    is_null: bool


def answer_of(line: Mapping[str, Json]) -> BatchAnswer | None:
    """Return the answer in an output line; None where `response` is neither an envelope nor an API's answer.

    Some servers leave out the envelope with status and body. No answer, and an empty one, are answers that failed.
    """
    response = decoded(line.get("response"))
    if "response" not in line and "error" not in line and "body" in line:
        return BatchAnswer(decoded(line["body"]), _status(line.get("status_code")), is_null=False)
    if response in (None, "", {}, []):
        return BatchAnswer(None, None, is_null=response is None)
    if not isinstance(response, dict):
        return None
    if any(key in response for key in ENVELOPE_KEYS):
        return BatchAnswer(decoded(response.get("body")), _status(response.get("status_code")), is_null=False)
    if classify_response(response) is not None:
        return BatchAnswer(response, _status(line.get("status_code")), is_null=False)
    return None


def _status(value: Json) -> int | None:
    """An HTTP status, and 0, which a batch writes where no server answered."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 3:
        return int(value)
    return int(value) if is_number(value) and value == int(value) and 0 <= value <= 599 else None


# --------------------------------------------------------------------------------------------------------------- models


def model_fit(requested: str | None, returned: str | None) -> int:
    """Return how well a model that was asked for fits the one that answered: 0 not at all, else the more the better.

    It fits where it is equal to the returned name or a prefix of it. `gpt-4o` is a prefix of `gpt-4o-mini-2024-07-18`
    as well, so the longer one wins.
    """
    return len(requested) if requested and returned and returned.startswith(requested) else 0


def is_mismatch(requested: str | None, returned: str | None) -> bool:
    """Whether another model answered than was asked for: neither its prefix nor an alias in another vendor's words."""
    if not requested or not returned or model_fit(requested, returned):
        return False
    return _vendor(requested) == _vendor(returned)


def _vendor(model: str) -> str:
    """The vendor of a model's family; where the name tells none, the word that it begins with."""
    name = model.rsplit("/", 1)[-1].lower()
    found = find_provider((), (), {}, name)
    family = _FAMILY.match(name)
    return found or (family[0] if family is not None else name)
