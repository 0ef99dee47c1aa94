"""Parts of streams line by line, through the real reader, the joiner and the conversion (openai-logs.md, 4.6)."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posthog_llm_cli.convert import convert
from posthog_llm_cli.errors import RecordError
from posthog_llm_cli.joining import Joiner, streams
from posthog_llm_cli.model import Converted, Event, Idle, LogLine, Mark, Skipped, SourceRef
from posthog_llm_cli.sources import SourceReader
from posthog_llm_cli.values import replace
from tests.converting import OPTIONS, to_event, wire
from tests.formats.test_openai_stream import completions, interleaved, streams_of, whole_chat
from tests.laws import examples
from tests.streaming import (
    CREATED,
    chunk,
    jsonl,
    ollama,
    output_text,
    responded,
    said,
    sse,
    text_part,
    usage_chunk,
)

PROLOGUE = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{}]}


def read(paths: list[str]) -> Iterator[LogLine | Mark]:
    return (item for item in SourceReader(paths) if isinstance(item, LogLine | Mark))


def joined(*contents: bytes, folder: Path, format_name: str | None = None, **limits: Any) -> list[Converted]:
    """What becomes of every record of some files."""
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"{number}.log")
        paths[-1].write_bytes(content)
    options = replace(OPTIONS, format=format_name)
    with Joiner(format_name=format_name, **limits) as joiner:
        items = joiner.join(read([str(path) for path in paths]), is_cut=lambda: False)
        return [found for line in items if isinstance(line, LogLine) for found in convert(line, options)]


def events_of(found: list[Converted]) -> list[Event]:
    return [converted.result for converted in found if isinstance(converted.result, Event)]


def texts_of(found: list[Converted]) -> list[str]:
    return [output_text(wire(event)["properties"]) for event in events_of(found)]


def outcomes_of(found: list[Converted]) -> Counter[str]:
    return Counter(
        "event" if isinstance(converted.result, Event) else getattr(converted.result, "code", "?")
        for converted in found
    )


def places_of(found: list[Converted]) -> list[int]:
    return [event.ref.line for event in events_of(found)]


# ------------------------------------------------------------------------------------------------------------ chunks


def test_the_first_part_stands_for_the_call_and_the_others_are_counted(tmp_path: Path) -> None:
    found = joined(jsonl(said("Hel", "lo")), folder=tmp_path)
    assert outcomes_of(found) == {"event": 1, "merged": 3}
    assert (texts_of(found), places_of(found)) == (["Hello"], [1])
    assert {converted.format for converted in found} == {"openai-stream"}
    assert events_of(found)[0].uuid == to_event(whole_chat("Hello")).uuid


def test_streams_that_interleave_are_told_apart_by_their_ids(tmp_path: Path) -> None:
    a, b = said("A1", "A2", id="a"), said("B1", "B2", id="b")
    rows = [a[0], b[0], b[1], a[1], a[2], b[2], b[3], usage_chunk(id="a"), a[3]]
    found = joined(jsonl(rows), folder=tmp_path)
    assert (texts_of(found), places_of(found)) == (["A1A2", "B1B2"], [1, 2])
    assert wire(events_of(found)[0])["properties"]["$ai_input_tokens"] == 5


def test_azures_first_chunk_goes_with_the_next_id(tmp_path: Path) -> None:
    rows = [PROLOGUE, PROLOGUE, *said("A", id="a"), *said("B", id="b"), PROLOGUE]
    found = joined(jsonl(rows), folder=tmp_path)
    assert outcomes_of(found) == {"event": 2, "merged": 6, "not-a-model-call": 1}
    assert (texts_of(found), places_of(found)) == (["A", "B"], [1, 2])
    assert {wire(event)["properties"]["$ai_provider"] for event in events_of(found)} == {"azure"}


def test_a_stream_that_begins_again_is_another_one(tmp_path: Path) -> None:
    found = joined(jsonl([*said("one"), *said("one"), *said("two", created=CREATED + 60)]), folder=tmp_path)
    assert texts_of(found) == ["one", "one", "two"]
    first, again, other = events_of(found)
    assert first.uuid == again.uuid
    assert other.uuid != first.uuid


def test_openrouters_last_chunk_repeats_the_role_and_begins_nothing(tmp_path: Path) -> None:
    last = chunk({"role": "assistant", "content": ""}, usage={"prompt_tokens": 5, "completion_tokens": 2})
    found = joined(jsonl([*said("one"), last]), folder=tmp_path)
    assert texts_of(found) == ["one"]
    assert wire(events_of(found)[0])["properties"]["$ai_output_tokens"] == 2


def test_chunks_without_ids_are_one_stream_until_it_begins_again(tmp_path: Path) -> None:
    rows = [{**part, "id": ""} for part in (*said("one"), *said("two", created=CREATED + 60))]
    assert texts_of(joined(jsonl(rows), folder=tmp_path)) == ["one", "two"]


def test_a_lone_part_is_the_record_that_it_was(tmp_path: Path) -> None:
    content = b' {"model": "gpt-4o",  "choices": [{"delta": {"content": "Hi"}}], "created": 1748772500}\n'
    path = tmp_path / "a.log"
    path.write_bytes(content)
    lines = list(Joiner().join(read([str(path)]), is_cut=lambda: False))
    assert [line.raw for line in lines if isinstance(line, LogLine)] == [content.strip()]


def test_parts_in_a_loggers_own_records_are_parts(tmp_path: Path) -> None:
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    rows = [
        {"ts": CREATED + 5 + number, "user": "u-1", "started_at": CREATED + 5, "request": asked, "response": part}
        for number, part in enumerate(said("Hel", "lo"))
    ]
    found = joined(jsonl(rows), folder=tmp_path)
    assert outcomes_of(found) == {"event": 1, "merged": 3}
    event = events_of(found)[0]
    properties = wire(event)["properties"]
    assert (output_text(properties), event.distinct_id, event.timestamp.timestamp()) == ("Hello", "u-1", CREATED + 8)
    assert properties["$ai_input"] == asked["messages"]
    assert (properties["$ai_time_to_first_token"], properties["$ai_latency"]) == (1.0, 3.0)


# ---------------------------------------------------------------------------------------------------------- their end


def test_what_litellms_json_console_log_says_of_a_stream_is_no_part_of_one(tmp_path: Path) -> None:
    # with --detailed_debug it prints each part, and spreads what it prints over the line
    about = {"message": "Raw OpenAI Chunk={…}", "level": "DEBUG", "timestamp": "t", "component": "LiteLLM"}
    printed = jsonl([{**about, **part} for part in (*responded("yes"), *said("a", "b"))])
    assert outcomes_of(joined(printed, folder=tmp_path)).keys() == {"console-log"}


def test_done_ends_a_stream_and_what_comes_late_is_merged_away(tmp_path: Path) -> None:
    content = sse(*said("Hello")) + sse(chunk({"content": "late"}), done=False) + sse(*said("Next", id="b"))
    found = joined(content.encode(), folder=tmp_path)
    assert texts_of(found) == ["Hello", "Next"]
    assert [converted.warnings for converted in found if "late-part" in converted.warnings] == [("late-part",)]
    assert outcomes_of(found) == {"event": 2, "merged": 5}


def test_done_without_a_finish_reason_is_an_end(tmp_path: Path) -> None:
    (found,) = (item for item in joined(sse(chunk({"content": "Hi"})).encode(), folder=tmp_path))
    assert isinstance(found.result, Event)
    assert "stream-truncated" not in found.warnings
    (cut,) = joined(sse(chunk({"content": "Hi"}), done=False).encode(), folder=tmp_path)
    assert "stream-truncated" in cut.warnings


def test_done_belongs_to_the_stream_that_waits_for_nothing_else(tmp_path: Path) -> None:
    a, b = said("A1", "A2", id="a"), said("B1", "B2", id="b")
    content = sse(*a[:2], b[0], *a[2:], b[1]) + sse(*b[2:])
    found = joined(content.encode(), folder=tmp_path)
    assert texts_of(found) == ["A1A2", "B1B2"]
    assert not [converted for converted in found if "late-part" in converted.warnings]


def test_constant_ids_are_one_call_for_each_done(tmp_path: Path) -> None:
    content = sse(*said("one")) + sse(*said("two", created=CREATED + 60)) + sse(*said("two", created=CREATED + 60))
    found = joined(content.encode(), folder=tmp_path)
    assert texts_of(found) == ["one", "two", "two"]
    assert len({event.uuid for event in events_of(found)}) == 2


def test_a_stream_ends_with_its_source_unless_another_one_has_the_rest(tmp_path: Path) -> None:
    parts, others = said("Hel", "lo"), said("Hel", "lo", created=CREATED + 1)
    assert texts_of(joined(jsonl(parts[:2]), jsonl(others[2:]), folder=tmp_path)) == ["Hel", "lo"]
    assert texts_of(joined(jsonl(parts[:2]), jsonl(parts[2:]), folder=tmp_path)) == ["Hello"]
    assert texts_of(joined(jsonl(parts[2:]), jsonl(parts[:2]), folder=tmp_path)) == ["Hello"]
    again = joined(jsonl(parts), jsonl(parts), folder=tmp_path)
    assert texts_of(again) == ["Hello", "Hello"]
    assert len({event.uuid for event in events_of(again)}) == 1


def test_a_stream_ends_after_ten_thousand_records_without_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert streams.PATIENCE == 10_000
    monkeypatch.setattr(streams, "PATIENCE", 300)
    other = [{"request": {"model": "m"}, "number": number} for number in range(streams.PATIENCE - 1)]
    parts = said("Hel", "lo")
    within = joined(jsonl([*parts[:2], *other, *parts[2:]]), folder=tmp_path)
    assert texts_of(within) == ["Hello"]
    beyond = joined(jsonl([*parts[:2], *other, {}, {}, *parts[2:], *said("B", id="b")]), folder=tmp_path)
    assert texts_of(beyond) == ["Hel", "B"]
    late = [converted for converted in beyond if "late-part" in converted.warnings]
    assert [converted.ref.line for converted in late] == [len(other) + 5, len(other) + 6]
    assert outcomes_of(late) == {"merged": 2}


def test_a_stream_over_the_ceiling_ends_as_far_as_it_came(tmp_path: Path) -> None:
    parts = said(*("word " for _ in range(40)))
    found = joined(jsonl(parts), folder=tmp_path, max_record=2000)
    (text,) = texts_of(found)
    assert text == "word " * text.count("word ")
    assert 5 <= text.count("word ") < 40
    (event,) = (converted for converted in found if isinstance(converted.result, Event))
    assert "stream-truncated" in event.warnings
    assert outcomes_of(found) == {"event": 1, "merged": len(parts) - 1}
    late = [converted for converted in found if "late-part" in converted.warnings]
    assert len(late) == 40 - text.count("word ") + 1  # the finish reason too


def test_open_streams_hold_no_more_than_four_records_together(tmp_path: Path) -> None:
    rows = [chunk({"content": "x" * 300}, id=f"c{number}") for number in range(30)]
    path = tmp_path / "a.log"
    path.write_bytes(jsonl(rows))
    joiner, held, most = Joiner(max_record=600), 0, 0

    def counted() -> Iterator[LogLine | Mark]:
        nonlocal held, most
        for item in SourceReader([str(path)]):
            assert not isinstance(item, Idle | RecordError)
            if isinstance(item, LogLine):
                held += len(item.raw)
                most = max(most, held)
            yield item  # type: ignore[misc]

    for line in joiner.join(counted(), is_cut=lambda: False):
        assert isinstance(line, LogLine)
        held -= len(line.raw)
    assert held == 0
    assert most < 6 * 600


def test_what_is_open_when_the_reading_was_cut_short_stays_out(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(jsonl(said("Hello")))
    items = (item for item in SourceReader([str(path)]) if isinstance(item, LogLine))
    lines = [line for line in Joiner().join(items, is_cut=lambda: True) if isinstance(line, LogLine)]
    assert [line.skipped.code for line in lines if line.skipped is not None] == ["merged", "merged"]
    assert len(lines) == 2


def test_a_pause_of_a_live_source_ends_nothing() -> None:
    parts = [
        LogLine(SourceRef("-", number, 0), json.dumps(part).encode()) for number, part in enumerate(said("Hel", "lo"))
    ]
    items: list[Any] = [*parts[:2], Idle(), Idle(), *parts[2:], Mark.SOURCE_END]
    found = list(Joiner().join(iter(items), is_cut=lambda: False))
    lines = [item for item in found if isinstance(item, LogLine) and item.skipped is None]
    assert len(lines) == 1
    assert isinstance(found[1], Idle)


# -------------------------------------------------------------------------------------------------------------- errors


def test_an_error_without_an_id_belongs_to_the_stream_that_was_written_to_last(tmp_path: Path) -> None:
    a, b = said("A1", "A2", id="a"), said("B1", "B2", id="b")
    rows = [a[0], b[0], b[1], a[1], {"error": {"message": "gone", "code": 500}}, b[2], b[3]]
    found = joined(jsonl(rows), folder=tmp_path)
    failed, fine = (wire(event)["properties"] for event in events_of(found))
    assert (output_text(failed), failed["$ai_error"]) == ("A1", "gone")
    assert (output_text(fine), "$ai_is_error" in fine) == ("B1B2", False)


def test_groqs_reason_for_stopping_early_fails_the_stream(tmp_path: Path) -> None:
    rows = [*said("Hel", "lo")[:-1], chunk(x_groq={"error": "over capacity"}), *said("Next")]
    found = joined(jsonl(rows), folder=tmp_path)
    assert (texts_of(found), outcomes_of(found)) == (["Hello", "Next"], {"event": 2, "merged": 5})
    assert wire(events_of(found)[0])["properties"]["$ai_error"] == "over capacity"


def test_groqs_error_event_ends_a_recorded_stream(tmp_path: Path) -> None:
    content = sse(*said("Hel")[:-1], 'event: error\ndata: {"error": {"message": "gone"}}', done=False)
    (event,) = events_of(joined(content.encode(), folder=tmp_path))
    assert wire(event)["properties"]["$ai_error"] == "gone"


@pytest.mark.parametrize("rows", [[*said("Hello")], []], ids=["after a stream that ended", "without any stream"])
def test_an_error_that_is_no_streams_stays_what_it_is(rows: list[Any], tmp_path: Path) -> None:
    found = joined(jsonl([*rows, {"error": {"message": "no", "code": 1}}]), folder=tmp_path)
    assert outcomes_of(found)["missing-field"] == 1
    assert not any("$ai_is_error" in wire(event)["properties"] for event in events_of(found))


# --------------------------------------------------------------------------------------------- text completions, others


def test_a_text_completion_is_a_part_only_where_an_earlier_part_is_open(tmp_path: Path) -> None:
    rows = [text_part("Hel"), text_part("lo"), text_part("", "stop"), text_part("whole", "stop", id="w")]
    found = joined(jsonl(rows), folder=tmp_path)
    assert sorted(texts_of(found)) == ["Hello", "whole"]
    assert outcomes_of(found) == {"event": 2, "merged": 2}
    assert {converted.format for converted in found} == {"openai-stream", "openai-completions"}
    same_id = [text_part("a", "stop"), text_part("b", "stop")]
    assert texts_of(joined(jsonl(same_id), folder=tmp_path)) == ["a", "b"]


def test_text_parts_without_an_object_are_parts(tmp_path: Path) -> None:
    rows = [
        {key: value for key, value in part.items() if key != "object"} for part in (text_part("Hel"), text_part("lo"))
    ]
    assert texts_of(joined(jsonl(rows), folder=tmp_path)) == ["Hello"]


def test_responses_are_told_apart_by_id_item_and_number(tmp_path: Path) -> None:
    a, b = responded("A one", "resp_a"), responded("B two", "resp_b")
    rows = [a[0], b[0], b[1], a[1], a[2], a[3], b[2], a[4], b[3], b[4], a[5]]
    found = joined(jsonl(rows), folder=tmp_path)  # b has no last event
    assert outcomes_of(found) == {"event": 2, "merged": 9}
    assert (texts_of(found), places_of(found)) == (["A one", "B two"], [1, 2])
    warned = [converted.warnings for converted in found if isinstance(converted.result, Event)]
    assert ["stream-truncated" in warnings for warnings in warned] == [False, True]


def test_a_response_whose_first_event_is_missing_is_one_call(tmp_path: Path) -> None:
    found = joined(jsonl(responded("Hello")[1:]), folder=tmp_path)
    assert (texts_of(found), outcomes_of(found)) == (["Hello"], {"event": 1, "merged": 3})


def test_events_that_no_response_began_are_one_rejected_record(tmp_path: Path) -> None:
    found = joined(jsonl(responded("Hello")[1:-1]), folder=tmp_path)
    assert outcomes_of(found) == {"missing-field": 1, "merged": 2}


def test_events_without_a_response_after_a_failed_one_are_another_call(tmp_path: Path) -> None:
    rows = [
        responded("one", "resp_1")[2],
        {"type": "error", "code": "c", "message": "m"},
        responded("two", "resp_2")[2],
    ]
    assert outcomes_of(joined(jsonl(rows), folder=tmp_path)) == {"missing-field": 2, "merged": 1}


def test_the_error_of_a_response_goes_with_it(tmp_path: Path) -> None:
    rows = [
        *responded("Hello")[:-1],
        {"type": "error", "code": "server_error", "message": "gone", "sequence_number": 9},
    ]
    (event,) = events_of(joined(jsonl(rows), folder=tmp_path))
    assert wire(event)["properties"]["$ai_error"] == "gone"


def test_ollamas_parts_belong_together_up_to_the_one_that_is_done(tmp_path: Path) -> None:
    rows = [
        ollama("Hel"), ollama("wind", model="qwen"), ollama("lo"), ollama("", done=True, second=3), ollama("again"),
        ollama("", done=True, second=9), ollama("whole", done=True, second=30),
    ]  # fmt: skip
    found = joined(jsonl(rows), folder=tmp_path)
    assert texts_of(found)[:2] == ["Hello", "again"]
    assert "wind" in texts_of(found)
    assert outcomes_of(found)["merged"] == 3
    assert [event.timestamp.second for event in events_of(found)[:2]] == [3, 9]


def test_anthropics_events_stay_refused_one_by_one(tmp_path: Path) -> None:
    rows = [{"type": "message_start", "message": {}}, {"type": "content_block_delta", "delta": {"text": "Hi"}}]
    assert outcomes_of(joined(jsonl(rows), folder=tmp_path)) == {"unsupported-format": 2}


# ------------------------------------------------------------------------------------------------------------- framing

LAYOUTS: dict[str, Callable[[list[Any]], bytes]] = {
    "lines": jsonl,
    "one array": lambda rows: json.dumps(rows).encode(),
    "a pretty array": lambda rows: json.dumps(rows, indent=2).encode(),
    "pretty documents": lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows).encode(),
    "glued documents": lambda rows: "".join(json.dumps(row) for row in rows).encode(),
    "glued on one of several lines": lambda rows: (
        b'{"x": 1}\n' + b"".join(json.dumps(row).encode() for row in rows) + b"\n"
    ),
    "server-sent events": lambda rows: sse(*rows).encode(),
    "without blank lines": lambda rows: sse(*rows).replace("\n\n", "\n").encode(),
    "gzip": lambda rows: gzip.compress(jsonl(rows)),
    "lines of strings": lambda rows: jsonl([json.dumps(row) for row in rows]),
    "dead letters": lambda rows: jsonl(
        [{"plh_dead_letter": 1, "code": "unsupported-format", "record": row} for row in rows]
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_parts_are_brought_together_however_they_lie(layout: Callable[[list[Any]], bytes], tmp_path: Path) -> None:
    found = joined(layout(said("Hel", "lo")), folder=tmp_path)
    assert texts_of(found) == ["Hello"]
    assert outcomes_of(found)["merged"] == 3


def test_every_line_of_a_list_of_parts_is_a_call(tmp_path: Path) -> None:
    found = joined(jsonl([said("one", id="a"), said("two", id="b"), {"x": 1}]), folder=tmp_path)
    assert (texts_of(found), places_of(found)) == (["one", "two"], [1, 2])


def test_whole_records_between_parts_go_on_in_their_order(tmp_path: Path) -> None:
    parts = said("Hello")
    litellm = json.loads((Path("samples") / "litellm.jsonl").read_bytes().split(b"\n")[0])
    rows = [whole_chat("first", id="f"), parts[0], litellm, parts[1], whole_chat("last", id="l"), parts[2]]
    found = joined(jsonl(rows), folder=tmp_path)
    assert [converted.format for converted in found if isinstance(converted.result, Event)] == [
        "openai-chat", "litellm", "openai-chat", "openai-stream",
    ]  # fmt: skip
    assert outcomes_of(found) == {"event": 4, "merged": 2}
    assert places_of(found)[-1] == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai-stream", {"event": 1, "merged": 2, "unknown-format": 1}),
        ("openai-chat", {"event": 1, "unknown-format": 3}),
        ("litellm", {"unknown-format": 4}),
    ],
)
def test_a_fixed_format_takes_its_own(name: str, expected: dict[str, int], tmp_path: Path) -> None:
    found = joined(jsonl([*said("Hello"), whole_chat("whole", id="w")]), folder=tmp_path, format_name=name)
    assert outcomes_of(found) == expected


def test_the_last_part_of_a_text_completion_is_no_call_whatever_the_format(tmp_path: Path) -> None:
    rows = [text_part("Hel"), text_part("lo", "stop")]
    found = joined(jsonl(rows), folder=tmp_path, format_name="openai-completions")
    assert outcomes_of(found) == {"unknown-format": 1, "merged": 1}


# ------------------------------------------------------------------------------------------------------------ the laws

JUNK: tuple[Any, ...] = (None, True, 0, -1, 1.5, "", "x", [], {}, [1], [None], {"a": 1}, [[]])


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every member of a record, as its container and its key."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in list(inside):
        yield value, key
        yield from places(member)


@st.composite
def odd_logs(draw: st.DrawFn) -> list[Any]:
    """Parts of all kinds in any order, some of them damaged, with ends of streams and of sources between them."""
    kinds = [
        *said("a", "b", id="x"), *said("c", id="y"), usage_chunk(id="x"), text_part("q"), text_part("r", "stop"), PROLOGUE,
        *responded("hey you", "resp_1"), *responded("ho you", "resp_2"), ollama("a"), ollama("b", done=True),
        {"error": {"message": "m"}}, {"type": "error", "code": "c", "message": "m"}, {"ts": CREATED, "response": said("z")[1]},
        {"chunks": said("k", id="k")}, said("l", id="l"), {"plh_dead_letter": 1, "record": said("m", id="m")[1]},
    ]  # fmt: skip
    rows: list[Any] = []
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=8, max_size=40)):
        row = json.loads(json.dumps(kind))
        for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
            found = list(places(row))
            if found:
                container, key = draw(st.sampled_from(found))
                container[key] = json.loads(json.dumps(draw(st.sampled_from(JUNK))))
        rows.append(row)
        rows += draw(st.sampled_from([[], [], [], [], [Mark.STREAM_END], [Mark.SOURCE_END]]))
    return rows


@settings(max_examples=examples(100), deadline=None)
@given(rows=odd_logs(), max_record=st.sampled_from([700, 1 << 25]))
def test_every_record_goes_on_once_whatever_the_parts(rows: list[Any], max_record: int) -> None:
    items: list[LogLine | Mark] = [
        row if isinstance(row, Mark) else LogLine(SourceRef("a.log", number, 0), orjson.dumps(row))
        for number, row in enumerate(rows)
    ]
    lines = list(Joiner(max_record=max_record).join(iter(items), is_cut=lambda: False))
    went_on = sorted(line.ref.line for line in lines if isinstance(line, LogLine))
    assert went_on == [item.ref.line for item in items if isinstance(item, LogLine)]
    for line in lines:
        assert isinstance(line, LogLine)
        assert convert(line, OPTIONS)


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_streams_cut_and_interleaved_at_random_are_the_events_of_their_completions(
    data: st.DataObject, tmp_path: Path
) -> None:
    wholes, rows = [], []
    for number in range(data.draw(st.integers(1, 3))):
        whole = {**data.draw(completions()), "id": f"chatcmpl-{number}"}
        whole["usage"] = {"prompt_tokens": number + 1, "completion_tokens": 2}
        wholes.append(whole)
        rows.append(data.draw(streams_of(whole)))
    mixed = interleaved_rows(data, rows)
    as_sse = data.draw(st.booleans())
    content = sse(*mixed, done=False).encode() if as_sse else jsonl(mixed)
    found = joined(content, folder=tmp_path)
    assert len(found) == len(mixed)
    streamed = {event.uuid: wire(event) for event in events_of(found)}
    expected = {event.uuid: wire(event) for event in map(to_event, wholes)}
    for event in streamed.values():
        assert event["properties"].pop("$ai_stream") is True
    if "x_groq" in orjson.dumps(mixed).decode():
        for event in (*streamed.values(), *expected.values()):
            event["properties"].pop("$ai_provider")
    assert streamed == expected
    assert all(
        isinstance(item.result, Event) or item.result == Skipped("merged", "a further part of a stream")
        for item in found
    )


def interleaved_rows(data: st.DataObject, rows: list[list[Any]]) -> list[Any]:
    @st.composite
    def drawn(draw: st.DrawFn) -> list[Any]:
        return interleaved(draw, rows)

    mixed: list[Any] = data.draw(drawn())
    return mixed
