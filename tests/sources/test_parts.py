"""Lines that a container's runtime has cut into parts."""

import json

import pytest

from posthog_llm_cli.sources.parts import PART_BYTES
from tests.sources.framed import frame, frame_all, raws

TIME = "2026-01-01T00:00:00.123456789Z"
CALL = {"id": "long", "text": " ".join(["two words"] * 6000)}
SHORT = {"id": "short"}


def pieces(text: str) -> list[str]:
    return [text[at : at + PART_BYTES] for at in range(0, len(text), PART_BYTES)]


def docker(text: str, stream: str = "stdout") -> list[bytes]:
    return [
        json.dumps({"log": piece, "stream": stream, "time": TIME}, separators=(",", ":")).encode()
        for piece in pieces(text + "\n")
    ]


def cri(text: str, stream: str = "stdout") -> list[bytes]:
    *parts, last = pieces(text)
    return [f"{TIME} {stream} P {part}".encode() for part in parts] + [f"{TIME} {stream} F {last}".encode()]


def logs(found: list[bytes]) -> list[object]:
    return [json.loads(json.loads(raw)["log"]) if raw.startswith(b'{"log"') else json.loads(raw) for raw in found]


@pytest.mark.parametrize("size", [1, 700, 1 << 18])
@pytest.mark.parametrize("cut", [docker, cri])
def test_a_line_that_was_cut_comes_whole(cut: object, size: int) -> None:
    texts = [json.dumps(value) for value in (SHORT, CALL, SHORT, CALL)]
    lines = [line for text in texts for line in cut(text)]  # type: ignore[operator]
    assert len(lines) == 2 + 2 * 4
    found = frame(b"\n".join(lines) + b"\n", size=size)
    assert logs([line.raw for line in found]) == [SHORT, CALL, SHORT, CALL]
    assert [line.ref.line for line in found] == [1, 2, 6, 7]


@pytest.mark.parametrize("cut", [docker, cri])
def test_the_parts_of_two_streams_may_lie_among_one_another(cut: object) -> None:
    one, other = cut(json.dumps(CALL)), cut(json.dumps({**CALL, "id": "other"}), "stderr")  # type: ignore[operator]
    lines = [line for pair in zip(one, other, strict=True) for line in pair]
    assert logs(raws(b"\n".join(lines))) == [CALL, {**CALL, "id": "other"}]


@pytest.mark.parametrize("cut", [docker, cri])
def test_what_was_never_ended_costs_no_neighbour(cut: object) -> None:
    begun, whole = [part.rstrip() for part in cut(json.dumps(CALL))[:2]], cut(json.dumps(SHORT))  # type: ignore[operator]
    assert raws(b"\n".join([*begun, *whole, *begun])) == [*begun, *raws(whole[0]), *begun]


def test_a_character_that_docker_cut_is_no_hindrance() -> None:
    first, second = "x" * (PART_BYTES - 11) + "\ufffd" * 2, '\ufffd yes"}\n'
    lines = [
        json.dumps({"log": log, "stream": "stdout", "time": TIME}, separators=(",", ":"), ensure_ascii=False)
        for log in ('{"t": "' + first, second)
    ]
    assert [json.loads(raw)["log"] for raw in raws("\n".join(lines).encode())] == ['{"t": "' + first + second]


def test_long_records_of_other_shippers_without_a_line_break_stay_as_they_are() -> None:
    log = json.dumps({"text": "x" * (PART_BYTES - 12)})
    assert len(log) == PART_BYTES
    line = json.dumps({"log": log, "stream": "stdout", "time": TIME}, separators=(",", ":")).encode()
    longer = line.replace(b"xx", b"x" * 9000, 1)
    assert raws(b"\n".join([line, longer, line])) == [line, longer, line]


@pytest.mark.parametrize(
    "text",
    [
        "INFO: started",
        f"{TIME} {{}}",
        f"{TIME} stdout Q {{}}",
        f"{TIME} stdin F {{}}",
        "2026-01-01 00:00:00Z stdout F {}",
    ],
)
def test_what_only_resembles_a_container_log_stays_as_it_is(text: str) -> None:
    assert raws(text.encode() + b"\n{}") == [text.encode(), b"{}"]


def test_an_empty_line_and_the_end_of_a_stream_are_no_records() -> None:
    assert raws(f"{TIME} stdout F \n{TIME} stdout F\n{TIME} stderr F:x {{}}".encode()) == [b"{}"]
    assert len(frame_all(f"{TIME} stdout F data: [DONE]\n{{}}".encode())) == 2


def test_parts_over_the_ceiling_are_held_no_longer() -> None:
    lines = cri("y" * (4 * PART_BYTES))
    found = frame(b"\n".join([*lines, b"{}"]), max_record=2 * PART_BYTES)
    assert [line.raw for line in found[:3]] == lines[:3]
    assert found[-1].raw == b"{}"


@pytest.mark.parametrize("size", [1, 64, 1 << 18])
def test_a_payload_that_litellm_prints_over_several_of_cris_lines_costs_no_neighbour(size: int) -> None:
    before = "03:05:43 - LiteLLM:INFO: litellm_logging.py:4500 - "
    texts = [
        "INFO: started",
        before + "{",
        '    "id": "1"',
        "}",
        json.dumps(SHORT),
        json.dumps(CALL),
        "{",
        json.dumps(SHORT),
    ]
    found = frame(b"\n".join(line for text in texts for line in cri(text)), size=size)
    assert [json.loads(line.raw) for line in found if line.raw.startswith(b'{"')] == [SHORT, CALL, SHORT]
