"""Dead letters: one JSON line each, the record whole, the file the owner's alone."""

import base64
import os
import re
import resource
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.deadletter import DeadLetter, DeadLetterFile, NoDeadLetters, encode_letter, plan_file
from posthog_llm_cli.errors import ConfigError, RecordError
from posthog_llm_cli.model import SourceRef
from tests.converting import convert_bytes

RUN = datetime(2026, 11, 23, 19, 2, 33, 123456, tzinfo=UTC)


def letter(raw: bytes | None = b"{}", **changes: Any) -> DeadLetter:
    values: dict[str, Any] = {
        "ref": SourceRef("app.jsonl", 1204, 918273),
        "code": "missing-field",
        "path": "$.startTime",
        "message": "expected a time and found none",
        "uuid": None,
        "raw": raw,
        **changes,
    }
    return DeadLetter(**values)


def decoded(raw: bytes | None, **changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = orjson.loads(encode_letter(letter(raw, **changes)))
    return value


def lines(path: Path) -> list[Any]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: text.encode()))
def test_every_record_is_one_line_and_comes_back_whole(raw: bytes) -> None:
    line = encode_letter(letter(raw))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    value = orjson.loads(line)
    if "record_base64" in value:
        assert value["record"] is None
        assert base64.b64decode(value["record_base64"]) == raw
        return
    try:
        expected = orjson.loads(raw)
    except orjson.JSONDecodeError:
        expected = raw.decode()
    assert value["record"] == expected


def test_a_letter_has_the_documented_keys_in_their_order() -> None:
    assert list(decoded(b"{}")) == [
        "plh_dead_letter", "source", "line", "offset", "code", "path", "message", "uuid", "record",
    ]  # fmt: skip
    value = decoded(b'{"a":1}', uuid="u-1")
    assert (value["plh_dead_letter"], value["source"], value["line"], value["offset"]) == (1, "app.jsonl", 1204, 918273)
    assert (value["code"], value["path"], value["uuid"]) == ("missing-field", "$.startTime", "u-1")


def test_strict_json_is_kept_byte_for_byte() -> None:
    raw = b'{"b":1.50e3,"a":123456789012345678901234567890,"a":"\\u00e9", "z" : [ 1 ,2]}'
    assert raw in encode_letter(letter(raw))


def test_a_pretty_printed_record_loses_only_its_line_breaks() -> None:
    raw = b'{\r\n  "a": [\n    1\n  ],\n  "text": "x\\ny"\n}\n'
    assert decoded(raw)["record"] == {"a": [1], "text": "x\ny"}


@pytest.mark.parametrize(
    "raw", [b'{"a":NaN}', b'{"a":"\\ud800"}', b"{'a': None}", b"{", b"", b"[" * 5000 + b"]" * 5000]
)
def test_what_strict_parsers_refuse_is_kept_as_a_string(raw: bytes) -> None:
    assert decoded(raw)["record"] == raw.decode()


def test_a_record_that_was_too_long_leaves_only_its_place() -> None:
    value = decoded(None)
    assert value["record"] is None
    assert "record_base64" not in value


def test_a_file_name_that_is_not_utf8_can_be_written() -> None:
    uri = os.fsdecode(b"caf\xe9.jsonl")
    assert decoded(b"{}", ref=SourceRef(uri, 1, 0))["source"] == "caf\ufffd.jsonl"
    assert decoded(b"{}", message="found '\ud800'")["message"] == "found '?'"


def test_neither_record_nor_key_is_in_the_repr() -> None:
    assert "secret" not in repr(letter(b'{"a":"secret"}'))


def test_the_file_comes_with_the_first_letter_and_is_the_owners_alone(tmp_path: Path) -> None:
    file = plan_file(f"{tmp_path}/state/dead-letters/", RUN)
    assert not (tmp_path / "state").exists()
    before = os.umask(0)
    try:
        file.add(letter())
    finally:
        os.umask(before)
    assert file.path == tmp_path / "state/dead-letters/2026-11-23T19-02-33Z.jsonl"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.path.parent.parent.stat().st_mode) == 0o700
    file.close()


