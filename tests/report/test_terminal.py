"""The summary says what a backfill must tell its operator, and only lines that say something."""

import signal
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthog_llm_cli.codes import WARNINGS
from posthog_llm_cli.errors import KeyRefused, RecordError, Retryable, SourceError
from posthog_llm_cli.model import Destination, Endpoint, Fact, SourceRef
from posthog_llm_cli.report import Mode, RunReport
from posthog_llm_cli.report.models import Models, Tally
from posthog_llm_cli.report.terminal import problems, rejection, source_problem, status_line, summary, table
from tests.report.making import EU, US, destined, report


def text(found: RunReport, *, every_warning: bool = False) -> str:
    return "\n".join(summary(found, every_warning=every_warning))


def told(found: RunReport) -> str:
    return "\n".join(f"{problem.message} | {problem.hint}" for problem in problems(found))


def test_a_run_in_which_all_went_well() -> None:
    found = report(
        records=1204, accepted=1190, duplicates=11, skips={"health-check": 3}, bytes_read=9_876_543, elapsed_s=0.82,
        formats={"openai-chat": 204, "litellm": 1000}, events={"$ai_generation": 1100, "$ai_embedding": 90},
        destinations={US: destined()}, import_id="run-1",
    )  # fmt: skip
    assert text(found).splitlines() == [
        "send: 1,204 records read (litellm 1,000, openai-chat 204), 9.9 MB in 0.8 s",
        "  accepted     1,190  $ai_generation 1,100, $ai_embedding 90",
        "  duplicates      11  the same call for the same destination again",
        "  skipped          3  health-check 3",
        "  https://us.i.posthog.com with key phc_…wxyz on route v1: 1,190 accepted",
        "check what arrived in PostHog (SQL):",
        (
            "  SELECT count(distinct uuid) FROM events WHERE event IN ('$ai_embedding', '$ai_generation') "
            "AND properties.plh_import_id = 'run-1'"
        ),
    ]
    assert told(found) == ""


def test_an_empty_run_is_two_lines() -> None:
    assert text(report()).splitlines() == ["send: 0 records read, 0 B in 0.0 s", "  accepted     0"]


@pytest.mark.parametrize("endpoint", [Endpoint.AI_BATCH, Endpoint.BATCH])
def test_on_a_legacy_route_accepted_is_the_edges_word(endpoint: Endpoint) -> None:
    found = report(accepted=5, destinations={US: destined(accepted=5, endpoint=endpoint)})
    assert f"on route {endpoint.value}: 5 accepted by PostHog's edge" in text(found)


def test_the_check_query_cannot_be_broken_out_of() -> None:
    found = report(accepted=1, events={"$ai_generation": 1}, import_id="it's \\ mine")
    assert text(found).endswith(r"plh_import_id = 'it\'s \\ mine'")


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.MOCK, Mode.VALIDATE])
def test_there_is_nothing_to_check_where_nothing_was_sent(mode: Mode) -> None:
    assert "SELECT" not in text(report(mode, accepted=1, events={"$ai_generation": 1}, import_id="x"))


def test_a_dry_run_says_what_would_be_sent_where() -> None:
    found = report(Mode.DRY_RUN, accepted=1190, destinations={US: destined(), EU: destined(EU, accepted=1)})
    lines = text(found).splitlines()
    assert "  for https://us.i.posthog.com with key phc_…wxyz: 1,190 events in 3 chunks, 9.9 MB" in lines
    assert "  for https://eu.i.posthog.com with key phc_…abcd: 1 event in 3 chunks, 9.9 MB" in lines
    assert lines[-1] == "nothing was sent"


def test_warnings_come_with_meaning_and_count_the_rest_by_code() -> None:
    numbers = {code: 100 - rank for rank, code in enumerate(sorted(WARNINGS)[:9])}
    lines = [line for line in text(report(warnings=numbers)).splitlines() if line.startswith("warning: ")]
    first = sorted(WARNINGS)[0]
    assert lines[0] == f"warning: 100 × {WARNINGS[first]} [{first}]"
    assert len(lines) == 7
    assert all(code in lines[-1] for code in sorted(WARNINGS)[6:9])
    assert text(report(warnings=numbers), every_warning=True).count("warning: ") == 9


def test_expired_content_comes_with_what_a_project_may_drop() -> None:
    assert "a project may also be set to drop old events" in text(report(warnings={"content-expired": 40}))
    assert "drop old events" not in text(report(warnings={"no-user": 40}))


def test_coverage_says_0_and_100_only_where_it_is_meant() -> None:
    found = report(
        Mode.VALIDATE, coverage_by_format={"ollama": {"calls": 1000, "provider": 1000, "cost": 999, "tools": 1}}
    )
    assert "of 1,000 calls: provider 100 %, cost 99 %, tools 1 %" in text(found).splitlines()


