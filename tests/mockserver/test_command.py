import os
import re
import signal
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from posthog_llm_cli.cli.mock_server import mock_server
from posthog_llm_cli.errors import ConfigError
from posthog_llm_cli.mockserver import MockServer
from posthog_llm_cli.mockserver.faults import ANSWER_KINDS, EVENT_KINDS, RETRY_AFTER_WORDS
from tests.mockserver.posting import event, post


def _run(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "posthog_llm_cli", "mock-server", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


def test_the_command_serves_and_repeats_its_faults_by_the_seed_it_prints() -> None:
    def statuses(*options: str) -> tuple[str, list[int]]:
        with _run("--port", "0", "--fail", "503:0.5", *options) as process:
            assert process.stdout is not None
            found = re.match(r"listening on (\S+) \(seed (\d+), faults on order: 503:0\.5\)", process.stdout.readline())
            assert found
            answers = [post(found[1], "batch", event()).status_code for _ in range(20)]
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
            assert (process.returncode, err) == (0, "")
            assert f"faults fired: 503 {answers.count(503)}" in out
            return found[2], answers

    seed, first = statuses()
    assert set(first) == {200, 503}
    assert statuses("--seed", seed) == (seed, first)


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    with _run("--port", "0") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().split()[2]
        process.stdout.close()
        assert post(url, "batch", event()).status_code == 200
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == ""


def test_bad_faults_are_a_usage_error_with_an_example() -> None:
    with pytest.raises(ConfigError, match="--fail: expected a status") as caught:
        mock_server(port=0, fail="teapot:1")
    assert caught.value.hint is not None
    assert "429:0.1" in caught.value.hint


def test_a_taken_port_is_a_usage_error_that_names_it() -> None:
    with MockServer() as server:
        port = urlsplit(server.url).port or 0
        with pytest.raises(ConfigError, match=f"expected to listen on 127.0.0.1 port {port} and found") as caught:
            mock_server(port=port)
    assert caught.value.hint == "--port 0 takes any free port"


@pytest.mark.parametrize("host", ["no.such.host.invalid", ".no-name", "192.0.2.1"])
def test_a_host_that_is_none_is_a_usage_error(host: str) -> None:
    with pytest.raises(ConfigError, match="expected to listen on"):
        mock_server(host=host, port=0)


def test_its_help_lists_every_kind_of_fault() -> None:
    with _run("--help") as process:
        out, _ = process.communicate(timeout=10)
    words = re.sub(r"[^a-z0-9:.,-]+", " ", out.lower())
    for word in ("429:0.1", "403-html", "slow", *sorted(ANSWER_KINDS | EVENT_KINDS), *sorted(RETRY_AFTER_WORDS)):
        assert word in words
