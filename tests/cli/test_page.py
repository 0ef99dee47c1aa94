"""`plh preview --html`: where the page goes, what is said of it, and what it never takes the place of."""

import os
import subprocess
from pathlib import Path

import orjson
import pytest

from posthog_llm_cli.page import writing
from tests.cli.running import PLH, Called, environment, lines, record, unprivileged, write_log
from tests.page.making import parse


def test_the_page_is_written_beside_what_the_terminal_shows(home: Path, called: Called) -> None:
    write_log(home, 3)
    plain = called("preview", "--no-ledger", "app.jsonl")
    ran = called("preview", "--no-ledger", "--html", "report.html", "app.jsonl")
    assert (ran.code, ran.out.splitlines()[:3]) == (0, plain.out.splitlines()[:3])
    size = (home / "report.html").stat().st_size
    assert f"page: report.html, {size / 1000:.1f} kB" in ran.err
    page = parse(home / "report.html")
    assert "3 calls in 3 traces" in page.text
    assert {row["trace"] for row in page.rows} == {"trace-0", "trace-1", "trace-2"}


def test_it_goes_with_json_and_quiet_too(home: Path, called: Called) -> None:
    write_log(home, 2)
    ran = called("preview", "--no-ledger", "--json", "--html", "report.html", "app.jsonl")
    assert orjson.loads(ran.out)["counts"]["calls"] == 2
    (home / "report.html").unlink()
    assert called("preview", "--no-ledger", "--quiet", "--html", "report.html", "app.jsonl").err == ""
    assert (home / "report.html").exists()


def test_options_that_choose_calls_choose_those_of_the_page(home: Path, called: Called) -> None:
    write_log(home, 6)
    called("preview", "--no-ledger", "--limit", "2", "--html", "report.html", "app.jsonl")
    assert len(parse(home / "report.html").rows) == 2


def test_a_log_is_never_overwritten(home: Path, called: Called) -> None:
    path = write_log(home, 1)
    before = path.read_bytes()
    ran = called("preview", "--no-ledger", "--html", "app.jsonl", "app.jsonl")
    assert ran.code == 2
    assert "a file that this run writes" in ran.err
    assert path.read_bytes() == before


def test_a_page_among_the_sources_of_a_folder_is_refused_and_kept(home: Path, called: Called) -> None:
    (home / "logs").mkdir()
    write_log(home / "logs", 1)
    assert called("preview", "--no-ledger", "--html", "logs/report.html", "logs").code == 0
    before = (home / "logs" / "report.html").read_bytes()
    assert called("preview", "--no-ledger", "--html", "logs/report.html", "logs").code == 2
    assert (home / "logs" / "report.html").read_bytes() == before


def test_a_place_that_is_none_is_said_before_the_logs_are_read(home: Path, called: Called) -> None:
    write_log(home, 1)
    os.mkfifo(home / "pipe")
    for place, found in (
        ("missing/report.html", "no folder missing"),
        (".", "a folder"),
        ("pipe", "a device or a pipe"),
        ("/dev/null", "a device or a pipe"),
        ("-", "-, which would be"),
    ):
        ran = called("preview", "--no-ledger", "--html", place, "app.jsonl")
        assert (ran.code, ran.out) == (2, "")
        assert f"--html: expected a file to write and found {found}" in ran.err


def test_a_run_that_could_read_nothing_leaves_the_older_page(home: Path, called: Called) -> None:
    (home / "report.html").write_text("last week's")
    ran = called("preview", "--html", "report.html", "nothere.jsonl")
    assert (ran.code, (home / "report.html").read_text()) == (4, "last week's")
    assert "no page: nothing could be read, and report.html is not touched" in ran.lines
    (home / "empty.jsonl").touch()
    assert called("preview", "--html", "report.html", "empty.jsonl").code == 0
    assert "<html" in (home / "report.html").read_text()
    write_log(home, 1)
    (home / "report.html").unlink()
    assert called("preview", "--html", "report.html", "nothere.jsonl", "app.jsonl").code == 4
    assert "<html" in (home / "report.html").read_text()


def test_a_folder_that_may_not_be_written_to_is_said_before_the_logs_are_read(home: Path) -> None:
    write_log(home, 1)
    (home / "closed").mkdir(mode=0o500)
    ran = subprocess.run(
        [*unprivileged(), *PLH, "preview", "--html", "closed/report.html", "app.jsonl"],
        cwd=home, env=environment(home), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--html: expected a file to write and found a folder that may not be written to: closed" in ran.stderr


def test_a_key_in_a_name_does_not_reach_the_page(home: Path, called: Called) -> None:
    key = "phc_abcdefghijklmnopqrstuvwxyz012345"
    (home / "app.jsonl").write_bytes(
        lines(
            record(
                1, end_user=f"user {key}", model=f"gpt {key}", messages=[{"role": "user", "content": f"{key} is mine"}]
            )
        )
    )
    called("preview", "--no-ledger", "--api-key", key, "--html", "report.html", "app.jsonl")
    page = parse(home / "report.html")
    assert key not in (home / "report.html").read_text()
    held = [page.blocks(kind) for kind in ("rows", "o", "c")]
    assert key.encode() not in orjson.dumps(held)
    assert b"phc_\xe2\x80\xa62345" in orjson.dumps(held)


def test_where_the_page_fails_the_figures_were_shown_all_the_same(
    home: Path, called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(home, 2)
    fired = []

    def fail(*_: object) -> None:
        fired.append(True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_fill", fail)
    ran = called("preview", "--no-ledger", "--html", "report.html", "app.jsonl")
    assert fired == [True]
    assert ran.code == 2
    assert ran.out.startswith("2 calls")
    assert "expected to write the page there, and it failed: No space left on device" in ran.err
    assert sorted(path.name for path in home.iterdir() if path.is_file()) == ["app.jsonl"]