def test_several_formats_are_covered_apart_and_streams_by_themselves() -> None:
    counts = {"calls": 10, "input": 5, "streams": 4, "time to first token": 3, "streams with time to first token": 3}
    found = report(Mode.VALIDATE, coverage_by_format={"ollama": counts, "openai-flat": {"calls": 1}})
    lines = text(found).splitlines()
    assert "of 10 ollama calls: input 50 %, time to first token 75 % of 4 streams" in lines
    assert "of 1 openai-flat call: nothing but model and time" in lines


def test_what_is_there_only_for_the_advice_has_no_share() -> None:
    counts = {fact.value: 1 for fact in Fact}
    shown = text(report(Mode.VALIDATE, coverage_by_format={"ollama": counts}))
    assert "redacted 100 %" in shown
    assert not any(
        f"{fact.value} 100 %" in shown for fact in (Fact.CALLS, Fact.ANSWERABLE, Fact.PRICEABLE, Fact.DIRECT)
    )


def test_advice_stands_once_below_all_formats_that_it_helps() -> None:
    coverage = {
        "openai-chat": {"calls": 3, "unredacted": 3, "latency": 3, "user": 3, "provider": 3},
        "openai-completions": {"calls": 2, "unredacted": 2, "latency": 2, "user": 2, "provider": 2},
    }
    lines = text(report(Mode.VALIDATE, coverage_by_format=coverage)).splitlines()
    begin = lines.index("what the log lacks, and what to do about it:")
    assert lines[begin + 1 : begin + 3] == [
        "  openai-chat: 0 of 3 calls have a prompt",
        "  openai-completions: 0 of 2 calls have a prompt",
    ]
    assert lines[begin + 3].startswith("    an API answer alone has none: ")
    assert len(lines) == begin + 4


def test_advice_is_for_those_who_validate() -> None:
    lacking = {"litellm-spend": {"calls": 24, "unredacted": 24}}
    assert "0 of 24 calls have a prompt" in text(report(Mode.VALIDATE, coverage_by_format=lacking))
    for mode in set(Mode) - {Mode.VALIDATE}:
        assert "0 of 24" not in text(report(mode, coverage_by_format=lacking))
    told_of = "plh validate tells what the log lacks, and where to switch it on"
    assert told_of in text(report(Mode.SEND, warnings={"no-input": 1})).splitlines()
    assert told_of in text(report(Mode.DRY_RUN, warnings={"no-user": 1})).splitlines()
    assert told_of not in text(report(Mode.SEND, warnings={"content-expired": 1}))
    assert told_of not in text(report(Mode.VALIDATE, warnings={"no-input": 1}))


def test_long_lines_are_folded_to_a_terminal_and_whole_elsewhere() -> None:
    found = report(
        Mode.VALIDATE,
        coverage_by_format={"litellm-spend": {fact.value: 0 for fact in Fact} | {"calls": 24, "unredacted": 24}},
    )
    setting = "`general_settings: store_prompts_in_spend_logs: true`"
    for width in (80, 120):
        lines = list(summary(found, width=width))
        assert all(len(line) <= width for line in lines)
        assert any(setting in line for line in lines)
    whole = list(summary(found))
    assert max(len(line) for line in whole) > 200
    assert "".join(whole).replace(" ", "") == "".join(summary(found, width=80)).replace(" ", "")


def test_the_summary_stays_short_with_many_destinations_codes_and_warnings() -> None:
    many = [Destination(f"https://h{number}.example", "phc_abcdefghijkl") for number in range(50)]
    found = report(
        records=99, accepted=9, already_sent=1, duplicates=1, filtered=1, unconfirmed=1, import_id="x", limit_reached=True,
        skips={f"skip-{number}": 1 for number in range(50)}, rejections={f"code-{number}": 1 for number in range(50)},
        warnings=dict.fromkeys(WARNINGS, 3), destinations={one: destined(one) for one in many},
        formats={f"format-{number}": 1 for number in range(50)}, source_errors=[SourceError("source-not-found", "a", "b")],
    )  # fmt: skip
    assert len(text(found).splitlines()) <= 27
    assert "… and 46 more destinations" in text(found)
    assert "others 44" in text(found)


def test_refused_keys_come_with_what_to_do() -> None:
    error = KeyRefused("https://us.i.posthog.com refused the key (401)", status=401, hint="check POSTHOG_API_KEY")
    found = report(unconfirmed=7, destinations={US: destined(unconfirmed=7, error=error)})
    first, second = told(found).splitlines()
    assert first == "https://us.i.posthog.com refused the key (401) (key phc_…wxyz) | check POSTHOG_API_KEY"
    assert second.startswith(
        "7 events without the server's final word: nothing is lost, run again | once the key or the quota is"
    )


