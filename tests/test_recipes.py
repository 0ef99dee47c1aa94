"""The recipes of docs/recipes.md, tried as they stand there: as cron, systemd and a shell take them."""

import gzip
import re
import shlex
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from posthog_llm_cli.config.resolution import resolve
from posthog_llm_cli.mockserver import MockServer
from tests.cli.running import KEY, PLH, ROOT, environment, lines, record, write_log

RECIPES = (ROOT / "docs" / "recipes.md").read_text()
DATED = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ send: exit \d"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", RECIPES, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    """A folder with a `plh`, as an installation makes one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script(folder / "plh", f'exec {shlex.join(PLH)} "$@"')
    return folder


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_crontab_is_quiet_on_success_and_else_says_when_and_what(tmp_path: Path, bin_folder: Path) -> None:
    path_line, job = blocks("cron")[0].splitlines()
    assert path_line.startswith("PATH=")
    command = re.sub(r"^(\S+\s+){5}", "", job)
    for old, new in {
        "/etc/plh/key": tmp_path / "key",
        "/var/log/llm": tmp_path / "llm",
        "/var/log/plh.log": tmp_path / "plh.log",
    }.items():
        assert old in command
        command = command.replace(old, str(new))
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "llm").mkdir()
    write_log(tmp_path / "llm", 3)
    with MockServer() as server:
        # What cron gives a job: a shell, the crontab's PATH, nothing on stdin.
        env = environment(
            tmp_path, {"PATH": f"{bin_folder}:/usr/bin:/bin", "POSTHOG_HOST": server.url, "SHELL": "/bin/sh"}
        )

        def run() -> tuple[int, str]:
            code = subprocess.run(["/bin/sh", "-c", command], env=env, stdin=subprocess.DEVNULL, check=False).returncode
            return code, (tmp_path / "plh.log").read_text()

        assert run() == (0, "")
        assert run() == (0, "")
        assert len(server.events) == 3
        (tmp_path / "llm" / "more.jsonl").write_bytes(lines(record(4), b"{broken"))
        code, said = run()
    assert code == 3
    assert re.search(rf"^error: {DATED}", said, flags=re.MULTILINE)
    assert "\x1b" not in said


def test_systemd_finds_no_fault_with_the_units(tmp_path: Path, bin_folder: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    service, timer = blocks("ini")
    (tmp_path / "plh.service").write_text(service.replace("/usr/local/bin/plh", str(bin_folder / "plh")))
    (tmp_path / "plh.timer").write_text(timer)
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "plh.service", "plh.timer"], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    ours = [line for line in found.stderr.splitlines() if "plh" in line]
    assert (found.returncode, ours) == (0, [])


def test_what_an_object_store_pipes_is_sent_and_a_broken_download_fails_and_is_completed(
    tmp_path: Path, bin_folder: Path
) -> None:
    (command,) = blocks("sh")
    packed = gzip.compress(write_log(tmp_path, 40).read_bytes())
    (tmp_path / "object").write_bytes(packed)
    script(
        bin_folder / "aws",
        '[ "$1 $2 $4" = "s3 cp -" ] || exit 9; head -c "${FAKE_BYTES:-999999}" object; exit "${FAKE_CODE:-0}"',
    )
    with MockServer() as server:

        def run(**more: str) -> subprocess.CompletedProcess[str]:
            env = {"PATH": f"{bin_folder}:/usr/bin:/bin", "POSTHOG_HOST": server.url, "POSTHOG_API_KEY": KEY, **more}
            return subprocess.run(
                ["bash", "-c", command], cwd=tmp_path, env=environment(tmp_path, env), capture_output=True, text=True,
                check=False,
            )  # fmt: skip

        broken = run(FAKE_BYTES=str(len(packed) // 2), FAKE_CODE="1")
        assert broken.returncode != 0
        assert "[source-damaged]" in broken.stderr
        assert 0 < len(server.events) < 40
        whole = run()
        assert (whole.returncode, whole.stdout, whole.stderr) == (0, "", "")
        assert len({entry["event"]["uuid"] for entry in server.events}) == len(server.events) == 40


def test_the_job_for_kubernetes_names_what_plh_knows() -> None:
    (manifest,) = blocks("yaml")
    (words,) = re.findall(r"args: \[(.*)\]", manifest)
    assert words.split(", ") == ["send", "--quiet", "/logs"]
    assert set(re.findall(r"name: ([A-Z_]+)$", manifest, flags=re.MULTILINE)) == {"POSTHOG_API_KEY", "PLH_LEDGER"}


def test_no_document_installs_by_a_name_that_is_on_no_index() -> None:
    """Whoever took the name there would run in the place of `plh`, with the key."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        assert not re.search(r"\b(pip|pipx|uv|uvx)\b[^`\n]* (plh|posthog.llm.cli)\b", page.read_text()), page.name


def test_the_settings_in_a_file_are_read_as_they_say(tmp_path: Path) -> None:
    (block,) = blocks("toml")
    (tmp_path / "plh.toml").write_text(block)
    (tmp_path / "posthog.key").write_text(KEY + "\n")
    found = resolve({}, {}, tmp_path, tmp_path / "config", state_home=tmp_path / "state", now=datetime.now(UTC))
    assert (found.host, found.api_key, found.concurrency) == ("https://eu.i.posthog.com", KEY, 8)
    assert (found.ledger, found.max_record) == (tmp_path / "state" / "ledger.sqlite", 64 * 1024 * 1024)
    assert found.properties == {"team": "search", "stage": "prod"}
    assert (found.since, found.max_duration_s, found.privacy_mode) == (datetime(2026, 1, 1, tzinfo=UTC), 7200, True)
    again = block.replace('{team = "search", stage = "prod"}', '["team=search", "stage=prod"]')
    (tmp_path / "plh.toml").write_text(again)
    assert (
        resolve({}, {}, tmp_path, tmp_path, state_home=tmp_path, now=datetime.now(UTC)).properties == found.properties
    )
