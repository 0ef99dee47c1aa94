"""Streams as odd servers and loggers leave them behind: each was sent wrong, or lost, before it was met here."""

import json
from pathlib import Path
from typing import Any

import pytest

from posthog_llm_cli.joining import Joiner
from posthog_llm_cli.model import LogLine, Mark, SourceRef
from tests.joining.test_streams import events_of, joined, outcomes_of, texts_of
from tests.streaming import chunk, jsonl, ollama, said, sse, text_part, usage_chunk

HELLO = [*said("Hel", "lo"), usage_chunk()]
NUMBERED = [{**part, "id": f"c-{number}"} for number, part in enumerate(HELLO)]
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


@pytest.mark.parametrize("write", [jsonl, lambda rows: sse(*rows).encode()], ids=["lines", "events"])
def test_a_stream_whose_every_part_has_an_id_of_its_own_is_one_call(write: Any, tmp_path: Path) -> None:
    others = [{**part, "id": f"d-{number}"} for number, part in enumerate(HELLO)]
    found = joined(write(NUMBERED) + write(others), folder=tmp_path)
    assert texts_of(found) == ["Hello", "Hello"]
    assert len(found) == 2 * len(NUMBERED)
    assert outcomes_of(found) == {"event": 2, "merged": 2 * len(NUMBERED) - 2}


def test_two_beginnings_without_an_end_are_two_calls(tmp_path: Path) -> None:
    lone = chunk({"role": "assistant", "content": ""}, id="a"), chunk({"content": "b"}, id="b")
    assert outcomes_of(joined(jsonl(lone), folder=tmp_path)) == {"event": 2}


def test_interleaved_streams_of_several_parts_are_not_taken_for_pieces(tmp_path: Path) -> None:
    one, two = said("a", "b", id="one"), said("c", "d", id="two")
    rows = [part for pair in zip(one, two, strict=True) for part in pair]
    assert sorted(texts_of(joined(jsonl(rows), folder=tmp_path))) == ["ab", "cd"]


@pytest.mark.parametrize("usage_id", ["", "other"])
def test_usage_under_another_id_belongs_to_the_stream_that_waits_for_it(usage_id: str, tmp_path: Path) -> None:
    rows = [*said("a", id="one"), usage_chunk(id=usage_id)]
    found = joined(jsonl(rows), folder=tmp_path)
    assert outcomes_of(found) == {"event": 1, "merged": len(rows) - 1}
    (event,) = events_of(found)
    assert b'"$ai_output_tokens":2' in event.properties


def test_usage_that_comes_late_for_its_own_stream_is_not_another_ones(tmp_path: Path) -> None:
    rows = sse(*said("a", id="one")) + sse(*said("b", id="two"), done=False) + sse(usage_chunk(id="one"))
    found = joined(rows.encode(), folder=tmp_path)
    assert texts_of(found) == ["a", "b"]
    assert not [event for event in events_of(found) if b"$ai_output_tokens" in event.properties]
    assert any("late-part" in converted.warnings for converted in found)


@pytest.mark.parametrize("wrap", [lambda part: part, lambda part: {"ts": 1748772500, "response": part}])
def test_every_part_written_twice_is_one_text(wrap: Any, tmp_path: Path) -> None:
    rows = [wrap(part) for part in HELLO for _ in range(2)]
    found = joined(jsonl(rows), folder=tmp_path)
    assert (texts_of(found), len(found)) == (["Hello"], len(rows))


