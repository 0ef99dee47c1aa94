"""`plh preview` and the forecasts: the figures of a real run against those counted from the raw log by other code."""

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.cells import cell_len

from posthog_llm_cli.mockserver import MockServer
from tests.cli.running import KEY, Called, lines, record, run, run_on_terminal, write_log
from tests.formats.shared import LITELLM_LOGS, needs_litellm_logs
from tests.preview.making import nearest_rank

MODELS = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-20250514")
DAY_S = 86_400


def varied(number: int) -> dict[str, object]:
    """One of many calls: another model, time, user, size and end from call to call."""
    failed = number % 11 == 5
    began = 1764000000.0 + number * DAY_S / 20
    took = ((number * 7919) % 1000) / 100 + 0.01
    changes: dict[str, object] = {
        "model": MODELS[number % 3], "trace_id": f"trace-{number // 4}", "startTime": began, "endTime": began + took,
        "response_time": took, "prompt_tokens": 10 + number, "completion_tokens": number % 50,
        "total_tokens": 10 + number + number % 50, "response_cost": 0.0 if number % 3 == 2 else (number % 17) / 1000,
        "end_user": f"user-{number % 23}" if number % 4 else None,
        "messages": [{"role": "user", "content": "word " * (number % 97)}],
    }  # fmt: skip
    if failed:
        changes |= {
            "status": "failure", "response": None, "response_cost": 0.0, "prompt_tokens": 0, "completion_tokens": 0,
            "total_tokens": 0, "error_str": f"failed {number}",
            "error_information": {"error_class": "RateLimitError", "error_code": "429", "error_message": f"failed {number}"},
        }  # fmt: skip
    return record(number, **changes)


