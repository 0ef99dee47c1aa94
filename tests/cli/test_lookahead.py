"""The look before the question: bounded, of files alone, and without a trace in the ledger or the report."""

from pathlib import Path

import pytest

from posthog_llm_cli.cli import lookahead
from posthog_llm_cli.cli.lookahead import look_ahead
from posthog_llm_cli.cli.survey import survey
from posthog_llm_cli.config.resolution import load
from posthog_llm_cli.config.settings import Settings
from posthog_llm_cli.mockserver import MockServer
from posthog_llm_cli.preview.figures import Forecast
from tests.cli.running import KEY, Called, write_log
from tests.preview.making import NOW


def settings(**changes: object) -> Settings:
    return load({"api_key": KEY, "no_ledger": True, "workers": "1", **changes}, now=NOW)


def looked(*paths: Path, **changes: object) -> Forecast | None:
    sources = survey([str(path) for path in paths], written=())
    try:
        return look_ahead(sources, settings(**changes), now=NOW)
    finally:
        sources.close()


def test_a_small_log_is_looked_at_whole(tmp_path: Path) -> None:
    found = looked(write_log(tmp_path, 5))
    assert found is not None
    assert (found.events, found.sample_bytes) == (5, None)


def test_of_a_large_one_the_beginning_is_enough_and_the_time_is_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_log(tmp_path, 3_000)
    size = path.stat().st_size
    monkeypatch.setattr(lookahead, "MOST_BYTES", size // 4)
    found = looked(path)
    assert found is not None
    assert found.sample_bytes is not None
    assert size // 4 <= found.sample_bytes < size
    assert 0 < found.events < 3_000
    assert found.rate is not None
    assert found.time_s == pytest.approx(found.events * size / found.sample_bytes / found.rate.events_per_s, rel=0.05)


def test_the_time_for_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookahead, "MOST_S", 0.0)
    found = looked(write_log(tmp_path, 3_000))
    assert found is not None
    assert found.sample_bytes is not None


def test_a_pipe_is_not_looked_at(tmp_path: Path) -> None:
    assert looked(write_log(tmp_path, 1), Path("/dev/null")) is None


def test_the_ledger_is_asked_and_not_written(home: Path, called: Called, server: MockServer) -> None:
    ledger = home / "l.sqlite"
    write_log(home, 3)
    env = {"POSTHOG_API_KEY": KEY, "POSTHOG_HOST": server.url, "PLH_LEDGER": str(ledger)}
    assert called("send", "app.jsonl", env=env).code == 0
    write_log(home, 3, "again.jsonl")
    before = called("ledger", "runs", env=env).out
    found = looked(home / "again.jsonl", no_ledger=False, ledger=str(ledger), host=server.url)
    assert found is not None
    assert found.events == 0
    assert found.already_read + sum(one.already_sent for one in found.destinations) == 3
    assert before
    assert called("ledger", "runs", env=env).out == before
