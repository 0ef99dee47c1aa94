"""The page as a file: whole or not there, closed to others, and of text that stays text whatever a log says."""

import hashlib
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.page import PageFacts, PageStore, writing
from posthog_llm_cli.page.writing import policy, write_page
from tests.converting import RUN_STARTED_AT
from tests.laws import examples
from tests.page.making import MADE, Parsed, call, events, filled, parse, said, write

HOSTILE = (
    "</script><script>window.canary = 1</script>",
    "<img src=x onerror='window.canary = 1'>",
    '"><svg onload=window.canary=1>',
    "{{ 7 * 7 }}{% raw %}",
    "<!-- blocks -->",
    "]]>\u2028\u2029\0\x1b[31m\u202e",
    "javascript:window.canary=1",
    "&lt;b&gt; &amp; <b>bold</b>",
)  # fmt: skip


def named(text: str, number: int = 0) -> dict[str, Any]:
    """A call in which everything that a log can name is called so."""
    return call(
        number, user=text or "x", trace_id=text or "t", model=text or "m", provider=text, span_name=text, trace_name=text,
        session_id=text, is_error=True, error_type=text, error=text, http_status=500, latency=1.5, total_cost_usd=0.1, **said(text, text),
    )  # fmt: skip


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    path = tmp_path_factory.mktemp("harmless") / "page.html"
    write(path, [named("name")])
    return parse(path)


def test_the_policy_names_what_runs_and_nothing_else(harmless: Parsed) -> None:
    directives = harmless.policy
    assert directives["default-src"] == ["'none'"]
    assert directives["img-src"] == ["data:"]
    ran = harmless.run()
    assert sorted(directives["script-src"]) == sorted(source for tag, source in ran if tag == "script")
    assert sorted(directives["style-src"]) == sorted(source for tag, source in ran if tag == "style")
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "'self'"} & {
        word for words in directives.values() for word in words
    }
    assert not re.search(r"https?:", policy())


def test_the_page_asks_for_no_file_and_has_no_handler_or_style_of_its_own(harmless: Parsed) -> None:
    for tag, name, value in harmless.attributes:
        assert name not in {"src", "srcset", "style", "action", "data", "poster"}, tag
        assert not name.startswith("on"), tag
        if name == "href":
            assert str(value).startswith("#/"), value
    assert "link" not in harmless.tags
    assert "iframe" not in harmless.tags


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_makes_no_element(text: str, tmp_path: Path, harmless: Parsed) -> None:
    write(tmp_path / "page.html", [named(text)])
    found = parse(tmp_path / "page.html")
    assert set(found.tags) <= {*harmless.tags, "ul", "li"}  # what there is to say of an odd name is a list
    for tag in ("script", "style", "a", "meta", "img", "svg", "b"):
        assert found.tags.count(tag) == harmless.tags.count(tag)


