"""What one record may cost: a hostile or merely odd text of a megabyte takes no longer than its length asks for.

Each record runs in a process of its own kind, which a test can end: a regular expression that has run away hears of
nothing. A megabyte that is read a fixed number of times takes well under a second, one that is read once for each of its
characters takes many minutes, so the limit tells them apart on any machine.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from posthog_llm_cli.model import ConvertOptions
from tests.converting import OPTIONS, convert_bytes, convert_value, with_build
from tests.formats.test_litellm import FAILURE, kwargs, payload
from tests.formats.test_litellm_legacy import item
from tests.sources.framed import frame

N = 1_000_000
LIMIT_S = 30
PRIVACY = with_build(privacy_mode=True)


def filled(unit: str, *, start: str = "", end: str = "") -> str:
    """A megabyte of one thing again and again."""
    return start + unit * (N // len(unit)) + end


def failed(text: str) -> dict[str, Any]:
    return payload(**FAILURE, error_str=text)


def asked(text: str) -> dict[str, Any]:
    return payload(messages=[{"role": "user", "content": text}])


RECORDS: dict[str, Callable[[], Any]] = {
    "blanks where a traceback may follow": lambda: failed(filled(" ", start="x", end="x")),
    "beginnings of keys": lambda: failed(filled("pk-", end="z")),
    "beginnings of keys with dots": lambda: failed(filled("sk-a.")),
    "beginnings of tokens": lambda: failed(filled("-eyJa")),
    "a user of a URL without end": lambda: failed(filled("a:", start="http://")),
    "URLs": lambda: failed(filled("://a:b")),
    "names of secrets": lambda: failed(filled("api_key: ")),
    "names of secrets in quotes": lambda: failed(filled("\"token\": '")),
    "a query": lambda: failed(filled("?x_")),
    "private keys": lambda: failed(filled("-----BEGIN PRIVATE KEY-----")),
    "beginnings of data URLs": lambda: asked(filled("data:x/y;", end=" base64,")),
    "parameters of a data URL": lambda: asked(filled(";a", start="data:x/y", end=" base64,")),
    "data URLs without data": lambda: asked(filled("data:x/y;base64,")),
    "a cut text of long runs": lambda: payload(response=filled("aaaa" * 49 + " ", start="{", end="truncated by litellm")),
    "a cut text of numbers": lambda: payload(response=filled("[1, 2, 3", start="{", end="truncated by litellm")),
    "a cut text of images": lambda: payload(response=filled("b64_json=", start="{", end="truncated by litellm")),
    "JSON in a text": lambda: asked(filled('"data": "', start="{")),
    "digits for counts": lambda: item(usage=filled("1")),
    "names of counts": lambda: item(usage=filled("1_tokens")),
    "long names of counts": lambda: item(usage=filled("a", end="_tokens=x")),
    "a print of numbers": lambda: item(metadata=filled("1, ", start="{'user_id': [", end="]}")),
    "a print of objects": lambda: item(messages=filled("{'a': f(x)}, ", start="[", end="]")),
    "a call type": lambda: payload(call_type=filled("_container", end="\nx")),
    "an address": lambda: payload(api_base=filled("/v1x", start="https://h.example")),
    "digits for a time": lambda: payload(startTime=filled("1"), endTime=filled("2025-06-01T10:00:00.1")),
    "a packed user": lambda: payload(end_user=filled("_account_", start="user_1", end="_session_")),
    "the redaction's word": lambda: payload(messages=["redacted-by-litellm "] * (N // 20)),
}  # fmt: skip

PRIVATE: dict[str, Callable[[], Any]] = {
    "many long metadata": lambda: kwargs(
        {f"k{number}": " ".join(map(str, range(number, number + 50))) for number in range(500)}, messages=[{"role": "user", "content": filled("ab c")}]
    ),
    "one long metadata": lambda: kwargs({"k": " ".join(map(str, range(150_000)))}, messages=[{"role": "user", "content": filled("ab c")}]),
    "many short metadata": lambda: kwargs(
        {f"k{number}": f"{number:030}" for number in range(20_000)}, messages=[{"role": "user", "content": filled("ab c")}]
    ),
}  # fmt: skip


HEADER = b"request_id\tcall_type\tstartTime\tspend\n"
FILES: dict[str, Callable[[], bytes]] = {
    "nulls of COPY before a quote": lambda: HEADER + filled("\t\\N", end='"').encode(),
    "dashes": lambda: b"column\n" + filled("-", end="x\n{}").encode(),
    "blanks behind braces": lambda: filled("{ ", end="x").encode(),
    "commas in an array": lambda: filled(", ", start="[", end="x").encode(),
    "events without data": lambda: filled(":x\n").encode(),
    "quotes with backslashes": lambda: filled('\\"', start='{"a": "').encode(),
    "names without calls": lambda: filled("a.", start="{'a': ").encode(),
}


def _frame(name: str, _: ConvertOptions) -> str | None:
    """How many lines a file has, and what becomes of each: what the run does with a source."""
    lines = frame(FILES[name]())
    return str(sum(len(convert_bytes(line.raw)) for line in lines))


def _convert(name: str, options: ConvertOptions) -> str | None:
    """The format that a record was read as: what a worker does."""
    return convert_value({**RECORDS, **PRIVATE}[name](), options).format


@dataclass(slots=True)
class Worker:
    """A process that does the work, and is replaced where it does not come back in time."""

    pool: Any = None

    def run(self, job: Callable[[str, ConvertOptions], str | None], name: str, options: ConvertOptions) -> str | None:
        if self.pool is None:
            self.pool = multiprocessing.get_context("spawn").Pool(1)
        try:
            found: str | None = self.pool.apply_async(job, (name, options)).get(LIMIT_S)
        except multiprocessing.TimeoutError:
            self.end()
            pytest.fail(f"more than {LIMIT_S} s")
        return found

    def end(self) -> None:
        if self.pool is not None:
            self.pool.terminate()
            self.pool = None


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    started = Worker()
    yield started
    started.end()


@pytest.mark.parametrize("name", RECORDS)
def test_a_records_cost_grows_with_its_length_alone(worker: Worker, name: str) -> None:
    assert worker.run(_convert, name, OPTIONS) is not None


@pytest.mark.parametrize("name", PRIVATE)
def test_privacy_modes_cost_grows_with_the_length_alone(worker: Worker, name: str) -> None:
    assert worker.run(_convert, name, PRIVACY) == "litellm-kwargs"


@pytest.mark.parametrize("name", FILES)
def test_a_files_cost_grows_with_its_length_alone(worker: Worker, name: str) -> None:
    assert worker.run(_frame, name, OPTIONS) is not None
