import gzip as reference
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.transport.compression import gzip

WITHOUT_THE_LIBRARY = """
import gzip as reference, sys
sys.modules["isal"] = sys.modules["isal.isal_zlib"] = None
from posthog_llm_cli.transport import compression
assert compression._new_compressor.__module__ == "zlib", compression._new_compressor
data = sys.stdin.buffer.read()
made = b"".join(compression.gzip([data]))
assert made == b"".join(compression.gzip([data])) and reference.decompress(made) == data
print(len(made))
"""


@given(st.lists(st.binary(max_size=10_000), max_size=5))
def test_what_is_compressed_comes_back_and_is_the_same_each_time(pieces: list[bytes]) -> None:
    made = b"".join(gzip(pieces))
    assert reference.decompress(made) == b"".join(pieces)
    assert b"".join(gzip(pieces)) == made
    assert made[4:8] == b"\0\0\0\0", "no time is stamped into the header"


@pytest.mark.parametrize("size", [1, 1000, 40_000, 130_000, 300_000])
def test_a_long_body_comes_in_parts_that_are_no_large_blocks(size: int) -> None:
    content = random.Random(size).randbytes(3_000_000)
    pieces = [memoryview(content)[at : at + size] for at in range(0, len(content), size)] if size > 1 else [content]
    made = gzip(pieces)
    assert reference.decompress(b"".join(made)) == content
    assert all(made)
    if 1 < size < 150_000:
        assert max(map(len, made)) < 256 * 1024


def test_the_parts_of_a_body_are_few() -> None:
    assert len(gzip([random.Random(number).randbytes(10_000) for number in range(300)])) <= 3_000_000 // (100 * 1024)


def test_where_the_library_is_missing_zlib_makes_a_body_of_about_the_same_size() -> None:
    data = b"".join(b'{"number":%d,"text":"and so on, and so on"}' % number for number in range(20_000))
    done = subprocess.run([sys.executable, "-c", WITHOUT_THE_LIBRARY], input=data, capture_output=True, check=True)
    assert 0.5 < sum(map(len, gzip([data]))) / int(done.stdout) < 2