@given(st.text(min_size=1, max_size=80))
@settings(max_examples=examples(12))
def test_no_text_makes_an_element_and_all_of_it_is_there(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.html"
    write(path, [named("name"), call(1, **said(text, text))])
    page = parse(path)
    (properties,) = [found for found in page.contents.values() if found["$ai_input"][0]["content"] == text]
    assert properties["$ai_output_choices"][0]["content"] == text
    assert page.tags.count("script") == 6


def test_a_source_that_no_encoding_can_name_is_shown_all_the_same(tmp_path: Path) -> None:
    write(tmp_path / "page.html", [call()], facts=PageFacts(RUN_STARTED_AT, ("caf\udce9.jsonl", "<b>")))
    assert "caf?.jsonl, <b>" in parse(tmp_path / "page.html").text


# ------------------------------------------------------------------------------------------------------------ content


def test_every_call_is_found_with_its_properties(tmp_path: Path) -> None:
    records = [call(number, trace_id=f"t{number % 7}", **said(f"prompt {number}", "ok")) for number in range(50)]
    write(tmp_path / "page.html", records)
    page = parse(tmp_path / "page.html")
    assert sum(row["calls"] for row in page.rows) == 50
    assert {found["$ai_input"][0]["content"] for found in page.contents.values()} == {
        f"prompt {number}" for number in range(50)
    }
    first = 0
    for place, row in enumerate(page.rows):
        for number in range(first, first + row["listed"]):
            assert page.contents[number]["$ai_trace_id"] == row["trace"]
        first += row["listed"]
        assert len(page.blocks("o")["o0"][place]) == row["listed"]


def noise(number: int) -> str:
    return "".join(hashlib.sha256(f"{number}.{at}".encode()).hexdigest() for at in range(300))


def test_a_page_that_would_be_too_large_keeps_what_matters_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    records = [call(number, latency=0.1, **said(noise(number), "ok")) for number in range(60)]
    records[11]["properties"] |= {"$ai_is_error": True, "$ai_error_type": "Timeout", "$ai_error": "too late"}
    records[22]["properties"]["$ai_latency"] = 42
    records[33]["properties"]["$ai_total_cost_usd"] = 3
    written = write(tmp_path / "page.html", records, page_bytes=900_000)
    page = parse(tmp_path / "page.html")
    size = (tmp_path / "page.html").stat().st_size
    assert written.size == size <= 900_000
    assert 0 < written.calls_without_content < 60
    assert len(page.rows) == 60
    assert len(page.contents) == 60 - written.calls_without_content
    assert {"trace-11", "trace-22", "trace-33"} <= {found["$ai_trace_id"] for found in page.contents.values()}
    assert f"{written.calls_without_content} of 60 calls are without their prompts and answers" in page.text
    assert page.data["leftOut"] == written.words


def test_where_even_the_traces_have_no_room_the_first_are_listed_and_the_rest_told(tmp_path: Path) -> None:
    records = [call(number, trace_id=noise(number)[:90], user=noise(number)[90:180]) for number in range(900)]
    written = write(tmp_path / "page.html", records, page_bytes=450_000)
    page = parse(tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size <= 450_000
    assert 0 < written.unlisted_traces < 900
    assert len(page.rows) == 900 - written.unlisted_traces
    assert f"{written.unlisted_traces} of 900 traces are not listed" in page.text


def test_a_page_with_room_says_nothing_of_leaving_out(tmp_path: Path) -> None:
    written = write(tmp_path / "page.html", [call(**said("a", "b"))])
    assert (written.words, written.calls_without_content, written.unlisted_traces) == ("", 0, 0)


def test_nothing_to_show_is_a_page_too(tmp_path: Path) -> None:
    write(tmp_path / "page.html", [])
    assert "0 calls in 0 traces" in parse(tmp_path / "page.html").text


# --------------------------------------------------------------------------------------------------------------- file


def test_only_the_owner_may_read_it_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")
    path.chmod(0o644)
    write(path, [call()])
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_fails_midway_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")
    fired = []

    def fail(*_: object) -> None:
        fired.append(True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_fill", fail)
    with pytest.raises(ConfigError, match="No space left on device"):
        write(path, [call()])
    assert fired == [True]
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    with PageStore() as store, pytest.raises(ConfigError, match="expected to write the page there") as caught:
        write_page(tmp_path / "missing" / "page.html", filled(store, []), store, MADE)
    assert "--html" in str(caught.value.hint)


# ----------------------------------------------------------------------------------------------------------- overview


def test_what_stands_out_is_linked_to_where_it_is(tmp_path: Path) -> None:
    records = [
        call(1, model="dear model", total_cost_usd=2, latency=1),
        call(2, model="cheap", total_cost_usd=0.5, latency=30, trace_id="a/b c"),
        call(3, model="cheap", is_error=True, error_type="RateLimitError", error="quota is used up", http_status=429),
    ]
    write(tmp_path / "page.html", records)
    page = parse(tmp_path / "page.html")
    links = {value for _, name, value in page.attributes if name == "href"}
    assert "#/traces?model=dear%20model&sort=cost" in links
    uuids = {
        found.properties and orjson.loads(found.properties)["$ai_trace_id"]: found.uuid for found in events(records)
    }
    assert f"#/trace/trace-3/{uuids['trace-3']}" in links
    # An id with other characters than PostHog's is sent under a uuid, and listed as it is sent.
    assert any(link is not None and link.endswith(uuids[row["trace"]]) for row in page.rows for link in links)
    for words in (
        "Most expensive model dear model $2.00 for 1 call, 80 % of the cost",
        "Slowest call 30.0 s",
        "RateLimitError",
        "quota is used up",
        "HTTP 429",
    ):
        assert words in page.text


def test_without_costs_the_most_used_model_stands_there(tmp_path: Path) -> None:
    write(tmp_path / "page.html", [call(model="busy", input_tokens=9), call(1, model="idle", input_tokens=2)])
    text = parse(tmp_path / "page.html").text
    assert "Most used model busy" in text
    assert "Most expensive" not in text
    assert "Tokens by model" in text


def test_a_model_of_two_providers_has_two_bars_that_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "page.html", [call(at, provider=name, latency=1) for at, name in enumerate(("azure", "openai"))])
    charts = parse(tmp_path / "page.html").data["charts"]
    assert sorted(bar["name"] for bar in charts["latency"]) == ["gpt-4o (azure)", "gpt-4o (openai)"]
    assert {bar["filter"] for bar in charts["spending"]["models"]} == {"gpt-4o"}


def test_what_a_send_will_do_and_what_is_known_stand_in_the_page(tmp_path: Path) -> None:
    write(tmp_path / "page.html", [call(at, **said("a", "b")) for at in range(3)])
    text = parse(tmp_path / "page.html").text
    assert "What a send will do" in text
    assert "3 events to send" in text
    assert "posthog-event 3 calls" in text
