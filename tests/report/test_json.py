"""`--json`: one object on one line, with the documented keys and no key of PostHog's."""

import orjson

from posthog_llm_cli.errors import SourceError
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


def test_a_key_typed_as_a_source_is_masked() -> None:
    key = "phc_abcdefghijklmnopwxyz"
    found = report(source_errors=[SourceError("source-not-found", key, "nothing there")])
    line = render_json(found)
    assert key.encode() not in line
    assert orjson.loads(line)["source_errors"][0]["source"] == "phc_…wxyz"