def test_a_letter_is_in_the_file_before_the_next_one_comes(tmp_path: Path) -> None:
    file = DeadLetterFile(tmp_path / "dead.jsonl")
    file.add(letter(b"1"))
    assert [value["record"] for value in lines(file.path)] == [1]
    file.add(letter(b"2"))
    assert [value["record"] for value in lines(file.path)] == [1, 2]
    assert file.count == 2
    file.close()
    file.close()


def test_a_runs_own_file_never_overwrites_another_one(tmp_path: Path) -> None:
    names = []
    for number in range(3):
        file = plan_file(str(tmp_path), RUN.astimezone(timezone(timedelta(hours=5))))
        file.add(letter(str(number).encode()))
        file.close()
        names.append(file.path.name)
    assert names == ["2026-11-23T19-02-33Z.jsonl", "2026-11-23T19-02-33Z-2.jsonl", "2026-11-23T19-02-33Z-3.jsonl"]
    assert [lines(tmp_path / name)[0]["record"] for name in names] == [0, 1, 2]


def test_two_runs_of_one_second_do_not_share_a_file(tmp_path: Path) -> None:
    one, other = plan_file(str(tmp_path), RUN), plan_file(str(tmp_path), RUN)
    one.add(letter(b"1"))
    other.add(letter(b"2"))
    assert one.path != other.path
    one.close()
    other.close()


def test_lines_are_added_to_a_file_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    for number in b"12":
        file = plan_file(str(path), RUN)
        file.add(letter(bytes([number])))
        file.close()
    assert [value["record"] for value in lines(path)] == [1, 2]


def test_a_line_that_a_crash_cut_off_does_not_spoil_the_next_letter(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    path.write_bytes(b'{"plh_dead_letter":1,"sou')
    file = plan_file(str(path), RUN)
    file.add(letter(b"7"))
    file.close()
    cut_off, whole = path.read_bytes().splitlines()
    assert cut_off == b'{"plh_dead_letter":1,"sou'
    assert orjson.loads(whole)["record"] == 7


def test_a_place_that_cannot_be_made_is_found_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for where in (f"{tmp_path}/file/dead.jsonl", f"{tmp_path}/file/deep/er/"):
        with pytest.raises(ConfigError, match="dead letters") as caught:
            plan_file(where, RUN)
        assert caught.value.hint is not None
        assert "--dead-letter" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_found_before_the_run(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="no permission"):
        plan_file(f"{tmp_path}/dead/", RUN)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_is_remembered_and_ends_no_run() -> None:
    with closing(plan_file("/dev/full", RUN)) as file:
        file.add(letter())
        file.add(letter())
        assert (file.count, file.unwritten) == (0, 2)
        assert file.failure is not None
        assert re.search(r"/dev/full.*no space", file.failure.message)


def test_a_letter_that_found_no_room_does_not_spoil_the_ones_that_find_it_again(tmp_path: Path) -> None:
    with closing(plan_file(str(tmp_path / "dead.jsonl"), RUN)) as file:
        with file_limit(10_000):
            assert file.add(letter(b"1"))
            assert not file.add(letter(b'"%b"' % (b"x" * 20_000)))
        assert file.path.stat().st_size == 10_000, "a part of it was written"
        assert file.add(letter(b"3"))
        assert file.add(letter(b"4"))
    written = file.path.read_bytes().splitlines()
    assert [orjson.loads(line)["record"] for line in (written[0], *written[2:])] == [1, 3, 4]
    assert (file.count, file.unwritten) == (3, 1)


@contextmanager
def file_limit(most: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes, as a full disk would not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_rehearsal_counts_letters_and_writes_none() -> None:
    none = NoDeadLetters()
    none.add(letter())
    none.close()
    assert (none.count, none.path) == (1, None)


@pytest.mark.parametrize("levels", [99, 100, 101, 5_000])
def test_a_letter_is_never_too_deep_where_its_record_is_not(levels: int) -> None:
    raw = b'{"a":' * levels + b"1" + b"}" * levels
    (converted,) = convert_bytes(encode_letter(letter(raw)).strip())
    assert isinstance(converted.result, RecordError)
    assert converted.result.code == ("unknown-format" if levels <= 100 else "too-deep")
    assert converted.raw is not None
    assert b"plh_dead_letter" not in converted.raw
