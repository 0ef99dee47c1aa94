import gzip
import random
import sys
import zlib
from collections.abc import Callable, Generator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import posthog_llm_cli
from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.sources.compression import STEP, plain
from tests.laws import examples
from tests.zstd import compress

SKIPPABLE = b"\x5b\x2a\x4d\x18\x07\0\0\0skip me"[:15]


def zstd(data: bytes, *, checksum: bool = True, sized: bool = True, level: int = 3) -> bytes:
    return compress(data, level=level, checksum=checksum, sized=sized)


def feed(data: bytes, size: int) -> Generator[bytes, None, None]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
        yield b""


def read(data: bytes, *, size: int = 4096) -> bytes:
    return b"".join(plain(feed(data, size), "a.gz"))


def read_damaged(data: bytes, *, size: int = 4096) -> tuple[bytes, SourceError]:
    got: list[bytes] = []
    with pytest.raises(SourceError) as problem:
        got.extend(plain(feed(data, size), "a.gz"))
    return b"".join(got), problem.value


CODECS: list[Callable[[bytes], bytes]] = [
    lambda data: data,
    gzip.compress,
    lambda data: gzip.compress(data, 0),
    zstd,
    lambda data: zstd(data, checksum=False, sized=False, level=19),
    lambda data: gzip.compress(gzip.compress(data)),
    lambda data: gzip.compress(zstd(data)),
    lambda data: SKIPPABLE + zstd(data),
]
CONTENTS = st.one_of(
    st.binary(max_size=50).map(lambda data: b"{" + data),
    st.tuples(st.binary(min_size=1, max_size=5), st.integers(1, 200_000)).map(lambda pair: b"{" + pair[0] * pair[1]),
)


@settings(max_examples=examples(80), deadline=None)
@given(CONTENTS, st.sampled_from(CODECS), st.integers(1, 70))
def test_what_was_compressed_comes_back_whatever_the_blocks(
    data: bytes, codec: Callable[[bytes], bytes], size: int
) -> None:
    assert read(codec(data), size=size) == data


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.integers(1, 30), st.sampled_from([gzip.compress, zstd])
)
def test_members_are_one_stream_and_padding_does_not_count(
    parts: list[bytes], size: int, codec: Callable[[bytes], bytes]
) -> None:
    packed = codec(b"{") + b"\0\0\0".join(codec(part) for part in parts) + b"\0" * 100
    assert read(packed, size=size) == b"{" + b"".join(parts)


@pytest.mark.parametrize("codec", [gzip.compress, zstd, lambda data: zstd(data, checksum=False)])
def test_a_cut_stream_gives_what_came_before_and_then_its_problem(codec: Callable[[bytes], bytes]) -> None:
    data = random.Random(1).randbytes(600_000)
    packed = codec(data)
    for keep in (10, 200_000, len(packed) - 1):
        got, problem = read_damaged(packed[:keep])
        assert (problem.code, problem.uri) == ("source-damaged", "a.gz")
        assert data.startswith(got)
        assert len(got) >= min(keep - 150_000, len(data))


def test_damage_inside_gzip_costs_no_byte_before_it() -> None:
    body = b"".join(b'{"n": %d}\n' % n for n in range(50_000))
    packed = bytearray(gzip.compress(body))
    middle = len(packed) // 2
    intact = len(zlib.decompressobj(31).decompress(bytes(packed[:middle])))
    packed[middle : middle + 8] = b"\xff" * 8
    got, problem = read_damaged(bytes(packed), size=1 << 18)
    assert problem.code == "source-damaged"
    assert body[:intact] == got[:intact]


@pytest.mark.parametrize("codec", [gzip.compress, zstd])
def test_other_bytes_behind_compressed_data_are_damage(codec: Callable[[bytes], bytes]) -> None:
    for size in (1, 4096):
        got, problem = read_damaged(codec(b"{}") + b"\0garbage", size=size)
        assert (got, problem.code) == (b"{}", "source-damaged")
    got, problem = read_damaged(codec(b"{}") + b"\x1f")
    assert (got, problem.code) == (b"{}", "source-damaged")


@pytest.mark.parametrize("codec", [gzip.compress, zstd])
def test_a_wrong_checksum_is_damage(codec: Callable[[bytes], bytes]) -> None:
    packed = bytearray(codec(b"{}" * 100))
    packed[-1 if codec is zstd else -6] ^= 1
    got, problem = read_damaged(bytes(packed))
    assert problem.code == "source-damaged"
    assert (b"{}" * 100).startswith(got)


@settings(max_examples=examples(80), deadline=None)
@given(st.sampled_from([gzip.compress, zstd]), st.integers(4, 400), st.integers(1, 255), st.integers(1, 500))
def test_any_flipped_byte_gives_the_data_or_a_problem(
    codec: Callable[[bytes], bytes], at: int, flip: int, size: int
) -> None:
    data = b"".join(b'{"n": %d}\n' % n for n in range(60))
    packed = bytearray(codec(data))
    packed[at % (len(packed) - 4) + 4] ^= flip
    try:
        code = f"read {len(read(bytes(packed), size=size))} bytes"
    except SourceError as problem:
        code = problem.code
    # A header's field may change without harm: a time, a name.
    assert code in ("source-damaged", f"read {len(data)} bytes")


@pytest.mark.parametrize("codec", [gzip.compress, zstd])
def test_no_step_gives_more_than_its_bound(codec: Callable[[bytes], bytes]) -> None:
    packed = codec(b"\0" * 30_000_000)
    steps = [len(block) for block in plain(feed(packed, 1 << 18), "a")]
    assert sum(steps) == 30_000_000
    assert max(steps) <= STEP


@settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=30), st.sampled_from(["utf-16-le", "utf-16-be"]), st.integers(1, 9))
def test_utf_16_with_its_mark_becomes_utf_8(text: str, encoding: str, size: int) -> None:
    data = ("\ufeff" + text).encode(encoding)
    assert read(data, size=size) == text.encode()
    assert read(gzip.compress(data), size=size) == text.encode()


def test_a_cut_utf_16_character_is_replaced() -> None:
    assert read("\ufeff{}".encode("utf-16-le") + b"a") == b"{}\xef\xbf\xbd"


@pytest.mark.parametrize("data", [b"", b"\x1f", b"(", b"(\xb5/", b"[*M", b"P", b"\xff", b"\xef\xbb\xbf{}"])
def test_what_only_begins_like_compressed_data_is_plain(data: bytes) -> None:
    assert read(data, size=1) == data


def test_a_python_that_was_built_without_zstd_reads_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zstd(b"{}\n")
    monkeypatch.setitem(sys.modules, "posthog_llm_cli.zstd", None)
    monkeypatch.delattr(posthog_llm_cli, "zstd", raising=False)
    assert read(gzip.compress(b"{}\n")) == b"{}\n"
    got, problem = read_damaged(packed)
    assert (got, problem.code) == (b"", "source-unreadable")
    assert "built without it" in problem.message