def counted(payloads: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of LiteLLM payloads, by reading them alone."""
    by_model: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for payload in payloads:
        by_model[payload["model"]].append(payload)
    return {
        "calls": len(payloads),
        "errors": sum(payload["status"] == "failure" for payload in payloads),
        "input_tokens": sum(payload["prompt_tokens"] for payload in payloads),
        "output_tokens": sum(payload["completion_tokens"] for payload in payloads),
        "cost_usd": sum(payload["response_cost"] for payload in payloads),
        "users": len({payload["end_user"] for payload in payloads if payload["end_user"]}),
        "traces": len({payload["trace_id"] for payload in payloads}),
        "days": Counter(int(payload["endTime"] // DAY_S) * DAY_S for payload in payloads),
        "models": {
            model: {
                "calls": len(calls),
                "errors": sum(call["status"] == "failure" for call in calls),
                "p50": nearest_rank([call["endTime"] - call["startTime"] for call in calls], 0.5),
                "p95": nearest_rank([call["endTime"] - call["startTime"] for call in calls], 0.95),
            }
            for model, calls in by_model.items()
        },
    }


def previewed(called: Called, *arguments: str) -> dict[str, Any]:
    ran = called("preview", "--json", "--no-ledger", *arguments)
    assert ran.code in {0, 3}, ran.err
    found: dict[str, Any] = orjson.loads(ran.out)
    return found


def test_the_figures_are_those_of_the_raw_log(home: Path, called: Called) -> None:
    payloads = [varied(number) for number in range(300)]
    (home / "app.jsonl").write_bytes(lines(*payloads, *payloads[:40], b"{broken"))
    found, raw = previewed(called, "app.jsonl"), counted(payloads)
    assert found["exit_code"] == 3
    assert (found["counts"]["duplicates"], found["counts"]["rejected"], found["counts"]["calls"]) == (40, 1, 300)
    assert (found["errors"], found["users"]["about"]) == (raw["errors"], raw["users"])
    assert found["traces"]["about"] == raw["traces"]
    assert (found["input_tokens"], found["output_tokens"]) == (raw["input_tokens"], raw["output_tokens"])
    assert found["cost_usd"] == pytest.approx(raw["cost_usd"], abs=1e-9)
    assert found["timeline"]["unit"] == "day"
    shown = {bar["starts_at"][:10]: bar["calls"] for bar in found["timeline"]["bars"]}
    assert list(shown.values()) == [calls for _, calls in sorted(raw["days"].items())]
    assert {model["model"] for model in found["models"]} == set(raw["models"])
    for model in found["models"]:
        own = raw["models"][model["model"]]
        assert (model["calls"], model["errors"]) == (own["calls"], own["errors"])
        assert model["latency"]["p50_s"] == pytest.approx(own["p50"], abs=1e-5)
        assert model["latency"]["p95_s"] == pytest.approx(own["p95"], abs=1e-5)
    slowest = max(range(300), key=lambda number: payloads[number]["endTime"] - payloads[number]["startTime"])  # type: ignore[operator]  # floats
    assert found["slowest"][0]["ref"] == f"app.jsonl:{slowest + 1}"
    (kind,) = found["error_kinds"]
    assert (kind["type"], kind["http_status"], kind["calls"]) == ("RateLimitError", 429, raw["errors"])
    assert kind["message"] == "failed 5"


@needs_litellm_logs
def test_the_figures_of_a_real_log_are_those_of_its_raw_lines(called: Called) -> None:
    path = LITELLM_LOGS / "slo_bare.jsonl"
    payloads = {
        (payload["id"], int(payload["startTime"] * 1000), payload["status"]): payload
        for payload in map(orjson.loads, path.read_bytes().splitlines())
    }
    found = previewed(called, str(path))
    assert found["counts"]["calls"] == len(payloads)
    assert found["errors"] == sum(payload["status"] == "failure" for payload in payloads.values())
    cost = sum(payload["response_cost"] or 0 for payload in payloads.values() if payload["status"] == "success")
    assert found["cost_usd"] == pytest.approx(cost, abs=1e-9)
    latencies = [payload["endTime"] - payload["startTime"] for payload in payloads.values()]
    assert found["latency"]["max_s"] == pytest.approx(max(latencies), abs=1e-5)
    assert found["latency"]["p50_s"] == pytest.approx(nearest_rank(latencies, 0.5), abs=1e-5)


def test_worker_processes_change_no_figure(home: Path) -> None:
    bulk = {"padding": "x" * 20_000}
    (home / "app.jsonl").write_bytes(lines(*(varied(number) | bulk for number in range(300))))
    alone, together = (
        orjson.loads(run(home, "preview", "--json", "--no-ledger", "--workers", workers, "app.jsonl").out)
        for workers in ("1", "2")
    )
    assert alone["counts"]["bytes_read"] > 5_000_000  # workers start after 4 MiB
    for preview in (alone, together):
        preview["forecast"] |= {"rate": None, "time_s": None}
    assert together == alone


@pytest.mark.parametrize("columns", [80, 160])
def test_on_a_terminal_it_is_as_wide_as_that(home: Path, columns: int) -> None:
    (home / "app.jsonl").write_bytes(lines(*(varied(number) for number in range(60))))
    ran = run_on_terminal(home, "preview", "--no-ledger", "app.jsonl", columns=columns)
    assert ran.code == 0
    assert max(map(cell_len, ran.out.splitlines())) <= columns
    assert "60 calls" in ran.out
    assert "Slowest calls" in ran.out
    assert "\x1b" not in ran.out  # stdout is no terminal here


def test_filters_and_mapping_shape_it_as_they_shape_a_send(home: Path, called: Called) -> None:
    (home / "app.jsonl").write_bytes(lines(*(varied(number) for number in range(100))))
    assert previewed(called, "--limit", "7", "app.jsonl")["counts"]["calls"] == 7
    assert previewed(called, "--limit", "7", "app.jsonl")["counts"]["is_whole"] is False
    halves = [previewed(called, "--shard", f"{part}/2", "app.jsonl")["counts"]["calls"] for part in (1, 2)]
    assert sum(halves) == 100
    assert previewed(called, "--until", "2025-11-26", "app.jsonl")["counts"]["calls"] < 100
    private = previewed(called, "--privacy-mode", "app.jsonl")
    assert private["error_kinds"][0]["message"] is None
    inputs = {row["property"]: row["known"] for row in private["coverage"][0]["properties"]}
    assert (inputs["input"], inputs["model"]) == (0, 100)


def test_nothing_is_sent_and_nothing_written(home: Path, called: Called, server: MockServer) -> None:
    write_log(home, 3)
    ran = called("preview", "app.jsonl", env={"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url})
    assert (ran.code, len(server.requests)) == (0, 0)
    assert [path.name for path in home.iterdir()] == ["app.jsonl"]


def test_what_the_ledger_has_is_shown_and_not_to_send(home: Path, called: Called, server: MockServer) -> None:
    to = {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url, "PLH_LEDGER": str(home / "l.sqlite")}
    write_log(home, 3)
    assert called("send", "app.jsonl", env=to).code == 0
    write_log(home, 5)
    ran = called("preview", "--json", "app.jsonl", env=to)
    found = orjson.loads(ran.out)
    (destination,) = found["forecast"]["destinations"]
    assert (found["counts"]["calls"], destination["events"], destination["already_sent"]) == (5, 2, 3)


def test_a_dry_run_opens_with_the_forecast(home: Path, called: Called) -> None:
    write_log(home, 4)
    ran = called("send", "--dry-run", "--no-ledger", "app.jsonl")
    first = next(line for line in ran.lines if not line.startswith("warning"))
    assert first == "what a send will do:"
    nothing = run(home, "send", "-n", "--since", "1h", "app.jsonl")
    assert nothing.lines[:2] == ["what a send will do:", "  nothing: there is no call to send"]
    assert ran.err.index("4 events to send") < ran.err.index("dry-run: 4 records read")
    assert "over 30 days old: PostHog keeps no prompts and answers of theirs (4 carry some)" in ran.err
    report = orjson.loads(called("send", "--dry-run", "--json", "--no-ledger", "app.jsonl").out)
    assert report["forecast"]["destinations"][0]["events"] == 4
    assert "forecast" not in orjson.loads(called("validate", "--json", "app.jsonl").out)


def test_the_question_is_asked_after_the_forecast_and_only_a_terminal_gets_it(home: Path, server: MockServer) -> None:
    write_log(home, 2)
    to = {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url}
    ran = run_on_terminal(home, "send", "app.jsonl", env=to, answer=("[y/N]", b"y\n"))
    assert (ran.code, len(server.events)) == (0, 2)
    shown = re.sub(r"\s+", " ", ran.err)
    assert (
        shown.index("what a send will do") < shown.index("2 over 30 days old") < shown.index("billed like a live one")
    )
    assert "what a send will do" not in run_on_terminal(home, "send", "-y", "app.jsonl", env=to).err
    assert "what a send will do" not in run(home, "send", "app.jsonl", env=to).err


def test_a_rejected_record_is_exit_3_and_a_missing_source_exit_4(home: Path, called: Called) -> None:
    (home / "app.jsonl").write_bytes(lines(record(1), b"{broken"))
    ran = called("preview", "--no-ledger", "app.jsonl")
    assert (ran.code, "1 call," in ran.out) == (3, True)
    assert called("preview", "--no-ledger", "nothing.jsonl").code == 4


def test_what_was_read_is_told_beside_the_figures(home: Path) -> None:
    write_log(home, 3)
    ran = run(home, "preview", "--no-ledger", "app.jsonl")
    assert ran.out.startswith("3 calls, 2025-11-24 16:00 to ")
    assert "preview: 3 records read (litellm 3)" in ran.err