def test_unconfirmed_events_are_to_be_sent_again() -> None:
    found = report(unconfirmed=1, destinations={US: destined(unconfirmed=1, error=Retryable("no answer"))})
    assert "1 event without" in told(found)
    assert "run the same command again: the ids stay the same" in told(found)


def test_an_error_of_many_destinations_is_told_once() -> None:
    found = report(destinations={one: destined(one, error=Retryable("no answer")) for one in (US, EU)})
    assert told(found).count("no answer") == 1


def test_rejected_records_come_with_the_file_that_keeps_them() -> None:
    found = report(rejections={"missing-field": 2}, dead_letter="/tmp/my letters.jsonl")
    assert "2 records rejected and kept in /tmp/my letters.jsonl | the messages above say why" in told(found)


def models(*rows: tuple[str, Tally]) -> Models:
    found = Models()
    for name, tally in rows:
        found.named[name] = tally
    return found


def test_each_destination_has_a_table_of_its_models_without_empty_columns() -> None:
    counts = destined(accepted=1190)
    counts.models = models(
        ("gpt-4o-mini", Tally(accepted=190, duplicates=11)), ("gpt-4o", Tally(accepted=1000, rejected=3)), ("", Tally(accepted=2))
    )  # fmt: skip
    lines = text(report(accepted=1190, destinations={US: counts})).splitlines()
    begin = lines.index("  https://us.i.posthog.com with key phc_…wxyz on route v1: 1,190 accepted")
    assert lines[begin + 1 : begin + 5] == [
        "    model        accepted  rejected  duplicates",
        "    gpt-4o          1,000         3           0",
        "    gpt-4o-mini       190         0          11",
        "    (no model)          2         0           0",
    ]


def test_of_many_models_the_small_ones_are_one_row() -> None:
    counts = destined()
    counts.models = models(*((f"m-{number}", Tally(accepted=100 - number)) for number in range(50)))
    counts.models.others = Tally(accepted=7)
    found = report(Mode.DRY_RUN, destinations={US: counts})
    lines = [line for line in text(found).splitlines() if line.startswith("    ")]
    assert len(lines) == 1 + 8 + 1
    assert lines[0].split() == ["model", "to", "send"]
    assert lines[-1].split() == ["other", "models", f"{sum(100 - number for number in range(8, 50)) + 7:,}"]
    whole = [line for line in text(found, every_warning=True).splitlines() if line.startswith("    ")]
    assert len(whole) == 1 + 50 + 1


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=300), st.builds(Tally, st.integers(0, 10**9), st.integers(0, 10**9)), max_size=20
    ),
    st.integers(60, 200),
)
def test_a_table_fits_its_terminal_and_adds_up(counted: dict[str, Tally], width: int) -> None:
    rows = list(table(models(*counted.items()), "accepted", most=5, width=width))
    assert all(len(row) <= width for row in rows)
    if rows and "accepted" in rows[0]:
        at = rows[0].index("accepted") + len("accepted")
        numbers = [row[:at].rsplit("  ", 1)[1].strip().replace(",", "") for row in rows[1:]]
        assert sum(map(int, numbers)) == sum(tally.accepted for tally in counted.values())


def test_an_interruption_and_the_end_of_the_time_are_told() -> None:
    assert "interrupted by SIGTERM" in told(report(interrupted_by=int(signal.SIGTERM)))
    assert "--max-duration" in told(report(out_of_time=True))


def test_a_rejection_says_where_and_why() -> None:
    ref = SourceRef("app.jsonl", 1204, 0)
    error = RecordError("missing-field", "expected a time and found none", path="$.startTime")
    assert rejection(ref, error) == "app.jsonl:1204: expected a time and found none at $.startTime [missing-field]"
    assert rejection(ref, RecordError("invalid-json", "not JSON")) == "app.jsonl:1204: not JSON [invalid-json]"
    assert (
        source_problem(SourceError("source-not-found", "a", "nothing there")) == "a: nothing there [source-not-found]"
    )


def test_the_status_line_has_the_counts() -> None:
    line = status_line(report(records=1204, accepted=1000, unconfirmed=3, bytes_read=5000, rejections={"x": 2}))
    assert line == "1,204 records, 1,000 accepted, 2 rejected, 3 unconfirmed, 5.0 kB"


def no_key(lines: Iterable[str]) -> bool:
    return all("abcdefghijklmnop" not in line for line in lines)


@pytest.mark.parametrize("mode", list(Mode))
def test_no_mode_shows_a_whole_key(mode: Mode) -> None:
    found = report(
        mode, accepted=1, unconfirmed=2, destinations={US: destined(error=KeyRefused("no")), EU: destined(EU)}
    )
    assert US.host in text(found)
    assert no_key(summary(found))
    assert no_key(problem.message for problem in problems(found))
