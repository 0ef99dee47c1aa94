import gzip as reference
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.transport.compression import gzip

WITHOUT_THE_LIBRARY = """
import gzip as reference, sys
sys.modules["isal"] = sys.modules["isal.isal_zlib"] = None
from posthog_llm_cli.transport import compression
assert compression._compress.__module__ == "zlib", compression._compress
data = sys.stdin.buffer.read()
made = compression.gzip(data)
assert made == compression.gzip(data) and reference.decompress(made) == data
print(len(made))
"""


@given(st.binary(max_size=10_000))
def test_what_is_compressed_comes_back_and_is_the_same_each_time(data: bytes) -> None:
    made = gzip(data)
    assert reference.decompress(made) == data
    assert gzip(data) == made
    assert made[4:8] == b"\0\0\0\0", "no time is stamped into the header"


def test_where_the_library_is_missing_zlib_makes_a_body_of_about_the_same_size() -> None:
    data = b"".join(b'{"number":%d,"text":"and so on, and so on"}' % number for number in range(20_000))
    done = subprocess.run([sys.executable, "-c", WITHOUT_THE_LIBRARY], input=data, capture_output=True, check=True)
    assert 0.5 < len(gzip(data)) / int(done.stdout) < 2
