"""Which of several sources is read first: the richer views of a call, and what other records need. Pure."""

from collections.abc import Mapping

from posthog_llm_cli.decoding import decode
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.formats import dead_letter, detect, litellm, litellm_kwargs, litellm_legacy, litellm_spend, rows
from posthog_llm_cli.formats._openai_shapes import classify
from posthog_llm_cli.model import Json

_BATCH_INPUT = "batch-input"
OTHER_RANK = 1
"""The rank of every row that `READ_RANKS` does not name."""

READ_RANKS: Mapping[str, int | None] = {
    _BATCH_INPUT: 0,
    litellm_kwargs.FORMAT.name: OTHER_RANK,
    litellm.FORMAT.name: 2,
    "litellm-datadog": 3,
    litellm_spend.FORMAT.name: 4,
    litellm_legacy.FORMAT.name: 5,
    "empty-record": None,
    "console-log": None,
    "audit-log": None,
}
"""By the name of its row in `DETECTION`, when a record's source is read: the lowest rank first.

A call that lies in several views is sent from the first of them, so the richer ones come first (litellm-logs.md 8);
what only completes other records, as a batch's input does, comes before all that may need it. None: nothing is told.
"""

_HEADS: tuple[tuple[str, tuple[bytes, ...], tuple[bytes, ...]], ...] = (
    ("litellm-datadog", (b'"ddsource"', b'"message"'), (b'"litellm"',)),
    (litellm_kwargs.FORMAT.name, (), (b'"standard_logging_object"', b'"litellm_params"')),
    (
        litellm_spend.FORMAT.name,
        (b'"request_id"', b'"call_type"', b'"startTime"'),
        (b'"spend"', b'"proxy_server_request"'),
    ),
    (litellm_legacy.FORMAT.name, (b'"modelParameters"',), (b'"usage"', b'"messages"')),
    (litellm.FORMAT.name, (b'"call_type"',), (b'"model_parameters"', b'"hidden_params"', b'"response_cost"')),
    (_BATCH_INPUT, (b'"custom_id"', b'"method"', b'"url"'), (b'"body"',)),
    (litellm_spend.FORMAT.name, (b"-- PostgreSQL database",), (b" dump\n", b" dump\r\n")),
)
"""Names of keys, all of the first and one of the second, that show a row in a record too long to be looked at whole.

The last are no keys, but what a dump begins with, of which other tables' rows may fill the beginning."""


def read_rank(value: Json) -> int | None:
    """Return the rank of the first record in a line's value that has one (`READ_RANKS`); None where none has."""
    try:
        for _, record in rows(value):
            rank = _rank_of_letter(record) if dead_letter.is_dead_letter(record) else _rank_of(record)
            if rank is not None:
                return rank
    except RecordError:  # a text in it is too deep to be looked into
        return None
    return None


def head_rank(head: bytes) -> int | None:
    """Return the rank that the first bytes of a long record, or of a dump, show by key names, if they show one."""
    for name, every, some in _HEADS:
        if all(key in head for key in every) and any(key in head for key in some):
            return READ_RANKS[name]
    return None


def _rank_of(record: Json) -> int | None:
    if isinstance(record, dict) and "body" in record and classify(record) == _BATCH_INPUT:
        # One format with the batch's output, and needed before it.
        return READ_RANKS[_BATCH_INPUT]
    row = detect(record)
    return None if row is None else READ_RANKS.get(row.name, OTHER_RANK)


def _rank_of_letter(letter: Mapping[str, Json]) -> int | None:
    """Of the record in a dead letter, which is taken up in its place."""
    try:
        inner = decode(dead_letter.letter_bytes(letter)).value
    except RecordError:
        return None
    return None if dead_letter.is_dead_letter(inner) else read_rank(inner)