def test_azures_stream_with_every_part_written_twice_is_one_text(tmp_path: Path) -> None:
    prologue = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{}]}
    others = [{**part, "id": "chatcmpl-2"} for part in said("o", "ther")]
    rows = [row for part in (prologue, *said("Hel", "lo"), prologue, *others) for row in (part, part)]
    found = joined(jsonl(rows), folder=tmp_path)
    assert (texts_of(found), outcomes_of(found)["event"]) == (["Hello", "other"], 2)
    assert texts_of(joined(jsonl([{"chunks": rows[: len(rows) // 2]}]), folder=tmp_path)) == ["Hello"]


@pytest.mark.parametrize("times", [(2, 2), (1, 2)], ids=["every part", "the last part"])
def test_a_text_completion_that_was_written_twice_is_one_text(times: tuple[int, int], tmp_path: Path) -> None:
    each, last = times
    parts = [text_part("Hel"), text_part("l"), text_part("o", "stop")]
    rows = [*(part for part in parts[:-1] for _ in range(each)), *parts[-1:] * last, text_part("other", "stop", id="w")]
    found = joined(jsonl(rows), folder=tmp_path)
    assert sorted(texts_of(found)) == ["Hello", "other"]
    assert outcomes_of(found) == {"event": 2, "merged": len(rows) - 2}


def test_a_text_that_repeats_itself_is_no_stream_written_twice(tmp_path: Path) -> None:
    assert texts_of(joined(jsonl(said("ha", "ha", "ha", "ha")), folder=tmp_path)) == ["hahahaha"]


def test_a_log_whose_newest_line_is_the_first_is_read_backwards(tmp_path: Path) -> None:
    rows = [*HELLO, *said("Good", "bye", id="chatcmpl-2")][::-1]
    found = joined(jsonl(rows), folder=tmp_path)
    assert texts_of(found) == ["Goodbye", "Hello"]
    assert outcomes_of(found) == {"event": 2, "merged": len(rows) - 2}


def test_the_text_of_one_event_in_each_record_is_a_part(tmp_path: Path) -> None:
    rows = [{"ts": 1748772500 + n, "response": f"data: {json.dumps(part)}\n\n"} for n, part in enumerate(HELLO)]
    found = joined(jsonl(rows), folder=tmp_path)
    assert (texts_of(found), outcomes_of(found)) == (["Hello"], {"event": 1, "merged": len(rows) - 1})


def test_parts_of_a_text_completion_with_usage_in_each_are_one_call(tmp_path: Path) -> None:
    rows = [text_part("a", usage=USAGE), text_part("b", usage=USAGE), text_part("c", "stop", usage=USAGE)]
    found = joined(jsonl(rows), folder=tmp_path)
    assert (texts_of(found), outcomes_of(found)) == (["abc"], {"event": 1, "merged": 2})


def test_a_completion_that_is_not_finished_and_alone_stays_what_it_is(tmp_path: Path) -> None:
    (found,) = joined(jsonl([text_part("a", usage=USAGE)]), folder=tmp_path)
    assert found.format == "openai-completions"


def test_a_finish_reason_of_the_word_null_ends_nothing(tmp_path: Path) -> None:
    pieces = [chunk({"role": "assistant", "content": text}, "null") for text in "ab"]
    rows = [*pieces, chunk({"role": "assistant", "content": "c"}, "stop")]
    assert texts_of(joined(jsonl(rows), folder=tmp_path)) == ["abc"]


@pytest.mark.parametrize("key", ["chunk", "data", "event", "line"])
@pytest.mark.parametrize("write", [lambda part: part, lambda part: f"data: {json.dumps(part)}"])
def test_a_part_under_a_loggers_own_key_is_a_part(key: str, write: Any, tmp_path: Path) -> None:
    rows = [{"ts": 1748772500 + n, "level": "info", key: write(part)} for n, part in enumerate(HELLO)]
    found = joined(jsonl(rows), folder=tmp_path)
    assert (texts_of(found), outcomes_of(found)) == (["Hello"], {"event": 1, "merged": len(rows) - 1})


@pytest.mark.parametrize("key", ["chunk", "data", "event", "line"])
@pytest.mark.parametrize(
    "parts",
    [
        [text_part("Hel"), text_part("l"), text_part("o", "stop")],
        [text_part(text, finish, usage=USAGE) for text, finish in (("Hel", None), ("l", None), ("o", "stop"))],
        [ollama("Hel"), ollama("l", second=1), ollama("o", done=True, second=2)],
    ],
    ids=["text", "text with usage", "ollama"],
)
def test_a_last_part_that_looks_like_a_whole_answer_is_a_part_under_a_loggers_own_key(
    parts: list[Any], key: str, tmp_path: Path
) -> None:
    rows = [{"ts": 1748772500 + n, "level": "info", key: part} for n, part in enumerate(parts)]
    found = joined(jsonl(rows), folder=tmp_path)
    assert (texts_of(found), outcomes_of(found)) == (["Hello"], {"event": 1, "merged": 2})
    (alone,) = joined(jsonl(rows[-1:]), folder=tmp_path)
    assert alone.format == ("ollama" if "done" in parts[-1] else "openai-completions")
    whole = {"ts": 1748772500, "response": [{key: part} for part in parts]}
    assert texts_of(joined(jsonl([whole]), folder=tmp_path)) == ["Hello"]


@pytest.mark.parametrize(("key", "alike"), [("chunk", "mine"), ("data", "msg"), ("event", "msg"), ("line", "msg")])
def test_a_whole_answer_alone_under_a_key_for_parts_is_what_it_is_elsewhere(
    key: str, alike: str, tmp_path: Path
) -> None:
    answers = [ollama("Hi", done=True), ollama("Ho", done=True, second=1), text_part("Ha", "stop", id=None)]
    logged = [[{"ts": 1748772500, "user": "u", place: answer} for answer in answers] for place in (key, alike)]
    found, other = ([event.uuid for event in events_of(joined(jsonl(rows), folder=tmp_path))] for rows in logged)
    assert found == other
    array = joined(json.dumps(logged[0][:2]).encode(), folder=tmp_path)
    assert [event.uuid for event in events_of(array)] == found[:2]


def test_announced_letters_are_joined_as_any_and_nothing_else_is(tmp_path: Path) -> None:
    inputs = [{"custom_id": "1", "method": "POST", "url": "/v1/completions", "body": {"model": "m", "prompt": "hi"}}]
    answer = {"status_code": 200, "body": text_part("ho", "stop", usage=USAGE)}
    outputs = [{"id": "batch_req_1", "custom_id": "1", "response": answer, "error": None}]
    letters = [{"plh_dead_letter": 1, "record": row} for row in (*HELLO, *inputs, *outputs)]
    known = joined(jsonl(letters), folder=tmp_path)
    bare = said("not", "asked for", id="other")
    announced = joined(jsonl([*letters, *bare]), folder=tmp_path, format_name="dead-letter")
    assert [event.uuid for event in events_of(announced)] == [event.uuid for event in events_of(known)]
    assert outcomes_of(announced) == {**outcomes_of(known), "unknown-format": len(bare)}
    assert texts_of(announced)[0] == "Hello"
    assert b"hi" in events_of(announced)[1].properties


def test_the_letter_of_an_event_that_the_server_refused_is_a_call_by_itself(tmp_path: Path) -> None:
    """One part is all that there was of it: beside others in a file of letters it must not become a part of theirs."""
    cut = [
        chunk({"role": "assistant", "content": "one"}, id="a"),
        *(chunk({"content": text}, id=text) for text in ("two", "three")),
    ]
    assert len(texts_of(joined(jsonl(cut), folder=tmp_path))) == 1, "or they would not be brought together"
    letters = [{"plh_dead_letter": 1, "uuid": "u", "record": part} for part in (*cut, cut[0])]
    with Joiner() as joiner:
        lines = [LogLine(SourceRef("dead.jsonl", at, at), jsonl([letter])) for at, letter in enumerate(letters)]
        found = list(joiner.join(iter((*lines, Mark.SOURCE_END)), is_cut=lambda: False))
    assert [line.raw for line in found if isinstance(line, LogLine)] == [line.raw for line in lines]


@pytest.mark.parametrize("data", [lambda part: part, json.dumps])
def test_events_that_a_parser_took_apart_are_events(data: Any, tmp_path: Path) -> None:
    rows = [{"event": "message", "data": data(part)} for part in HELLO]
    assert texts_of(joined(jsonl(rows), folder=tmp_path)) == ["Hello"]
    whole = {"request": {"model": "gpt-4o"}, "events": [*rows, {"event": "message", "data": "[DONE]"}]}
    assert texts_of(joined(jsonl([whole]), folder=tmp_path)) == ["Hello"]
    done = {"event": "message", "data": "[DONE]"}
    found = joined(jsonl([*rows, done, *rows, {"id": None, "retry": None, **done}]), folder=tmp_path)
    assert (texts_of(found), outcomes_of(found)) == (["Hello"] * 2, {"event": 2, "merged": 2 * len(rows) - 2})


@pytest.mark.parametrize("record", [{"data": "[DONE]", "user": "u-1"}, {"data": ["[DONE]"]}, {"said": "[DONE]"}])
def test_a_record_that_says_more_than_done_is_a_record(record: Any, tmp_path: Path) -> None:
    assert outcomes_of(joined(jsonl([record, {}]), folder=tmp_path)) == {"unknown-format": 2}


@pytest.mark.parametrize(
    "done", ["[DONE]", "data: [DONE]", "data:[DONE]", '"[DONE]"', "data: [done]", '{"event":"message","data":"[DONE]"}']
)
def test_done_on_a_line_of_its_own_ends_a_stream_as_in_events(done: str, tmp_path: Path) -> None:
    content = b"".join(jsonl(said(text, id="constant")) + done.encode() + b"\r\n" for text in "ab")
    found = joined(content, folder=tmp_path)
    assert texts_of(found) == ["a", "b"]
    assert outcomes_of(found) == {"event": 2, "merged": len(found) - 2}
    events = b"".join(f"data: {json.dumps(part)}\n\n".encode() for part in said("a")) + b"data: " + done.encode()
    assert outcomes_of(joined(events.replace(b"data: data:", b"data:"), folder=tmp_path))["event"] == 1


USAGE_ALONE = {key: value for key, value in usage_chunk().items() if key != "choices"}


@pytest.mark.parametrize("last", [USAGE_ALONE, {**USAGE_ALONE, "choices": None}], ids=["no choices", "null"])
@pytest.mark.parametrize("place", [-1, 0], ids=["last", "first"])
@pytest.mark.parametrize(
    "write",
    [
        jsonl,
        lambda rows: sse(*rows).encode(),
        lambda rows: jsonl([{"ts": 1748772500, "chunk": part} for part in rows]),
        lambda rows: jsonl([{"ts": 1748772500, "response": f"data: {json.dumps(part)}"} for part in rows]),
        lambda rows: jsonl([rows]),
        lambda rows: jsonl([{"request": {"model": "gpt-4o"}, "sse": sse(*rows)}]),
    ],
    ids=["lines", "events", "wrapped", "wrapped texts", "a list", "a pair"],
)
def test_a_chunk_without_choices_is_a_part(last: Any, place: int, write: Any, tmp_path: Path) -> None:
    rows = [last, *said("Hel", "lo")] if place == 0 else [*said("Hel", "lo"), last]
    found = joined(write(rows), folder=tmp_path)
    assert (texts_of(found), outcomes_of(found)["event"]) == (["Hello"], 1)
    (event,) = events_of(found)
    assert b'"$ai_output_tokens":2' in event.properties
    assert outcomes_of(found)["merged"] == len(found) - 1


def test_an_error_beside_choices_that_are_null_is_the_streams(tmp_path: Path) -> None:
    rows = [*said("Hel", "lo")[:2], chunk(choices=None, error={"message": "down"})]
    found = joined(jsonl(rows), folder=tmp_path)
    assert (texts_of(found), outcomes_of(found)) == (["Hel"], {"event": 1, "merged": 2})
    assert b'"$ai_error":"down"' in events_of(found)[0].properties


def whole_chunk(text: str, **changes: Any) -> dict[str, Any]:
    """A chunk as Gemini's are behind some gateways: each names the role, and each ends."""
    return chunk({"role": "assistant", "content": text}, "stop", **changes)


WRITES = [
    jsonl,
    lambda rows: sse(*rows).encode(),
    lambda rows: jsonl([{"request": {"model": "gpt-4o"}, "sse": sse(*rows)}]),
    lambda rows: jsonl([{"ts": 1748772500, "chunk": part} for part in rows]),
]


@pytest.mark.parametrize("write", WRITES, ids=["lines", "events", "a pair", "wrapped"])
@pytest.mark.parametrize(
    "rows",
    [
        [whole_chunk("I am "), whole_chunk("Gemini, "), whole_chunk("a model.")],
        [whole_chunk("I am "), whole_chunk("Gemini, "), whole_chunk("a model."), usage_chunk()],
        [whole_chunk("I am "), whole_chunk("Gemini, ", usage=USAGE), whole_chunk("a model.")],
        [chunk({"role": "assistant", "reasoning_content": "hm"}, "stop"), whole_chunk("I am Gemini, a model.")],
        [whole_chunk(""), whole_chunk(""), whole_chunk("I am Gemini"), whole_chunk(", a model.")],
        [whole_chunk("I am Gemini"), whole_chunk(", "), whole_chunk(", ")],
    ],
    ids=["texts", "usage behind", "usage in one", "thoughts first", "nothing first", "a piece again"],
)
def test_a_role_and_an_end_in_every_part_are_one_call(write: Any, rows: list[Any], tmp_path: Path) -> None:
    found = joined(write(rows), folder=tmp_path)
    assert outcomes_of(found) == {"event": 1, **({"merged": len(found) - 1} if len(found) > 1 else {})}
    assert [text.removeprefix("hm") for text in texts_of(found)] in (["I am Gemini, a model."], ["I am Gemini, , "])


def test_ids_that_are_used_again_are_told_apart_where_every_part_ends(tmp_path: Path) -> None:
    later = [whole_chunk(text, created=1748772600) for text in ("c", "d")]
    rows = [whole_chunk("a"), whole_chunk("b"), *later]
    assert texts_of(joined(jsonl(rows), folder=tmp_path)) == ["ab", "cd"]
    for key in ("id", "created"):
        without = [{name: value for name, value in part.items() if name != key} for part in later]
        assert outcomes_of(joined(jsonl(without), folder=tmp_path))["merged"] == 0
    for again in (sse(*rows[:2]).encode() * 2, jsonl(rows[:2]) * 2):
        assert texts_of(joined(again, folder=tmp_path)) == ["ab", "ab"]
    mixed = [*said("one"), whole_chunk("two"), whole_chunk("three")]
    assert texts_of(joined(jsonl(mixed), folder=tmp_path)) == ["one", "twothree"]
    assert texts_of(joined(jsonl([whole_chunk("one"), *said("two")]), folder=tmp_path)) == ["one", "two"]


def test_one_part_that_was_written_twice_says_nothing_twice(tmp_path: Path) -> None:
    assert "HiHi" not in texts_of(joined(jsonl([whole_chunk("Hi")] * 2), folder=tmp_path))
