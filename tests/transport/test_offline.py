import io
import json
import os
import subprocess
import sys

import pytest

from posthog_llm_cli.model import Endpoint, Verdict
from posthog_llm_cli.transport import Printer, Rehearsal
from posthog_llm_cli.transport.routes import MAX_AI_EVENT, encode_legacy
from tests.transport.making import KEY, a_chunk, an_event


def test_a_printer_prints_the_batch_routes_object_of_each_event_in_order() -> None:
    stream = io.BytesIO()
    chunk = a_chunk(3)
    delivery = Printer(stream).deliver(chunk)
    lines = stream.getvalue().splitlines()
    assert lines == [bytes(encode_legacy(event)) for event in chunk.events]
    assert [json.loads(line)["uuid"] for line in lines] == [event.uuid for event in chunk.events]
    assert stream.getvalue().endswith(b"}\n")
    assert [outcome.verdict for outcome in delivery.outcomes] == [Verdict.ACCEPTED] * 3
    assert (delivery.requests, delivery.retries, delivery.endpoint, delivery.error) == (0, 0, None, None)


def test_a_printer_prints_no_key() -> None:
    stream = io.BytesIO()
    Printer(stream).deliver(a_chunk(1))
    assert KEY.encode() not in stream.getvalue()


def test_a_printer_flushes_each_chunk() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as read, os.fdopen(writer, "wb", buffering=65536) as write:
        Printer(write).deliver(a_chunk(1))
        os.set_blocking(read.fileno(), False)
        assert read.readline().startswith(b'{"event":"$ai_generation"')


def test_a_closed_pipe_is_the_callers_to_handle() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "wb", buffering=0)
    with stream, pytest.raises(BrokenPipeError):
        Printer(stream).deliver(a_chunk(1))


@pytest.mark.parametrize(
    ("endpoint", "size", "fits"),
    [
        (Endpoint.AUTO, MAX_AI_EVENT, True),
        (Endpoint.AUTO, MAX_AI_EVENT + 1, False),
        (Endpoint.V1, MAX_AI_EVENT + 1, False),
        (Endpoint.AI_BATCH, MAX_AI_EVENT, False),
        (Endpoint.AI_BATCH, 1_000_000, True),
        (Endpoint.BATCH, 1_000_000, False),
        (Endpoint.BATCH, 900_000, True),
    ],
)
def test_a_rehearsal_weighs_by_the_route(endpoint: Endpoint, size: int, fits: bool) -> None:
    chunk = a_chunk([an_event(1), an_event(2, properties=b'{"a":"' + b"x" * (size - 8) + b'"}')])
    small, large = Rehearsal(endpoint).deliver(chunk).outcomes
    assert small.verdict is Verdict.ACCEPTED
    assert (large.verdict, large.code) == ((Verdict.ACCEPTED, None) if fits else (Verdict.REJECTED, "event-too-large"))


def test_printing_and_rehearsing_load_no_http_library() -> None:
    code = "import sys, posthog_llm_cli.transport as t; t.Printer; t.Rehearsal; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
