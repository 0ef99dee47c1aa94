"""The demo's script, with `plh` from this environment: its success is the README's promise, its failures must show."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_PLH = f'#!/bin/sh\nexec "{sys.executable}" -m posthog_llm_cli "$@"\n'
_SERVER_ONLY = f"""#!/bin/sh
[ "$1" = mock-server ] && shift && exec "{sys.executable}" -c \
    'import typer; from posthog_llm_cli.cli.mock_server import mock_server; typer.run(mock_server)' "$@"
echo "$0 $@"
env | grep -E "^(POSTHOG|PLH)_" && exit 9
true
"""


def _run(tmp_path: Path, plh: str) -> subprocess.CompletedProcess[str]:
    """Run the demo with this script as `plh`; its temporary folder lies in tmp_path/work."""
    for name, script in (("plh", plh), ("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')):
        path = tmp_path / name
        path.write_text(script)
        path.chmod(0o755)
    (tmp_path / "work").mkdir()
    return subprocess.run(
        ["sh", str(ROOT / "scripts" / "demo.sh"), str(tmp_path)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=100,
        check=False,
        cwd=tmp_path,
        env={
            **os.environ,
            "TMPDIR": str(tmp_path / "work"),
            "PYTHONPATH": str(ROOT),
            "POSTHOG_API_KEY": "phx_a_users_own",
            "PLH_FORMAT": "nonsense",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
        },
    )


def _left_over(tmp_path: Path) -> list[str]:
    """Processes that name the demo's folder, and files in its temporary folder."""
    names = [str(path) for path in (tmp_path / "work").iterdir()]
    for pid in Path("/proc").glob("[0-9]*"):
        try:
            command = (pid / "cmdline").read_bytes().decode("utf-8", "replace")
            environment = (pid / "environ").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if str(tmp_path / "work") in environment:
            names.append(command)
    return names


def test_the_demo_shows_what_arrived_and_leaves_nothing(tmp_path: Path) -> None:
    ran = _run(tmp_path, _PLH)
    assert ran.returncode == 0, ran.stderr
    assert "$ai_generation" in ran.stdout.partition("== GET")[2]
    assert "The demo is done" in ran.stdout
    assert _left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("plh", "message"),
    [
        (_SERVER_ONLY, "nothing arrived"),
        (_SERVER_ONLY + "exit 3\n", "plh send ended with exit code 3"),
        ("#!/bin/sh\necho no such thing >&2; exit 1\n", "the server did not start"),
    ],
)
def test_a_step_that_fails_fails_the_demo_and_leaves_nothing(tmp_path: Path, plh: str, message: str) -> None:
    ran = _run(tmp_path, plh)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert f"demo: {message}" in ran.stderr
    assert "POSTHOG_" not in ran.stdout
    assert "The demo is done" not in ran.stdout
    assert _left_over(tmp_path) == []
