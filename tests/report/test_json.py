"""`--json`: one object on one line, with the documented keys and no key of PostHog's."""

import orjson

from posthog_llm_cli.errors import SourceError
from posthog_llm_cli.report import Mode
from posthog_llm_cli.report.json import render_json
from tests.report.making import US, destined, report


def test_the_report_is_one_line_with_the_documented_keys() -> None:
    found = report(records=3, accepted=1, skips={"health-check": 2}, destinations={US: destined(accepted=1)})
    line = render_json(found)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    value = orjson.loads(line)
    documented = [
        "schema",
        "run_id",
        "mode",
        "exit_code",
        "records",
        "accepted",
        "already_sent",
        "duplicates",
        "filtered",
        "skipped",
        "rejected",
        "unconfirmed",
        "bytes_read",
        "requests",
        "retries",
        "elapsed_s",
        "formats",
        "events",
        "rejections",
        "skips",
        "warnings",
        "destinations",
        "dead_letter",
    ]
    assert [key for key in value if key in documented] == documented
    assert value["skips"] == {"health-check": 2}
    assert value["destinations"][0]["api_key"] == "phc_…wxyz"


def test_a_destination_that_was_sent_to_tells_its_requests_at_once_and_another_does_not() -> None:
    def entry(*, concurrency: int, peak: int) -> dict[str, object]:
        counts = destined()
        counts.concurrency, counts.peak_concurrency = concurrency, peak
        found: dict[str, object] = orjson.loads(render_json(report(destinations={US: counts})))["destinations"][0]
        return found

    sent = entry(concurrency=2, peak=4)
    assert (sent["concurrency"], sent["peak_concurrency"]) == (2, 4)
    assert not {"concurrency", "peak_concurrency"} & set(entry(concurrency=0, peak=0))


def test_a_key_typed_as_a_source_is_masked() -> None:
    key = "phc_abcdefghijklmnopwxyz"
    found = report(source_errors=[SourceError("source-not-found", key, "nothing there")])
    line = render_json(found)
    assert key.encode() not in line
    assert orjson.loads(line)["source_errors"][0]["source"] == "phc_…wxyz"


def test_coverage_is_counted_by_format_and_flat_and_advice_has_the_numbers() -> None:
    found = report(Mode.VALIDATE)
    for _ in range(24):
        found.add_facts("litellm-spend", ["calls", "unredacted", "user", "session"])
    found.add_facts("ollama", ["calls", "user"])
    value = orjson.loads(render_json(found))
    assert value["coverage"] == {"calls": 25, "session": 24, "unredacted": 24, "user": 25}
    assert value["coverage_by_format"]["ollama"] == {"calls": 1, "user": 1}
    (advice,) = value["advice"]
    text = advice.pop("advice")
    assert advice == {"format": "litellm-spend", "missing": "input", "calls": 24, "of": 24}
    assert "`general_settings: store_prompts_in_spend_logs: true`" in text


def test_records_that_are_no_calls_have_advice_without_a_format() -> None:
    value = orjson.loads(
        render_json(report(Mode.VALIDATE, records=12, rejections={"python-repr": 10, "invalid-json": 2}))
    )
    (advice,) = value["advice"]
    assert (advice["format"], advice["missing"], advice["calls"], advice["of"]) == (None, "call", 10, 12)
    assert "json.dumps(" in advice["advice"]
    assert orjson.loads(render_json(report(Mode.SEND, records=12, rejections={"python-repr": 10})))["advice"] == []
